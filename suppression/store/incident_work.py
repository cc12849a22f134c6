"""Going through the reports of an incident: person by person, so that each entry is settled once, with all of its reports.

The same work is done for a preview, in a turn that is never written, and for good.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias

from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select

from nullsender.address import AddressHasher
from nullsender.events import Decision, Outcome, Report, Result, decode
from nullsender.limits import REPORTS_FOLDED_MAX
from suppression.incidents.effects import Action, Effect, Summary
from suppression.incidents.incident import Held, Incident, IncidentKind, Said
from suppression.incidents.matching import Facts, Match, latest_arrival
from suppression.models import addresses, held_reports, incident_reports, outcomes
from suppression.policy import PROTECTED, REACH, Did, Policy
from suppression.records import Entry
from suppression.store.aside import Recount, Recounting, facts_of_row, matcher_of, too_many_said
from suppression.store.breaker import keys_holding
from suppression.store.histories import INCIDENT_ACTOR, Row, asked_of
from suppression.store.incident_reports import (
    Concerned,
    concerned,
    decode_said,
    forget_memberships,
    insert_memberships,
    membership,
    said_by,
)
from suppression.store.reported import read_outcome
from suppression.store.rows import Key, Person, one_of
from suppression.store.settle import ReportKey, report_key_of
from suppression.store.turn import Turn

# What came of reports that asked for nothing; a scope beside it says that one asked and was set aside.
_ASKED_NOTHING = [did.value for did in (Did.RECORDED, Did.RELEASED)]

#: Reads a report by the rules of today.
Decide: TypeAlias = Callable[[Report], Decision]


def candidates(incident: Incident) -> ColumnElement[bool]:
    """Which rows of `outcomes` may have the marks: all that an index and a row can tell. The rest is the matcher's."""
    row, marks = outcomes.c, incident.marks
    conditions = [row.tenant == incident.tenant, row.address_hash.is_not(None)]
    if marks.since is not None:
        conditions.append(row.received_at >= marks.since)
    if marks.until is not None:
        conditions.append(row.received_at < latest_arrival(marks.until))
    as_read = [column == mark for column, mark in ((row.rule, marks.rule), (row.category, marks.category)) if mark is not None]
    if incident.kind is IncidentKind.SENDER_FAULT:
        as_read.append(or_(row.scope.is_not(None), row.did.not_in(_ASKED_NOTHING)))
    if as_read:  # what other incidents have changed is judged by what it was read as before
        other = incident_reports.c
        changed = exists().where(other.report_id == row.report_id, other.proven == row.proven)
        conditions.append(or_(and_(*as_read), changed))
    if marks.stream is not None:
        conditions.append(row.stream == marks.stream)
    if marks.held is not None:
        held = held_reports.c
        conditions.append(exists().where(held.report_id == row.report_id, held.proven == row.proven, held.key == marks.held))
    return and_(*conditions)


def people_of(incident: Incident, after: bytes, limit: int) -> Select[Any]:
    """The hashes of the people whom an incident may concern, in their order."""
    row = outcomes.c
    asked = select(row.address_hash).distinct().where(candidates(incident), row.address_hash > after)
    return asked.order_by(row.address_hash).limit(limit)


def count_people(connection: Connection, incident: Incident) -> int:
    """How many they are."""
    asked = select(func.count(outcomes.c.address_hash.distinct())).where(candidates(incident))
    return connection.execute(asked).scalar_one()


class Making:
    """Lets an incident hold for the stored reports of some people, within one turn."""

    def __init__(
        self, turn: Turn, incident: Incident, summary: Summary, *, policy: Policy, hasher: AddressHasher, decide: Decide
    ) -> None:
        self._turn = turn
        self._incident = incident
        self._matcher = matcher_of(incident.marks)
        self._summary = summary
        self._policy = policy
        self._hasher = hasher
        self._decide = decide
        self._concerned: Mapping[ReportKey, Concerned] = {}
        self._held: Mapping[ReportKey, str] = {}

    def go_through(self, hashes: Collection[bytes]) -> list[Effect]:
        """Let it hold; what that does to their entries."""
        rows = self._rows(hashes)
        people = {_person(row) for row in rows}
        too_many = too_many_said(self._turn, people)
        self._turn.load(people)
        seen = Seen(self._turn, people)
        recounts = [recount for row in rows if (recount := self._judge(row, seen, too_many)) is not None]
        self._recount(recounts)
        self._summary.people += len(people)
        self._summary.reports += len(recounts)
        return seen.effects()

    def _rows(self, hashes: Collection[bytes]) -> list[Row]:
        """The rows that have the marks, or may have them, and do not belong to the incident yet."""
        connection, row = self._turn.connection, outcomes.c
        asked = select(outcomes).where(candidates(self._incident))
        theirs = [asked.where(these) for these in one_of(connection, row.address_hash, hashes)]
        rows: list[Row] = [{**found._mapping} for part in theirs for found in connection.execute(part)]
        ids = {found["report_id"] for found in rows}
        self._concerned, self._held = concerned(connection, ids), keys_holding(connection, ids)
        return [found for found in rows if not self._is_ours(found) and self._has_marks(found)]

    def _is_ours(self, row: Row) -> bool:
        known = self._concerned.get(report_key_of(row))
        return known is not None and any(held.incident_id == self._incident.id for held in known.holding)

    def _own(self, row: Row) -> Said:
        known = self._concerned.get(report_key_of(row))
        if known is not None:
            return known.own
        return said_by(row, self._held.get(report_key_of(row)))

    def _has_marks(self, row: Row) -> bool:
        own = self._own(row)
        facts: Facts = facts_of_row(row, own.held)._replace(rule=own.rule, category=own.category)
        match = self._matcher.match(facts)
        self._summary.cannot_judge += match is Match.UNKNOWN
        return match is Match.YES

    def _judge(self, row: Row, seen: "Seen", too_many: Collection[Person]) -> Recount | None:
        own, asked = self._own(row), asked_of(row, self._policy)
        why_left = self._why_left(row, own, too_many)
        if asked is not None:
            seen.speaks(asked[0], why_left)
        if why_left:
            return None
        if self._incident.kind is IncidentKind.BAD_RULE:
            return self._read_again(row, own)
        return self._recounted(row, own, None, None) if own.scope is not None else None

    def _why_left(self, row: Row, own: Said, too_many: Collection[Person]) -> str:
        reach = REACH[Result(own.outcome)]
        if reach is not None and reach.cause in PROTECTED:
            self._summary.protected += own.scope is not None
            return f"a person's own word ({reach.cause}) is never taken back by an incident"
        if _person(row) in too_many:
            self._summary.too_many += 1
            return f"more than {REPORTS_FOLDED_MAX} reports name the address: change its entry by hand"
        return ""

    def _read_again(self, row: Row, own: Said) -> Recount | None:
        if row["body"] is None:
            self._summary.cannot_read += 1
            return None
        outcome = decode(Outcome, row["body"])
        decision = self._decide(outcome.report)
        report = read_outcome(replace(outcome, decision=decision), self._hasher, self._policy)
        read_as = Said(
            outcome=decision.outcome.value,
            category=decision.category,
            rule=decision.rule,
            scope=report.key and report.key.scope,
            did=Did.COUNTED.value,
            why="",
        )
        same = replace(own, did=read_as.did, why="", held=None) == read_as
        if same and report_key_of(row) not in self._concerned:
            self._summary.read_the_same += 1
            return None
        return self._recounted(row, own, read_as, decision)

    def _recounted(self, row: Row, own: Said, read_as: Said | None, decision: Decision | None) -> Recount:
        known = self._concerned.get(report_key_of(row))
        holding = (*(known.holding if known else ()), Held(self._incident.id, read_as))
        why = f"{self._incident.words}; before: {own.outcome} ({own.category}, {own.rule}): {own.why}"
        return Recount(row, own, holding, why, decision)

    def _recount(self, recounts: Sequence[Recount]) -> None:
        memberships = [membership(self._incident.id, one.row, one.own, one.holding[-1].read_as) for one in recounts]
        self._turn.at_end(lambda connection: insert_memberships(connection, memberships))
        recounting(self._turn, self._policy, self._incident.words).recount(recounts)


class Undoing:
    """Takes an incident back from stored reports, within one turn: each counts again for what the other incidents leave it."""

    def __init__(self, turn: Turn, incident: Incident, summary: Summary, *, policy: Policy) -> None:
        self._turn = turn
        self._incident = incident
        self._summary = summary
        self._policy = policy

    def go_through(self, hashes: Collection[bytes]) -> list[Effect]:
        """Take it back; what that does to their entries."""
        turn, own = self._turn, _members(self._turn.connection, self._incident.id, hashes)
        ids = {report_id for report_id, _ in own}
        known = concerned(turn.connection, ids)
        rows = [row for row in turn.recorded(ids) if report_key_of(row) in own]
        people = {_person(row) for row in rows}
        too_many = too_many_said(turn, people)
        turn.load(people)
        seen = Seen(turn, people)
        left = {report_key_of(row) for row in rows if _person(row) in too_many}
        undone = f"incident {self._incident.id} was undone: {self._incident.undone_because}"
        recounts = [
            _taken_back(row, own[report_key_of(row)], known.get(report_key_of(row)), undone)
            for row in rows
            if report_key_of(row) not in left
        ]
        turn.at_end(lambda connection: forget_memberships(connection, own.keys() - left, self._incident.id))
        recounting(turn, self._policy, undone).recount(recounts)
        self._summary.people += len(people)
        self._summary.reports += len(recounts)
        self._summary.too_many += len(left)
        return seen.effects()


class Seen:
    """The entries of people before and after a turn's work on them."""

    def __init__(self, turn: Turn, people: Collection[Person]) -> None:
        self._turn = turn
        self._people = people
        self._before = self._entries()
        self._spoken_of: dict[Key, str] = {}

    def speaks(self, key: Key, why_left: str = "") -> None:
        """A report speaks of this entry; and why that changes nothing, where that is known before."""
        self._spoken_of[key] = why_left

    def effects(self) -> list[Effect]:
        """What became of each entry that stood, or stands now."""
        after = self._entries()
        return [effect for key in sorted(after) if (effect := self._effect(key, self._before.get(key), after[key])) is not None]

    def _entries(self) -> dict[Key, Entry]:
        return {key: entry for person in self._people for key, entry in self._turn.entries_of(person)}

    def _effect(self, key: Key, before: Entry | None, after: Entry) -> Effect | None:
        stood, stands = before is not None and before.is_live(self._turn.now), after.is_live(self._turn.now)
        if stood and not stands:
            return _effect(Action.RELEASE, key, before or after, "nothing else holds it")
        if stands and not stood:
            return _effect(Action.ADD, key, after, after.reason)
        if stands and before != after:
            return _effect(Action.CHANGE, key, after, "other words hold it, or it ends at another time")
        if not stands or key not in self._spoken_of:
            return None
        held_by = f"an operator's word holds it ({after.created_by})" if after.rule is None else "other reports hold it too"
        return _effect(Action.LEAVE, key, after, self._spoken_of[key] or held_by)


def names_of(connection: Connection, effects: Sequence[Effect]) -> list[Effect]:
    """The same with the plain addresses that are known."""
    row = addresses.c
    known = {
        address_hash: (address, domain)
        for these in one_of(connection, row.address_hash, {effect.address_hash for effect in effects})
        for address_hash, address, domain in connection.execute(select(row.address_hash, row.address, row.domain).where(these))
    }
    nobody = (None, None)
    return [
        replace(effect, address=known.get(effect.address_hash, nobody)[0], domain=known.get(effect.address_hash, nobody)[1])
        for effect in effects
    ]


def recounting(turn: Turn, policy: Policy, words: str) -> Recounting:
    """For an incident: what is released says the same as what stands."""
    return Recounting(turn, policy, actor=INCIDENT_ACTOR, words=words, because=words)


def members_of(incident_id: int, after: bytes, limit: int) -> Select[Any]:
    """The hashes of the people whom an incident's reports are about, in their order."""
    row = incident_reports.c
    asked = select(row.address_hash).distinct().where(row.incident_id == incident_id, row.address_hash > after)
    return asked.order_by(row.address_hash).limit(limit)


def count_members(connection: Connection, incident_id: int) -> int:
    """How many they are."""
    row = incident_reports.c
    return connection.execute(
        select(func.count(row.address_hash.distinct())).where(row.incident_id == incident_id)
    ).scalar_one()


def _members(connection: Connection, incident_id: int, hashes: Collection[bytes]) -> dict[ReportKey, Said]:
    row = incident_reports.c
    return {
        (report_id, proven): decode_said(own)
        for these in one_of(connection, row.address_hash, hashes)
        for report_id, proven, own in connection.execute(
            select(row.report_id, row.proven, row.own).where(row.incident_id == incident_id, these)
        )
    }


def _taken_back(row: Row, own: Said, known: Concerned | None, undone: str) -> Recount:
    if known is not None:
        return Recount(row, own, known.holding, row["why"])
    return Recount(row, own, (), own.why or undone)


def _person(row: Row) -> Person:
    return Person(row["tenant"], row["address_hash"])


def _effect(action: Action, key: Key, entry: Entry, why: str) -> Effect:
    return Effect(
        action=action,
        why=why,
        cause=key.cause,
        scope=key.scope,
        address_hash=key.person.address_hash,
        rule=entry.rule,
        category=entry.category,
    )
