"""Machine code that was kept is used only for as long as everything that was frozen into it is true."""

import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numba
import pytest
from numba.core.caching import IndexDataCacheFile

SOURCE = """
from nullsender.compiled import compiled, inlined
from {constants} import FACTOR
@inlined
def _tripled(number):
    return 3 * number
@compiled
def scaled(number):
    return _tripled(number) * FACTOR
"""


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], ModuleType]:
    """Loads one and the same source, with another constant from another file each time."""
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "scaling.py"
    path.write_text(SOURCE.format(constants="the_constants"))

    def loading(factor: int) -> ModuleType:
        constants = ModuleType("the_constants")
        constants.FACTOR = factor  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "the_constants", constants)
        spec = spec_from_file_location("scaling", path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return loading


def test_a_constant_of_another_file_is_never_an_old_one(load: Callable[[int], ModuleType]) -> None:
    assert load(2).scaled(7) == 42
    assert load(10).scaled(7) == 210


def test_what_was_kept_is_used_again(load: Callable[[int], ModuleType]) -> None:
    load(2).scaled(7)

    again = load(2).scaled
    again(7)

    assert sum(again.stats.cache_hits.values()) == 1


def test_who_may_not_write_beside_the_source_uses_what_the_installation_kept(
    load: Callable[[int], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(2).scaled(7)
    monkeypatch.setattr(numba.config, "CACHE_LOCATOR_CLASSES", "UserWideCacheLocator")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))

    installed, changed = load(2).scaled, load(10).scaled

    assert (installed(7), sum(installed.stats.cache_hits.values())) == (42, 1)
    assert (changed(7), sum(changed.stats.cache_hits.values())) == (210, 0)
    assert list((tmp_path / "home").rglob("*.nbc"))


def test_where_nothing_can_be_written_what_the_installation_kept_is_used_and_the_rest_is_compiled(
    load: Callable[[int], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(2).scaled(7)
    monkeypatch.setattr(numba.config, "CACHE_LOCATOR_CLASSES", "nullsender.compiled._BesideSource")

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(IndexDataCacheFile, "save", refused)

    installed, changed = load(2).scaled, load(10).scaled

    assert (installed(7), sum(installed.stats.cache_hits.values())) == (42, 1)
    assert (changed(7), sum(changed.stats.cache_hits.values())) == (210, 0)
