"""`raxol-sql diagnose`: a server that is well, one that is gone, and what is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.operations.diagnose.conftest import Change, Diagnosed, RaxolSQL, names

pytestmark = pytest.mark.usefixtures("project")


@pytest.mark.usefixtures("migrated")
def test_a_fresh_server_with_the_repository_s_migrations_is_well(
    raxol_sql: RaxolSQL, diagnosed: Diagnosed
) -> None:
    code, found = diagnosed("--strict")
    assert (code, names(found)) == (0, [])
    assert all(one["message"] for one in found)
    ran = raxol_sql("diagnose")
    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) <= 100
    assert "postgres is a superuser, as the one role of the embedded server" in " ".join(
        ran.out.split()
    )
    assert " OK, " in ran.out.splitlines()[-1]


@pytest.mark.usefixtures("empty")
def test_a_database_without_a_table_and_a_folder_without_a_project_fail_nothing(
    diagnosed: Diagnosed, project: Path
) -> None:
    (project / "raxol_sql.toml").unlink()
    code, found = diagnosed("--strict")
    assert (code, names(found)) == (0, [])
    assert {"folder", "query"} <= {one["check"] for one in found}


def test_without_a_server_the_way_there_is_told_and_it_ends_with_3(
    raxol_sql: RaxolSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:pw-in-url@localhost:1/x")
    ran = raxol_sql("diagnose", "--format", "json", "--only", "load")
    assert ran.code == 3
    assert ("FAIL", "tcp") in names(json.loads(ran.out))
    assert "pw-in-url" not in ran.out + ran.err
    assert raxol_sql("diagnose").code == 3


@pytest.mark.usefixtures("migrated")
def test_groups_are_chosen_and_left_out_by_name(raxol_sql: RaxolSQL) -> None:
    def groups(*words: str) -> set[str]:
        return {
            one["group"]
            for one in json.loads(raxol_sql("diagnose", "--format", "json", *words).out)
        }

    everything = {
        *("network", "credentials", "service", "connections", "migrations"),
        *("schema", "load", "storage", "statements", "security"),
    }
    assert groups() == everything
    assert groups("--only", "load", "--only", "service") == {"load", "service"}
    assert groups("--skip", "load", "--skip", "schema") == everything - {"load", "schema"}
    assert groups("--only", "network") == {"network"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--only", "lod"), "load"),
        (("--limit", "long_runing_s=1"), "long_running_s"),
        (("--limit", "long_running_s=soon"), "'soon'"),
        (("--limit", "long_running_s"), "is a number"),
        (("--limit", "long_running_s=-1"), "0 or more"),
        (("--limit", "long_running_s=nan"), "0 or more"),
    ],
)
def test_a_name_or_number_that_is_none_is_a_mistake_of_use_with_a_hint(
    raxol_sql: RaxolSQL, words: tuple[str, ...], said: str
) -> None:
    ran = raxol_sql("diagnose", *words)
    assert (ran.code, said in ran.err) == (2, True)


def test_the_queries_that_are_shown_can_be_run_as_they_are(
    raxol_sql: RaxolSQL, change: Change
) -> None:
    # One of connections has a parameter, and those of statements need an extension.
    ran = raxol_sql("diagnose", "--show-sql", "--skip", "connections", "--skip", "statements")
    assert ran.out.count(";\n\n") > 20
    change(f"begin read only; {ran.out} commit")


def test_the_queries_can_be_seen_and_the_limits_listed_without_a_server(
    raxol_sql: RaxolSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost:1/x")
    ran = raxol_sql("diagnose", "--show-sql", "--only", "load")
    assert ran.code == 0
    assert "pg_blocking_pids" in ran.out
    assert "load.sql:" in ran.out
    assert "pg_authid" not in ran.out
    assert "pg_authid" in raxol_sql("diagnose", "--show-sql").out
    assert "application_name = $1" in raxol_sql("diagnose", "--show-sql").out
    ran = raxol_sql("diagnose", "--limits", "--limit", "long_running_s=7", "--format", "json")
    assert {"limit": "long_running_s", "value": "7"}.items() <= {
        key: value
        for one in json.loads(ran.out)
        if one["limit"] == "long_running_s"
        for key, value in one.items()
    }.items()
