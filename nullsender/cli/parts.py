"""What commands are put together from: settings, keys and log, each opened in one way (the store: `store_parts.py`)."""

import argparse
import logging
import threading
from collections.abc import Sequence
from contextlib import ExitStack

from nullsender import config, secret_keys
from nullsender.cli.stopping import Stop
from nullsender.clock import SystemClock
from nullsender.config import Settings
from nullsender.consume import ConsumeLoop, Handler
from nullsender.log import Log, Producer, StartAt, Topic
from nullsender.log_embedded import EmbeddedLog
from nullsender.secret_keys import SecretKeys
from nullsender.telemetry import start_logging

#: The one place where the real time comes in.
CLOCK = SystemClock()

#: Which group reads what; the log keeps it for them before they have ever read. Said here once more than in the stages, so that
#: a role does not load the others' libraries for two names; a test holds them together.
READERS = {
    "classify": (Topic.BOUNCES, Topic.COMPLAINTS, Topic.UNSUBSCRIBES),
    "suppress": (Topic.OUTCOMES, Topic.URGENT_OUTCOMES),
}


def add_role_arguments(parser: argparse.ArgumentParser) -> None:
    """What every role takes."""
    parser.add_argument("--supervised", action="store_true", help="stop when standard input ends (`up` sets it)")


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The settings in force for this call: its flags over variables, file and defaults."""
    given = {name: getattr(arguments, name, None) for name in ("data", "smtp", "http")}
    return config.load({name: value for name, value in given.items() if value is not None}, file=arguments.config)


def start_role(arguments: argparse.Namespace) -> Settings:
    """The settings of a role, whose log lines go to standard error from now on."""
    settings = settings_of(arguments)
    start_logging(settings.log_level)
    return settings


def open_log(settings: Settings) -> Log:
    """The log between the stages."""
    return EmbeddedLog(settings.log_folder, clock=CLOCK, readers=READERS)


def keys_of(settings: Settings) -> SecretKeys:
    """This installation's secret keys; the first call ever makes them."""
    return secret_keys.load_or_make(settings.secrets_file)


def consume(log: Log, group: str, handler: Handler, *, producer: Producer, stop: Stop, start_at: StartAt | None = None) -> None:
    """Run a stage until told to stop: a loop and a thread for each topic, so that no topic waits behind a flood on another."""
    with ExitStack() as consumers:
        loops = [
            ConsumeLoop(
                group,
                consumer=consumers.enter_context(log.consumer(group, [topic], start_at=start_at)),
                handler=handler,
                dead_letters=producer,
                clock=CLOCK,
                stopping=stop,
            )
            for topic in READERS[group]
        ]
        _run(loops, stop)


def _run(loops: Sequence[ConsumeLoop], stop: Stop) -> None:
    """Each loop in a thread of its own. One that fails stops the others; its failure is raised."""
    failures: list[BaseException] = []

    def run(loop: ConsumeLoop) -> None:
        try:
            loop.run()
        except BaseException as failure:
            logging.getLogger("consume").exception("a consumer failed")
            failures.append(failure)
            stop.request()

    threads = [threading.Thread(target=run, args=(loop,), name=f"loop-{n}") for n, loop in enumerate(loops)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
