"""The doors put together: a listener for each that the operator opened, one way to ask, one bound on connections."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from api.doors.asking import Asking, Manner
from api.doors.choosing import Chooser
from api.doors.connection import Connection
from api.doors.dns_asking import AskingByDigest, LookupByDigest
from api.doors.dns_server import ZoneOnDatagrams, ZoneOnStream
from api.doors.dns_zone import Zone
from api.doors.listening import Guests, Listening
from api.doors.milter_wire import Milter
from api.doors.policy import Policy
from api.doors.readsocket import Readsocket
from api.doors.said import Grammar
from api.doors.socketmap import Socketmap
from api.doors.tcp_table import TcpTable
from api.lookup import Lookup
from api.threads import StoreThreads
from api.view import View
from nullsender.config import Endpoint
from nullsender.limits import API_STORE_THREADS_MAX, API_STORE_WAITING_MAX, DOOR_CONNECTIONS_MAX

_log = logging.getLogger("doors")

#: The doors of questions and answers on connections.
GRAMMARS: Mapping[str, Callable[[], Grammar]] = {
    grammar.name: grammar for grammar in (Socketmap, TcpTable, Policy, Readsocket, Milter)
}


#: Host and port (0: any free one), or the path of a socket.
Where = tuple[str, int] | Path


class Listener(NamedTuple):
    """One place where one door is open. `view` None: the operator tied it to none."""

    door: str
    where: Where
    view: View | None = None


class ZoneParts(NamedTuple):
    """The DNS zone, which all listeners of the door `dns` serve."""

    zone: Zone
    lookup: LookupByDigest


class DoorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the doors are set up. `views_of_users`: a view's word by sasl_username; `socket_mode`: of sockets with a path."""

    listeners: Sequence[Listener]
    manner: Manner = Manner()
    views_of_users: Mapping[str, str] = {}
    socket_mode: int = 0o666
    connections_max: int = DOOR_CONNECTIONS_MAX


@asynccontextmanager
async def opened_doors(settings: DoorSettings, lookup: Lookup, zone: ZoneParts | None = None) -> AsyncIterator[Sequence[Where]]:
    """Every listener, open; where they listen, in their order. Stops gracefully at the end.

    `Misconfigured` where one can not listen.
    """
    guests = Guests(connections_max=settings.connections_max)
    threads = StoreThreads(threads=API_STORE_THREADS_MAX, waiting_max=API_STORE_WAITING_MAX)
    listening = Listening(guests)
    try:
        places: list[Where] = []
        for listener in settings.listeners:
            served = zone if listener.door == ZoneOnStream.name else None
            asking = _asking(listener, settings, lookup, threads, served)
            places.append(await _open(listening, listener, settings, asking, guests, served))
            _log.info("listening", extra={"facts": {"door": listener.door, "at": _shown(places[-1]), "view": listener.view}})
        listening.begin()
        yield places
    finally:
        await listening.stop()


def _shown(where: Where) -> str:
    """As settings write it."""
    return f"unix:{where}" if isinstance(where, Path) else str(Endpoint(*where))


async def _open(
    listening: Listening, listener: Listener, settings: DoorSettings, asking: Asking, guests: Guests, zone: ZoneParts | None
) -> Where:
    grammar_of: Callable[[], Grammar] = GRAMMARS[listener.door] if zone is None else lambda: ZoneOnStream(zone.zone)

    def receive() -> Connection:
        return Connection(grammar_of(), asking, guests)

    if isinstance(listener.where, Path):
        await listening.on_path(listener.where, settings.socket_mode, receive)
        return listener.where
    where = await listening.on_tcp(*listener.where, receive)
    if zone is not None:
        await listening.on_udp(*where, lambda: ZoneOnDatagrams(zone.zone, asking))
    return where


def _asking(
    listener: Listener, settings: DoorSettings, lookup: Lookup, threads: StoreThreads, zone: ZoneParts | None
) -> Asking:
    chooser = Chooser(listener.view, settings.views_of_users)
    if zone is not None:
        return AskingByDigest(listener.door, lookup=zone.lookup, threads=threads, chooser=chooser, manner=settings.manner)
    return Asking(listener.door, lookup=lookup, threads=threads, chooser=chooser, manner=settings.manner)
