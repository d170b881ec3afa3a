"""Bare yoyo with the repository's yoyo.ini and this package on one database, in any mix."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from raxol_sql.errors import MigrationFailedError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.migrations.conftest import Project

    Finish = Callable[[subprocess.Popen[str]], str]

PASSWORD = "p@ss/%w:1"


def listed(output: str) -> dict[str, str]:
    """What `yoyo list` says: number to A or U."""
    rows = [line.split() for line in output.splitlines()]
    return {row[1][:4]: row[0] for row in rows if row and row[0] in {"A", "U"}}


def two(project: Project) -> None:
    project.write("0001-a", "create table a ();", "drop table a;")
    project.write("0002-b", "create table b ();", "drop table b;")


def test_yoyo_sees_what_we_applied_and_can_roll_it_back(project: Project, finish: Finish) -> None:
    two(project)
    project.migrations().apply()

    assert listed(finish(project.yoyo("list"))) == {"0001": "A", "0002": "A"}
    finish(project.yoyo("rollback"))

    assert project.tables() == {"a"}
    assert project.states() == {"0001": "applied", "0002": "pending"}
    assert [run.id for run in project.migrations().apply()] == ["0002-b"]


def test_what_yoyo_applied_is_unverified_until_our_next_apply_adopts_it(
    project: Project, finish: Finish
) -> None:
    two(project)
    finish(project.yoyo("apply"))

    assert project.states() == {"0001": "applied, unverified", "0002": "applied, unverified"}
    assert project.migrations().apply() == ()
    assert project.states() == {"0001": "applied", "0002": "applied"}
    assert [run.id for run in project.migrations().rollback()] == ["0002-b"]
    assert listed(finish(project.yoyo("list"))) == {"0001": "A", "0002": "U"}


def test_a_hash_does_not_survive_yoyo_rolling_back_and_applying_another_text(
    project: Project, finish: Finish
) -> None:
    two(project)
    project.migrations().apply()
    finish(project.yoyo("rollback"))
    project.write("0002-b", "create table b (i int);")
    finish(project.yoyo("apply"))

    assert project.states() == {"0001": "applied", "0002": "applied, unverified"}
    project.migrations().apply()
    assert project.states() == {"0001": "applied", "0002": "applied"}


def test_taking_turns_ends_where_one_alone_would(project: Project, finish: Finish) -> None:
    two(project)
    migrations = project.migrations()

    migrations.apply(to="0001")
    finish(project.yoyo("apply"))
    migrations.rollback()
    finish(project.yoyo("rollback"))
    assert project.tables() == set()
    migrations.apply()

    assert project.states() == {"0001": "applied", "0002": "applied"}
    assert listed(finish(project.yoyo("list"))) == {"0001": "A", "0002": "A"}
    assert project.tables() == {"a", "b"}


def test_yoyo_says_which_variable_is_missing_and_touches_nothing(project: Project) -> None:
    two(project)
    process = type(project)(project.root, "host=/nowhere").yoyo("apply")

    _, err = process.communicate(timeout=30)

    assert process.returncode == 1
    assert "interpolation key 'pgdatabase'" in err


def test_a_password_is_in_no_output_of_ours_and_of_yoyo(
    project: Project, finish: Finish, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    role = f"role_of_{project.query('select current_database()')[0][0]}"
    project.query(f"create role {role} login password '{PASSWORD}'")
    try:
        project.query(f"grant create on schema public to {role}")
        private = type(project)(
            project.root, make_conninfo(project.database, user=role, password=PASSWORD)
        )
        two(private)
        seen = [repr(private.migrations()), repr(private.migrations().apply())]
        seen.append(repr(private.migrations().status()))
        private.write("0003-c", "select nosuch;")
        with pytest.raises(MigrationFailedError) as caught:
            private.migrations().apply()
        seen.extend(traceback.format_exception(caught.value))
        seen.append(finish(private.yoyo("list", "-vvv")))
        private.migrations().rollback(2)
    finally:
        with psycopg.connect(project.database, autocommit=True) as admin:
            admin.execute(sql.SQL("drop owned by {}").format(sql.Identifier(role)))
            admin.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))

    everything = "\n".join([*seen, caplog.text])
    assert "0003-c" in everything
    for secret in (PASSWORD, "p%40ss", "p@ss", "%w:1"):
        assert secret not in everything
