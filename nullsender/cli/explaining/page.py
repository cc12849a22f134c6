"""What `explain` and `reply` show a person: the decision first, what it would do to the list, and why.

    kiji@example.com: hard, mailbox-unknown. There is no such mailbox at that domain.
      list     stops all mail to the address for good if the report is proven, for 7 days if not
      said     mx.example.com: 550 5.1.1 <kiji@example.com>: User unknown
                                                             ^^^^^^^^^^^^
      codes    5.1.1, reply 550: this delivery has failed for good
      …

A report takes a dozen lines at most, unless everything is asked for.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from nullsender.cli.explaining.also_found import Contents, Named
from nullsender.cli.explaining.marks import Look, Paint, excerpt, lines_of, marked, shown
from nullsender.cli.explaining.on_list import hangs_on_proof, on_the_list, on_the_list_today
from nullsender.cli.explaining.ties import Ties
from nullsender.cli.explaining.why import Row, Weighed, headline, reasons, row, verdict
from nullsender.cli.replaying.against import Judge
from nullsender.events import DerivedFrom, Kind, Outcome, Proof, Report, Result
from suppression.policy import Policy

_KINDS = {
    Kind.BOUNCE: "a bounce",
    Kind.COMPLAINT: "a complaint",
    Kind.UNSUBSCRIBE: "an unsubscribe",
    Kind.AUTO_REPLY: "an automatic reply",
    Kind.OTHER: "no report about mail of ours",
}

_FOUND = {
    DerivedFrom.RETURN_PATH: "our signed return path",
    DerivedFrom.TOKEN: "our token in the returned message",
    DerivedFrom.SENDER_TRACE: "a field of the sender's MTA in the returned message",
    DerivedFrom.ORIGINAL_RECIPIENT: "Original-Recipient",
    DerivedFrom.ORIGINAL_RCPT_TO: "Original-Rcpt-To",
    DerivedFrom.REPORT_JSON: "the JSON of the report",
    DerivedFrom.REMOVAL_RECIPIENT: "Removal-Recipient",
    DerivedFrom.DELIVERED_TO: "a header that says to whom it was delivered",
    DerivedFrom.FAILED_RECIPIENTS: "X-Failed-Recipients",
    DerivedFrom.FINAL_RECIPIENT: "Final-Recipient",
    DerivedFrom.ORIGINAL_TO: "the To of the returned message",
    DerivedFrom.TEXT: "the words of the notice",
    DerivedFrom.SENDER: "the From of the message",
    DerivedFrom.NOWHERE: "nowhere",
}
_PAINTS = {
    Result.HARD: Paint.BAD,
    Result.SOFT: Paint.DOUBT,
    Result.COMPLAINT: Paint.BAD,
    Result.UNSUBSCRIBE: Paint.BAD,
    Result.NONE: Paint.GOOD,
}
assert _KINDS.keys() == set(Kind)
assert _FOUND.keys() == set(DerivedFrom)
assert _PAINTS.keys() == set(Result)

_ABOUT_NOBODY = "stays as it is: it names nobody; a return path or a token of ours would tell whom it is about"

_INDENT = 4
_LABEL_COLUMNS = 10
#: Of a row this many lines are shown where not everything is asked for; broken between words they are three.
_LINES_OF_A_ROW = 2.5


class Explained(NamedTuple):
    """A message that was read: what it is, its reports with what is proven of each, and what is decided of the bad ones."""

    kind: Kind
    format: str
    reports: Sequence[Report]
    weighed: Sequence[Weighed]
    contents: Contents


class Unread(NamedTuple):
    """A file in which nothing could be read, or not safely: why, what was found, where it stopped, and what happens then."""

    reason: str
    found: str = ""
    remark: str = ""
    then: str = ""


class Page:
    """Makes lines for a person."""

    def __init__(self, look: Look, policy: Policy, ties: Ties, *, judge: Judge | None = None, verbose: bool = False) -> None:
        """`judge` knows the list as it stands, where somebody asked for that."""
        self._look = look
        self._policy = policy
        self._ties = ties
        self._judge = judge
        self._verbose = verbose

    def unread(self, path: str, unread: Unread) -> Iterator[str]:
        """What stands in place of an explanation: what was found, where it stopped, and what becomes of such a message."""
        first, *others = lines_of(marked(f"{shown(path)}: {unread.reason}.", None), self._look, self._look.columns - _INDENT)
        yield from (first, *(f"{' ' * _INDENT}{line}" for line in others))
        for it in (row("found", unread.found), row("note", unread.remark), row("then", unread.then)):
            if it.text.text:
                yield from self._row(it, indent=2)
        yield ""

    def explained(self, path: str, explained: Explained) -> Iterator[str]:
        """All of one message."""
        yield f"{shown(path)}: {_title(explained)}"
        for remark in explained.contents.remarks():
            yield from self._row(row("note", remark), indent=2)
        beside = explained.contents.addresses_beside(explained.reports)
        alone = len(explained.weighed) == 1
        told = (self._report(weighed, explained.contents, beside if alone else []) for weighed in explained.weighed)
        for rows, those in groupby(told, key=itemgetter(1)):
            for headline_of_one, _ in those:
                yield from headline_of_one
            yield from rows
        yield ""

    def reply(self, weighed: Weighed) -> Iterator[str]:
        """One SMTP reply."""
        yield from self._headline("", weighed.outcome)
        yield from self._row(self._list(weighed.outcome))
        for it in reasons(weighed, verbose=self._verbose):
            yield from self._row(it)
        yield ""

    def _report(self, weighed: Weighed, contents: Contents, beside: Sequence[Named]) -> tuple[list[str], list[str]]:
        """The headline, and the rows below it: several recipients of whom the same is said have them once."""
        report = weighed.outcome.report
        about_nobody = report.kind in (Kind.OTHER, Kind.AUTO_REPLY) and report.recipient is None
        who = "" if about_nobody else f"{shown(report.recipient or 'a recipient that it does not name')}: "
        found = row("found", contents.summary()) if about_nobody else row("address", _address(report.derived_from, beside))
        rows = (
            *self._consequences(weighed.outcome),
            *reasons(weighed, verbose=self._verbose),
            found,
            *(row("note", note) for note in report.notes),
            *((row("report", _details(weighed.outcome)),) if self._verbose else ()),
        )
        return list(self._headline(who, weighed.outcome)), [line for it in rows for line in self._row(it)]

    def _consequences(self, outcome: Outcome) -> Iterator[Row]:
        """What follows for the list, and how surely the report is about mail of ours where that depends on it."""
        report, says_something = outcome.report, outcome.decision.outcome is not Result.NONE
        yield row("list", _ABOUT_NOBODY) if says_something and report.recipient is None else self._list(outcome)
        if self._judge is not None:
            yield row("today", on_the_list_today(outcome, self._judge))
        is_told = report.proof is not Proof.NONE or report.withheld is not None or self._verbose
        if says_something and (is_told or hangs_on_proof(outcome, self._policy)):
            yield row("proof", self._ties.sentence(report))

    def _headline(self, who: str, outcome: Outcome) -> Iterator[str]:
        word = verdict(outcome)
        first, *others = lines_of(marked(f"{who}{headline(outcome)}", None), self._look, self._look.columns - _INDENT)
        yield f"  {first.replace(f'{who}{word}', f'{who}{self._look.painted(word, _PAINTS[outcome.decision.outcome])}', 1)}"
        for line in others:
            yield f"{' ' * _INDENT}{line}"

    def _list(self, outcome: Outcome) -> Row:
        return row("list", on_the_list(outcome, self._policy, proof_is_known=self._ties.are_known))

    def _row(self, it: Row, indent: int = _INDENT) -> Iterator[str]:
        columns = self._look.columns - indent - _LABEL_COLUMNS
        text = it.text if self._verbose else excerpt(it.text, int(_LINES_OF_A_ROW * columns))
        label = self._look.painted(f"{it.label:{_LABEL_COLUMNS}}", Paint.FAINT)
        for line in lines_of(text, self._look, columns):
            yield f"{' ' * indent}{label}{line}"
            label = " " * _LABEL_COLUMNS


def _title(explained: Explained) -> str:
    count, arrived = len(explained.weighed), len(explained.reports) - len(explained.weighed)
    several = f" about {count or arrived} recipients" if (count or arrived) > 1 else ""
    others = f"; {arrived} got the mail" if count and arrived else ""
    return f"{_kind(explained)} (read as {explained.format}){several}{others}"


def _kind(explained: Explained) -> str:
    """What the message is; of feedback, which is seldom about anything but complaints, what it comes to."""
    if explained.kind is Kind.OTHER and explained.reports and not explained.weighed:
        return "a report that mail arrived"
    results = {weighed.outcome.decision.outcome for weighed in explained.weighed}
    if explained.kind is Kind.COMPLAINT and Result.COMPLAINT not in results:
        return "a feedback report, and no complaint"
    return _KINDS[explained.kind]


def _address(found: DerivedFrom, beside: Sequence[Named]) -> str:
    trust = list(DerivedFrom)
    others = ", ".join(
        f"{named.address} ({_FOUND[named.place]}{', trusted less' if trust.index(named.place) > trust.index(found) else ''})"
        for named in beside
    )
    return f"from {_FOUND[found]}{f'; also named: {others}' if others else ''}"


def _details(outcome: Outcome) -> str:
    """Every other fact that the report carries."""
    report = outcome.report
    facts = {
        "id": report.id,
        "reported by": report.reporting_mta,
        "at": report.occurred_at,
        "mail": report.original_message_id,
        "envelope id": report.original_envelope_id,
        "subject": report.subject,
        "sent from": report.original_source_ip,
        "reverse-path": report.original_mail_from,
        "stream": report.stream,
        "rules": outcome.decision.rules_version,
    }
    return "; ".join(f"{name}: {value}" for name, value in facts.items() if value)
