"""The raw mail about a person leaves the embedded log soon after the erasure; other mail stays."""

from pathlib import Path

import pytest

from nullsender.cli.working.erased_mail import RawMailBroom
from nullsender.clock import FakeClock, SystemClock
from nullsender.log import Record, Topic
from nullsender.log_embedded import EmbeddedLog
from suppression.store.erased_mail import StoreErasedMail
from suppression.store.erasure import StoreErasure
from suppression.store.store import Store
from tests.log_contract import publish
from tests.outcomes import an_outcome
from tests.store_contract import ADA, BEN, tell
from tests.store_fixtures import BOTH_DATABASES


@pytest.mark.parametrize("database", BOTH_DATABASES)
def test_raw_mail_goes_once_and_only_that_of_the_erased(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    tell(store, an_outcome("of-ada-1"), an_outcome("of-both-1"), an_outcome("of-both-2", recipient=BEN))
    tell(store, an_outcome("of-ben-1", recipient=BEN), an_outcome("elsewhere-1", tenant="acme"))
    with EmbeddedLog(tmp_path / "log", clock=SystemClock()) as log:
        names = ("of-ada", "of-both", "of-ben", "elsewhere")
        publish(log, *(Record(Topic.RAW, name.encode(), b"mail") for name in names))
        broom = RawMailBroom(lambda: log, StoreErasedMail.beside(store))

        def swept() -> set[str]:
            broom.sweep(clock.now())
            return {record.key.decode() for record in log.read(Topic.RAW)}

        assert swept() == set(names)
        StoreErasure.beside(store).erase(ADA, tenant="default", reason="ticket 4711", actor="olga")
        assert swept() == {"of-ben", "elsewhere"}
        publish(log, Record(Topic.RAW, b"of-ada", b"put back by hand"))
        assert "of-ada" in swept()  # nothing was erased since
        clock.advance(seconds=1)
        StoreErasure.beside(store).erase(ADA, tenant=None, reason="ticket 4712", actor="olga")
        assert swept() == {"of-ben"}
