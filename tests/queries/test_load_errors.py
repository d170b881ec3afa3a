"""Whatever is wrong with a tree of SQL files is a LoadError that names the place."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.errors import DefinitionError
from raxol_sql.queries.files import sql_files
from raxol_sql.text import Source, parse

Tree = Callable[[dict[str, str | bytes]], Path]
GET = "-- name: get :maybe -> User\nselect 1 as id where :id = 1;\n"


@attrs.frozen
class User:
    id: int


@attrs.frozen
class UserPreferences:
    id: int


def _wrong(root: Path | str) -> tuple[DefinitionError, ...]:
    with pytest.raises(rx.errors.LoadError) as caught:
        rx.load(root, records=[User, UserPreferences])
    return caught.value.errors


def _one(root: Path | str) -> DefinitionError:
    errors = _wrong(root)
    assert len(errors) == 1
    return errors[0]


@pytest.mark.parametrize("name", ["nothing", "nothing.sql", "a\0b", "x" * 5000])
def test_a_root_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    error = _one(tmp_path / name)

    assert error.path == str(tmp_path / name)
    assert error.line is None


def test_a_folder_without_queries_is_an_error(tree: Tree) -> None:
    assert _one(tree({"README.md": "none"})).problem == "no .sql file in this folder"


@pytest.mark.parametrize("text", ["", "\n\n", "-- only\n/* comments */", "\ufeff"])
def test_a_file_without_queries_is_an_error(tree: Tree, text: str) -> None:
    root = tree({"users.sql": text})

    error = _one(root)

    assert (error.path, error.problem) == (f"{root}/users.sql", "no query in this file")


@pytest.mark.parametrize(
    ("content", "line", "column", "problem"),
    [
        (b"-- name: a :one\nselect '\xff'", 2, 9, "byte 0xff is not UTF-8 here"),
        (b"\xff\xfe-\0-\0", 1, 1, "byte 0xff is not UTF-8 here"),
        (b"-- name: a :one\nselect '\0'", 2, 9, "a NUL character"),
        (b"-- name: a :one\nselect 'open", 2, 8, "not closed"),
        (b"-- name: a :one\nselect $a$ open", 2, 8, "not closed"),
        (b"-- name: a :one\nselect 1 /* open", 2, 10, "not closed"),
        (b"-- name: a :won\nselect 1", 1, 12, "unknown kind ':won'; did you mean ':one'?"),
        (b"-- name: a\nselect 1", 1, 1, "query 'a' has no kind"),
        (b"-- name: a-b :one\nselect 1", 1, 10, "'a-b' cannot be a name"),
        (b"-- name: class :one\nselect 1", 1, 10, "'class' is a Python keyword"),
        (b"-- name: a :one", 1, 1, "a query without SQL"),
        (b"select 1;\n-- name: a :one\nselect 1", 1, 1, "SQL before the first query"),
        (b"-- name: a :exec\ncommit", 2, 1, "transaction control in a query: commit"),
    ],
)
def test_what_is_wrong_in_a_file_is_shown_where_it_stands(
    tree: Tree, content: bytes, line: int, column: int, problem: str
) -> None:
    root = tree({"users.sql": content})

    error = _one(root)

    assert problem in error.problem
    assert (error.path, error.line, error.column) == (f"{root}/users.sql", line, column)
    assert str(error).startswith(f"{root}/users.sql:{line}:{column}: ")
    assert error.remedy


def test_a_file_of_ten_megabytes_is_refused(tree: Tree) -> None:
    error = _one(tree({"users.sql": GET.encode() + b"-" * 10 * 1024 * 1024}))

    assert error.problem.startswith("10.0 MiB is too large")


@pytest.mark.parametrize(
    "files",
    [
        {"users.sql": GET + GET},
        {"a.sql": "-- name: x :one\nselect 1", "a/x.sql": GET},
        {"a/b.sql": "-- name: c :one\nselect 1", "a/b/c/d.sql": GET},
    ],
    ids=["in one file", "a query and a file", "a query and a folder"],
)
def test_two_of_one_name_are_an_error(tree: Tree, files: dict[str, str | bytes]) -> None:
    error = _one(tree(files))

    assert error.problem.startswith(("duplicate query name", "this name is"))
    assert error.remedy == "rename one of the two"


def test_the_second_of_one_name_is_told_where_the_first_is(tree: Tree) -> None:
    root = tree({"users.sql": GET + "\n" + GET})

    error = _one(root)

    assert error.line == 4
    assert error.query == "users.get"
    assert error.problem == f"duplicate query name, first defined at {root}/users.sql:1"


@pytest.mark.parametrize("name", ["my-queries", "2024", "with space", "é", "import"])
def test_files_and_folders_have_names_that_code_can_write(tree: Tree, name: str) -> None:
    root = tree({f"{name}.sql": GET, f"{name}/users.sql": GET})

    errors = _wrong(root)

    assert [error.path for error in errors] == [f"{root}/{name}.sql", f"{root}/{name}/users.sql"]
    assert all(error.problem.startswith("a namespace: ") for error in errors)


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes")
def test_a_name_that_is_no_utf_8_is_an_error(tree: Tree) -> None:
    root = tree({"users.sql": GET})
    (root / os.fsdecode(b"\xff.sql")).write_text(GET)

    assert _one(root).problem.startswith("a namespace: '\\udcff' cannot be a name")


def test_an_unknown_record_comes_with_the_nearest_names(tree: Tree) -> None:
    root = tree({"users.sql": "\n-- name: User :maybe -> Usr\nselect 1"})

    error = _one(root)

    assert error.problem.startswith("unknown record 'Usr'; did you mean 'User'")
    assert error.remedy == "the records handed to load() are: User, UserPreferences"
    assert (error.line, error.column) == (2, 25)


def test_all_errors_of_a_tree_come_at_once_by_file_and_line(tree: Tree) -> None:
    fine = "-- name: fine :one\nselect 1;\n"
    root = tree(
        {
            "b.sql": fine + "-- name: x :won\nselect 1;\n-- name: y :one -> Nobody\nselect 1;\n",
            "a.sql": fine + fine + "-- name: z :one\nselect 'open",
            "c/empty.sql": "",
            "c/bad.sql": b"\xff",
        }
    )

    errors = _wrong(root)

    places = [(error.path.removeprefix(f"{root}/"), error.line) for error in errors]
    assert places == [
        ("a.sql", 3),
        ("a.sql", 6),
        ("b.sql", 3),
        ("b.sql", 5),
        ("c/bad.sql", 1),
        ("c/empty.sql", None),
    ]


def test_a_link_to_a_folder_above_ends(tree: Tree) -> None:
    root = tree({"users.sql": GET, "inner/x.sql": GET})
    (root / "inner" / "up").symlink_to(root)

    error = _one(root)

    assert (error.path, error.problem) == (
        f"{root}/inner/up",
        "a link to a folder that it lies in",
    )


def test_links_that_lead_nowhere_are_named(tree: Tree) -> None:
    root = tree({"users.sql": GET})
    (root / "gone.sql").symlink_to("nothing.sql")
    (root / "self.sql").symlink_to("self.sql")

    errors = _wrong(root)

    assert [error.problem for error in errors] == ["a link that leads nowhere"] * 2
    assert _one(root / "self.sql").problem == "a link that leads nowhere"


def test_what_is_no_file_is_refused_and_never_read(tree: Tree) -> None:
    root = tree({"a.sql": "-- name: one :one\nselect 1"})
    os.mkfifo(root / "pipe.sql")
    (root / "zero.sql").symlink_to("/dev/zero")
    os.mkfifo(root / "pipe.txt")

    with pytest.raises(rx.errors.LoadError) as caught:
        rx.load(root)

    assert [(Path(error.path).name, error.problem) for error in caught.value.errors] == [
        ("pipe.sql", "neither a file nor a folder"),
        ("zero.sql", "neither a file nor a folder"),
    ]


_AS_NOBODY = """
import os, sys
import raxol_sql as rx
if os.geteuid() == 0:
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
for root in sys.argv[1:]:
    try:
        rx.load(root)
    except rx.errors.LoadError as error:
        print("; ".join(f"{one.path}: {one.problem}" for one in error.errors))
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may enter, as those of pytest may not be."""
    with tempfile.TemporaryDirectory(prefix="rx") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX's")
def test_what_may_not_be_read_is_named(open_folder: Path) -> None:
    root = open_folder
    for name in ("shut.sql", "shut/x.sql", "listed/x.sql"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(GET)
    modes = {"shut.sql": 0, "shut": 0, "listed": 0o444}
    try:
        for name, mode in modes.items():
            (root / name).chmod(mode)
        done = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, root, root / "shut" / "x.sql"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        for name in modes:
            (root / name).chmod(0o755)

    denied = "cannot be read: Permission denied"
    whole, single = done.stdout.splitlines()
    assert whole.split("; ") == [
        f"{root}/listed/x.sql: {denied}",
        f"{root}/shut: {denied}",
        f"{root}/shut.sql: {denied}",
    ]
    assert single.startswith(f"{root}/shut/x.sql: ")


def test_a_record_is_an_attrs_class(tree: Tree) -> None:
    root = tree({"users.sql": GET})

    with pytest.raises(TypeError, match="is not an attrs class: decorate it"):
        rx.load(root, records=[int])
    with pytest.raises(TypeError, match="is not an attrs class: decorate it"):
        rx.load(root, records=[User(1)])  # type: ignore[list-item]


def test_two_records_of_one_name_are_refused(tree: Tree) -> None:
    other = attrs.make_class("User", ["id"])

    with pytest.raises(ValueError, match="two records are named User"):
        rx.load(tree({"users.sql": GET}), records=[User, other])


def test_one_record_may_be_given_twice(tree: Tree) -> None:
    assert rx.load(tree({"users.sql": GET}), records=[User, User]).users.get.record is User


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_queries_or_definition_errors(data: bytes) -> None:
    errors: list[DefinitionError] = []
    for content in (data, b"-- name: a :one\nselect " + data):
        try:
            definitions, errors = parse(Source.decode("a.sql", content), ("a",))
        except DefinitionError as error:
            definitions, errors = [], [error]

        assert definitions or errors
        assert all(str(error).startswith("a.sql") for error in errors)


def test_the_files_of_a_tree_come_in_the_order_of_their_names(tree: Tree) -> None:
    root = tree({"b.sql": GET, "a/z.sql": GET, "a/b.sql": GET, "c.sql": GET})

    found = [namespace for namespace, _ in sql_files(root, [])]

    assert found == [("a", "b"), ("a", "z"), ("b",), ("c",)]
