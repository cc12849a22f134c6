"""`nullsender keys`: API keys are made, listed, rotated and revoked here. A key is shown once; the store knows its hash."""

import argparse
from collections.abc import Callable
from datetime import datetime, timedelta

from api.http.auth import Scope
from api.http.clients import network_of
from nullsender.cli import parts, store_parts
from nullsender.errors import Invalid
from nullsender.limits import API_KEY_NETWORKS_MAX, API_RATE_PER_SECOND_MAX, KEY_DAYS_MAX, KEY_OVERLAP_HOURS_MAX
from nullsender.names import canonical_name
from suppression.records import ApiKey
from suppression.store.store import Store

_ROTATION_HOURS = 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with which key."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a key and print it, this once")
    create.add_argument("name", help="who will use it, for you to recognise it by")
    create.add_argument("--scopes", default=Scope.CHECK.value, help=f"comma-separated: {', '.join(Scope)} (default: check)")
    create.add_argument("--tenant", default="default", help="whose list it opens; `*` for every tenant's (default: default)")
    create.add_argument("--days", type=_number_up_to(KEY_DAYS_MAX), help="how long it works (default: until it is revoked)")
    rate = "addresses a second that it may ask about, such as 1000: advised for every key that you hand out (default: api.rate)"
    create.add_argument("--rate", type=_number_up_to(API_RATE_PER_SECOND_MAX), help=rate)
    network = "a network that it may be used from, such as 10.0.0.0/8; again for each (default: from anywhere)"
    create.add_argument("--from", dest="networks", metavar="CIDR", type=_network, action="append", default=[], help=network)
    create.set_defaults(action=_create)
    listing = actions.add_parser("list", help="show every key, without the keys themselves")
    listing.set_defaults(action=_list)
    rotate = actions.add_parser("rotate", help="make a new key with the same rights; the old one ends later")
    rotate.add_argument("id")
    hours = f"until the old one ends (default: {_ROTATION_HOURS})"
    rotate.add_argument("--hours", type=_number_up_to(KEY_OVERLAP_HOURS_MAX), default=_ROTATION_HOURS, help=hours)
    rotate.set_defaults(action=_rotate)
    revoke = actions.add_parser("revoke", help="end a key now")
    revoke.add_argument("id")
    revoke.set_defaults(action=_revoke)


def _number_up_to(most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {most}")
        return int(text)

    return number


def _network(text: str) -> str:
    try:
        return str(network_of(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no network such as 10.0.0.0/8 or 2001:db8::/32 ({error})") from error


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    arguments.action(store_parts.migrate_store(parts.settings_of(arguments)), arguments)
    return 0


def ensure_first_key(store: Store, bootstrap_key: str | None) -> str | None:
    """See to it that there is a key; the key itself where it was made just now, to be shown once.

    `bootstrap_key` is one that the operator has chosen: it gets every scope.
    """
    everything = [Scope.ADMIN.value]
    if bootstrap_key is not None:
        store.create_key("bootstrap", scopes=everything, tenant=None, expires=None, plain=bootstrap_key)
        return None
    if store.list_keys():
        return None
    return store.create_key("first", scopes=everything, tenant=None, expires=None)[1]


def _create(store: Store, arguments: argparse.Namespace) -> None:
    scopes = [scope.strip() for scope in arguments.scopes.split(",")]
    strangers = [scope for scope in scopes if scope not in list(Scope)]
    if strangers:
        raise Invalid(f"there is no scope {', '.join(strangers)}; there are {', '.join(Scope)}")
    expires = None if arguments.days is None else parts.CLOCK.now() + timedelta(days=arguments.days)
    tenant = None if arguments.tenant == "*" else canonical_name(arguments.tenant)
    if len(arguments.networks) > API_KEY_NETWORKS_MAX:
        raise Invalid(f"a key may have {API_KEY_NETWORKS_MAX} networks: name larger ones, or make several keys")
    key_id, plain = store.create_key(
        arguments.name, scopes=scopes, tenant=tenant, expires=expires, rate=arguments.rate, networks=arguments.networks
    )
    print(f"{plain}\n  id {key_id}, shown this once: keep it where secrets are kept")


def _list(store: Store, _arguments: argparse.Namespace) -> None:
    now = parts.CLOCK.now()
    print(f"{'id':14}{'state':10}{'tenant':12}{'scopes':24}{'rate':12}{'created':22}name")
    for key in store.list_keys():
        scopes, tenant, rate = ",".join(key.scopes), key.tenant or "*", "default" if key.rate is None else f"{key.rate}/s"
        places = f" (only from {', '.join(key.networks)})" if key.networks else ""
        state, created = _state(key, now), f"{key.created:%Y-%m-%d %H:%M:%S}"
        print(f"{key.id:14}{state:10}{tenant:12}{scopes:24}{rate:12}{created:22}{key.name}{places}")


def _state(key: ApiKey, now: datetime) -> str:
    if key.works(now):
        return "ending" if key.revoked is not None else "good"
    return "revoked" if key.revoked is not None and key.revoked <= now else "expired"


def _rotate(store: Store, arguments: argparse.Namespace) -> None:
    key_id, plain = store.rotate_key(arguments.id, overlap=timedelta(hours=arguments.hours))
    print(f"{plain}\n  id {key_id}, shown this once; the key {arguments.id} ends in {arguments.hours} hours")


def _revoke(store: Store, arguments: argparse.Namespace) -> None:
    store.revoke_key(arguments.id)
    print(f"The key {arguments.id} is revoked; an API process that has just used it may take it for a few seconds more.")
