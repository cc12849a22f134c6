"""`nullsender suppress`: outcomes in, the list changed."""

import argparse
import logging
import threading

from nullsender.cli import parts, store_parts
from nullsender.cli.stopping import Stop, stop_on_signals
from nullsender.consume import ConsumeLoop
from nullsender.errors import Transient
from nullsender.limits import EXPIRE_BATCH_MAX, EXPIRE_EVERY_SECONDS
from suppression.consumer import GROUP, TOPICS, SuppressStage
from suppression.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing of its own."""
    parts.add_role_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Apply outcomes until told to stop, and note beside that which entries have expired."""
    settings = parts.start_role(arguments)
    stop = stop_on_signals(supervised=arguments.supervised)
    store = store_parts.open_store(settings)
    stage = SuppressStage(store)
    with (
        parts.open_log(settings) as log,
        log.producer() as producer,
        log.consumer(GROUP, TOPICS, start_at=stage.start_at) as consumer,
    ):
        loop = ConsumeLoop(GROUP, consumer=consumer, handler=stage, dead_letters=producer, clock=parts.CLOCK, stopping=stop)
        threading.Thread(target=_note_expiries, args=(store, stop), daemon=True, name="expiries").start()
        parts.run_loops([loop], stop)
    return 0


def _note_expiries(store: Store, stop: Stop) -> None:
    """For the history and the feed; an entry stops no mail from the moment it expires, whether that is noted or not."""
    while not stop():
        try:
            while store.expire(parts.CLOCK.now(), EXPIRE_BATCH_MAX) == EXPIRE_BATCH_MAX:
                pass  # the batch was full: there are more
        except Transient as trouble:
            logging.getLogger("suppress").warning("expiries will be noted later", extra={"facts": {"trouble": trouble}})
        parts.CLOCK.sleep(EXPIRE_EVERY_SECONDS)
