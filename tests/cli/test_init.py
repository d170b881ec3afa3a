"""`raxol-sql init`: a new project works as it is, and no file that exists is changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from raxol_sql.scaffold.project import database_name, project_files
from tests.cli.conftest import Ran

PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def run(folder: Path, *words: str, **environment: str) -> Ran:
    """Run a program in a folder, with no terminal."""
    ran = subprocess.run(
        [*words],
        cwd=folder,
        env={**os.environ, "PATH": PATH, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def raxol_sql(folder: Path, *words: str, **environment: str) -> Ran:
    return run(folder, sys.executable, "-m", "raxol_sql", *words, **environment)


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_new_project_works_from_its_first_query_to_its_own_test(own_project: Path) -> None:
    made = raxol_sql(own_project, "init")

    assert (made.code, made.err) == (0, "")
    assert contents(own_project) == project_files(own_project.name)

    assert raxol_sql(own_project, "setup").code == 0
    create = ("run", "notes.create", "title=Milk", "--write", "--format", "json")
    assert raxol_sql(own_project, *create).code == 0
    recent = raxol_sql(own_project, "run", "notes.recent", "limit=5", "--format", "json")
    assert [note["title"] for note in json.loads(recent.out)] == ["Milk"]

    checked = raxol_sql(own_project, "check", "--strict")
    assert checked.code == 0, checked.out

    step = run(own_project, own_project / "ci" / "database.sh")
    assert step.code == 0, step.out + step.err
    assert "2 passed" in step.out


def test_a_named_folder_is_made(tmp_path: Path) -> None:
    made = raxol_sql(tmp_path, "init", "new/My-Shop 2")

    assert made.code == 0
    assert (
        'database = "my_shop_2_dev"'
        in (tmp_path / "new" / "My-Shop 2" / "raxol_sql.toml").read_text()
    )
    assert "  cd new/My-Shop 2\n" in made.out


def test_hidden_files_are_no_reason_to_ask(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()

    assert raxol_sql(tmp_path, "init").code == 0


def test_without_a_terminal_a_folder_with_files_needs_yes(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("mine")

    ran = raxol_sql(tmp_path, "init")

    assert ran.code == 2
    assert "is not empty, and there is no terminal to ask. Nothing was written." in ran.err
    assert "raxol-sql init --yes" in ran.err
    assert contents(tmp_path) == {"app.py": "mine"}


def test_files_that_exist_are_kept(tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "notes.sql").write_text("-- mine")
    (tmp_path / "records.py").symlink_to("nowhere.py")

    ran = raxol_sql(tmp_path, "init", "--yes")

    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[:3] == [
        "exists    sql/notes.sql",
        "exists    records.py",
        "created   raxol_sql.toml",
    ]
    assert (tmp_path / "sql" / "notes.sql").read_text() == "-- mine"
    assert not (tmp_path / "records.py").exists()

    again = raxol_sql(tmp_path, "init")
    assert (again.code, again.out.splitlines()[-1]) == (
        0,
        "Nothing to write: every file of a new project exists.",
    )


def test_a_file_in_the_way_of_a_folder_is_an_error_of_usage(tmp_path: Path) -> None:
    (tmp_path / "sql").write_text("mine")

    ran = raxol_sql(tmp_path, "init", "--yes")

    assert ran.code == 2
    assert ran.err.startswith("error: ")
    assert (tmp_path / "sql").read_text() == "mine"


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("shop", "shop"),
        ("My-Shop 2", "my_shop_2"),
        ("", "app"),
        ("日本", "app"),
        ("a" * 80, "a" * 50),
    ],
)
def test_the_databases_are_named_after_the_folder(folder: str, name: str) -> None:
    assert database_name(folder) == name
