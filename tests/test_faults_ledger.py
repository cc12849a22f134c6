"""The ledger itself: whatever is lost, doubled, changed or made up shows as a difference, in words."""

from random import Random

import pytest

from nullsender.events import Result
from nullsender.signing.keys import SigningKeys
from tests.faults.ledger import UNKNOWN, Found, FoundEntry, FoundLetter, FoundOutcome, Ledger
from tests.faults.mail import Mail, Writer

RECORDED = "250 2.0.0 recorded as m1, 1 report"
NOTHING = Found([], [], [])


def a_mail(kind: str = "complaint") -> Mail:
    writer = Writer("x", SigningKeys({"a": b"a secret of the tests, 32 bytes."}), Random(1))
    mail: Mail = getattr(writer, kind)()
    return mail


def sent(mail: Mail, *heard: str) -> Ledger:
    ledger = Ledger()
    ledger.opened(mail).heard.extend(heard)
    return ledger


def found_of(mail: Mail, message_id: str = "m1") -> Found:
    """What has to be found of it."""
    return Found(
        [FoundOutcome(one.recipient, one.outcome, message_id) for one in mail.expected],
        [] if mail.expected else [FoundLetter("m1", "not mail", mail.content)],
        [FoundEntry(one.recipient, one.cause, one.scope, one.provisional, 1) for one in mail.expected if one.cause is not None],
    )


@pytest.mark.parametrize("kind", ["complaint", "unsubscribe", "garbage", "bounce", "bounce_of_several"])
def test_what_was_accepted_and_is_found_once_is_no_difference(kind: str) -> None:
    mail = a_mail(kind)

    assert sent(mail, RECORDED).differences(found_of(mail)) == []
    assert sent(mail, UNKNOWN, "451 4.3.0 Not recorded", RECORDED).differences(found_of(mail)) == []


@pytest.mark.parametrize("kind", ["complaint", "garbage"])
def test_what_was_accepted_and_is_not_found_is_a_difference(kind: str) -> None:
    assert any(" 0 " in words for words in sent(a_mail(kind), RECORDED).differences(NOTHING))


@pytest.mark.parametrize("kind", ["complaint", "garbage"])
def test_what_is_found_twice_is_a_difference(kind: str) -> None:
    mail = a_mail(kind)
    once = found_of(mail)
    twice = Found(list(once.outcomes) * 2, [*once.letters, *(one._replace(id="m2") for one in once.letters)], once.entries)

    assert any(" 2 " in words for words in sent(mail, RECORDED).differences(twice))


@pytest.mark.parametrize("kind", ["complaint", "garbage"])
def test_what_nobody_sent_is_a_difference(kind: str) -> None:
    assert any("nobody sent" in words for words in Ledger().differences(found_of(a_mail(kind))))


def test_another_outcome_entry_or_name_is_a_difference() -> None:
    mail = a_mail()
    right = found_of(mail)
    wrong_outcome = right._replace(outcomes=[right.outcomes[0]._replace(outcome=Result.NONE)])
    added_twice = right._replace(entries=[right.entries[0]._replace(changes=2)])

    ledger = sent(mail, RECORDED)

    assert any("came to none" in words for words in ledger.differences(wrong_outcome))
    assert any("changes=2" in words for words in ledger.differences(added_twice))
    assert any("not on the list" in words for words in ledger.differences(right._replace(entries=[])))
    assert any("names m2" in words for words in ledger.differences(found_of(mail, "m2")))


@pytest.mark.parametrize("heard", ["550 5.7.1 No", "451 4.3.0 Not recorded", UNKNOWN])
def test_a_message_that_is_given_up_is_a_difference(heard: str) -> None:
    assert sent(a_mail(), heard).differences(NOTHING)


def test_what_was_never_accepted_may_be_found_once_and_not_twice() -> None:
    mail = a_mail()
    ledger = sent(mail, UNKNOWN)
    once = found_of(mail)

    assert ledger.differences(once) == ledger.differences(NOTHING)
    assert len(ledger.differences(once._replace(outcomes=list(once.outcomes) * 2))) == 2
