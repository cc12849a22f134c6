"""`nullsender review`: what the breaker holds, because too much of it came at once, and what a person makes of it.

`release` lets the reports count as they would have; `reject` makes an incident of them, which can be undone. Nothing that is
held is ever applied or dropped by itself. docs/incidents.md says when the breaker trips.
"""

import argparse
import json
import sys
from collections.abc import Sequence

import msgspec

from nullsender.cli.explaining.marks import shown
from nullsender.cli.reviewing.acting import run as run
from nullsender.cli.reviewing.summary import print_summary
from nullsender.cli.reviewing.watching import done_here
from nullsender.cli.working.runners import runners_of
from nullsender.config import Settings
from nullsender.errors import Invalid
from nullsender.wording import counted
from suppression.incidents.effects import Summary
from suppression.incidents.incident import IncidentKind
from suppression.store.held_reports import RELEASE, HeldKey, Released, StoreReview
from suppression.store.incidents import MAKE
from suppression.store.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with which."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="show what is held, and by what")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    listing.set_defaults(action=_list)
    release = actions.add_parser("release", help="let it count as it would have; its keys are trusted for a day")
    release.set_defaults(action=_release)
    reject = actions.add_parser("reject", help="make an incident of it, which can be undone")
    kinds = [kind.value for kind in IncidentKind]
    reject.add_argument("--kind", required=True, choices=kinds, help="what was wrong: ourselves, or a rule")
    reject.set_defaults(action=_reject)
    for action in (release, reject):
        action.add_argument("--reason", required=True, help="why, for the history")
        action.add_argument("--actor", default="operator", help="who does this, for the history (default: %(default)s)")
        which = action.add_mutually_exclusive_group(required=True)
        which.add_argument("--key", action="append", help="what this key holds, such as `rule NAME`; may be repeated")
        which.add_argument("--all", action="store_true", help="all that is held for the tenant")
    for action in (listing, release, reject):
        action.add_argument("--tenant", default="default", help="whose list (default: %(default)s)")


def _list(_settings: Settings, store: Store, arguments: argparse.Namespace) -> None:
    held = StoreReview.beside(store).held(arguments.tenant)
    for one in held:
        print(json.dumps(msgspec.to_builtins(one)) if arguments.json else _line(one))
    if not held and not arguments.json:
        print("nothing is held")


def _release(_settings: Settings, store: Store, arguments: argparse.Namespace) -> None:
    review = StoreReview.beside(store)
    job_id = review.release(arguments.tenant, _keys(review, arguments), reason=arguments.reason, actor=arguments.actor)
    job = done_here(store, job_id, {RELEASE: review.run_release}, what="releasing")
    assert job.result is not None, "it is complete"
    released = msgspec.json.decode(job.result, type=Released)
    print(f"{released.released:,} reports count now as they would have")
    if released.too_many:
        print(f"{released.too_many:,} are held still: too much was said of those people to go through it, see their histories")


def _reject(settings: Settings, store: Store, arguments: argparse.Namespace) -> None:
    review, runners = StoreReview.beside(store), runners_of(settings, store)
    for key in _keys(review, arguments):
        kind = IncidentKind(arguments.kind)
        incident = review.reject(arguments.tenant, key, kind, reason=arguments.reason, actor=arguments.actor)
        assert incident.job is not None, "each is gone through by a job"
        print(f"incident {incident.id} is made of what {shown(key)} holds", file=sys.stderr)
        job = done_here(store, incident.job, {MAKE: runners[MAKE]}, what=f"incident {incident.id}")
        assert job.result is not None, "it is complete"
        print_summary(msgspec.json.decode(job.result, type=Summary), would=False)


def _keys(review: StoreReview, arguments: argparse.Namespace) -> Sequence[str]:
    if not arguments.all:
        return list(arguments.key)
    held = [one.key for one in review.held(arguments.tenant) if one.held]
    if not held:
        raise Invalid("nothing is held")
    return held


def _line(one: HeldKey) -> str:
    state = f"open since {one.open_since:%Y-%m-%d %H:%M:%S}" if one.open_since else "calm again"
    oldest = f", the oldest since {one.oldest:%Y-%m-%d %H:%M:%S}" if one.oldest else ""
    return f"{shown(one.key)}: {counted(one.held, 'report')} held{oldest}; {state}"
