"""How a turn is taken: with the pen, as often as the database undoes it, and once in effect."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from nullsender import telemetry
from suppression.audit.chain import Act
from suppression.store.base import Done, StoreBase
from suppression.store.rows import take_pen
from suppression.store.turn import Receipt, Turn, was_committed


class StoreTurns(StoreBase):
    """A store that writes: what changes the list, or acts on it, is one turn."""

    def note(self, act: Act) -> None:
        """Write down in the audit trail what was done, in a turn of its own. `Transient` where that is not possible now."""
        self._turn(lambda turn: turn.tell(act))

    def _turn(self, work: Callable[[Turn], Done], now: datetime | None = None, *, patient: bool = False) -> Done:
        """What `work` answers, done in one turn. It may be called several times; what counts is what its last turn wrote."""
        started_seconds = self._clock.monotonic_seconds()
        tried: tuple[Receipt, Done] | None = None

        def take_turn(connection: Connection) -> Done:
            nonlocal tried
            last = take_pen(connection)
            if tried is not None and was_committed(connection, tried[0]):
                return tried[1]
            # The time is taken with the pen in hand, so that the times of changes follow their numbers.
            turn = Turn(
                connection,
                last=last,
                now=now or self._clock.now(),
                deadlines=self._deadlines,
                policy_version=self.policy.version,
            )
            done = work(turn)
            receipt = turn.finish()
            tried = receipt and (receipt, done)
            return done

        done = self._write(take_turn, patient=patient)
        telemetry.STORE_TURN_SECONDS.observe(self._clock.monotonic_seconds() - started_seconds)
        return done
