"""A whole system with its traffic: `nullsender up`, MTAs that send to it, and the ledger that all of its tests share.

Faults come one after the other on one world, and after each everything since the beginning has to add up.
"""

import os
import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from nullsender import config
from nullsender.cli.parts import keys_of, open_log
from nullsender.errors import Transient
from nullsender.log import Record, wait_until_durable
from nullsender.signing.keys import SigningKeys
from suppression.engine import open_engine
from suppression.policy import EVERYWHERE, NOT_TRANSACTIONAL
from tests.faults.client import MAILS_PER_SECOND, Traffic
from tests.faults.found import find, waiting
from tests.faults.ledger import Ledger
from tests.faults.mail import STREAM, Writer
from tests.faults.records import Reported, reported
from tests.system import System, Unanswered
from tests.waiting import wait_for

SETTLE_SECONDS_MAX = 90.0
LOOKUPS_TURN_SECONDS_MAX = 20.0
#: Without a bound on what one client may do unproven: all clients here are one machine.
_NO_CAP = {"NULLSENDER_POLICY_PROVISIONAL_PER_SOURCE_AND_HOUR_MAX": "1000000000"}


def seed_of_this_run() -> int:
    """FAULTS_SEED of the environment, so that a run can be repeated; else a new one."""
    return int(os.environ.get("FAULTS_SEED") or secrets.randbits(32))


class World:
    """One system, its clients and their ledger; `with` starts and stops it."""

    def __init__(self, data: Path, *, name: str, settings: Mapping[str, str] | None = None) -> None:
        self.seed = seed_of_this_run()
        self.chance = Random(self.seed)
        self.name = name
        self.system = System(data, settings=_NO_CAP | dict(settings or {}))
        self.ledger = Ledger()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        migrated = self.system.command("migrate")
        assert migrated.returncode == 0, migrated.stderr
        self._open.enter_context(self.system)
        settings = config.load(environment=self.system.environment)
        self.log = self._open.enter_context(open_log(settings))
        self.engine = open_engine(settings.store_url)
        self._open.callback(self.engine.dispose)
        self._keys = SigningKeys(keys_of(settings).signing_keys)
        self._writer = Writer(self.name, self._keys, self.chance)
        self._mails = iter(self._writer)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.close()

    def traffic(self, *, smtp: tuple[str, int] | None = None, per_second: float = MAILS_PER_SECOND) -> Traffic:
        """Mail that flows to the MX (or to `smtp`, which stands before it) while the block lasts."""
        return Traffic(lambda: smtp or self.system.smtp, self._mails, self.ledger, chance=self.chance, per_second=per_second)

    def send(self, count: int) -> None:
        """A little traffic: `count` more messages, accepted when this returns."""
        with self.traffic() as traffic:
            traffic.wait_for_more(count)

    def reported(self) -> Reported:
        """A bounce that no MTA sends, as records: a test puts it on the log itself."""
        return reported(self._writer.bounce(), self._keys)

    def publish(self, *records: Record) -> None:
        """Put records on the log past everybody."""
        with self.log.producer() as producer:
            wait_until_durable(producer.publish(records))

    def settle(self) -> None:
        """Wait until everything came to rest; then all has to add up, and every lookup has to say so."""
        said = f"repeat with FAULTS_SEED={self.seed}; the system said:\n{self.system.said()[-3000:]}"
        wait_for(self._is_at_rest, what=f"nothing to wait on the log any more ({said})", seconds=SETTLE_SECONDS_MAX)
        differences = self.ledger.differences(find(self.engine, self.log))
        assert not differences, f"{len(differences)} differences, {said}\n" + "\n".join(differences[:20])
        self.wait_until_listed()

    def wait_until_listed(self, seconds: float = LOOKUPS_TURN_SECONDS_MAX) -> None:
        """Return when the lookup of everybody whose report was accepted says what it has to say."""
        wait_for(self._is_listed, what="every lookup to turn", seconds=seconds)

    def _is_at_rest(self) -> bool:
        try:
            return waiting(self.log) == 0
        except Transient:
            return False

    def _is_listed(self) -> bool:
        expected = list(self.ledger.expected().values())
        addresses = [one.recipient for one in expected]
        listed = [one for one in expected if one.cause is not None]
        try:
            return all(
                self.system.stopped(addresses, stream=stream)
                == {one.recipient for one in listed if one.scope in (EVERYWHERE, NOT_TRANSACTIONAL, stream)}
                for stream in (None, STREAM)
            )
        except Unanswered:
            return False
