"""The example of docs/roles.md: roles with as few rights as their work needs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql.errors import MigrationFailedError
from raxol_sql.migrations import Migrations

if TYPE_CHECKING:
    import subprocess

    from raxol_sql import embedded
    from tests.migrations.conftest import Project

ID = "0006-least-privilege-roles"
GROUPS = ("app_owner", "app_readwrite", "app_readonly")
LOGINS = {
    "rx_roles_service": "app_readwrite",
    "rx_roles_report": "app_readonly",
    "rx_roles_deploy": "app_owner",
}

# Owners and rights of everything in the schema, of the schema and of the database.
STATE = """
select 'relation', c.oid::regclass::text, c.relowner::regrole::text, right_of.*
from pg_class as c
left join lateral (
    select grantee, privilege_type
    from aclexplode(coalesce(
        c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner)
    ))
) as right_of on true
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S')
union all
select 'routine', p.oid::regprocedure::text, p.proowner::regrole::text, null, null
from pg_proc as p where p.pronamespace = 'public'::regnamespace
union all
select 'type', t.oid::regtype::text, t.typowner::regrole::text, null, null
from pg_type as t where t.typnamespace = 'public'::regnamespace
union all
select 'schema', n.nspname, n.nspowner::regrole::text, a.grantee, a.privilege_type
from pg_namespace as n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as a
where n.nspname = 'public'
union all
select 'database', '', d.datdba::regrole::text, a.grantee, a.privilege_type
from pg_database as d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) as a
where d.datname = current_database()
union all
select 'default', d.defaclobjtype::text, d.defaclrole::regrole::text, null, null
from pg_default_acl as d
"""

Query = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def cluster(server: embedded.Server) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """Runs statements beside the test's database; the roles are gone at the end."""
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:

        def run(statement: str) -> list[tuple[Any, ...]]:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

        yield run


@pytest.fixture
def roles(cluster: Callable[[str], list[tuple[Any, ...]]], seed: Project) -> Iterator[Project]:
    """The repository's migrations, applied, and the example beside them, not yet applied."""
    seed.migrations().apply()
    try:
        yield with_example(seed)
    finally:
        forget(cluster, seed)


def with_example(project: Project) -> Project:
    for file in (Path(__file__).parents[2] / "docs" / "examples" / "roles").iterdir():
        shutil.copy(file, project.folder)
    return project


def forget(run: Callable[[str], list[tuple[Any, ...]]], project: Project) -> None:
    """Drops the roles, which belong to the server that all tests share."""
    for name in (*LOGINS, *GROUPS, "rx_roles_admin", "rx_roles_other"):
        if run(f"select 1 from pg_roles where rolname = '{name}'"):
            project.query(f"drop owned by {name} cascade")
            run(f"drop role {name}")


def log_in(project: Project) -> dict[str, str]:
    """Makes the logins of the document, and gives how each group's one connects."""
    for login, group in LOGINS.items():
        project.query(f"create role {login} login in role {group}")
    name = project.query("select current_database()")[0][0]
    project.query(f"alter role rx_roles_deploy in database {name} set role = 'app_owner'")
    return {group: make_conninfo(project.database, user=login) for login, group in LOGINS.items()}


def state(project: Project) -> set[tuple[Any, ...]]:
    return set(project.query(STATE))


def test_the_service_runs_every_query_and_changes_no_table(
    roles: Project, queries: rx.Queries
) -> None:
    roles.migrations().apply()
    service = log_in(roles)["app_readwrite"]
    with rx.Database.open(service) as db:
        ann = db.run(queries.users.create(email="a@b.c", name="Ann", age=3))
        assert db.run(queries.users.get(id=ann.id)) == ann
        assert db.run(queries.users.update(id=ann.id, name="Anna")).name == "Anna"
        db.run(queries.user_preferences.create(user_id=ann.id))
        assert db.run(queries.users.delete(id=ann.id)).id == ann.id
        assert (
            db.run_transaction(lambda tx: tx.run(queries.users.count()), commit_check="marker") == 0
        )
    for statement in (
        "create table mine (id int)",
        "alter table users add mine int",
        "drop table users",
        "truncate users cascade",
        "delete from _yoyo_migration",
        "create function f() returns int language sql return 1",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            run_as(service, statement)
        assert caught.value.sqlstate == "42501", statement


def run_as(conninfo: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_a_report_reads_and_changes_nothing(roles: Project, queries: rx.Queries) -> None:
    roles.migrations().apply()
    reader = log_in(roles)["app_readonly"]

    with rx.Database.open(reader) as db:
        assert db.run(queries.users.count()) == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.run(queries.users.create(email="a@b.c", name="Ann", age=3))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        run_as(reader, "create table mine (id int)")
    shown = Migrations(reader, roles.folder).status()
    assert {one.state.value for one in shown.migrations} == {"applied"}


def test_who_is_in_none_of_the_roles_does_not_connect(roles: Project) -> None:
    roles.migrations().apply()
    roles.query("create role rx_roles_other login")

    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        run_as(make_conninfo(roles.database, user="rx_roles_other"), "select 1")


def test_a_later_migration_by_the_owner_is_reached_by_the_others_at_once(roles: Project) -> None:
    roles.migrations().apply()
    logins = log_in(roles)
    roles.write(
        "0007-create-notes",
        f"-- depends: {ID}\ncreate table notes (id bigserial primary key, body text)",
        "drop table notes",
    )

    Migrations(logins["app_owner"], roles.folder).apply()

    owner = "select relowner::regrole::text from pg_class where relname = 'notes'"
    assert roles.query(owner) == [("app_owner",)]
    insert = "insert into notes (body) values ('x') returning id"
    assert run_as(logins["app_readwrite"], insert) == [(1,)]
    assert run_as(logins["app_readonly"], "select id, body from notes") == [(1, "x")]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        run_as(logins["app_readonly"], insert)
    Migrations(logins["app_owner"], roles.folder).rollback()
    assert "notes" not in roles.tables()


def test_the_rollback_leaves_everything_as_it_was_and_it_can_be_applied_again(
    roles: Project, cluster: Query
) -> None:
    roles.query("create type mood as enum ('well'); create sequence counted")
    roles.query("create view names as select name from users")
    before = state(roles)

    roles.migrations().apply()
    applied = state(roles)
    roles.migrations().rollback()

    assert {one[2] for one in applied if one[1] in ("users", "mood", "counted", "names")} == {
        "app_owner"
    }
    assert state(roles) == before
    assert cluster("select rolname from pg_roles where rolname ~ '^app_'") == []
    roles.migrations().apply()
    assert {one[2] for one in state(roles) if one[1] == "users"} == {"app_owner"}


def test_bare_yoyo_applies_it_and_rolls_it_back(
    roles: Project, finish: Callable[[subprocess.Popen[str]], str], cluster: Query
) -> None:
    before = state(roles)
    finish(roles.yoyo("apply"))
    assert roles.states()["0006"] == "applied, unverified"
    with rx.Database.open(log_in(roles)["app_readonly"]) as db:
        db.close()
    for login in LOGINS:
        cluster(f"drop role {login}")

    finish(roles.yoyo("rollback", "-r", ID))

    assert state(roles) == before


def test_roles_that_are_there_already_are_used_and_stay(roles: Project, cluster: Query) -> None:
    cluster("create role app_readonly")
    roles.migrations().apply()
    said = rolled_back(roles)

    assert cluster("select rolname from pg_roles where rolname ~ '^app_'") == [("app_readonly",)]
    assert said == ["the role app_readonly stays: it was there before"]


def test_a_role_that_somebody_needs_stays_and_a_warning_says_so(
    roles: Project, cluster: Query
) -> None:
    roles.migrations().apply()
    cluster("create role rx_roles_service login in role app_readwrite")
    roles.query("create schema other; grant usage on schema other to app_owner")
    cluster("grant pg_monitor to rx_roles_service")
    said = rolled_back(roles)

    assert said == [
        "the role app_owner stays: something still belongs or is granted to it",
        "the role app_readwrite stays: rx_roles_service would lose what it has by it",
    ]
    left = cluster("select rolname from pg_roles where rolname ~ '^app_' order by 1")
    assert left == [("app_owner",), ("app_readwrite",)]
    roles.query("revoke usage on schema other from app_owner")
    roles.migrations().apply()
    assert roles.states()["0006"] == "applied"


def rolled_back(project: Project) -> list[str]:
    """Rolls the example back with its own file, and gives the server's warnings."""
    said: list[str] = []
    with psycopg.connect(project.database) as connection:
        connection.add_notice_handler(lambda told: said.append(told.message_primary or ""))
        connection.execute((project.folder / f"{ID}.rollback.sql").read_bytes())
    project.query("delete from _yoyo_migration where migration_id = %s", ID)
    return said


def test_no_superuser_is_needed_but_the_owner_of_the_database_is(
    seed: Project, cluster: Query
) -> None:
    name = seed.query("select current_database()")[0][0]
    try:
        seed.query("create role rx_roles_admin login createrole; create role rx_roles_other login")
        cluster(f"alter database {name} owner to rx_roles_admin")
        admin = make_conninfo(seed.database, user="rx_roles_admin")
        Migrations(admin, seed.folder).apply()
        before = state(seed)
        with_example(seed)
        seed.query("grant all on all tables in schema public to rx_roles_other")
        with pytest.raises(MigrationFailedError, match="may not set up the roles"):
            Migrations(make_conninfo(seed.database, user="rx_roles_other"), seed.folder).apply()
        seed.query("revoke all on all tables in schema public from rx_roles_other")

        Migrations(admin, seed.folder).apply()
        with psycopg.connect(log_in(seed)["app_readwrite"]) as service:
            assert service.execute("select count(*) from users").fetchone() == (0,)
        for login in LOGINS:
            cluster(f"drop role {login}")
        Migrations(admin, seed.folder).rollback()

        assert state(seed) == before
        assert cluster("select rolname from pg_roles where rolname ~ '^app_'") == []
    finally:
        cluster(f"alter database {name} owner to postgres")
        seed.query("reassign owned by rx_roles_admin to postgres")
        forget(cluster, seed)


def test_the_document_names_the_files_and_their_roles(repository: Path) -> None:
    text = (repository / "docs" / "roles.md").read_text()

    assert set(re.findall(r"\bapp_[a-z]+", text)) == set(GROUPS)
    for file in re.findall(r"\]\((examples/[^)]+)\)", text):
        assert (repository / "docs" / file).exists()
