"""An operator's own rules: tried before ours, held to the same promises, and refused with the place of what is wrong."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from classifiers.own_rules import RESERVED, with_own_rules
from classifiers.rulebook import FILES, Rulebook, read_rulebook
from classifiers.rules import Rules
from nullsender import cli
from nullsender.cli.checking.findings import State, checked
from nullsender.cli.checking.installation import CHECKS
from nullsender.config import load
from nullsender.errors import Misconfigured
from nullsender.events import Fault, Result

ALL_OF_OURS = read_rulebook()
FEW = ("vague.denied", "recipient.mailbox-full")
#: A few of ours, which are compiled in no time.
OURS = replace(ALL_OF_OURS, rules=tuple(rule for rule in ALL_OF_OURS.rules if rule.name in FEW))

GREYLISTS = """
[[rule]]
# The gate of our customer writes this while it looks at us for the first time.
name = "mine.gate"
category = "greylisted"
texts = ['gatekeeper is thinking']
examples = ["550 5.7.1 Gatekeeper is thinking about kiji@example.com"]
"""
FULL_IS_CLOSED = """
[[rule]]
name = "mine.full-is-closed"
category = "mailbox-closed"
texts = ['mailbox full']
examples = ["552 5.2.2 mailbox full"]
"""
WITHOUT = """
[[without]]
rule = "vague.denied"
reason = "our own relay says denied to everything"
"""


def folder_with(tmp_path: Path, **files: str) -> Path:
    """A folder of files of rules."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name, content in files.items():
        (folder / f"{name}.toml").write_text(content)
    return folder


def book_with(tmp_path: Path, **files: str) -> Rulebook:
    """Our rules with such a folder before them."""
    return with_own_rules(OURS, folder_with(tmp_path, **files))


def rules_with(tmp_path: Path, **files: str) -> Rules:
    """The same, compiled and proven."""
    return Rules(book_with(tmp_path, **files))


# --- they win ------------------------------------------------------------------------------------------------------------


def test_a_rule_of_the_operators_is_tried_before_ours(tmp_path: Path) -> None:
    text = "552 5.2.2 Mailbox full"

    assert Rules(OURS).decide_reply(text).category == "mailbox-full"
    decision = rules_with(tmp_path, mine=FULL_IS_CLOSED).decide_reply(text)

    assert (decision.outcome, decision.category, decision.rule) == (Result.HARD, "mailbox-closed", "mine.full-is-closed")
    assert decision.words == "Mailbox full"


def test_what_they_do_not_know_is_decided_as_before(tmp_path: Path) -> None:
    text = "550 access denied"

    assert rules_with(tmp_path, mine=GREYLISTS).decide_reply(text).rule == Rules(OURS).decide_reply(text).rule == "vague.denied"


def test_a_file_alone_does_as_well_as_a_folder(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, mine=GREYLISTS)

    assert with_own_rules(OURS, folder / "mine.toml").own == with_own_rules(OURS, folder).own == {"mine.gate"}


def test_files_are_tried_in_the_order_of_their_names(tmp_path: Path) -> None:
    book = book_with(tmp_path, mine=GREYLISTS, after=FULL_IS_CLOSED.replace("mine.", "after."))

    assert [rule.name for rule in book.rules[:2]] == ["after.full-is-closed", "mine.gate"]


def test_one_of_ours_is_switched_off_by_name_and_the_next_that_holds_decides(tmp_path: Path) -> None:
    book = book_with(tmp_path, mine=WITHOUT)

    assert Rules(OURS).decide_reply("550 access denied").rule == "vague.denied"
    assert Rules(book).decide_reply("550 access denied").rule != "vague.denied"
    assert [(off.rule, off.reason) for off in book.without] == [("vague.denied", "our own relay says denied to everything")]


def test_a_provider_and_a_phase_of_their_own_are_known(tmp_path: Path) -> None:
    rules = rules_with(
        tmp_path,
        mine="""
        [providers.gatehouse]
        hosts = ["gatehouse.example"]
        also_called = ["Gate"]
        [providers.google]
        texts = ['sent through our google gate']
        [phases]
        farewell = ['after quit\\b']
        [[rule]]
        name = "mine.gate-x1"
        category = "rate-limited"
        texts = ['\\bx1\\b']
        providers = ["gatehouse"]
        examples = [{ text = "450 x1", provider = "gatehouse" }]
        [[rule]]
        name = "mine.quit"
        category = "connection-failed"
        texts = ['gone']
        phases = ["farewell"]
        examples = ["host mx.example.com after QUIT: gone"]
        """,
    )

    assert rules.decide_reply("450 x1").rule != "mine.gate-x1"
    assert rules.decide_reply("450 x1", provider="GATE").rule == "mine.gate-x1"
    assert rules.decide_reply("450 x1 said mx.gatehouse.example").rule == "mine.gate-x1"
    assert rules.decide_reply("host mx.example.com after QUIT: gone").rule == "mine.quit"


def test_the_version_tells_any_change_of_theirs(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, mine=GREYLISTS)
    first = with_own_rules(OURS, folder).version
    (folder / "mine.toml").write_text(GREYLISTS + "# a comment more\n")
    second = with_own_rules(OURS, folder).version

    assert len({OURS.version, first, second}) == 3


# --- they keep what ours keep ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["450 4.2.2 mailbox full", "host mx.example.com refused to talk to me: 552 mailbox full"])
def test_a_hard_rule_of_theirs_is_soft_where_ours_would_be(tmp_path: Path, text: str) -> None:
    decision = rules_with(tmp_path, mine=FULL_IS_CLOSED).decide_reply(text)

    assert (decision.rule, decision.outcome) == ("mine.full-is-closed", Result.SOFT)


def test_whose_fault_it_is_comes_from_the_category(tmp_path: Path) -> None:
    decision = rules_with(tmp_path, mine=GREYLISTS).decide_reply("550 5.1.1 gatekeeper is thinking")

    assert (decision.fault, decision.outcome) == (Fault.SENDER, Result.SOFT)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[[rule]\n", r"mine.toml is not TOML: .*line 1"),
        (GREYLISTS + GREYLISTS.replace("greylisted", "gray"), r"mine.toml, line 9, rule mine.gate: .*'gray'"),
        (GREYLISTS + "hard = true", r"mine.toml, line 2, rule mine.gate: .*`hard`"),
        (GREYLISTS + "colour = 1\n[colours]", r"mine.toml: .*`colours`"),
        (GREYLISTS.replace("mine.gate", "vague.denied"), r"begins with 'mine'"),
        (GREYLISTS + GREYLISTS, r"two rules are called mine.gate"),
        (GREYLISTS.replace("greylisted", "complaint"), r"line 2, rule mine.gate: complaint is no reason of a failure"),
        (GREYLISTS.replace("examples = [", "unless = ["), r"examples"),
        (GREYLISTS.replace("thinking'", "thinking(?! hard)'"), r"mine.toml, line 2, rule mine.gate: .*thinking\(\?! hard\)"),
        (GREYLISTS + 'providers = ["nobody"]', r"line 2, rule mine.gate: it names a provider that nobody has declared"),
        (GREYLISTS + FULL_IS_CLOSED.replace("mailbox full'", "gatekeeper'").replace("mailbox full", "gatekeeper is thinking"),
         r"mine.toml, line 9, rule mine.full-is-closed: its example .* is decided by mine.gate, which stands before it"),
        (GREYLISTS + "unless = ['thinking']", r"line 2, rule mine.gate: .* by none: 'thinking' speaks against the rule"),
        (GREYLISTS.replace("is thinking'", "is asleep'"), r"decided by none: none of the rule's texts stands in it"),
        (GREYLISTS + "reply_codes = [421]", r"decided by none: the rule asks for another reply-code"),
        (GREYLISTS.replace("is thinking'", r"is\nthinking'"), r"line 2, rule mine.gate: .* can never match: .* one line"),
        (GREYLISTS.replace("is thinking'", "  thinking'"), r"line 2, rule mine.gate: .* can never match: .* one line"),
        (GREYLISTS.replace("is thinking'", "is thinking', 'ada@example'"), r"can never match: .* every address a bare @"),
        (GREYLISTS.replace("is thinking'", "is thinking', '[ .]'"), r"matches a single character"),
        (GREYLISTS.replace("is thinking'", "is [[:alpha:]]+'"), r"line 2, rule mine.gate: .* is not a regular expression"),
        ('[[without]]\nrule = "vague.nonsense"\nreason = "x"', r"none of our rules is called 'vague.nonsense'"),
        ('[[without]]\nrule = "vague.denied"\nreason = " "', r"say in `reason` why"),
        ('[[without]]\nrule = "vague.denied"', r"mine.toml: .*reason"),
        ('[providers.other]\nhosts = ["gmail.com"]', r"providers.other: gmail.com is google's already"),
        ('[providers.Other]\nhosts = ["example.com"]', r"lower case"),
        ("[phases]\nlast = ['(x']", r"not a regular expression"),
        ("[phases]\nlast = ['x(?=y)']", r"the phases and providers: the text .* can not be compiled"),
        ("#" * (5 * 2**20), r"at most \d+ bytes"),
    ],
    ids=lambda value: str(value)[-40:],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place_and_does_not_start(tmp_path: Path, content: str, complaint: str) -> None:
    with pytest.raises(Misconfigured, match=complaint):
        rules_with(tmp_path, mine=content)


@pytest.mark.parametrize("name", [*sorted(RESERVED), "Mine", "mi ne", "m.ine"])
def test_a_file_that_could_be_taken_for_ours_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misconfigured, match=r"classify.rules: .*(begin with|lower-case)"):
        book_with(tmp_path, **{name: GREYLISTS})


def test_names_of_ours_begin_with_a_reserved_word_whatever_decides(tmp_path: Path) -> None:
    assert {rule.name.partition(".")[0] for rule in ALL_OF_OURS.rules} == set(FILES) <= RESERVED


def test_a_folder_without_rules_and_a_file_that_is_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"holds no file that ends in \.toml"):
        book_with(tmp_path)
    with pytest.raises(Misconfigured, match=r"absent\.toml: No such file"):
        with_own_rules(OURS, tmp_path / "absent.toml")


def test_the_line_is_left_out_where_it_can_not_be_told(tmp_path: Path) -> None:
    misleading = GREYLISTS.replace("greylisted", "gray") + 'permanent = """\n[[rule]]\n"""'

    with pytest.raises(Misconfigured, match=r"mine.toml, rule mine.gate: "):
        book_with(tmp_path, mine=misleading)


# --- every door knows them ------------------------------------------------------------------------------------------------

BOUNCE = """From: MAILER-DAEMON@example.net
To: bounces@bounces.example
Subject: failed
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; kiji@example.com
Action: failed
Status: 5.2.2
Diagnostic-Code: smtp; 552 5.2.2 mailbox full

--b--
"""


def configure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str) -> None:
    """An installation whose operator has written these rules."""
    monkeypatch.setenv("NULLSENDER_CLASSIFY_RULES", str(folder_with(tmp_path, mine=content) / "mine.toml"))
    monkeypatch.setenv("NULLSENDER_DATA", str(tmp_path / "data"))


def test_explain_and_reply_decide_by_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(monkeypatch, tmp_path, FULL_IS_CLOSED)
    (tmp_path / "bounce.eml").write_text(BOUNCE)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"text": "552 mailbox full"}\n')))

    assert cli.main(["explain", "--json", str(tmp_path / "bounce.eml")]) == 0
    assert json.loads(capsys.readouterr().out)["reports"][0]["rule"] == "mine.full-is-closed"
    assert cli.main(["reply", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rule"] == "mine.full-is-closed"


@pytest.mark.parametrize(
    "words",
    [["reply"], ["explain", "-"], ["replay", "--topic", "bounces", "--dry-run"], ["rules", "list"], ["rules", "test"]],
    ids=" ".join,
)
def test_no_door_opens_with_a_wrong_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    configure(monkeypatch, tmp_path, GREYLISTS.replace("greylisted", "gray"))

    assert cli.main(words) == 3
    assert "mine.toml, line 2, rule mine.gate" in capsys.readouterr().err


def test_doctor_finds_a_wrong_rule(tmp_path: Path) -> None:
    settings = load({"classify.rules": str(folder_with(tmp_path, mine=GREYLISTS.replace("greylisted", "gray")))})

    (said,) = checked({"rules of your own": CHECKS["rules of your own"]}, settings)
    assert said.state is State.WRONG
    assert "mine.toml, line 2, rule mine.gate" in said.findings[0].text


def test_doctor_finds_a_rule_that_makes_hard_what_is_no_fault_of_the_recipients(tmp_path: Path) -> None:
    wide = FULL_IS_CLOSED.replace("'mailbox full'", "'mailbox full', 'spam'")
    settings = load({"classify.rules": str(folder_with(tmp_path, mine=wide))})

    (said,) = checked({"rules": CHECKS["rules of your own"]}, settings)

    assert said.state is State.DOUBT
    (finding,) = said.findings
    assert finding.text.startswith("mine.full-is-closed calls hard what is no fault of the recipient's by ")


def test_an_empty_variable_names_no_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NULLSENDER_CLASSIFY_RULES", "")

    assert load().classify.rules is None


def test_the_stage_does_not_start_with_a_wrong_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(monkeypatch, tmp_path, GREYLISTS.replace("greylisted", "gray"))
    command = [sys.executable, "-m", "nullsender.cli", "classify"]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 3, done.stderr
    assert "mine.toml, line 2, rule mine.gate" in done.stderr
