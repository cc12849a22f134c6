"""`nullsender address-file`: writes the addresses that mail of a view may not go to into a file, once."""

import argparse
from pathlib import Path

from api.doors.files_writing import write_addresses
from nullsender.cli import door_parts, parts, store_parts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose list, and where to."""
    parser.add_argument("view", metavar="VIEW", help="STREAM, TENANT/STREAM, or TENANT/* for mail on no stream")
    parser.add_argument("file", metavar="FILE", type=Path, help="the file; it is replaced as a whole, and keeps its mode")


def run(arguments: argparse.Namespace) -> int:
    """Write it and say what it holds."""
    settings = parts.settings_of(arguments)
    view = door_parts.view_named("VIEW", arguments.view, arguments.view)
    written = write_addresses(store_parts.open_store(settings), view, arguments.file.absolute())
    left_out = f"; {written.left_out} can not stand in it (erased, or a pattern to mail servers)" if written.left_out else ""
    news = "" if written.is_new else ", as it did before"
    print(f"{arguments.file} holds {written.addresses} addresses that mail of {view} may not go to{news}{left_out}")
    return 0
