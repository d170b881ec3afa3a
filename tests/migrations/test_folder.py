"""Reading and writing the folder of migrations needs no server."""

from __future__ import annotations

from pathlib import Path

import pytest

from raxol_sql.errors import ConfigError, MigrationError
from raxol_sql.migrations import Migrations, new_migration
from raxol_sql.migrations.folder import MigrationFile, read_folder


def write(folder: Path, **files: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / (name.removeprefix("_").replace("_", "-") + ".sql")).write_text(text)


def only(folder: Path) -> MigrationFile:
    (file,) = read_folder(folder)
    return file


def test_a_folder_that_does_not_exist_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no migrations folder .*nosuch"):
        read_folder(tmp_path / "nosuch")


def test_a_folder_without_migrations_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("nothing yet")

    with pytest.raises(ConfigError, match="holds no migration"):
        read_folder(tmp_path)


def test_files_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write(tmp_path, _0002_b="select 2;", _0001_a="select 1;", _0010_c="select 3;")

    assert [file.id for file in read_folder(tmp_path)] == ["0001-a", "0002-b", "0010-c"]


def test_a_dependency_comes_before_its_dependant_whatever_the_numbers(tmp_path: Path) -> None:
    write(tmp_path, _0001_a="-- depends: 0002-b\nselect 1;", _0002_b="select 2;")

    assert [file.id for file in read_folder(tmp_path)] == ["0002-b", "0001-a"]


def test_an_unknown_dependency_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, _0001_a="-- depends: 0000-gone\nselect 1;")

    with pytest.raises(MigrationError, match=r"0001-a\.sql: depends on 0000-gone"):
        read_folder(tmp_path)


def test_migrations_that_depend_on_each_other_are_an_error(tmp_path: Path) -> None:
    write(
        tmp_path,
        _0001_a="-- depends: 0002-b\nselect 1;",
        _0002_b="-- depends: 0001-a\nselect 2;",
    )

    with pytest.raises(MigrationError, match="depend on each other: 0001-a, 0002-b"):
        read_folder(tmp_path)


def test_two_files_of_one_number_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, _0001_a="select 1;", _0001_b="select 2;")

    with pytest.raises(MigrationError, match=r"0001-b\.sql: number 0001 is taken by 0001-a\.sql"):
        read_folder(tmp_path)


@pytest.mark.parametrize("name", ["create-users", "1-a", "0001_a", "0001-A", "0001-a b", "0001-"])
def test_a_name_that_is_no_number_and_words_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.sql").write_text("select 1;")

    with pytest.raises(MigrationError, match="not a name for a migration"):
        read_folder(tmp_path)


def test_a_migration_in_python_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0001-a.py").write_text("raise SystemExit('it was run')")

    with pytest.raises(MigrationError, match="in SQL only"):
        read_folder(tmp_path)


def test_a_rollback_of_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "0001-a.sql").write_text("select 1;")
    (tmp_path / "0001-b.rollback.sql").write_text("select 1;")

    with pytest.raises(MigrationError, match=r"there is no 0001-b\.sql"):
        read_folder(tmp_path)


def test_a_file_that_is_not_utf_8_is_an_error_that_says_where(tmp_path: Path) -> None:
    (tmp_path / "0001-a.sql").write_bytes(b"select '\xff';")

    with pytest.raises(MigrationError, match="not UTF-8 at byte 8"):
        read_folder(tmp_path)


def test_a_wrong_transactional_line_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, _0001_a="-- transactional: no\nselect 1;")

    with pytest.raises(MigrationError, match="is true or false, not 'no'"):
        read_folder(tmp_path)


@pytest.mark.parametrize("word", ["begin", "COMMIT", "start transaction", "rollback"])
def test_ending_the_transaction_of_a_migration_is_refused(tmp_path: Path, word: str) -> None:
    write(tmp_path, _0001_a=f"select 1;\n\n/* why */ {word};\n")

    with pytest.raises(MigrationError, match=rf"0001-a\.sql:3: `{word.split()[0].lower()}`"):
        read_folder(tmp_path)


def test_without_a_transaction_a_migration_may_begin_and_commit(tmp_path: Path) -> None:
    write(tmp_path, _0001_a="-- transactional: false\nbegin;\nselect 1;\ncommit;")

    assert not only(tmp_path).transactional


def test_a_rollback_file_of_comments_does_not_make_a_migration_reversible(tmp_path: Path) -> None:
    write(tmp_path, _0001_a="select 1;")
    (tmp_path / "0001-a.rollback.sql").write_text("-- nothing\n/* to undo */\n")

    assert not only(tmp_path).reversible


def test_line_endings_do_not_change_the_hash_and_a_blank_does(tmp_path: Path) -> None:
    file = tmp_path / "0001-a.sql"
    hashes = []
    for text in (
        b"select 1;\nselect 2;\n",
        b"select 1;\r\nselect 2;\r\n",
        b"select 1;\nselect  2;",
    ):
        file.write_bytes(text)
        hashes.append(only(tmp_path).content_hash)

    assert hashes[0] == hashes[1] != hashes[2]


def test_statements_know_their_lines(tmp_path: Path) -> None:
    write(
        tmp_path,
        _0001_a="-- About.\n-- depends:\n\nselect 1;\n\n-- two\nselect\n  2;\nselect 1;\n",
    )

    assert [statement.line for statement in only(tmp_path).statements] == [4, 7, 9]


def test_a_new_migration_follows_the_latest_and_can_be_read(tmp_path: Path) -> None:
    write(tmp_path, _0001_a="select 1;", _0007_b="select 2;")

    path, rollback = Migrations("", tmp_path).new("Add  Orders & lines")

    assert path == tmp_path / "0008-add-orders-lines.sql"
    assert rollback == tmp_path / "0008-add-orders-lines.rollback.sql"
    newest = read_folder(tmp_path)[-1]
    assert (newest.id, newest.depends) == ("0008-add-orders-lines", frozenset({"0007-b"}))
    assert (newest.statements, newest.reversible) == ((), False)


def test_the_first_migration_makes_the_folder_and_depends_on_nothing(tmp_path: Path) -> None:
    path, _ = new_migration(tmp_path / "migrations", "create users")

    assert path.name == "0001-create-users.sql"
    assert "depends" not in path.read_text()


def test_a_new_migration_without_a_place_for_its_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no folder .*nosuch for the migrations folder"):
        new_migration(tmp_path / "nosuch" / "migrations", "a")


def test_a_name_without_letters_or_digits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="leaves no name"):
        new_migration(tmp_path, "äß!")


@pytest.mark.parametrize("steps", [0, -1])
def test_a_rollback_of_less_than_one_step_is_refused(tmp_path: Path, steps: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        Migrations("", tmp_path).rollback(steps)


def test_numbers_end_at_four_digits(tmp_path: Path) -> None:
    write(tmp_path, _9999_last="select 1;")

    with pytest.raises(MigrationError, match="after 9999"):
        new_migration(tmp_path, "one more")
