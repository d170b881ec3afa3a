"""The strongest source of a value wins, and is named as its origin."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raxol_sql as rx

Write = Callable[[str], Path]

LAYERS = (
    *("common", "section", "libpq", "service", "DATABASE_URL", "RAXOL_DB"),
    *("url", "explicit"),
)
CONNECTION = ["database", "username", "password", "hostname", "port"]
POOL = ["pool_size", "timeout", "idle_timeout", "retry_interval", "max_retries"]
PG = dict(zip(CONNECTION, ["PGDATABASE", "PGUSER", "PGPASSWORD", "PGHOST", "PGPORT"], strict=True))
SERVICE = dict(zip(CONNECTION, ["dbname", "user", "password", "host", "port"], strict=True))
RAXOL = {
    **dict(zip(CONNECTION, ["NAME", "USER", "PASS", "HOST", "PORT"], strict=True)),
    **{key: key.upper() for key in POOL},
}
DEFAULTS = {
    "database": "raxol_dev",
    "username": "postgres",
    "password": "postgres",
    "hostname": "localhost",
    "port": "5432",
    "pool_size": 10,
    "timeout": 15_000,
    "idle_timeout": 30_000,
    "retry_interval": 1_000,
    "max_retries": 5,
}

Given = dict[str, frozenset[str]]
subsets = st.fixed_dictionaries(
    {
        layer: st.frozensets(
            st.sampled_from(
                CONNECTION
                if layer in ("libpq", "service", "DATABASE_URL", "url")
                else CONNECTION + POOL
            )
        )
        for layer in LAYERS
    }
)


def _value(layer: str, key: str) -> str | int:
    number = 100 + LAYERS.index(layer)
    if key in POOL:
        return number
    return str(6000 + number) if key == "port" else f"{key}-of-{layer}".lower()


def _origin(layer: str, key: str) -> str:
    return {
        "common": "raxol_sql.toml [common]",
        "section": "raxol_sql.toml [dev]",
        "libpq": PG.get(key, ""),
        "service": "service of_tests",
        "DATABASE_URL": "DATABASE_URL",
        "RAXOL_DB": f"RAXOL_DB_{RAXOL[key]}",
        "url": "argument url",
        "explicit": "argument",
    }[layer]


def _url(layer: str, keys: frozenset[str]) -> str:
    given = [f"{SERVICE[key]}={quote(str(_value(layer, key)))}" for key in sorted(keys)]
    return "postgresql://?" + "&".join(given)


def _find(given: Given, folder: Path, monkeypatch: pytest.MonkeyPatch) -> rx.Config:
    def lines(layer: str) -> str:
        return "\n".join(f"{key} = {json.dumps(_value(layer, key))}" for key in given[layer])

    (folder / "raxol_sql.toml").write_text(
        f"[common]\n{lines('common')}\n[dev]\n{lines('section')}"
    )
    for key in given["libpq"]:
        monkeypatch.setenv(PG[key], str(_value("libpq", key)))
    for key in given["RAXOL_DB"]:
        monkeypatch.setenv(f"RAXOL_DB_{RAXOL[key]}", str(_value("RAXOL_DB", key)))
    if given["service"]:
        written = [f"{SERVICE[key]}={_value('service', key)}\n" for key in given["service"]]
        (folder / "services").write_text("[of_tests]\n" + "".join(written))
        monkeypatch.setenv("PGSERVICE", "of_tests")
        monkeypatch.setenv("PGSERVICEFILE", str(folder / "services"))
    if given["DATABASE_URL"]:
        monkeypatch.setenv("DATABASE_URL", _url("DATABASE_URL", given["DATABASE_URL"]))
    explicit = {key: _value("explicit", key) for key in given["explicit"]}
    return rx.Config.find(_url("url", given["url"]), start=folder, **explicit)


@given(subsets)
@settings(max_examples=100)
def test_the_strongest_source_wins_and_is_named(given: Given) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        config = _find(given, Path(folder), monkeypatch)

        for key in CONNECTION + POOL:
            strongest = [layer for layer in LAYERS if key in given[layer]][-1:]
            expected, origin = DEFAULTS[key], "default"
            for layer in strongest:
                expected, origin = _value(layer, key), _origin(layer, key)
            assert (key, getattr(config, key), config.origins[key]) == (key, expected, origin)
        described = {key: origin for key, _, origin in config.describe()}
        assert described == {key: config.origins[key] for key in described}


def test_the_environment_chooses_the_section(project: Write) -> None:
    folder = project(
        "[common]\nusername='c'\n[dev]\nusername='d'\n[test]\nusername='t'\n"
        "[prod]\ndatabase='p'\n[staging]\ndatabase='s'\n"
    )

    def find(environment: str | None) -> rx.Config:
        environ = {} if environment is None else {"RAXOL_ENV": environment}
        return rx.Config.find(start=folder, environ=environ)

    found = [find(name) for name in (None, "", "dev", "test", "prod", "staging")]

    assert [(one.environment, one.username, one.database) for one in found] == [
        ("dev", "d", "raxol_dev"),
        ("dev", "d", "raxol_dev"),
        ("dev", "d", "raxol_dev"),
        ("test", "t", "raxol_test"),
        ("prod", "c", "p"),
        ("staging", "c", "s"),
    ]
    assert [one.stacktrace for one in found] == [True, True, True, False, False, False]


@pytest.mark.parametrize("environment", ["prod", "staging"])
def test_no_database_is_guessed_where_data_may_be_precious(
    project: Write, environment: str
) -> None:
    folder = project("[staging]\npool_size = 3\n")

    with pytest.raises(rx.errors.ConfigError, match=f"no database is named for {environment}: set"):
        rx.Config.find(start=folder, environ={"RAXOL_ENV": environment})
    for named in ({"RAXOL_DB_NAME": "x"}, {"DATABASE_URL": "postgresql:///x"}):
        environ = {"RAXOL_ENV": environment, **named}
        assert rx.Config.find(start=folder, environ=environ).database == "x"


@pytest.mark.parametrize(
    ("environment", "nearest"), [("prd", "'prod'"), ("tset", "'test'"), ("common", None)]
)
def test_an_environment_without_a_section_is_refused(
    project: Write, environment: str, nearest: str | None
) -> None:
    folder = project("[common]\ndatabase = 'x'\n")

    with pytest.raises(rx.errors.ConfigError, match="there is no such section") as caught:
        rx.Config.find(start=folder, environ={"RAXOL_ENV": environment})

    assert "(there are: dev, prod, test)" in str(caught.value)
    assert ("did you mean" in str(caught.value)) == (nearest is not None)
    assert nearest is None or nearest in str(caught.value)


def test_without_any_file_the_defaults_hold(tmp_path: Path) -> None:
    config = rx.Config.find(start=tmp_path, environ={})

    assert {key: getattr(config, key) for key in DEFAULTS} == DEFAULTS
    assert config.server is None
    assert config.pool_min_size == 2
    assert config.show_sensitive_data_on_connection_error is False
    assert set(config.origins.values()) == {"default"}


def test_an_empty_url_or_variable_of_libpq_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*PG.values(), "PGSERVICE", "DATABASE_URL"):
        monkeypatch.setenv(name, "")

    assert set(rx.Config.find(start=tmp_path).origins.values()) == {"default"}


def test_a_service_beats_the_variables_of_libpq_as_it_does_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".pg_service.conf").write_text("[s]\nhost=of-service\ndbname=of_service\n")
    monkeypatch.setenv("PGSERVICE", "s")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / ".pg_service.conf"))
    monkeypatch.setenv("PGHOST", "of-variable")
    monkeypatch.setenv("PGUSER", "of_variable")

    config = rx.Config.find(start=tmp_path)

    assert (config.hostname, config.origins["hostname"]) == ("of-service", "service s")
    assert (config.username, config.origins["username"]) == ("of_variable", "PGUSER")
    assert (config.password, config.origins["password"]) == ("postgres", "default")


@given(st.integers(1, 2**31 - 1))
def test_milliseconds_stay_what_they_are(milliseconds: int) -> None:
    environ = {"RAXOL_DB_TIMEOUT": str(milliseconds)}
    config = rx.Config.find(start=Path("/"), environ=environ, idle_timeout=milliseconds)

    assert (config.timeout, config.idle_timeout) == (milliseconds, milliseconds)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(text, True) for text in ("true", "on", "yes", "1", "TRUE", "On")],
        *[(text, False) for text in ("false", "off", "no", "0", "False", "OFF")],
    ],
)
def test_statements_are_prepared_unless_a_source_says_otherwise(
    project: Write, text: str, value: bool
) -> None:
    folder = project(f"[dev]\nprepare = {str(not value).lower()}\n")
    environ = {"RAXOL_DB_PREPARE": text}

    def find(environ: dict[str, str], **explicit: object) -> tuple[bool, str]:
        config = rx.Config.find(start=folder, environ=environ, **explicit)
        return config.prepare, config.origins["prepare"]

    assert rx.Config.find(start=folder.parent, environ={}).prepare is True
    assert find({}) == (not value, "raxol_sql.toml [dev]")
    assert find(environ) == (value, "RAXOL_DB_PREPARE")
    assert find(environ, prepare=not value) == (not value, "argument")


def test_a_small_pool_lowers_the_default_minimum(tmp_path: Path) -> None:
    assert rx.Config.find(start=tmp_path, environ={}, pool_size=1).pool_min_size == 1
    with pytest.raises(
        rx.errors.ConfigError, match=r"pool_min_size \(argument\) is 3, above pool_size"
    ):
        rx.Config.find(start=tmp_path, environ={}, pool_min_size=3, pool_size=2)


names_of_keys = st.dictionaries(st.sampled_from(CONNECTION), st.sampled_from(["6001", "6002"]))


@given(names_of_keys, names_of_keys, names_of_keys)
def test_a_conflict_is_where_a_variable_of_ours_overrules_another_value_of_the_url(
    of_url: dict[str, str], ours: dict[str, str], explicit: dict[str, str]
) -> None:
    url = "postgresql://?" + "&".join(f"{SERVICE[key]}={value}" for key, value in of_url.items())
    environ = {f"RAXOL_DB_{RAXOL[key]}": value for key, value in ours.items()}
    environ["DATABASE_URL"] = url

    config = rx.Config.find(start=Path("/"), environ=environ, **explicit)

    assert {(one.key, one.stronger, one.weaker) for one in config.conflicts} == {
        (key, f"RAXOL_DB_{RAXOL[key]}", "DATABASE_URL")
        for key in of_url.keys() & ours.keys() - explicit.keys()
        if of_url[key] != ours[key]
    }
    for key in of_url.keys() & ours.keys() - explicit.keys():
        assert getattr(config, key) == ours[key]


def test_a_conflict_is_told_by_its_sources_and_without_its_values(tmp_path: Path) -> None:
    environ = {
        "DATABASE_URL": "postgresql://ann:hush-1@one:6000/x?sslmode=require",
        "RAXOL_DB_HOST": "other",
        "RAXOL_DB_PASS": "hush-2",
        "RAXOL_DB_PORT": "6000",
    }

    config = rx.Config.find(start=tmp_path, environ=environ)

    assert [str(one) for one in config.conflicts] == [
        "password: RAXOL_DB_PASS overrides a different value in DATABASE_URL",
        "hostname: RAXOL_DB_HOST overrides a different value in DATABASE_URL",
    ]
    assert "hush" not in repr(config)


def test_a_stronger_url_ends_a_conflict(tmp_path: Path) -> None:
    environ = {"DATABASE_URL": "postgresql://one/x", "RAXOL_DB_HOST": "other"}

    assert rx.Config.find(start=tmp_path, environ=environ).conflicts
    assert not rx.Config.find("postgresql://third", start=tmp_path, environ=environ).conflicts
