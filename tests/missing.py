"""What a test does where the machine lacks what it needs: it is skipped, and where CI runs it fails."""

import os
from typing import NoReturn

import pytest


def give_up(reason: Exception | str) -> NoReturn:
    """Skip with the reason; in CI nothing may be left out unseen, so there it is a failure."""
    if os.environ.get("CI"):
        pytest.fail(str(reason))
    pytest.skip(str(reason))
