"""What the store promises, as tests that run on each database.

A subclass brings the fixture `database`, the database's name; all else comes from `store_fixtures.py`.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError

from nullsender.address import AddressHasher
from nullsender.clock import FakeClock
from nullsender.errors import Invalid, Misconfigured
from nullsender.events import Fault, Outcome, Proof, Report, Source
from nullsender.limits import OUTCOME_BODIES_KEPT_DAYS, STORE_NAME_CHARACTERS_MAX
from nullsender.log import Partition, Position, Topic
from suppression.engine import reading
from suppression.models import addresses
from suppression.policy import Cause, Did, Policy, PolicySettings
from suppression.records import Addition, Applied, Change, ConsentRequired, Entry, Told
from suppression.store.read import Filters
from suppression.store.store import Store
from tests.changes import changes_of
from tests.outcomes import START, an_outcome
from tests.store_fixtures import store_on

ADA, BEN, EVE = "ada@example.com", "ben@example.com", "eve@example.org"
PLACE = Partition(Topic.OUTCOMES, 0)


def tell(store: Store, *outcomes: Outcome) -> Sequence[Applied]:
    """Apply outcomes as the stage does."""
    return store.apply(outcomes, group="suppress", positions={PLACE: Position(1, b"mark")})


def did(store: Store, *outcomes: Outcome) -> list[Did]:
    """What applying them did."""
    return [applied.did for applied in tell(store, *outcomes)]


def put(store: Store, address: str = ADA, *, tenant: str = "default", **given: Any) -> Entry:
    """An operator's entry."""
    rest = {"scope": "*", "cause": "manual", "reason": "a test", "expires": None, "actor": "olga", **given}
    return store.add(tenant, address, **rest)[0]


def lift(store: Store, address: str = ADA, **given: Any) -> Sequence[Entry]:
    """An operator's lift."""
    rest = {"scope": None, "cause": None, "reason": "a test", "consent": None, "actor": "olga", **given}
    return store.lift("default", address, **rest)


def stops(store: Store, address: str = ADA, stream: str | None = None) -> Cause | None:
    """What stops mail to an address, if anything does."""
    entry = store.check("default", stream, [address]).get(0)
    return entry.cause if entry else None


def live(store: Store, address: str = ADA, tenant: str = "default") -> set[tuple[str, Cause, bool]]:
    """What stands: scope, cause, provisional."""
    return {(entry.scope, entry.cause, entry.provisional) for entry in store.entries_of(tenant, address)}


def rests_on(entry: Entry) -> str | None:
    """The report that holds an entry. A soft one names the last of its run to come, or where it was read anew to happen."""
    return None if entry.cause is Cause.SOFT else entry.evidence


def actions(store: Store, address: str = ADA) -> list[Did]:
    """Every change of an address's entries, oldest first."""
    page = store.history("default", address, cursor=None, limit=100)
    return [item.action for item in reversed(page.items) if isinstance(item, Change)]


def plain_addresses(engine: Engine) -> set[str]:
    """Every address that is kept as it is written."""
    with reading(engine) as connection:
        return set(connection.execute(select(addresses.c.address)).scalars())


class StoreContract:
    """What changes the list, and what does not."""

    # --- reports ---

    def test_a_hard_report_suppresses_at_once_everywhere(self, store: Store) -> None:
        assert did(store, an_outcome("1")) == [Did.ADDED]

        assert stops(store) is Cause.HARD
        assert stops(store, stream="news") is Cause.HARD
        assert stops(store, BEN) is None

    def test_an_entry_says_where_it_comes_from(self, store: Store) -> None:
        tell(store, an_outcome("the evidence"))

        (entry,) = store.entries_of("default", ADA)
        assert entry.address == ADA
        assert entry.evidence == "the evidence"
        assert entry.since == START
        assert entry.reason == "mailbox-unknown 5.1.1"
        assert (entry.category, entry.rule) == ("mailbox-unknown", "a rule of the tests")
        assert entry.created_by == "suppress"

    def test_the_same_address_written_otherwise_is_the_same(self, store: Store) -> None:
        tell(store, an_outcome("1", recipient=" ADA@Example.COM "))

        assert stops(store) is Cause.HARD

    def test_an_unsubscribe_stops_only_its_stream(self, store: Store) -> None:
        tell(store, an_outcome("1", "unsubscribe", stream="news"))

        assert stops(store, stream="news") is Cause.UNSUBSCRIBE
        assert stops(store, stream="receipts") is None
        assert stops(store) is None

    def test_soft_reports_suppress_for_a_day_when_they_are_enough(self, store: Store, clock: FakeClock) -> None:
        reports = [an_outcome(str(day), "soft", days=day) for day in range(5)]
        clock.advance(days=4)

        assert did(store, *reports) == [Did.COUNTED] * 4 + [Did.ADDED]
        assert stops(store) is Cause.SOFT
        clock.advance(days=0.9)
        assert stops(store) is Cause.SOFT
        clock.advance(days=0.2)
        assert stops(store) is None

    def test_soft_reports_are_counted_across_batches_and_by_stream(self, store: Store) -> None:
        for number in range(4):
            assert did(store, an_outcome(f"n{number}", "soft", stream="news")) == [Did.COUNTED]
            assert did(store, an_outcome(f"r{number}", "soft", stream="receipts")) == [Did.COUNTED]

        assert did(store, an_outcome("n4", "soft", stream="news")) == [Did.ADDED]
        assert stops(store, stream="news") is Cause.SOFT
        assert stops(store, stream="receipts") is None

    def test_a_soft_report_weakens_nothing(self, store: Store, clock: FakeClock) -> None:
        tell(store, an_outcome("1"), *(an_outcome(f"s{number}", "soft") for number in range(5)))
        clock.advance(days=30)

        assert stops(store) is Cause.HARD

    @pytest.mark.parametrize("fault", [Fault.SENDER, Fault.PATH])
    @pytest.mark.parametrize("result", ["hard", "soft"])
    def test_a_fault_of_ours_or_of_the_path_is_recorded_and_no_more(self, store: Store, result: str, fault: Fault) -> None:
        outcomes = [an_outcome(str(number), result, fault=fault) for number in range(10)]

        assert did(store, *outcomes) == [Did.RECORDED] * 10
        assert stops(store) is None
        assert len(store.history("default", ADA, cursor=None, limit=100).items) == 10

    def test_a_withheld_report_is_recorded_and_no_more(self, store: Store) -> None:
        (applied,) = tell(store, an_outcome("1", "complaint", withheld="it is about somebody else"))

        assert applied.did is Did.RECORDED
        assert "somebody else" in applied.why
        assert stops(store) is None

    @pytest.mark.parametrize("recipient", [None, "", "nobody", "a\0b@example.com", "\ud800@example.com", "x" * 400 + "@y.z"])
    def test_a_report_without_a_usable_address_is_recorded(self, store: Store, recipient: str | None) -> None:
        assert did(store, an_outcome("1", recipient=recipient)) == [Did.RECORDED]

    def test_causes_stand_beside_each_other_and_the_gravest_is_shown(self, store: Store) -> None:
        softs = [an_outcome(f"s{number}", "soft") for number in range(5)]
        tell(store, *softs)
        assert stops(store) is Cause.SOFT
        put(store)
        assert stops(store) is Cause.MANUAL
        tell(store, an_outcome("h", "hard"))
        assert stops(store) is Cause.HARD
        tell(store, an_outcome("u", "unsubscribe"))
        assert stops(store) is Cause.UNSUBSCRIBE
        tell(store, an_outcome("c", "complaint"))
        assert stops(store) is Cause.COMPLAINT

        assert {cause for _, cause, _ in live(store)} == set(Cause)

    def test_what_reports_did_is_counted(self, store: Store) -> None:
        def counted() -> float:
            return REGISTRY.get_sample_value("nullsender_applied_total", {"did": "repeated"}) or 0.0

        before = counted()
        tell(store, an_outcome("1"), an_outcome("1"), an_outcome("1"))

        assert counted() - before == 2

    # --- once ---

    def test_a_report_that_comes_again_changes_nothing(self, store: Store) -> None:
        first = an_outcome("1")

        assert did(store, first, first) == [Did.ADDED, Did.REPEATED]
        assert did(store, first) == [Did.REPEATED]
        assert actions(store) == [Did.ADDED]

    def test_a_soft_report_that_comes_again_is_one_strike(self, store: Store) -> None:
        for _ in range(10):
            tell(store, *(an_outcome(str(number), "soft") for number in range(4)))

        assert stops(store) is None

    def test_a_report_that_comes_again_does_not_undo_a_lift(self, store: Store, clock: FakeClock) -> None:
        tell(store, an_outcome("1"))
        clock.advance(days=1)
        lift(store)

        assert did(store, an_outcome("1")) == [Did.REPEATED]
        assert did(store, an_outcome("another that came before the lift")) == [Did.KEPT]
        assert stops(store) is None
        assert did(store, an_outcome("one that came after", days=2)) == [Did.ADDED]

    @pytest.mark.parametrize("policy", [PolicySettings(), PolicySettings(unproven="ignore")], ids=["provisional", "ignore"])
    @pytest.mark.parametrize("batch", [1, 4])
    def test_a_report_that_comes_again_with_proof_counts_as_a_proven_one_once(
        self, engine: Engine, clock: FakeClock, policy: PolicySettings, batch: int
    ) -> None:
        """Its id is made of its bytes, so a stranger may have sent it before the source that we trust."""
        store = store_on(engine, clock, policy)
        weak, strong = an_outcome("1", proof=Proof.NONE), an_outcome("1", proof=Proof.SOURCE, days=1)
        first = (Did.ADDED, Did.HARDENED) if policy.unproven == "provisional" else (Did.RECORDED, Did.ADDED)

        arriving = [weak, strong, strong, weak]
        done = [one for start in range(0, 4, batch) for one in did(store, *arriving[start : start + batch])]

        assert done == [*first, Did.REPEATED, Did.REPEATED]
        assert live(store) == {("*", Cause.HARD, False)}

    def test_a_report_that_comes_again_without_proof_changes_nothing(self, store: Store) -> None:
        assert did(store, an_outcome("1"), an_outcome("1", proof=Proof.NONE)) == [Did.ADDED, Did.REPEATED]
        assert did(store, an_outcome("1", proof=Proof.NONE)) == [Did.REPEATED]

    def test_where_unproven_reports_act_in_full_proof_adds_nothing(self, engine: Engine, clock: FakeClock) -> None:
        store = store_on(engine, clock, PolicySettings(unproven="full"))

        assert did(store, an_outcome("1", proof=Proof.NONE), an_outcome("1")) == [Did.ADDED, Did.REPEATED]

    def test_a_soft_report_that_comes_again_with_proof_is_one_strike_and_a_proven_one(self, store: Store) -> None:
        weak, strong = an_outcome("4", "soft", proof=Proof.NONE), an_outcome("4", "soft", days=1)
        tell(store, *(an_outcome(str(number), "soft") for number in range(3)))

        assert did(store, weak, strong) == [Did.COUNTED, Did.COUNTED]
        assert did(store, an_outcome("5", "soft")) == [Did.ADDED]
        assert live(store) == {("*", Cause.SOFT, False)}

    def test_positions_move_with_what_was_applied(self, store: Store) -> None:
        other = Partition(Topic.OUTCOMES, 1)

        store.apply([an_outcome("1")], group="suppress", positions={PLACE: Position(7, b"seven")})
        store.apply([], group="suppress", positions={PLACE: Position(9, b"nine"), other: Position(3, b"three")})

        assert store.positions("suppress") == {PLACE: (9, b"nine"), other: (3, b"three")}
        assert store.positions("another group") == {}

    def test_what_fails_leaves_nothing_behind(self, store: Store) -> None:
        with pytest.raises((OverflowError, DBAPIError)):
            store.apply([an_outcome("1")], group="suppress", positions={PLACE: Position(2**70, b"mark")})

        assert stops(store) is None
        assert store.positions("suppress") == {}
        assert did(store, an_outcome("1")) == [Did.ADDED]

    # --- unproven ---

    def test_an_unproven_report_suppresses_for_a_week(self, store: Store, clock: FakeClock) -> None:
        tell(store, an_outcome("1", proof=Proof.NONE))

        assert live(store) == {("*", Cause.HARD, True)}
        clock.advance(days=7)
        assert stops(store) is None

    def test_a_proven_report_makes_a_provisional_entry_full(self, store: Store, clock: FakeClock) -> None:
        tell(store, an_outcome("weak", proof=Proof.NONE))

        assert did(store, an_outcome("strong", days=1)) == [Did.HARDENED]

        (entry,) = store.entries_of("default", ADA)
        assert (entry.provisional, entry.expires, entry.evidence) == (False, None, "strong")
        clock.advance(days=400)
        assert stops(store) is Cause.HARD

    def test_one_source_makes_only_so_many_provisional_entries_an_hour(self, engine: Engine, clock: FakeClock) -> None:
        store = store_on(engine, clock, PolicySettings(provisional_per_source_and_hour_max=2))

        def unproven(number: int, ip: str = "192.0.2.1", hours: float = 0.0) -> Outcome:
            return an_outcome(str(number), recipient=f"{number}@example.com", proof=Proof.NONE, ip=ip, days=hours / 24)

        assert did(store, *map(unproven, range(3))) == [Did.ADDED, Did.ADDED, Did.CAPPED]
        assert did(store, unproven(3)) == [Did.CAPPED]
        assert did(store, unproven(4, ip="192.0.2.2")) == [Did.ADDED]
        assert did(store, unproven(5, hours=1.0)) == [Did.ADDED]
        assert did(store, an_outcome("proven")) == [Did.ADDED]
        assert stops(store, "2@example.com") is None
        assert len(store.history("default", "2@example.com", cursor=None, limit=9).items) == 1

    # --- operators ---

    def test_an_operators_entry_is_new_once(self, store: Store) -> None:
        entry, created = store.add("default", ADA, scope="*", cause="manual", reason="asked", expires=None, actor="olga")
        again, created_again = store.add("default", ADA, scope="*", cause="manual", reason="again", expires=None, actor="otto")

        assert (created, created_again) == (True, False)
        assert again == entry
        assert (entry.reason, entry.created_by, entry.address) == ("asked", "olga", ADA)
        assert actions(store) == [Did.ADDED]

    def test_an_operator_strengthens_but_never_weakens(self, store: Store) -> None:
        tell(store, an_outcome("1", proof=Proof.NONE))

        assert put(store, cause="hard").provisional is False
        assert put(store, cause="hard", expires=START + timedelta(days=1)).expires is None

    @pytest.mark.parametrize(
        ("address", "given"),
        [
            ("nobody", {}),
            (ADA, {"cause": "boredom"}),
            (ADA, {"expires": START}),
            (ADA, {"cause": "complaint", "expires": START + timedelta(days=1)}),
            (ADA, {"cause": "unsubscribe", "expires": START + timedelta(days=1)}),
            (ADA, {"scope": ""}),
            (ADA, {"scope": "x" * (STORE_NAME_CHARACTERS_MAX + 1)}),
            (ADA, {"scope": "a\0b"}),
        ],
    )
    def test_what_an_operator_can_not_mean_is_invalid(self, store: Store, address: str, given: dict[str, Any]) -> None:
        with pytest.raises(Invalid):
            put(store, address, **given)

        assert store.feed_head() == 0

    def test_many_are_added_wholly_or_not_at_all(self, store: Store) -> None:
        good = [Addition(address=f"{number}@example.com", reason="import") for number in range(30)]
        bad = Addition(address="new@example.com", reason="import", expires=START)

        assert all(created for _, created in store.add_all("default", [*good, good[0]], actor="olga")[:30])
        with pytest.raises(Invalid):
            store.add_all("default", [Addition(address="other@example.com", reason="import"), bad], actor="olga")

        assert len(store.list("default", Filters(), cursor=None, limit=100).items) == 30

    def test_a_lift_ends_what_stands_and_says_so(self, store: Store, clock: FakeClock) -> None:
        tell(store, an_outcome("1"))
        clock.advance(days=1)

        (entry,) = lift(store, reason="typo mended")

        assert (entry.cause, entry.address, entry.ended, entry.ended_by) == (Cause.HARD, ADA, clock.now(), Did.LIFTED)
        assert stops(store) is None
        assert lift(store) == []
        change = changes_of(store)[-1]
        assert (change.action, change.actor, change.reason) == (Did.LIFTED, "olga", "typo mended")
        assert change.before is not None
        assert (change.before.ended, change.after.ended) == (None, clock.now())

    def test_a_lift_may_name_a_scope_or_a_cause(self, store: Store) -> None:
        for cause, scope in [("hard", "*"), ("manual", "*"), ("manual", "news")]:
            put(store, cause=cause, scope=scope)

        assert [entry.cause for entry in lift(store, cause="hard")] == [Cause.HARD]
        assert [entry.scope for entry in lift(store, scope="news")] == ["news"]
        assert live(store) == {("*", Cause.MANUAL, False)}

    @pytest.mark.parametrize("cause", ["complaint", "unsubscribe"])
    def test_a_persons_own_word_is_lifted_only_with_consent(self, store: Store, cause: str) -> None:
        tell(store, an_outcome("1", cause), an_outcome("2", "hard"))

        with pytest.raises(ConsentRequired):
            lift(store)
        with pytest.raises(ConsentRequired):
            lift(store, cause=cause, consent="  ")
        assert len(live(store)) == 2
        assert len(lift(store, cause="hard")) == 1
        assert len(lift(store, consent="signed up again on the web, form 17")) == 1
        assert changes_of(store)[-1].consent == "signed up again on the web, form 17"

    def test_a_lift_needs_a_reason(self, store: Store) -> None:
        put(store)

        with pytest.raises(Invalid):
            lift(store, reason=" ")

    def test_what_was_lifted_can_be_added_at_once(self, store: Store) -> None:
        old = put(store)
        lift(store)

        new = put(store)

        assert new.id > old.id
        assert stops(store) is Cause.MANUAL

    def test_an_operators_word_counts_where_another_machines_clock_is_ahead(
        self, store: Store, engine: Engine, clock: FakeClock
    ) -> None:
        put(store)
        ahead = FakeClock(clock.now() + timedelta(minutes=5))
        lift(store_on(engine, ahead))

        assert put(store).ended is None
        assert stops(store) is Cause.MANUAL

    # --- expiry ---

    def test_an_expiry_is_noted_once(self, store: Store, clock: FakeClock) -> None:
        put(store, expires=START + timedelta(days=1))
        assert store.expire(clock.now(), 100) == 0
        clock.advance(days=1)

        assert store.expire(clock.now(), 100) == 1
        assert store.expire(clock.now(), 100) == 0
        assert actions(store) == [Did.ADDED, Did.EXPIRED]
        assert put(store).id == store.feed_head()

    def test_expiries_are_noted_a_bounded_number_at_a_time(self, store: Store, clock: FakeClock) -> None:
        for address in (ADA, BEN, EVE):
            put(store, address, expires=START + timedelta(days=1))
        clock.advance(days=2)

        assert [store.expire(clock.now(), 2) for _ in range(3)] == [2, 1, 0]

    # --- what is not kept for ever ---

    def test_the_plain_address_is_kept_only_of_those_with_an_entry_or_a_strike(
        self, store: Store, engine: Engine, clock: FakeClock
    ) -> None:
        capped = store_on(engine, clock, PolicySettings(provisional_per_source_and_hour_max=0))
        useless = [an_outcome("1", "none"), an_outcome("2", withheld="it is forged"), an_outcome("3", fault=Fault.PATH)]

        assert did(store, *useless) == [Did.RECORDED] * 3
        assert did(capped, an_outcome("4", proof=Proof.NONE)) == [Did.CAPPED]
        assert plain_addresses(engine) == set()
        tell(store, an_outcome("5", recipient=BEN), an_outcome("6", "soft", recipient=EVE))
        assert plain_addresses(engine) == {BEN, EVE}
        assert len(store.history("default", ADA, cursor=None, limit=9).items) == 4

    def test_the_words_of_reports_that_changed_nothing_are_erased_in_small_steps_when_they_are_old(
        self, store: Store, engine: Engine, clock: FakeClock
    ) -> None:
        capped = store_on(engine, clock, PolicySettings(provisional_per_source_and_hour_max=0))
        told = [an_outcome("made"), an_outcome("kept"), an_outcome("counted", "soft"), an_outcome("recorded", "none")]
        tell(store, *told)
        tell(capped, an_outcome("capped", "complaint", proof=Proof.NONE))
        clock.advance(days=OUTCOME_BODIES_KEPT_DAYS)
        tell(store, an_outcome("young", "none", days=OUTCOME_BODIES_KEPT_DAYS))
        assert store.forget(clock.now(), 3) == 0
        clock.advance(seconds=1)

        assert [store.forget(clock.now(), 3) for _ in range(3)] == [3, 1, 0]

        items = store.history("default", ADA, cursor=None, limit=100).items
        kept = {item.report_id for item in items if isinstance(item, Told) and item.outcome}
        assert kept == {"made", "young"}
        assert len(items) == 7
        assert did(store, *told) == [Did.REPEATED] * 4

    # --- strangers' values ---

    def test_what_no_database_takes_is_cleaned_at_the_edge(self, store: Store) -> None:
        nasty = "\0\ud800" + "x" * 5_000
        report = Report(
            id="nasty" + nasty,
            message_id=nasty,
            received_at=START,
            kind=an_outcome("1").report.kind,
            format=nasty,
            recipient=ADA,
            diagnostic=nasty,
            stream=nasty,
            tenant="default",
            proof=Proof.TOKEN,
            source=Source(ip=nasty),
            occurred_at=START.replace(year=1, tzinfo=None),
        )
        tell(store, Outcome(report=report, decision=an_outcome("1", "unsubscribe").decision, decided_at=START))

        assert {cause for _, cause, _ in live(store)} == {Cause.UNSUBSCRIBE}
        (change, told) = store.history("default", ADA, cursor=None, limit=100).items
        assert isinstance(told, Told)
        assert isinstance(change, Change)
        assert len(change.scope) == STORE_NAME_CHARACTERS_MAX

    # --- whose list it is ---

    def test_a_list_made_with_another_key_is_refused(self, store: Store, engine: Engine, clock: FakeClock) -> None:
        with pytest.raises(Misconfigured, match="another address key"):
            Store(engine, hasher=AddressHasher(b"not the same key"), clock=clock, policy=Policy())

    def test_tenants_do_not_see_each_other(self, store: Store) -> None:
        tell(store, an_outcome("1", tenant="one"))
        put(store, tenant="two", cause="manual")

        assert live(store, tenant="one") == {("*", Cause.HARD, False)}
        assert live(store, tenant="two") == {("*", Cause.MANUAL, False)}
        assert live(store) == set()
        assert store.history("two", ADA, cursor=None, limit=9).items[-1].seq == store.feed_head()
