"""What an operator may move; the reasons for the defaults stand in `nullsender/limits.py`."""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Literal

import msgspec

from nullsender import limits
from nullsender.errors import Invalid
from suppression.policy.scopes import Breadth
from suppression.policy.words import Cause

FOREVER = "forever"
_DAYS = re.compile(r"([1-9][0-9]{0,3})d")

#: Where the limit of a category is not `soft_limit`; 0: reports of it are no strikes.
SOFT_LIMITS: Mapping[str, int] = {
    "mailbox-full": 5,  # people empty them
    "mailbox-disabled": 3,  # few come back
    "recipient-rate-limited": 0,  # somebody is there, and gets more mail than others
}


def lifetimes_of(words: Iterable[str]) -> tuple[timedelta | None, ...]:
    """How long one entry after another lives, of words such as `7d`; None: for good. `Invalid` says what is allowed."""
    found = tuple(None if word == FOREVER else _lifetime(word) for word in words)
    if not found or None in found[:-1]:
        raise Invalid(f'lifetimes are one or more of 1d to {limits.SOFT_LIFETIME_DAYS_MAX}d; only the last may be "{FOREVER}"')
    return found


def _lifetime(word: str) -> timedelta:
    days = _DAYS.fullmatch(word)
    if days is None or int(days[1]) > limits.SOFT_LIFETIME_DAYS_MAX:
        raise Invalid(f'{word!r} is no lifetime: write 1d to {limits.SOFT_LIFETIME_DAYS_MAX}d, or "{FOREVER}"')
    return timedelta(days=int(days[1]))


def words_of(lifetimes: Iterable[timedelta | None]) -> tuple[str, ...]:
    """The same the other way."""
    return tuple(FOREVER if lifetime is None else f"{lifetime.days}d" for lifetime in lifetimes)


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
    soft_limits: Mapping[str, int] = msgspec.field(default_factory=lambda: SOFT_LIMITS)  # by category
    soft_window_days: int = limits.SOFT_WINDOW_DAYS
    soft_lifetimes: tuple[timedelta | None, ...] = lifetimes_of(limits.SOFT_LIFETIMES)  # None: for good
    soft_quiet_days: int = limits.SOFT_QUIET_DAYS
    delivery_ends_soft: bool = False

    def breadth_of(self, cause: Cause) -> Breadth:
        """How much mail a report of that cause stops."""
        return {
            Cause.HARD: self.hard,
            Cause.COMPLAINT: self.complaint,
            Cause.UNSUBSCRIBE: self.unsubscribe,
            Cause.SOFT: self.soft,
        }[cause]

    def soft_limit_of(self, category: str) -> int:
        """How many reports of that category make an entry; 0: they are no strikes."""
        return self.soft_limits.get(category, self.soft_limit)
