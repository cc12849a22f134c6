"""The suppression role's thread that keeps house: it lives as long as the role does."""

import logging
from datetime import datetime

import pytest
from sqlalchemy import Engine

from nullsender.cli import parts, suppress
from nullsender.clock import FakeClock
from nullsender.errors import Transient
from suppression.policy import PolicySettings
from suppression.store.policy_seen import StorePolicy
from tests.store_fixtures import store_on


class TroubledStore:
    """The first round of each chore fails; the rest are written down."""

    def __init__(self, trouble: Exception) -> None:
        self._trouble = trouble
        self._failed: set[str] = set()
        self.left = {"expire": 5, "forget": 7}

    def expire(self, _now: datetime, limit: int) -> int:
        return self._do("expire", limit)

    def forget(self, _now: datetime, limit: int) -> int:
        return self._do("forget", limit)

    def _do(self, chore: str, limit: int) -> int:
        if chore not in self._failed:
            self._failed.add(chore)
            raise self._trouble
        done = min(limit, self.left[chore])
        self.left[chore] -= done
        return done


@pytest.mark.parametrize(
    ("trouble", "level"), [(Transient("no database"), logging.WARNING), (ZeroDivisionError("our mistake"), logging.ERROR)]
)
def test_no_trouble_ends_the_housekeeping(
    trouble: Exception, level: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(parts, "CLOCK", FakeClock())
    monkeypatch.setattr(suppress, "EXPIRE_BATCH_MAX", 2)
    store, rounds = TroubledStore(trouble), iter([False, False, True])

    suppress.keep_house(store, lambda: next(rounds))

    assert store.left == {"expire": 0, "forget": 0}
    assert [record.levelno for record in caplog.records] == [level, level]


def test_a_clock_that_jumps_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr(parts, "CLOCK", clock)
    store, rounds = StoreWithoutTrouble(), iter([False, False, True])

    def stopping() -> bool:
        clock.jump(days=10)
        return next(rounds)

    suppress.keep_house(store, stopping)

    assert store.asked_at == []


@pytest.mark.parametrize("database", ["sqlite"])
def test_another_policy_beside_ours_is_told_once(engine: Engine, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    ours = StorePolicy.beside(store_on(engine, clock))
    watch = suppress.PolicyWatch(ours)
    ours.note_policy("suppress")
    watch(clock.now(), 1)
    assert caplog.records == []

    StorePolicy.beside(store_on(engine, clock, PolicySettings(soft_limit=3))).note_policy("suppress")
    for _ in range(3):
        watch(clock.now(), 1)

    assert [record.levelno for record in caplog.records] == [logging.WARNING]


class StoreWithoutTrouble:
    """Writes down for which moment each chore was asked."""

    def __init__(self) -> None:
        self.asked_at: list[datetime] = []

    def expire(self, now: datetime, _limit: int) -> int:
        self.asked_at.append(now)
        return 0

    forget = expire
