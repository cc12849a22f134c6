"""`explain` and `reply`: an answer for whatever they are given, in words for people and in JSON for programs."""

import io
import json
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.outcome import Category
from classifiers.rulebook import Provider, Rule, Rulebook, Signs
from classifiers.rules import Rules
from ingest.proof import Prover
from nullsender import config
from nullsender.cli import main, store_parts
from nullsender.cli.explain import Explainer, explain_files
from nullsender.cli.explaining.marks import Look
from nullsender.cli.explaining.page import Page
from nullsender.cli.explaining.ties import Ties
from nullsender.cli.reply import reply_lines
from nullsender.events import Source
from nullsender.limits import MESSAGE_BYTES_MAX, READ_BYTES_MAX, REPORTS_MAX
from nullsender.signing.keys import Claims, SigningKeys
from nullsender.signing.return_path import ReturnPaths
from suppression.policy import Policy, PolicySettings

FIXTURES = Path(__file__).parent.parent / "fixtures" / "mail"
RULES = Rules.load()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NO_TIES, PLAIN = Ties(), Look()
KEYS = SigningKeys({"k1": b"a secret of the tests, 32 bytes."})

BOUNCE = b"""\
From: MAILER-DAEMON@mx.example.org
To: bounces@example.net
Subject: Undelivered
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

Sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; kiji@example.com
Action: failed
Status: 5.1.1
Remote-MTA: dns; mail.example.com
Diagnostic-Code: smtp; 550 5.1.1 <kiji@example.com>: User unknown

Final-Recipient: rfc822; mike@example.com
Action: delivered
Status: 2.1.5
--b--
"""


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    errors: str

    @property
    def objects(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


def page_of(ties: Ties = NO_TIES, *, look: Look = PLAIN, verbose: bool = False, **policy: Any) -> Page:
    return Page(look, Policy(PolicySettings(**policy)), ties, verbose=verbose)


def explain(
    *paths: str | Path, as_json: bool = False, standard_input: bytes = b"", ties: Ties = NO_TIES, page: Page | None = None
) -> Said:
    out, errors = io.StringIO(), io.StringIO()
    code = explain_files(
        [str(path) for path in paths],
        Explainer(RULES, ties, now=NOW),
        None if as_json else page or page_of(ties),
        standard_input=io.BytesIO(standard_input),
        out=out,
        errors=errors,
    )
    return Said(code, out.getvalue(), errors.getvalue())


def reply(*lines: bytes, as_json: bool = True, rules: Rules = RULES, page: Page | None = None) -> Said:
    out = io.StringIO()
    code = reply_lines(lines, rules, None if as_json else page or page_of(), now=NOW, out=out)
    return Said(code, out.getvalue(), "")


def row_of(said: Said, label: str) -> str:
    """What a page says in the row of that name, on one line."""
    lines = said.out.splitlines()
    first = next(number for number, line in enumerate(lines) if line.strip().startswith(f"{label} "))
    indent = len(lines[first]) - len(lines[first].lstrip())
    rest = []
    for line in lines[first + 1 :]:
        if not line.startswith(" " * (indent + 10)):
            break
        rest.append(line.strip())
    return " ".join([lines[first].strip().removeprefix(label).strip(), *rest])


@pytest.fixture
def bounce(tmp_path: Path) -> Path:
    path = tmp_path / "bounce.eml"
    path.write_bytes(BOUNCE)
    return path


def test_a_bounce_is_explained_in_a_dozen_lines_with_the_decision_first(bounce: Path) -> None:
    said = explain(bounce)

    assert said.code == 0
    title, headline, *others = said.out.splitlines()
    assert len(others) <= 12
    assert title == f"{bounce}: a bounce (read as rfc3464); 1 got the mail"
    assert headline == "  kiji@example.com: hard, mailbox-unknown. There is no such mailbox at that domain."
    assert row_of(said, "list") == "stops all mail to the address for good if the report is proven, for 7 days if not"
    assert row_of(said, "codes") == "5.1.1, reply 550: this delivery has failed for good"
    assert row_of(said, "rule").startswith("recipient.mailbox-unknown")
    assert 'by "User unknown"' in row_of(said, "rule")
    assert row_of(said, "address") == "from Final-Recipient"


# --- the words that decided ----------------------------------------------------------------------------------------------


def test_the_words_that_decided_are_marked_where_they_stand(bounce: Path) -> None:
    lines = explain(bounce).out.splitlines()
    said = next(number for number, line in enumerate(lines) if line.startswith("    said "))

    start = lines[said].index("User unknown")
    assert lines[said + 1] == " " * start + "^" * len("User unknown")


def test_a_long_reply_is_shown_around_the_words_that_decided_and_whole_if_asked_for(tmp_path: Path) -> None:
    filler = " ".join(f"word{number}" for number in range(200))
    path = tmp_path / "long.eml"
    path.write_bytes(BOUNCE.replace(b"User unknown", f"{filler} User unknown {filler}".encode()))

    short, whole = explain(path), explain(path, page=page_of(verbose=True))
    assert "User unknown" in short.out
    assert "\u2026" in short.out
    assert len(short.out.splitlines()) <= 15
    assert "word0 " in whole.out
    assert whole.out.count("word199") == 2


# --- why that rule, and why not another ------------------------------------------------------------------------------------


def book_of(*rules: Rule) -> Rules:
    """These rules and no others, tried in this order."""
    signs = Signs(phases={"content": ("end of data",)}, providers={})
    return Rules(Rulebook(rules=rules, signs=signs, version="v", places={}))


def rule(name: str, category: Category, **asks: Any) -> Rule:
    return Rule(name=name, category=category, examples=(), **asks)


FULL = rule("a.full", Category.MAILBOX_FULL, texts=("full",))


@pytest.mark.parametrize(
    ("asks", "words", "sentence"),
    [
        ({"unless": ("box",)}, b"552 box full", '"box" speaks against it'),
        ({"statuses": frozenset({"x.7.1"})}, b"552 full", "it asks for status x.7.1"),
        ({"reply_codes": frozenset({554})}, b"552 full", "it asks for reply 554"),
    ],
)
def test_a_rule_that_was_passed_over_is_named_with_the_reason(asks: Any, words: bytes, sentence: str) -> None:
    other = rule("a.other", Category.VIRUS, texts=("full",), **asks)
    said = reply(words, as_json=False, rules=book_of(other, FULL))

    assert row_of(said, "rule") == 'a.full, by "full"'
    assert row_of(said, "not") == f'a.other ("full"): {sentence}'


def test_a_rule_for_another_step_of_the_session_is_named_only_if_all_is_asked_for() -> None:
    book = book_of(rule("a.other", Category.VIRUS, texts=("full",), phases=frozenset({"content"})), FULL)

    assert "a.other" not in reply(b"552 full", as_json=False, rules=book).out
    asked = reply(b"552 full", as_json=False, rules=book, page=page_of(verbose=True))
    assert row_of(asked, "not") == 'a.other ("full"): it asks for phase content'


def test_a_rule_that_hangs_on_the_provider_is_shown_as_any_other() -> None:
    signs = Signs(phases={}, providers={"examplebox": Provider()})
    theirs = Rule(
        name="t.full", category=Category.MAILBOX_CLOSED, texts=("full",), providers=frozenset({"examplebox"}), examples=()
    )
    book = Rules(Rulebook((theirs, FULL), signs, "v", {}))

    said = reply(b'{"text": "552 it is full", "provider": "ExampleBox"}', as_json=False, rules=book)

    assert row_of(said, "rule") == 't.full, by "full" and provider examplebox'
    assert row_of(said, "behind").startswith("a.full")


def test_a_rule_that_knows_words_to_say_nothing_is_named_all_the_same() -> None:
    book = book_of(rule("a.mumbles", Category.UNKNOWN, texts=("mumble",)))

    assert row_of(reply(b"550 mumble", as_json=False, rules=book), "rule") == 'a.mumbles, by "mumble"'
    assert row_of(reply(b"550 hum", as_json=False, rules=book), "rule") == "none: no rule knows these words and codes"


def test_a_rule_behind_the_one_that_decided_is_named_with_what_it_would_say() -> None:
    said = reply(b"552 full", as_json=False, rules=book_of(FULL, rule("a.late", Category.SYSTEM_FULL, texts=("552",))))

    assert row_of(said, "behind") == 'a.late ("552") would say system-full'


def test_of_many_rules_the_first_is_shown_and_all_if_asked_for() -> None:
    others = [rule(f"a.late-{number}", Category.SYSTEM_FULL, texts=("552",)) for number in range(3)]
    book = book_of(FULL, *others)

    assert row_of(reply(b"552 full", as_json=False, rules=book), "behind").endswith("system-full (+2)")
    all_of_it = reply(b"552 full", as_json=False, rules=book, page=page_of(verbose=True))
    assert "a.late-2" in all_of_it.out
    assert row_of(all_of_it, "reason") == "nullsender rules show a.full"


@pytest.mark.parametrize(
    ("asked", "words", "sentence"),
    [
        ({}, b"450 4.1.1 unknown", "a code of class 4"),
        ({}, b"unknown, 4.0.0", "a code of class 4"),
        ({"permanent": False}, b"550 unknown", "nothing says that the delivery has failed for good"),
        ({"soft": True}, b"550 5.1.1 unknown", "the rule takes these words for a doubt"),
    ],
)
def test_what_kept_a_failure_from_being_hard_is_said(asked: Any, words: bytes, sentence: str) -> None:
    unknown = rule("a.unknown", Category.MAILBOX_UNKNOWN, texts=("unknown",), **asked)

    assert row_of(reply(words, as_json=False, rules=book_of(unknown)), "not hard").startswith(sentence)


def test_the_list_that_refused_us_is_named_with_our_address() -> None:
    words = b"550 5.7.1 Service unavailable; client [192.0.2.7] blocked using zen.spamhaus.org"
    (found,) = reply(b'{"text": "%b"}' % words).objects

    assert found["ip"] == "192.0.2.7"
    assert found["blocklist"]
    assert row_of(reply(words, as_json=False), "listed") == f"192.0.2.7 on {found['blocklist']}"


def test_codes_that_contradict_each_other_are_told() -> None:
    assert row_of(reply(b"550 4.2.2 full", as_json=False, rules=book_of(FULL)), "codes").startswith(
        "4.2.2, reply 550 contradicts it"
    )


def test_of_two_status_codes_the_one_that_counts_is_told() -> None:
    said = explain("-", standard_input=BOUNCE.replace(b"Status: 5.1.1", b"Status: 5.0.0"))

    assert row_of(said, "codes").startswith("5.0.0 in the report, but 5.1.1 in the words says more and counts")


# --- strangers' words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("control", ["\x1b[31m", "\x07", "\x9b2J", "\u202e", "\u2066", "\u200f", "\u2028", "\udcff"])
def test_a_strangers_words_do_not_reach_the_terminal_as_commands(tmp_path: Path, control: str) -> None:
    words = f"550 user {control}unknown".encode("utf-8", "surrogatepass")

    assert control not in reply(words + b"\n", as_json=False).out
    assert control not in explain("-", standard_input=BOUNCE.replace(b"User unknown", words)).out
    assert control not in explain("-", standard_input=BOUNCE.replace(b"kiji", words)).out
    assert control not in explain(tmp_path / control).errors


@pytest.mark.parametrize(
    ("action", "status", "verdict"),
    [("failed", "4.2.2", "\x1b[1;33msoft\x1b[0m"), ("delayed", "4.2.2", "\x1b[1;32mlate\x1b[0m")],
)
def test_the_verdict_has_its_colour(action: str, status: str, verdict: str) -> None:
    words = BOUNCE.replace(b"Action: failed\nStatus: 5.1.1", f"Action: {action}\nStatus: {status}".encode())

    assert f"  kiji@example.com: {verdict}, " in explain("-", standard_input=words, page=page_of(look=Look(colour=True))).out


def test_the_verdict_on_a_reply_has_its_colour_too() -> None:
    said = reply(b"550 5.1.1 user unknown", as_json=False, page=page_of(look=Look(colour=True)))

    assert said.out.startswith("  \x1b[1;31mhard\x1b[0m, mailbox-unknown.")


def test_colour_marks_the_words_where_it_is_welcome(bounce: Path) -> None:
    said = explain(bounce, page=page_of(look=Look(colour=True)))

    assert "\x1b[1;4mUser unknown\x1b[0m" in said.out
    assert "kiji@example.com: \x1b[1;31mhard\x1b[0m, mailbox-unknown" in said.out
    assert "^^^" not in said.out


# --- what ties it to our mail, what it would do --------------------------------------------------------------------------


def ties_with(*rcpt_to: str) -> Ties:
    return Ties(Source(rcpt_to=rcpt_to), Prover(KEYS))


def test_a_return_path_that_was_told_proves_the_report() -> None:
    claims = Claims(tenant="acme", stream="news", recipient="kiji@example.com", sent_on=NOW.date(), message="m7")
    said = explain("-", standard_input=BOUNCE, ties=ties_with(f"{ReturnPaths(KEYS).make(claims)}@bounces.example"))

    assert row_of(said, "proof") == "return-path: it came to a return path that we signed"
    assert row_of(said, "list") == "stops all mail to the address for good"


def test_a_return_path_tells_whom_a_forwarded_mail_was_sent_to() -> None:
    claims = Claims(tenant="acme", stream="news", recipient="anna@example.org", sent_on=NOW.date(), message="m7")
    alone = BOUNCE[: BOUNCE.index(b"Final-Recipient: rfc822; mike")] + b"--b--\n"
    said = explain("-", standard_input=alone, ties=ties_with(f"{ReturnPaths(KEYS).make(claims)}@bounces.example"))

    assert "  anna@example.org: hard" in said.out
    assert row_of(said, "address") == (
        "from our signed return path; also named: kiji@example.com (Final-Recipient, trusted less)"
    )


def test_a_return_path_for_somebody_else_withholds_the_report() -> None:
    claims = Claims(tenant="acme", stream="news", recipient="else@example.com", sent_on=NOW.date(), message="m7")
    said = explain("-", standard_input=BOUNCE, ties=ties_with(f"{ReturnPaths(KEYS).make(claims)}@bounces.example"))

    assert row_of(said, "proof").startswith("withheld: it names someone else")
    assert row_of(said, "list") == "stays as it is: the report is withheld"


def test_a_complaint_of_one_of_several_people_stops_nobody_where_there_are_no_keys_either() -> None:
    said = explain(FIXTURES / "handmade" / "amazon-complaint-of-one-of-two.eml")

    assert row_of(said, "proof").startswith("withheld: it names several people")
    assert row_of(said, "list") == "stays as it is: the report is withheld"


@pytest.mark.parametrize(
    ("ties", "sentence"),
    [
        (ties_with("bounces@example.net"), "none: nothing ties it to mail that we sent"),
        (ties_with(), "none in the message itself; tell to which address it came: --rcpt-to ADDRESS"),
        (Ties(), "not checked: this installation has no keys yet"),
    ],
)
def test_what_is_not_proven_is_said_with_what_would_help(ties: Ties, sentence: str) -> None:
    assert row_of(explain("-", standard_input=BOUNCE, ties=ties), "proof") == sentence


def test_the_list_is_told_by_the_policy_of_this_installation() -> None:
    ignoring = explain("-", standard_input=BOUNCE, page=page_of(unproven="ignore"))
    asked = explain("-", standard_input=BOUNCE, page=page_of(unproven="full"))

    assert "if not, stays as it is: nothing ties the report to mail that we sent" in row_of(ignoring, "list")
    assert row_of(asked, "list") == "stops all mail to the address for good"


def test_a_trusted_source_proves_the_report() -> None:
    ties = Ties(Source(ip="192.0.2.1"), Prover(KEYS, trusted_sources=[ip_network("192.0.2.0/24")]))

    assert row_of(explain("-", standard_input=BOUNCE, ties=ties), "proof").startswith("source: ")


def test_the_list_as_it_stands_is_asked_and_left_as_it_is(
    tmp_path: Path, bounce: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["explain", "--data", str(tmp_path), "--against-list", str(bounce)]
    assert main(words) == 1
    assert "there is no list" in capsys.readouterr().err

    store_parts.migrate_store(config.load({"data": str(tmp_path)}, environment={}))
    for _ in range(2):
        assert main(words) == 0
        assert row_of(Said(0, capsys.readouterr().out, ""), "today") == "added: hard, proof: none"


def test_keys_that_can_not_be_read_are_told_and_the_files_are_explained(
    tmp_path: Path, bounce: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret-keys.json").write_text("{}")

    assert main(["explain", "--data", str(tmp_path), str(bounce)]) == 0
    assert row_of(Said(0, capsys.readouterr().out, ""), "proof").startswith("not checked: ")


# --- what else stands there ----------------------------------------------------------------------------------------------


def test_an_address_that_was_not_charged_is_named_with_its_place() -> None:
    original = b"Original-Recipient: rfc822; anna@example.org\nFinal-Recipient: rfc822; kiji"
    said = explain("-", standard_input=BOUNCE.replace(b"Final-Recipient: rfc822; kiji", original))

    assert "anna@example.org: hard" in said.out
    beside = "kiji@example.com (Final-Recipient, trusted less)"
    assert row_of(said, "address") == f"from Original-Recipient; also named: {beside}"


def test_what_is_no_mail_is_told_with_what_to_do_and_what_the_mx_would_do() -> None:
    said = explain("-", standard_input=b"\x7fELF\0\0\xff")

    assert "no header field in the first line" in said.out.splitlines()[0]
    assert "save the message as it came" in row_of(said, "note")
    assert "dead letter" in row_of(said, "then")


def test_a_message_on_too_many_recipients_says_what_was_found() -> None:
    many = b"Final-Recipient: rfc822; %d@example.com\nAction: failed\n\n"
    groups = b"".join(many % number for number in range(REPORTS_MAX + 1))
    said = explain("-", standard_input=BOUNCE.replace(b"--b--", groups + b"--b--"))

    assert f"more than {REPORTS_MAX} recipients" in said.out.splitlines()[0]
    assert row_of(said, "found").startswith("multipart/report, text/plain, message/delivery-status")
    assert "dead letter" in row_of(said, "then")


def test_a_cut_message_says_so() -> None:
    assert "the message is cut" in row_of(explain("-", standard_input=BOUNCE.removesuffix(b"--b--\n")), "note")


def test_a_message_that_is_longer_than_is_read_says_where_reading_stopped() -> None:
    content = BOUNCE + b"a line of text\n" * (READ_BYTES_MAX // 15 + 1)

    assert f"read up to byte {READ_BYTES_MAX:,}" in row_of(explain("-", standard_input=content), "note")


def test_a_message_that_is_two_things_says_which() -> None:
    complaint = b"--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n\n--b--\n"

    assert "several things at once" in row_of(explain("-", standard_input=BOUNCE.replace(b"--b--\n", complaint)), "note")


def test_the_object_of_a_bounce_has_the_fields_that_others_build_on(bounce: Path) -> None:
    (found,) = explain(bounce, as_json=True).objects

    assert found["file"] == str(bounce)
    assert found["kind"] == "bounce"
    assert found["reports"] == [
        {
            "recipient": "kiji@example.com",
            "action": "failed",
            "outcome": "hard",
            "permanent": True,
            "fault": "recipient",
            "category": "mailbox-unknown",
            "status": "5.1.1",
            "reply_code": 550,
            "diagnostic": "550 5.1.1 <kiji@example.com>: User unknown",
            "remote_mta": "mail.example.com",
            "feedback_type": None,
            "rule": found["reports"][0]["rule"],
            "words": "User unknown",
            "derived_from": "final-recipient",
            "proof": "none",
            "withheld": None,
            "notes": [],
            "blocklist": None,
            "ip": None,
        }
    ]


def test_a_minus_sign_is_standard_input() -> None:
    (found,) = explain("-", as_json=True, standard_input=BOUNCE).objects

    assert (found["file"], found["kind"]) == ("-", "bounce")


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\x7fELF\0\0\xff", b"\0" * 100])
def test_what_is_no_mail_is_told_in_a_sentence_and_is_no_failure(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "thing"
    path.write_bytes(content)

    assert explain(path).out.startswith(f"{path}: ")
    (found,) = explain(path, as_json=True).objects
    assert (found["kind"], found["reports"]) == ("other", [])
    assert found["error"]
    assert explain(path).code == 0


def test_a_file_larger_than_any_mail_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(MESSAGE_BYTES_MAX + 1)

    (found,) = explain(path, as_json=True).objects
    assert str(MESSAGE_BYTES_MAX) in found["error"]


def test_a_missing_file_and_a_folder_are_told_and_the_others_are_answered(tmp_path: Path, bounce: Path) -> None:
    missing = tmp_path / "nowhere.eml"
    said = explain(missing, tmp_path, bounce)

    assert said.code == 2
    assert str(missing) in said.errors
    assert f"{tmp_path}: " in said.errors
    assert "kiji@example.com" in said.out


def test_a_missing_file_has_its_object_too(tmp_path: Path, bounce: Path) -> None:
    said = explain(tmp_path / "nowhere.eml", bounce, as_json=True)

    assert said.code == 2
    assert [found["kind"] for found in said.objects] == ["other", "bounce"]
    assert "error" in said.objects[0]


def test_a_file_whose_name_is_not_utf_8_is_explained(tmp_path: Path) -> None:
    path = str(tmp_path / "b\udcff.eml")
    Path(path).write_bytes(BOUNCE)

    said = explain(path)
    said.out.encode()
    assert "kiji@example.com" in said.out
    assert explain(path, as_json=True).objects[0]["kind"] == "bounce"


@given(st.binary(max_size=2_000))
def test_any_bytes_at_all_are_answered_with_one_object(content: bytes) -> None:
    said = explain("-", as_json=True, standard_input=content)

    assert said.code == 0
    assert len(said.objects) == 1
    explain("-", standard_input=content).out.encode()


def test_a_reply_comes_back_with_its_decision() -> None:
    said = reply(b'{"text": "550 5.2.2 Mailbox full", "provider": "nobody we know"}\n')

    assert said.code == 0
    assert said.objects == [
        {
            "text": "550 5.2.2 Mailbox full",
            "provider": "nobody we know",
            "outcome": "soft",
            "permanent": True,
            "fault": "recipient",
            "category": "mailbox-full",
            "rule": "recipient.mailbox-full",
            "blocklist": None,
            "ip": None,
        }
    ]


def test_a_reply_code_may_be_a_number_or_text() -> None:
    said = reply(*(b'{"text": "no", "reply_code": %b}' % code for code in (b"556", b'"556"', b'""')))

    assert [found["category"] for found in said.objects] == ["domain-takes-no-mail", "domain-takes-no-mail", "unknown"]


@pytest.mark.parametrize("line", [b"550 no", b"[]", b'{"text": 5}', b'{"text": "a", "reply_code": "x"}', b"\xff", b"{}"])
def test_a_line_that_is_no_reply_is_told_and_the_next_is_decided(line: bytes) -> None:
    said = reply(line, b"", b'{"text": "550 5.1.1 user unknown"}')

    assert said.code == 1
    assert "line 1" in said.objects[0]["error"]
    assert said.objects[1]["outcome"] == "hard"


def test_a_person_may_type_bare_words() -> None:
    said = reply(b"550 5.1.1 user unknown\n", as_json=False)

    assert said.code == 0
    assert "There is no such mailbox" in said.out
    assert 'by "user unknown"' in row_of(said, "rule")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (b"552 mailbox full", "counts one soft bounce; 5 within 14 days stop all mail"),
        (b"554 blocked using zen.spamhaus.org", "stays as it is: the fault is the sender's"),
        (b"451 4.4.1 later", "the same mail may arrive later"),
        (b"451 4.1.1 user unknown, later", "doubt is soft"),
    ],
)
def test_what_it_would_do_to_the_list_is_said(words: bytes, sentence: str) -> None:
    assert sentence in reply(words, as_json=False).out


def test_a_bad_name_is_no_list() -> None:
    said = reply(b"550 5.7.1 [192.0.2.7] very low reputation of the sending domain", as_json=False)

    assert row_of(said, "bad name").startswith("192.0.2.7 with ")


def test_several_people_of_whom_the_same_is_said_have_it_said_once() -> None:
    said = explain(FIXTURES / "handmade" / "amazon-complaint-of-one-of-two.eml")

    assert said.out.count(": complaint.") == 2
    assert said.out.count("    list ") == 1


def test_a_proof_is_asked_for_only_where_it_would_change_something() -> None:
    spam = BOUNCE[: BOUNCE.index(b"Final-Recipient: rfc822; mike")].replace(b"5.1.1", b"5.7.1")
    said = explain("-", standard_input=spam.replace(b"User unknown", b"looks like spam") + b"--b--\n")

    assert "the fault is the sender's" in row_of(said, "list")
    assert "    proof " not in said.out


def test_what_a_provider_did_not_try_is_nothing_new() -> None:
    said = explain(FIXTURES / "handmade" / "amazon-bounce-not-tried.eml")

    assert "    list      stays as it is: nothing was tried, so nothing new is known\n" in said.out


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("courier/success-relayed.eml", "a report that mail arrived (read as rfc3464)"),
        ("handmade/arf-not-spam.eml", "a feedback report, and no complaint (read as arf)"),
        ("handmade/arf-several-recipients.eml", "a complaint (read as arf) about 2 recipients"),
    ],
)
def test_a_title_says_what_the_message_comes_to(name: str, title: str) -> None:
    assert explain(FIXTURES / name).out.splitlines()[0] == f"{FIXTURES / name}: {title}"


@pytest.mark.parametrize(
    ("action", "asked", "sentence"),
    [
        (b"failed", {}, "no code, but the report calls it failed: this delivery has failed for good"),
        (b"failed", {"permanent": True}, "no code, but the words say so: this delivery has failed for good"),
        (b"delayed", {}, "no code: it is only delayed, so the same mail may arrive"),
    ],
)
def test_where_there_is_no_code_it_is_said_what_else_settles_it(action: bytes, asked: Any, sentence: str) -> None:
    words = BOUNCE.replace(b"Status: 5.1.1\n", b"").replace(b"550 5.1.1", b"").replace(b"failed", action)
    unknown = rule("a.unknown", Category.MAILBOX_UNKNOWN, texts=("unknown",), **asked)
    out = io.StringIO()
    explainer = Explainer(book_of(unknown), NO_TIES, now=NOW)
    explain_files(["-"], explainer, page_of(), standard_input=io.BytesIO(words), out=out, errors=out)

    assert row_of(Said(0, out.getvalue(), ""), "codes") == sentence


def test_a_report_that_names_nobody_stops_nothing_and_says_so() -> None:
    said = explain(FIXTURES / "handmade" / "arf-hashed.eml")

    assert row_of(said, "list").startswith("stays as it is: it names nobody")


def test_a_machine_that_was_told_makes_no_mail_one_from_the_null_sender() -> None:
    ties = Ties(Source(ip="192.0.2.1"))
    said = explain("-", standard_input=b"From: a@example.com\nSubject: lunch?\n\nAt noon.\n", ties=ties)

    assert "no report about mail of ours" in said.out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"From: kiji@example.com\nX-Apple-Unsubscribe: true\nSubject: unsubscribe\n\nPlease.\n", "an unsubscribe"),
        (b"From: a@example.com\nSubject: lunch?\n\nAt noon.\n", "no report about mail of ours"),
        (b"From: a@example.com\nAuto-Submitted: auto-replied\nSubject: Out of office\n\nAway.\n", "an automatic reply"),
    ],
)
def test_what_a_message_is_stands_first(content: bytes, sentence: str) -> None:
    assert sentence in explain("-", standard_input=content).out.splitlines()[0]
