"""Records that two people change at once, and fifty who want the same address."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.demo.accounts import User


@attrs.frozen
class Page:
    """A row of ``pages``, which counts its versions."""

    id: int
    title: str
    body: str
    lock_version: int


PAGES = """\
-- name: get :maybe -> Page
select id, title, body, lock_version from pages where id = :id;

-- name: create :one -> Page
insert into pages (title, body) values (:title, :body) returning id, title, body, lock_version;

-- name: update :maybe -> Page
update pages set title = :title, body = :body, lock_version = lock_version + 1
where id = :id and lock_version = :lock_version
returning id, title, body, lock_version;

-- name: delete :maybe -> Page
delete from pages where id = :id and lock_version = :lock_version
returning id, title, body, lock_version;
"""


@pytest.fixture
def pages(
    side: psycopg.Connection[Any], make_repo: Any, own: Callable[..., rx.Queries], colour: str
) -> Iterator[Any]:
    """A repo over a table whose rows count their versions, and whose update takes all columns."""
    side.execute(
        "create table pages (id bigint generated always as identity primary key, "
        "title text not null, body text not null, lock_version integer not null default 1)"
    )
    try:
        with make_repo(colour, own(Page, pages=PAGES)) as made:
            yield made
    finally:
        side.execute("drop table pages")


def test_of_two_updates_of_the_same_version_the_second_says_that_its_record_is_stale(
    pages: Any,
) -> None:
    page = pages.create(Page, {"title": "a", "body": "b"})
    changed = pages.update(page, {"title": "mine"})
    assert changed == Page(page.id, "mine", "b", 2)
    with pytest.raises(rx.StaleRecordError) as caught:
        pages.update(page, {"title": "yours"})
    assert caught.value.query == "pages.update"
    assert pages.get(Page, page.id) == changed
    assert pages.update(pages.reload(page), {"title": "yours"}).lock_version == 3


def test_a_delete_of_an_old_version_says_that_it_is_stale(pages: Any) -> None:
    page = pages.create(Page, {"title": "a", "body": "b"})
    newer = pages.update(page, {"body": "c"})
    with pytest.raises(rx.StaleRecordError):
        pages.delete(page)
    assert pages.delete(newer) == newer


def test_a_version_cannot_be_set_and_a_key_cannot_be_changed(pages: Any) -> None:
    page = pages.create(Page, {"title": "a", "body": "b"})
    with pytest.raises(
        rx.errors.ParameterError, match="id has changed, and is what the row is found by"
    ):
        pages.update(rx.Changeset(page).change(id=5))
    stays = pages.update(rx.Changeset(page).change(lock_version=7, title="t"))
    assert stays.lock_version == 2


def test_a_change_that_the_query_has_no_parameter_for_is_refused(
    repo: Any, ann: dict[str, Any]
) -> None:
    user = repo.create(User, ann)
    changeset = rx.Changeset(user).change(inserted_at=user.updated_at.replace(year=2000))
    with pytest.raises(
        rx.errors.ParameterError, match="inserted_at has changed, and the query has no"
    ):
        repo.update(changeset)


def test_a_record_without_rules_takes_what_its_query_has_parameters_for(pages: Any) -> None:
    with pytest.raises(rx.InvalidChangesetError) as caught:
        pages.create(Page, {"title": "a"})
    assert caught.value.messages == {"body": ["can't be blank"]}
    with pytest.raises(rx.InvalidChangesetError) as caught:
        pages.create(Page, {"title": 5, "body": "x\0y"})
    assert caught.value.messages == {"title": ["is invalid"], "body": ["is invalid"]}


def test_of_fifty_who_want_one_address_one_gets_it_and_the_others_are_told_that_it_is_taken(
    repo_database: str, side: psycopg.Connection[Any], queries: rx.Queries, ann: dict[str, Any]
) -> None:
    count = 50
    together = threading.Barrier(count, timeout=20)
    with rx.Database.open(repo_database, pool_size=10) as db:
        repo = rx.Repo(db, queries)

        def create(_: int) -> str:
            together.wait()
            try:
                return repr(type(repo.create(User, ann)))
            except rx.InvalidChangesetError as error:
                return str(error)

        with ThreadPoolExecutor(count) as threads:
            told = Counter(threads.map(create, range(count)))
    assert told == {repr(User): 1, "User: email has already been taken": 49}
    assert side.execute("select count(*) from users").fetchone() == (1,)
