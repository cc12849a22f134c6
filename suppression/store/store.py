"""The store: what changes the list.

Every change is one turn (`store/turn.py`): outcomes, entries, history and the consumer's offsets are committed together or not
at all, and a report changes the list once however often it comes (G3). The questions are in `store/read.py`, those for plain
addresses in `store/names.py`, the keys of the API in `store/keys.py`, what would be in `store/preview.py`; `Store` has all.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import msgspec

from nullsender import telemetry
from nullsender.address import canonical
from nullsender.errors import Invalid
from nullsender.events import Outcome
from nullsender.log import Partition, Position
from suppression.policy import PROTECTED, TRANSITIONS, Cause, Claim, Did, Move, Word, decide, state_of
from suppression.records import Addition, Applied, ConsentRequired, Entry
from suppression.store import age
from suppression.store.apply import Applier
from suppression.store.asked import is_new
from suppression.store.keys import StoreKeys
from suppression.store.names import StoreNames
from suppression.store.preview import StorePreview
from suppression.store.read import StoreReader
from suppression.store.rows import Key, Person
from suppression.store.stories import StoreStories
from suppression.store.text import clean_name, clean_words, require_name
from suppression.store.turn import Grounds, Turn
from suppression.store.turns import StoreTurns

_log = logging.getLogger("store")

_CLOCK_ACTOR = "clock"  # who ends an entry that expires, as the history names it


class Store(StoreReader, StoreStories, StoreNames, StoreKeys, StorePreview, StoreTurns):
    """The suppression list. Safe to share between threads; every process opens its own.

    All of it raises `Transient` for the database's trouble, and then nothing was done. After an `UnknownCommit` it may have
    been done, wholly: calling again is safe then too, and says what it found (an entry that stands, nothing to lift).
    """

    def apply(
        self,
        outcomes: Sequence[Outcome],
        *,
        group: str,
        positions: Mapping[Partition, Position],
        reached: Mapping[Partition, int] = MappingProxyType({}),
        patient: bool = False,
    ) -> Sequence[Applied]:
        """Apply outcomes and remember how far `group` has come, in one transaction; what each of them did.

        `patient`: whoever else wants to write comes first. `reached`: the next offsets that the store is known to have
        committed; where it is behind them it was put back, by a failover that lost commits or from a copy, and `Misconfigured`
        tells the caller to ask anew where to go on. Then nothing is done.

        A report whose id is known does nothing, unless it has proof now and had none before: then it counts as a new one, in
        place of what it was. An outcome that says that it is `rejudged` takes the place of the one that there was. Nothing in
        an outcome makes this fail.
        """

        def apply(turn: Turn) -> tuple[Sequence[Applied], Sequence[str]]:
            turn.remember(group, positions, reached)
            applier = Applier(turn, self._hasher, self.policy, self._breaker)
            return applier.apply(outcomes), applier.breaking.opened

        applied, opened = self._turn(apply, patient=patient)
        for why in opened:
            _log.warning("new entries are held for review: `nullsender review list`", extra={"facts": {"why": why}})
        for did, count in Counter(one.did for one in applied).items():
            telemetry.APPLIED.labels(did.value).inc(count)
        return applied

    def add(
        self,
        tenant: str,
        address: str,
        *,
        scope: str,
        cause: str,
        reason: str,
        expires: datetime | None,
        actor: str,
        evidence: str | None = None,
    ) -> tuple[Entry, bool]:
        """An operator's word: let this entry stand; the entry, and whether a new period began.

        An entry that stands is only ever strengthened. `Invalid` where the address, the cause or the expiry can not be: a
        person's own word has no expiry.
        """
        addition = Addition(
            address=address, scope=scope, cause=cause_of(cause), reason=reason, expires=expires, evidence=evidence
        )
        return self.add_all(tenant, [addition], actor=actor)[0]

    def add_all(self, tenant: str, additions: Sequence[Addition], *, actor: str) -> Sequence[tuple[Entry, bool]]:
        """The same for many, in one transaction: all of them, or none where one is `Invalid`."""
        require_name(tenant, "the tenant")
        named = [canonical(addition.address) for addition in additions]
        people = [Person(tenant, self._hasher.hash(address)) for address in named]

        def add(turn: Turn) -> Sequence[tuple[Entry, bool]]:
            turn.load(set(people))
            return [
                _add(turn, person, address, addition, actor)
                for person, address, addition in zip(people, named, additions, strict=True)
            ]

        return self._turn(add)

    def lift(
        self, tenant: str, address: str, *, scope: str | None, cause: str | None, reason: str, consent: str | None, actor: str
    ) -> Sequence[Entry]:
        """End the entries of an address that stand (only those of `scope` and `cause`, where given); the entries as they ended.

        `ConsentRequired` where one of them is a complaint or an unsubscribe and `consent` does not say how the person agreed:
        then none is lifted.
        """
        name = canonical(address)
        people = [Person(tenant, address_hash) for address_hash in self._hashes_of(name)]
        wanted = None if cause is None else cause_of(cause)
        if not reason.strip():
            raise Invalid("a lift needs a reason: it stands in the history")
        consent = (consent or "").strip() or None
        grounds = Grounds(actor=clean_words(actor), reason=clean_words(reason), consent=consent and clean_words(consent))

        def lift(turn: Turn) -> Sequence[Entry]:
            turn.load(people)
            standing = [
                (key, entry)
                for person in people
                for key, entry in turn.entries_of(person)
                if entry.is_live(turn.now) and scope in (None, key.scope) and wanted in (None, key.cause)
            ]
            word = Word.LIFT if consent is None else Word.CONSENT
            moves = {TRANSITIONS[state_of(entry.standing(), turn.now), key.cause, word] for key, entry in standing}
            if Move.REFUSE in moves:
                raise ConsentRequired(
                    "this person complained or unsubscribed: say in `consent` how they agreed to get mail again, "
                    "or name another cause"
                )
            return [_end(turn, key, entry, Did.LIFTED, grounds) for key, entry in standing]

        return [msgspec.structs.replace(entry, address=name) for entry in self._turn(lift)]

    def expire(self, now: datetime, limit: int) -> int:
        """Write down of at most `limit` entries that they have expired by `now`; how many there were.

        An entry stops no mail from the moment it expires; this is for the history and the feed.
        """

        def expire(turn: Turn) -> int:
            expired = turn.load_expired(limit)
            for key, entry in expired:
                _end(turn, key, entry, Did.EXPIRED, Grounds(actor=_CLOCK_ACTOR, reason="its time is over"))
            return len(expired)

        return self._turn(expire, now, patient=True)

    def forget(self, now: datetime, limit: int) -> int:
        """Forget a part of what is too old, at most `limit` rows of a kind; how many of one kind there were at most.

        What that is stands in `store/age.py`. A report that may come again and would act then is not among it.
        """

        return self._turn(lambda turn: age.forget(turn, self.kept, limit), now, patient=True)


def cause_of(text: str) -> Cause:
    """The cause of that name; `Invalid` where there is none."""
    try:
        return Cause(text)
    except ValueError as error:
        raise Invalid(f"{text!r} is no cause; there are {', '.join(Cause)}") from error


def _add(turn: Turn, person: Person, address: str, addition: Addition, actor: str) -> tuple[Entry, bool]:
    if addition.expires is not None and addition.expires <= turn.now:
        raise Invalid("`expires` has to lie in the future")
    if addition.expires is not None and addition.cause in PROTECTED and addition.asking is None:
        raise Invalid(
            "a complaint or an unsubscribe does not end by itself: leave `expires` out, and lift the entry once the person "
            "agrees to get mail again; or use another cause, such as manual"
        )
    require_name(addition.scope, "the scope")
    key = Key(person, addition.scope, addition.cause)
    entry = turn.entry(key)
    # An operator speaks after whatever stands there, even where another machine's clock, which noted a lift, is ahead of ours.
    at = max(turn.now, entry.ended) if entry and entry.ended else turn.now
    claim = Claim(cause=addition.cause, scope=addition.scope, at=at, proven=True, expires=addition.expires)
    did, standing = decide(turn.standing(key), claim)
    if did is Did.KEPT and entry is not None and entry.rule is not None:
        did = Did.CONFIRMED  # it rests on a report, which may be read otherwise one day: then this word holds it
    if did is not Did.KEPT and standing is not None:
        grounds = Grounds(
            actor=clean_words(actor),
            reason=clean_words(addition.reason),
            evidence=addition.evidence and clean_name(addition.evidence),
            asking=addition.asking,
        )
        entry = turn.put(key, did, standing, grounds)
        turn.name(person, address)
    elif entry is not None and addition.asking is not None and is_new(turn.connection, entry, person, addition.asking):
        turn.asked.heeded(turn.number(), key, entry, addition.asking)
    assert entry is not None, "what is kept is there"
    return msgspec.structs.replace(entry, address=address), did is Did.ADDED


def _end(turn: Turn, key: Key, entry: Entry, did: Did, grounds: Grounds) -> Entry:
    return turn.put(key, did, entry.standing().end(turn.now, did), grounds)
