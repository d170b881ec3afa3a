"""What a server cannot be started with is an error that names it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raxol_sql.embedded import start, status, stop
from raxol_sql.errors import EmbeddedError
from tests.embedded.conftest import working_in


def test_data_of_another_major_version_is_an_error_that_names_both(project: Path) -> None:
    made_by = start(project).data / "PG_VERSION"
    stop(project)
    true = made_by.read_text()
    made_by.write_text("16\n")
    try:
        with pytest.raises(EmbeddedError, match=r"PostgreSQL 16, .* is PostgreSQL 18\.") as told:
            start(project)
    finally:
        made_by.write_text(true)
    assert str(made_by.parent) in str(told.value)
    assert "RAXOL_SQL_PG_BIN" in str(told.value)


def test_a_server_that_does_not_come_up_shows_the_end_of_its_log(project: Path) -> None:
    server = start(project)
    stop(project)
    settings = server.data / "postgresql.conf"
    good = settings.read_text()
    settings.write_text(f"{good}\nno_such_setting = 1\n")
    try:
        with pytest.raises(EmbeddedError, match="no_such_setting") as told:
            start(project)
    finally:
        settings.write_text(good)
    assert str(server.log) in str(told.value)
    assert working_in(project) == []


def test_a_directory_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    for verb in (start, stop, status):
        with pytest.raises(EmbeddedError, match=f"{missing} is not a directory"):
            verb(missing)


def test_a_file_in_place_of_the_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / ".raxol").write_text("")
    with pytest.raises(EmbeddedError, match=r"\.raxol cannot be used"):
        start(tmp_path)


def test_an_unreadable_memory_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / ".raxol").mkdir()
    (tmp_path / ".raxol" / "server.json").write_text("{")
    with pytest.raises(EmbeddedError, match=r"server\.json cannot be read"):
        start(tmp_path)


def test_what_is_remembered_cannot_make_it_remove_or_use_a_strange_directory(
    project: Path, tmp_path: Path
) -> None:
    start(project)
    stop(project)
    (tmp_path / "precious").touch()
    memory = project / ".raxol" / "server.json"
    remembered = json.loads(memory.read_text())
    memory.write_text(json.dumps(remembered | {"sockets": str(tmp_path)}))
    start(project)
    stop(project)
    assert (tmp_path / "precious").exists()
    memory.write_text(json.dumps(remembered | {"base": str(tmp_path)}))
    try:
        with pytest.raises(EmbeddedError, match=f"names {tmp_path}, which"):
            start(project)
    finally:
        memory.write_text(json.dumps(remembered))
