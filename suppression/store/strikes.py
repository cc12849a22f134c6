"""Soft reports and deliveries become changes of the list: how the strikes of an address stand is kept beside its entries.

What they come to is decided by `policy/soft.py`, once without and once with what is new. Where both are the same nothing is
done, whatever stands there; else the entry is brought to where it should stand.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from suppression.models import changes, deliveries
from suppression.policy import Cause, Did, Policy, PolicySettings, SoftHistory, Standing, fold_soft, source_of
from suppression.policy.soft import SoftFold, Word, compacted, missing
from suppression.records import Applied, Entry
from suppression.refold import CORRECTIONS, words_of
from suppression.store.histories import CHANGED_COLUMNS, histories
from suppression.store.reported import Reported
from suppression.store.rows import Key, Person, about
from suppression.store.turn import Grounds, Place, Turn


class Reset(NamedTuple):
    """What deliveries did: whether strikes count no more, and what became of the entry."""

    reset: bool
    did: Did | None


class Strikes:
    """Counts within one turn, which has loaded the people concerned."""

    def __init__(self, turn: Turn, policy: Policy) -> None:
        self._turn = turn
        self._policy = policy
        self._words: dict[Key, Sequence[Word]] = {}
        self._delivered: dict[tuple[Person, str], list[datetime]] = defaultdict(list)  # by scope

    def load(self, people: Collection[Person]) -> None:
        """Read what was delivered to them of late, and what operators said of their soft entries."""
        for row in about(self._turn.connection, deliveries, people):
            for scope in self._policy.scopes_of(row.tenant, row.stream or None, row.mailing_list or None):
                self._delivered[Person(row.tenant, row.address_hash), scope].append(row.delivered_at)
        self.load_words(people)

    def load_words(self, people: Collection[Person]) -> None:
        """Read what operators said of their soft entries."""
        spoken = {one for one in people if any(key.cause is Cause.SOFT for key, _ in self._turn.entries_of(one))}
        rows = [{**row._mapping} for row in about(self._turn.connection, changes, spoken, CHANGED_COLUMNS)]
        told = histories([], rows, self._policy)
        self._words = {key: words_of(said) for key, said in told.items() if key.cause is Cause.SOFT}

    def known(self, key: Key) -> tuple[SoftHistory, Sequence[Word]]:
        """What the next strike there would be put to."""
        known = self._turn.soft_history(Place(key.person, key.scope))
        return known.delivered(self._delivered.get((key.person, key.scope), ())), self._words.get(key, ())

    def strike(self, report: Reported, key: Key, grounds: Grounds) -> Applied:
        """Count a soft report; what that did."""
        place, settings = Place(key.person, key.scope), self._settings(key)
        known, words = self.known(key)
        struck = known.struck(report.strike)
        before, after = fold_soft(known, words, settings), fold_soft(struck, words, settings)
        did = _correction(self._turn.entry(key), before.standing, after.standing, self._turn.now)
        if did is Did.ADDED and after.standing and after.standing.provisional and not self._may_make(report):
            made_max = self._made_max(report)
            why = f"{_source(report)} has made {made_max} provisional entries within the hour"
            return Applied(report_id=report.id, did=Did.CAPPED, why=why)
        self._turn.keep_soft(place, compacted(struck, words, settings))
        entry = self._bring(key, did, after, grounds)
        return _applied(report, did, entry, after, settings, self._turn.now)

    def deliver(self, key: Key, times: Iterable[datetime], grounds: Grounds) -> Reset:
        """Count deliveries on a scope where strikes are kept; what that did."""
        place, settings, words = Place(key.person, key.scope), self._settings(key), self._words.get(key, ())
        known = self._turn.soft_history(place)
        delivered = known.delivered(times)
        if delivered == known:
            return Reset(reset=False, did=None)
        before, after = fold_soft(known, words, settings), fold_soft(delivered, words, settings)
        self._turn.keep_soft(place, compacted(delivered, words, settings))
        entry = self._turn.entry(key)
        did = _correction(entry, before.standing, after.standing, self._turn.now)
        if entry is not None:
            kept = {"evidence": entry.evidence, "category": entry.category, "rule": entry.rule}
            self._bring(key, did, after, msgspec.structs.replace(grounds, **kept))
        return Reset(reset=len(after.run) < len(before.run), did=did)

    def _settings(self, key: Key) -> PolicySettings:
        return self._policy.settings_of_scope(key.person.tenant, key.scope)

    def _made_max(self, report: Reported) -> int:
        return self._policy.settings_for(report.tenant, report.outcome.report.stream).provisional_per_source_and_hour_max

    def _may_make(self, report: Reported) -> bool:
        return self._turn.take_provisional(_source(report), report.received_at, self._made_max(report))

    def _bring(self, key: Key, did: Did | None, after: SoftFold, grounds: Grounds) -> Entry | None:
        """Do the correction; the entry as it stands then."""
        entry = self._turn.entry(key)
        if did is None:
            return entry
        return self._turn.put(key, did, _corrected(did, entry, after.standing, self._turn.now), grounds)


def _correction(entry: Entry | None, before: Standing | None, after: Standing | None, now: datetime) -> Did | None:
    """What brings the entry from where the one fold has it to where the other has; None: nothing."""
    if _essence(before) == _essence(after):
        return None
    did = CORRECTIONS[entry is not None and entry.is_live(now), after is not None and after.stops(now)]
    if did is not Did.AMENDED:
        return did
    assert entry is not None and after is not None, "both stand"  # noqa: PT018
    if (entry.expires, entry.provisional) == (after.expires, after.provisional):
        return None
    if entry.provisional > after.provisional or (entry.expires is not None and after.expires is None):
        return Did.HARDENED
    later = after.expires is None or (entry.expires is not None and after.expires > entry.expires)
    return Did.RENEWED if later and entry.provisional == after.provisional else Did.AMENDED


def _corrected(did: Did, entry: Entry | None, after: Standing | None, now: datetime) -> Standing:
    """How the entry stands after the correction."""
    if did is Did.ADDED:
        assert after is not None, "it should stand"
        return after
    assert entry is not None, "it stands"
    if did is Did.RELEASED:
        return entry.standing().end(now, Did.RELEASED)
    assert after is not None, "it should stand"
    return msgspec.structs.replace(entry.standing(), expires=after.expires, provisional=after.provisional)


def _essence(standing: Standing | None) -> object:
    """What of it stops mail; since when it stands may hang on what came first."""
    return standing and (standing.expires, standing.provisional, standing.ended, standing.ended_by)


def _applied(
    report: Reported, did: Did | None, entry: Entry | None, after: SoftFold, settings: PolicySettings, now: datetime
) -> Applied:
    stands = entry is not None and entry.is_live(now)
    if did in (None, Did.RELEASED) and not stands:
        more = missing(after.run, report.strike.category, settings)
        why = f"a soft report alone; {more} more within {settings.soft_window_days} days make an entry"
        if not more:
            why = "with those before it an entry that is over by now"
        return Applied(report_id=report.id, did=Did.COUNTED, why=why)
    why = "an entry stood already" if did is None else f"soft, proof: {report.outcome.report.proof}"
    return Applied(report_id=report.id, did=did or Did.KEPT, why=why, entry_id=entry.id if entry else None)


def _source(report: Reported) -> str:
    return source_of(report.outcome.report.source.ip)
