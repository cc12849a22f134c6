"""What a door makes of a question: whose list is meant, what is no business of ours, and the words of a refusal."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from api.doors import asking
from api.doors.asking import Manner
from api.doors.choosing import Chooser
from api.doors.opening import DoorSettings, Listener, Where
from api.doors.said import Kind, Question
from api.doors.words import CAUSES, CODES, smtp_reply, suppressed
from api.view import View, view_of
from nullsender import counting, telemetry
from nullsender.errors import Invalid, Transient
from suppression.policy import Cause
from suppression.store.store import Store
from tests.api_world import STALENESS_SECONDS_MAX, World
from tests.doors_world import HOST, Heard, conversation, doors_opened, lookup_of, netstring, policy_question, understood
from tests.world_fixtures import world as world

HARD = Heard(Kind.SUPPRESSED, Cause.HARD)
ALLOWED = Heard(Kind.ALLOWED)
INVALID = Heard(Kind.INVALID)
REFUSED = Heard(Kind.REFUSED)


# --- whose list ---


@pytest.mark.parametrize(
    ("word", "user", "view"),
    [
        ("", "", "default/*"),
        ("news", "", "default/news"),
        ("*", "", "default/*"),
        ("acme/news", "", "acme/news"),
        ("ACME/News", "", "acme/news"),
        ("", "bob@acme.example", "acme/marketing"),
        ("news", "bob@acme.example", "default/news"),
        ("", "nobody", "default/*"),
        ("news:weekly", "", "default/news:weekly"),
        ("acme/*:Weekly.Example", "", "acme/*:weekly.example"),
    ],
)
def test_the_wire_names_the_view_else_the_senders_is_meant_else_the_listeners(word: str, user: str, view: str) -> None:
    chooser = Chooser(None, {"bob@acme.example": "acme/marketing"})

    assert str(chooser.view(Question("a@example.com", word, user))) == view


@pytest.mark.parametrize(
    ("word", "view"), [("", "acme/marketing"), ("news", "acme/news"), ("*", "acme/*"), ("acme/x", "acme/x")]
)
def test_a_listener_that_is_for_a_view_is_for_its_tenant(word: str, view: str) -> None:
    assert str(Chooser(view_of("acme/marketing"), {}).view(Question("a@example.com", word))) == view


@pytest.mark.parametrize("question", [Question("", "other/news"), Question("", "default/*"), Question("", "", "bob")])
def test_nobody_reaches_another_tenants_list_through_it(question: Question) -> None:
    with pytest.raises(Invalid, match="another one's"):
        Chooser(view_of("acme/marketing"), {"bob": "default/x"}).view(question)


@pytest.mark.parametrize("word", ["/", "a/", "a:", ":", ":x", "a:b:c", "a:b/c", "/b", "a/b/c", "x y", "\udcff", "a" * 65, "\n"])
def test_a_word_that_names_no_view_is_told(word: str) -> None:
    with pytest.raises(Invalid):
        Chooser(None, {}).view(Question("a@example.com", word))


# --- on the wire ---


class Opened:
    """Doors with the list of one test; asked in each protocol."""

    def __init__(self, places: dict[tuple[str, View | None], Where]) -> None:
        self._places = places

    def socketmap(self, question: str, view: View | None = None) -> Heard:
        return understood("socketmap", conversation(self._places["socketmap", view], netstring(question)))

    def policy(self, address: str, *, view: View | None = None, **attributes: str) -> Heard:
        return understood("policy", self.policy_said(address, view=view, **attributes))

    def policy_said(self, address: str, *, view: View | None = None, **attributes: str) -> bytes:
        return conversation(self._places["policy", view], policy_question(address, **attributes))

    def readsocket(self, line: str, view: View | None = None) -> Heard:
        return understood("readsocket", conversation(self._places["readsocket", view], line.encode()))


ACME = View("acme", None)


@contextmanager
def opened(world: World, manner: Manner | None = None, *, allow_unknown: View | None = None) -> Iterator[Opened]:
    world.catch_up()
    listeners = [Listener(door, (HOST, 0), view) for door in ("socketmap", "policy", "readsocket") for view in (None, ACME)]
    settings = DoorSettings(
        listeners=listeners, manner=manner or Manner(), views_of_users={"bob": "marketing", "eve@acme.example": "acme/*"}
    )
    lookup = lookup_of(world, *([allow_unknown] if allow_unknown else []))
    with doors_opened(settings, lookup) as places:
        yield Opened({(listener.door, listener.view): place for listener, place in zip(listeners, places, strict=True)})


def test_the_map_name_the_context_the_login_and_the_second_word_choose_the_view(world: World) -> None:
    world.suppress("stream@example.com", scope="marketing")
    world.suppress("acme@example.com", tenant="acme")
    with opened(world) as doors:
        assert doors.socketmap("marketing stream@example.com") == HARD
        assert doors.socketmap("news stream@example.com") == ALLOWED
        assert doors.socketmap("acme/news acme@example.com") == HARD
        assert doors.socketmap("acme@example.com x@example.com") == REFUSED
        assert doors.policy("stream@example.com") == ALLOWED
        assert doors.policy("stream@example.com", policy_context="marketing") == HARD
        assert doors.policy("stream@example.com", sasl_username="bob") == HARD
        assert doors.policy("stream@example.com", sasl_username="bob", policy_context="news") == ALLOWED
        assert doors.policy("acme@example.com", sasl_username="eve@acme.example") == HARD
        assert doors.readsocket("stream@example.com marketing") == HARD
        assert doors.readsocket("stream@example.com") == ALLOWED
        assert doors.socketmap("* acme@example.com", ACME) == HARD
        assert doors.readsocket("acme@example.com", ACME) == HARD
        assert doors.policy("acme@example.com", view=ACME) == HARD


def test_a_view_that_a_listener_does_not_open_is_for_the_operator_to_mend_while_the_mail_waits(world: World) -> None:
    with opened(world) as doors:
        assert doors.socketmap("default/* clean@example.com", ACME) == REFUSED
        assert doors.policy("clean@example.com", view=ACME, policy_context="default/*") == REFUSED
        assert doors.policy("clean@example.com", view=ACME, sasl_username="bob") == ALLOWED  # acme's own stream
        assert doors.readsocket("clean@example.com default/*", ACME) == Heard(Kind.UNKNOWN)


@pytest.mark.parametrize("state", ["CONNECT", "EHLO", "MAIL", "DATA", "END-OF-MESSAGE", "VRFY", "ETRN"])
def test_policy_delegation_says_nothing_but_at_rcpt(world: World, state: str) -> None:
    world.suppress("hard@example.com")
    with opened(world) as doors:
        assert doors.policy("hard@example.com", protocol_state=state, recipient_count="1") == ALLOWED
        assert doors.policy("hard@example.com") == HARD


def test_postmaster_is_nobodys_list_a_route_is_no_part_of_the_mailbox_and_nobody_is_no_address(world: World) -> None:
    world.suppress("hard@example.com")
    with opened(world) as doors:
        for ask in (doors.policy, doors.readsocket, lambda address: doors.socketmap(f"* {address}")):
            assert ask("postmaster") == ALLOWED
            assert ask("PostMaster") == ALLOWED
            assert ask("webmaster") == INVALID
            assert ask("@relay.example,@other.example:hard@example.com") == HARD
            assert ask("@relay.example:clean@example.com") == ALLOWED
            assert ask("@relay.example") == INVALID
            assert ask("<>") == INVALID


def test_a_question_about_nobody_or_with_too_many_words_is_at_fault_and_the_mail_waits(world: World) -> None:
    with opened(world) as doors:
        for nothing in ("", " "):
            assert doors.policy(nothing) == REFUSED
            assert doors.socketmap(f"* {nothing}") == REFUSED
            assert doors.readsocket(f"{nothing}\n") == Heard(Kind.UNKNOWN)  # ERR says both
        assert doors.readsocket(" marketing") == Heard(Kind.UNKNOWN)
        assert doors.readsocket("a@example.com marketing *") == Heard(Kind.UNKNOWN)
        assert doors.readsocket("nobody marketing") == INVALID
        assert doors.readsocket("a@example.com  marketing\r\n") == ALLOWED


def test_what_a_question_names_comes_back_short_and_in_plain_letters(world: World) -> None:
    with opened(world) as doors:
        for word in ("x" * 5_000 + "/", "é\x00/"):
            said = doors.policy_said("clean@example.com", policy_context=word)

            assert understood("policy", said) == REFUSED
            assert len(said) < 400
            assert said.strip().decode("ascii").isprintable()


# --- words ---


def test_a_refusal_says_what_a_sender_has_to_know(world: World) -> None:
    world.suppress("hard@example.com")
    with opened(world) as doors:
        said = b"action=550 5.7.1 this recipient is on the suppression list (hard bounce), so no mail is sent there\n\n"
        assert doors.policy_said("hard@example.com") == said
        assert doors.policy_said("none") == b"action=553 5.1.3 this recipient is not a valid e-mail address\n\n"


def test_the_sentence_may_be_the_operators(world: World) -> None:
    world.suppress("hard@example.com", cause="complaint")
    with opened(world, Manner("Ask help@acme.example ({cause}) 100% {0} {}")) as doors:
        assert doors.policy_said("hard@example.com") == b"action=550 5.7.1 Ask help@acme.example (complaint) 100% {0} {}\n\n"


def test_every_answer_has_a_code_and_our_own_trouble_is_never_permanent() -> None:
    assert {kind: code // 100 for kind, (code, _) in CODES.items()} == {
        Kind.SUPPRESSED: 5,
        Kind.INVALID: 5,
        Kind.UNKNOWN: 4,
        Kind.REFUSED: 4,
    }
    assert all(str(code)[0] == status[0] for code, status in CODES.values())
    assert CAUSES.keys() == set(Cause)
    for cause in Cause:
        reply = smtp_reply(suppressed(cause, "*"))
        assert reply.isascii()
        assert reply.isprintable()
        assert CAUSES[cause] in reply


# --- a trial run, and mail that may go unchecked ---


def test_on_trial_everything_goes_and_policy_delegation_marks_what_would_not_have_gone(world: World) -> None:
    world.suppress("hard@example.com")
    with opened(world, Manner(shadow=True)) as doors:
        assert doors.policy_said("hard@example.com") == b"action=PREPEND X-Nullsender: would be suppressed (hard bounce)\n\n"
        assert doors.policy_said("none") == b"action=PREPEND X-Nullsender: would be invalid\n\n"
        assert doors.policy_said("clean@example.com") == b"action=DUNNO\n\n"
        assert doors.socketmap("* hard@example.com") == ALLOWED
        assert doors.readsocket("hard@example.com") == ALLOWED


def test_what_nobody_can_tell_goes_marked_where_the_operator_lets_mail_of_this_view_go(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_arguments: object) -> object:
        raise Transient("no database")

    with opened(world, allow_unknown=View("default", "receipts")) as doors:
        monkeypatch.setattr(Store, "check_hashes", away)
        world.clock.advance(seconds=STALENESS_SECONDS_MAX * 2)

        assert doors.policy_said("a@example.com", policy_context="receipts") == b"action=PREPEND X-Nullsender: unchecked\n\n"
        assert doors.socketmap("receipts a@example.com") == ALLOWED
        assert doors.readsocket("a@example.com receipts") == ALLOWED
        assert doors.policy("a@example.com", policy_context="marketing") == Heard(Kind.UNKNOWN)


def test_our_own_bug_is_no_answer_and_never_a_refusal(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> object:
        raise ZeroDivisionError

    with opened(world) as doors:
        monkeypatch.setattr(Store, "check_hashes", broken)
        world.clock.advance(seconds=STALENESS_SECONDS_MAX * 2)

        assert doors.policy("a@example.com") == Heard(Kind.UNKNOWN)
        assert doors.socketmap("* a@example.com") == Heard(Kind.UNKNOWN)


# --- numbers and lines ---


def count_of(door: str, answer: Kind) -> float:
    counting.flush()
    return float(telemetry.DOOR_ANSWERS.labels(door, answer)._value.get())


def test_every_answer_is_counted_and_only_what_is_wrong_has_a_line(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.suppress("hard@example.com")
    caplog.set_level("INFO", logger="doors")
    with opened(world) as doors:
        caplog.clear()
        before = {kind: count_of("readsocket", kind) for kind in Kind}
        for line in ("hard@example.com", "clean@example.com", "none"):
            doors.readsocket(line)
        assert not caplog.records

        asking._counts_of("readsocket").quiet_until_seconds = 0.0  # whatever other tests had to complain of
        doors.readsocket("clean@example.com /")
        doors.readsocket("clean@example.com /")
        (line_of_both,) = [record.getMessage() for record in caplog.records]

    assert line_of_both == "question refused"
    gained = {kind: count_of("readsocket", kind) - before[kind] for kind in Kind}
    assert gained == {Kind.SUPPRESSED: 1, Kind.ALLOWED: 1, Kind.INVALID: 1, Kind.REFUSED: 2, Kind.UNKNOWN: 0}
