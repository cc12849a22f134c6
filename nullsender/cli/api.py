"""`nullsender api`: pre-send lookups and the list over HTTP."""

import argparse

from api.http.app import open_api
from api.http.server import serve
from nullsender.cli import parts, store_parts
from nullsender.cli.running import role
from nullsender.cli.running.pipeline import Pipeline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where it listens."""
    role.add_arguments(parser)
    parser.add_argument("--http", metavar="HOST:PORT", help="where the API listens (default: 127.0.0.1:8080)")


def run(arguments: argparse.Namespace) -> int:
    """Answer until told to stop."""
    with role.running("api", arguments) as ours:
        settings = ours.settings
        pipeline = Pipeline(
            # Not before we serve: lookups need no log, and must not be down because it is.
            lambda: parts.open_log(settings),
            parts.READERS,
            data=settings.data,
            health_folder=settings.health_folder,
            clock=parts.CLOCK,
        )
        pipeline.watch(ours.stop)
        api = open_api(
            store_parts.open_store(settings),
            hasher=store_parts.hasher_of(settings),
            index_folder=settings.index_folder,
            staleness_seconds_max=settings.lookup.staleness_seconds_max,
            clock=parts.CLOCK,
            further_checks=[pipeline.trouble],
        )
        serve(api, settings.http.host, settings.http.port, ours.heart.pulse("the API"))
    return 0
