"""Every door, open on real sockets over one small installation, and somebody who asks through each of them.

A door of its own kind joins the table of `test_doors.py` with an `Asker` in `askers`.
"""

import asyncio
import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import quote

import dns.message
import dns.query
import dns.rcode
import httpx
import uvloop

from api.doors.dns_asking import LookupByDigest
from api.doors.dns_directory import Directory
from api.doors.dns_zone import CODES, HASHINGS, Zone
from api.doors.milter_wire import packet
from api.doors.opening import GRAMMARS, DoorSettings, Listener, Where, ZoneParts, opened_doors
from api.doors.said import Kind
from api.doors.words import CAUSES
from api.http.server import serve
from api.lookup import Lookup, open_lookup
from api.view import View
from nullsender.address import canonical
from nullsender.client import Client, Unavailable
from nullsender.errors import Invalid, Transient
from suppression.policy import Cause
from tests.api_world import HASHER, STALENESS_SECONDS_MAX, World
from tests.waiting import wait_for

HOST = "127.0.0.1"
TIMEOUT_SECONDS = 30


class Heard(NamedTuple):
    """What a door said: the kind, and why where it is a no."""

    kind: Kind
    cause: Cause | None = None


class Asker(Protocol):
    """Somebody who asks through one door."""

    @property
    def name(self) -> str:
        """How the door is called."""
        ...

    def ask(self, view: View, address: str) -> Heard:
        """May mail of `view` go to `address`? As the door's own protocol says it."""
        ...


# --- the doors of questions and answers ---


def conversation(where: Where, said: bytes) -> bytes:
    """Say that, close our end, and hear everything until the other end closes."""
    with calling(where) as caller:
        caller.sendall(said)
        caller.shutdown(socket.SHUT_WR)
        return heard_to_the_end(caller)


def calling(where: Where) -> socket.socket:
    """A connection to there."""
    if not isinstance(where, Path):
        return socket.create_connection(where, timeout=TIMEOUT_SECONDS)
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    caller.settimeout(TIMEOUT_SECONDS)
    try:
        caller.connect(str(where))
    except OSError:
        caller.close()
        raise
    return caller


def heard_to_the_end(caller: socket.socket) -> bytes:
    """Everything until the other end closes."""
    parts = []
    while part := caller.recv(65536):
        parts.append(part)
    return b"".join(parts)


def netstring(text: str) -> bytes:
    """As socketmap frames its questions."""
    return b"%d:%b," % (len(text.encode()), text.encode())


def policy_question(address: str, **attributes: str) -> bytes:
    """A question at RCPT as Postfix writes it."""
    given = {"request": "smtpd_access_policy", "protocol_state": "RCPT", "recipient": address} | attributes
    return "".join(f"{name}={value}\n" for name, value in given.items()).encode() + b"\n"


#: Version 6 with no step to be left out, and the answer to it.
MILTER_OFFER = packet(b"O", bytes([0, 0, 0, 6, *bytes(8)]))
_AGREED = re.escape(MILTER_OFFER.decode())

_QUESTIONS: Mapping[str, Callable[[View, str], bytes]] = {
    "socketmap": lambda view, address: netstring(f"{view} {address}"),
    "tcp_table": lambda _view, address: f"get {quote(address)}\n".encode(),
    "policy": lambda view, address: policy_question(address, policy_context=str(view)),
    "readsocket": lambda view, address: f"{address} {view}".encode(),
    "milter": lambda _view, address: MILTER_OFFER + packet(b"R", f"<{address}>".encode() + b"\0"),
}
#: How each door says each thing, what the sender reads last.
_ANSWERS: Mapping[str, Mapping[Kind, str]] = {
    "socketmap": {
        Kind.ALLOWED: r"9:NOTFOUND ,",
        Kind.SUPPRESSED: r"\d+:OK 550 5\.7\.1 (.+),",
        Kind.INVALID: r"\d+:OK 553 5\.1\.3 (.+),",
        Kind.UNKNOWN: r"\d+:TEMP (.+),",
        Kind.REFUSED: r"\d+:PERM (.+),",
    },
    "tcp_table": {
        Kind.ALLOWED: r"500 not%20listed\n",
        Kind.SUPPRESSED: r"200 550%205\.7\.1%20(\S+)\n",
        Kind.INVALID: r"200 553%205\.1\.3%20(\S+)\n",
        Kind.UNKNOWN: r"400 (\S+)\n",
    },
    "policy": {
        Kind.ALLOWED: r"action=DUNNO\n\n",
        Kind.SUPPRESSED: r"action=550 5\.7\.1 (.+)\n\n",
        Kind.INVALID: r"action=553 5\.1\.3 (.+)\n\n",
        Kind.UNKNOWN: r"action=DEFER_IF_PERMIT 4\.3\.0 (.+)\n\n",
        Kind.REFUSED: r"action=DEFER_IF_PERMIT 4\.3\.5 (.+)\n\n",
    },
    "readsocket": {
        Kind.ALLOWED: r"OK\n",
        Kind.SUPPRESSED: r"SUPPRESSED (.+)\n",
        Kind.INVALID: r"INVALID (.+)\n",
        Kind.UNKNOWN: r"ERR (.+)\n",
    },
    "milter": {
        Kind.ALLOWED: _AGREED + r"\0\0\0\x01c",
        Kind.SUPPRESSED: _AGREED + r"\0\0\0.y550 5\.7\.1 (.+)\0",
        Kind.INVALID: _AGREED + r"\0\0\0.y553 5\.1\.3 (.+)\0",
        Kind.UNKNOWN: _AGREED + r"\0\0\0.y451 4\.3\.0 (.+)\0",
    },
}


def understood(door: str, answer: bytes) -> Heard:
    """What an answer of this door means; one that its grammar does not know fails the test."""
    text = answer.decode("ascii")
    for kind, shape in _ANSWERS[door].items():
        if matched := re.fullmatch(shape, text):
            words = matched[1].replace("%20", " ") if matched.groups() else ""
            return Heard(kind, next((cause for cause, word in CAUSES.items() if f"({word})" in words), None))
    raise AssertionError(f"{door} does not speak so: {text!r}")


class DoorAsker(NamedTuple):
    """Through a door of questions and answers. The wire of some names no view: then each view has a listener of its own."""

    name: str
    where: Mapping[View | None, Where]

    def ask(self, view: View, address: str) -> Heard:
        """One connection, one question."""
        where = self.where.get(view) or self.where[None]
        return understood(self.name, conversation(where, _QUESTIONS[self.name](view, address)))


# --- DNS ---


class ZoneAsker(NamedTuple):
    """Through the DNS zone, as a filter does that knows the address in the form that everybody agrees upon."""

    where: tuple[str, int]
    directory: Directory
    name: str = "dns"

    def ask(self, view: View, address: str) -> Heard:
        """One datagram, after the directory was kept as its thread would."""
        with suppress(Transient):
            while not self.directory.step():
                pass
        try:
            digest = hashlib.sha1(canonical(address).encode()).hexdigest()
        except Invalid:
            return Heard(Kind.INVALID)
        question = dns.message.make_query(f"{digest}.{str(view).rpartition('/')[2]}.{view.tenant}.{APEX}", "A")
        reply = dns.query.udp(question, self.where[0], port=self.where[1], timeout=TIMEOUT_SECONDS)
        if reply.rcode() != dns.rcode.NOERROR:
            return Heard(_KINDS_OF_RCODE[reply.rcode()])
        octet = int(str(reply.answer[0][0]).removeprefix("127.0.0."))
        return Heard(Kind.SUPPRESSED, next(cause for cause, code in CODES.items() if code == octet))


APEX = "blocked.example."
_KINDS_OF_RCODE = {dns.rcode.NXDOMAIN: Kind.ALLOWED, dns.rcode.SERVFAIL: Kind.UNKNOWN}


def directory_of(world: World) -> Directory:
    """What finds the addresses of a world's list by their SHA-1."""
    return Directory(
        world.index_folder / "dns",
        world.store,
        hashing="sha1",
        digest=HASHINGS["sha1"].make,
        clock=world.clock,
        staleness_seconds_max=STALENESS_SECONDS_MAX,
    )


# --- HTTP ---


class HttpAsker(NamedTuple):
    """GET /v1/check."""

    client: httpx.Client
    name: str = "GET /v1/check"

    def ask(self, view: View, address: str) -> Heard:
        """One request."""
        parameters = {"address": address, **_mail(view)}
        answer = self.client.get("/v1/check", params=parameters, headers=_tenant(view))
        if answer.status_code != 200:
            return Heard(_KINDS_OF_STATUS[answer.status_code])
        body = answer.json()
        return Heard(Kind.ALLOWED) if body["allowed"] else Heard(Kind.SUPPRESSED, Cause(body["cause"]))


class HttpBatchAsker(NamedTuple):
    """POST /v1/check, with others around the one that counts."""

    client: httpx.Client
    name: str = "POST /v1/check"

    def ask(self, view: View, address: str) -> Heard:
        """One request."""
        question = {"addresses": ["clean@other.example", address, "none"], **_mail(view)}
        answer = self.client.post("/v1/check", json=question, headers=_tenant(view))
        if answer.status_code != 200:
            return Heard(_KINDS_OF_STATUS[answer.status_code])
        body = json.loads(answer.content)
        for item in body["suppressed"]:
            if item["index"] == 1:
                return Heard(Kind.SUPPRESSED, Cause(item["cause"]))
        return Heard(Kind.INVALID if any(item["index"] == 1 for item in body["invalid"]) else Kind.ALLOWED)


class ScrubAsker(NamedTuple):
    """POST /v1/scrub, a list of one: its summary says what became of it."""

    client: httpx.Client
    name: str = "POST /v1/scrub"

    def ask(self, view: View, address: str) -> Heard:
        """One request."""
        parameters = _mail(view)
        headers = {"content-type": "text/plain", **_tenant(view)}
        answer = self.client.post("/v1/scrub", params=parameters, headers=headers, content=f"{address}\n".encode())
        if answer.status_code != 200:
            return Heard(_KINDS_OF_STATUS[answer.status_code])
        *sent_on, summary = answer.text.splitlines()
        counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", summary)}
        assert (sent_on, counts["checked"]) == ([address] * counts["allowed"], 1), answer.text
        if counts["invalid"]:
            return Heard(Kind.INVALID)
        return next((Heard(Kind.SUPPRESSED, cause) for cause in Cause if counts[cause]), Heard(Kind.ALLOWED))


class ClientAsker(NamedTuple):
    """nullsender.client, which asks over HTTP."""

    url: str
    key: str
    name: str = "nullsender.client"

    def ask(self, view: View, address: str) -> Heard:
        """One call, tried once."""
        with Client(self.url, self.key, tenant=view.tenant, retry_seconds=0) as client:
            try:
                check = client.check(address, stream=view.stream, mailing_list=view.mailing_list)
            except Unavailable:
                return Heard(Kind.UNKNOWN)
        if check.invalid is not None:
            return Heard(Kind.ALLOWED if check.allowed else Kind.INVALID)
        return Heard(Kind.ALLOWED) if check.allowed else Heard(Kind.SUPPRESSED, Cause(str(check.cause)))


_KINDS_OF_STATUS = {422: Kind.INVALID, 400: Kind.INVALID, 503: Kind.UNKNOWN}


def _mail(view: View) -> Mapping[str, str]:
    return {name: it for name, it in (("stream", view.stream), ("list", view.mailing_list)) if it is not None}


def _tenant(view: View) -> Mapping[str, str]:
    return {"nullsender-tenant": view.tenant}


# --- everything open ---


class Hall:
    """What a test needs: the world behind the doors, and who asks."""

    def __init__(self, world: World, askers: Sequence[Asker]) -> None:
        self.world = world
        self.askers = askers


def lookup_of(world: World, *allow_unknown: View) -> Lookup:
    """Lookups of one process, some views of which may go when nobody can tell."""
    return open_lookup(
        world.store,
        HASHER,
        world.index_folder,
        clock=world.clock,
        staleness_seconds_max=STALENESS_SECONDS_MAX,
        allow_unknown=allow_unknown,
    )


@contextmanager
def doors_opened(settings: DoorSettings, lookup: Lookup, zone: ZoneParts | None = None) -> Iterator[Sequence[Where]]:
    """The doors of a process, on an event loop in a thread; where each listener is."""
    places: list[Where] = []
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    failures: list[BaseException] = []

    async def main() -> None:
        stopping = asyncio.Event()
        async with opened_doors(settings, lookup, zone) as opened:
            places.extend(opened)
            loops.append((asyncio.get_running_loop(), stopping))
            await stopping.wait()

    def run() -> None:
        try:
            uvloop.run(main())
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: loops or failures, what="the doors to open")
    if failures:
        raise failures[0]
    try:
        yield places
    finally:
        for loop, stopping in loops:
            loop.call_soon_threadsafe(stopping.set)
        thread.join(timeout=60)
        assert not thread.is_alive(), "the doors close when they are told to"
        assert not failures, failures


@contextmanager
def served(world: World) -> Iterator[httpx.Client]:
    """The API on a port, asked with a key for every tenant."""
    with socket.create_server((HOST, 0)) as held:
        port: int = held.getsockname()[1]
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(world.api(), HOST, port, stop.is_set))
    thread.start()
    key = world.key("check", tenant=None)
    try:
        headers = {"authorization": f"Bearer {key}"}
        # The first batch of an installation waits for the compiler.
        with httpx.Client(base_url=f"http://{HOST}:{port}", headers=headers, timeout=TIMEOUT_SECONDS * 4) as client:
            wait_for(lambda: _accepts(port), what="the API")
            yield client
    finally:
        stop.set()
        thread.join(timeout=60)


def _accepts(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex((HOST, port)) == 0


@contextmanager
def opened_hall(world: World, views: Sequence[View]) -> Iterator[Hall]:
    """Everything that answers lookups, open; each door also once for each of `views` alone."""
    with ExitStack() as open_ones:
        client = open_ones.enter_context(served(world))
        bound: Sequence[View | None] = (None, *views)
        listeners = [Listener(door, (HOST, 0), view) for door in GRAMMARS for view in bound]
        listeners.append(Listener("dns", (HOST, 0)))
        directory = open_ones.enter_context(closing(directory_of(world)))
        zone = ZoneParts(Zone(APEX, "sha1"), LookupByDigest(lookup_of(world), directory, allow_unknown=()))
        places = open_ones.enter_context(doors_opened(DoorSettings(listeners=listeners), lookup_of(world), zone))
        where = {(listener.door, listener.view): place for listener, place in zip(listeners, places, strict=True)}
        doors = [DoorAsker(door, {view: where[door, view] for view in bound}) for door in GRAMMARS]
        at = where["dns", None]
        assert isinstance(at, tuple)
        ours = ClientAsker(str(client.base_url), client.headers["authorization"].removeprefix("Bearer "))
        by_http: list[Asker] = [HttpAsker(client), HttpBatchAsker(client), ScrubAsker(client), ours]
        yield Hall(world, [*by_http, *doors, ZoneAsker(at, directory)])
