"""What happened, in sentences: reports and changes, how recipients were found, what ties reports to mail of ours. Pure."""

from collections.abc import Mapping
from datetime import datetime

from nullsender.events import DerivedFrom, Proof, Report
from suppression.policy.scopes import mail_of
from suppression.records import Change, Entry, Told

DERIVED: Mapping[DerivedFrom, str] = {
    DerivedFrom.RETURN_PATH: "the return path that it came to, which we signed, names the recipient",
    DerivedFrom.TOKEN: "the token in the returned mail, which we signed, names the recipient",
    DerivedFrom.SENDER_TRACE: "a field that our mail server wrote into the returned mail names the recipient",
    DerivedFrom.ORIGINAL_RECIPIENT: "the report's Original-Recipient names the recipient",
    DerivedFrom.ORIGINAL_RCPT_TO: "the report's Original-Rcpt-To names the recipient",
    DerivedFrom.REPORT_JSON: "a field of the report in JSON names the recipient",
    DerivedFrom.REMOVAL_RECIPIENT: "the report's Removal-Recipient names the recipient",
    DerivedFrom.DELIVERED_TO: "the mailbox that the returned mail was put into names the recipient",
    DerivedFrom.FAILED_RECIPIENTS: "the field X-Failed-Recipients names the recipient",
    DerivedFrom.FINAL_RECIPIENT: "the report's Final-Recipient names the recipient",
    DerivedFrom.ORIGINAL_TO: "the only To of the returned mail names the recipient",
    DerivedFrom.TEXT: "the words of the notice name the recipient",
    DerivedFrom.SENDER: "the unsubscribe mail was sent from that address",
    DerivedFrom.NOWHERE: "the report does not say where the recipient was found",
}
assert DERIVED.keys() == set(DerivedFrom)


def proven_by(proof: Proof, report: Report | None) -> str:
    """What ties the report to mail that we sent. `report` None: it was erased, and only the kind of proof is known."""
    source = report.source if report else None
    match proof:
        case Proof.RETURN_PATH:
            where = f" ({', '.join(source.rcpt_to)})" if source and source.rcpt_to else ""
            return f"it came to a return path that we signed{where}"
        case Proof.TOKEN:
            return "it returns a token that we signed"
        case Proof.SOURCE:
            return f"it came from {source.ip}, a source that the settings trust" if source else "it came from a trusted source"
        case Proof.NONE:
            return "nothing ties it to mail that we sent"


def report_told(told: Told) -> list[str]:
    """A report in sentences: what came, what it was read as, how the recipient was found and proven, what that did."""
    report = told.outcome.report if told.outcome else None
    version = told.outcome.decision.rules_version if told.outcome else ""
    what = f"a {report.kind} in the format {report.format}" if report else "a report, whose words are erased"
    rules = f"{told.reading.rule}{f', rules {version}' if version else ''}"
    found = f"{DERIVED[report.derived_from]}; " if report else ""
    lines = [
        f"Came in: {what}; read as {told.reading.outcome} ({told.reading.category}) by {rules}.",
        f"Recipient: {found}{proven_by(told.proof, report)}.",
        f"Did: {told.did}{f', entry {told.entry_id}' if told.entry_id else ''}: {told.why} ({_policy(told.policy)}).",
    ]
    words = told.outcome.decision.words if told.outcome else None
    return [*lines, f"Its words: {' '.join(words.split())}"] if words else lines


def change_told(change: Change) -> list[str]:
    """A change in sentences: what was done to which entry, by whom, why."""
    until = f" until {change.after.expires:%Y-%m-%d %H:%M}" if change.after.expires else ""
    mail = mail_of(change.scope)
    lines = [
        f"Entry {change.entry_id} was {change.action} by {change.actor}: {change.cause}, it stops {mail}{until}.",
        f"Reason: {change.reason} ({_policy(change.policy)}).",
    ]
    if change.consent:
        lines.append(f"Consent: {change.consent}.")
    return [*lines, f"Report: {change.report_id}."] if change.report_id else lines


def entry_told(entry: Entry, now: datetime) -> str:
    """How an entry stands, in a sentence."""
    since = f"since {entry.since:%Y-%m-%d %H:%M}"
    if entry.ended is not None:
        ended = f"{entry.ended_by} {entry.ended:%Y-%m-%d %H:%M}"
        return f"Entry {entry.id} ({entry.cause}) stopped {mail_of(entry.scope)} {since}; {ended}."
    until = f" until {entry.expires:%Y-%m-%d %H:%M}" if entry.expires else ""
    stops = "stops" if entry.is_live(now) else "stopped"
    weak = ", provisionally" if entry.provisional else ""
    what = f"{stops} {mail_of(entry.scope)} {since}{until}{weak}"
    return f"Entry {entry.id} ({entry.cause}) {what}: {entry.reason}, by {entry.created_by}."


def _policy(version: str | None) -> str:
    return "from before policies had versions" if version is None else f"policy {version}"
