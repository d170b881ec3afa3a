"""A wrong value, key or section is a ConfigError that names its origin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.config.keys import KEYS

Write = Callable[[str], Path]


def _wrong(start: Path, environ: dict[str, str] | None = None, **explicit: object) -> str:
    with pytest.raises(rx.errors.ConfigError) as caught:
        rx.Config.find(start=start, environ=environ or {}, **explicit)
    return str(caught.value)


@pytest.mark.parametrize("value", ["abc", "-1", "1.5", "", " 5", "1_000", "٣", "0", "9" * 5000])
def test_a_pool_is_a_whole_number_of_connections(tmp_path: Path, value: str) -> None:
    error = _wrong(tmp_path, {"RAXOL_DB_POOL_SIZE": value})

    assert error.startswith(f"pool_size: RAXOL_DB_POOL_SIZE gives {value!r}: ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("pool_size", value) for value in (0, -1, 1.0, True, None, "x")],
        *[("timeout", value) for value in (-1, 1.5, "1 s", "s", "1S", "1.5s", True)],
        *[("idle_timeout", value) for value in (0, -1)],
        *[("max_retries", value) for value in (-1, "many")],
        *[("port", value) for value in (0, 65536, "", "x", True, None, "1,", ",1", 5432.0, "1;2")],
        *[("database", value) for value in ("", None, 7, "a\0b", "\udcff")],
        *[("hostname", value) for value in ("", 7, "\0")],
        *[
            (key, value)
            for key in ("stacktrace", "prepare")
            for value in ("", "tru", " on", 1, 0, None)
        ],
        *[("server", value) for value in ("remote", True, None)],
    ],
)
def test_a_value_of_the_wrong_sort_is_named(tmp_path: Path, key: str, value: object) -> None:
    assert _wrong(tmp_path, **{key: value}).startswith(f"{key}: argument gives {value!r}: ")


@pytest.mark.parametrize(
    ("key", "value"),
    [("port", "5432,5433"), ("port", 5432), ("hostname", "a,b"), ("timeout", 0), ("timeout", "7")],
)
def test_a_value_of_the_right_sort_is_taken(tmp_path: Path, key: str, value: object) -> None:
    config = rx.Config.find(start=tmp_path, environ={}, **{key: value})

    assert str(getattr(config, key)) == str(value)


@given(st.sampled_from(list(KEYS)), st.none() | st.booleans() | st.integers() | st.floats()
       | st.text() | st.binary() | st.lists(st.integers()))  # fmt: skip
def test_any_value_is_taken_or_is_a_config_error(key: str, value: Any) -> None:
    try:
        config = rx.Config.find(start=Path("/"), environ={}, **{key: value})
    except rx.errors.ConfigError as error:
        assert key in str(error)  # noqa: PT017 (either is right)
    else:
        assert config.conninfo()
        assert list(config.describe())


@pytest.mark.parametrize("text", ["maybe", "", "2", "true ", "wahr"])
def test_a_switch_in_a_variable_is_one_of_few_words(tmp_path: Path, text: str) -> None:
    error = _wrong(tmp_path, {"RAXOL_DB_PREPARE": text})

    assert error == f"prepare: RAXOL_DB_PREPARE gives {text!r}: give true or false"


def test_an_unknown_key_comes_with_the_nearest(project: Write) -> None:
    folder = project("[dev]\npoolsize = 3\n")

    assert _wrong(folder) == (
        f"{folder}/raxol_sql.toml [dev]: unknown key 'poolsize'; "
        "did you mean 'pool_size' or 'pool_min_size'?"
    )
    assert _wrong(folder.parent, hostnam="x") == "unknown key 'hostnam'; did you mean 'hostname'?"


def test_a_section_of_another_environment_is_read_for_unknown_keys_too(project: Write) -> None:
    assert "[prod]: unknown key 'databse'" in _wrong(project("[prod]\ndatabse = 'x'\n"))


def test_a_wrong_value_in_a_section_is_named_with_file_and_section(project: Write) -> None:
    folder = project("[common]\ntimeout = '15 sec'\n")

    error = _wrong(folder)

    assert error.startswith("timeout: raxol_sql.toml [common] gives '15 sec': give a whole")
    assert error.endswith('or a text such as "15s", "500ms" or "1min"')


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("15s", 15_000), ("500ms", 500), ("1min", 60_000), ("2h", 7_200_000)]
)
def test_a_time_may_have_a_unit_wherever_it_is_given(
    project: Write, text: str, milliseconds: int
) -> None:
    folder = project(f"[dev]\ntimeout = '{text}'\n")

    assert rx.Config.find(start=folder, environ={}).timeout == milliseconds
    environ = {"RAXOL_DB_IDLE_TIMEOUT": text}
    assert rx.Config.find(start=folder.parent, environ=environ).idle_timeout == milliseconds
    assert rx.Config.find(start=folder.parent, environ={}, leak_after=text).leak_after == (
        milliseconds
    )


def test_a_key_outside_of_a_section_is_an_error(project: Write) -> None:
    assert "'database' stands outside of a section" in _wrong(project("database = 'x'\n"))


@pytest.mark.parametrize("line", ["queries = 7", "records = ''", "records = true"])
def test_the_paths_of_a_project_are_texts(project: Write, line: str) -> None:
    folder = project(f"[project]\n{line}\n")

    assert _wrong(folder) == (
        f"{folder}/raxol_sql.toml [project] {line.split()[0]}: give a text that is not empty"
    )


def test_an_unknown_key_of_a_project_comes_with_the_nearest(project: Write) -> None:
    assert "[project]: unknown key 'query'; did you mean 'queries'?" in _wrong(
        project("[project]\nquery = 'x'\n")
    )


def test_a_file_that_is_no_toml_is_an_error_with_the_place(project: Write) -> None:
    folder = project("[dev]\ndatabase = raxol\n")

    error = _wrong(folder)

    assert error.startswith(f"{folder}/raxol_sql.toml: ")
    assert "line 2" in error


def test_a_file_that_is_no_utf_8_is_an_error(project: Write) -> None:
    folder = project("")
    (folder / "raxol_sql.toml").write_bytes(b"[dev]\ndatabase = '\xff'\n")

    assert _wrong(folder).startswith(f"{folder}/raxol_sql.toml: ")


def test_the_file_is_found_in_the_folders_above(
    project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project("[project]\nqueries = 'q'\nrecords = 'm'\n[dev]\nport=7\n")
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)

    for config in (rx.Config.find(), rx.Config.find(start=deep)):
        assert config.port == "7"
        assert config.project.root == folder.resolve()
        assert config.project.queries == folder.resolve() / "q"
        assert config.project.migrations == folder.resolve() / "migrations"
        assert config.project.records == "m"


def test_the_nearest_file_is_the_only_one(project: Write) -> None:
    folder = project("[dev]\nport = 7\n")
    inner = folder / "inner"
    inner.mkdir()
    (inner / "raxol_sql.toml").write_text("[dev]\npool_size = 4\n")

    config = rx.Config.find(start=inner, environ={})

    assert (config.port, config.pool_size) == ("5432", 4)
