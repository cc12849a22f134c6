"""Which trouble strikes and when: all of it follows from the seed.

Each history has a part of all kinds of trouble, each at a rate of its own, because trouble that never stops hides what a single
blow does. Each kind draws from a stream of its own: without one kind the others strike much as before, so a history that
failed can be told with fewer.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from enum import StrEnum
from random import Random
from typing import TypeVar

Item = TypeVar("Item")

# How often a kind of trouble strikes where it may: seldom enough that things get done between two blows.
_RATES = (0.02, 0.05, 0.1, 0.2)
_RATE_OF_HABITS = 0.3  # of what is no trouble by itself


class Trouble(StrEnum):
    """What can go wrong."""

    # publishing
    REFUSED = "refused"  # nothing landed
    IN_PART = "in-part"  # some of it landed, and it failed
    UNANSWERED = "unanswered"  # all of it landed, and it failed
    LATE = "late"  # it failed, and lands later, when it may have been published again
    DOUBLED = "doubled"  # all of it landed, some of it twice (Kafka after a change of leader)
    # consuming
    POLL_FAILS = "poll-fails"
    OFFSETS_REFUSED = "offsets-refused"
    OFFSETS_UNANSWERED = "offsets-unanswered"  # stored, and it failed
    EVICTED = "evicted"  # a member that works is taken for dead: others go on where it stands
    # the log as a whole
    LOG_LOST = "log-lost"  # made anew, empty
    LOG_SET_BACK = "log-set-back"  # put back from an older copy
    # the store
    STATEMENT_FAILS = "statement-fails"
    COMMIT_FAILS = "commit-fails"
    COMMIT_UNANSWERED = "commit-unanswered"  # the connection broke: it may be done or not
    STORE_SET_BACK = "store-set-back"  # put back from an older copy
    # processes and people
    CRASH = "crash"  # kill -9, at any step
    PREEMPTED = "preempted"  # others run while a process is between two steps
    CLOCK_JUMPS = "clock-jumps"
    HUNG_UP = "hung-up"  # the client did not hear its 250, and sends again
    OLD_RECORDS = "old-records"  # an older MX writes: fields are missing
    UPGRADED = "upgraded"  # a process comes back newer: what it writes the old ones can not read


_HABITS = frozenset({Trouble.HUNG_UP, Trouble.OLD_RECORDS, Trouble.UPGRADED})


class Crash(BaseException):
    """This process is no more. No `except Exception` of the product sees it, and nothing after it runs."""


class Fate:
    """Says of each moment whether something goes wrong there."""

    def __init__(self, seed: int, *, without: Collection[Trouble] = ()) -> None:
        choosing = Random(f"{seed} rates")
        rates = {trouble: choosing.choice(_RATES) for trouble in Trouble if choosing.random() < 0.5}
        rates |= dict.fromkeys(_HABITS & rates.keys(), _RATE_OF_HABITS)
        self.rates = {trouble: rate for trouble, rate in rates.items() if trouble not in without}
        self.struck: Counter[Trouble] = Counter()
        self._streams = {trouble: Random(f"{seed} {trouble}") for trouble in self.rates}
        self._order = Random(f"{seed} order")
        self._is_calm = False

    def strikes(self, trouble: Trouble) -> bool:
        """Whether `trouble` happens now."""
        stream = self._streams.get(trouble)
        if stream is None or self._is_calm or stream.random() >= self.rates[trouble]:
            return False
        self.struck[trouble] += 1
        return True

    def is_on(self, trouble: Trouble) -> bool:
        """Whether `trouble` may happen in this history."""
        return trouble in self.rates

    def chosen_for(self, trouble: Trouble) -> Random:
        """The stream for the details of a trouble that strikes."""
        return self._streams[trouble]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """Them in any order."""
        return self._order.sample(items, len(items))

    def up_to(self, most: int) -> int:
        """1 to `most`, mostly few; all of them once it is calm."""
        return most if self._is_calm else min(most, self._order.choice((1, 2, 3, 5, 500)))

    def calm_down(self) -> None:
        """Nothing goes wrong any more."""
        self._is_calm = True


class Fair(Fate):
    """A fate in which nothing ever goes wrong."""

    def __init__(self) -> None:
        super().__init__(0, without=tuple(Trouble))
        self.calm_down()
