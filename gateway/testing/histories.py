"""What in a leg's history and news is a node's own clock and no move by the table: to check histories by."""

from __future__ import annotations

import re
from typing import Final

OVERLAY: Final = re.compile(r"(overdue|due\d+|escalated|ignored|action|duty):|(resealed|owner_named)\Z")
"""The events of a leg that leave its state where it is and stand in no table of moves."""

OWN_CLOCK: Final = re.compile(r"overdue_|action_|due\d+_|undelivered\Z|resealed\Z")
"""The news that a node tells its own agency because time has passed, and not because a receipt came."""
