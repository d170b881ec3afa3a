"""The repository's own queries: each of their statements on the migrated tables, and in psql."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql import embedded
from raxol_sql.demo.accounts import Account, AccountPreferences, User, UserPreferences
from raxol_sql.text import Kind
from raxol_sql.text.variants import all_statements

if TYPE_CHECKING:
    from collections.abc import Callable

# One call of each query, in an order in which each has something to do.
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("users.create", {"email": "ann@b.de", "name": "Ann", "age": 30}),
    ("users.create", {"email": "bob@b.de", "name": "Bob", "age": None}),
    ("users.get", {"id": 1}),
    ("users.get_by_email", {"email": "bob@b.de"}),
    ("users.exists_by_email", {"email": "bob@b.de"}),
    ("users.upsert", {"email": "bob@b.de", "name": "Bob", "age": 31}),
    ("users.all", {}),
    ("users.all_by_active", {"active": True}),
    ("users.first", {}),
    ("users.last", {}),
    ("users.search", {"limit": 5, "name": "a", "min_age": 18, "sort": "newest"}),
    ("users.count", {}),
    ("users.ages", {}),
    ("users.update", {"id": 1, "name": "Anna"}),
    ("users.deactivate_older_than", {"age": 18}),
    ("user_preferences.create", {"user_id": 1, "theme": "dark"}),
    ("user_preferences.get", {"id": 1}),
    ("user_preferences.get_by_user_id", {"user_id": 1}),
    ("user_preferences.by_user_ids", {"user_ids": [1, 2]}),
    ("user_preferences.set_theme", {"user_id": 1, "theme": "light"}),
    ("user_preferences.update", {"id": 1, "notifications_enabled": False}),
    ("user_preferences.themes", {"sort": "name"}),
    ("user_preferences.delete", {"id": 1}),
    ("reports.account.overview", {"id": 1}),
    ("users.delete", {"id": 2}),
    ("users.clear", {}),
]
GIVES = {
    "users.create": User,
    "users.get": User,
    "users.get_by_email": User,
    "users.exists_by_email": bool,
    "users.upsert": User,
    "users.first": User,
    "users.last": User,
    "users.update": User,
    "users.delete": User,
    "users.count": int,
    "users.deactivate_older_than": int,
    "user_preferences.create": UserPreferences,
    "user_preferences.get": UserPreferences,
    "user_preferences.update": UserPreferences,
    "user_preferences.delete": UserPreferences,
    "user_preferences.get_by_user_id": UserPreferences,
    "user_preferences.set_theme": int,
    "reports.account.overview": Account,
    "users.clear": type(None),
}


def test_every_statement_of_every_query_is_prepared_by_the_server(
    accounts_database: str, queries: rx.Queries
) -> None:
    prepared = 0
    with psycopg.connect(accounts_database, autocommit=True) as connection:
        for name in queries:
            query = queries[name]
            if query.kind is Kind.COPY:
                continue  # cannot be prepared, and runs below
            for statement in all_statements(query.definition.template):
                done = connection.pgconn.prepare(b"q", statement.text.encode())
                assert done.status == psycopg.pq.ExecStatus.COMMAND_OK, (name, statement.text)
                described = connection.pgconn.describe_prepared(b"q")
                assert described.nparams == len(statement.parameters)
                connection.execute("deallocate q")
                prepared += 1
    assert prepared > 50


def test_every_query_runs_and_gives_what_its_header_says(
    db: rx.Database, queries: rx.Queries
) -> None:
    ran = set()
    for name, arguments in CALLS:
        result = db.run(queries[name](**arguments))
        assert type(result) is GIVES.get(name, type(result)), name
        if queries[name].kind is Kind.MANY:
            assert len(result) > 0, name
        ran.add(name)
    assert db.copy(queries.users.load, [("ann@b.de", "Ann", 1)]) == 1
    file = io.BytesIO()
    assert db.copy(queries.users.dump, file) == len(b"id,email,name\n1,ann@b.de,Ann\n")
    assert file.getvalue() == b"id,email,name\n1,ann@b.de,Ann\n"
    assert ran | {"users.load", "users.dump"} == set(queries)


@pytest.fixture
def psql(accounts_database: str) -> Callable[..., str]:
    """Runs a file of queries in psql, with values for its variables; gives the rows as CSV."""
    environment = {"LC_ALL": "C.UTF-8"}
    program = shutil.which("psql")
    if program is None:
        binaries = embedded.find_binaries()
        program = binaries.program("psql")
        environment |= binaries.environment
    if not Path(program).exists():
        pytest.skip("there is no psql on this machine")

    def run(file: Path, **variables: str) -> str:
        options = ["-XqAt", "--csv", "-v", "ON_ERROR_STOP=1", "-f", str(file)]
        for name, value in variables.items():
            options += ["-v", f"{name}={value}"]
        done = subprocess.run(
            [program, accounts_database, *options],
            capture_output=True,
            check=False,
            text=True,
            timeout=30,
            env={"PATH": os.environ["PATH"], **environment},
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def test_a_file_gives_the_same_row_in_psql(
    db: rx.Database, queries: rx.Queries, repository: Path, psql: Callable[..., str]
) -> None:
    user = db.run(queries.users.create(email="ann@b.de", name="Ann", age=1))
    db.run(queries.user_preferences.create(user_id=user.id, theme="dark"))

    shown = psql(repository / "sql/reports/account.sql", id=str(user.id))

    assert shown == "1,ann@b.de,Ann,dark,t\n"
    assert db.run(queries.reports.account.overview(id=user.id)) == Account(
        1, "ann@b.de", "Ann", AccountPreferences("dark", True)
    )


def test_a_file_with_blocks_and_choices_runs_in_psql_with_all_of_its_blocks(
    db: rx.Database, queries: rx.Queries, repository: Path, psql: Callable[..., str]
) -> None:
    user = db.run(queries.users.create(email="ann@b.de", name="Ann", age=1))

    shown = psql(
        repository / "sql/user_preferences.sql",
        id="0",
        user_id=str(user.id),
        user_ids="'{1,2}'",
        theme="'dark'",
        notifications_enabled="false",
    )

    assert shown.splitlines()[-1] == "dark,1"  # of the last query, in its default order
    made = db.run(queries.user_preferences.get_by_user_id(user_id=user.id))
    assert (made.theme, made.notifications_enabled) == ("dark", False)
    assert [(row.theme, row.users) for row in db.run(queries.user_preferences.themes())] == [
        ("dark", 1)
    ]


# A text that regular expressions read wrongly, and its value for x = 3.
TRAPS: list[tuple[str, Any]] = [
    (r"'abc' LIKE 'a%'", True),
    (r"10 % :x", 1),
    ("1 -- it's :y\n", 1),
    (r"(array[1,2,3])[1:2]", [1, 2]),
    (r"$$ :y $$", " :y "),
    (r"E'it\'s :y'", "it's :y"),
    (r"'12:30'", "12:30"),
    (r":x::text", "3"),
    (r"""'{"a": 1}'::jsonb ? 'a'""", True),
    (r"/* a /* :y */ b */ 1", 1),
]


@pytest.mark.parametrize(("text", "value"), TRAPS, ids=[text.strip() for text, _ in TRAPS])
def test_a_text_that_only_looks_like_a_parameter_runs_as_it_is(
    sandbox: rx.Database, tmp_path: Path, text: str, value: Any
) -> None:
    (tmp_path / "q.sql").write_text(
        f"-- name: trap :one\nselect {text} as trap, :x::int as x where true or 'a' like 'a%';\n"
    )

    trap = rx.load(tmp_path).q.trap

    assert trap.definition.template.names == {"x"}
    assert trap.signature == "trap(x)"
    bound = trap(x=3)
    assert bound.statement.parameters == ("x",)
    row = sandbox.run(bound)
    assert (row.trap, row.x) == (value, 3)
    with pytest.raises(rx.errors.ParameterError, match="y is not an argument"):
        trap(x=3, y=4)


@pytest.fixture(scope="module")
def sandbox(server: embedded.Server) -> Any:
    """A database for statements without tables, shared because making one takes a while."""
    with rx.Database.open(server.conninfo("postgres"), pool_min_size=0) as db:
        yield db
