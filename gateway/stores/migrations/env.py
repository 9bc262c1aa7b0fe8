"""What Alembic runs: the steps, on the connection and inside the transaction that the caller holds.

``gateway.stores.migrations`` sets ``config.attributes["connection"]``; there is no url and no offline mode,
because the steps look at the database they change.
"""

from __future__ import annotations

from alembic import context

from gateway.stores.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
