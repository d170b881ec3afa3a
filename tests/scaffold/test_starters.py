"""What is printed for a table loads, type-checks and passes its test, unedited."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.demo import accounts
from raxol_sql.scaffold import class_name, find_sample, queries_text, record_text, text_of_test
from raxol_sql.schema import describe

TABLES = ["users", "user_preferences", "airlines", "airports", "planes", "weather", "flights"]
ODD = [
    *("billing.parents", "children", "hiding", "odd_types", "notes", "plain", "logs"),
    *("empty_ones", "employees", "decimals", "follows", "bookings", "spans", "turns", "folded"),
    *("stamped", "locked", "only_stamps", "keyless", "epochs", "computed", "measured"),
    *("reserved", "arguments", "documents"),
]


@attrs.frozen
class Project:
    """A project whose starters are all there, for the tables of one database."""

    folder: Path
    conninfo: str

    def run(self, *words: str) -> str:
        """What a program of Python prints in the project's folder."""
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={**os.environ, **_sources(), "DATABASE_URL": self.conninfo, "NO_COLOR": "1"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def record(self, table: str) -> str:
        return (self.folder / f"record_{table}.py").read_text()

    def queries(self, table: str) -> str:
        return (self.folder / "sql" / f"{table}.sql").read_text()


def _sources() -> dict[str, str]:
    """Where a type checker finds the package, if it is not installed but linked to."""
    above = Path(rx.__file__).parents[1]
    return {} if above.name == "site-packages" else {"MYPYPATH": str(above)}


@pytest.fixture
def db(conninfo: str) -> Iterator[rx.Database]:
    with rx.Database.open(conninfo) as database:
        yield database


@pytest.fixture(scope="module")
def project(conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with the starters of all tables, as they are printed."""
    folder = tmp_path_factory.mktemp("project")
    for part in ("sql", "tests"):
        (folder / part).mkdir()
    (folder / "raxol_sql.toml").write_text('[project]\nqueries = "sql"\nrecords = "records"\n')
    imports = []
    with rx.Database.open(conninfo) as database:
        for name in (*TABLES, *ODD):
            table = describe(database, name)
            (folder / f"record_{table.name}.py").write_text(record_text(table))
            (folder / "sql" / f"{table.name}.sql").write_text(queries_text(table))
            test = text_of_test(find_sample(database, table), "records")
            (folder / "tests" / f"test_{table.name}.py").write_text(test)
            record = class_name(table.name)
            imports.append(f"from record_{table.name} import {record} as {record}\n")
    (folder / "records.py").write_text("".join(imports))
    return Project(folder, conninfo)


def test_what_is_printed_for_each_table_passes_its_printed_test(project: Project) -> None:
    said = project.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", "tests")
    assert "skipped" not in said
    # A table has at least one test, and one with a key at least two.
    assert int(said.split(" passed")[0].split()[-1]) > 2 * len([*TABLES, *ODD])


def test_what_is_printed_type_checks(project: Project) -> None:
    pytest.importorskip("mypy")
    project.run("-m", "mypy", "--strict", "records.py", "tests")


def test_what_is_printed_fits_the_database(project: Project) -> None:
    checked = json.loads(project.run("-m", "raxol_sql", "check", "--format", "json"))
    # What is said of the tables alone is theirs.
    known = {"type", "index", "timestamps"}
    assert [one for one in checked if one["check"] not in known] == []


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("children", "size: int = attrs.field(validator=and_(ge(10), le(20)))"),
        ("children", 'kind: str = attrs.field(validator=in_(("small", "large")))'),
        ("children", 'mood: str = attrs.field(validator=in_(("calm", "it\'s odd")))'),
        ("children", "short: str = attrs.field(validator=max_len(2))"),
        ("children", 'amount: Decimal = attrs.field(validator=ge(Decimal("0")))'),
        ("children", "count: int = attrs.field(validator=and_(gt(0), le(2147483647)))"),
        ("children", "few: int = attrs.field(validator=and_(lt(10), gt(0)))"),
        ("children", "moods: list[str]\n"),
        ("children", "twice: int | None\n"),
        ("children", '.foreign_key_constraint("parent_code", name="children_parent_code_fkey")'),
        ("children", '.check_constraint("first_part", name="children_check")'),
        ("children", '.unique_constraint("key", name="children_key_key")'),
        ("odd_types", '.check_constraint("home", name="home_code_check")'),
        ("folded", '.check_constraint("code", name="folded_code_check")'),
        ("folded", '.check_constraint("rate", name="folded_rate_check")'),
        ("bookings", '.exclusion_constraint("at", name="bookings_at_excl")'),
        ("spans", '.exclusion_constraint("room", name="spans_pkey")'),
        ("odd_types", '.unique_constraint("email", name="odd_types_live")'),
        ("users", '.check_constraint("email", name="users_email_format")'),
        ("hiding", "from datetime import date as date_, time as time_"),
        ("stamped", "    id: int\n"),
        ("stamped", '.cast(given, permit=["title"])'),
        ("documents", '.validate_required("body", "spans", "at")'),
    ],
)
def test_a_record_has_the_rules_of_its_table(project: Project, table: str, line: str) -> None:
    assert line in project.record(table)


def test_a_check_that_does_not_say_which_column_it_refuses_is_of_no_field(
    project: Project,
) -> None:
    assert '"code_check"' not in project.record("odd_types")


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("users", "get get_by_email all first last exists_by_id count create upsert update delete"),
        (
            "user_preferences",
            "get all first last exists_by_id count by_user_ids create update delete",
        ),
        (
            "children",
            "get get_by_key all first last exists_by_first_part_and_second_part count "
            "by_parent_codes by_other_codes create upsert update delete",
        ),
        ("logs", "all count create"),
        ("empty_ones", "get all first last exists_by_id count create delete"),
        (
            "employees",
            "get all first last exists_by_id count by_manager_ids create update delete",
        ),
        ("odd_types", "get all first last exists_by_id count create update delete"),
        ("spans", "get all first last exists_by_room_and_valid count create update delete"),
        ("turns", "get get_by_place all first last exists_by_id count create update delete"),
    ],
)
def test_a_table_has_the_queries_that_make_sense_for_it(
    project: Project, table: str, names: str
) -> None:
    record = attrs.make_class(class_name(table), [])
    found = rx.load(project.folder / "sql" / f"{table}.sql", records=[record])
    assert sorted(name.split(".")[1] for name in found) == sorted(names.split())


@pytest.mark.parametrize(
    ("table", "clause"),
    [
        ("children", "set\n    lock_version = lock_version + 1"),
        ("children", "lock_version = children.lock_version + 1,\n"),
        ("children", " and lock_version = :lock_version\n"),
        ("notes", "updated_at = now()\n"),
        ("decimals", "id = id\n    /*? amount */ , amount = :amount /*?*/\n"),
        ("employees", "name = :name\n    /*? manager_id */ , manager_id = :manager_id /*?*/\n"),
        ("users", "on conflict (email) do update\nset\n    updated_at = now(),\n"),
        ("stamped", "values (\n    :title\n    , now()\n    , now()\n)"),
        ("stamped", "set\n    updated_at = now()\n    /*? title */ , title = :title /*?*/\n"),
        ("locked", "values (\n    :title\n    , 1\n    , now()\n    , now()\n)"),
        ("only_stamps", "values (\n    now()\n    , now()\n)"),
        ("epochs", "set\n    updated_at = :updated_at\n    /*? lock_version */"),
    ],
)
def test_what_is_counted_and_what_is_always_set(project: Project, table: str, clause: str) -> None:
    assert clause in project.queries(table)


@pytest.mark.parametrize(
    ("make", "table", "told"),
    [
        (record_text, "note", "there is no table note; did you mean 'notes'"),
        (record_text, "seen", "seen is no table: rows come from the tables behind it"),
        (record_text, "lists", "lists: no field can be called 'class', 'changeset'"),
        (queries_text, "lists", "lists: no field can be called 'class', 'changeset'"),
        (queries_text, "importing", "importing: no field can be called 'import', 'self'"),
        (record_text, "importing", "importing: no field can be called 'import', 'self'"),
    ],
)
def test_what_nothing_can_be_printed_for_is_told(
    db: rx.Database, make: Callable[..., str], table: str, told: str
) -> None:
    with pytest.raises((LookupError, ValueError)) as caught:
        make(describe(db, table))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("circles", "circles refers to itself, in a circle of rows that all need one"),
        ("closed", "no row was found that closed takes: closed_check refuses everything"),
        ("guarded", "or a trigger \\(P0001\\) refuses everything"),
        ("parts", "no row was found that parts takes"),
    ],
)
def test_a_table_that_takes_no_row_is_told_with_what_refuses_it(
    db: rx.Database, table: str, told: str
) -> None:
    with pytest.raises(LookupError, match=told):
        find_sample(db, describe(db, table))


def test_a_search_for_a_sample_leaves_nothing_behind(db: rx.Database, conninfo: str) -> None:
    find_sample(db, describe(db, "flights"))
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("select count(*) from airports").fetchone() == (0,)


@pytest.mark.parametrize("name", ["2fa", "class", "a b", "Mapping"])
def test_a_record_cannot_be_called_what_no_class_can(db: rx.Database, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        record_text(describe(db, "notes"), name)


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("users", "User"),
        ("user_preferences", "UserPreference"),
        ("companies", "Company"),
        ("news_class", "NewsClass"),
        ("weather", "Weather"),
        ("2fa codes", "Row2faCode"),
        ("decimals", "RowDecimal"),
    ],
)
def test_a_record_is_named_after_one_row_of_its_table(table: str, name: str) -> None:
    assert class_name(table) == name


def test_records_may_come_as_the_module_that_has_them(repository: Path) -> None:
    assert len(rx.load(repository / "sql", records=accounts)) > 20
