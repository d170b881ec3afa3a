"""Rights too many, and sources of credentials that say different things."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from raxol_sql import embedded
from tests.cli.operations.diagnose.conftest import Change, Diagnosed, names, session

pytestmark = pytest.mark.usefixtures("project")


def test_two_sources_that_say_different_things_are_a_warning_without_what_they_say(
    diagnosed: Diagnosed, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = conninfo_to_dict(migrated)["host"]
    monkeypatch.setenv("RAXOL_DB_HOST", str(host))
    monkeypatch.setenv("DATABASE_URL", make_conninfo(migrated, host="elsewhere.invalid"))
    code, found = diagnosed("--only", "credentials")
    assert (code, names(found)) == (0, [("WARN", "conflict")])
    assert found[0]["message"].startswith(
        "hostname: RAXOL_DB_HOST overrides a different value in DATABASE_URL"
    )
    assert "invalid" not in json.dumps(found)


@pytest.fixture
def ordinary(server: embedded.Server, migrated: str, change: Change) -> Iterator[str]:
    """The configured database, for a role that may change rows and no more."""
    change(
        "create role raxol_app login",
        "grant select, insert, update, delete on all tables in schema public to raxol_app",
        "grant usage, select on all sequences in schema public to raxol_app",
    )
    try:
        yield make_conninfo(migrated, user="raxol_app")
    finally:
        change("drop owned by raxol_app cascade", "drop role raxol_app")


def test_a_role_that_may_only_change_rows_is_told_nothing_bad_and_what_it_may_not_know(
    diagnosed: Diagnosed,
    ordinary: str,
    migrated: str,
    change: Change,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", ordinary)
    change("revoke select on _yoyo_migration from raxol_app")
    with session(migrated, "somebody"):
        code, found = diagnosed("--strict")
    assert (code, names(found)) == (0, [])
    skipped = {(one["group"], one["check"]) for one in found}
    expected = {("security", "passwords"), ("load", "other sessions"), ("migrations", "applied")}
    assert expected <= skipped


@pytest.mark.parametrize(
    ("right", "check", "words"),
    [
        ("alter table users owner to raxol_app", "role", "raxol_app owns 1 table"),
        ("grant create on schema public to raxol_app", "role", "can create in the schema public"),
        ("alter role raxol_app createrole", "role", "has createrole"),
        ("alter role raxol_app superuser", "role", "raxol_app is a superuser"),
        ("grant create on schema public to public", "public schema", "the schema public"),
        (
            "alter role raxol_app set password_encryption = 'md5'",
            "password encryption",
            "kept as MD5",
        ),
    ],
)
def test_a_right_too_many_is_warned_of(
    diagnosed: Diagnosed,
    ordinary: str,
    change: Change,
    monkeypatch: pytest.MonkeyPatch,
    right: str,
    check: str,
    words: str,
) -> None:
    monkeypatch.setenv("DATABASE_URL", ordinary)
    # What a superuser sees would show that the server is an embedded one, where it is excused.
    monkeypatch.setattr("raxol_sql.ops.diagnosis.subject.is_embedded", lambda data: False)
    change(right)
    code, found = diagnosed("--only", "security")
    assert code == 0
    assert ("WARN", check) in names(found)
    assert any(words in one["message"] for one in found)
    change("alter role raxol_app nosuperuser")
