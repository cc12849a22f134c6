"""`nullsender rules` on a real embedded log and a real list: what there is, what other rules would change, what none knows."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from classifiers.own_rules import with_own_rules
from classifiers.rulebook import read_rulebook
from classifiers.rules import NO_RULE, Rules
from nullsender import cli
from nullsender.cli import parts, store_parts
from nullsender.cli.explaining.reply_line import read_reply_line
from nullsender.cli.replaying.reading import ALWAYS, Span
from nullsender.cli.ruling.unknown import Candidate, Unknown, page_of, rule_for
from nullsender.config import load
from nullsender.errors import Invalid
from nullsender.events import Decision, Fault, Outcome, Report, Result, encode
from nullsender.log import Record, Topic, wait_until_durable
from tests.outcomes import START, an_outcome

MINE = """
[[rule]]
# Our largest customer never empties a full mailbox.
name = "mine.full"
category = "mailbox-closed"
texts = ['mailbox full']
examples = ["552 5.2.2 mailbox full"]

# --- the next ---
[[without]]
rule = "vague.denied"
reason = "our relay says denied to everything"
"""
FULL, UNKNOWN, GATE = "552 5.2.2 mailbox full", "550 5.1.1 user unknown", "smtp; zxq {} gate of {} wobbles"


def report(name: str, words: str | None, *, days: float = 0.0) -> Report:
    """A proven bounce of that person with these words."""
    told = an_outcome(f"{name} {words}", recipient=f"{name}@example.com", days=days).report
    return replace(told, diagnostic=words, status=None)


REPORTS = [
    report("ada", FULL), report("ben", FULL, days=1), report("eve", UNKNOWN), report("joe", None),
    report("ida", GATE.format("4Z8xKq2pYz", "ida@example.com"), days=2),
    report("tom", GATE.format("4Z8xKq2pZ0", "tom@example.com"), days=3),
    report("zoe", "zxq: zxq again", days=4),
]  # fmt: skip


@pytest.fixture(scope="module")
def ours() -> Rules:
    """Our rules, compiled once."""
    return Rules.load()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours: Rules) -> Path:
    """An installation that has dealt with these reports."""
    monkeypatch.setenv("NULLSENDER_DATA", str(tmp_path / "data"))
    assert cli.main(["migrate"]) == 0
    settings = load()
    with parts.open_log(settings) as log, log.producer() as producer:
        records = [Record(Topic.BOUNCES, (it.recipient or "").encode(), encode(it)) for it in REPORTS]
        wait_until_durable(producer.publish([*records, Record(Topic.BOUNCES, b"", b"no report")]))
    outcomes = [Outcome(report=it, decision=ours.decide(it), decided_at=START) for it in REPORTS]
    store_parts.open_store(settings).apply(outcomes, group="suppress", positions={})
    return tmp_path / "data"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file of an operator's rules."""
    (tmp_path / "mine.toml").write_text(MINE)
    return tmp_path / "mine.toml"


Printed = pytest.CaptureFixture[str]


@pytest.mark.parametrize("action", ["test", "unknown"])
def test_where_there_is_no_log_none_is_made_and_that_is_said(
    action: str, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv("NULLSENDER_DATA", str(tmp_path / "data"))

    assert cli.main(["rules", action, "--rules", str(mine)]) == 1
    assert "there is no log in" in capsys.readouterr().err
    assert not (tmp_path / "data" / "log").exists()


# --- list and show -------------------------------------------------------------------------------------------------------


def test_the_list_has_theirs_first_and_says_what_is_switched_off(mine: Path, capsys: Printed) -> None:
    assert cli.main(["rules", "list", "--rules", str(mine)]) == 0
    first, *others, last = capsys.readouterr().out.splitlines()

    assert first.split() == ["mine.full", "hard", "mailbox-closed", "mine.toml"]
    assert len(others) == len(read_rulebook().rules) - 1
    assert all(line.endswith("  ours") for line in others)
    assert last.split(maxsplit=2) == ["vague.denied", "off", "our relay says denied to everything"]


def test_a_rule_is_shown_as_its_file_has_it_with_its_reason(mine: Path, capsys: Printed) -> None:
    assert cli.main(["rules", "show", "mine.full", "--rules", str(mine)]) == 0
    said, where, *block = capsys.readouterr().out.splitlines()

    assert said.startswith("# hard, mine.toml, tried as number 1 of ")
    assert where == f"# {mine}, line 2"
    assert block == MINE.splitlines()[1:7]


def test_a_rule_that_is_switched_off_is_shown_with_why(mine: Path, capsys: Printed) -> None:
    assert cli.main(["rules", "show", "vague.denied", "--rules", str(mine)]) == 0

    assert capsys.readouterr().out.startswith("# switched off: our relay says denied to everything\n")


def test_every_rule_of_ours_can_be_shown_from_its_file(capsys: Printed) -> None:
    book = read_rulebook()

    assert all(place.file.read_text().splitlines()[place.line - 1] == "[[rule]]" for place in book.places.values())
    assert cli.main(["rules", "show", book.rules[-1].name]) == 0
    assert f'name = "{book.rules[-1].name}"' in capsys.readouterr().out


def test_a_name_that_no_rule_has_is_told_with_the_nearest(capsys: Printed) -> None:
    assert cli.main(["rules", "show", "vague.denyed"]) == 1

    assert "the nearest is vague.denied" in capsys.readouterr().err


# --- test ----------------------------------------------------------------------------------------------------------------


def test_rules_are_tried_on_the_log_and_the_list_stays_as_it_is(data: Path, mine: Path, capsys: Printed) -> None:
    store = store_parts.open_store(load())
    before = store.feed_head()

    assert cli.main(["rules", "test", "--rules", str(mine)]) == 0
    said = capsys.readouterr().out

    assert "mine.full (hard mailbox-closed) takes 1 of " in said
    assert "these rules: 8 records, 7 reports in the span\n5 are read as before, 2 otherwise" in said
    assert "\n2  soft mailbox-full (recipient.mailbox-full) -> hard mailbox-closed (mine.full)\n    2 added\n" in said
    assert "ada@example.com: 552 5.2.2 mailbox full" in said
    assert "the list: 2 hard entries added, such as ada@example.com, ben@example.com" in said
    assert "1 records can not be read today" in said
    assert store.feed_head() == before


def test_a_machine_without_a_list_tries_rules_without_it(
    data: Path, mine: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in (*data.glob("nullsender.sqlite*"), data / "secret-keys.json"):
        file.unlink()

    assert cli.main(["rules", "test", "--rules", str(mine)]) == 0
    told = capsys.readouterr()

    assert "there is no list here" in told.err
    assert "-> hard mailbox-closed (mine.full)\n    2 recorded" in told.out
    assert "the list:" not in told.out
    assert not list(data.glob("*.sqlite*"))


def test_without_a_name_the_rules_in_force_are_tried_against_ours_alone(
    data: Path, mine: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NULLSENDER_CLASSIFY_RULES", str(mine))

    assert cli.main(["rules", "test", "--json", "--since", "2026-01-02"]) == 0
    change, entry = map(json.loads, capsys.readouterr().out.splitlines())

    assert (change["recipient"], change["from"]["rule"], change["to"]["rule"]) == (
        "ben@example.com", "recipient.mailbox-full", "mine.full",
    )  # fmt: skip
    assert entry == {"address": "ben@example.com", "entry": "added", "cause": "hard"}


def test_rules_are_tried_on_a_file_of_replies_without_a_log(
    tmp_path: Path, mine: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NULLSENDER_DATA", str(tmp_path / "none"))
    replies = tmp_path / "replies.jsonl"
    replies.write_text(f'{{"text": "{FULL}", "reply_code": "552"}}\n\n{{"text": "{UNKNOWN}"}}\n')

    assert cli.main(["rules", "test", "--rules", str(mine), "--file", str(replies)]) == 0
    said = capsys.readouterr().out

    assert "2 reports in the span\n1 are read as before, 1 otherwise" in said
    assert "    such as line 1  " in said
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "line", [b"550 no", b"[]", b"\xff", b'{"text": "550", "reply_code": "x"}', b'{"text": "", "reply_code": -5}']
)
def test_a_line_that_is_no_reply_is_told_with_its_number(line: bytes) -> None:
    with pytest.raises(Invalid, match=r"^line 7 is no reply: "):
        read_reply_line(line, 7)


def test_without_rules_of_their_own_there_is_nothing_to_test(capsys: Printed) -> None:
    assert cli.main(["rules", "test"]) == 1
    assert "name a file with --rules" in capsys.readouterr().err


# --- unknown -------------------------------------------------------------------------------------------------------------


def test_what_no_rule_knows_is_shown_by_template_and_made_a_rule_of(
    data: Path, tmp_path: Path, capsys: Printed, ours: Rules
) -> None:
    assert cli.main(["rules", "unknown"]) == 0
    said = capsys.readouterr().out

    assert said.startswith("7 reports, 3 of them in words that no rule knows, 1 without any words\n")
    assert "  1. 2 from 2026-01-03 00:00 to 2026-01-04 00:00\n     smtp; zxq <id> gate of <address> wobbles\n" in said
    assert "  2. 1 from 2026-01-05" in said

    assert cli.main(["rules", "unknown", "--as-rule", "1"]) == 0
    (tmp_path / "own.toml").write_text(capsys.readouterr().out)
    assert cli.main(["rules", "unknown", "--json", "--rules", str(tmp_path / "own.toml")]) == 0
    (left,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert left == {
        "template": "zxq: zxq again", "reports": 1, "example": "zxq: zxq again",
        "first": "2026-01-05T00:00:00+00:00", "last": "2026-01-05T00:00:00+00:00",
    }  # fmt: skip


class Knows:
    """A rule for one reply."""

    def __init__(self, *known: str) -> None:
        self._known = known

    def decide(self, report: Report) -> Decision:
        """Unknown, unless it is that one."""
        rule = "known" if report.diagnostic in self._known else NO_RULE
        return Decision(outcome=Result.SOFT, permanent=None, fault=Fault.PATH, category="unknown", rule=rule)


def counted(reports: Sequence[Report], *, span: Span = ALWAYS, templates_max: int = 10) -> Unknown:
    """What is unknown of them."""
    unknown = Unknown(Knows("known"), span, templates_max=templates_max)
    for each in reports:
        unknown.take(each)
    return unknown


def test_the_most_frequent_comes_first_and_each_says_since_when() -> None:
    unknown = counted([report(name, words, days=days) for days, (name, words) in enumerate(
        [("ada", "rare"), ("ben", "known"), ("eve", "often"), ("joe", "often"), ("ida", None)]
    )])  # fmt: skip

    assert [(it["template"], it["reports"]) for it in unknown.candidates()] == [("often", 2), ("rare", 1)]
    assert unknown.candidates()[0]["first"] == START + timedelta(days=2)
    assert unknown.candidates()[0]["last"] == START + timedelta(days=3)
    assert (unknown.reports, unknown.wordless) == (5, 1)


def test_the_page_of_the_documentation_is_what_is_printed() -> None:
    words = "550 Gatekeeper is thinking about <{}@example.com>, ticket {}"
    unknown = counted([
        report("ada", words.format("ada", "4Z8xKq2pYz"), days=0.25), report("ben", "known"), report("ida", None),
        report("eve", words.format("eve", "4Z8xKq2pZ0"), days=2),
    ])  # fmt: skip
    printed = "\n".join(page_of(unknown, unknown.candidates(), 20))

    page = Path(__file__).parent.parent / "docs" / "rules.md"
    assert f"$ nullsender rules unknown\n{printed}\n" in page.read_text()


def test_only_what_came_in_the_span_is_counted() -> None:
    reports = [report("ada", "early"), report("ben", "late", days=2)]

    assert [it["template"] for it in counted(reports, span=Span(START + timedelta(days=1))).candidates()] == ["late"]


def test_strangers_can_not_fill_the_memory_with_templates() -> None:
    words = [chr(ord("a") + number // 26) + chr(ord("a") + number % 26) for number in range(300)]
    unknown = counted([report("ada", "often")] * 3 + [report("ada", word) for word in words], templates_max=10)

    assert len(unknown.candidates()) <= 10
    assert unknown.candidates()[0]["template"] == "often"
    assert sum(it["reports"] for it in unknown.candidates()) + unknown.let_go == 303


def candidate(template: str) -> Candidate:
    """One that was counted."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Candidate(template=template, reports=1, first=now, last=now, example="")


@pytest.mark.parametrize(
    "template",
    [
        "550 zxq (wobbles) [at] 5.0 + 1? * $ ^ | {x} \\ <address>",
        "it's a 'zxq' of \"ours\"",
        "zxq " * 74 + "zxq …",
        "zxqか \u200b\ufeff wobbles",
    ],
)
def test_a_rule_for_a_template_can_be_loaded_as_it_is(tmp_path: Path, template: str) -> None:
    (tmp_path / "own.toml").write_text(rule_for(candidate(template), "own"))
    few = replace(read_rulebook(), rules=())

    Rules(with_own_rules(few, tmp_path / "own.toml"))  # its example is decided by it, or this is Misconfigured


def test_a_template_without_words_has_no_rule() -> None:
    with pytest.raises(Invalid, match="no words in common"):
        rule_for(candidate("<address> <id>"), "own")
