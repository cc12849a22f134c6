"""What time may be believed for what can not be taken back."""

import pytest

from nullsender.clock import FakeClock, SteadyTime
from nullsender.limits import CLOCK_DISTRUSTED_SECONDS


def test_a_clock_that_goes_steadily_is_believed_however_seldom_it_is_looked_at() -> None:
    clock = FakeClock()
    steady = SteadyTime(clock)

    for seconds in (0.0, 5.0, 86_400.0):
        clock.advance(seconds=seconds)
        assert steady.now() == clock.now()


@pytest.mark.parametrize("days", [10.0, -10.0])
def test_a_clock_that_jumped_is_not_believed_until_it_has_gone_steadily(days: float) -> None:
    clock = FakeClock()
    steady = SteadyTime(clock)

    clock.jump(days=days)

    assert steady.now() is None
    clock.advance(seconds=CLOCK_DISTRUSTED_SECONDS - 1)
    assert steady.now() is None
    clock.advance(seconds=1)
    assert steady.now() == clock.now()


def test_a_jump_back_is_a_jump_too() -> None:
    clock = FakeClock()
    steady = SteadyTime(clock)
    clock.jump(days=10)
    steady.now()

    clock.advance(seconds=CLOCK_DISTRUSTED_SECONDS)
    clock.jump(days=-10)

    assert steady.now() is None
