"""A connection of a door whose protocol is questions and answers: takes questions out of bytes and answers them in their order.

Most answers come from memory and are written in the same turn of the event loop. While one has to wait for the store, or the
client does not read what it asked for, nothing more is read: so a connection holds the bytes of one read and a few answers,
whatever the client does.
"""

import asyncio

from api.doors.asking import Asking
from api.doors.listening import Guests
from api.doors.said import Garbage, Grammar, Question, Said
from nullsender.limits import (
    DOOR_GOODBYE_SECONDS_MAX,
    DOOR_IDLE_SECONDS_MAX,
    DOOR_QUESTION_SECONDS_MAX,
    DOOR_TURN_QUESTIONS_MAX,
    DOOR_WRITE_SECONDS_MAX,
)


class Connection(asyncio.Protocol):
    """The server's end of one connection."""

    def __init__(self, grammar: Grammar, asking: Asking, guests: Guests) -> None:
        self._grammar = grammar
        self._asking = asking
        self._guests = guests
        self._loop = asyncio.get_running_loop()
        self._held = b""  # what came in and is not dealt with
        self._has_ended = False  # the client has closed its end
        self._can_write = True
        self._can_read = True
        self._has_hung_up = False  # what still comes in is of no interest
        self._is_stopping = False
        self._waiting: asyncio.Task[None] | None = None  # for the store
        self._rest: asyncio.Handle | None = None  # the next turn, when this one had too many questions
        self._since_seconds = self._loop.time()  # when it last got anywhere

    # --- what the event loop tells ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody called."""
        self._transport = transport
        if not self._guests.admit(self):
            self._asking.garbage("too many connections")
            transport.write(self._grammar.last_words("too many connections, try again later"))
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Bytes came in."""
        if self._has_hung_up:
            return
        if not self._held:
            self._since_seconds = self._loop.time()
        self._held += data
        self._go_on()

    def eof_received(self) -> bool:
        """The client says no more, and may still listen."""
        self._has_ended = True
        if self._grammar.is_for_one_question and self._held:
            self._held += b"\n"
        self._go_on()
        return True

    def pause_writing(self) -> None:
        """The client does not read."""
        self._can_write = False
        self._since_seconds = self._loop.time()

    def resume_writing(self) -> None:
        """It reads again."""
        self._can_write = True
        self._go_on()

    def connection_lost(self, _error: Exception | None) -> None:
        """The connection is gone."""
        self._has_hung_up = True
        self._guests.leave(self)
        if self._waiting is not None:
            self._waiting.cancel()
        if self._rest is not None:
            self._rest.cancel()

    # --- questions and answers ---

    def _go_on(self) -> None:
        """Answer the questions that are there, until there are no more, one has to wait, or it is others' turn."""
        if self._waiting is not None or self._rest is not None or self._transport.is_closing():
            return None
        if self._has_hung_up:
            return self._close_at_the_end()
        if self._can_write:
            self._answer_some()
        self._read_on(self._can_write and not self._is_answering)
        if self._can_read:
            self._close_at_the_end()
        return None

    def _read_on(self, may_read: bool) -> None:
        """Read on, or no more for now: what is not read waits with the client, not with us."""
        if may_read != self._can_read and not self._transport.is_closing():
            self._can_read = may_read
            (self._transport.resume_reading if may_read else self._transport.pause_reading)()

    @property
    def _is_answering(self) -> bool:
        return self._waiting is not None or self._rest is not None

    def _close_at_the_end(self) -> None:
        if self._has_ended or self._is_stopping:
            self._transport.close()

    def _answer_some(self) -> None:
        held, start, answers = self._held, 0, list[bytes]()
        for _ in range(DOOR_TURN_QUESTIONS_MAX):
            found, after = self._cut(held, start)
            if found is None:
                break
            start = after
            answer = self._answer(found)
            if answer is None:
                break
            answers.append(answer)
            if self._grammar.is_for_one_question:
                self._is_stopping = True
                break
        else:
            self._rest = self._loop.call_soon(self._next_turn)
        if start:
            self._since_seconds = self._loop.time()
        self._held = held[start:]
        self._transport.write(b"".join(answers))
        if isinstance(found, Garbage):
            self._hang_up(found.reason)

    def _cut(self, held: bytes, start: int) -> tuple[Question | Said | bytes | Garbage | None, int]:
        """What comes next and where it ends, with the bound on its length kept. None: nothing yet."""
        cut = self._grammar.cut(held, start)
        found, after = cut if cut is not None else (None, len(held))
        if after - start > self._grammar.question_bytes_max:
            return Garbage(f"a question may have {self._grammar.question_bytes_max} bytes"), after
        return found, after

    def _answer(self, found: Question | Said | bytes | Garbage) -> bytes | None:
        """The bytes that answer it; None where there are none yet, or none to come."""
        if isinstance(found, bytes):
            return found
        if isinstance(found, Said):
            return self._grammar.answer(self._asking.answered(found))
        if isinstance(found, Garbage):
            return None
        said = self._asking.at_once(found)
        if said is None:
            self._waiting = self._loop.create_task(self._ask(found))
            return None
        return self._grammar.answer(said)

    async def _ask(self, question: Question) -> None:
        said = await self._asking.said(question)
        self._waiting = None
        self._since_seconds = self._loop.time()
        self._transport.write(self._grammar.answer(said))
        if self._grammar.is_for_one_question:
            self._transport.close()
        self._go_on()

    def _next_turn(self) -> None:
        self._rest = None
        self._go_on()

    # --- the end ---

    def _hang_up(self, reason: str) -> None:
        """Say so and hear no more. The client has a moment to read it: to close on what it still sends would take it away."""
        self._asking.garbage(reason)
        self._has_hung_up = True
        self._held = b""
        self._since_seconds = self._loop.time()
        self._transport.write(self._grammar.last_words(reason))
        self._transport.write_eof()

    def look(self, now_seconds: float) -> None:
        """Hang up on who has hung up, is silent, is too slow with a question or does not read."""
        if not self._is_answering and now_seconds - self._since_seconds > self._patience_seconds():
            self._transport.abort()

    def _patience_seconds(self) -> float:
        if self._has_hung_up:
            return DOOR_GOODBYE_SECONDS_MAX
        if not self._can_write:
            return DOOR_WRITE_SECONDS_MAX
        if self._held or self._grammar.is_for_one_question:
            return DOOR_QUESTION_SECONDS_MAX
        return DOOR_IDLE_SECONDS_MAX

    def stop(self) -> None:
        """Answer what is in hand, and then hang up."""
        self._is_stopping = True
        self._go_on()

    def cut(self) -> None:
        """Hang up now."""
        self._transport.abort()
