"""Hundreds of seeded histories of the whole pipeline (tests/sim): whatever goes wrong in them, every promise is kept."""

import secrets
from collections.abc import Iterator

import pytest

from nullsender.clock import SystemClock
from nullsender.log import Log
from tests.log_contract import LogContract
from tests.log_contract import group as group
from tests.sim.fate import Trouble
from tests.sim.log import SimulatedLog
from tests.sim.simulation import Plot, Simulation, named_plot, simulation

# How many: what one core does in about twenty seconds.
KNOWN, TOGETHER, NEW = 300, 100, 100
NEW_SEEDS = 10**9


class TestSimulatedLog(LogContract):
    """The log of the simulation behaves as the real ones do."""

    @pytest.fixture
    def log(self) -> Iterator[Log]:
        with SimulatedLog(clock=SystemClock(), partitions=8) as log:
            yield log


@pytest.fixture(scope="module")
def histories() -> Iterator[Simulation]:
    """What histories are run with."""
    with simulation() as running:
        yield running


@pytest.mark.parametrize("first", range(0, KNOWN, TOGETHER))
def test_whatever_goes_wrong_every_promise_is_kept(histories: Simulation, first: int) -> None:
    for seed in range(first, first + TOGETHER):
        histories.run(Plot(seed))

    assert histories.struck.keys() == set(Trouble), "a kind of trouble never strikes any more"


def test_whatever_goes_wrong_in_new_histories_every_promise_is_kept(histories: Simulation) -> None:
    """Others in every run; NULLSENDER_SIM_SEED names one that is to be repeated."""
    named = named_plot()
    first = secrets.randbelow(NEW_SEEDS)
    print(f"the seeds from {first} to {first + NEW - 1}")
    for plot in [named] if named else map(Plot, range(first, first + NEW)):
        histories.run(plot)


def test_a_seed_tells_the_same_history_again(histories: Simulation) -> None:
    pasts = [histories.past_of(Plot(seed)) for seed in range(20)]

    assert [histories.past_of(Plot(seed)) for seed in reversed(range(20))] == pasts[::-1]
