"""Many statements at once are one span, with their size and a summary of their names."""

from __future__ import annotations

from typing import Any

import raxol_sql as rx
from tests.integrations.otel.conftest import ANN, Watching


def test_batches_say_their_size_and_a_single_statement_does_not(
    db: rx.Database, queries: rx.Queries, watching: Watching
) -> None:
    watching.over(db)
    rows = [{**ANN, "email": f"{number}@x.org"} for number in range(3)]

    db.run_many(queries.users.create, rows)
    db.run_many(queries.users.create, [ANN])
    db.run_all([queries.users.count(), queries.users.ages()])
    db.run(rx.Multi().add("all", queries.users.all()).add("count", queries.users.count()))

    found = [
        (span.name, (span.attributes or {}).get("db.operation.batch.size"))
        for span in watching.spans()
    ]
    assert found == [
        ("BATCH users.create", 3),
        ("users.create", None),
        ("BATCH users.count, users.ages", 2),
        ("BATCH users.all, users.count", 2),
    ]


def test_a_summary_is_cut_between_names_before_it_is_too_long(
    made_up: Any, watching: Watching
) -> None:
    watching.over(made_up)
    name = ", ".join(f"reports.number_{number}" for number in range(20))[:255]

    made_up.tell(name=name, operation="multi", size=20, text="")
    made_up.tell(name="x" * 300)

    many, one = watching.spans()
    assert many.name == (many.attributes or {})["db.query.summary"]
    assert len(many.name) <= 255
    assert many.name.removeprefix("BATCH ") == name[: len(many.name) - 6]
    assert many.name[-1].isdigit()
    assert name[len(many.name) - 6] == ","
    assert "db.query.text" not in (many.attributes or {})
    assert one.name == "x" * 255
