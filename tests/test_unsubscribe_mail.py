"""Mail that asks for no more: what its subject, or the mail that it returns, proves by an unsubscribe link of ours."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ingest.proof import Prover
from ingest.reading.report import Unreadable, read_message
from nullsender.events import DerivedFrom, Kind, Proof, Report, Source
from nullsender.limits import UNSUBSCRIBE_DAYS
from nullsender.signing.keys import Claims, SigningKeys
from nullsender.signing.unsubscribe_headers import headers_of
from nullsender.signing.unsubscribe_link import UnsubscribeLinks

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEYS = SigningKeys({"a": b"a secret of the tests, 32 bytes."})
LINKS = UnsubscribeLinks(KEYS)
LONG = "somebody.with.a.very.long.name.indeed.that.fits.into.no.local.part@mail.example.org"
CLAIMS = Claims("acme", "news", LONG, NOW.date(), "m7", "weekly.example.com")
FIXTURES = Path(__file__).parents[1] / "fixtures" / "mail" / "handmade"


def _proven(content: str, *, to: str = "unsubscribe@bounces.example") -> Report:
    source = Source(ip="192.0.2.7", rcpt_to=(to,))
    reading = read_message(content.replace("\n", "\r\n").encode(), source=source, received_at=NOW)
    assert not isinstance(reading, Unreadable)
    (report,) = Prover(KEYS).prove(reading, source, today=NOW.date())
    return report


def _mail(subject: str, *, sender: str = "jane@elsewhere.example", further: str = "") -> str:
    return f"From: {sender}\nTo: unsubscribe@bounces.example\nSubject: {subject}\n{further}\nplease\n"


@pytest.mark.parametrize("before", ["", "unsubscribe ", "Re: "])
def test_a_token_in_the_subject_says_who_from_which_list_and_when(before: str) -> None:
    report = _proven(_mail(before + LINKS.make(CLAIMS)))

    assert (report.kind, report.proof, report.derived_from) == (Kind.UNSUBSCRIBE, Proof.TOKEN, DerivedFrom.TOKEN)
    assert (report.tenant, report.stream, report.mailing_list) == ("acme", "news", "weekly.example.com")
    assert (report.recipient, report.message) == (LONG, "m7")


def test_apples_button_with_a_token_is_proven_too() -> None:
    report = _proven(_mail(LINKS.make(CLAIMS), further="X-Apple-Unsubscribe: true\nAuto-Submitted: auto-replied\n"))

    assert (report.format, report.proof, report.recipient) == ("apple-mail", Proof.TOKEN, LONG)


def test_an_old_token_counts_as_much_as_a_mail_without_one_about_whom_it_was_made_for() -> None:
    old = CLAIMS._replace(sent_on=NOW.date() - timedelta(days=UNSUBSCRIBE_DAYS + 1))
    report = _proven(_mail(LINKS.make(old)))

    assert (report.proof, report.recipient, report.mailing_list) == (Proof.NONE, LONG, "weekly.example.com")
    assert "days old" in report.notes[0]


def test_a_forged_token_leaves_the_writers_own_word() -> None:
    report = _proven(_mail(LINKS.make(CLAIMS)[:-1] + "A"))

    assert (report.proof, report.recipient, report.mailing_list) == (Proof.NONE, "jane@elsewhere.example", None)


def test_a_link_is_no_proof_of_a_bounce() -> None:
    """Whoever was shown a link may end that mail with it, and no more than that."""
    bounce = (FIXTURES / "dsn-failed.eml").read_text()
    head = "\n".join(f"{name}: {value}" for name, value in headers_of("https://u.test", None, LINKS.make(CLAIMS)).items())
    marked = bounce.replace("Subject:", f"{head}\nSubject:")

    assert _proven(marked, to="bounces@bounces.example").proof is Proof.NONE


def test_an_opt_out_that_returns_our_mail_is_proven_by_the_link_in_it() -> None:
    token = LINKS.make(Claims("default", "news", "anna@example.org", date(2026, 11, 1), "", "weekly.example.com"))
    head = "\n".join(f"{name}: {value}" for name, value in headers_of("https://u.test", None, token).items())
    mail = (FIXTURES / "arf-opt-out.eml").read_text().replace("X-Nullsender-Token: t1.example-token", head)

    report = _proven(mail, to="complaints@bounces.example")

    assert (report.kind, report.proof, report.recipient) == (Kind.UNSUBSCRIBE, Proof.TOKEN, "anna@example.org")
    assert report.mailing_list == "weekly.example.com"
