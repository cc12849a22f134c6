"""A report acts on the one address that its proof names, or on nobody (G5)."""

from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_network

import msgspec
import pytest

from ingest.proof import SEVERAL_CANDIDATES, SEVERAL_STREAMS, SOMEONE_ELSE, Prover
from ingest.reading.report import Reading
from nullsender.events import DerivedFrom, Kind, Proof, Report, Source
from nullsender.limits import (
    RETURN_PATH_CANDIDATES_MAX,
    RETURN_PATH_DAYS,
    SHORT_RETURN_PATHS_TRIED_MAX,
    TOKEN_DAYS,
    UNSUBSCRIBE_DAYS,
)
from nullsender.signing.keys import Claims, SigningKeys
from nullsender.signing.return_path import Purpose, ReturnPaths
from nullsender.signing.token import Tokens

TODAY = date(2026, 5, 17)
KEYS = SigningKeys({"k1": b"a secret of the tests, 32 bytes."})
OTHER_KEYS = SigningKeys({"k1": b"a secret of a stranger, 32 bytes"})
CLAIMS = Claims(tenant="acme", stream="news", recipient="jane@example.org", sent_on=TODAY, message="m7")
OLD_CLAIMS = CLAIMS._replace(sent_on=date.fromordinal(TODAY.toordinal() - RETURN_PATH_DAYS - 1))
LONG_CLAIMS = CLAIMS._replace(recipient="somebody.with.a.rather.long.name@mail.example.org")
PROVER = Prover(KEYS, trusted_sources=[ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")])


def _path(claims: Claims = CLAIMS, keys: SigningKeys = KEYS, purpose: Purpose = Purpose.BOUNCE) -> str:
    return f"{ReturnPaths(keys).make(claims, purpose=purpose)}@bounces.example"


def _token(claims: Claims = CLAIMS, keys: SigningKeys = KEYS) -> str:
    return Tokens(keys).make(claims)


def _unsubscribe_path(*, stream: str = "news", days: int = 0, keys: SigningKeys = KEYS) -> str:
    return _path(CLAIMS._replace(stream=stream, sent_on=TODAY - timedelta(days=days)), keys, Purpose.UNSUBSCRIBE)


def _report(
    recipient: str | None,
    *,
    token: str | None = None,
    derived_from: DerivedFrom = DerivedFrom.FINAL_RECIPIENT,
    mail_from: str | None = None,
) -> Report:
    return Report(
        id="m-0",
        message_id="m",
        received_at=datetime(2026, 5, 17, tzinfo=UTC),
        kind=Kind.BOUNCE,
        format="rfc3464",
        recipient=recipient,
        derived_from=derived_from if recipient else DerivedFrom.NOWHERE,
        returned_token=token,
        original_mail_from=mail_from,
    )


def _prove(
    *reports: Report,
    to: str = "bounces@bounces.example",
    ip: str = "198.51.100.7",
    returned: bytes = b"",
    kind: Kind = Kind.BOUNCE,
) -> tuple[Report, ...]:
    reading = Reading(kind=kind, format="rfc3464", reports=reports, returned=returned)
    return PROVER.prove(reading, Source(ip=ip, rcpt_to=tuple(to.split())), today=TODAY)


def test_a_bounce_of_forwarded_mail_is_charged_to_the_address_that_we_sent_to() -> None:
    (report,) = _prove(_report("forwarded@elsewhere.example"), to=_path())

    assert report.recipient == "jane@example.org"
    assert report.derived_from is DerivedFrom.RETURN_PATH
    assert report.proof is Proof.RETURN_PATH
    assert (report.tenant, report.stream) == ("acme", "news")
    assert report.withheld is None


def test_a_report_on_nobody_gets_the_recipient_of_its_return_path() -> None:
    (report,) = _prove(_report(None), to=_path().upper())

    assert report.recipient == "jane@example.org"
    assert report.proof is Proof.RETURN_PATH


def test_of_several_recipients_only_that_of_the_return_path_is_proven() -> None:
    jane, victim = _prove(_report("Jane@Example.ORG"), _report("victim@example.org"), to=_path())

    assert jane.recipient == "jane@example.org"
    assert jane.proof is Proof.RETURN_PATH
    assert jane.withheld is None
    assert victim.proof is Proof.NONE
    assert victim.withheld == SOMEONE_ELSE


def test_several_return_paths_prove_each_its_own_recipient() -> None:
    to = f"{_path()} {_path(CLAIMS._replace(recipient='joe@example.org', stream='bills'))}"
    joe, jane, victim = _prove(_report("joe@example.org"), _report("jane@example.org"), _report("victim@example.org"), to=to)

    assert (joe.stream, joe.proof) == ("bills", Proof.RETURN_PATH)
    assert (jane.stream, jane.proof) == ("news", Proof.RETURN_PATH)
    assert victim.withheld == SOMEONE_ELSE
    assert _prove(_report("victim@example.org"), to=to)[0].withheld == SOMEONE_ELSE


def test_a_return_path_that_is_forged_or_expired_withholds_the_report_even_from_a_trusted_source() -> None:
    for to in (_path(keys=OTHER_KEYS), _path(OLD_CLAIMS)):
        (report,) = _prove(_report("jane@example.org", token=_token()), to=to, ip="192.0.2.1")

        assert report.withheld is not None
        assert report.proof is Proof.NONE
        assert report.recipient == "jane@example.org"


def test_a_short_return_path_is_verified_by_the_recipient_that_the_report_names() -> None:
    (report,) = _prove(_report(LONG_CLAIMS.recipient), to=_path(LONG_CLAIMS))
    assert report.proof is Proof.RETURN_PATH

    (forged,) = _prove(_report("victim@example.org"), to=_path(LONG_CLAIMS))
    assert forged.withheld is not None


def test_a_short_return_path_of_forwarded_mail_is_verified_by_the_returned_mail() -> None:
    for returned, token in [
        (f"From: us@example.net\nTo: Some Body <{LONG_CLAIMS.recipient}>\n\n".encode(), None),
        (b"", _token(LONG_CLAIMS)),
    ]:
        (report,) = _prove(_report("forwarded@elsewhere.example", token=token), to=_path(LONG_CLAIMS), returned=returned)

        assert report.recipient == LONG_CLAIMS.recipient
        assert report.proof is Proof.RETURN_PATH


def test_however_many_return_paths_and_recipients_come_the_signatures_that_are_tried_stay_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = []
    check = SigningKeys.check

    def counted(self: SigningKeys, *arguments: str) -> None:
        tries.append(arguments)
        check(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(SigningKeys, "check", counted)
    to = " ".join(_path(LONG_CLAIMS._replace(message=f"m{number}"), OTHER_KEYS) for number in range(100))
    reports = _prove(*(_report(f"u{number}@example.org") for number in range(1_000)), to=f"{to} {to.upper()}")

    assert len(tries) == SHORT_RETURN_PATHS_TRIED_MAX * RETURN_PATH_CANDIDATES_MAX
    assert all(report.withheld for report in reports)


def test_many_forged_return_paths_do_not_hide_one_that_carries_its_recipient() -> None:
    forged = " ".join(_path(LONG_CLAIMS._replace(message=f"m{number}"), OTHER_KEYS) for number in range(50))

    assert _prove(_report(None), to=f"{forged} {_path()}")[0].proof is Proof.RETURN_PATH


def test_a_signed_unsubscribe_is_proven_long_after_bounces_have_ended() -> None:
    for days in (RETURN_PATH_DAYS + 1, 400, UNSUBSCRIBE_DAYS):
        (report,) = _prove(_report("jane@example.org"), to=_unsubscribe_path(days=days), kind=Kind.UNSUBSCRIBE)

        assert (report.proof, report.stream, report.withheld) == (Proof.RETURN_PATH, "news", None)


def test_an_unsubscribe_to_an_address_that_is_too_old_is_unproven_and_not_withheld() -> None:
    too_old = _unsubscribe_path(days=UNSUBSCRIBE_DAYS + 1)
    (report,) = _prove(_report("forwarded@example.org"), to=too_old, kind=Kind.UNSUBSCRIBE)

    assert (report.recipient, report.tenant, report.stream) == ("jane@example.org", "acme", "news")
    assert (report.proof, report.withheld) == (Proof.NONE, None)
    assert "days old" in report.notes[-1]


def test_an_unsubscribe_to_a_forged_address_acts_on_nobody() -> None:
    (report,) = _prove(_report("jane@example.org"), to=_unsubscribe_path(keys=OTHER_KEYS), kind=Kind.UNSUBSCRIBE)

    assert report.proof is Proof.NONE
    assert report.withheld is not None


def test_one_unsubscribe_mail_to_the_addresses_of_several_streams_is_one_report_for_each() -> None:
    paths = [_unsubscribe_path(stream=stream, days=days) for stream, days in [("news", 900), ("bills", 1), ("news", 2)]]
    news, bills = _prove(_report("jane@example.org"), to=" ".join(paths), kind=Kind.UNSUBSCRIBE)

    assert (news.id, news.stream, news.proof, news.source.rcpt_to) == ("m-0", "news", Proof.RETURN_PATH, (paths[2],))
    assert (bills.id, bills.stream, bills.proof, bills.source.rcpt_to) == ("m-1", "bills", Proof.RETURN_PATH, (paths[1],))


def test_a_bounce_to_return_paths_of_several_streams_of_one_person_acts_on_neither() -> None:
    to = f"{_path()} {_path(CLAIMS._replace(stream='bills'))}"
    (report,) = _prove(_report("jane@example.org"), to=to)

    assert (report.proof, report.withheld) == (Proof.NONE, SEVERAL_STREAMS)
    assert _prove(_report("jane@example.org"), to=f"{_path()} {_path(CLAIMS._replace(message='m8'))}")[0].withheld is None


def test_a_token_proves_the_report_about_its_recipient() -> None:
    (report,) = _prove(_report("Jane@example.org", token=_token()))

    assert report.recipient == "jane@example.org"
    assert report.derived_from is DerivedFrom.FINAL_RECIPIENT
    assert report.proof is Proof.TOKEN
    assert (report.tenant, report.stream) == ("acme", "news")


def test_a_report_about_someone_else_than_the_tokens_recipient_acts_on_nobody() -> None:
    for reports in ([_report("victim@example.org", token=_token())], [_report("victim@example.org", token=_token())] * 2):
        for report in _prove(*reports, ip="192.0.2.1"):
            assert report.withheld == SOMEONE_ELSE
            assert report.proof is Proof.NONE
            assert report.recipient == "victim@example.org"


def test_a_complaint_that_names_nobody_is_about_the_tokens_recipient() -> None:
    for report in (
        _report(None, token=_token()),
        _report("list@example.org", token=_token(), derived_from=DerivedFrom.ORIGINAL_TO),
    ):
        (proven,) = _prove(report)

        assert proven.recipient == "jane@example.org"
        assert proven.derived_from is DerivedFrom.TOKEN
        assert proven.proof is Proof.TOKEN


def test_a_complaint_of_one_of_several_people_acts_on_none_of_them() -> None:
    """The provider names everybody who may have complained, and does not know who did; neither does an operator's trust."""
    seven = [_report(f"u{number}@example.org") for number in range(7)]

    for kind in (Kind.COMPLAINT, Kind.UNSUBSCRIBE):
        for ip in ("198.51.100.7", "192.0.2.1"):
            assert [(report.proof, report.withheld) for report in _prove(*seven, kind=kind, ip=ip)] == [
                (Proof.NONE, SEVERAL_CANDIDATES)
            ] * 7
    assert all(report.withheld is None for report in _prove(*seven))  # of a bounce each of them failed


def test_of_several_candidates_only_the_one_that_is_tied_to_our_mail_acts() -> None:
    seven = [_report(name, token=_token()) for name in ("a@example.org", "Jane@example.org", "b@example.org")]
    by_token = _prove(*seven, kind=Kind.COMPLAINT, ip="192.0.2.1")
    by_path = _prove(*seven, kind=Kind.COMPLAINT, to=_path())

    assert [report.proof for report in by_token] == [Proof.NONE, Proof.TOKEN, Proof.NONE]
    assert [report.proof for report in by_path] == [Proof.NONE, Proof.RETURN_PATH, Proof.NONE]
    for report in (*by_token[::2], *by_path[::2]):
        assert report.withheld == SOMEONE_ELSE


def test_an_opt_out_of_several_people_at_one_signed_address_is_that_of_its_recipient() -> None:
    opt_out = [_report("jane@example.org"), _report("victim@example.org")]
    jane, victim = _prove(*opt_out, kind=Kind.UNSUBSCRIBE, to=_unsubscribe_path())

    assert (jane.proof, jane.stream, jane.withheld) == (Proof.RETURN_PATH, "news", None)
    assert (victim.proof, victim.withheld) == (Proof.NONE, SOMEONE_ELSE)


@pytest.mark.parametrize(
    "head",
    [
        f"Return-Path: <{_path()}>\n\n",
        f"Return-Path: {_path().upper()}\n\n",
        f"From: us@example.net\nList-Unsubscribe: <https://x.example/>,\n <mailto:{_unsubscribe_path(days=400)}?subject=x>\n\n",
        f"Return-Path: <{_path(OLD_CLAIMS)}>\nList-Unsubscribe: <mailto:{_unsubscribe_path(days=60)}>\n\n",
        f"Return-Path: <{_path(LONG_CLAIMS)}>\nReturn-Path: <{_path()}>\n\n",
    ],
)
def test_an_address_that_we_signed_in_the_returned_mail_proves_as_much_as_a_token(head: str) -> None:
    for report in (_report(None), _report("jane@example.org")):
        (proven,) = _prove(report, kind=Kind.COMPLAINT, returned=head.encode())

        assert (proven.recipient, proven.proof, proven.stream) == ("jane@example.org", Proof.TOKEN, "news")
        assert proven.notes == ()
    (other,) = _prove(_report("victim@example.org"), kind=Kind.COMPLAINT, returned=head.encode())
    assert (other.proof, other.withheld) == (Proof.NONE, SOMEONE_ELSE)


def test_an_address_for_unsubscribing_proves_no_bounce() -> None:
    """Whoever has one may end a stream; he was not sent it to end all mail, and it is believed for years."""
    head = f"From: us@example.net\nList-Unsubscribe: <mailto:{_unsubscribe_path()}>\n\n".encode()
    jane = _report("jane@example.org")

    for (report,) in (_prove(jane, returned=head), _prove(_report("jane@example.org", mail_from=_unsubscribe_path()))):
        assert (report.stream, report.proof, report.withheld) == (None, Proof.NONE, None)
    (sent_there,) = _prove(jane, to=_unsubscribe_path())
    assert (sent_there.proof, sent_there.withheld) == (
        Proof.NONE,
        "it came to a return path that proves nothing: it is for unsubscribing",
    )


def test_whoever_sends_our_mail_back_to_unsubscribe_is_charged_to_the_address_that_we_sent_it_to() -> None:
    asked = _report("forwarded@elsewhere.example", derived_from=DerivedFrom.SENDER)
    (report,) = _prove(asked, kind=Kind.UNSUBSCRIBE, returned=f"Return-Path: <{_path()}>\n\n".encode())

    assert (report.recipient, report.proof, report.withheld) == ("jane@example.org", Proof.TOKEN, None)


def test_the_reverse_path_that_a_report_names_proves_like_one_in_the_returned_mail() -> None:
    (report,) = _prove(_report(None, mail_from=_path()), kind=Kind.COMPLAINT)

    assert (report.recipient, report.derived_from, report.proof) == ("jane@example.org", DerivedFrom.TOKEN, Proof.TOKEN)


def test_a_short_address_in_the_returned_mail_is_verified_by_the_recipient_that_the_report_names() -> None:
    head = f"Return-Path: <{_path(LONG_CLAIMS)}>\n\n".encode()

    assert _prove(_report(LONG_CLAIMS.recipient), kind=Kind.COMPLAINT, returned=head)[0].proof is Proof.TOKEN
    (report,) = _prove(_report("victim@example.org"), kind=Kind.COMPLAINT, returned=head)
    assert (report.proof, report.withheld) == (Proof.NONE, None)
    assert "signed address proves nothing" in report.notes[-1]


def test_signed_addresses_behind_the_head_of_the_returned_mail_or_of_strangers_prove_nothing() -> None:
    for returned in (f"From: us@example.net\n\n{_path()}\n", f"Return-Path: <{_path(keys=OTHER_KEYS)}>\n\n"):
        (report,) = _prove(_report("jane@example.org"), kind=Kind.COMPLAINT, returned=returned.encode())

        assert (report.proof, report.withheld) == (Proof.NONE, None)


def test_a_token_that_is_not_ours_or_too_old_proves_nothing_and_says_so() -> None:
    too_old = CLAIMS._replace(sent_on=date.fromordinal(TODAY.toordinal() - TOKEN_DAYS - 1))
    for token in (_token(keys=OTHER_KEYS), _token(too_old), "1.k1.x", "ü"):
        (report,) = _prove(_report("jane@example.org", token=token))

        assert report.proof is Proof.NONE
        assert report.withheld is None
        assert "token" in report.notes[-1]


def test_a_source_that_the_operator_named_is_the_weakest_proof() -> None:
    for ip in ("192.0.2.200", "::ffff:192.0.2.200", "2001:db8::1", "2001:db8::1%eth0"):
        assert _prove(_report("jane@example.org"), ip=ip)[0].proof is Proof.SOURCE
    for ip in ("198.51.100.7", "fe80::1%eth0", ""):
        assert _prove(_report("jane@example.org"), ip=ip)[0].proof is Proof.NONE


def test_what_is_not_proven_stays_as_it_was_read() -> None:
    report = _report("jane@example.org")

    assert _prove(report) == (report,)


def test_nothing_but_proof_is_changed() -> None:
    read = _report("jane@example.org", token=_token())
    (proven,) = _prove(read)

    changed = {name for name in msgspec.structs.asdict(read) if getattr(read, name) != getattr(proven, name)}
    assert changed == {"tenant", "stream", "message", "proof"}
