"""What GET /v1/check says of one address, where memory alone does not say all: the entry behind a hit, or everything while the
table is stale.

The questions that wait at one moment go to the store as one: while it answers, the next ones gather. So a hit costs a part of a
query, and the store is never asked about more than one batch a view at a time.
"""

import asyncio
from itertools import islice

import msgspec

from api.lookup import Answer, Lookup, Verdict
from api.threads import StoreThreads
from api.view import View
from nullsender.errors import Transient
from nullsender.limits import API_HITS_BATCH_MAX

_NO_ENTRY = b',"cause":null,"scope":null,"since":null,"expires":null,"entry":null}'
_CLEAN = b',"allowed":true' + _NO_ENTRY
_UNKNOWN = b',"allowed":true,"known":false' + _NO_ENTRY
#: What stands around an address that JSON writes as it is, in `clean`.
BEFORE_CLEAN = b'{"address":"'
BEHIND_CLEAN = b'"' + _CLEAN
_json = msgspec.json.Encoder().encode


class Hits:
    """Answers that need the store. Used on one event loop."""

    def __init__(self, lookup: Lookup, threads: StoreThreads) -> None:
        self._lookup = lookup
        self._threads = threads
        self._waiting: dict[View, dict[str, asyncio.Future[Answer]]] = {}
        self._at_work: dict[View, asyncio.Task[None]] = {}

    async def body(self, view: View, address: str) -> bytes:
        """The answer for a canonical address as JSON; `Transient` where nobody can tell."""
        verdict = self._lookup.at_once(view, address)
        return clean(address) if verdict is not None and verdict.allowed else await self.explained(view, address, verdict)

    async def explained(self, view: View, address: str, verdict: Verdict | None) -> bytes:
        """The same where memory does not say all: `verdict` is what it says."""
        asked = self.asked(view, address)
        await asyncio.wait({asked})  # whoever goes away takes it from nobody else
        return self.told(address, verdict, asked)

    def asked(self, view: View, address: str) -> "asyncio.Future[Answer]":
        """Comes to the store's answer. All who ask for the same share it, so nobody may cancel it."""
        waiting = self._waiting.setdefault(view, {})
        answer = waiting.get(address)
        if answer is None:
            answer = waiting[address] = asyncio.get_running_loop().create_future()
        if view not in self._at_work:
            self._at_work[view] = asyncio.create_task(self._ask(view))
        return answer

    def told(self, address: str, verdict: Verdict | None, asked: "asyncio.Future[Answer]") -> bytes:
        """The answer as JSON when the store has told; `Transient` where nobody can tell.

        Where memory says that it is on the list, and nothing can be told of the entry because the store is away, it is not
        allowed all the same.
        """
        try:
            answer = asked.result()
        except Transient:
            if verdict is None:
                raise
            return _stopped(address, verdict)
        if not answer.known:
            return _marked(address) if verdict is None else _stopped(address, verdict)
        if answer.entry is None and verdict is not None:
            self._lookup.count_overruled()
        return _told(answer)

    async def _ask(self, view: View) -> None:
        """Ask the store until nobody waits."""
        while waiting := self._waiting.pop(view, None):
            batch = dict(islice(waiting.items(), API_HITS_BATCH_MAX))
            if rest := dict(islice(waiting.items(), len(batch), None)):
                self._waiting[view] = rest
            try:
                answers = await self._threads.run(self._lookup.answers_of, view, list(batch))
            except Exception as error:
                for answer in batch.values():
                    answer.set_exception(error)
                    answer.exception()  # that of a request that has gone is nobody's any more
            else:
                for address, answer in batch.items():
                    answer.set_result(answers[address])
        del self._at_work[view]


def clean(address: str) -> bytes:
    """The answer for an address that nothing stops."""
    return b'{"address":' + _json(address) + _CLEAN


def _marked(address: str) -> bytes:
    return b'{"address":' + _json(address) + _UNKNOWN


def _stopped(address: str, verdict: Verdict) -> bytes:
    fields = {"address": address, "allowed": False, "cause": verdict.cause, "scope": verdict.scope}
    return _json(fields | {"since": None, "expires": None, "entry": None})


def _told(answer: Answer) -> bytes:
    entry = answer.entry
    if entry is None:
        return clean(answer.address)
    return _json(
        {
            "address": answer.address,
            "allowed": False,
            "cause": entry.cause,
            "scope": entry.scope,
            "since": entry.since,
            "expires": entry.expires,
            "entry": entry.id,
        }
    )
