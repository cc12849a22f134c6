"""What some doors need besides a listener: the DNS zone its directory, and mail servers that can not ask their files."""

import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from api.doors.dns_asking import LookupByDigest
from api.doors.dns_directory import Directory
from api.doors.dns_zone import HASHINGS, Zone
from api.doors.files import AddressFiles
from api.doors.opening import ZoneParts
from api.lookup import Lookup
from api.view import View, view_of
from nullsender.cli import lookup_parts, parts
from nullsender.cli.running.heart import Heart
from nullsender.config import Settings
from nullsender.errors import Invalid, Misconfigured
from nullsender.limits import DOOR_STOP_SECONDS_MAX
from suppression.store.store import Store


def view_named(setting: str, shown: str, word: str) -> View:
    """The view of a word that stands in a setting; `Misconfigured` where it is none."""
    try:
        return view_of(word)
    except Invalid as mistake:
        raise Misconfigured(f"{setting}: {shown}: {mistake}") from mistake


def require_sense(settings: Settings) -> None:
    """Nothing, where the settings of the DNS zone and of the files can be; else `Misconfigured`."""
    if settings.doors.dns:
        _zone_of(settings)
    _files_of(settings)


@contextmanager
def kept(settings: Settings, store: Store, lookup: Lookup, heart: Heart) -> Iterator[ZoneParts | None]:
    """The DNS zone, where one is to be served. It and the files are kept up to date meanwhile, each by a thread."""
    with ExitStack() as stack:
        zone = None
        if settings.doors.dns:
            directory = stack.enter_context(closing(_directory_of(settings, store)))
            allow_unknown = lookup_parts.views_allowed_unknown(settings)
            zone = ZoneParts(_zone_of(settings), LookupByDigest(lookup, directory, allow_unknown=allow_unknown))
            stack.enter_context(_thread("the DNS zone's directory", directory.keep, heart))
        if settings.doors.files:
            command = shlex.split(settings.doors.files_command or "")
            every_seconds = settings.doors.files_seconds
            files = AddressFiles(store, _files_of(settings), command=command, every_seconds=every_seconds, clock=parts.CLOCK)
            stack.enter_context(_thread("the address files", files.keep, heart))
        yield zone


@contextmanager
def _thread(name: str, keep: Callable[[Callable[[], bool]], None], heart: Heart) -> Iterator[None]:
    """`keep`, at work in a thread of its own until the end of the block, or of the role."""
    pulse, over = heart.pulse(name), threading.Event()
    thread = threading.Thread(target=keep, args=(lambda: pulse() or over.is_set(),), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(DOOR_STOP_SECONDS_MAX)


def _directory_of(settings: Settings, store: Store) -> Directory:
    hashing = settings.doors.dns_hash
    return Directory(
        settings.index_folder / "dns",
        store,
        hashing=hashing,
        digest=HASHINGS[hashing].make,
        clock=parts.CLOCK,
        staleness_seconds_max=settings.lookup.staleness_seconds_max,
    )


def _zone_of(settings: Settings) -> Zone:
    if settings.doors.dns_zone is None:
        raise Misconfigured("doors.dns needs a zone: set doors.dns_zone to a name such as blocked.example.internal")
    if any(isinstance(listener.where, Path) for listener in settings.doors.dns):
        raise Misconfigured("doors.dns: DNS is spoken over the network alone: write HOST:PORT")
    try:
        return Zone(settings.doors.dns_zone, settings.doors.dns_hash)
    except Invalid as mistake:
        raise Misconfigured(f"doors.dns_zone: {mistake}") from mistake


def _files_of(settings: Settings) -> Mapping[Path, View]:
    files: dict[Path, View] = {}
    for word, name in settings.doors.files.items():
        path = Path(name)
        if not path.is_absolute() or path in files:
            raise Misconfigured(f"doors.files: {word}={name}: write VIEW=/PATH, each with a path of its own")
        files[path] = view_named("doors.files", f"{word}={name}", word)
    return files
