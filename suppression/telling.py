"""How the recipient of a report was found and what ties the report to mail of ours, in words. Pure."""

from collections.abc import Mapping

from nullsender.events import DerivedFrom, Proof, Report

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
