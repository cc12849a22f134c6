"""`nullsender access ADDRESS`: everything that we hold about one person, in words for that person (GDPR Article 15)."""

import argparse

import msgspec

from nullsender.cli import parts, store_parts
from suppression.privacy.access import text_of
from suppression.store.access import StoreAccess


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of whom."""
    parser.add_argument("address")
    parser.add_argument("--tenant", default="default", help="on whose list (default: default)")
    parser.add_argument("--json", action="store_true", help="JSON, for a program")


def run(arguments: argparse.Namespace) -> int:
    """Tell it."""
    store = StoreAccess.beside(store_parts.open_store_to_look(parts.settings_of(arguments)))
    access = store.access(arguments.tenant, arguments.address)
    print(msgspec.json.encode(access).decode() if arguments.json else text_of(access, store.kept))
    return 0
