"""`nullsender doors`: what mail servers ask, in their own protocols."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import uvloop

from api.doors.asking import Manner
from api.doors.opening import GRAMMARS, DoorSettings, Listener, opened_doors
from api.doors.words import SUPPRESSED_TEXT
from nullsender.cli import door_parts, lookup_parts, store_parts
from nullsender.cli.running import event_loop, role
from nullsender.config import Settings
from nullsender.errors import Misconfigured


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing but what every role takes: the settings `doors.…` say where it listens."""
    role.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Answer until told to stop."""
    with role.running("doors", arguments) as ours:
        settings = door_settings(ours.settings)
        if not ours.settings.doors.is_open:
            names = (*GRAMMARS, "dns", "files")
            raise Misconfigured(f"no door is open: set one of {', '.join(f'doors.{name}' for name in names)}")
        store = store_parts.open_store(ours.settings)
        refusals = lookup_parts.refusals_of(store)
        refusals.keep(ours.stop)
        lookup = lookup_parts.lookup_of(ours.settings, store, refusals)

        async def main() -> None:
            stopping = event_loop.event_of(ours.stop)
            async with opened_doors(settings, lookup, zone):
                event_loop.beat(ours.heart.pulse("the doors"))
                await stopping.wait()

        with door_parts.kept(ours.settings, store, lookup, ours.heart) as zone:
            uvloop.run(main())
        refusals.write()
    return 0


def door_settings(settings: Settings) -> DoorSettings:
    """What the doors have to know of the settings. `Misconfigured` where a view is none."""
    doors = settings.doors
    door_parts.require_sense(settings)
    for user, word in doors.sasl_views.items():
        door_parts.view_named("doors.sasl_views", f"{user}={word}", word)
    return DoorSettings(
        listeners=list(_listeners(settings)),
        manner=Manner(doors.text or SUPPRESSED_TEXT, doors.shadow),
        views_of_users=doors.sasl_views,
        socket_mode=int(doors.socket_mode, 8),
    )


def _listeners(settings: Settings) -> Iterator[Listener]:
    for door, listener in settings.doors.listeners():
        where = listener.where if isinstance(listener.where, Path) else (listener.where.host, listener.where.port)
        view = None if listener.view is None else door_parts.view_named(f"doors.{door}", str(listener), listener.view)
        yield Listener(door, where, view)
