"""`nullsender index`: the lookup table of this machine is shown, made anew, and compared with the list."""

import argparse
import json
import math
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from api.index.table import Table, identity_of, lock_path, open_table, table_path
from nullsender.cli import EXIT_FAILED, parts, store_parts
from nullsender.config import Settings
from nullsender.errors import Invalid
from nullsender.file_lock import is_free
from suppression.store.store import Store

if TYPE_CHECKING:
    from api.index.verifying import Compared, Said

_SHOWN = 20  # differences on one page
_MANY = 100_000  # below so many entries the size says more of the file's beginning than of its entries


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with it."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="say how large, how full and how fresh it is")
    show.set_defaults(action=_show)
    rebuild = actions.add_parser("rebuild", help="make it anew from the list, while lookups go on")
    rebuild.set_defaults(action=_rebuild)
    verify = actions.add_parser("verify", help="compare it with the whole list; exit code 1 when they differ")
    verify.set_defaults(action=_verify)
    for action in (show, rebuild, verify):
        action.add_argument("--json", action="store_true", help="one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    settings = parts.settings_of(arguments)
    return int(arguments.action(settings, store_parts.open_store_to_look(settings), arguments.json))


def _show(settings: Settings, store: Store, as_json: bool) -> int:
    _print(_facts(settings, store, _table_of(settings, store)), as_json)
    return 0


def _rebuild(settings: Settings, store: Store, as_json: bool) -> int:
    from api.index.rebuilding import rebuild
    from nullsender.cli.indexing.progress import Progress

    with closing(Progress("reading the list", parts.CLOCK)) as progress:
        table = rebuild(store, settings.index_folder, parts.CLOCK, lambda made: progress.set(made.entries, made.wanted))
    _print(_facts(settings, store, table), as_json)
    return 0


def _verify(settings: Settings, store: Store, as_json: bool) -> int:
    from api.index.verifying import compare
    from nullsender.cli.indexing.progress import Progress

    table = _table_of(settings, store)
    with closing(Progress("reading the list", parts.CLOCK)) as progress:
        compared = compare(store, table, settings.index_folder, progress.set)
    facts: dict[str, Any] = {
        "listed": compared.listed,
        "in_table": compared.in_table,
        "missing": compared.missing,
        "extra": compared.extra,
        "other": compared.other,
        "changed_meanwhile": compared.changed_meanwhile,
        "position": table.position,
    }
    if as_json:
        facts["differences"] = [difference._asdict() for difference in compared.differences[:_SHOWN]]
    _print(facts, as_json)
    if not as_json:
        _tell_differences(compared)
    return EXIT_FAILED if compared.differences else 0


def _tell_differences(compared: "Compared") -> None:
    for difference in compared.differences[:_SHOWN]:
        print(f"  {difference.key}  list: {_words(difference.listed)}; table: {_words(difference.in_table)}")
    if len(compared.differences) > _SHOWN:
        print(f"  … and {'at least ' if compared.is_cut else ''}{len(compared.differences) - _SHOWN} more")
    if compared.differences:
        print("The table differs from the list: `nullsender index rebuild` makes it anew.")
    else:
        print("The table says what the list says.")


def _words(said: "Said | None") -> str:
    if said is None:
        return "nothing"
    further = [" provisional" if said.provisional else "", f" until {said.expires}" if said.expires else ""]
    return f"{said.cause} on {said.scope}{''.join(further)}"


def _table_of(settings: Settings, store: Store) -> Table:
    table = open_table(table_path(settings.index_folder), identity=identity_of(store.key_fingerprint))
    if table is None:
        raise Invalid(
            f"there is no lookup table in {settings.index_folder} that can be believed: `nullsender follow` makes one while it "
            "runs, and `nullsender index rebuild` does now"
        )
    return table


def _facts(settings: Settings, store: Store, table: Table) -> Mapping[str, Any]:
    age_seconds = parts.CLOCK.monotonic_seconds() - table.checked_at_seconds
    return {
        "file": str(table_path(settings.index_folder)),
        "entries": table.standing,
        "slots": table.slots,
        "load": round(table.load, 3),
        "bytes": table.size_bytes,
        "bytes_a_million": round(table.size_bytes / table.standing * 1e6) if table.standing >= _MANY else None,
        "scopes": len(table.names()),
        "position": table.position,
        "newest_change": store.feed_head(),
        "age_seconds": round(age_seconds, 3) if math.isfinite(age_seconds) else None,
        "is_fresh": 0 <= age_seconds <= settings.lookup.staleness_seconds_max,
        "is_followed": not is_free(lock_path(settings.index_folder)),
    }


def _print(facts: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(facts, default=str))
        return
    for name, value in facts.items():
        if value is None:
            continue
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
        print(f"{name.replace('_', ' '):18}{shown}")
