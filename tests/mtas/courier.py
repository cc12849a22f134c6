"""A real Courier on loopback.

Courier is many small files, one setting each, and several daemons: courierd keeps the queue, esmtpd takes mail,
courierfilter stands between them and authdaemond knows who has a mailbox.  Debian's package sets owners and modes in
its installation script, which is never run here, so this file says them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from tests.mtas.mta import HOME, NOBODY, READER, Mta
from tests.mtas.stub_dns import StubDns

COURIER_ID = 62508
RETRY_SECONDS = 2

_START = """\
authdaemond start
courierfilter start
courier start
esmtpd start
exec sleep infinity
"""


class Courier(Mta):
    """Courier, running between start() and stop(); the parameters are Mta's."""

    name: ClassVar[str] = "courier"
    title: ClassVar[str] = "Courier"
    packages: ClassVar[Sequence[str]] = ("courier-mta",)
    users: ClassVar[Mapping[str, int]] = {"courier": COURIER_ID, "daemon": 1}
    peculiarities: ClassVar[Sequence[str]] = (
        "Debian's Courier sends no bounce for mail that came by SMTP; here that is allowed (ESMTP_BLOCKBACKSCATTER).",
        "A failure's Status is always 5.0.0, a delay's always 4.0.0; only the Diagnostic-Code tells more.",
        "A recipient that was only ever refused for a while ends as failed with 5.0.0 and the last 4xx reply, nothing else.",
        "What is not a reply stands as `Diagnostic-Code: unknown; …` (RFC 3464 wants `smtp` or an `x-` name).",
        "Remote-MTA holds name and address; Subject is `NOTICE: mail delivery status.` for failures and successes alike.",
        "Eight-bit replies and addresses are copied into the report as they are, under `rfc822;`.",
    )
    _dns: StubDns | None = None

    def start(self) -> None:
        """As Mta.start(), and with a DNS server that knows nothing if none was given.

        Courier asks DNS for the MTA-STS policy (RFC 8461) even of a route, and waits a minute if nobody answers.
        """
        if self.nameserver == NOBODY:
            self.nameserver = f"127.53.{self.submission.port >> 8}.{self.submission.port & 255}"  # ours as the port is
            self._dns = StubDns({}, host=self.nameserver)
            self._dns.start()
        super().start()

    def stop(self) -> None:
        """As Mta.stop()."""
        super().stop()
        if self._dns is not None:
            self._dns.stop()
            self._dns, self.nameserver = None, NOBODY

    def configure(self) -> None:
        """Write the settings, compile the tables, and set owners and modes."""
        for name, value in self._settings().items():
            self.write(f"/etc/courier/{name}", f"{value}\n" if value else "")
        self._append("/etc/courier/esmtpd", self._esmtpd())
        # Debian's default is to send no bounce for mail that came by SMTP.
        self._append("/etc/courier/courierd", 'ESMTP_BLOCKBACKSCATTER=""\n')
        self.write("/etc/environment", "")
        self._set_owners()
        self.run("makealiases")

    def command(self) -> Sequence[str]:
        """The daemons, each of which goes to the background, and a process that stays."""
        return ["/bin/sh", "-c", _START]

    def _settings(self) -> Mapping[str, str]:
        routes = [f"{domain}:[{host}],{port}" for domain, (host, port) in self.routes.items()]
        relay = [f":[{self.relay.host}],{self.relay.port}"] if self.relay else []
        return {
            "me": self.hostname,
            "defaultdomain": self.hostname,
            "locals": self.local_domain or "localhost",
            "esmtproutes": "\n".join([*routes, *relay]),
            "aliasdir/.courier-broken-command": "|exit 69",
            "aliases/system": "\n".join(f"{alias}: {target}" for alias, target in self.aliases.items()),
            "queuetime": f"{self.queue_lifetime_seconds}s",
            "warntime": f"{self.delay_warning_seconds}s" if self.delay_warning_seconds else "7d",
            "retryalpha": f"{RETRY_SECONDS}s",
            "retrybeta": "1",
            "retrygamma": f"{RETRY_SECONDS}s",
            "retrymaxdelta": "1",
            "esmtptimeoutconnect": "5s",
            "esmtptimeouthelo": "5s",
            "esmtptimeoutkeepalive": "0",
            "esmtpdelay": "0",
            "sizelimit": "1000000",
        }

    def _esmtpd(self) -> str:
        return (
            f"PORT={self.submission.port}\nADDRESS={self.submission.host}\nRELAYCLIENT=\nBOFHCHECKDNS=0\nTARPIT=0\n"
            'TCPDOPTS="$TCPDOPTS -nodnslookup"\nMAXPERIP=40\nMAXPERC=40\nESMTP_TLS_VERIFY_DOMAIN=0\nCOURIERTLS=\n'
        )

    def _set_owners(self) -> None:
        self.make_folder("/run/courier", group="courier", mode=0o775)
        self.make_folder("/run/courier/authdaemon", owner="courier", mode=0o750)
        self.make_folder("/etc/courier/filters/active", group="courier", mode=0o750)
        self.make_folder("/var/lib/courier", owner="courier", mode=0o755)
        for folder in ("allfilters", "filters", "msgq", "msgs", "track"):
            self.make_folder(f"/var/lib/courier/{folder}", owner="courier", mode=0o750)
        self.make_folder("/var/lib/courier/tmp", owner="courier", mode=0o770)
        for folder in ("", "/Maildir", "/Maildir/cur", "/Maildir/new", "/Maildir/tmp"):
            self.make_folder(f"{HOME}{folder}", owner=READER, mode=0o700)
        self.give("/usr/lib/courier/courier/submitmkdir", owner="courier", group="courier", mode=0o4755)

    def _append(self, path: str, text: str) -> None:
        self.write(path, (self.root / path.lstrip("/")).read_text() + "\n" + text)
