"""The catalogue of faults names tests that there are, and misses no case."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

CASES = [*map(str, range(1, 58)), "57b", *map(str, range(58, 96))]
NOT_RUN = re.compile(r"not run: \S.*")
_CELLS = re.compile(r"(?<!\\)\|")


def rows(path: Path) -> list[list[str]]:
    """The cells of every row of the document's tables."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    return [[cell.strip() for cell in _CELLS.split(line)[1:-1]] for line in lines]


def functions_in(path: Path) -> set[str]:
    """The names of the test functions of a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {one.name for one in tree.body if isinstance(one, functions) and one.name[:5] == "test_"}


@pytest.fixture
def cases(repository: Path) -> dict[str, list[str]]:
    """What is done, what is promised and which tests there are, by the number of the case."""
    found = [row for row in rows(repository / "docs" / "catalogue.md") if row[0] in CASES]
    assert [row[0] for row in found] == CASES
    return {row[0]: row[1:] for row in found}


def test_every_case_of_the_catalogue_has_a_row_that_says_what_is_done_and_promised(
    cases: dict[str, list[str]],
) -> None:
    assert {len(cells) for cells in cases.values()} == {3}
    assert [case for case, cells in cases.items() if not all(cells)] == []


def test_a_case_without_a_test_says_why(cases: dict[str, list[str]]) -> None:
    without = [case for case, (_, _, tests) in cases.items() if "`tests/" not in tests]

    assert [case for case in without if not NOT_RUN.fullmatch(cases[case][2])] == []


def test_every_test_that_the_catalogue_names_exists(
    repository: Path, cases: dict[str, list[str]]
) -> None:
    missing = []
    for case, (_, _, tests) in cases.items():
        if NOT_RUN.fullmatch(tests):
            continue
        for named in re.findall(r"`([^`]*)`", tests):
            path, _, name = named.partition("::")
            file = repository / path
            if not file.is_file() or name not in functions_in(file):
                missing.append(f"{case}: {named}")

    assert missing == []
