"""The channels by which a role is called: each is a :class:`gateway.ports.Pager`.

Duty: one file a channel. What they tell is composed in :mod:`gateway.flows.paging`; which are used stands in
the settings, under ``[escalation.channels]``.
"""

from gateway.pagers.email import EmailPager
from gateway.pagers.webhook import WebhookPager

__all__ = ["EmailPager", "WebhookPager"]
