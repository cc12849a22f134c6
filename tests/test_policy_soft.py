"""Soft bounces: distinct sends within a window, with no delivery between, make an entry; each further one lives longer."""

from datetime import datetime, timedelta
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as some

from nullsender.events import Proof, Source
from nullsender.limits import SOFT_EVENTS_KEPT_MAX
from suppression.policy import Cause, Claim, Did, PolicySettings, SoftFold, SoftHistory, Standing, Strike, fold_soft
from suppression.policy.settings import lifetimes_of
from suppression.policy.soft import Word, compacted, missing
from suppression.policy.strikes import event_time, send_of
from tests.outcomes import START, a_bounce

SETTINGS = PolicySettings(soft_limit=2, soft_limits={"mailbox-full": 3, "never": 0})
OTHER = "mailbox-unavailable"  # counts with the limit of no category of its own

days_drawn = some.integers(0, 80).map(float)


def day(number: float) -> datetime:
    """So many days after the start."""
    return START + timedelta(days=number)


def struck(number: float, category: str = OTHER, *, proven: bool = True, send: str = "") -> Strike:
    """A strike on that day, about a send of its own."""
    return Strike(day(number), proven, send or f"m{number}{category}", category, f"{number}{category}{send}{proven}")


def history(*strikes: Strike, deliveries: tuple[float, ...] = ()) -> SoftHistory:
    """These, as they are kept."""
    return SoftHistory().with_strikes(strikes).delivered(map(day, deliveries))


def fold(*strikes: Strike, deliveries: tuple[float, ...] = (), words: tuple[Word, ...] = ()) -> SoftFold:
    """What these come to."""
    return fold_soft(history(*strikes, deliveries=deliveries), words, SETTINGS)


def ends(found: SoftFold) -> float | None:
    """On which day the entry is over that stands after the fold."""
    assert found.standing is not None
    return None if found.standing.expires is None else (found.standing.expires - START) / timedelta(days=1)


@some.composite
def events(draw: some.DrawFn) -> tuple[list[Strike], tuple[float, ...]]:
    """Strikes and deliveries on any days; several strikes may be about one send."""
    strikes = [
        struck(
            draw(days_drawn),
            draw(some.sampled_from([OTHER, "mailbox-full"])),
            proven=draw(some.booleans()),
            send=draw(some.sampled_from(["", "", "a", "b"])),
        )
        for _ in range(draw(some.integers(1, 14)))
    ]
    return strikes, tuple(draw(some.lists(days_drawn, max_size=4)))


# --- how many make an entry ---


def test_enough_strikes_within_the_window_stop_mail_for_a_day() -> None:
    assert fold(struck(0)).standing is None
    assert ends(fold(struck(0), struck(14))) == 15


def test_strikes_that_are_too_far_apart_are_no_run() -> None:
    assert fold(struck(0), struck(14.01)).standing is None


def test_each_category_weighs_by_its_own_limit() -> None:
    assert fold(struck(0, "mailbox-full"), struck(1, "mailbox-full")).standing is None
    assert ends(fold(struck(0, "mailbox-full"), struck(1, "mailbox-full"), struck(2, "mailbox-full"))) == 3
    assert fold(struck(0, "mailbox-full"), struck(1)).standing is None  # a third and a half
    assert ends(fold(struck(0, "mailbox-full"), struck(1, "mailbox-full"), struck(2))) == 3


def test_what_is_missing_is_said_by_category() -> None:
    assert missing([struck(0)], "mailbox-full", SETTINGS) == 2
    assert missing([struck(0)], OTHER, SETTINGS) == 1


def test_a_category_that_is_not_counted_any_more_weighs_nothing() -> None:
    assert fold(*(struck(number, "never") for number in range(9))).standing is None


def test_several_reports_about_one_send_are_one_strike() -> None:
    assert fold(struck(0, send="a"), struck(1, send="a"), struck(2, send="a")).standing is None


def test_reports_that_name_no_send_are_one_a_day() -> None:
    nameless = [Strike(day(number), True, "", OTHER, str(number)) for number in (0.1, 0.5, 0.9)]

    assert fold(*nameless).standing is None
    assert fold(*nameless, Strike(day(1.1), True, "", OTHER, "next day")).standing is not None


# --- deliveries ---


def test_a_delivery_between_two_bounces_begins_a_new_run() -> None:
    assert fold(struck(0), struck(2), deliveries=(1,)).standing is None


def test_a_delivery_before_or_at_the_moment_of_a_bounce_resets_nothing_of_it() -> None:
    assert fold(struck(1), struck(2), deliveries=(0.5, 1)).standing is not None


def test_a_delivery_leaves_an_entry_that_stands_unless_the_policy_says_otherwise() -> None:
    ending = PolicySettings(soft_limit=2, soft_limits={}, delivery_ends_soft=True)
    told = history(struck(0), struck(1), deliveries=(1.5,))

    left, ended = fold_soft(told, (), SETTINGS).standing, fold_soft(told, (), ending).standing

    assert left is not None
    assert left.stops(day(1.5))
    assert ended is not None
    assert ended.ended_by is Did.RELEASED


def test_no_delivery_ends_what_an_operator_asked_for() -> None:
    ending = PolicySettings(soft_limit=2, soft_limits={}, delivery_ends_soft=True)
    asked = Claim(cause=Cause.SOFT, scope="*", at=day(0), proven=True)

    standing = fold_soft(history(deliveries=(1,)), [asked], ending).standing

    assert standing is not None
    assert standing.ended is None


# --- how long an entry lives ---


def test_each_further_entry_lives_longer_and_the_last_for_good() -> None:
    days = [0, 1, 3, 11, 12, 43, 44]

    assert [ends(fold(*map(struck, days[:count]))) for count in (2, 3, 5, 7)] == [2, 10, 42, None]


def test_a_delivery_after_an_entry_lets_the_escalation_start_over() -> None:
    assert ends(fold(struck(0), struck(1), struck(4), struck(5), deliveries=(3,))) == 6


def test_a_quiet_time_lets_the_escalation_start_over() -> None:
    later = 2 + SETTINGS.soft_quiet_days

    assert ends(fold(struck(0), struck(1), struck(later), struck(later + 1))) == later + 2


def test_a_strike_while_an_entry_stands_prolongs_it_and_is_no_step() -> None:
    assert ends(fold(struck(0), struck(1), struck(1.5))) == 2.5


def test_unproven_strikes_make_an_entry_for_days_only_and_no_step_towards_a_longer_one() -> None:
    weak = fold(struck(0, proven=False), struck(1, proven=False))

    assert weak.standing is not None
    assert weak.standing.provisional
    assert ends(weak) == 1 + SETTINGS.provisional_days
    assert ends(fold(struck(0, proven=False), struck(1, proven=False), struck(20), struck(21))) == 22


def test_strikes_that_are_enough_without_the_unproven_ones_make_a_full_entry() -> None:
    found = fold(struck(0), struck(1, proven=False), struck(2)).standing

    assert found is not None
    assert not found.provisional


# --- lifts, order, memory ---


def test_strikes_from_before_a_lift_count_no_more_though_they_come_later() -> None:
    stood = Standing(since=day(0), expires=None, provisional=False).end(day(2), Did.LIFTED)

    found = fold(struck(0), struck(1), struck(3), words=(stood,))

    assert found.standing is not None
    assert found.standing.ended_by is Did.LIFTED
    assert len(found.run) == 1


def test_the_order_of_arrival_of_four_strikes_and_a_delivery_changes_nothing() -> None:
    strikes = [struck(0), struck(1), struck(1.5, "mailbox-full"), struck(4)]
    expected = fold(*strikes, deliveries=(3,))

    for order in permutations(strikes):
        known = SoftHistory()
        for strike in order:
            known = known.struck(strike)
        assert fold_soft(known.delivered([day(3)]), (), SETTINGS) == expected


@given(events(), some.randoms())
def test_no_order_of_arrival_changes_anything(drawn: tuple[list[Strike], tuple[float, ...]], chance: object) -> None:
    strikes, deliveries = drawn
    shuffled = list(strikes)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    known = SoftHistory().delivered(map(day, deliveries))
    for strike in shuffled:
        known = compacted(known.struck(strike), (), SETTINGS)

    assert fold_soft(known, (), SETTINGS) == fold(*strikes, deliveries=deliveries)


@given(events(), days_drawn)
def test_a_delivery_never_makes_or_prolongs_an_entry(drawn: tuple[list[Strike], tuple[float, ...]], delivered: float) -> None:
    strikes, deliveries = drawn
    before, after = fold(*strikes, deliveries=deliveries).standing, fold(*strikes, deliveries=(*deliveries, delivered)).standing

    for moment in map(day, range(0, 200, 3)):
        assert after is None or not after.stops(moment) or (before is not None and before.stops(moment))


def test_what_is_not_kept_any_more_still_counts_for_what_came_of_it() -> None:
    strikes = [struck(number / 10) for number in range(3 * SOFT_EVENTS_KEPT_MAX)]
    known = SoftHistory()
    for strike in strikes:
        known = compacted(known.struck(strike), (), SETTINGS)

    assert len(known.strikes) == SOFT_EVENTS_KEPT_MAX
    assert fold_soft(known, (), SETTINGS).standing == fold(*strikes).standing
    assert fold_soft(known, (), SETTINGS).level == fold(*strikes).level


def test_strangers_push_out_no_proven_strike() -> None:
    known = history(struck(0), *(struck(1 + number / 100, proven=False) for number in range(99)))

    assert struck(0) in known.strikes
    assert len(known.strikes) < SOFT_EVENTS_KEPT_MAX


# --- which send, and when ---


def test_a_bounce_stands_at_the_time_that_it_names_unless_that_can_not_be() -> None:
    came = day(10)

    assert event_time(day(9), came) == day(9)
    assert event_time(day(10.1), came) == came
    assert event_time(day(6.9), came) == came
    assert event_time(None, came) == came


def test_a_send_is_known_by_its_message_id_or_by_the_signed_address_that_the_report_came_to() -> None:
    signed = Source(rcpt_to=("b.abc@bounces.example",))
    named = a_bounce(original_message_id="<1@x>", proof=Proof.RETURN_PATH, source=signed)

    assert send_of(named) == send_of(a_bounce(original_message_id=" <1@x> "))
    assert send_of(named) != send_of(a_bounce(original_message_id="<2@x>"))
    assert send_of(a_bounce(proof=Proof.RETURN_PATH, source=signed)) != ""
    assert send_of(a_bounce(source=signed)) == ""  # anybody can write to any address


def test_lifetimes_are_words() -> None:
    assert lifetimes_of(["1d", "forever"]) == (timedelta(days=1), None)
