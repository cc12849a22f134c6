"""A real Sendmail on loopback.

Sendmail is configured by m4 macros that write sendmail.cf, so the root holds m4 and makes it at each start.  A mailer
is a way to deliver with its arguments, the port among them, so every route has a mailer of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from tests.mtas.mta import Mta

SMMTA_ID = 62506
SMMSP_ID = 62507
QUEUE_RUN_SECONDS = 1
CF_FOLDER = "/usr/share/sendmail/cf"


class Sendmail(Mta):
    """Sendmail, running between start() and stop(); the parameters are Mta's."""

    name: ClassVar[str] = "sendmail"
    title: ClassVar[str] = "Sendmail"
    packages: ClassVar[Sequence[str]] = ("sendmail-bin", "m4")
    users: ClassVar[Mapping[str, int]] = {"smmta": SMMTA_ID, "smmsp": SMMSP_ID, "mail": 8, "daemon": 1}
    peculiarities: ClassVar[Sequence[str]] = (
        "The text part has no header of its own, and holds a transcript of the dialogue (`>>>`, `<<<`).",
        "Action may carry a comment: `relayed (to non-DSN-aware mailer)`, `delivered (to mailbox)`.",
        "A recipient that was only ever refused for a while ends as failed with Status 4.4.7.",
        "A reply without an enhanced status code is given one by its basic code: 550 becomes 5.1.1.",
        "A reply that contradicts itself (550 4.2.2) loses its Diagnostic-Code, and is called 5.1.1.",
        "Of a reply of several lines only the first is in Diagnostic-Code.",
        "Eight-bit replies are copied into the report as they are, in whatever encoding.",
        "Replies that Sendmail makes up itself look like the other host's (`SMTP; 550 Host unknown`); where it makes up none "
        "there is no Diagnostic-Code, or an empty one.",
        "Remote-MTA is the domain or host looked for, even if nobody was reached.",
    )

    def configure(self) -> None:
        """Write sendmail.mc, have m4 make sendmail.cf of it, and write the tables."""
        self.write("/etc/mail/sendmail.mc", self._macros())
        self.write("/etc/mail/sendmail.cf", self.run("m4", "/etc/mail/sendmail.mc"))
        self.write("/etc/mail/submit.cf", "")
        self.write("/etc/mail/mailertable", "".join(f"{domain} {mailer}\n" for domain, mailer in self._mailers()))
        self.write("/etc/mail/virtusertable", "".join(f"{alias} {to}\n" for alias, to in self.aliases.items()))
        self.write("/etc/mail/aliases", 'broken-command: "|exit 69"\n')
        self.make_folder("/var/spool/mqueue", mode=0o700)
        self.make_folder("/var/mail", mode=0o1777)
        self.run("/usr/libexec/sendmail/sendmail", "-bi")

    def command(self) -> Sequence[str]:
        """The daemon in the foreground (-bD), going through its queue all the time."""
        return ["/usr/libexec/sendmail/sendmail", "-bD", f"-q{QUEUE_RUN_SECONDS}s"]

    def _mailers(self) -> list[tuple[str, str]]:
        """For each route its domain and what mailertable says of it."""
        return [(domain, f"route{i}:[{to.host}]") for i, (domain, to) in enumerate(self.routes.items())]

    def _macros(self) -> str:
        options = {
            "confDOMAIN_NAME": self.hostname,
            "confTO_QUEUERETURN": f"{self.queue_lifetime_seconds}s",
            "confTO_QUEUEWARN": f"{self.delay_warning_seconds}s" if self.delay_warning_seconds else "0",
            "confMIN_QUEUE_AGE": "0",
            "confTO_ICONNECT": "5s",
            "confTO_CONNECT": "5s",
            "confTO_INITIAL": "5s",
            "confTO_IDENT": "0s",
            "confMCI_CACHE_SIZE": "0",
            "confDONT_PROBE_INTERFACES": "True",
            "confBAD_RCPT_THROTTLE": "0",
            # Otherwise a host that was in trouble with one message is in trouble, with that reply, for all others.
            "confSEPARATE_PROC": "True",
            "confPID_FILE": "/run/sendmail.pid",
        }
        lines = [
            f"include(`{CF_FOLDER}/m4/cf.m4')",
            "OSTYPE(`linux')",
            *(f"define(`{name}', `{value}')" for name, value in options.items()),
            "define(`ALIAS_FILE', `/etc/mail/aliases')",
            "undefine(`confHOST_STATUS_DIRECTORY')",
            *self._features(),
            f"DAEMON_OPTIONS(`Name=MTA, Addr={self.submission.host}, Port={self.submission.port}')",
            "MAILER(`local')",
            "MAILER(`smtp')",
            "MAILER_DEFINITIONS",
            *self._mailer_definitions(),
        ]
        return "".join(f"{line}\n" for line in lines)

    def _features(self) -> list[str]:
        lines = [
            "FEATURE(`promiscuous_relay')",
            "FEATURE(`accept_unresolvable_domains')",
            "FEATURE(`nocanonify')",
            "FEATURE(`no_default_msa')",
            "FEATURE(`local_lmtp', `/usr/libexec/sendmail/mail.local')",
            "FEATURE(`mailertable', `text -k0 -v1 /etc/mail/mailertable')",
            "FEATURE(`virtusertable', `text -k0 -v1 /etc/mail/virtusertable')",
        ]
        lines += [f"VIRTUSER_DOMAIN(`{domain}')" for domain in {alias.rpartition("@")[2] for alias in self.aliases}]
        if self.local_domain:
            lines.append(f"LOCAL_DOMAIN(`{self.local_domain}')")
        if self.relay:
            lines.append(f"define(`SMART_HOST', `relayhost:[{self.relay.host}]')")
        return lines

    def _mailer_definitions(self) -> list[str]:
        relay = [("relayhost", self.relay.port)] if self.relay else []
        routes = [(f"route{i}", to.port) for i, to in enumerate(self.routes.values())]
        return [_MAILER.format(name=name, port=port) for name, port in [*relay, *routes]]


# The esmtp mailer of cf/mailer/smtp.m4 with another port; the rule sets are its.
_MAILER = """\
M{name}, P=[IPC], F=mDFMuXa, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP, E=\\r\\n, L=990,
\t\tT=DNS/RFC822/SMTP,
\t\tA=TCP $h {port}"""
