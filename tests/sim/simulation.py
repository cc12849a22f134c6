"""Running histories, and telling of one that came out wrong: shortened, and with the command that repeats it."""

import logging
import os
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from classifiers.rules import Rules
from tests.sim.checks import check
from tests.sim.fate import Trouble
from tests.sim.history import MAILS_MAX, History
from tests.sim.past import Past, past_of
from tests.sim.store import SimulatedDatabase, simulated_database

_SEED, _MAILS, _WITHOUT = "NULLSENDER_SIM_SEED", "NULLSENDER_SIM_MAILS", "NULLSENDER_SIM_WITHOUT"


class Plot(NamedTuple):
    """Which history: all of it follows from this."""

    seed: int
    mails_max: int = MAILS_MAX
    without: frozenset[Trouble] = frozenset()

    def command(self) -> str:
        """What repeats it."""
        words = [f"{_SEED}={self.seed}"]
        if self.mails_max != MAILS_MAX:
            words.append(f"{_MAILS}={self.mails_max}")
        if self.without:
            words.append(f"{_WITHOUT}={','.join(sorted(self.without))}")
        return " ".join([*words, "pytest tests/test_sim.py -k new"])


def named_plot() -> Plot | None:
    """The history that the environment asks for, if it does."""
    seed = os.environ.get(_SEED)
    if seed is None:
        return None
    without = filter(None, os.environ.get(_WITHOUT, "").split(","))
    return Plot(int(seed), int(os.environ.get(_MAILS, MAILS_MAX)), frozenset(map(Trouble, without)))


class Simulation:
    """What histories are run with, one after the other."""

    def __init__(self, database: SimulatedDatabase) -> None:
        self.struck: Counter[Trouble] = Counter()  # in all histories so far
        self._database = database
        self._rules = Rules.load()

    def run(self, plot: Plot) -> None:
        """One history; where it comes out wrong, an `AssertionError` that tells its shortest form."""
        failure = self._failure_of(plot)
        if failure is not None:
            shortest = self._shortened(plot)
            told = self._failure_of(shortest) or failure
            raise AssertionError(f"a history came out wrong; to repeat it:\n\n    {shortest.command()}\n\n{told}")

    def past_of(self, plot: Plot) -> Past:
        """What the store holds after that history, whether that is right or not."""
        self._history(plot).run()
        return past_of(self._database)

    def _history(self, plot: Plot) -> History:
        return History(plot.seed, database=self._database, rules=self._rules, mails_max=plot.mails_max, without=plot.without)

    def _failure_of(self, plot: Plot) -> str | None:
        """What went wrong, in the words of its traceback."""
        history = History(plot.seed, database=self._database, rules=self._rules, mails_max=plot.mails_max, without=plot.without)
        try:
            history.run()
            check(history)
        except Exception:
            return traceback.format_exc()
        finally:
            self.struck += history.fate.struck
        return None

    def _shortened(self, plot: Plot) -> Plot:
        """The same with fewer kinds of trouble and less mail, where it still comes out wrong."""
        for trouble in Trouble:
            less = plot._replace(without=plot.without | {trouble})
            if self._failure_of(less) is not None:
                plot = less
        for mails_max in range(1, plot.mails_max):
            shorter = plot._replace(mails_max=mails_max)
            if self._failure_of(shorter) is not None:
                return shorter
        return plot


@contextmanager
def simulation() -> Iterator[Simulation]:
    """Everything that histories need. They are silent: what the product says of so much trouble nobody would read."""
    logging.disable(logging.CRITICAL)
    try:
        with simulated_database() as database:
            yield Simulation(database)
    finally:
        logging.disable(logging.NOTSET)
