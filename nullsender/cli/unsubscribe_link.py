"""`nullsender unsubscribe-link`: link and header fields for mail to one recipient, or the key to make them elsewhere."""

import argparse
import json

from nullsender.cli import parts
from nullsender.errors import Invalid
from nullsender.signing.keys import Claims, SigningKeys
from nullsender.signing.unsubscribe_headers import headers_of, link_of
from nullsender.signing.unsubscribe_link import UnsubscribeLinks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the link says."""
    parser.add_argument("recipient", nargs="?", help="the address that the mail goes to")
    parser.add_argument("--stream", help="the stream that the mail belongs to (a-z, 0-9, _, - and .)")
    parser.add_argument("--list", dest="mailing_list", help="the mailing list that it belongs to, such as the name in List-Id")
    parser.add_argument("--tenant", default="default", help="whose mail it is (default: default)")
    parser.add_argument("--message", default="", help="your own name for the mail: it stands in the evidence")
    parser.add_argument("--json", action="store_true", help="the same as one JSON object")
    show = "show the tenant's key instead, for a program of yours that makes links (docs/unsubscribes.md); it is secret"
    parser.add_argument("--show-key", action="store_true", help=show)


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    settings = parts.settings_of(arguments)
    links = UnsubscribeLinks(SigningKeys(parts.keys_of(settings).signing_keys))
    if arguments.show_key:
        key_id, key = links.key_of(arguments.tenant)
        print(f"{key_id} {key.hex()}")
        return 0
    if arguments.recipient is None:
        raise Invalid("name the recipient of the mail (or ask for the key with --show-key)")
    today = parts.CLOCK.now().date()
    said = (arguments.tenant, arguments.stream, arguments.recipient, today, arguments.message, arguments.mailing_list)
    token = links.make(Claims(*said))
    url, headers = (
        link_of(settings.unsubscribe.url, token),
        headers_of(settings.unsubscribe.url, settings.unsubscribe_mailto, token),
    )
    if arguments.json:
        print(json.dumps({"token": token, "url": url, "headers": headers}))
        return 0
    print(url)
    for name, value in headers.items():
        print(f"{name}: {value}")
    return 0
