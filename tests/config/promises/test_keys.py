"""How keys are read from sections, variables and a URL, and who wins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.config.promises.conftest import Run, Shown


def test_the_environment_s_section_overrides_the_common_one_and_config_says_where_from(
    shown: Shown,
) -> None:
    found = shown({"RAXOL_ENV": "test", "RAXOL_DB_PASS": "hush", "RAXOL_DB_TIMEOUT": "900"})

    assert found["pool_size"][0] == "7"
    assert found["pool_size"][1].endswith("raxol_sql.toml [common]")
    assert found["max_retries"][0] == "3"
    assert found["max_retries"][1].endswith("raxol_sql.toml [test]")
    assert found["timeout"] == ("900", "RAXOL_DB_TIMEOUT")
    assert found["retry_interval"] == ("1000", "default")
    assert found["password"] == ("********", "RAXOL_DB_PASS")


def test_a_misspelled_key_ends_every_command_with_2_and_names_file_and_key(
    folder: Path, raxol_sql: Run
) -> None:
    file = folder / "raxol_sql.toml"
    file.write_text(file.read_text().replace("pool_size", "pool_szie"))

    for command in ("config", "ping", "list", "migrate"):
        ran = raxol_sql({}, command)
        assert ran.code == 2
        assert "raxol_sql.toml" in ran.err
        assert "pool_szie" in ran.err


def test_prod_without_a_database_does_not_start(raxol_sql: Run) -> None:
    ran = raxol_sql({"RAXOL_ENV": "prod"}, "run", "own.me")

    assert ran.code == 2
    assert "database" in ran.err


def test_a_pool_size_in_the_environment_is_a_whole_number_of_connections(
    raxol_sql: Run, shown: Shown
) -> None:
    assert shown({"RAXOL_DB_POOL_SIZE": "20"})["pool_size"] == ("20", "RAXOL_DB_POOL_SIZE")
    for wrong in ("abc", "-1", "1.5", "", "0"):
        ran = raxol_sql({"RAXOL_DB_POOL_SIZE": wrong}, "config")
        assert ran.code == 2
        assert "RAXOL_DB_POOL_SIZE" in ran.err


@pytest.mark.parametrize("variable", ["RAXOL_DB_TIMEOUT", "RAXOL_DB_IDLE_TIMEOUT"])
def test_times_in_the_environment_are_whole_milliseconds_or_have_a_unit(
    raxol_sql: Run, shown: Shown, variable: str
) -> None:
    key = variable.removeprefix("RAXOL_DB_").lower()

    assert shown({variable: "60000"})[key] == ("60000", variable)
    assert shown({variable: "90s"})[key] == ("90000", variable)
    for wrong in ("1x", "-1", "0.5", ""):
        ran = raxol_sql({variable: wrong}, "config")
        assert ran.code == 2
        assert variable in ran.err


def test_a_database_url_is_weaker_than_our_own_variables_and_each_part_says_its_origin(
    shown: Shown,
) -> None:
    found = shown(
        {
            "DATABASE_URL": "postgresql://ann@db.example.org:6000/orders",
            "RAXOL_DB_NAME": "invoices",
            "PGHOST": "elsewhere",
        },
    )

    assert found["hostname"] == ("db.example.org", "DATABASE_URL")
    assert found["port"] == ("6000", "DATABASE_URL")
    assert found["username"] == ("ann", "DATABASE_URL")
    assert found["database"] == ("invoices", "RAXOL_DB_NAME")


def test_where_the_url_and_a_variable_of_ours_disagree_config_tells_it_without_the_values(
    raxol_sql: Run,
) -> None:
    given = {
        "DATABASE_URL": "postgresql://ann:hush-1@db.example.org:6000/orders",
        "RAXOL_DB_HOST": "other.example.org",
        "RAXOL_DB_PASS": "hush-2",
        "RAXOL_DB_PORT": "6000",
    }
    ran = raxol_sql(given, "config")
    for_programs = raxol_sql(given, "config", "--format", "json")
    agreeing = raxol_sql({**given, "DATABASE_URL": ""}, "config")

    assert ran.code == 0
    assert ran.err.splitlines() == [
        "password: RAXOL_DB_PASS overrides a different value in DATABASE_URL",
        "hostname: RAXOL_DB_HOST overrides a different value in DATABASE_URL",
    ]
    assert "hush" not in ran.out
    assert for_programs.err.endswith(ran.err)
    assert json.loads(for_programs.out)
    assert agreeing.err == ""
