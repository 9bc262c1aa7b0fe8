"""HOW sealed messages travel: RabbitMQ (``rabbit``) and the in-process broker (``memory``).

Both implement ``gateway.ports.Transport`` and pass ``gateway.testing.transport_suite``. Names on the broker
come from ``topology`` alone. Nothing here opens an envelope, and nothing decides when to publish.
"""
