"""`nullsender return-path`: reverse-path and token header for mail to one recipient, so that its bounce proves itself."""

import argparse
import secrets

from nullsender.cli import parts
from nullsender.signing.keys import Claims, SigningKeys
from nullsender.signing.return_path import Purpose, ReturnPaths
from nullsender.signing.token import TOKEN_HEADER, Tokens

_MESSAGE_BYTES = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the return path says."""
    parser.add_argument("recipient", help="the address that the mail goes to")
    parser.add_argument("--stream", help="the stream that the mail belongs to (a-z, 0-9, _, - and .)")
    parser.add_argument("--tenant", default="default", help="whose mail it is (default: default)")
    parser.add_argument("--message", help="your own name for the message (a-z, 0-9, _ and -; default: a random one)")
    parser.add_argument("--domain", help="the domain of the return path (default: the first one that the MX takes mail for)")


def run(arguments: argparse.Namespace) -> int:
    """Print the reverse-path, the unsubscribe address and the header."""
    settings = parts.settings_of(arguments)
    keys = SigningKeys(parts.keys_of(settings).signing_keys)
    claims = Claims(
        tenant=arguments.tenant,
        stream=arguments.stream,
        recipient=arguments.recipient,
        sent_on=parts.CLOCK.now().date(),
        message=arguments.message or secrets.token_hex(_MESSAGE_BYTES),
    )
    domain = arguments.domain or settings.domains[0]
    paths = ReturnPaths(keys)
    print(f"MAIL FROM:<{paths.make(claims)}@{domain}>")
    print(f"List-Unsubscribe: <mailto:{paths.make(claims, purpose=Purpose.UNSUBSCRIBE)}@{domain}>")
    print(f"{TOKEN_HEADER}: {Tokens(keys).make(claims)}")
    return 0
