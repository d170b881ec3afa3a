"""The page on failed migrations shows what happens."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import raxol_sql as rx
from raxol_sql.migrations import Migrations

if TYPE_CHECKING:
    from tests.docs.conftest import Page

PENDING = "0006-add-phone.sql"


def write(page: Page, text: str, name: str = PENDING) -> None:
    depends = "-- Phones.\n-- depends: 0005-bound-texts-of-users\n"
    (page.folder / "migrations" / name).write_text(depends + text)
    back = (page.folder / "migrations" / name).with_suffix(".rollback.sql")
    back.write_text("alter table users drop column phone;\n")


def test_a_migration_is_pending(page: Page) -> None:
    write(page, "\nalter table users add phone text;\n")
    page.shows("pending")
    page.cures("pending")


def test_a_migration_fails_and_leaves_nothing(page: Page) -> None:
    write(page, "\nalter table users add phone text;\nalter table user add unique (phone);\n")
    page.shows("migration-failed")


def test_a_migration_gives_up_behind_traffic(page: Page) -> None:
    write(page, "\nset lock_timeout = '500ms';\nalter table users add phone text;\n")
    with page.session("billing") as holder:
        holder.execute("select count(*) from users")
        page.shows("migration-behind-traffic")


def test_a_migration_was_edited(page: Page) -> None:
    with (page.folder / "migrations" / "0003-index-users-inserted-at.sql").open("a") as file:
        file.write("-- More.\nselect 1;\n")
    page.shows("edited")


def test_a_file_is_gone(page: Page) -> None:
    for file in (page.folder / "migrations").glob("0005-*"):
        file.unlink()
    page.shows("missing-file")


def test_a_migration_was_cut_off(page: Page) -> None:
    write(page, "-- transactional: false\n\nalter table users add phone text;\n"
                "select pg_sleep(600);\n")  # fmt: skip
    command = [sys.executable, "-m", "raxol_sql", "migrate"]
    with subprocess.Popen(command, cwd=page.folder, stdout=subprocess.DEVNULL) as migrator:
        asleep = (
            "select pid from pg_stat_activity where wait_event = 'PgSleep' and datname = 'shop'"
        )
        page.until(lambda: page.ask(asleep))
        migrator.kill()
    ((pid,),) = page.ask(asleep)
    page.ask("select pg_terminate_backend(%s, 5000)", pid)
    page.shows("interrupted")


def test_there_is_no_way_back(page: Page) -> None:
    (page.folder / "migrations" / "0005-bound-texts-of-users.rollback.sql").unlink()
    page.shows("irreversible")


def test_a_dead_yoyo_has_left_its_lock(page: Page) -> None:
    page.change("insert into yoyo_lock (locked, ctime, pid) values (1, now(), 4711)")
    with page.session("web"):
        there = Migrations(page.database, page.folder / "migrations", lock_wait=0.1)
        write(page, "\nalter table users add phone text;\n")
        with pytest.raises(rx.errors.MigrationLockedError) as caught:
            there.apply()
    page.shows("stale-lock", said=f"error: {caught.value}")


def test_the_tables_are_not_what_queries_and_records_expect(page: Page) -> None:
    page.change(
        "alter table users rename name to nm",
        "alter table user_preferences alter theme type int using 1",
    )
    page.shows("drift")


def test_a_database_is_made_anew(page: Page) -> None:
    page.shows("reset")
