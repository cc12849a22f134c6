"""One history: for a while everything happens that fate has in store, then it is calm, and everything drains.

Processes take turns in one thread. A step of a process is one round of one of its loops. Where fate preempts it, between two
steps of its own, others run before it goes on, and may do so themselves; it may find itself killed then. Between these points
a process only changes its own memory, which dies with it, so nothing is left out by not stopping anywhere else.
"""

import io
from collections.abc import Callable, Collection
from contextlib import redirect_stdout
from random import Random

from classifiers.rules import Rules
from nullsender.cli.dead_letters import open_letters
from nullsender.cli.replaying.letters import replay_letters
from nullsender.errors import Transient
from nullsender.limits import EXPIRE_BATCH_MAX
from nullsender.log import Position, mark_of, wait_until_durable
from suppression.consumer import GROUP as SUPPRESS
from suppression.consumer import TOPICS as OUTCOMES
from suppression.policy import Cause
from suppression.records import ConsentRequired
from suppression.store.feed import Noted
from tests.sim.fate import Crash, Fate, Trouble
from tests.sim.ledger import Ledger
from tests.sim.log import SimulatedLog
from tests.sim.mail import PEOPLE, Mail, intake, some_mail
from tests.sim.past import applied_reports, noted, past_of
from tests.sim.roles import CURRENT, NEWER, OLDER, Process, VersionedProducer, classifier, reading_up_to, suppressor
from tests.sim.store import Copy, SimulatedDatabase

MAILS_MAX = 8
_NESTED_MAX = 3  # processes that are between two steps at once
_ROUNDS_MAX = 200  # of draining: a history has fewer records
OPERATOR = "olga"


class History:
    """One run of the whole system, decided by `seed`; `mails_max` and `without` make it a shorter one of the same kind."""

    def __init__(
        self,
        seed: int,
        *,
        database: SimulatedDatabase,
        rules: Rules,
        mails_max: int = MAILS_MAX,
        without: Collection[Trouble] = (),
    ) -> None:
        self._chance = Random(f"{seed} history")
        self.rules = rules
        self.fate = Fate(seed, without=without)
        self.clock = database.clock
        self.store = database.store
        self.log = SimulatedLog(
            clock=self.clock, partitions=self._chance.choice((1, 1, 2, 3)), fate=self.fate, between=self._between_steps
        )
        self.database = database
        self.ledger = Ledger()
        self.seen: list[Noted] = []  # by a reader of the feed
        self._running: list[Process] = []
        self._copy: Copy | None = None
        database.begin(fate=self.fate, dying=self._die_perhaps)
        self._mails = some_mail(self._chance, self._chance.randint(1, mails_max))
        self._to_send = list(self._mails)
        self._intake = intake()
        self._mx, self._person, self._follower, self._keeper = (Process() for _ in range(4))
        self._processes = [
            *(self._start(group) for group in ("classify", SUPPRESS) for _ in range(self._chance.randint(1, 2))),
        ]
        self._turns: list[tuple[Callable[[], None], int]] = [
            (self._send, 8),
            (self._consume, 24),
            (self._follow, 1),
            (self._keep_house, 1),
            (self._act_on_the_list, 2),
            (self._replay, 2),
        ]

    def run(self) -> None:
        """Live through it, then let it settle."""
        for _ in range(10 + 4 * len(self._mails)):
            self._change_the_world()
            self._take_turn()
        self._settle()

    # --- turns ---

    def _take_turn(self) -> None:
        turns, weights = zip(*self._turns, strict=True)
        self._chance.choices(turns, weights)[0]()

    def _step(self, process: Process, work: Callable[[], object]) -> None:
        """Let a process work until it is done or dead."""
        if process in self._running and not process.loops:
            return  # a person does one thing at a time
        self._running.append(process)
        try:
            with reading_up_to(process.version):
                work()
        except Crash:
            process.is_alive = not process.loops  # whoever has no loops comes again at once
        finally:
            self._running.pop()

    def _between_steps(self) -> None:
        if self._running and len(self._running) < _NESTED_MAX and self.fate.strikes(Trouble.PREEMPTED):
            self._take_turn()
        self._die_perhaps()

    def _die_perhaps(self) -> None:
        if not self._running:
            return
        process = self._running[-1]
        if self.fate.strikes(Trouble.CRASH):
            process.is_alive = False
        if not process.is_alive:
            raise Crash

    def _consume(self) -> None:
        """One round of one loop."""
        free = [(one, loop) for one in self._processes if one.is_alive for loop in one.loops if loop not in one.busy]
        if not free:
            return
        process, loop = self._chance.choice(free)
        process.busy.add(loop)
        self._step(process, loop.run_once)
        process.busy.discard(loop)

    def _send(self) -> None:
        """A client hands a message to an MX, and keeps it until it has heard 250."""
        if self._to_send:
            mail = self._chance.choice(self._to_send)
            self._mx.version = self._version()
            self._step(self._mx, lambda: self._take(mail))

    def _take(self, mail: Mail) -> None:
        taken = self._intake.take(mail.content, mail.source, self.clock.now())
        self.ledger.offer(mail, taken)
        try:
            wait_until_durable(VersionedProducer(self.log.producer(), self._mx.version).publish(taken.records))
        except Transient:
            return  # 451: it stays with the client
        self.ledger.promise(mail, taken)
        if mail in self._to_send and not self.fate.strikes(Trouble.HUNG_UP):
            self._to_send.remove(mail)

    def _follow(self) -> None:
        """A reader of the feed asks for what comes after the last change that it saw."""

        def follow() -> None:
            self._read_on(self._chance.randint(1, 5))

        self._step(self._follower, _unless_in_trouble(follow))

    def _keep_house(self) -> None:
        """The chores of the suppression role."""

        def chores() -> None:
            self.store.expire(self.clock.now(), EXPIRE_BATCH_MAX)
            self.store.forget(self.clock.now(), EXPIRE_BATCH_MAX)

        self._step(self._keeper, _unless_in_trouble(chores))

    def _act_on_the_list(self) -> None:
        """An operator adds or lifts."""
        address = PEOPLE[0] if self._chance.random() < 0.7 else self._chance.choice(PEOPLE)
        act = self._chance.choice((self._add, self._lift))
        self._step(self._person, _unless_in_trouble(lambda: act(address)))

    def _add(self, address: str) -> None:
        cause = self._chance.choice((Cause.MANUAL, Cause.HARD))
        self.store.add("default", address, scope="*", cause=cause, reason="seen", expires=None, actor=OPERATOR)
        assert 0 in self.store.check("default", None, [address]), "an operator's word stops mail when it was answered"

    def _lift(self, address: str) -> None:
        consent = self._chance.choice((None, "by telephone"))
        try:
            lifted = self.store.lift(
                "default", address, scope=None, cause=None, reason="mistaken", consent=consent, actor=OPERATOR
            )
        except ConsentRequired:
            assert consent is None
        else:
            assert consent or not {entry.cause for entry in lifted} & {Cause.COMPLAINT, Cause.UNSUBSCRIBE}
            assert 0 not in self.store.check("default", None, [address]), "what was lifted stops no mail"

    def _replay(self) -> None:
        """An operator replays all dead letters."""
        self._person.version = self._version()
        with redirect_stdout(io.StringIO()):
            self._step(
                self._person, _unless_in_trouble(lambda: replay_letters(self.log, [], intake=self._intake, dry_run=False))
            )

    # --- the world ---

    def _version(self) -> int:
        if self.fate.strikes(Trouble.UPGRADED):
            return NEWER
        return OLDER if self.fate.strikes(Trouble.OLD_RECORDS) else CURRENT

    def _start(self, group: str, version: int | None = None) -> Process:
        version = self._version() if version is None else version
        if group == SUPPRESS:
            return suppressor(self.log, store=self.store, clock=self.clock, version=version)
        return classifier(self.log, rules=self.rules, clock=self.clock, version=version)

    def _change_the_world(self) -> None:
        """Between two turns: time passes, the dead come back, and what is nobody's doing happens."""
        chance, fate = self._chance, self.fate
        self.clock.advance(seconds=chance.uniform(0.001, 60))
        if fate.strikes(Trouble.CLOCK_JUMPS):
            self.clock.jump(days=fate.chosen_for(Trouble.CLOCK_JUMPS).uniform(-4, 4))
        if chance.random() < 0.1:
            self.log.land_late()
        if fate.strikes(Trouble.EVICTED):
            fate.chosen_for(Trouble.EVICTED).choice(
                [consumer for process in self._processes for consumer in process.consumers]
            ).leave()
        if chance.random() < 0.1:
            self._lose_log()
            self._lose_store()
        for place, process in enumerate(self._processes):
            if not process.is_alive and chance.random() < 0.3:
                self._bury(process)
                self._processes[place] = self._start(process.group)

    def _lose_log(self) -> None:
        """The log is lost or set back, with everybody who had it open."""
        if self.fate.strikes(Trouble.LOG_LOST):
            chance = None
        elif self.fate.strikes(Trouble.LOG_SET_BACK):
            chance = self.fate.chosen_for(Trouble.LOG_SET_BACK)
        else:
            return
        for process in self._processes:
            process.is_alive = False
        self.log.set_back(chance)
        self.ledger.lose_log(applied_reports(self.database))

    def _lose_store(self) -> None:
        """The store is put back from a copy, which the operator does with the stage stopped. Its feed begins anew there."""
        if not self.fate.is_on(Trouble.STORE_SET_BACK):
            return
        if self._copy is None:
            self._copy = self.database.copy()
        elif self.fate.strikes(Trouble.STORE_SET_BACK):
            for process in self._processes:
                process.is_alive = process.is_alive and process.group != SUPPRESS
            self.database.put_back(self._copy)
            self.ledger.lose_store(applied_reports(self.database))
            self.seen = noted(past_of(self.database).changes)

    def _bury(self, process: Process) -> None:
        """A dead member's time is up: the others take over."""
        for consumer in process.consumers:
            consumer.leave()

    # --- the end ---

    def _settle(self) -> None:
        """Nothing goes wrong any more; everybody who is dead comes back, and perhaps everybody is upgraded."""
        self.fate.calm_down()
        self.log.land_late()
        is_upgraded = self._chance.random() < 0.7
        for place, process in enumerate(self._processes):
            if is_upgraded or not process.is_alive:
                self._bury(process)
                self._processes[place] = self._start(process.group, NEWER if is_upgraded else process.version)
        self._drain()
        if is_upgraded:
            self._person.version = NEWER
            with redirect_stdout(io.StringIO()):
                self._step(self._person, lambda: replay_letters(self.log, [], intake=self._intake, dry_run=False))
            self._drain()
            self._require_positions()
            assert {facts.stage for facts in open_letters(self.log).values()} <= {"ingest"}, "what is upgraded can read it"
        self._read_on(10_000)

    def _read_on(self, limit: int) -> None:
        page = self.store.since(self.seen[-1].seq if self.seen else 0, limit)
        self.seen += [page.noted(place) for place in range(len(page))]

    def _drain(self) -> None:
        for _ in range(_ROUNDS_MAX):
            for process in self._processes:
                for loop in process.loops:
                    self._step(process, loop.run_once)
            lags = [consumer.lag() for process in self._processes for consumer in process.consumers]
            if not any(sum(lag.values()) for lag in lags):
                return
        raise AssertionError("it never comes to an end")

    def _require_positions(self) -> None:
        """Everybody was started anew, and has read to the end: so says the store, whose word counts at the next start."""
        kept = self.store.positions(SUPPRESS)
        for partition, records in self.log.records.items():
            if partition.topic in OUTCOMES and records:
                assert kept.get(partition) == Position(len(records), mark_of(records[-1])), f"{partition} will be read again"


def _unless_in_trouble(work: Callable[[], object]) -> Callable[[], None]:
    """`work` as somebody does it who comes again later."""

    def tried() -> None:
        try:
            work()
        except Transient:
            return

    return tried
