"""`nullsender deadlines`: the clock of each unsubscribe: received, in effect, limit, first mail refused; and those held up."""

import argparse
import json
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from datetime import datetime

import msgspec

from nullsender.cli import parts, store_parts
from nullsender.cli.working.unheeded import Unheeded, Unheededs
from nullsender.config import Settings
from nullsender.errors import Invalid
from nullsender.log import Log
from nullsender.names import canonical_name
from suppression.store.unsubscribes import StoreUnsubscribes
from suppression.unsubscribes.evidence import Unsubscribe

_SHOWN = 50
_PAGE = 1_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which of them."""
    parser.add_argument(
        "--at-risk", action="store_true", help="only those that stop no mail yet and whose limit is near or over"
    )
    parser.add_argument("--address", help="only those of this address")
    parser.add_argument("--tenant", default="default", help="whose list (default: default; with --at-risk every tenant's)")
    parser.add_argument("--limit", type=int, default=_SHOWN, help=f"how many, the newest first; 0: all (default: {_SHOWN})")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(action=_list)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    dismiss = actions.add_parser("dismiss", help="nothing is to be stopped by an unsubscribe that waits: raise no alarm for it")
    dismiss.add_argument("number", metavar="NUMBER", type=int, help="which, as --at-risk names it")
    dismiss.add_argument("--reason", required=True, help="why, for the audit trail")
    dismiss.add_argument("--actor", default="operator", help="who does this: it is logged (default: %(default)s)")
    dismiss.set_defaults(action=_dismiss)


def run(arguments: argparse.Namespace) -> int:
    """Show them, or dismiss one; 1 where one of those at risk is past its limit."""
    code: int = arguments.action(arguments)
    return code


def _dismiss(arguments: argparse.Namespace) -> int:
    store = StoreUnsubscribes.beside(store_parts.open_store_to_look(parts.settings_of(arguments)))
    store.dismiss(None, arguments.number, reason=arguments.reason, actor=arguments.actor)
    print(f"unsubscribe {arguments.number} is dismissed: it stops no mail, and no alarm is raised for it")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    settings = parts.settings_of(arguments)
    store = StoreUnsubscribes.beside(store_parts.open_store_to_look(settings))
    now = parts.CLOCK.now()
    with _log_of(settings) as log:
        at_risk = [one for one in Unheededs(log, store).look(now) if one.is_at_risk(now)]
    if arguments.at_risk:
        _show_at_risk(at_risk, now, as_json=arguments.json)
        return int(any(one.is_breached(now) for one in at_risk))
    tenant = canonical_name(arguments.tenant)
    _show(_newest(store, tenant, arguments.address, arguments.limit), as_json=arguments.json)
    if at_risk and not arguments.json:
        print(f"{len(at_risk)} that stop no mail yet are near or past their limit: `nullsender deadlines --at-risk`")
    return 0


def _log_of(settings: Settings) -> "Log | nullcontext[None]":
    try:
        return parts.open_log_to_look(settings)
    except Invalid:
        return nullcontext()  # no mail has come yet


def _newest(store: StoreUnsubscribes, tenant: str, address: str | None, limit: int) -> Iterator[Unsubscribe]:
    """So many of them (0: all), the newest first."""
    cursor, left = None, limit or None
    while True:
        page = store.unsubscribes(tenant, address=address, cursor=cursor, limit=min(left or _PAGE, _PAGE))
        yield from page.items
        cursor, left = page.cursor, left and left - len(page.items)
        if cursor is None or left == 0:
            return


def _show(found: Iterable[Unsubscribe], *, as_json: bool) -> None:
    if as_json:
        for one in found:
            print(msgspec.json.encode(one).decode())
        return
    row = "{:20}  {:20}  {:20}  {:9}  {:20}  {:11}  {:20}  {}"
    print(row.format("received", "in effect", "limit", "rule", "first mail refused", "came by", "stops", "address"))
    for one in found:
        effective = _time(one.effective) if one.effective else "not"
        rule, stops = one.jurisdiction.value, one.scope or "nothing"
        who = one.address or (f"(a hash only: {one.known_as})" if one.known_as else "(erased)")
        refused = _time(one.first_refused) if one.first_refused else "none yet"
        times = _time(one.received), effective, _time(one.limit_at)
        print(row.format(*times, rule, refused, one.channel.value, stops, who).rstrip())
        if one.why_not and not one.effective:
            print(f"    {one.why_not}" + (f"; dismissed {_time(one.dismissed)}" if one.dismissed else ""))


def _show_at_risk(found: Iterable[Unheeded], now: datetime, *, as_json: bool) -> None:
    for one in found:
        if as_json:
            facts = {
                **one._asdict(),
                "received": one.received.isoformat(),
                "limit": one.limit.at.isoformat(),
                "jurisdiction": one.limit.jurisdiction,
                "breached": one.is_breached(now),
            }
            print(json.dumps(facts, ensure_ascii=False))
            continue
        over = "is over since" if one.is_breached(now) else "ends"
        who = f"{one.address or 'somebody'} (tenant {one.tenant}, report {one.report or 'none'})"
        print(f"{who}, received {_time(one.received)}: the time {over} {_time(one.limit.at)}")
        print(f"    held up: {one.held_up}\n    what to do: {one.remedy}")


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
