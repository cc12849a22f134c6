"""The house keeps its order: our names are ours, generated pages are current, functions stay short, files tell their story."""

import ast
import re
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from nullsender import telemetry

ROOT = Path(__file__).parent.parent
FUNCTION_LINES_MAX = 70
PACKAGES = ["nullsender", "ingest", "classifiers", "suppression", "api"]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_generic_package_name_resolves_to_this_repository(name: str) -> None:
    file = import_module(name).__file__

    assert file is not None
    assert Path(file) == ROOT / name / "__init__.py"


def test_the_page_of_metrics_is_what_the_code_declares() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == telemetry.metrics_page(), "run `make docs`"


def _tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, check=True, capture_output=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name]


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_no_function_outgrows_a_page() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"
        for path in _tracked("*.py", ":!migrations")  # a migration is a list of tables
        for function in _functions(path)
        if (function.end_lineno or 0) - function.lineno >= FUNCTION_LINES_MAX
    ]

    assert not long


def test_every_module_opens_with_its_story() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in _tracked("*.py")
        if path.read_text().strip() and not path.read_text().lstrip().startswith('"""')
    ]

    assert not silent


def test_every_test_that_the_guarantees_name_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "guarantees.md").read_text()))
    existing = {function.name for path in _tracked("tests/*.py") for function in _functions(path)}

    assert named
    assert named <= existing, named - existing


def _pointed_to(page: Path) -> list[Path]:
    return [page.parent / target for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())]


def test_every_page_that_a_page_points_to_exists() -> None:
    broken = [f"{page} -> {target}" for page in _tracked("*.md") for target in _pointed_to(page) if not target.exists()]

    assert not broken


def test_every_page_is_found_from_the_readme() -> None:
    found, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop().resolve()
        if page not in found and page.suffix == ".md":
            found.add(page)
            ahead += _pointed_to(page)

    assert not {page for page in _tracked("docs/*.md") if page not in found}
