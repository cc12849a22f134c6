"""Hot connections: those whose clients ask one plain lookup after the other are answered together, beside the event loop.

A connection is taken over while it is idle. The loop reads it no more; it lies in an epoll set with all others that ask alike
(the same key and the same fields), and the loop watches that set. When some of them are ready one compiled call
(`api/batch/answering.py`) receives, looks up and answers them all.

Whatever is not the plainest is given back, with what was received of it: the event loop reads the connection again and the
ordinary ways answer, in the order of the requests. While a connection is hot nothing is under way on it and nothing waits to be
written, so there is nothing else to take over or to give back. It leaves the set before its descriptor is closed.
"""

import asyncio
import select
from typing import Final, NamedTuple, Protocol

import numpy as np
from uvicorn.server import ServerState

from api.batch.answering import ANSWER_BYTES, PACKET_BYTES, Heads, Room, Slots, Terms, answer
from api.batch.hashing import BLOCK_BYTES, state_of
from api.http.hits import BEHIND_CLEAN
from api.http.keys import KnownKey
from api.index.kernels import read_only
from api.index.slots import prehashed_bit, tenant_mask
from api.index.table import Table
from api.lookup import Lookup
from nullsender.limits import API_HOT_DESCRIPTORS_MAX, API_HOT_KINDS_MAX, API_HOT_READY_MAX, API_RATE_BURST_SECONDS

_LENGTHS: Final = range(BLOCK_BYTES + 1)  # of an address that is answered here


class Connection(Protocol):
    """One connection, as far as this has to know it."""

    def given_back(self, packet: bytes, unsent: bytes) -> None:
        """It is hot no more: `packet` came in and is to be answered, or `unsent` of an answer to be written, or neither."""


class Answers(Protocol):
    """How answers are written, and who counts them."""

    def clean_head(self, address_bytes: int, state: ServerState) -> bytes:
        """What stands before a clean address of so many bytes."""

    def count_answered(self, answers: int, began_at_seconds: float, state: ServerState) -> None:
        """So many were answered, with requests that came in at this moment of the monotonic clock."""


class Place(NamedTuple):
    """Where a hot connection lies."""

    kind: "_Kind"
    descriptor: int

    def leave(self) -> None:
        """It is hot no more; it is not told."""
        self.kind.remove(self.descriptor)

    def answered_at_seconds(self) -> float:
        """When it was last answered, or taken over: of the monotonic clock."""
        return self.kind.answered_at_seconds(self.descriptor)


class HotConnections:
    """The hot connections of one server. Used on its event loop."""

    def __init__(self, lookup: Lookup, answers: Answers, state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
        self.lookup = lookup
        self.loop = loop
        self.now_seconds = lookup.clock.monotonic_seconds
        self.hash_state = state_of(lookup.hasher)
        self.room = Room.made()
        self._answers = answers
        self._state = state
        self._kinds: dict[tuple[bytes, int], _Kind] = {}
        self.answered_at_seconds = np.zeros(API_HOT_DESCRIPTORS_MAX)
        self._fields: object = None
        heads = np.zeros((len(_LENGTHS), ANSWER_BYTES - BLOCK_BYTES - len(BEHIND_CLEAN)), np.uint8)
        self._heads = Heads(heads, np.zeros(len(_LENGTHS), np.int64), np.frombuffer(BEHIND_CLEAN, np.uint8))
        self._table: Table | None = None
        self._slots: Slots | None = None

    def take(self, connection: Connection, descriptor: int, known: KnownKey, rest: bytes) -> Place | None:
        """Answer this connection from now on, whose requests end in `rest` and carry this key; None: there is no room for it.

        It is idle, nobody reads it, and nothing waits to be written.
        """
        if descriptor >= API_HOT_DESCRIPTORS_MAX:
            return None
        kind = self._kinds.get((rest, id(known)))
        if kind is None:
            if len(self._kinds) >= API_HOT_KINDS_MAX:
                return None
            kind = self._kinds[rest, id(known)] = _Kind(self, known, rest)
        self.answered_at_seconds[descriptor] = self.now_seconds()
        kind.add(descriptor, connection)
        return Place(kind, descriptor)

    def forget(self, kind: "_Kind") -> None:
        """No connection is of this kind any more."""
        del self._kinds[kind.rest, id(kind.known)]

    def slots_of(self, table: Table) -> Slots:
        """The table as compiled code reads it."""
        if self._slots is None or table is not self._table:
            words, checked_at = np.frombuffer(table.words, np.uint64), np.asarray(table.checked_at)  # all where they lie
            prehashed = np.asarray(table.prehashed)
            self._table, self._slots = table, Slots(read_only(words), read_only(checked_at), read_only(prehashed))
        return self._slots

    def heads(self) -> Heads:
        """What stands around the address of an answer; made anew when the date changes."""
        if self._state.default_headers is not self._fields:
            self._fields = self._state.default_headers
            for length in _LENGTHS:
                head = self._answers.clean_head(length, self._state)
                self._heads.heads[length, : len(head)] = np.frombuffer(head, np.uint8)
                self._heads.sizes[length] = len(head)
        return self._heads

    def note(self, count: int, answers: int, began_at_seconds: float) -> None:
        """Something came in on `count` connections, and so many `answers` were given."""
        self.answered_at_seconds[self.room.descriptors[:count]] = began_at_seconds
        self.lookup.count_from_table(answers)
        self._answers.count_answered(answers, began_at_seconds, self._state)


class _Kind:
    """The connections that ask alike."""

    def __init__(self, hot: HotConnections, known: KnownKey, rest: bytes) -> None:
        self.known = known
        self.rest = rest
        self._hot = hot
        self._connections: dict[int, Connection] = {}
        self._terms = Terms(
            np.frombuffer(rest, np.uint8),
            hot.hash_state,
            np.uint64(tenant_mask(known.tenant)),
            np.uint64(prehashed_bit(known.tenant)),
            known.bucket.seconds_each,
            API_RATE_BURST_SECONDS,
            hot.lookup.staleness_seconds_max,
        )
        self._ready = select.epoll()
        hot.loop.add_reader(self._ready.fileno(), self._answer)

    def add(self, descriptor: int, connection: Connection) -> None:
        """One more."""
        self._connections[descriptor] = connection
        self._ready.register(descriptor, select.EPOLLIN)

    def remove(self, descriptor: int) -> Connection:
        """One less; the last one ends all."""
        self._ready.unregister(descriptor)
        connection = self._connections.pop(descriptor)
        if not self._connections:
            self._hot.loop.remove_reader(self._ready.fileno())
            self._ready.close()
            self._hot.forget(self)
        return connection

    def answered_at_seconds(self, descriptor: int) -> float:
        """When one of them was last answered, or taken over: of the monotonic clock."""
        return float(self._hot.answered_at_seconds[descriptor])

    def _answer(self) -> None:
        """Some of them are ready."""
        hot, now_seconds = self._hot, self._hot.now_seconds()
        table = hot.lookup.telling_table(self.known.tenant, now_seconds)
        if table is None:
            return self._give_back_unread(API_HOT_READY_MAX)
        if self.known.ask_again_at_seconds <= now_seconds:
            return self._give_back_unread(1)  # who asks for the key again; the others need not
        bucket = self.known.bucket
        count, answers, gone, bucket.full_at_seconds = answer(
            self._ready.fileno(), hot.room, self._terms, hot.heads(), hot.slots_of(table), bucket.full_at_seconds, now_seconds
        )
        hot.note(count, answers, now_seconds)
        if gone != count:
            self._give_back_rest(count)
        return None

    def _give_back_unread(self, ready_max: int) -> None:
        for descriptor, _ in self._ready.poll(0, ready_max):
            self.remove(descriptor).given_back(b"", b"")

    def _give_back_rest(self, count: int) -> None:
        """What was not answered, or not wholly."""
        room = self._hot.room
        for row in range(count):
            answered, sent = int(room.answered[row]), int(room.sent[row])
            if answered and answered == sent:
                continue
            packet, unsent = row * PACKET_BYTES, row * ANSWER_BYTES
            self.remove(int(room.descriptors[row])).given_back(
                b"" if answered else room.packets[packet : packet + max(int(room.received[row]), 0)].tobytes(),
                room.answers[unsent + sent : unsent + answered].tobytes(),
            )
