"""What has to be true at the end of every history, whatever happened in it."""

from collections.abc import Iterator
from itertools import pairwise

from nullsender.address import AddressHasher
from nullsender.events import DeadLetter, Fault, Outcome, Report, Result, decode
from nullsender.log import Topic
from suppression.policy import Cause, Did, Policy
from suppression.records import Change
from tests.sim.fold import Stand, Stands, fold
from tests.sim.history import OPERATOR, History
from tests.sim.mail import PEOPLE, STREAMS
from tests.sim.past import Past, noted, past_of
from tests.sim.roles import NEWER, reading_up_to
from tests.sim.store import POLICY
from tests.store_fixtures import ADDRESS_KEY

_HASHER = AddressHasher(ADDRESS_KEY)
_HASHES = {_HASHER.hash(address): address for address in PEOPLE}
_STAGE = "suppress"
_BY_OTHERS = {(OPERATOR, did) for did in (Did.ADDED, Did.HARDENED, Did.CONFIRMED, Did.LIFTED)} | {("clock", Did.EXPIRED)}


def check(history: History) -> None:
    """Raise `AssertionError` where a promise was broken."""
    past = past_of(history.database)
    letters = dict(_letters(history))
    _nothing_is_lost(history, past, letters)
    _nothing_is_invented(history, past, letters)
    _nothing_counts_twice(past)
    _the_numbers_are_whole(history, past)
    _every_change_has_its_grounds(history, past)
    _the_list_is_the_fold_of_its_past(history, past)
    _complaints_stand(history, past)
    _lookups_say_what_stands(history, past)


def _letters(history: History) -> Iterator[tuple[str, DeadLetter]]:
    """The dead letters that are still open, by id."""
    last = {record.key.decode(): record.value for record in history.log.read(Topic.DEAD_LETTERS)}
    for letter_id, value in last.items():
        if value:  # an empty one strikes the letter off
            yield letter_id, decode(DeadLetter, value)


def _report_in(letter: DeadLetter) -> Report:
    with reading_up_to(NEWER):
        if letter.stage == _STAGE:
            return decode(Outcome, letter.content).report
        return decode(Report, letter.content)


def _nothing_is_lost(history: History, past: Past, letters: dict[str, DeadLetter]) -> None:
    ledger = history.ledger
    applied = {row.known for row in past.reports}
    set_aside = {_report_in(letter).id for letter in letters.values() if letter.stage != "ingest"}
    for reports in ledger.due.values():
        for known in reports:
            is_there = known in applied or known._replace(proven=True) in applied
            assert is_there or known.report_id in set_aside, f"promised, and nowhere: {known}"
    raw = {record.key.decode() for record in history.log.read(Topic.RAW)}
    assert ledger.due_raw <= raw, "a raw message is lost"
    assert ledger.due_letters <= letters.keys(), "an unreadable message is lost"


def _nothing_is_invented(history: History, past: Past, letters: dict[str, DeadLetter]) -> None:
    ledger = history.ledger
    for row in past.reports:
        report, mail = ledger.offered[row.known, row.received_at]
        decision = history.rules.decide(report)
        expected = mail.tells[report.recipient]
        assert (decision.outcome, decision.fault) == expected, f"{mail.content!r} as {report} came to {decision}"
        assert (row.outcome, row.category) == (decision.outcome, decision.category)
        assert _HASHES.get(row.address_hash or b"") == report.recipient
    offered = {known.report_id for known, _ in ledger.offered}
    for letter in letters.values():
        if letter.stage == "ingest":
            assert letter.content == ledger.unreadable[letter.message_id]
        else:
            assert "upgrade" in letter.reason, letter.reason
            assert _report_in(letter).id in offered


def _nothing_counts_twice(past: Past) -> None:
    proven: dict[str, int] = {}
    for row in past.reports:
        assert row.known.report_id not in proven, f"{row.known} counted after it had counted with proof"
        if row.known.proven:
            proven[row.known.report_id] = row.seq
    assert len({row.known for row in past.reports}) == len(past.reports)
    by_evidence = [(change.report_id, change.entry_id, change.action) for change in past.changes if change.actor == _STAGE]
    assert len(set(by_evidence)) == len(by_evidence), "a report changed an entry twice"


def _the_numbers_are_whole(history: History, past: Past) -> None:
    numbers = sorted([row.seq for row in past.reports] + [change.seq for change in past.changes])
    assert numbers == list(range(1, past.last + 1)), "the numbers have a gap, or one was given twice"
    assert history.seen == noted(past.changes), "whoever follows the feed missed a change"
    for before, after in pairwise(sorted(past.changes, key=lambda c: (c.address_hash, c.scope, c.cause, c.seq))):
        if (before.address_hash, before.scope, before.cause) == (after.address_hash, after.scope, after.cause):
            assert after.before == before.after, "a change does not start where the one before it ended"


def _every_change_has_its_grounds(history: History, past: Past) -> None:
    reports = {row.known.report_id: row for row in past.reports}
    for change in past.changes:
        assert change.reason
        if change.actor == _STAGE:
            assert change.report_id is not None
            row = reports[change.report_id]
            report, mail = history.ledger.offered[row.known, row.received_at]
            assert row.address_hash == change.address_hash, "the evidence is about somebody else"
            assert mail.tells[report.recipient].fault in (None, Fault.RECIPIENT), "a fault of ours or of the path suppressed"
            assert report.withheld is None
        else:
            done = change.actor, change.action
            assert done in _BY_OTHERS, f"{done}: who may do that?"
    final = {(c.address_hash, c.scope, c.cause): c.after for c in past.changes}
    for key, entry in past.entries.items():
        assert final.pop((key.person.address_hash, key.scope, key.cause)) == entry, "an entry without its change"
    assert not final, "a change without its entry"


def _the_list_is_the_fold_of_its_past(history: History, past: Past) -> None:
    happened: list[tuple[int, Outcome | Change]] = [(change.seq, change) for change in past.changes if change.actor != _STAGE]
    for row in past.reports:
        report = history.ledger.offered[row.known, row.received_at][0]
        decision = history.rules.decide(report)
        happened.append((row.seq, Outcome(report=report, decision=decision, decided_at=row.received_at)))
    happened.sort(key=lambda event: event[0])
    for address_hash, address in _HASHES.items():
        about = [e for _, e in happened if not isinstance(e, Change) or e.address_hash == address_hash]
        found: Stands = {
            (key.scope, key.cause): Stand(entry.provisional, entry.expires, entry.ended, entry.ended_by)
            for key, entry in past.entries.items()
            if key.person.address_hash == address_hash
        }
        expected = fold(about, address, POLICY)
        found, expected = _without_what_is_over(history, found), _without_what_is_over(history, expected)
        assert found == expected, f"{address}: the list says {found}, its past comes to {expected}"


def _without_what_is_over(history: History, stands: Stands) -> Stands:
    """Soft entries that are over leave no trace where nobody had seen them stand: their bounces came late."""
    now = history.clock.now()
    return {place: stand for place, stand in stands.items() if place[1] is not Cause.SOFT or not stand.is_over(now)}


def _complaints_stand(history: History, past: Past) -> None:
    """Every complaint that is known and may act has an entry: lifted by somebody, or over, or stopping mail."""
    for row in past.reports:
        report, _ = history.ledger.offered[row.known, row.received_at]
        if row.outcome == Result.COMPLAINT and report.withheld is None:
            assert any(key.person.address_hash == row.address_hash and key.cause is Cause.COMPLAINT for key in past.entries), (
                "a complaint is lost"
            )


def _lookups_say_what_stands(history: History, past: Past) -> None:
    now = history.clock.now()
    for stream in STREAMS:
        found = {PEOPLE[index] for index in history.store.check("default", stream, PEOPLE)}
        expected = {
            _HASHES[key.person.address_hash]
            for key, entry in past.entries.items()
            if entry.is_live(now) and key.scope in Policy(POLICY).scopes_of("default", stream)
        }
        assert found == expected
