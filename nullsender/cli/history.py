"""`nullsender history ADDRESS`: everything that happened to one address, in sentences: who decided what, when and why."""

import argparse

import msgspec

from nullsender.cli import parts, store_parts
from nullsender.limits import API_PAGE_ITEMS_DEFAULT
from suppression.records import Told
from suppression.store.access import StoreAccess
from suppression.telling import change_told, entry_told, report_told


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose history."""
    parser.add_argument("address")
    parser.add_argument("--tenant", default="default", help="on whose list (default: default)")
    parser.add_argument(
        "--limit",
        type=int,
        default=API_PAGE_ITEMS_DEFAULT,
        help="how many reports and changes, the newest (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Tell it."""
    store = StoreAccess.beside(store_parts.open_store_to_look(parts.settings_of(arguments)))
    page = store.history(arguments.tenant, arguments.address, cursor=None, limit=max(arguments.limit, 1))
    if arguments.json:
        for item in page.items:
            what = "report" if isinstance(item, Told) else "change"
            print(msgspec.json.encode({"what": what, **msgspec.to_builtins(item)}).decode())
        return 0
    access, now = store.access(arguments.tenant, arguments.address), parts.CLOCK.now()
    print(f"{access.address}, known as {access.subject} on the list of {access.tenant} (times in UTC)")
    print("\n".join(entry_told(entry, now) for entry in access.entries) or "There is no entry of it.")
    for item in page.items:
        at, told = (item.received_at, report_told(item)) if isinstance(item, Told) else (item.at, change_told(item))
        print(f"\n{item.seq:>8}  {at:%Y-%m-%d %H:%M:%S}  " + "\n          ".join(told))
    if page.cursor is not None:
        print(f"\nThere is more; these are the newest {len(page.items)} (--limit).")
    return 0
