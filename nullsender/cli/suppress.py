"""`nullsender suppress`: outcomes in, the list changed."""

import argparse
import logging
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Protocol

from nullsender.cli import parts, store_parts
from nullsender.cli.running import role
from nullsender.cli.running.stages import consume
from nullsender.clock import SteadyTime
from nullsender.errors import Transient
from nullsender.limits import EXPIRE_BATCH_MAX, EXPIRE_EVERY_SECONDS
from suppression.consumer import SuppressStage
from suppression.store.policy_seen import StorePolicy

_log = logging.getLogger("suppress")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing of its own."""
    role.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Apply outcomes until told to stop, and keep the store's house beside that."""
    with role.running("suppress", arguments) as ours:
        store = store_parts.open_store(ours.settings)
        noted = StorePolicy.beside(store)
        if noted.note_policy("suppress"):
            _log.info("another policy is in force", extra={"facts": {"policy": store.policy.version}})
        stage = SuppressStage(store)
        threading.Thread(
            target=keep_house, args=(store, ours.stop, PolicyWatch(noted)), daemon=True, name="housekeeping"
        ).start()
        with parts.open_log(ours.settings) as log, log.producer() as producer:
            consume(ours, log, stage, producer=producer, start_at=stage.start_at)
    return 0


class Housekeeping(Protocol):
    """The store's chores: each does at most so many at once, and says how many."""

    def expire(self, now: datetime, limit: int) -> int:
        """Note what has expired, for the history and the feed: an entry stops no mail from that moment anyway."""

    def forget(self, now: datetime, limit: int) -> int:
        """Erase what nobody needs any more."""


class PolicyWatch:
    """A chore: says it once when another process has begun to keep the list under another policy."""

    def __init__(self, noted: StorePolicy) -> None:
        self._noted = noted
        self._told: str | None = None

    def __call__(self, _now: datetime, _limit: int) -> int:
        """Look."""
        other = self._noted.other_policy()
        if other is not None and other != self._told:
            facts = {"ours": self._noted.policy.version, "other": other}
            _log.warning("processes act by different policies: give all the same file and restart them", extra={"facts": facts})
        self._told = other
        return 0


def keep_house(store: Housekeeping, stop: Callable[[], bool], *further: Callable[[datetime, int], int]) -> None:
    """Do the chores again and again until told to stop; not while the clock can not be believed."""
    time = SteadyTime(parts.CLOCK)
    while not stop():
        now = time.now()
        if now is not None:
            for chore in (store.expire, store.forget, *further):
                _do(partial(chore, now))
        parts.CLOCK.sleep(EXPIRE_EVERY_SECONDS)


def _do(chore: Callable[[int], int]) -> None:
    try:
        while chore(EXPIRE_BATCH_MAX) == EXPIRE_BATCH_MAX:
            pass  # the batch was full: there are more
    except Transient as trouble:
        _log.warning("housekeeping will be done later", extra={"facts": {"trouble": trouble}})
    except Exception:  # nobody would notice that this thread is gone
        _log.exception("housekeeping failed, which is our mistake")
