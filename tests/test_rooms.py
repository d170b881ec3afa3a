"""The engine is a few rooms on a few floors: imports between them go down, never up or round."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ENGINE = "raxol_sql.engine."
MOST_ROOMS, MOST_FLOORS = 20, 10


@pytest.fixture(scope="module")
def rooms(repository: Path) -> dict[str, set[str]]:
    """The rooms, packages or single files, each with those that it imports, lazily or not."""
    folder = repository / "raxol_sql" / "engine"
    found: dict[str, set[str]] = defaultdict(set)
    for path in folder.rglob("*.py"):
        room = path.relative_to(folder).with_suffix("").parts[0]
        if room == "__init__":
            continue
        found[room] |= set()
        for name in imported_by(path):
            other = name.removeprefix(ENGINE).split(".")[0]
            if name.startswith(ENGINE) and other != room:
                found[room].add(other)
    return {room: others & found.keys() for room, others in found.items()}


def imported_by(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def floors_of(rooms: dict[str, set[str]]) -> list[set[str]]:
    """The rooms floor by floor, each above all that it imports; fails for a circle."""
    floors: list[set[str]] = []
    left = dict(rooms)
    while left:
        floor = {room for room, others in left.items() if not others & left.keys()}
        assert floor, f"these import one another in a circle: {sorted(left)}"
        floors.append(floor)
        left = {room: others for room, others in left.items() if room not in floor}
    return floors


def test_the_engine_is_a_few_rooms_without_a_circle_of_imports(rooms: dict[str, set[str]]) -> None:
    assert {"core", "wire", "types", "session", "transaction", "pool", "batch", "copy"} < {*rooms}
    assert len(rooms) <= MOST_ROOMS
    assert len(floors_of(rooms)) <= MOST_FLOORS


def test_a_circle_would_be_found() -> None:
    with pytest.raises(AssertionError, match=r"circle: \['one', 'two'\]"):
        floors_of({"one": {"two"}, "two": {"one"}, "base": set()})
