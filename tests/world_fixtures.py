"""The worlds of the lookup's tests, as fixtures; a test file imports those that it wants."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_world import World, opened_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world of the test's own."""
    with opened_world(tmp_path) as world:
        yield world


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all examples of a property; each takes a tenant of its own."""
    with opened_world(tmp_path_factory.mktemp("world")) as world:
        yield world
