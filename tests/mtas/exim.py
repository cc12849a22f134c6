"""A real Exim on loopback.

Debian's `exim4-daemon-heavy`, with one configuration file in the order in which Exim reads it: routers say where an
address goes (own domain, aliases, routes, relay, DNS), transports how.  Its bounces go through the same routers.
A queue runner starts every two seconds, and so does the only retry rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tests.mtas.mta import READER, Mta

EXIM_ID = 62503
RETRY_SECONDS = 2


class Exim(Mta):
    """Exim, running between start() and stop(); the parameters are Mta's.

    main: lines for the main section, macros for instance.
    at_rcpt: what the ACL for RCPT does before it accepts.
    routers: routers that are asked before the others.
    """

    name: ClassVar[str] = "exim"
    title: ClassVar[str] = "Exim"
    packages: ClassVar[Sequence[str]] = ("exim4-daemon-heavy",)
    users: ClassVar[Mapping[str, int]] = {"Debian-exim": EXIM_ID}
    peculiarities: ClassVar[Sequence[str]] = (
        "A failure's Status is always 5.0.0, a delay's always 4.0.0; only the Diagnostic-Code tells more.",
        "A recipient that was only ever refused for a while ends as failed with 5.0.0 and `4xx …: retry timeout exceeded`.",
        "Without a reply from another host there is no Diagnostic-Code; the reason stands in the text part alone.",
        "Final-Recipient is the address before the MTA's own aliases.",
        "A success is `delivered` even if the next host does not know DSN, where RFC 3461 says `relayed`.",
    )

    def __init__(self, *, main: str = "", at_rcpt: str = "", routers: str = "", **parameters: Any) -> None:
        super().__init__(**parameters)
        self._main_lines = main
        self._at_rcpt = at_rcpt
        self._routers = routers

    def configure(self) -> None:
        """Write the configuration and the tables that its routers look into."""
        routers = "\n".join(
            [self._routers, *self._local_routers(), _ALIASES, _ROUTES, self._relay_router() if self.relay else _DNS]
        )
        sections = [self._main(), self._acl(), f"begin routers\n{routers}", _TRANSPORTS, self._retry(), "begin rewrite\n"]
        self.write("/etc/exim4/exim4.conf", "\n".join(sections))
        self.write("/etc/exim4/routes", "".join(f"{domain}: {_host(to)}\n" for domain, to in self.routes.items()))
        self.write("/etc/exim4/aliases", "".join(f"{alias}: {to}\n" for alias, to in self.aliases.items()))
        self.make_folder("/var/spool/exim4", owner="Debian-exim", mode=0o750)
        self.make_folder("/var/log/exim4", owner="Debian-exim", mode=0o750)
        self.make_folder("/var/mail", mode=0o1777)

    def command(self) -> Sequence[str]:
        """The daemon in the foreground, with its queue runners."""
        return ["/usr/sbin/exim4", "-bdf", f"-q{RETRY_SECONDS}s"]

    def _main(self) -> str:
        return f"""\
{self._main_lines}
primary_hostname = {self.hostname}
local_interfaces = <; [{self.submission.host}]:{self.submission.port}
disable_ipv6 = true
log_file_path = /var/log/exim4/%slog
acl_smtp_rcpt = acl_check_rcpt
tls_advertise_hosts =
host_lookup =
keep_environment =
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
delay_warning = {f"{self.delay_warning_seconds}s" if self.delay_warning_seconds else ""}
message_size_limit = 1M
queue_run_max = 20
smtp_accept_queue_per_connection = 0
# A bounce that cannot be delivered is of no use to anyone here.
ignore_bounce_errors_after = 0s
"""

    def _acl(self) -> str:
        return f"begin acl\nacl_check_rcpt:\n{self._at_rcpt}\n  accept\n"

    def _local_routers(self) -> list[str]:
        return [_LOCAL.format(domain=self.local_domain, reader=READER)] if self.local_domain else []

    def _relay_router(self) -> str:
        assert self.relay is not None
        return f"relay:\n  driver = manualroute\n  route_list = * {_host(self.relay)}\n  self = send\n  transport = smtp\n"

    def _retry(self) -> str:
        return f"begin retry\n* * F,{self.queue_lifetime_seconds}s,{RETRY_SECONDS}s\n"


def _host(address: tuple[str, int]) -> str:
    """A host and port as Exim's host lists write it: the colon that separates hosts is doubled."""
    host, port = address
    return f"{host}::{port}"


# Debian leaves an address of an unknown local user without a router: "Unrouteable address".
_LOCAL = """\
reader:
  driver = accept
  domains = {domain}
  local_parts = {reader}
  transport = mailbox

broken_command:
  driver = accept
  domains = {domain}
  local_parts = broken-command
  transport = broken_command

unknown_user:
  driver = redirect
  domains = {domain}
  allow_fail
  data = :fail: Unknown user
"""

_ALIASES = """\
aliases:
  driver = redirect
  data = ${lookup{$local_part@$domain}lsearch{/etc/exim4/aliases}}
"""

# self: ours listen on loopback, which Exim otherwise takes for itself.
_ROUTES = """\
routes:
  driver = manualroute
  route_data = ${lookup{$domain}lsearch{/etc/exim4/routes}}
  self = send
  transport = smtp
"""

_DNS = """\
dns:
  driver = dnslookup
  self = fail
  transport = smtp
  no_more
"""

_TRANSPORTS = """\
begin transports
smtp:
  driver = smtp
  connect_timeout = 5s
  command_timeout = 5s
  hosts_try_fastopen =
  hosts_try_dane =

mailbox:
  driver = appendfile
  file = /var/mail/reader
  user = reader

broken_command:
  driver = pipe
  command = /bin/sh -c "exit 69"
  user = reader
  return_fail_output
"""
