"""`nullsender erase ADDRESS`: remove the plain address and every word about a person, and print the certificate of it.

What is left is what it takes not to mail the person again. The certificate is text on standard output; `--certificate` writes
the signed JSON, which `nullsender export public-key` lets others check.
"""

import argparse
import json
from pathlib import Path

from nullsender.cli import parts, store_parts
from nullsender.names import canonical_name
from suppression.store.erasure import StoreErasure

_EVERY_TENANT = "*"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whom, and why."""
    parser.add_argument("address")
    parser.add_argument("--reason", required=True, help="why, such as a ticket's number; it stays, so do not name the person")
    parser.add_argument("--tenant", default=_EVERY_TENANT, help="from whose list only (default: from every tenant's)")
    parser.add_argument("--actor", default="operator", help="who does this: it is logged (default: %(default)s)")
    parser.add_argument("--certificate", metavar="FILE", type=Path, help="write the signed certificate there")
    parser.add_argument("--json", action="store_true", help="print the signed certificate instead of the text")


def run(arguments: argparse.Namespace) -> int:
    """Erase, and certify it."""
    store = StoreErasure.beside(store_parts.open_store_to_look(parts.settings_of(arguments)))
    tenant = None if arguments.tenant == _EVERY_TENANT else canonical_name(arguments.tenant)
    certificate = store.erase(arguments.address, tenant=tenant, reason=arguments.reason, actor=arguments.actor)
    signed = json.dumps(store.signed(certificate), indent=2, ensure_ascii=False)
    if arguments.certificate is not None:
        arguments.certificate.write_text(signed + "\n", encoding="utf-8")
    print(signed if arguments.json else certificate.text())
    return 0
