"""What the configuration promises, key by key and on a real server: rows A2 to A6 and A9 to A18."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import raxol_sql as rx
from raxol_sql import embedded
from raxol_sql.cli import main

Write = Callable[[str], Path]
Environment = dict[str, str]

PASSWORD = "p@ss/%w:1"
FILE = """
[project]
queries = "own.sql"
migrations = "{migrations}"
[common]
pool_size = 7
[test]
max_retries = 3
"""
QUERIES = """
-- name: me :one
select current_user as who, current_database() as place

-- name: pid :one -> scalar
select pg_backend_pid()

-- name: sleep :one
select pg_sleep(:s::float8)

-- name: conflict :one
select conflict()
"""
CONFLICT = """
create sequence executions;
create function conflict() returns int language plpgsql as $$
begin
    perform nextval('executions');
    raise serialization_failure;
end
$$
"""


Run = Callable[..., Any]
Shown = Callable[[Environment], dict[str, tuple[str, str]]]


@pytest.fixture
def folder(project: Write, repository: Path) -> Path:
    """A project with queries of the test's own."""
    folder = project(FILE.format(migrations=repository / "migrations"))
    (folder / "own.sql").write_text(QUERIES)
    return folder


@pytest.fixture
def parts(database: str) -> Environment:
    """The test's database as ``RAXOL_DB_*``."""
    known = conninfo_to_dict(database)
    return {
        "RAXOL_DB_HOST": str(known["host"]),
        "RAXOL_DB_PORT": str(known["port"]),
        "RAXOL_DB_USER": str(known["user"]),
        "RAXOL_DB_NAME": str(known["dbname"]),
    }


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Callable[..., None]:
    """Sets variables of this process, whose working folder is the project's."""

    def environ(*sets: Mapping[str, str]) -> None:
        monkeypatch.chdir(folder)
        for name, value in [pair for given in sets for pair in given.items()]:
            monkeypatch.setenv(name, value)

    return environ


@pytest.fixture
def raxol_sql(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> Run:
    """Runs ``raxol-sql`` in the project's folder, with variables of its own."""

    def run(environment: Environment, *words: str) -> Any:
        with monkeypatch.context() as changed:
            changed.chdir(folder)
            changed.setattr(sys, "argv", ["raxol-sql", *words])
            for name, value in environment.items():
                changed.setenv(name, value)
            capfd.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return SimpleNamespace(code=ended.value.code or 0, out=out, err=err)

    return run


@pytest.fixture
def shown(raxol_sql: Run) -> Callable[[Environment], dict[str, tuple[str, str]]]:
    """Gives each key with its value and its origin, as the command prints them."""

    def shown(environment: Environment) -> dict[str, tuple[str, str]]:
        ran = raxol_sql(environment, "config", "--format", "json")
        return {one["key"]: (one["value"], one["origin"]) for one in json.loads(ran.out)}

    return shown


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether something becomes true in so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def backends(database: str) -> Iterator[Callable[[str], int]]:
    """Counts the other sessions of the test's database for which a condition is true."""
    with psycopg.connect(database, autocommit=True) as connection:

        def count(condition: str = "true") -> int:
            row = connection.execute(
                "select count(*) from pg_stat_activity where datname = current_database() "
                f"and pid <> pg_backend_pid() and {condition}".encode()
            ).fetchone()
            return int(row[0]) if row else 0

        yield count


def test_the_environment_s_section_overrides_the_common_one_and_config_says_where_from(
    shown: Shown,
) -> None:
    # A2
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
    # A2
    file = folder / "raxol_sql.toml"
    file.write_text(file.read_text().replace("pool_size", "pool_szie"))

    for command in ("config", "ping", "list", "migrate"):
        ran = raxol_sql({}, command)
        assert ran.code == 2
        assert "raxol_sql.toml" in ran.err
        assert "pool_szie" in ran.err


def test_prod_without_a_database_does_not_start(raxol_sql: Run) -> None:
    # A2
    ran = raxol_sql({"RAXOL_ENV": "prod"}, "run", "own.me")

    assert ran.code == 2
    assert "database" in ran.err


def test_the_role_is_ours_then_libpq_s_then_postgres(
    shown: Shown, parts: Environment, environ: Callable[..., None]
) -> None:
    # A3
    assert shown({"RAXOL_DB_USER": "ann", "PGUSER": "ben"})["username"] == (
        "ann",
        "RAXOL_DB_USER",
    )
    assert shown({"PGUSER": "ben"})["username"] == ("ben", "PGUSER")
    assert shown({})["username"] == ("postgres", "default")
    environ(parts)
    with rx.Database.open() as db:
        assert db.run(rx.load("own.sql").own.me()).who == parts["RAXOL_DB_USER"]


@pytest.mark.parametrize(
    "words",
    ["config", "ping", "migrations", "run own.me", "run own.sleep s=x", "explain own.me"],
)
@pytest.mark.parametrize("right", [True, False])
def test_a_password_is_printed_by_no_command_that_works_and_by_none_that_fails(
    raxol_sql: Run, parts: Environment, words: str, right: bool
) -> None:
    # A4
    given = {**parts, "RAXOL_DB_PASS": "hush-7Qx"}
    if not right:
        given["RAXOL_DB_USER"] = "nobody_at_all"
    ran = raxol_sql(given, *words.split())

    assert ran.code in (0, 1, 3, 4)
    assert "hush-7Qx" not in ran.out + ran.err


def test_a_host_is_a_name_an_address_or_the_folder_of_a_socket(
    raxol_sql: Run, parts: Environment
) -> None:
    # A5
    assert parts["RAXOL_DB_HOST"].startswith("/")
    assert raxol_sql(parts, "run", "own.me").code == 0
    for moved in (
        {"RAXOL_DB_HOST": "no-such.invalid"},
        {"RAXOL_DB_HOST": "127.0.0.1", "RAXOL_DB_PORT": "1"},
    ):
        ran = raxol_sql({**parts, **moved}, "run", "own.me")
        assert ran.code == 3
        assert moved["RAXOL_DB_HOST"] in ran.err


def test_a_database_that_does_not_exist_comes_with_the_way_to_make_it(
    raxol_sql: Run, parts: Environment
) -> None:
    # A6
    ran = raxol_sql({**parts, "RAXOL_DB_NAME": "raxol_no_such"}, "run", "own.me")

    assert ran.code == 3
    assert "raxol-sql setup" in ran.err


def test_there_are_never_more_connections_than_pool_size(
    parts: Environment, environ: Callable[..., None], backends: Callable[[str], int]
) -> None:
    # A9
    environ(parts, {"RAXOL_DB_POOL_SIZE": "3"})
    most = 0
    with rx.Database.open() as db, ThreadPoolExecutor(12) as threads:
        calls = [threads.submit(db.run, rx.load("own.sql").own.sleep(s=0.1)) for _ in range(12)]
        while not all(call.done() for call in calls):
            most = max(most, backends("true"))
        assert [call.exception() for call in calls] == [None] * 12

    assert most == 3


def test_a_call_ends_after_timeout_milliseconds_and_so_does_its_work_at_the_server(
    parts: Environment, environ: Callable[..., None], backends: Callable[[str], int]
) -> None:
    # A10, A16
    environ(parts, {"RAXOL_DB_TIMEOUT": "500"})
    queries = rx.load("own.sql").own
    with rx.Database.open() as db:
        begun = time.monotonic()
        with pytest.raises(rx.DeadlineExceeded):
            db.run(queries.sleep(s=30))
        taken = time.monotonic() - begun

        assert 0.4 < taken < 2
        assert until(lambda: backends("query ~ 'pg_sleep' and state = 'active'") == 0, 5)
        assert db.run(queries.pid()) > 0


def test_the_command_line_keeps_to_the_timeout_too(raxol_sql: Run, parts: Environment) -> None:
    # A10
    ran = raxol_sql({**parts, "RAXOL_DB_TIMEOUT": "300"}, "run", "own.sleep", "s=30")

    assert ran.code == 4
    assert "the time of this call is over" in ran.err


def test_connections_above_the_minimum_close_when_idle_for_idle_timeout_milliseconds(
    parts: Environment, environ: Callable[..., None], backends: Callable[[str], int]
) -> None:
    # A11, A17
    environ(parts, {"RAXOL_DB_IDLE_TIMEOUT": "200"})
    sleep = rx.load("own.sql").own.sleep
    with rx.Database.open(pool_size=4, pool_min_size=1) as db:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: db.run(sleep(s=0.3)), range(4)))
        assert backends("true") == 4
        assert until(lambda: backends("true") == 1, 15)


def test_an_idle_connection_that_died_is_found_out_before_it_is_handed_out(
    parts: Environment, environ: Callable[..., None], database: str
) -> None:
    # A11
    environ(parts)
    pid = rx.load("own.sql").own.pid
    with (
        rx.Database.open(pool_size=1, pool_min_size=1, idle_timeout=50, max_retries=0) as db,
        psycopg.connect(database, autocommit=True) as other,
    ):
        first = db.run(pid())
        other.execute("select pg_terminate_backend(%s, 5000)", [first])

        assert db.run(pid()) != first


def test_the_longest_wait_begins_at_retry_interval_and_doubles(
    environ: Callable[..., None],
) -> None:
    # A12
    environ({"RAXOL_DB_RETRY_INTERVAL": "250"})
    config = rx.Config.find()
    policy = rx.RetryPolicy.of(config.retry_interval, config.max_retries)
    lost = rx.classify(psycopg.errors.lookup("08006")(), rx.Phase.IN_TRANSACTION)

    assert [policy.longest_wait(lost, attempt) for attempt in (1, 2, 3, 4)] == [0.25, 0.5, 1, 2]


def test_without_jitter_the_waits_of_a_call_are_exactly_the_doubled_ones(
    parts: Environment, environ: Callable[..., None], database: str
) -> None:
    # A12: after a conflict the interval counts for a hundredth, so 0.1, 0.2 and 0.4 s.
    given = {"RAXOL_DB_MAX_RETRIES": "3", "RAXOL_DB_RETRY_INTERVAL": "10000"}
    environ(parts, given, {"RAXOL_DB_RETRY_JITTER": "off"})
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(CONFLICT)
    with rx.Database.open() as db:
        begun = time.monotonic()
        with pytest.raises(psycopg.errors.SerializationFailure) as caught:
            db.run(rx.load("own.sql").own.conflict())
        taken = time.monotonic() - begun

    assert 0.7 <= taken < 2
    assert "0.7 s of it waiting" in " ".join(caught.value.__notes__)


def test_without_jitter_the_waits_for_a_server_are_1_2_4_8_and_16_s() -> None:
    # A12
    policy = rx.RetryPolicy(jitter=False, longest_connection_wait=16)
    lost = rx.classify(psycopg.errors.lookup("08006")(), rx.Phase.IN_TRANSACTION)

    assert [policy.wait(lost, attempt, chance=0.5) for attempt in range(1, 6)] == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_what_fails_each_time_is_done_once_and_max_retries_times_again(
    parts: Environment, environ: Callable[..., None], database: str, retries: int
) -> None:
    # A13
    environ(parts, {"RAXOL_DB_MAX_RETRIES": str(retries), "RAXOL_DB_RETRY_INTERVAL": "0"})
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(CONFLICT)
        with rx.Database.open() as db, pytest.raises(psycopg.errors.SerializationFailure):
            db.run(rx.load("own.sql").own.conflict())
        executions = connection.execute("select last_value from executions").fetchone()

    assert executions == (retries + 1,)


def test_the_four_variables_are_honoured_by_every_way_in_whatever_a_password_has_in_it(
    raxol_sql: Run, parts: Environment, environ: Callable[..., None]
) -> None:
    # A14
    given = {**parts, "RAXOL_DB_PASS": PASSWORD}
    environ(given)

    with rx.Database.open() as db:
        assert db.run(rx.load("own.sql").own.me()).place == parts["RAXOL_DB_NAME"]
    assert rx.Config.find().password == PASSWORD
    for words in (["setup"], ["migrate"], ["ping"], ["run", "own.me"]):
        ran = raxol_sql(given, *words)
        assert (words, ran.code, ran.err) == (words, 0, "")


@pytest.fixture
def asking(own_project: Path) -> str:
    """The conninfo of a role that a server lets in with its password and no other, without it."""
    server = embedded.start(own_project)
    conninfo = server.conninfo("postgres")
    asked = make_conninfo(conninfo, user="w", password="not this")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f"create role w login password '{PASSWORD}'".encode())
        connection.execute("grant create on schema public to w")
        row = connection.execute("show hba_file").fetchone()
        rules = Path(row[0] if row else "")
        rules.write_text(f"local all w scram-sha-256\n{rules.read_text()}")
        connection.execute("select pg_reload_conf()")
    assert until(lambda: is_refused(asked), 10)
    return make_conninfo(conninfo, user="w")


def is_refused(conninfo: str) -> bool:
    try:
        psycopg.connect(conninfo).close()
    except psycopg.OperationalError:
        return True
    return False


def test_a_password_of_any_characters_logs_in_by_every_way_in(
    raxol_sql: Run, asking: str, folder: Path, repository: Path
) -> None:
    # A14
    known = conninfo_to_dict(asking)
    host = str(known["host"])
    given = {
        "RAXOL_DB_HOST": host,
        "RAXOL_DB_PORT": str(known["port"]),
        "RAXOL_DB_USER": "w",
        "RAXOL_DB_NAME": "postgres",
        "RAXOL_DB_PASS": PASSWORD,
    }
    for words in (["setup"], ["migrate"], ["ping"], ["run", "own.me"]):
        ran = raxol_sql(given, *words)
        assert (words, ran.code, ran.err) == (words, 0, "")

    def yoyo(password: str) -> subprocess.CompletedProcess[str]:
        url = f"postgresql+psycopg://w:{password}@/postgres?host={quote(host)}"
        words = ["apply", "--batch", "--no-config-file", "--database", url]
        return subprocess.run(
            [sys.executable, "-m", "yoyo", *words, str(repository / "migrations")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    # As docs/migrations.md says: in a URL of bare yoyo it has to be encoded.
    assert yoyo(quote(PASSWORD, safe="")).returncode == 0
    assert yoyo(PASSWORD).returncode != 0


def test_a_pool_size_in_the_environment_is_a_whole_number_of_connections(
    raxol_sql: Run, shown: Shown
) -> None:
    # A15
    assert shown({"RAXOL_DB_POOL_SIZE": "20"})["pool_size"] == ("20", "RAXOL_DB_POOL_SIZE")
    for wrong in ("abc", "-1", "1.5", "", "0"):
        ran = raxol_sql({"RAXOL_DB_POOL_SIZE": wrong}, "config")
        assert ran.code == 2
        assert "RAXOL_DB_POOL_SIZE" in ran.err


@pytest.mark.parametrize("variable", ["RAXOL_DB_TIMEOUT", "RAXOL_DB_IDLE_TIMEOUT"])
def test_times_in_the_environment_are_whole_milliseconds(
    raxol_sql: Run, shown: Shown, variable: str
) -> None:
    # A16, A17
    key = variable.removeprefix("RAXOL_DB_").lower()

    assert shown({variable: "60000"})[key] == ("60000", variable)
    for wrong in ("1s", "-1", "0.5", ""):
        ran = raxol_sql({variable: wrong}, "config")
        assert ran.code == 2
        assert variable in ran.err


def test_a_database_url_is_weaker_than_our_own_variables_and_each_part_says_its_origin(
    shown: Shown,
) -> None:
    # A18
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
    # A18
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
        "password: RAXOL_DB_PASS stands above DATABASE_URL, which says otherwise",
        "hostname: RAXOL_DB_HOST stands above DATABASE_URL, which says otherwise",
    ]
    assert "hush" not in ran.out
    assert for_programs.err.endswith(ran.err)
    assert json.loads(for_programs.out)
    assert agreeing.err == ""
