"""Roles that die at moments that a seed chooses, while mail flows."""

import time
from collections.abc import Sequence
from random import Random

from tests.faults.client import Traffic
from tests.system import System

MAILS_BETWEEN_MAX = 30
SECONDS_BETWEEN_MAX = 0.3


def kill_roles(system: System, roles: Sequence[str], chance: Random, traffic: Traffic) -> None:
    """Kill each of `roles` once with -9, in any order, a few messages and a little while after one another."""
    for role in chance.sample(roles, len(roles)):
        if role != "mx" or chance.random() < 0.5:
            traffic.wait_for_more(chance.randint(1, MAILS_BETWEEN_MAX))
        time.sleep(chance.uniform(0, SECONDS_BETWEEN_MAX))
        system.wait_until_started_again(role, system.kill(role))
