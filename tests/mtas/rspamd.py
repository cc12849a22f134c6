"""A real rspamd on loopback: it is handed messages as a mail server's milter would hand them, over HTTP.

Debian's configuration with everything switched off but the modules that are asked for, so that it starts in a second and
asks no one but `nameserver`.
"""

from __future__ import annotations

import http.client
import json
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tests.mtas.addresses import HostPort
from tests.mtas.mta import Mta
from tests.waiting import wait_for

RSPAMD_ID = 62504
ANSWER_SECONDS_MAX = 10.0


class Rspamd(Mta):
    """rspamd, running between start() and stop(); `submission` is its port for messages.

    files: path below /etc/rspamd -> text, such as `local.d/rbl.conf`.
    resolver: where it asks DNS.
    """

    name: ClassVar[str] = "rspamd"
    title: ClassVar[str] = "rspamd"
    packages: ClassVar[Sequence[str]] = ("rspamd",)
    users: ClassVar[Mapping[str, int]] = {"_rspamd": RSPAMD_ID}

    def __init__(self, files: Mapping[str, str], *, resolver: HostPort, modules: Sequence[str] = ("rbl",)) -> None:
        super().__init__()
        self._files = files
        self._resolver = resolver
        self._modules = modules

    def configure(self) -> None:
        """Write the files, ours of the test last."""
        worker = f'bind_socket = "{self.submission}";\ncount = 1;\n'
        self.write("/etc/rspamd/override.d/worker-normal.inc", worker)
        for other in ("worker-controller", "worker-proxy", "worker-fuzzy"):
            self.write(f"/etc/rspamd/override.d/{other}.inc", "enabled = false;\n")
        resolver = f'dns {{ nameserver = ["{self._resolver.host}:{self._resolver.port}:1"]; }}\n'
        self.write("/etc/rspamd/override.d/options.inc", f'{resolver}filters = "";\nurl_tld = "/etc/rspamd/tld";\n')
        self.write("/etc/rspamd/tld", "com\nnet\n")  # compiling all ten thousand of them takes a minute
        self.write("/etc/rspamd/override.d/logging.inc", 'type = "console";\n')
        for module in (self.root / "etc/rspamd/modules.d").glob("*.conf"):
            if module.stem not in self._modules:
                module.unlink()
        for path, text in self._files.items():
            self.write(f"/etc/rspamd/{path}", text)
        for folder in ("/var/lib/rspamd", "/run/rspamd", "/var/log/rspamd"):
            self.make_folder(folder, owner="_rspamd")

    def command(self) -> Sequence[str]:
        """The daemon in the foreground."""
        return ["/usr/bin/rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd", "-c", "/etc/rspamd/rspamd.conf"]

    def wait_until_it_answers(self) -> bool:
        """It says pong."""
        return wait_for(lambda: not self._is_alive() or self._pongs(), what="rspamd to answer", seconds=30) and self._is_alive()

    def _pongs(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.submission}/ping", timeout=1) as answer:
                return bool(answer.read().strip() == b"pong")
        except OSError:
            return False

    def looked_at(self, message: bytes, *, sender: str, recipients: Sequence[str], user: str = "") -> dict[str, Any]:
        """What it finds in a message on its way to `recipients`: `symbols` by name, `action` and more."""
        headers = [("From", sender), ("IP", "192.0.2.1"), ("Helo", "shop.example.com"), *[("Rcpt", to) for to in recipients]]
        connection = http.client.HTTPConnection(*self.submission, timeout=ANSWER_SECONDS_MAX)
        connection.putrequest("POST", "/checkv2")
        for name, value in [*headers, *([("User", user)] if user else []), ("Content-Length", str(len(message)))]:
            connection.putheader(name, value)
        connection.endheaders(message)
        found: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return found
