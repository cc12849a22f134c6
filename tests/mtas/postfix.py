"""A real Postfix on loopback.

Takes mail for any domain from loopback, and delivers by its transport table: a domain in `routes` goes to that
host and port, all others to `relay` if there is one, and otherwise wherever DNS says.  Its own bounces are mail from the null
sender to the envelope sender's domain, so they take the same table: route the domain of the return path to our MX.

    with Postfix(routes={"example.net": refusing.address, "bounces.localhost": mx.address}) as postfix:
        smtplib.SMTP(*postfix.submission).sendmail("bounces+x@bounces.localhost", ["unknown-user@example.net"], message)

Times are seconds where a real one has days: the queue is looked through every second, so a deferred message is retried
at once and expires after `queue_lifetime_seconds`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tests.mtas.addresses import HostPort
from tests.mtas.mta import Mta

# Ids of no user: in their own root they mean nobody else, and in the host's process list they stand out.
POSTFIX_ID = 62501
POSTDROP_ID = 62502
# postfix-script(1) would make these from postfix-files; without it the start takes 0.3 s instead of 2.
QUEUE_FOLDERS = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace")


class Postfix(Mta):
    """Postfix, running between start() and stop(); the parameters are Mta's.  Override parameters() for more of main.cf.

    main_cf: lines for the end of main.cf, where the last word on a parameter is the one that counts.
    """

    name: ClassVar[str] = "postfix"
    title: ClassVar[str] = "Postfix"
    packages: ClassVar[Sequence[str]] = ("postfix",)
    users: ClassVar[Mapping[str, int]] = {"postfix": POSTFIX_ID, "postdrop": POSTDROP_ID}

    def __init__(self, *, main_cf: str = "", **parameters: Any) -> None:
        super().__init__(**parameters)
        self._main_cf = main_cf

    def configure(self) -> None:
        """Write main.cf, master.cf, the tables and the queue's folders."""
        parameters = "".join(f"{name} = {value}\n" for name, value in self.parameters().items())
        self.write("/etc/postfix/main.cf", parameters + self._main_cf)
        self.write("/etc/postfix/master.cf", _master_cf(self.submission))
        self.write(
            "/etc/postfix/transport",
            "".join(f"{domain} smtp:[{host}]:{port}\n" for domain, (host, port) in self.routes.items()),
        )
        self.write("/etc/postfix/virtual", "".join(f"{alias} {target}\n" for alias, target in self.aliases.items()))
        # texthash takes no colon after the name, unlike newaliases(1).
        self.write("/etc/aliases", 'broken-command "|exit 69"\n')
        self.make_folder("/var/mail", mode=0o1777)
        self._make_queue()

    def command(self) -> Sequence[str]:
        """master(8) in the foreground (-d: do not detach, do not become a session leader)."""
        return ["/usr/lib/postfix/sbin/master", "-d"]

    def flush(self) -> None:
        """Try to deliver everything in the queue now."""
        self.run("postqueue", "-f")

    def parameters(self) -> dict[str, str]:
        """What main.cf says."""
        host, port = self.relay or ("", 0)
        return {
            "compatibility_level": "3.6",
            "myhostname": self.hostname,
            "mydestination": self.local_domain or "",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "relayhost": f"[{host}]:{port}" if self.relay else "",
            # texthash: read at the start, so no table needs compiling and no Berkeley DB is made.
            "transport_maps": "texthash:/etc/postfix/transport",
            "virtual_alias_maps": "texthash:/etc/postfix/virtual",
            "alias_maps": "texthash:/etc/aliases",
            "local_recipient_maps": "",  # take mail for anyone, so that local(8) bounces it
            "maillog_file": "/var/log/mail.log",
            "smtputf8_enable": "yes",
            "smtputf8_autodetect_classes": "all",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtpd_peername_lookup": "no",  # 127.0.0.1 has a name in /etc/hosts only
            "message_size_limit": "1000000",
            "queue_run_delay": "1s",
            # Not sooner: a message that comes up again while its last delivery has just ended is put away for minutes
            # ("skipped, still being delivered").
            "minimal_backoff_time": "3s",
            "maximal_backoff_time": "4s",
            "maximal_queue_lifetime": f"{self.queue_lifetime_seconds}s",
            "bounce_queue_lifetime": f"{self.queue_lifetime_seconds}s",
            "delay_warning_time": f"{self.delay_warning_seconds}s",
            # A delivery agent that failed once on a busy machine is tried again at once, not after a minute.
            "transport_retry_time": "1s",
            "service_throttle_time": "1s",
            "smtp_connect_timeout": "5s",
            "smtp_helo_timeout": "5s",
            # A connection that is kept for the next message to the same domain; with it, and with a destination that
            # is written off after one bad one, the cases would disturb each other.
            "smtp_connection_cache_on_demand": "no",
            "default_destination_concurrency_failed_cohort_limit": "0",
            "smtp_address_preference": "ipv4",
            "default_process_limit": "20",
        }

    def _make_queue(self) -> None:
        queue = "/var/spool/postfix"
        self.make_folder(queue)
        self.make_folder(f"{queue}/pid")
        for folder in QUEUE_FOLDERS:
            self.make_folder(f"{queue}/{folder}", owner="postfix", mode=0o700)
        self.make_folder(f"{queue}/maildrop", owner="postfix", group="postdrop", mode=0o730)
        self.make_folder(f"{queue}/public", owner="postfix", group="postdrop", mode=0o710)
        self.make_folder("/var/lib/postfix", owner="postfix")
        for program in ("postdrop", "postqueue"):
            self.give(f"/usr/sbin/{program}", group="postdrop", mode=0o2555)


def _master_cf(submission: HostPort) -> str:
    """Debian's services without their chroot, which would be a second one inside ours and need its own /etc."""
    services = f"""\
        {submission}  inet  n - n -     - smtpd
        pickup     unix  n - n 60    1 pickup
        cleanup    unix  n - n -     0 cleanup
        qmgr       unix  n - n 300   1 qmgr
        tlsmgr     unix  - - n 1000? 1 tlsmgr
        rewrite    unix  - - n -     - trivial-rewrite
        bounce     unix  - - n -     0 bounce
        defer      unix  - - n -     0 bounce
        trace      unix  - - n -     0 bounce
        verify     unix  - - n -     1 verify
        flush      unix  n - n 1000? 0 flush
        proxymap   unix  - - n -     - proxymap
        proxywrite unix  - - n -     1 proxymap
        smtp       unix  - - n -     - smtp
        relay      unix  - - n -     - smtp
        showq      unix  n - n -     - showq
        error      unix  - - n -     - error
        retry      unix  - - n -     - error
        discard    unix  - - n -     - discard
        local      unix  - n n -     - local
        virtual    unix  - n n -     - virtual
        anvil      unix  - - n -     1 anvil
        scache     unix  - - n -     1 scache
        postlog    unix-dgram n - n - 1 postlogd
        """
    return "".join(f"{line.strip()}\n" for line in services.splitlines())
