"""SQL files become a registry whose names are the paths of the files."""

from __future__ import annotations

import importlib
import importlib.resources
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

import raxol_sql as rx
from raxol_sql.text import Kind

Tree = Callable[[dict[str, str | bytes]], Path]
GET = "-- name: get :maybe\nselect 1 as id where :id = 1;\n"


@attrs.frozen
class User:
    id: int


def test_the_path_below_the_root_is_the_namespace(tree: Tree) -> None:
    root = tree({"users.sql": GET, "billing/invoices.sql": GET, "billing/eu/vat.sql": GET})

    queries = rx.load(root)

    assert list(queries) == ["billing.eu.vat.get", "billing.invoices.get", "users.get"]
    assert queries.billing.eu.vat.get.name == "billing.eu.vat.get"


def test_a_root_may_be_given_as_a_text(tree: Tree) -> None:
    assert list(rx.load(str(tree({"users.sql": GET})))) == ["users.get"]


def test_a_relative_root_is_read_from_the_working_folder(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree({"users.sql": GET}).parent)

    assert rx.load("sql").users.get.location == "sql/users.sql:1"


def test_a_single_file_is_its_own_namespace(tree: Tree) -> None:
    file = tree({"users.sql": GET}) / "users.sql"

    assert list(rx.load(file)) == ["users.get"]


def test_a_file_and_a_folder_of_one_name_share_a_namespace(tree: Tree) -> None:
    root = tree({"users.sql": GET, "users/old.sql": GET})

    assert list(rx.load(root)) == ["users.get", "users.old.get"]


def test_names_with_a_dot_or_an_underscore_in_front_are_passed_over(tree: Tree) -> None:
    wrong = "this is not a file of queries"
    root = tree(
        {
            "users.sql": GET,
            "_draft.sql": wrong,
            ".#users.sql": wrong,
            "_old/users.sql": wrong,
            ".git/users.sql": wrong,
        }
    )

    assert list(rx.load(root)) == ["users.get"]


def test_other_files_and_empty_folders_are_passed_over(tree: Tree) -> None:
    root = tree({"users.sql": GET, "README.md": "wrong", "users.sql~": "wrong", "data.csv": "1"})
    (root / "later").mkdir()

    assert list(rx.load(root)) == ["users.get"]


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_line_ends_and_a_byte_order_mark_change_nothing(
    tree: Tree, before: bytes, newline: str
) -> None:
    text = "-- name: a :one\n-- One.\nselect 1;\n\n-- name: b :one\nselect :x;\n"
    root = tree({"users.sql": before + text.replace("\n", newline).encode()})

    queries = rx.load(root)

    assert queries.users.a.__doc__ == "One."
    assert queries.users.a().statement.text == "select 1"
    assert queries.users.b(x=1).statement.text == "select $1"
    assert queries.users.b.definition.line == 5


def test_links_to_files_and_folders_are_followed(tree: Tree, tmp_path: Path) -> None:
    root = tree({"users.sql": GET})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.sql").write_text(GET)
    (root / "shared").symlink_to(elsewhere)
    (root / "twice").symlink_to(elsewhere)
    (root / "y.sql").symlink_to(elsewhere / "x.sql")

    assert list(rx.load(root)) == ["shared.x.get", "twice.x.get", "users.get", "y.get"]


def _package(folder: Path, name: str) -> None:
    sql = folder / name / "sql" / "billing"
    sql.mkdir(parents=True)
    (folder / name / "__init__.py").write_text("")
    (sql.parent / "users.sql").write_text(GET)
    (sql / "invoices.sql").write_text(GET)


def test_queries_are_read_from_the_folder_of_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _package(tmp_path, "raxol_test_package")
    monkeypatch.syspath_prepend(tmp_path)

    queries = rx.load(importlib.resources.files("raxol_test_package") / "sql")

    assert list(queries) == ["billing.invoices.get", "users.get"]
    assert queries.users.get.location.endswith("raxol_test_package/sql/users.sql:1")


def test_queries_are_read_from_a_package_inside_a_zip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _package(tmp_path, "raxol_test_zipped")
    archive = tmp_path / "packages.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in (tmp_path / "raxol_test_zipped").rglob("*"):
            file.write(path, path.relative_to(tmp_path))
    monkeypatch.syspath_prepend(archive)
    importlib.invalidate_caches()

    root = importlib.resources.files("raxol_test_zipped")

    try:
        assert list(rx.load(root / "sql")) == ["billing.invoices.get", "users.get"]
        with pytest.raises(
            rx.errors.LoadError, match=r"packages.zip.*nothing: no such file or folder"
        ):
            rx.load(root / "nothing")
    finally:
        del sys.modules["raxol_test_zipped"]


def test_a_query_carries_what_its_header_says(tree: Tree) -> None:
    text = "-- name: get :maybe -> User\n-- One user.\n-- By key.\nselect 1 as id where :id = 1;"
    root = tree({"users.sql": "\n" + text})

    query = rx.load(root, records=[User]).users.get

    assert (query.name, query.kind, query.record) == ("users.get", Kind.MAYBE, User)
    assert query.__doc__ == "One user.\nBy key."
    assert query.location == f"{root}/users.sql:2"
    assert query.signature == "get(id)"
    assert not query.is_scalar
    assert repr(query) == f"<Query users.get :maybe at {root}/users.sql:2>"


def test_scalar_names_no_record(tree: Tree) -> None:
    query = rx.load(tree({"users.sql": "-- name: n :one -> scalar\nselect 1"})).users.n

    assert query.is_scalar
    assert query.record is None


def test_validators_run_on_rows_where_load_says_so(tree: Tree) -> None:
    root = tree({"users.sql": GET})

    assert not rx.load(root).users.get.validate
    assert rx.load(root, validate=True).users.get.validate


def test_a_query_does_not_change(tree: Tree) -> None:
    query = rx.load(tree({"users.sql": GET})).users.get

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        query.record = User


def test_the_repository_s_own_queries_load(queries: rx.Queries) -> None:
    assert queries.users.get.record is not None
    assert len(queries) == len(list(queries)) > 15
