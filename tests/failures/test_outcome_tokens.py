"""A token is checked when it is read: what no transaction can have is refused."""

from __future__ import annotations

import json
import math
import uuid
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.failures import Backend, OutcomeToken, ServerEpoch

KEY = uuid.UUID("2f1b4e0c-7a4b-4c55-9a3e-0d6a1a8e7f11")
TOKEN = OutcomeToken(
    ServerEpoch("7434", "00000001", "monday"), 1000, KEY, created=1.5, backend=Backend(77, 99)
)
WRITTEN = json.loads(TOKEN.to_json())


def changed(**values: Any) -> str:
    return json.dumps({**WRITTEN, **values})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "7",
        "{}",
        "nonsense",
        '"' + "x" * 10 + '"',
        changed(version=2),
        changed(version=0),
        changed(version=True),
        changed(version="1"),
        changed(version=None),
        json.dumps({name: value for name, value in WRITTEN.items() if name != "version"}),
        json.dumps({name: value for name, value in WRITTEN.items() if name != "xid"}),
        changed(more=1),
        changed(created=math.nan),
        changed(created=math.inf),
        changed(created=-math.inf),
        changed(created=-1),
        changed(created=True),
        changed(created="1.5"),
        changed(created=None),
        TOKEN.to_json().replace("1.5", "1e999"),
        changed(key="00000000-0000-0000-0000-000000000000"),
        changed(key="{" + str(KEY) + "}"),
        changed(key=KEY.hex),
        changed(key=7),
        changed(key=""),
        changed(key=[]),
        changed(xid=0),
        changed(xid=2),
        changed(xid=-5),
        changed(xid=2**64),
        changed(xid=True),
        changed(xid=1000.0),
        changed(xid="1000"),
        changed(incarnation=["7", "1"]),
        changed(incarnation=["7", "1", "m", "n"]),
        changed(incarnation=["7", "1", 5]),
        changed(incarnation=["7", "1", "m\0"]),
        changed(incarnation=["7", "1", "m" * 300]),
        changed(incarnation="711"),
        changed(incarnation={}),
        changed(incarnation=False),
        changed(backend=[77]),
        changed(backend=[0, 99]),
        changed(backend=[-77, 99]),
        changed(backend=[77, -1]),
        changed(backend=[2**40, 99]),
        changed(backend=[77, 2**80]),
        changed(backend=[True, 99]),
        changed(backend=["77", "99"]),
        changed(backend={"pid": 77}),
        TOKEN.to_json()[:-1] + ', "xid": 1001}',
        TOKEN.to_json() + " " * 10_000,
        "[" * 100_000,
        '{"version": 1' + "0" * 5000 + "}",
    ],
)
def test_a_text_that_no_token_can_have_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="outcome token") as caught:
        OutcomeToken.from_json(text)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("given", [None, 7, {}, b"{}", bytearray(b"{}")])
def test_what_is_no_text_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="outcome token"):
        OutcomeToken.from_json(given)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"key": uuid.UUID(int=0)}, "key"),
        ({"created": math.nan}, "created"),
        ({"created": math.inf}, "created"),
        ({"created": -0.5}, "created"),
        ({"xid": 2}, "xid"),
        ({"xid": 2**64}, "xid"),
        ({"xid": True}, "xid"),
        ({"backend": (77, 99)}, "backend"),
        ({"incarnation": ("7", "1", "m")}, "incarnation"),
    ],
)
def test_a_token_cannot_be_made_of_it_either(values: dict[str, Any], named: str) -> None:
    given = {"incarnation": None, "xid": 1000, **values}
    with pytest.raises(ValueError, match=named):
        OutcomeToken(**given)


def test_the_refusal_names_what_is_wrong_and_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"created.*keep what to_json\(\) gave"):
        OutcomeToken.from_json(changed(created=math.nan))
    with pytest.raises(ValueError, match=r"version 2.*reads version 1"):
        OutcomeToken.from_json(changed(version=2))


def test_a_token_that_was_written_is_read_as_it_was() -> None:
    assert OutcomeToken.from_json(TOKEN.to_json()) == TOKEN


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_json_in_a_field_is_a_token_or_a_value_error(value: Any) -> None:
    for name in WRITTEN:
        with suppress(ValueError):
            assert math.isfinite(OutcomeToken.from_json(changed(**{name: value})).created)
