"""Every error of the gateway, grouped by whose fault it is.

::

    GatewayError
    ├── Refused                what a peer sent is not acceptable     (core, on receipt)
    │   ├── Malformed          bytes that no honest encoder produces
    │   ├── Untrusted          an unknown, revoked or expired key
    │   ├── Forged             a signature, commitment or hash that does not hold
    │   ├── Expired            too old, too new, or too long a life
    │   ├── Replayed           the same place in a stream with other content
    │   ├── NotForUs           sealed to somebody else
    │   └── Unsupported        a version, suite or kind this release does not speak
    ├── Rejected               what our own agency asked for cannot be done
    │   ├── InvalidDocument    the document breaks its shape
    │   ├── NotAllowed         the document, or the caller, breaks a rule
    │   ├── Unauthenticated    no token, or one that is not known
    │   ├── UnknownRecipient   an area or agency that the directory does not hold
    │   ├── NotFound           no such thing, or not yours to see
    │   ├── TooLarge           over a stated limit
    │   └── Conflict           it contradicts what is already recorded
    ├── Unavailable            nobody's fault, worth another try      (broker, store, adapter)
    └── Misconfigured          the operator's to mend

A check raises; it never returns a bool. Foreign exceptions are translated once, at the edge where the
foreign library is called. No message, field or remedy ever holds a value out of a document: it names
the place (a JSON Pointer, RFC 6901) and what to do there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document.

    ``field`` is a JSON Pointer (RFC 6901) into the document, ``rule`` the number of the rule broken
    (``R6``) or ``""`` for a matter of shape, ``remedy`` a sentence that says what to do.
    """

    field: str
    message: str
    remedy: str
    rule: str = ""


class GatewayError(Exception):
    """The one root. ``code`` is stable and machine-readable; ``status`` is the HTTP answer."""

    code: str = "error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        field: str = "",
        remedy: str = "",
        rule: str = "",
        problems: Sequence[Problem] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        if code:
            self.code = code
        self.field = field
        self.remedy = remedy
        self.rule = rule
        self.problems = tuple(problems)


class Refused(GatewayError):
    """A peer's bytes are not acceptable. ``code`` goes to our log, never back to an unproven peer."""

    code = "refused"
    status = 400


class Malformed(Refused):
    code = "malformed"


class Untrusted(Refused):
    code = "untrusted"


class Forged(Refused):
    code = "forged"


class Expired(Refused):
    code = "expired"


class Replayed(Refused):
    code = "replayed"


class NotForUs(Refused):
    code = "not_for_us"


class Unsupported(Refused):
    code = "unsupported"


class Rejected(GatewayError):
    """What an agency of our own asked for cannot be done as asked."""

    code = "rejected"
    status = 422


class InvalidDocument(Rejected):
    code = "invalid_document"


class NotAllowed(Rejected):
    code = "not_allowed"
    status = 403


class Unauthenticated(Rejected):
    code = "unauthenticated"
    status = 401


class UnknownRecipient(Rejected):
    code = "unknown_recipient"


class NotFound(Rejected):
    code = "not_found"
    status = 404


class TooLarge(Rejected):
    code = "too_large"
    status = 413


class Conflict(Rejected):
    code = "conflict"
    status = 409


class Unavailable(GatewayError):
    """Broker, store or adapter cannot serve now; the same call may go through later."""

    code = "unavailable"
    status = 503
    retryable = True


class Misconfigured(GatewayError):
    """The operator's to mend; the remedy names the setting or the command."""

    code = "misconfigured"
