"""The client's book: what was sent, what was promised, and so what has to be found.

A 250 is a promise. Where it was not given the mail may be there or not. When the log itself is lost, what had not reached the
list yet is lost with it; of that, nothing is due any more.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from ingest.intake import Taken
from nullsender.events import Proof, Report, decode
from nullsender.log import Topic
from tests.sim.mail import Mail

_REPORTS = (Topic.BOUNCES, Topic.COMPLAINTS, Topic.UNSUBSCRIBES)


class Known(NamedTuple):
    """How the store knows a report."""

    report_id: str
    proven: bool


class Ledger:
    """Everything that the clients of a history know."""

    def __init__(self) -> None:
        self.offered: dict[tuple[Known, datetime], tuple[Report, Mail]] = {}  # every attempt, by when it came in
        self.unreadable: dict[str, bytes] = {}  # the content of what can only become a dead letter, by message id
        self.due: dict[int, frozenset[Known]] = {}  # promised reports, by the mail's number
        self.due_letters: set[str] = set()  # promised, by message id
        self.due_raw: set[str] = set()  # promised, by message id
        self._off_the_log: set[int] = set()  # mails of which the store alone may know

    def offer(self, mail: Mail, taken: Taken) -> None:
        """`mail` is about to be published as this."""
        for report in _reports(taken):
            self.offered[_known(report), report.received_at] = report, mail
        if not taken.reports:
            self.unreadable[taken.message_id] = mail.content

    def promise(self, mail: Mail, taken: Taken) -> None:
        """The MX said 250 to it."""
        if taken.reports:
            self.due[mail.number] = frozenset(map(_known, _reports(taken)))
            self._off_the_log.discard(mail.number)
            self.due_raw.add(taken.message_id)
        else:
            self.due_letters.add(taken.message_id)

    def lose_log(self, applied: Collection[Known]) -> None:
        """The log is not what it was. Of what was promised only that is due which is `applied`, so in the store."""
        self.due = {number: reports for number, reports in self.due.items() if reports <= set(applied)}
        self._off_the_log = set(self.due)
        self.due_letters.clear()
        self.due_raw.clear()

    def lose_store(self, applied: Collection[Known]) -> None:
        """The store is not what it was. All is due that the log still has, and the rest where it is `applied`."""
        gone = {number for number in self._off_the_log if not self.due[number] <= set(applied)}
        self.due = {number: reports for number, reports in self.due.items() if number not in gone}
        self._off_the_log -= gone


def _reports(taken: Taken) -> list[Report]:
    return [decode(Report, record.value) for record in taken.records if record.topic in _REPORTS]


def _known(report: Report) -> Known:
    return Known(report.id, report.proof is not Proof.NONE)
