"""The rules: each decides its own examples, none cuts off a good customer, and a bad rule does not start."""

import json
import re
import shutil
import threading
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from classifiers.feedback import FEEDBACK
from classifiers.outcome import MEANINGS, Category
from classifiers.rulebook import FILES, RULES_FOLDER, Example, Rule, read_rulebook
from classifiers.rules import Rules
from nullsender.errors import Misconfigured
from nullsender.events import Action, Fault, Kind, Result
from tests.outcomes import a_bounce
from tests.rule_samples import samples_of

BOOK = read_rulebook()
RULES = Rules(BOOK)
REPLIES = Path(__file__).parent.parent / "fixtures" / "replies"


def replies(outcome: str) -> list[Any]:
    rows = [json.loads(line) for line in (REPLIES / f"{outcome}.jsonl").read_text().splitlines()]
    return [pytest.param(row, id=row["text"][:60]) for row in rows]


def decide(row: dict[str, Any]) -> Any:
    return RULES.decide_reply(row["text"], row.get("status"), row.get("reply_code"), row.get("provider"))


# --- the rules themselves ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", replies("hard"))
def test_an_address_that_can_not_receive_mail_is_hard(row: dict[str, Any]) -> None:
    decision = decide(row)

    assert (decision.outcome, decision.category) == (Result.HARD, row["category"])
    assert decision.fault is Fault.RECIPIENT
    assert decision.permanent is True


@pytest.mark.parametrize("row", replies("soft"))
def test_whatever_leaves_the_address_a_chance_is_soft(row: dict[str, Any]) -> None:
    decision = decide(row)

    assert (decision.outcome, decision.category) == (Result.SOFT, row["category"])


@pytest.mark.parametrize(
    ("rule", "example"), [pytest.param(rule, example, id=rule.name) for rule in BOOK.rules for example in rule.examples]
)
def test_each_example_is_decided_by_its_own_rule(rule: Rule, example: str | Example) -> None:
    """So no rule is dead, and the order of the rules is pinned."""
    given_ = Example(text=example) if isinstance(example, str) else example
    decision = RULES.decide_reply(given_.text or "", given_.status, given_.reply_code, given_.provider)

    assert decision.rule == rule.name
    assert decision.category == rule.category
    assert decision.rules_version == BOOK.version


# Where a reply was given, as Postfix says it.
PHASES = {"connect": "ehlo", "sender": "mail from", "recipient": "rcpt to", "content": "end of data"}


def concrete(status: str) -> str:
    """A code that stands under the rule's `x.1.1`, `5.7.x` or `5.x.x`."""
    return status.replace("x.x", "0.0").replace("x.", "5.").replace(".x", ".199")


def rule_decides(rule: Rule, words: str) -> bool:
    """Whether the rule decides a reply of these words that has all else that the rule asks for."""
    said = [f"{words} (in reply to {PHASES[phase]} command)" for phase in sorted(rule.phases)] or [words]
    statuses: list[str | None] = [concrete(status) for status in sorted(rule.statuses)]
    codes: list[int | None] = [*sorted(rule.reply_codes)]
    names: list[str | None] = [*sorted(rule.providers)]
    cases = product(said, statuses or [None], codes or [None], names or [None])
    return any(RULES.decide_reply(text, status, code, name).rule == rule.name for text, status, code, name in cases)


@pytest.mark.parametrize("rule", [rule for rule in BOOK.rules if rule.texts], ids=lambda rule: rule.name)
def test_no_earlier_rule_takes_all_that_a_text_could_match(rule: Rule) -> None:
    never = [
        text
        for text in rule.texts
        if not any(rule_decides(rule, words) for sample in samples_of(text) for words in (sample, f"{sample} x", f"x {sample}"))
    ]

    assert not never


@pytest.mark.parametrize("rule", [rule for rule in BOOK.rules if not rule.texts], ids=lambda rule: rule.name)
def test_no_earlier_rule_takes_a_code_always(rule: Rule) -> None:
    alone = [replace(rule, statuses=frozenset({status})) for status in rule.statuses] or [rule]

    assert not [one.statuses for one in alone if not rule_decides(one, "")]


def test_letters_beyond_ascii_are_neither_chosen_from_nor_repeated() -> None:
    """Replies are scanned as bytes, and such a letter is several: `[ab]` and `a?` would take one of its bytes."""
    patterns = [text for rule in BOOK.rules for text in (*rule.texts, *rule.unless)]

    assert not [text for text in patterns if re.search(r"\[[^\]]*[^\x00-\x7f]|[^\x00-\x7f][?*+{]", text)]


def test_a_text_stands_once_under_the_same_conditions() -> None:
    """A text that stands in two rules is there for a condition that the later one does not have."""
    seen: dict[object, str] = {}
    for rule in BOOK.rules:
        for text in rule.texts:
            key = (text, rule.statuses, rule.reply_codes, rule.providers, rule.phases)
            assert key not in seen, f"{text!r} of {rule.name} stands in {seen[key]} already"
            seen[key] = rule.name


@pytest.mark.parametrize(
    ("reply", "decides", "waits"),
    [
        # a provider's own words before everyone's
        ("550 5.1.1 Mail rejete. OFR_506 user unknown", "provider.orange.spam", "recipient.mailbox-unknown.by-words-and-code"),
        ("550 5.7.1 Access denied, banned sending IP [192.0.2.4] user unknown", "provider.microsoft.block-list", "sender."),
        # the sender's fault before the path's and the recipient's
        ("550 5.1.1 listed by bl.spamcop.net: user unknown", "sender.blocklisted.named-list", "recipient."),
        ("550 5.7.1 SPF failed: no such user", "sender.authentication-failed.spf", "recipient."),
        ("550 message too large, connection timed out", "sender.message-too-large", "path.connection-failed"),
        # the path's before the recipient's
        ("550 5.1.1 retry timeout exceeded: mailbox not found", "path.message-expired", "recipient.mailbox-unknown"),
        ("550 servfail for it, no such domain", "path.dns-failure", "recipient.domain-unknown"),
        # what may pass before what does not
        ("550 5.1.1 mailbox full, address unknown", "recipient.mailbox-full", "recipient.mailbox-unknown"),
        ("550 5.1.1 account disabled, invalid mailbox", "recipient.mailbox-disabled", "recipient.mailbox-unknown"),
        # words before codes, codes before words that say little
        ("550 5.1.1 mailbox full", "recipient.mailbox-full", "status.1.1"),
        ("550 5.7.25 rejected", "status.7.25", "vague.denied"),
    ],
)
def test_the_order_of_the_files_and_in_them_is_pinned(reply: str, decides: str, waits: str) -> None:
    weighing = RULES.weigh(a_bounce(diagnostic=reply))

    assert weighing.decision.rule == decides
    assert any(other.rule.name.startswith(waits) for other in weighing.behind)


def test_every_category_of_a_failure_has_a_rule() -> None:
    without = set(Category) - {rule.category for rule in BOOK.rules}

    assert without == {
        Category.UNKNOWN,
        Category.COMPLAINT,
        Category.UNSUBSCRIBE,
        Category.AUTO_REPLY,
        Category.DELIVERED,
        Category.FEEDBACK_ONLY,
        Category.NOTHING_REPORTED,
    }


def test_every_provider_that_is_told_apart_is_told_for_a_rule() -> None:
    assert set(BOOK.signs.providers) == {provider for rule in BOOK.rules for provider in rule.providers}


def test_the_files_hold_no_address_of_a_real_person() -> None:
    """Examples are invented; a domain that people use would show that one was not."""
    carriers = {"docomo.ne.jp", "au.com", "ne.auone-net.jp", "terra.com.br"}  # rules about them need their names
    for rule in BOOK.rules:
        for example in rule.examples:
            text = example if isinstance(example, str) else example.text or ""
            for word in text.replace("<", " ").replace(">", " ").replace(":", " ").split():
                domain = word.rpartition("@")[2].strip(".()'") if "@" in word else "example.com"
                assert domain in carriers or ".example" in f".{domain}", f"{rule.name}: {word}"


# --- guards that no rule can pass ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [rule for rule in BOOK.rules if rule.hard], ids=lambda rule: rule.name)
def test_a_temporary_answer_is_never_hard(rule: Rule) -> None:
    for example in rule.examples:
        text = example if isinstance(example, str) else example.text or ""
        decision = RULES.decide_reply(text, "4.1.1" if not any(c.isdigit() for c in text) else None, 450)

        assert decision.outcome is Result.SOFT


@pytest.mark.parametrize("phase", ["after MAIL FROM:<a@example.org>", "refused to talk to me", "after EHLO mx.example.org"])
@pytest.mark.parametrize("rule", [rule for rule in BOOK.rules if rule.hard], ids=lambda rule: rule.name)
def test_an_answer_from_before_the_recipient_was_named_is_never_hard(rule: Rule, phase: str) -> None:
    for example in rule.examples:
        text = example if isinstance(example, str) else example.text or ""

        assert RULES.decide_reply(f"host mx.example.com {phase}: {text}").outcome is Result.SOFT


words = st.sampled_from(
    [word for rule in BOOK.rules for e in rule.examples for word in (e if isinstance(e, str) else e.text or "").split()]
)


@given(st.lists(words, max_size=25).map(" ".join), st.sampled_from([None, "5.1.1", "5.7.1", "4.4.7", "5.0.0"]))
def test_hard_is_always_permanent_and_always_the_recipients_fault(text: str, status: str | None) -> None:
    decision = RULES.decide_reply(text, status)

    assert decision.outcome in (Result.HARD, Result.SOFT)
    assert decision.fault is MEANINGS[Category(decision.category)].fault
    if decision.outcome is Result.HARD:
        assert decision.fault is Fault.RECIPIENT
        assert decision.permanent is True


@given(st.text(max_size=500))
def test_any_text_is_decided_and_always_in_the_same_way(text: str) -> None:
    assert RULES.decide_reply(text) == RULES.decide_reply(text)


def test_lone_surrogates_and_nul_are_decided_like_any_text() -> None:
    assert RULES.decide_reply("550 5.1.1 \ud800 user\0 unknown \udfff").outcome is Result.HARD


def test_threads_decide_at_once_without_each_others_answers() -> None:
    answers: list[set[str]] = []

    def decide_often(text: str) -> None:
        answers.append({RULES.decide_reply(text).category for _ in range(300)})

    texts = ["550 user unknown", "552 mailbox full", "550 blocked using spamhaus", "connection refused: connect to x: no"]
    threads = [threading.Thread(target=decide_often, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(len(categories) for categories in answers) == [1, 1, 1, 1]
    assert len(set.union(*answers)) == 4


# --- the words that decided ----------------------------------------------------------------------------------------------


def test_the_words_are_quoted_as_the_server_wrote_them() -> None:
    assert RULES.decide_reply("550 5.2.2 <kiji@example.com>... Mailbox Full").words == "Mailbox Full"


def test_a_rule_over_codes_quotes_the_code() -> None:
    assert RULES.decide_reply("550 5.1.1 refused").words == "5.1.1"
    assert RULES.decide_reply("552 no").words == "552"


def test_no_rule_no_words() -> None:
    decision = RULES.decide_reply("nothing that anyone would know")

    assert (decision.rule, decision.words, decision.category) == ("none", None, Category.UNKNOWN)


# --- reports -------------------------------------------------------------------------------------------------------------


def test_the_provider_is_known_by_the_remote_mta() -> None:
    text = "550 Requested action not taken: mailbox unavailable"

    assert RULES.decide(a_bounce(diagnostic=text, remote_mta="mx1.hotmail.com")).outcome is Result.HARD
    assert RULES.decide(a_bounce(diagnostic=text, remote_mta="mx.example.com")).outcome is Result.SOFT


@pytest.mark.parametrize("name", ["MX1.hotmail.com.", "mx1.hotmail.com [192.0.2.1]", "mx1.hotmail.com (192.0.2.1)"])
def test_the_remote_mta_may_be_written_in_any_way(name: str) -> None:
    text = "550 Requested action not taken: mailbox unavailable"

    assert RULES.decide(a_bounce(diagnostic=text, remote_mta=name)).outcome is Result.HARD


def test_the_provider_is_known_by_the_recipients_domain() -> None:
    text = "550 Unknown user kiji (in reply to RCPT TO command)"

    assert RULES.decide(a_bounce(diagnostic=text, recipient="kiji@docomo.ne.jp")).outcome is Result.SOFT
    assert RULES.decide(a_bounce(diagnostic=text)).outcome is Result.HARD


def test_the_reporting_mta_tells_the_provider_only_where_no_remote_mta_is_named() -> None:
    text = "550 Requested action not taken: mailbox unavailable"
    ours = "mail.protection.outlook.com"

    assert RULES.decide(a_bounce(diagnostic=text, reporting_mta=ours)).outcome is Result.HARD
    assert RULES.decide(a_bounce(diagnostic=text, reporting_mta=ours, remote_mta="mx.example.com")).outcome is Result.SOFT


@pytest.mark.parametrize("name", ["Microsoft", "MICROSOFT", "outlook"])
def test_a_provider_may_be_called_by_any_of_its_names(name: str) -> None:
    assert RULES.decide_reply("550 requested action not taken: mailbox unavailable", provider=name).outcome is Result.HARD


def test_a_delayed_report_has_its_reason_but_changes_nothing() -> None:
    decision = RULES.decide(a_bounce(action=Action.DELAYED, status="4.4.1", diagnostic="connect to mx: Connection refused"))

    assert (decision.outcome, decision.permanent) == (Result.NONE, False)
    assert decision.category == Category.CONNECTION_FAILED


@pytest.mark.parametrize("action", [Action.DELIVERED, Action.RELAYED, Action.EXPANDED])
def test_mail_that_arrived_changes_nothing(action: Action) -> None:
    decision = RULES.decide(a_bounce(action=action, diagnostic="250 2.1.5 user unknown to us all the same"))

    assert (decision.outcome, decision.category) == (Result.NONE, Category.DELIVERED)


def test_a_failure_without_any_word_or_code_is_soft_and_unknown() -> None:
    decision = RULES.decide(a_bounce())

    assert (decision.outcome, decision.category, decision.fault) == (Result.SOFT, Category.UNKNOWN, None)


@pytest.mark.parametrize(
    ("status", "code", "text", "permanent"),
    [
        ("5.2.2", 552, "full", True),
        ("4.2.2", 452, "full", False),
        ("4.4.7", None, "message expired", True),  # the class is the last attempt's, but they gave up
        (None, 550, "no", True),
        (None, 450, "no", False),
        (None, None, "user unknown", True),
        ("5.0.0", None, "450 4.2.2 mailbox full", True),  # what the report says of this delivery, not what the reply said
        (None, None, "Delivery attempts will continue to be made for 3 days", False),
    ],
)
def test_permanent_is_what_the_report_says_of_this_delivery(
    status: str | None, code: int | None, text: str, *, permanent: bool
) -> None:
    assert RULES.decide(a_bounce(status=status, reply_code=code, diagnostic=text)).permanent is permanent


@pytest.mark.parametrize("kind", ["abuse", "fraud", "virus", "other", "something-new", None])
def test_feedback_is_a_complaint_unless_it_says_otherwise(kind: str | None) -> None:
    assert RULES.decide(a_bounce(kind=Kind.COMPLAINT, action=None, feedback_type=kind)).outcome is Result.COMPLAINT


def test_an_opt_out_is_an_unsubscribe() -> None:
    assert RULES.decide(a_bounce(kind=Kind.COMPLAINT, feedback_type="Opt-Out")).outcome is Result.UNSUBSCRIBE
    assert RULES.decide(a_bounce(kind=Kind.UNSUBSCRIBE)).outcome is Result.UNSUBSCRIBE


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "dmarc"])
def test_feedback_in_our_favour_and_telemetry_change_nothing(kind: str) -> None:
    assert RULES.decide(a_bounce(kind=Kind.COMPLAINT, feedback_type=kind)).outcome is Result.NONE


@pytest.mark.parametrize("kind", [Kind.AUTO_REPLY, Kind.OTHER])
def test_what_is_no_bounce_changes_nothing_whatever_it_says(kind: Kind) -> None:
    assert RULES.decide(a_bounce(kind=kind, diagnostic="550 5.1.1 user unknown")).outcome is Result.NONE


def test_every_feedback_type_of_the_table_has_a_category_that_fits_its_outcome() -> None:
    fits = {Result.COMPLAINT: Category.COMPLAINT, Result.UNSUBSCRIBE: Category.UNSUBSCRIBE, Result.NONE: Category.FEEDBACK_ONLY}

    assert all(category is fits[outcome] for outcome, category in FEEDBACK.values())


# --- a bad rule does not start -------------------------------------------------------------------------------------------

GOOD = 'name = "vague.extra"\ncategory = "policy"\ntexts = ["quux"]\nexamples = ["550 quux"]'


def load_with(tmp_path: Path, rule: str, file: str = "vague.toml") -> Rules:
    folder = tmp_path / "rules"
    shutil.copytree(RULES_FOLDER, folder)
    with (folder / file).open("a") as out:
        out.write(f"\n[[rule]]\n{rule}\n")
    return Rules.load(folder)


def test_a_good_rule_more_is_loaded_and_changes_the_version(tmp_path: Path) -> None:
    rules = load_with(tmp_path, GOOD)

    assert rules.decide_reply("550 quux").rule == "vague.extra"
    assert rules.version != RULES.version


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        (GOOD + "\ncolour = 3", "colour"),
        (GOOD.replace("policy", "polizei"), "polizei"),
        (GOOD.replace("quux", "qu(ux", 1), "regular expression"),
        (GOOD.replace('["quux"]', '["Quux"]'), "lower case"),
        (GOOD.replace('["quux"]', '["(quux)?"]'), "empty text"),
        (GOOD.replace("vague.extra", "vague.denied"), "two rules are called vague.denied"),
        (GOOD.replace("vague.extra", "recipient.extra"), "begins with 'vague'"),
        (GOOD.replace('["550 quux"]', "[]"), "at least one example"),
        (GOOD.replace('["550 quux"]', '["550 another"]'), "decided by none"),
        (GOOD.replace('["550 quux"]', '["550 5.1.1 user unknown quux"]'), "decided by recipient.mailbox-unknown"),
        (GOOD.replace('texts = ["quux"]', ""), "texts, statuses or reply_codes"),
        (GOOD.replace('texts = ["quux"]', 'statuses = ["5.1.1"]\nunless = ["x"]'), "`unless`"),
        (GOOD + '\nstatuses = ["5.1"]', "'5.1' is not a status code"),
        (GOOD + '\nphases = ["dessert"]', "phase"),
        (GOOD + '\nproviders = ["nobody"]', "provider"),
        (GOOD + "\nsoft = true", "never hard"),
        ("not toml at all", "not TOML"),
    ],
)
def test_a_bad_rule_is_named_and_does_not_start(tmp_path: Path, rule: str, complaint: str) -> None:
    with pytest.raises(Misconfigured, match="vague") as refused:
        load_with(tmp_path, rule)

    assert complaint in str(refused.value)


def test_a_missing_file_of_rules_does_not_start(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(RULES_FOLDER, folder)
    (folder / f"{FILES[0]}.toml").unlink()

    with pytest.raises(Misconfigured, match=FILES[0]):
        Rules.load(folder)


def test_a_text_that_hyperscan_can_not_compile_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="can not be compiled"):
        load_with(tmp_path, GOOD.replace('["quux"]', "['quux(?=x)']"))
