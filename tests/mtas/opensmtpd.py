"""A real OpenSMTPD on loopback.

The portable OpenSMTPD of Debian.  smtpd.conf(5) reads from top to bottom: an action for each kind of destination, then
the matches that choose one, first match wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from tests.mtas.mta import Mta

SMTPD_ID = 62504
QUEUE_ID = 62505
RETRY_SECONDS = 3


class OpenSmtpd(Mta):
    """OpenSMTPD, running between start() and stop(); the parameters are Mta's."""

    name: ClassVar[str] = "opensmtpd"
    title: ClassVar[str] = "OpenSMTPD"
    packages: ClassVar[Sequence[str]] = ("opensmtpd",)
    users: ClassVar[Mapping[str, int]] = {"opensmtpd": SMTPD_ID, "opensmtpq": QUEUE_ID}
    peculiarities: ClassVar[Sequence[str]] = (
        "The report is `multipart/mixed`, not `multipart/report`.",
        "There is no Diagnostic-Code; the other host's reply stands in the text part alone.",
        "A failure's Status is 5.0.0, whatever the reply said.",
        "A message that is given up is called `delayed` with Status 4.4.7 and a text that promises more attempts; "
        "only `Envelope expired` in the text part tells that it is over.",
        "A message that fails at several hosts makes several reports; one of them is kept here.",
        "The part called text/rfc822-headers holds the body too.",
    )

    def configure(self) -> None:
        """Write smtpd.conf and its tables; the queue's folders it makes itself."""
        self.write("/etc/smtpd.conf", "".join(f"{line}\n" for line in self._lines()))
        self.write("/etc/smtpd/aliases", "".join(f"{alias}: {target}\n" for alias, target in self.aliases.items()))
        self.write("/etc/aliases", 'broken-command: "|exit 69"\n')
        self.give("/usr/sbin/smtpctl", group="opensmtpq", mode=0o2755)
        self.make_folder("/var/lib/opensmtpd/empty")
        self.make_folder("/var/mail", mode=0o1777)
        self.make_folder("/var/spool/smtpd", mode=0o711)

    def command(self) -> Sequence[str]:
        """smtpd in the foreground, logging to its standard error.

        It retries after 400 seconds at first, and a message's end is only noticed when it is retried, so something has
        to ask.
        """
        retry = f"while sleep {RETRY_SECONDS}; do smtpctl schedule all; done"
        return ["/bin/sh", "-c", f"({retry}) & exec /usr/sbin/smtpd -d"]

    def _lines(self) -> list[str]:
        actions = ['action "elsewhere" relay' + (f" host smtp://{self.relay}" if self.relay else "")]
        matches = []
        if self.local_domain:
            actions.append('action "here" mbox alias <mailboxes>')
            matches.append(f'match from any for domain "{self.local_domain}" action "here"')
        for domain in sorted({alias.rpartition("@")[2] for alias in self.aliases}):
            matches.append(f'match from any for domain "{domain}" action "forward"')
        if self.aliases:
            actions.append('action "forward" expand-only virtual <aliases>')
        for domain, address in self.routes.items():
            actions.append(f'action "to {domain}" relay host smtp://{address}')
            matches.append(f'match from any for domain "{domain}" action "to {domain}"')
        return [*self._settings(), *actions, *matches, 'match from any for any action "elsewhere"']

    def _settings(self) -> list[str]:
        warning = [f"bounce warn-interval {self.delay_warning_seconds}s"] if self.delay_warning_seconds else []
        return [
            "table mailboxes file:/etc/aliases",
            "table aliases file:/etc/smtpd/aliases",
            f"queue ttl {self.queue_lifetime_seconds}s",
            *warning,
            f"listen on {self.submission.host} port {self.submission.port} hostname {self.hostname}",
        ]
