"""docs/first_project.md, followed word for word in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Alike = Callable[[str, str], list[tuple[str, str]] | None]
_STEP = re.compile(
    r"^<!-- (?P<does>\w+)(?:: (?P<what>[^\n]+))? -->\n(?:```\w+\n(?P<text>.*?)^```$)?"
    r"|^```console\n(?P<session>.*?)^```$",
    re.M | re.S,
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder, whose embedded server is stopped after the test."""
    folder = tmp_path / "shop"
    folder.mkdir()
    yield folder
    shell("raxol-sql server stop", folder)


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line in a shell, with the commands of this environment."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_session(text: str, folder: Path, alike: Alike) -> int:
    """Run the commands of a console block, compare what each prints, and return their number."""
    code, parts = 0, re.split(r"^\$ ", text, flags=re.M)[1:]
    for part in parts:
        command, _, shown = part.partition("\n")
        if command == "echo $?":
            assert shown.strip() == str(code)
            continue
        done = shell(command, folder)
        code = done.returncode
        assert alike(shown, done.stdout) is not None, f"{command}\n{done.stdout}"
        assert code == 0 or "echo $?" in text, command
    return len(parts)


def test_the_page_leads_from_an_empty_folder_to_a_tested_query(
    repository: Path, folder: Path, alike: Alike
) -> None:
    page = (repository / "docs" / "first_project.md").read_text("utf-8")
    commands, done = 0, []
    for step in _STEP.finditer(page):
        does, what, text, session = step.group("does", "what", "text", "session")
        done.append(does)
        if does == "shown":
            assert (folder / what).read_text("utf-8") == text
        elif does == "file":
            (folder / what).write_text(text, "utf-8")
        elif does == "add":
            with (folder / what).open("a", encoding="utf-8") as file:
                file.write(f"\n{text}")
        elif does == "edit":
            name, old, new = what.split(": ")
            before = (folder / name).read_text("utf-8")
            assert before.count(old) == 1
            (folder / name).write_text(before.replace(old, new), "utf-8")
        elif does is None:
            commands += run_session(session, folder, alike)

    assert {*done} == {"install", "shown", "add", "edit", "file", None}
    assert commands >= 10
