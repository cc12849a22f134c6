"""What an incident does, or would do, to the list: entry by entry, and in sums. Pure."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from nullsender.limits import INCIDENT_COUNTS_MAX, INCIDENT_COUNTS_SHOWN_MAX, INCIDENT_PREVIEW_ENTRIES_MAX
from suppression.policy import Cause


class Action(StrEnum):
    """What becomes of an entry."""

    RELEASE = "release"  # nothing else holds it
    CHANGE = "change"  # it stands, but on other grounds or for another time
    ADD = "add"
    LEAVE = "leave"


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one entry that the reports speak of, and why."""

    action: Action
    why: str
    cause: Cause
    scope: str
    address_hash: bytes
    rule: str | None  # on which the entry rests, or rested
    category: str | None
    address: str | None = None  # None where it was erased, or is not asked for
    domain: str | None = None


class Summary(msgspec.Struct, kw_only=True):
    """The sums of many effects; its size does not grow with them."""

    people: int = 0  # about whom there are reports that have the marks
    reports: int = 0  # that have the marks, and count for something else now
    protected: int = 0  # that have the marks, and are left: a person's own word
    cannot_judge: int = 0  # their row fits, and what they said is no longer kept: left
    cannot_read: int = 0  # the same of a bad rule: without the words they can not be read again
    too_many: int = 0  # left: more was said of the person than can be gone through
    read_the_same: int = 0  # today's rules read them as before
    by_action: dict[str, int] = {}  # of entries: `release hard`
    by_domain: dict[str, int] = {}  # of entries that are released or changed, the most frequent
    by_rule: dict[str, int] = {}
    by_why: dict[str, int] = {}  # of those that are left
    entries: list[Effect] = []  # the first of them

    def add(self, effects: Iterable[Effect]) -> None:
        """Count these, and keep the first as examples."""
        for effect in effects:
            _count(self.by_action, f"{effect.action} {effect.cause}")
            if effect.action is Action.LEAVE:
                _count(self.by_why, effect.why)
            else:
                _count(self.by_domain, effect.domain or "unknown")
                _count(self.by_rule, effect.rule or "none")
            if len(self.entries) < INCIDENT_PREVIEW_ENTRIES_MAX:
                self.entries.append(msgspec.structs.replace(effect, address=None))  # sums are kept for long, names are not

    def merge(self, other: "Summary") -> None:
        """Add the sums of `other`, and as many of its examples as there is room for."""
        for name in ("people", "reports", "protected", "cannot_judge", "cannot_read", "too_many", "read_the_same"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("by_action", "by_domain", "by_rule", "by_why"):
            counts: dict[str, int] = getattr(self, name)
            for what, count in getattr(other, name).items():
                _count(counts, what, count)
        self.entries += other.entries[: INCIDENT_PREVIEW_ENTRIES_MAX - len(self.entries)]


def most(counts: dict[str, int]) -> list[tuple[str, int]]:
    """The largest of them, as many as are shown."""
    return Counter(counts).most_common(INCIDENT_COUNTS_SHOWN_MAX)


def _count(counts: dict[str, int], name: str, times: int = 1) -> None:
    """Count; past so many names all others are one. People come in the order of hashes, so what is frequent came early."""
    if name not in counts and len(counts) >= INCIDENT_COUNTS_MAX:
        name = "other"
    counts[name] = counts.get(name, 0) + times
