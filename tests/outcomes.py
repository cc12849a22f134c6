"""Outcomes for tests, as short as a test wants to say them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from nullsender.events import Action, Decision, Fault, Kind, Outcome, Proof, Report, Result, Source

START = datetime(2026, 1, 1, tzinfo=UTC)  # where a FakeClock starts

_CATEGORIES = {
    Result.HARD: "mailbox-unknown",
    Result.SOFT: "mailbox-full",
    Result.COMPLAINT: "abuse",
    Result.UNSUBSCRIBE: "unsubscribe",
    Result.NONE: "unknown",
}
_BOUNCES = frozenset({Result.HARD, Result.SOFT})


def a_bounce(**fields: Any) -> Report:
    """The report of a delivery that failed, which says nothing but what `fields` say."""
    known: dict[str, Any] = {
        "id": "m-0",
        "message_id": "m",
        "received_at": START,
        "kind": Kind.BOUNCE,
        "format": "rfc3464",
        "recipient": "kiji@example.com",
        "action": Action.FAILED,
    }
    return Report(**(known | fields))


def an_outcome(
    report_id: str,
    result: Result | str = Result.HARD,
    *,
    recipient: str | None = "ada@example.com",
    at: datetime = START,
    days: float = 0.0,
    proof: Proof = Proof.RETURN_PATH,
    fault: Fault | None = Fault.RECIPIENT,
    stream: str | None = None,
    tenant: str = "default",
    ip: str = "192.0.2.1",
    withheld: str | None = None,
) -> Outcome:
    """The outcome of a report that came in `days` after `at`."""
    result = Result(result)
    received_at = at + timedelta(days=days)
    report = Report(
        id=report_id,
        message_id=f"message of {report_id}",
        received_at=received_at,
        kind=Kind.BOUNCE if result in _BOUNCES else Kind.COMPLAINT,
        format="rfc3464",
        recipient=recipient,
        status="5.1.1" if result in _BOUNCES else None,
        tenant=tenant,
        stream=stream,
        proof=proof,
        original_message_id=f"<{report_id}@mail.example>",  # each is about a send of its own
        withheld=withheld,
        source=Source(ip=ip),
    )
    decision = Decision(
        outcome=result,
        permanent=result is Result.HARD,
        fault=fault if result in _BOUNCES else None,
        category=_CATEGORIES[result],
        rule="a rule of the tests",
    )
    return Outcome(report=report, decision=decision, decided_at=received_at)
