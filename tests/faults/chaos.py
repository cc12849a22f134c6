"""Roles that die at moments that a seed chooses, while mail flows."""

import itertools
import os
import time
from collections.abc import Iterator, Sequence
from random import Random

from tests.faults.client import Traffic
from tests.system import System

MAILS_BETWEEN_MAX = 30
SECONDS_BETWEEN_MAX = 0.3


def rounds() -> Iterator[int]:
    """One round, and further ones until FAULTS_MINUTES of the environment have passed (`make chaos`)."""
    ends_at_seconds = time.monotonic() + float(os.environ.get("FAULTS_MINUTES") or 0) * 60
    return itertools.chain([0], itertools.takewhile(lambda _: time.monotonic() < ends_at_seconds, itertools.count(1)))


def kill_roles(system: System, roles: Sequence[str], chance: Random, traffic: Traffic) -> None:
    """Kill each of `roles` with -9, in any order, a few messages and a little while after one another; once a round."""
    for _ in rounds():
        for role in chance.sample(roles, len(roles)):
            traffic.wait_for_more(chance.randint(0, MAILS_BETWEEN_MAX))
            time.sleep(chance.uniform(0, SECONDS_BETWEEN_MAX))
            system.wait_until_started_again(role, system.kill(role))
