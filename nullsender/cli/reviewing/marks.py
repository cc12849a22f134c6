"""The marks of an incident as flags of a command."""

import argparse

from nullsender.cli.moments import moment
from suppression.incidents.incident import IncidentKind, Marks

_KIND_HELP = "sender-fault: these failures were our own doing; bad-rule: read these reports again by today's rules"


def add_marks(parser: argparse.ArgumentParser) -> None:
    """Every mark, and what was wrong."""
    kinds = [kind.value for kind in IncidentKind]
    parser.add_argument("--kind", required=True, choices=kinds, help=_KIND_HELP)
    parser.add_argument("--from", dest="since", type=moment, metavar="TIME", help="only what failed then or later (UTC)")
    parser.add_argument("--to", dest="until", type=moment, metavar="TIME", help="only what failed before then; may lie ahead")
    parser.add_argument("--sending-ip", metavar="NET", help="only mail that was sent from this address or network")
    parser.add_argument("--provider", metavar="DOMAIN", help="only where the remote MTA or the recipient is of this domain")
    parser.add_argument("--text", help="only where the remote MTA's words hold this")
    parser.add_argument("--pattern", metavar="REGEX", help="only where they match this expression")
    parser.add_argument("--rule", help="only what this rule decided")
    parser.add_argument("--category", help="only of this category")
    parser.add_argument("--source", metavar="WHO", help="only what this address, network or reporting MTA's domain reported")
    parser.add_argument("--stream", help="only mail of this stream")


def marks_of(arguments: argparse.Namespace) -> Marks:
    """The marks that were given."""
    return Marks(**{name: getattr(arguments, name, None) for name in Marks.__struct_fields__})
