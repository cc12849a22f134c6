"""What an operator may move; the reasons for the defaults stand in `nullsender/limits.py`."""

from typing import Literal

import msgspec

from nullsender import limits
from suppression.policy.scopes import Breadth
from suppression.policy.words import Cause


class PolicySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for the mail of one stream."""

    hard: Breadth = Breadth.ALL
    complaint: Breadth = Breadth.ALL_BUT_TRANSACTIONAL
    unsubscribe: Breadth = Breadth.LIST
    soft: Breadth = Breadth.STREAM
    transactional: tuple[str, ...] = ("transactional",)  # streams
    unproven: Literal["ignore", "provisional", "full"] = "provisional"
    provisional_days: int = limits.PROVISIONAL_DAYS
    provisional_per_source_and_hour_max: int = limits.PROVISIONAL_PER_SOURCE_AND_HOUR_MAX
    soft_limit: int = limits.SOFT_BOUNCES_MAX
    soft_window_days: int = limits.SOFT_WINDOW_DAYS
    soft_entry_days: int = limits.SOFT_ENTRY_DAYS

    def breadth_of(self, cause: Cause) -> Breadth:
        """How much mail a report of that cause stops."""
        return {
            Cause.HARD: self.hard,
            Cause.COMPLAINT: self.complaint,
            Cause.UNSUBSCRIBE: self.unsubscribe,
            Cause.SOFT: self.soft,
        }[cause]
