"""`nullsender incidents`: many reports that were not what they seemed, taken off the list together, and put back.

`preview` says what an incident would do and does nothing; `make` does it; `undo` takes it back. What is made holds for reports
that come later too. docs/incidents.md has a whole session.
"""

import argparse
import json
import sys
from collections.abc import Mapping

import msgspec
from tqdm import tqdm

from nullsender.cli.reviewing.acting import run as run
from nullsender.cli.reviewing.marks import add_marks, marks_of
from nullsender.cli.reviewing.summary import print_effects, print_json, print_summary
from nullsender.cli.reviewing.watching import done_here
from nullsender.cli.working.deciding import RulesOfToday
from nullsender.cli.working.runners import runners_of
from nullsender.config import Settings
from nullsender.errors import Invalid
from nullsender.limits import API_PAGE_ITEMS_DEFAULT
from suppression.incidents.effects import Summary
from suppression.incidents.incident import Incident, IncidentKind
from suppression.jobs.worker import Runner
from suppression.store.incidents import MAKE, UNDO, StoreIncidents
from suppression.store.jobs import StoreJobs
from suppression.store.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with which."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    preview = actions.add_parser("preview", help="show every entry that an incident would release or change; does nothing")
    preview.add_argument("--list", action="store_true", help="a line for each entry as well")
    preview.set_defaults(action=_preview)
    make = actions.add_parser("make", help="do it: these reports count for nothing, or are read again")
    make.add_argument("--reason", required=True, help="why, for the history of everybody whom it concerns")
    make.set_defaults(action=_make)
    for action in (preview, make):
        add_marks(action)
    undo = actions.add_parser("undo", help="take it back: the list is as if it had never been made")
    undo.add_argument("--reason", required=True, help="why, for the history")
    undo.set_defaults(action=_undo)
    show = actions.add_parser("show", help="show one, and how far it has come")
    show.set_defaults(action=_show)
    for action in (undo, show):
        action.add_argument("id", type=int, help="its number, as `list` shows it")
    listing = actions.add_parser("list", help="show them, newest first")
    listing.add_argument("--limit", type=int, default=API_PAGE_ITEMS_DEFAULT, help="how many (default: %(default)s)")
    listing.set_defaults(action=_list)
    for action in (preview, make, undo, show, listing):
        action.add_argument("--tenant", default="default", help="whose list (default: %(default)s)")
        action.add_argument("--actor", default="operator", help="who does this, for the history (default: %(default)s)")
        action.add_argument("--json", action="store_true", help="JSON, for a program")


def _preview(settings: Settings, store: Store, arguments: argparse.Namespace) -> None:
    incidents, decide = StoreIncidents.beside(store), RulesOfToday(settings)
    tried = incidents.tried(arguments.tenant, IncidentKind(arguments.kind), marks_of(arguments))
    summary = Summary()
    with tqdm(desc="looking", total=incidents.count(tried), unit=" people", file=sys.stderr, disable=None) as bar:
        for looked_at, part, effects in incidents.preview(tried, decide):
            summary.merge(part)
            bar.update(looked_at)
            if arguments.list:
                print_effects(effects, as_json=arguments.json)
    _print(summary, arguments, would=True)


def _make(settings: Settings, store: Store, arguments: argparse.Namespace) -> None:
    kind, marks = IncidentKind(arguments.kind), marks_of(arguments)
    incident = StoreIncidents.beside(store).make(arguments.tenant, kind, marks, reason=arguments.reason, actor=arguments.actor)
    print(f"incident {incident.id} holds from now on; what came before it is gone through now", file=sys.stderr)
    _finish(settings, store, incident, arguments)


def _undo(settings: Settings, store: Store, arguments: argparse.Namespace) -> None:
    incident = StoreIncidents.beside(store).undo(arguments.tenant, arguments.id, reason=arguments.reason, actor=arguments.actor)
    _finish(settings, store, _there(incident, arguments), arguments)


def _finish(settings: Settings, store: Store, incident: Incident, arguments: argparse.Namespace) -> None:
    assert incident.job is not None, "each is gone through by a job"
    ours: Mapping[str, Runner] = {kind: run for kind, run in runners_of(settings, store).items() if kind in (MAKE, UNDO)}
    job = done_here(store, incident.job, ours, what=f"incident {incident.id}")
    assert job.result is not None, "it is complete"
    _print(msgspec.json.decode(job.result, type=Summary), arguments, would=False)


def _show(_settings: Settings, store: Store, arguments: argparse.Namespace) -> None:
    incident = _there(StoreIncidents.beside(store).incident(arguments.tenant, arguments.id), arguments)
    job = StoreJobs.beside(store).job(arguments.tenant, incident.job or "")
    if arguments.json:
        told = {**msgspec.to_builtins(incident), "job": job and {"id": job.id, "state": job.state, "done": job.done}}
        print(json.dumps(told, default=str))
        return
    print(f"{_line(incident)}\n  made by {incident.made_by} on {incident.made_at:%Y-%m-%d %H:%M:%S}")
    if incident.undone_at is not None:
        print(f"  undone by {incident.undone_by} on {incident.undone_at:%Y-%m-%d %H:%M:%S}: {incident.undone_because}")
    if job is not None:
        of = f" of {job.total:,}" if job.total is not None else ""
        print(f"  its job {job.id} is {job.state}: {job.done:,}{of} people" + (f" ({job.trouble})" if job.trouble else ""))
    if job is not None and job.result is not None:
        print_summary(msgspec.json.decode(job.result, type=Summary), would=False)


def _list(_settings: Settings, store: Store, arguments: argparse.Namespace) -> None:
    for incident in StoreIncidents.beside(store).list_incidents(arguments.tenant, cursor=None, limit=arguments.limit).items:
        print(json.dumps(msgspec.to_builtins(incident)) if arguments.json else _line(incident))


def _line(incident: Incident) -> str:
    state = "holds" if incident.holds else "undone"
    return f"{incident.id}  {state}  {incident.kind}  {incident.marks.words()}: {incident.reason}"


def _there(incident: Incident | None, arguments: argparse.Namespace) -> Incident:
    if incident is None:
        raise Invalid(f"the tenant {arguments.tenant} has no incident {arguments.id}: `nullsender incidents list` shows them")
    return incident


def _print(summary: Summary, arguments: argparse.Namespace, *, would: bool) -> None:
    if arguments.json:
        print_json(summary)
    else:
        print_summary(summary, would=would)
