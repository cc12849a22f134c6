"""`nullsender up`: everything on one machine, each role a process of its own under one supervisor.

The roles' numbers meet in one folder, which the metrics library looks for when it is first imported: so this module imports
what counts anything only after `run` has said where that folder is.
"""

import argparse
import logging
import shutil
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import BinaryIO

from nullsender import config
from nullsender.cli.running.beats import living
from nullsender.config import Endpoint, Settings
from nullsender.errors import Misconfigured
from nullsender.file_lock import locked

ROLES = ("mx", "classify", "suppress", "follow", "jobs", "api", "doors")
_BOUNCE = Path(__file__).parents[2] / "fixtures" / "mail" / "postfix" / "unknown-user.eml"  # one that a real Postfix wrote
_READY_POLL_SECONDS = 0.1
_ANSWER_SECONDS_MAX = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the two servers listen."""
    parser.add_argument("--smtp", metavar="HOST:PORT", help="where the MX listens (default: 127.0.0.1:2525)")
    parser.add_argument("--http", metavar="HOST:PORT", help="where the API listens (default: 127.0.0.1:8080)")


def run(arguments: argparse.Namespace) -> int:
    """Prepare the data folder, start every role, say where everything is, and keep the roles running until told to stop."""
    flags = {name: value for name in ("data", "smtp", "http") if (value := getattr(arguments, name)) is not None}
    settings = config.load(flags, file=arguments.config)
    # Absolute before anything is made in it: the roles get it by their environment.
    settings = settings.model_copy(update={"data": settings.data.absolute()})
    with _only_one(settings.data):
        _require_free(settings.smtp, "--smtp")
        _require_free(settings.http, "--http")
        for name, listener in settings.doors.listeners():
            if isinstance(listener.where, Endpoint):
                _require_free(listener.where, f"doors.{name}")
        shutil.rmtree(settings.metrics_folder, ignore_errors=True)
        settings.metrics_folder.mkdir()
        config.share_metrics(settings.metrics_folder)
        _supervise(settings, arguments.config)
    return 0


def _supervise(settings: Settings, file: Path | None) -> None:
    from nullsender.cli import keys, parts, store_parts
    from nullsender.cli.mx import mx_settings
    from nullsender.cli.running.heart import Heart
    from nullsender.cli.running.notify import Notify
    from nullsender.cli.running.stopping import stop_on_signals
    from nullsender.cli.running.supervise import Supervisor
    from nullsender.telemetry import start_logging

    start_logging(settings.log_level)
    for variable in config.unknown_variables():
        logging.getLogger("up").warning("there is no such setting", extra={"facts": {"variable": variable}})
    stop = stop_on_signals(supervised=False)
    mx_settings(settings)  # a certificate that is none is told before anything starts
    for sentence in store_parts.migrate(settings):
        print(sentence, flush=True)
    first_key = keys.ensure_first_key(store_parts.open_store(settings), settings.bootstrap_key)
    if first_key is not None:
        print(f"API key with every scope, shown this once: {first_key}", flush=True)
    if settings.doors.is_open:
        from nullsender.cli.doors import door_settings

        door_settings(settings)  # and a view that is none
    commands = {name: [sys.executable, "-m", "nullsender.cli", role, "--supervised"] for name, role in processes(settings)}
    supervisor = Supervisor(
        commands,
        environment=config.environment_for(settings, file),
        metrics_folder=settings.metrics_folder,
        clock=parts.CLOCK,
    )
    threading.Thread(target=_say_when_ready, args=(settings, first_key), daemon=True, name="ready").start()
    with Heart("up", settings.health_folder, stop=stop, clock=parts.CLOCK, notify=Notify(config.notify_socket())) as heart:
        supervisor.run(heart.pulse("the supervisor"))


def processes(settings: Settings) -> list[tuple[str, str]]:
    """The name and the role of every process that is to run; those of a role that has several are numbered."""
    up = settings.up
    counts = {name: getattr(up, name) for name in type(up).model_fields} | {"doors": int(settings.doors.is_open)}
    return [
        (role if counts.get(role, 1) == 1 else f"{role}-{number}", role)
        for role in ROLES
        for number in range(1, counts.get(role, 1) + 1)
    ]


def _only_one(data: Path) -> BinaryIO:
    """The lock on the data folder; it goes with this process, however that ends."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = locked(data / "up.lock")
    except OSError as error:
        raise Misconfigured(f"the data folder {data} can not be used: {error.strerror}. Name another with --data") from error
    if lock is None:
        raise Misconfigured(f"nullsender already runs on {data}: stop it, or use another folder with --data")
    return lock


def _require_free(endpoint: Endpoint, flag: str) -> None:
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the servers do: the shadow of a closed connection is no user.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(endpoint)
        except OSError as error:
            raise Misconfigured(f"{endpoint} can not be listened on ({error.strerror}): choose another with {flag}") from error


def _say_when_ready(settings: Settings, first_key: str | None) -> None:
    while not (_greets(settings.smtp) and _is_ready(settings.http) and _are_open(settings)):
        time.sleep(_READY_POLL_SECONDS)
    print(greeting(settings, first_key), flush=True)


def _are_open(settings: Settings) -> bool:
    return not settings.doors.is_open or any(beat.role == "doors" and beat.ready for beat in living(settings.health_folder))


def _greets(endpoint: Endpoint) -> bool:
    try:
        with socket.create_connection(_reachable(endpoint), timeout=_ANSWER_SECONDS_MAX) as connection:
            return connection.recv(4) == b"220 "
    except OSError:
        return False


def _is_ready(endpoint: Endpoint) -> bool:
    try:
        with urllib.request.urlopen(f"http://{_reachable(endpoint)}/readyz", timeout=_ANSWER_SECONDS_MAX) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _reachable(endpoint: Endpoint) -> Endpoint:
    """An address to reach a server at that listens on every interface."""
    return endpoint._replace(host={"0.0.0.0": "127.0.0.1", "::": "::1"}.get(endpoint.host, endpoint.host))  # noqa: S104


def greeting(settings: Settings, first_key: str | None) -> str:
    """What a person sees when everything runs: where it is, the first key once, and three lines to try."""
    smtp, http, domain = _reachable(settings.smtp), _reachable(settings.http), settings.domains[0]
    key, whose = first_key or "$KEY", "printed above"
    if settings.bootstrap_key is not None:
        key, whose = "$NULLSENDER_BOOTSTRAP_KEY", "the one that you set"
    elif first_key is None:
        whose = "that of the first start, called $KEY below (another: nullsender keys create NAME)"
    check = f'curl -s -H "Authorization: Bearer {key}" "http://{http}/v1/check?address=unknown-user@example.net"'
    return f"""
nullsender is ready.
  MX (SMTP): {smtp} for {", ".join(settings.domains)}
  API:       http://{http} (described at http://{http}/openapi.json)
{_doors_in_words(settings)}  API key:   {whose}
  data:      {settings.data}

Try it:
  {check}
  curl -s --url smtp://{smtp} --mail-from "" --mail-rcpt bounces@{domain} -T {_BOUNCE}
  {check}

Ctrl-C stops it; the next start goes on where it was.
"""


def _doors_in_words(settings: Settings) -> str:
    """A line for each door that is open."""
    return "".join(f"  {name + ':':10} {listener}\n" for name, listener in settings.doors.listeners())
