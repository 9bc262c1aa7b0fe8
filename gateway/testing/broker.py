"""A private RabbitMQ for tests: see :class:`gateway.transports.private_broker.PrivateBroker`.

It lives in ``gateway.transports`` because ``gateway demo`` starts one too, and a product command does not
import from ``gateway.testing``.
"""

from gateway.transports.private_broker import PrivateBroker

__all__ = ["PrivateBroker"]
