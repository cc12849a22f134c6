"""What `explain --json` and `reply --json` print: one object a line, whose fields others build on (README.md shows them).

Fields are added at the end, none is renamed.
"""

from collections.abc import Iterable

from nullsender.events import Decision, Kind, Outcome, Report


def object_of_file(path: str, kind: Kind, outcomes: Iterable[Outcome]) -> dict[str, object]:
    """What one file holds."""
    return {"file": path, "kind": kind, "reports": [_object_of_report(outcome) for outcome in outcomes]}


def object_of_unread(path: str, reason: str) -> dict[str, object]:
    """What is known of a file in which nothing could be read."""
    return {"file": path, "kind": Kind.OTHER, "reports": [], "error": reason}


def decided(decision: Decision) -> dict[str, object]:
    """The fields of a decision."""
    return {
        "outcome": decision.outcome,
        "permanent": decision.permanent,
        "fault": decision.fault,
        "category": decision.category,
        "rule": decision.rule,
    }


def listed(decision: Decision) -> dict[str, object]:
    """Which block list refused us, and which address of ours stands on it."""
    return {"blocklist": decision.blocklist, "ip": decision.ip}


def _object_of_report(outcome: Outcome) -> dict[str, object]:
    report, fields = outcome.report, decided(outcome.decision)
    rule = fields.pop("rule")
    return {
        "recipient": report.recipient,
        "action": report.action,
        **fields,
        "status": report.status,
        "reply_code": report.reply_code,
        "diagnostic": report.diagnostic,
        "remote_mta": report.remote_mta,
        "feedback_type": report.feedback_type,
        "rule": rule,
        "words": outcome.decision.words,
        **_about(report),
        **listed(outcome.decision),
    }


def _about(report: Report) -> dict[str, object]:
    """Where the recipient was found, how surely the report is about mail of ours, and what a person should know."""
    return {
        "derived_from": report.derived_from,
        "proof": report.proof,
        "withheld": report.withheld,
        "notes": report.notes,
    }
