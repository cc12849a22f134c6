"""`nullsender api`: pre-send lookups and the list over HTTP."""

import argparse
import logging
from collections.abc import Sequence

from api.app import open_api
from api.parts import Check
from api.server import serve
from nullsender.cli import parts, role, store_parts
from nullsender.errors import Transient
from nullsender.limits import READY_LAG_RECORDS_MAX
from nullsender.log import Log, Topic


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it listens."""
    role.add_arguments(parser)
    parser.add_argument("--http", metavar="HOST:PORT", help="where the API listens (default: 127.0.0.1:8080)")


def run(arguments: argparse.Namespace) -> int:
    """Answer until told to stop."""
    with role.running("api", arguments) as ours, parts.open_log(ours.settings) as log:
        settings = ours.settings
        api = open_api(
            store_parts.open_store(settings),
            hasher=store_parts.hasher_of(settings),
            index_folder=settings.index_folder,
            staleness_seconds_max=settings.lookup.staleness_seconds_max,
            clock=parts.CLOCK,
            further_checks=_pipeline_checks(log),
        )
        serve(api, settings.http.host, settings.http.port, ours.heart.pulse("the API"))
    return 0


def _pipeline_checks(log: Log) -> Sequence[Check]:
    """Whether every stage is at work and keeps up: one that stands still shows as records that nobody deals with."""

    def stage(group: str, topics: Sequence[Topic]) -> Check:
        def check() -> str | None:
            try:
                lag = sum(log.group_lag(group, topics).values())
                unread = log.unread(group, topics)
            except Transient as trouble:
                # The log's own words name files and hosts, and anybody may ask: they are for the operator.
                logging.getLogger("api").warning("not ready", extra={"facts": {"trouble": trouble}})
                return "the log does not answer"
            if unread:
                return f"nobody reads {unread[0].topic} for `nullsender {group}`: is it running?"
            if lag > READY_LAG_RECORDS_MAX:
                return f"{lag} records wait for `nullsender {group}`: does its log say why it is slow?"
            return None

        return check

    return [stage(group, topics) for group, topics in parts.READERS.items()]
