"""What is done when a timer of each kind falls due: one line a kind (:mod:`gateway.flows.timers`)."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.flows import (
    action_clock,
    actions,
    attest,
    breaches,
    bridge,
    cascade,
    clocks,
    destruction,
    drafts,
    effects,
    escalation,
    late,
    match,
    notice_legs,
    purge_clock,
    questions,
    receipts,
    retention,
    returned,
    spoc,
    undelivered,
    urgent,
    urgent_review,
    versions,
)
from gateway.flows.timers import Fire

FIRES: Mapping[str, Fire] = {
    **dict.fromkeys((clocks.ACKNOWLEDGE, clocks.DECIDE), late.fire),
    **dict.fromkeys(escalation.KINDS, escalation.fire),
    actions.TIMER: action_clock.fire,
    undelivered.TIMER: undelivered.fire,
    **dict.fromkeys(urgent.ALARMS, urgent.fire),
    urgent.OWED: urgent.fire_owed,
    urgent.ESCALATION: urgent.escalate,
    drafts.TIMER: drafts.fire,
    urgent_review.SECTION: urgent_review.say_again,
    bridge.TIMER: bridge.fire,
    spoc.TIMER: spoc.fire,
    notice_legs.CASCADE: cascade.fire,
    notice_legs.SETTLED: cascade.settled,
    destruction.DESTROY: destruction.fire,
    destruction.ATTEST: destruction.attest,
    destruction.OVERDUE: destruction.overdue,
    effects.REPLY_DUE: effects.reply_due,
    versions.TIMER: versions.fire,
    questions.TIMER: questions.overdue,
    purge_clock.PURGE: retention.fire,
    purge_clock.REVIEW: retention.remind,
    purge_clock.ATTEST: attest.overdue,
    receipts.RETURNED: returned.fire,
    match.TIMER: match.fire,
    breaches.CLOCK: breaches.fire,
}
