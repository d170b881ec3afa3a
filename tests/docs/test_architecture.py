"""The pages on the code name what it names: ARCHITECTURE.md, glossary.md, and the index."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

import raxol_sql as rx


@pytest.fixture(scope="module")
def text(repository: Path) -> str:
    return (repository / "docs" / "ARCHITECTURE.md").read_text("utf-8")


def rows(text: str, heading: str) -> list[list[str]]:
    """The rows of the table under a heading, each with its cells."""
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if re.match(r"\| \d", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_parts_stand_in_the_order_of_imports(text: str, repository: Path) -> None:
    module = ast.parse((repository / "tests" / "test_house.py").read_text("utf-8"))
    (order,) = [
        ast.literal_eval(node.value)
        for node in module.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ORDER"
    ]

    shown = [re.findall(r"`(\w+)`", names) for _, names, _ in rows(text, "The parts")]

    assert shown == [[name or "raxol_sql" for name in row] for row in order]


def test_a_room_of_the_engine_imports_from_floors_below_its_own(
    text: str, repository: Path
) -> None:
    floors = {
        room: int(floor)
        for floor, names in rows(text, "The engine")
        for room in re.findall(r"`(\w+)`", names)
    }
    folder = repository / "raxol_sql" / "engine"

    wrong = []
    for file in folder.rglob("*.py"):
        importer = file.relative_to(folder).with_suffix("").parts[0]
        for imported in re.findall(r"raxol_sql\.engine\.(\w+)", file.read_text("utf-8")):
            if importer not in ("__init__", imported) and floors[imported] >= floors[importer]:
                wrong.append(f"{file.name}: {imported}")

    assert {path.stem for path in folder.iterdir() if path.stem[:2] != "__"} == floors.keys()
    assert wrong == []


def find(name: str) -> object:
    """Return the object of a dotted name below raxol_sql; raise AssertionError if there is none."""
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        if (Path(rx.__file__).parent.joinpath(*parts[:end])).with_suffix(".py").exists():
            found: object = importlib.import_module(".".join(["raxol_sql", *parts[:end]]))
            for part in parts[end:]:
                found = getattr(found, part)
            return found
    raise AssertionError(f"no module of raxol_sql has {name}")


def test_each_step_names_code_that_exists(text: str) -> None:
    names = re.findall(r"`((?:\w+\.)+\w+)`", text.split("\n## The way of a query\n")[1])

    assert [name for name in names if not callable(find(name))] == []
    assert len(names) > 20


def test_a_name_that_does_not_exist_is_found() -> None:
    with pytest.raises(AssertionError, match=r"no module of raxol_sql has nowhere\.at_all"):
        find("nowhere.at_all")
    with pytest.raises(AttributeError):
        find("errors.NoSuchError")


def test_each_word_of_the_glossary_stands_once_in_order_with_a_name_that_exists(
    repository: Path,
) -> None:
    text = (repository / "docs" / "glossary.md").read_text("utf-8")
    words = re.findall(r"^\*\*([\w ]+)\.?\*\*", text, re.M)
    names = re.findall(r"^\*\*[\w ]+\*\* \((.*?)\)\.", text, re.M)

    assert words == sorted({*words})
    assert len(words) == text.count("\n**") > len(names) > 20
    for name in re.findall(r"`([\w.]+)`", " ".join(names)):
        assert callable(find(name)), name


def test_each_page_is_in_the_index_once(repository: Path) -> None:
    index = (repository / "docs" / "README.md").read_text("utf-8")
    pages = {path.name for path in (repository / "docs").glob("*.md")} - {"README.md"}

    rows = re.findall(r"^\| \[[\w.]+\]\((\w+\.md)\)", index, re.M)

    assert sorted(rows) == sorted(pages)
