"""Records on the log: what is written is read again, by older and newer processes too."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nullsender.errors import Invalid
from nullsender.events import (
    DeadLetter,
    Decision,
    Event,
    Fault,
    Kind,
    Outcome,
    RawMessage,
    Report,
    Result,
    Source,
    decode,
    encode,
)

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
REPORT = Report(id="m-0", message_id="m", received_at=NOON, kind=Kind.BOUNCE, format="rfc3464", recipient="a@example.com")
DECISION = Decision(outcome=Result.HARD, permanent=True, fault=Fault.RECIPIENT, category="mailbox-unknown", rule="r")


@pytest.mark.parametrize(
    "event",
    [
        REPORT,
        Outcome(report=REPORT, decision=DECISION, decided_at=NOON),
        RawMessage(message_id="m", received_at=NOON, source=Source(ip="192.0.2.1"), content=b"\x00\xff\r\n"),
        DeadLetter(id="d", reason="why", stage="ingest", dead_at=NOON, content=bytes(range(256))),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_is_encoded_is_decoded_unchanged(event: Event) -> None:
    assert decode(type(event), encode(event)) == event


def test_fields_of_a_newer_process_are_ignored_and_missing_ones_filled() -> None:
    fields = msgspec.json.decode(encode(REPORT)) | {"a_field_of_tomorrow": 1}
    fields.pop("recipient")

    assert decode(Report, msgspec.json.encode(fields)) == msgspec.structs.replace(REPORT, recipient=None)


def test_a_newer_process_may_have_found_the_recipient_in_a_place_that_an_older_one_does_not_know() -> None:
    fields = msgspec.json.decode(encode(REPORT)) | {"derived_from": "a-place-of-tomorrow"}
    outcome = msgspec.json.decode(encode(Outcome(report=REPORT, decision=DECISION, decided_at=NOON))) | {"report": fields}

    assert decode(Report, msgspec.json.encode(fields)) == REPORT
    assert decode(Outcome, msgspec.json.encode(outcome)).report == REPORT


@pytest.mark.parametrize("field", ["kind", "action", "proof"])
def test_a_word_of_a_newer_process_that_decides_something_is_refused(field: str) -> None:
    """A dead letter can be replayed by the upgraded process; what was guessed stays as it is."""
    fields = msgspec.json.decode(encode(REPORT)) | {field: "a-word-of-tomorrow"}

    with pytest.raises(Invalid, match="a-word-of-tomorrow"):
        decode(Report, msgspec.json.encode(fields))


def test_a_record_of_a_newer_version_is_refused_with_what_to_do() -> None:
    with pytest.raises(Invalid, match=r"version 2.*upgrade"):
        decode(Report, encode(msgspec.structs.replace(REPORT, version=2)))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_invalid(data: bytes) -> None:
    with pytest.raises(Invalid):
        decode(Report, data)
