"""The sending client: several MTAs that keep their mail until they hear 250, as real ones do.

Each sends over a connection of its own, from an address of its own. After 4xx, or when the connection broke, it sends the same
bytes again a little later. Now and then one hangs up after the final dot without waiting for the reply.
"""

import smtplib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from random import Random
from types import TracebackType
from typing import Self

from tests.faults.ledger import UNKNOWN, Ledger, Line
from tests.faults.mail import Mail
from tests.waiting import wait_for

MTAS = 4
MAILS_PER_SECOND = 40.0
REPLY_SECONDS_MAX = 30.0
AGAIN_SECONDS = 0.25
HANG_UP_SHARE = 0.03


class Traffic:
    """Mail that flows for as long as the block lasts; the end of the block waits until everything sent was accepted."""

    def __init__(
        self,
        address: Callable[[], tuple[str, int]],
        mails: Iterator[Mail],
        ledger: Ledger,
        *,
        chance: Random,
        per_second: float = MAILS_PER_SECOND,
        accepted_within_seconds: float = 90.0,
    ) -> None:
        self._address = address
        self._mails = mails
        self._ledger = ledger
        self._pause_seconds = MTAS / per_second
        self._accepted_within_seconds = accepted_within_seconds
        self._taking = threading.Lock()
        self._stopping = threading.Event()
        self._failures: list[BaseException] = []
        seeds = [chance.random() for _ in range(MTAS)]
        self._threads = [
            threading.Thread(target=self._run, args=(number, Random(seed)), name=f"mta-{number}", daemon=True)
            for number, seed in enumerate(seeds)
        ]
        self.accepted = 0

    def wait_for_more(self, count: int, *, seconds: float = 60.0) -> None:
        """Return when `count` more messages were accepted than at the call."""
        wanted = self.accepted + count
        wait_for(lambda: self.accepted >= wanted, what=f"{count} more messages to be accepted", seconds=seconds)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping.set()
        deadline_seconds = time.monotonic() + (self._accepted_within_seconds if error is None else 1.0)
        for thread in self._threads:
            thread.join(max(deadline_seconds - time.monotonic(), 0.1))
        if self._failures:
            raise self._failures[0]

    def _run(self, number: int, chance: Random) -> None:
        try:
            self._send(number, chance)
        except BaseException as failure:
            self._failures.append(failure)

    def _send(self, number: int, chance: Random) -> None:
        mta = Mta(self._address, f"127.0.0.{number + 2}", chance)
        queue: deque[tuple[float, Line]] = deque()
        while queue or not self._stopping.is_set():
            if queue and (queue[0][0] <= time.monotonic() or self._stopping.is_set()):
                line = queue.popleft()[1]
            elif self._stopping.is_set():
                break
            else:
                with self._taking:
                    mail = next(self._mails)
                line = self._ledger.opened(mail)
            mta.send(line)
            if line.is_accepted:
                self.accepted += 1
            elif not line.heard[-1].startswith("5"):
                queue.append((time.monotonic() + AGAIN_SECONDS, line))
            time.sleep(chance.uniform(0.5, 1.5) * self._pause_seconds)
        mta.hang_up()


class Mta:
    """One sending MTA and its one connection."""

    def __init__(self, address: Callable[[], tuple[str, int]], own_ip: str, chance: Random) -> None:
        self._address = address
        self._own_ip = own_ip
        self._chance = chance
        self._session: smtplib.SMTP | None = None

    def send(self, line: Line) -> None:
        """Try to deliver one message, and write down what was heard."""
        hangs_up = not line.heard and self._chance.random() < HANG_UP_SHARE
        sent_whole = False
        try:
            session = self._connected()
            for command, good in ((f"MAIL FROM:<{line.mail.sender}>", 250), (f"RCPT TO:<{line.mail.to}>", 250), ("DATA", 354)):
                code, words = session.docmd(command)
                if code != good:
                    self._note(line, code, words)
                    return
            session.send(line.mail.content + b".\r\n")
            sent_whole = True
            if hangs_up:
                raise smtplib.SMTPServerDisconnected("we hang up")
            self._note(line, *session.getreply())
        except (OSError, smtplib.SMTPException):
            line.heard.append(UNKNOWN if sent_whole else "no reply")
            self.hang_up()

    def _note(self, line: Line, code: int, words: bytes) -> None:
        line.heard.append(f"{code} {words.decode(errors='replace')}")
        if code != 250:
            self.hang_up()

    def _connected(self) -> smtplib.SMTP:
        if self._session is None:
            session = smtplib.SMTP(timeout=REPLY_SECONDS_MAX, source_address=(self._own_ip, 0))
            code, _ = session.connect(*self._address())
            if code != 220:
                session.close()
                raise smtplib.SMTPConnectError(code, b"no greeting")
            session.ehlo("mta.example.com")
            self._session = session
        return self._session

    def hang_up(self) -> None:
        """Close the connection, as it is."""
        if self._session is not None:
            self._session.close()
            self._session = None
