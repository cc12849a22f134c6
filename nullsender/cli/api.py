"""`nullsender api`: pre-send lookups and the list over HTTP."""

import argparse
import sys

from api.batch import loading
from api.http.app import open_api
from api.http.server import serve
from api.http.unsubscribing import UnsubscribeSettings
from nullsender.cli import lookup_parts, parts, store_parts
from nullsender.cli.running import role
from nullsender.cli.running.pipeline import Pipeline
from nullsender.limits import API_SWITCH_SECONDS
from nullsender.signing.keys import SigningKeys


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
        store, processes = store_parts.open_store(settings), settings.up.api
        refusals = lookup_parts.refusals_of(store)
        refusals.keep(ours.stop)
        api = open_api(
            store,
            lookup_parts.lookup_of(settings, store, refusals),
            clock=parts.CLOCK,
            unsubscribing=UnsubscribeSettings(
                keys=SigningKeys(parts.keys_of(settings).signing_keys),
                url=settings.unsubscribe.url,
                mailto=settings.unsubscribe_mailto,
                names=settings.unsubscribe.name,
                proxies=settings.unsubscribe.proxies,
                requests_per_second=settings.unsubscribe.rate / processes,
            ),
            exports_folder=settings.exports_folder,
            imports_folder=settings.imports_folder,
            rate_per_second=settings.api.rate,
            processes=processes,
            further_checks=[pipeline.trouble],
        )
        loading.load_beside()
        # A thread that computes beside the event loop gives way to a lookup soon, not only after Python's five milliseconds.
        sys.setswitchinterval(API_SWITCH_SECONDS)
        serve(api, *settings.http, ours.heart.pulse("the API"), shares_port=processes > 1)
        refusals.write()
    return 0
