"""`nullsender audit`: prove that the trail of all that was done is whole, note where it ends, and read in it.

The end that `head` prints belongs where nobody who could change the list can change it too: on paper, in a mail to the lawyer,
in another system's log. `verify --head` then proves that nothing before it was touched, and that nothing was cut off.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping

import msgspec

from nullsender.cli import EXIT_FAILED, parts, store_parts
from nullsender.cli.indexing.progress import Progress
from nullsender.cli.moments import moment
from nullsender.errors import Invalid
from nullsender.limits import AUDIT_LISTED_DEFAULT
from nullsender.wording import counted
from suppression.audit.chain import KINDS
from suppression.audit.verifying import Link, Verdict
from suppression.store.audit_read import Audited, AuditFilters, StoreAudit

_LINK = re.compile(r"(\d{1,18}):([0-9a-f]{64})")
_PAGE_ROWS = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with the trail."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    verify = actions.add_parser("verify", help="prove that nothing in it was altered, removed, put in or moved")
    verify.add_argument("--head", metavar="SEQ:HEX", type=_link, help="an end that `audit head` printed earlier")
    verify.set_defaults(action=_verify)
    head = actions.add_parser("head", help="print its end, to be noted elsewhere")
    head.set_defaults(action=_head)
    listing = actions.add_parser("list", help="show what was done, newest first")
    listing.add_argument("--kind", choices=KINDS, metavar="KIND", help=f"only rows of this kind: {', '.join(KINDS)}")
    listing.add_argument("--tenant", help="only what was done to this tenant's list")
    listing.add_argument("--actor", help="only what was done by this key, stage or person")
    listing.add_argument("--subject", help="only what was about this address, key, export, …")
    listing.add_argument("--from", dest="since", type=moment, help="only from this moment on, such as 2026-03-01 (UTC)")
    listing.add_argument("--to", dest="until", type=moment, help="only before this moment")
    listing.add_argument("--limit", type=int, default=AUDIT_LISTED_DEFAULT, help="how many rows (default: %(default)s)")
    listing.set_defaults(action=_list)
    for action in (verify, head, listing):
        action.add_argument("--json", action="store_true", help="JSON, for a program")


def _link(text: str) -> Link:
    match = _LINK.fullmatch(text.strip().lower())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not what `nullsender audit head` prints: a number, a colon, 64 digits")
    return Link(int(match[1]), bytes.fromhex(match[2]))


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1 where the trail does not hold."""
    store = store_parts.open_store_to_look(parts.settings_of(arguments))
    code: int = arguments.action(StoreAudit.beside(store), arguments)
    return code


def _verify(trail: StoreAudit, arguments: argparse.Namespace) -> int:
    progress = Progress("proving the audit trail", parts.CLOCK, unit="numbers")
    try:
        verdict = trail.verify_audit(arguments.head, told=progress.set)
    finally:
        progress.close()
    print(json.dumps(_verdict_object(verdict)) if arguments.json else "\n".join(_verdict_lines(verdict, arguments.head)))
    return 0 if verdict.breach is None else EXIT_FAILED


def _verdict_object(verdict: Verdict) -> Mapping[str, object]:
    breach = verdict.breach
    return {
        "holds": breach is None,
        "rows": verdict.rows,
        "erased": verdict.erased,
        "head": verdict.newest and str(verdict.newest),
        "breach": breach and breach._asdict(),
    }


def _verdict_lines(verdict: Verdict, noted: Link | None) -> list[str]:
    if verdict.breach is not None:
        seq, what = verdict.breach
        return [
            f"The audit trail does NOT hold, at number {seq}: {what}.",
            f"{counted(verdict.rows, 'row')} before it {'holds' if verdict.rows == 1 else 'hold'}.",
        ]
    if verdict.newest is None:
        return ["The audit trail has not begun: nothing was written to this list yet."]
    lines = [f"The audit trail holds: {counted(verdict.rows, 'row')}, each tied to the one before."]
    if verdict.erased:
        lines.append(f"The contents of {verdict.erased:,} of them were erased, as the trail itself tells.")
    if noted is None:
        lines.append("Whether its end is there is proven only by an end that was noted before (--head).")
    else:
        lines.append(f"It goes through the end that was noted, number {noted.seq}: nothing up to there is missing.")
    return [*lines, f"Its end now: {verdict.newest}"]


def _head(trail: StoreAudit, arguments: argparse.Namespace) -> int:
    head = trail.audit_head()
    if head is None:
        raise Invalid("the audit trail has not begun: nothing was written to this list yet")
    print(json.dumps({"head": str(head)}) if arguments.json else head)
    return 0


def _list(trail: StoreAudit, arguments: argparse.Namespace) -> int:
    subject = arguments.subject
    filters = AuditFilters(
        kind=arguments.kind,
        tenant=arguments.tenant,
        actor=arguments.actor,
        subject=trail.subject_of(subject) if subject and "@" in subject else subject,
        since=arguments.since,
        until=arguments.until,
    )
    left, cursor = arguments.limit, None
    while left > 0:
        page = trail.list_audit(filters, cursor=cursor, limit=min(left, _PAGE_ROWS))
        for row in page.items:
            sys.stdout.write((msgspec.json.encode(row).decode() if arguments.json else _line(row)) + "\n")
        left, cursor = left - len(page.items), page.cursor
        if cursor is None:
            break
    return 0


def _line(row: Audited) -> str:
    words = {} if row.words is None else dict(row.words)
    reason = "(erased)" if row.words is None else words.pop("reason", "")
    more = ", ".join(f"{name} {_as_json(value)}" for name, value in words.items() if value not in (None, "", [], {}))
    who = f"{row.actor or '-'} · {row.tenant or '*'}"
    about = f" · {row.subject}" if row.subject else ""
    return f"{row.seq:>9}  {row.at:%Y-%m-%d %H:%M:%S}  {row.kind:14} {who}{about} · {reason}" + (f" ({more})" if more else "")


def _as_json(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
