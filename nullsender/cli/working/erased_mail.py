"""The duty that takes the raw mail about people who were erased out of the log."""

import logging
from collections.abc import Callable
from datetime import datetime

from nullsender.log import Log, Topic
from suppression.store.erased_mail import StoreErasedMail

_log = logging.getLogger("jobs")


class RawMailBroom:
    """Looks every minute. The embedded log lets single records go; from Kafka they go when they are old."""

    def __init__(self, open_log: Callable[[], Log], store: StoreErasedMail) -> None:
        self._open_log = open_log
        self._store = store

    def sweep(self, _now: datetime) -> None:
        """Remove what the erasures since the last time are about."""
        mail = self._store.erased_mail()
        if mail is None:
            return
        removed = self._open_log().remove(Topic.RAW, {message_id.encode() for message_id in mail.message_ids})
        self._store.mail_was_removed(mail.up_to)
        _log.info("raw mail of people who were erased was removed", extra={"facts": {"messages": removed}})
