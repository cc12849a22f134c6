"""What the routes work with. `create_app` puts it into the application, a route asks for it by `parts: UsedParts`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from fastapi import Depends, Request

from api.http.clients import WrongKeys
from api.http.hits import Hits
from api.http.keys import Keys
from api.http.unsubscribing import Unsubscribing
from api.lookup import Lookup
from api.threads import StoreThreads
from nullsender.clock import Clock
from suppression.store.jobs import StoreJobs
from suppression.store.store import Store

#: Says what is wrong with one part of the system, or None. May block.
Check = Callable[[], str | None]


class Parts(NamedTuple):
    """The parts of one process's API."""

    store: Store
    lookup: Lookup
    hits: Hits
    keys: Keys
    wrong_keys: WrongKeys
    threads: StoreThreads
    unsubscribing: Unsubscribing
    jobs: StoreJobs
    exports_folder: Path  # where the role `jobs` puts them
    imports_folder: Path  # where it finds lists that were sent
    clock: Clock
    checks: Sequence[Check]  # of other parts of the system; /readyz repeats what they say


async def _parts_of(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


UsedParts = Annotated[Parts, Depends(_parts_of)]
