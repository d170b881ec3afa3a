"""Properties: ways that should come to the same do, for users of any kind."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

import raxol_sql as rx

letters = "abcXYZ019"
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
) | st.text("\\\t\nN%_' ä", max_size=6)
# A name that is nothing but white space is none.
names = texts.map(lambda text: f"n{text}")
users = st.builds(
    lambda local, host, top, name, age: {
        "email": f"{local}@{host}.{top}",
        "name": name,
        "age": age,
    },
    st.text(letters + "\\'\"%", min_size=1, max_size=8),
    st.text(letters, min_size=1, max_size=4),
    st.sampled_from(["de", "org"]),
    names,
    st.none() | st.integers(1, 2**31 - 1),
)
lists = st.lists(users, max_size=12, unique_by=lambda user: user["email"])


def content(db: rx.Database, queries: rx.Queries) -> list[Any]:
    return [(user.id, user.email, user.name, user.age) for user in db.run(queries.users.all())]


@settings(max_examples=25)
@given(rows=lists)
def test_copying_many_and_one_by_one_leave_the_same_table(
    engine_database: str, queries: rx.Queries, rows: list[dict[str, Any]]
) -> None:
    def one_by_one(db: rx.Database) -> None:
        for row in rows:
            db.run(queries.users.create(**row))

    ways = [
        one_by_one,
        lambda db: db.run_many(queries.users.create, rows),
        lambda db: db.copy(queries.users.load, rows),
    ]
    expected = [(n, row["email"], row["name"], row["age"]) for n, row in enumerate(rows, 1)]
    with rx.Database.open(engine_database, pool_size=1) as db:
        for way in ways:
            db.run(queries.users.clear())
            way(db)
            assert content(db, queries) == expected


filters = st.fixed_dictionaries(
    {"limit": st.integers(0, 15)},
    optional={
        "name": st.text(letters, max_size=2),
        "min_age": st.integers(1, 100),
        "ids": st.lists(st.integers(0, 14), max_size=8),
        "only_active": st.booleans(),
        "sort": st.just("newest"),
    },
)
people = st.lists(
    st.tuples(
        st.text(letters, min_size=1, max_size=5), st.none() | st.integers(1, 100), st.booleans()
    ),
    max_size=12,
)


def fits(user: Any, given: dict[str, Any]) -> bool:
    return (
        given.get("name", "").lower() in user.name.lower()
        and ("min_age" not in given or (user.age is not None and user.age >= given["min_age"]))
        and ("ids" not in given or user.id in given["ids"])
        and (not given.get("only_active") or user.active)
    )


@settings(max_examples=25)
@given(people=people, searches=st.lists(filters, min_size=1, max_size=8))
def test_searching_is_filtering(
    engine_database: str, queries: rx.Queries, people: Any, searches: list[dict[str, Any]]
) -> None:
    with rx.Database.open(engine_database, pool_size=1) as db:
        db.run(queries.users.clear())
        rows = [{"email": f"{n}@b.de", "name": p[0], "age": p[1]} for n, p in enumerate(people)]
        made = db.run_many(queries.users.create, rows)
        changes = [
            {"id": user.id, "active": False}
            for user, (_, _, active) in zip(made, people, strict=True)
            if not active
        ]
        db.run_many(queries.users.update, changes)
        everybody = db.run(queries.users.all())
        assert [attrs.evolve(u, active=True, updated_at=u.inserted_at) for u in everybody] == made
        for given_filters in searches:
            expected = [user for user in everybody if fits(user, given_filters)]
            if "sort" in given_filters:
                expected.sort(key=lambda user: (user.inserted_at, user.id), reverse=True)
            search = queries.users.search(**given_filters)
            assert db.run(search) == expected[: given_filters["limit"]]
            assert list(db.stream(search, batch=3)) == expected[: given_filters["limit"]]
