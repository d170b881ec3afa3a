"""The pages for operations as a whole: tests provoke each output, and each link has its target."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.docs.conftest import Page

Alike = Callable[[str, str], list[tuple[str, str]] | None]
_FENCED = re.compile(r"^(<!-- [^\n]+ -->\n)?```(\w+)\n(.*?)^```$", re.M | re.S)


@pytest.fixture
def text(pages: dict[str, str]) -> str:
    return "\n".join(pages.values())


def test_every_output_is_provoked_by_a_test_and_every_cure_tried(text: str) -> None:
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    unnamed = [body for name, kind, body in _FENCED.findall(text)
               if not name and kind not in ("sql", "sh")]  # fmt: skip
    assert unnamed == []
    for sort, does in (("shown", "shows"), ("cures", "cures")):
        for name in re.findall(rf"^<!-- {sort}: (\S+) -->$", text, re.M):
            assert tests.count(f'page.{does}("{name}"') == 1, name


def test_all_links_to_sections_lead_somewhere(repository: Path) -> None:
    def anchors(document: str) -> list[str]:
        headings = re.findall(
            r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", document, flags=re.M | re.S), re.M
        )
        return [re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings]

    found = 0
    for page in [repository / "README.md", *(repository / "docs").glob("*.md")]:
        text = page.read_text("utf-8")
        for file, anchor in re.findall(r"\]\(([\w./]*)#([\w-]+)\)", text):
            there = (page.parent / file).read_text("utf-8") if file else text
            assert anchors(there).count(anchor) == 1, f"{page.name}: {file}#{anchor}"
            found += 1
    assert found


def test_each_page_for_operations_is_named_in_the_list_of_symptoms(pages: dict[str, str]) -> None:
    first, *others = pages
    assert [name for name in others if f"]({name}" not in pages[first]] == []
    assert [name for name in others if f"]({first})" not in pages[name]] == []


def test_the_other_statements_are_taken_by_the_server(text: str, page: Page) -> None:
    others = [body for name, kind, body in _FENCED.findall(text) if kind == "sql" and not name]
    with psycopg.connect(page.database) as connection:
        connection.execute("create role shop_service")
        for statement in others:
            connection.execute(statement.encode())
        connection.rollback()
    assert others


def test_the_scripts_run_through_and_say_nothing_where_all_is_well(text: str, page: Page) -> None:
    deployment, cron = (body for _, kind, body in _FENCED.findall(text) if kind == "sh")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def done(script: str) -> subprocess.CompletedProcess[str]:
        own = script.replace("/srv/shop", str(page.folder))
        return subprocess.run(
            ["sh", "-c", own], env={**os.environ, "PATH": path}, capture_output=True, text=True
        )

    ran = done(deployment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for line in cron.splitlines():
        *_, command = line.split(maxsplit=5)
        ran = done(command)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


AMOUNTS = st.integers(0, 10**6)


@given(AMOUNTS, AMOUNTS, st.text(st.sampled_from("ab .\n"), max_size=20))
def test_texts_are_alike_but_for_amounts_and_what_was_left_out(
    alike: Alike, one: int, other: int, left_out: str
) -> None:
    shown = "WARN  {} rows  waited {} s\n...\n1 OK"
    said = f"WARN {one} rows waited {other}.5 ms\n {left_out} \n1 OK"
    amounts = alike(shown.format(7, 8), said)
    assert amounts == [("7", str(one)), ("8 s", f"{other}.5 ms"), ("1", "1")]
    assert alike(shown.format(7, 8), said.replace("rows", "row")) is None
    assert alike("1 OK", said) is None
    assert alike("SQLSTATE 40001", "SQLSTATE 40002") is None
