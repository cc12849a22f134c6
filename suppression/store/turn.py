"""One turn to write.

Writers take turns: whoever holds the one row of `numbering` locked writes, the others wait for it. For the price of one writer
at a time, who applies thousands of outcomes a second, that buys four things. What a turn has read stays true until it commits,
so it decides in memory and needs no upserts. Rows are never locked in two orders, so there are no deadlocks. Numbers become
visible in their order, so a follower that asks for what comes after the last one it saw misses nothing. And both databases do
the same, because SQLite has one writer anyway.

A turn loads the entries of the people that it is about, keeps their new state in memory, and writes it all in `finish`.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, select, update

from nullsender.errors import Misconfigured
from nullsender.log import Partition, Position, Topic
from suppression.audit.chain import Act
from suppression.models import (
    audit,
    changes,
    consumer_offsets,
    entries,
    numbering,
    outcomes,
    provisional_counts,
    strikes,
)
from suppression.policy import BUILT_IN, ENDS, Cause, Did, SoftHistory, Standing, Strike
from suppression.policy.strikes import Before
from suppression.records import Entry
from suppression.store.asked import Asked
from suppression.store.audit import chained
from suppression.store.bulk import Columns, insert_rows, update_rows
from suppression.store.erased import erased_of, insert_names
from suppression.store.held import Held
from suppression.store.histories import CHANGED_COLUMNS, REPORTED_COLUMNS, person_of
from suppression.store.rows import Key, Person, about, entry_columns, entry_of, key_of, one_of
from suppression.unsubscribes.asking import BY_OPERATOR, Asking
from suppression.unsubscribes.deadlines import Deadlines


class Place(NamedTuple):
    """Where strikes are counted."""

    person: Person
    scope: str


class Slot(NamedTuple):
    """Where provisional entries are counted."""

    hour: datetime
    source: str


class Receipt(NamedTuple):
    """The last link of the audit trail that a turn wrote, which nobody else's is the same as."""

    seq: object
    chain: object


class Grounds(msgspec.Struct, frozen=True, kw_only=True):
    """Who changes an entry, and why."""

    actor: str
    reason: str
    evidence: str | None = None  # a report's id
    category: str | None = None
    rule: str | None = None
    consent: str | None = None
    asking: Asking | None = None  # how the person asked, of an unsubscribe that is no operator's own word


_STRIKES = msgspec.json.Decoder(tuple[Strike, ...])
_TIMES = msgspec.json.Decoder(tuple[datetime, ...])
_BEFORE = msgspec.json.Decoder(Before)
_NOTHING_SOFT = SoftHistory()


class Turn:
    """A write that is under way: all that it reads and changes. Lives inside one `engine.writing` block."""

    def __init__(
        self, connection: Connection, *, last: int, now: datetime, deadlines: Deadlines, policy_version: str = BUILT_IN
    ) -> None:
        self.now = now
        self.connection = connection  # for what has tables of its own
        self._policy_version = policy_version
        self._began_after = last
        self._last = last
        self._entries = Held(entries, entry_columns)
        self._strikes = Held(strikes, _strikes_columns)
        self._made = Held(provisional_counts, _made_columns)
        self._positions = Held(consumer_offsets, _position_columns)
        self._names: dict[Person, str] = {}
        self._outcomes: list[Columns] = []
        self._rewritten: list[Columns] = []
        self._changes: list[Columns] = []
        self._changed: list[tuple[Did, Cause, bytes]] = []
        self._acts: list[tuple[int, Act]] = []
        self.asked = Asked(deadlines, now)
        self._further: list[Callable[[Connection], None]] = []

    def at_end(self, write: Callable[[Connection], None]) -> None:
        """Let `write` be done with all else; a turn that only previews never comes to it."""
        self._further.append(write)

    def tell(self, act: Act) -> int:
        """Write an act into the audit trail; its number there. Changes of the list are written by themselves."""
        seq = self.number()
        self._acts.append((seq, act))
        return seq

    def load(self, people: Collection[Person]) -> None:
        """Read every entry and all strikes of `people`; nothing is known of anybody else."""
        for row in about(self.connection, entries, people):
            self._entries.read(key_of(row), entry_of(row))
        for row in about(self.connection, strikes, people):
            self._strikes.read(Place(Person(row.tenant, row.address_hash), row.scope), _soft_history_of(row))

    def number(self) -> int:
        """The next number: of an outcome, or of a change and of the period of an entry that it begins."""
        self._last += 1
        return self._last

    # --- entries ---

    def standing(self, key: Key) -> Standing | None:
        """How the entry of `key` stands now."""
        entry = self._entries.get(key)
        return None if entry is None else entry.standing()

    def entry(self, key: Key) -> Entry | None:
        """The entry of `key` as it is now."""
        return self._entries.get(key)

    def entries_of(self, person: Person) -> list[tuple[Key, Entry]]:
        """Every entry of `person`, ended ones included."""
        return [(key, entry) for key, entry in self._entries.items() if key.person == person]

    def by_person(self) -> Mapping[Person, Sequence[tuple[Key, Entry]]]:
        """Every entry that was loaded, by whose it is; nobody is in it who has none."""
        found: dict[Person, list[tuple[Key, Entry]]] = defaultdict(list)
        for key, entry in self._entries.items():
            found[key.person].append((key, entry))
        return found

    def load_expired(self, limit: int) -> list[tuple[Key, Entry]]:
        """At most `limit` entries whose time is over by now and that have not ended yet, the oldest first."""
        over = entries.c.ended_at.is_(None) & (entries.c.expires_at <= self.now)
        rows = self.connection.execute(select(entries).where(over).order_by(entries.c.expires_at).limit(limit)).all()
        for row in rows:
            self._entries.read(key_of(row), entry_of(row))
        return [(key_of(row), entry_of(row)) for row in rows]

    def put(self, key: Key, did: Did, standing: Standing, grounds: Grounds) -> Entry:
        """Let the entry of `key` stand like that from now on, and write the change down."""
        seq = self.number()
        before = self._entries.get(key)
        after = _changed(key, before, seq, did, standing, grounds)
        self._entries.put(key, after)
        self._changed.append((did, key.cause, key.person.address_hash))
        if key.cause is Cause.UNSUBSCRIBE and did not in ENDS:
            self.asked.heeded(seq, key, after, grounds.asking or BY_OPERATOR)
        self._changes.append(
            {
                "seq": seq,
                "at": self.now,
                "tenant": key.person.tenant,
                "address_hash": key.person.address_hash,
                "entry_id": after.id,
                "action": did.value,
                "cause": key.cause.value,
                "scope": key.scope,
                "actor": grounds.actor,
                "reason": grounds.reason,
                "consent": grounds.consent,
                "report_id": grounds.evidence,
                "before": before and msgspec.json.encode(before).decode(),
                "after": msgspec.json.encode(after).decode(),
                "policy": self._policy_version,
            }
        )
        return after

    def changed(self) -> list[tuple[Did, Cause, bytes]]:
        """What was done to which kind of entry, of which address's hash, so far; in its order."""
        return self._changed

    def name(self, person: Person, address: str) -> None:
        """Keep the plain address of `person`, unless it was erased."""
        self._names[person] = address

    # --- reports ---

    def known_reports(self, report_ids: Collection[str]) -> set[tuple[str, bool]]:
        """Those of `report_ids` that were applied in an earlier turn, with whether they were proven."""
        row = outcomes.c
        return {
            (report_id, proven)
            for these in one_of(self.connection, row.report_id, report_ids)
            for report_id, proven in self.connection.execute(select(row.report_id, row.proven).where(these))
        }

    def record(self, outcome: Columns) -> None:
        """Write a row of `outcomes`."""
        self._outcomes.append({**outcome, "policy": self._policy_version})

    def rewrite(self, outcome: Columns) -> None:
        """Let the row of `outcomes` that has this key be like that from now on."""
        self._rewritten.append({**outcome, "policy": self._policy_version})

    def recorded(self, report_ids: Collection[str]) -> list[Columns]:
        """The rows of `outcomes` for these reports, as they were before this turn."""
        chosen = one_of(self.connection, outcomes.c.report_id, report_ids)
        return [_columns_of(row) for these in chosen for row in self.connection.execute(select(outcomes).where(these))]

    def recorded_now(self) -> list[Columns]:
        """The rows of `outcomes` that this turn has recorded."""
        return self._outcomes

    def has_more_reports(self, person: Person, than: int) -> bool:
        """Whether more than so many reports about `person` had been recorded before this turn; looks at no more of them."""
        row = outcomes.c
        theirs = select(row.seq).where(row.tenant == person.tenant, row.address_hash == person.address_hash)
        return self.connection.execute(theirs.order_by(row.seq).offset(than).limit(1)).first() is not None

    def history_of(self, people: Collection[Person]) -> tuple[list[Columns], list[Columns]]:
        """What a fold reads of the rows of `outcomes` and of `changes` about `people`; in no particular order.

        Those of this turn are among them, whole.
        """
        reported = list(map(_columns_of, about(self.connection, outcomes, people, REPORTED_COLUMNS)))
        changed = list(map(_columns_of, about(self.connection, changes, people, CHANGED_COLUMNS)))
        return reported + _about(people, self._outcomes), changed + _about(people, self._changes)

    def soft_history(self, place: Place) -> SoftHistory:
        """The strikes that are kept there, and the deliveries between them."""
        return self._strikes.get(place) or _NOTHING_SOFT

    def soft_places(self) -> list[Place]:
        """Where strikes are kept, of those that were loaded."""
        return [place for place, _ in self._strikes.items()]

    def keep_soft(self, place: Place, history: SoftHistory) -> None:
        """Keep these instead."""
        self._strikes.put(place, history)

    def take_provisional(self, source: str, at: datetime, made_max: int) -> bool:
        """Count one more provisional entry of `source` in the hour of `at`; False, and not counted, where that is too many."""
        slot = Slot(at.replace(minute=0, second=0, microsecond=0), source)
        made = self._made.get(slot)
        if made is None:
            row = provisional_counts.c
            made = self.connection.execute(select(row.made).where(row.hour == slot.hour, row.source == source)).scalar()
            if made is not None:
                self._made.read(slot, made)
        if (made or 0) >= made_max:
            return False
        self._made.put(slot, (made or 0) + 1)
        return True

    def remember(self, group: str, positions: Mapping[Partition, Position], reached: Mapping[Partition, int]) -> None:
        """Keep how far `group` has come, from where the caller had come before (`reached`), as far as it knows that.

        Where the store is further, another member has gone on meanwhile, and a late one does not set it back; without `reached`
        the last word counts. `Misconfigured` where the store is not as far as the caller had come.
        """
        kept = positions_of(self.connection, group)
        for partition, position in kept.items():
            self._positions.read((group, partition), position)
        for partition, position in positions.items():
            found = kept[partition].next_offset if partition in kept else 0
            before = reached.get(partition, found)
            if found < before:
                raise Misconfigured(
                    f"the store has forgotten outcomes that it had committed ({partition.topic} {partition.number}: {found} "
                    f"instead of {before}): a failover lost them, or a copy was put back. They are on the log and are applied "
                    f"again by the next start; if none comes by itself, start `nullsender {group}` again"
                )
            if found == before or found < position.next_offset:
                self._positions.put((group, partition), position)

    # --- the end ---

    def finish(self) -> Receipt | None:
        """Write everything that was done; by what one can tell later that it was committed, where it left a trail."""
        self._write_what_names()
        insert_rows(self.connection, outcomes, self._outcomes)
        update_rows(self.connection, outcomes, self._rewritten)
        insert_rows(self.connection, changes, self._changes)
        self._entries.save(self.connection)
        self.asked.save(self.connection)
        self._strikes.save(self.connection)
        self._made.save(self.connection)
        self._positions.save(self.connection)
        for write in self._further:
            write(self.connection)
        trail = chained(self.connection, self._changes, self._acts, now=self.now, began_after=self._began_after)
        insert_rows(self.connection, audit, trail)
        numbers: Columns = {"last": self._last}
        if trail:
            numbers["link"] = trail[-1]["chain"]
        self.connection.execute(update(numbering).values(numbers))
        return Receipt(*(trail[-1][name] for name in Receipt._fields)) if trail else None

    def _write_what_names(self) -> None:
        """Plain addresses and the words of reports, but for those who asked to be erased."""
        told = [(person_of(row), row) for row in (*self._outcomes, *self._rewritten)]
        gone = erased_of(self.connection, {*self._names, *(person for person, _ in told if person)})
        for person, row in told if gone else ():
            if person in gone:
                row["body"] = None
        insert_names(self.connection, {one.address_hash: name for one, name in self._names.items() if one not in gone})


def _about(people: Collection[Person], rows: Iterable[Columns]) -> list[Columns]:
    return [row for row in rows if (row["tenant"], row["address_hash"]) in people]


def positions_of(connection: Connection, group: str) -> dict[Partition, Position]:
    """How far `group` has come."""
    rows = connection.execute(select(consumer_offsets).where(consumer_offsets.c.consumer_group == group))
    return {Partition(Topic(row.topic), row.number): Position(row.next_offset, row.mark) for row in rows}


def was_committed(connection: Connection, receipt: Receipt) -> bool:
    """Whether what the turn wrote stands in the store."""
    row = connection.execute(select(*(audit.c[name] for name in Receipt._fields)).where(audit.c.seq == receipt.seq)).first()
    return row is not None and tuple(row) == receipt


def _changed(key: Key, before: Entry | None, seq: int, did: Did, standing: Standing, grounds: Grounds) -> Entry:
    """The entry after a change: a new period is a new entry; what strengthens one is its new grounds; an end leaves them."""
    if did is Did.ADDED:
        return Entry(
            id=seq,
            tenant=key.person.tenant,
            scope=key.scope,
            address=None,
            cause=key.cause,
            since=standing.since,
            expires=standing.expires,
            provisional=standing.provisional,
            lifted=standing.lifted,
            reason=grounds.reason,
            evidence=grounds.evidence,
            category=grounds.category,
            rule=grounds.rule,
            created_by=grounds.actor,
        )
    assert before is not None, "only an entry that there is can be strengthened or end"
    after = msgspec.structs.replace(before, **msgspec.structs.asdict(standing))
    if did in ENDS:
        return after
    because = {"reason": grounds.reason, "evidence": grounds.evidence, "category": grounds.category, "rule": grounds.rule}
    return msgspec.structs.replace(after, **because)


def _strikes_columns(place: Place, history: SoftHistory) -> Columns:
    tenant, address_hash = place.person
    return {
        "tenant": tenant,
        "address_hash": address_hash,
        "scope": place.scope,
        "newest": msgspec.json.encode(history.strikes).decode(),
        "delivered": msgspec.json.encode(history.deliveries).decode() if history.deliveries else None,
        "before": msgspec.json.encode(history.before).decode() if history.before else None,
        "newest_at": history.newest(),
    }


def _soft_history_of(row: Row[Any]) -> SoftHistory:
    return SoftHistory(
        strikes=_STRIKES.decode(row.newest),
        deliveries=_TIMES.decode(row.delivered) if row.delivered else (),
        before=_BEFORE.decode(row.before) if row.before else None,
    )


def _made_columns(slot: Slot, made: int) -> Columns:
    return {"hour": slot.hour, "source": slot.source, "made": made}


def _position_columns(key: tuple[str, Partition], position: Position) -> Columns:
    group, (topic, number) = key
    return {"consumer_group": group, "topic": topic.value, "number": number, **position._asdict()}


def _columns_of(row: Row[Any]) -> Columns:
    return {**row._mapping}
