"""CHECK constraints that say something plain of one column: bounds, a length, a list of values."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs

from raxol_sql.schema import Constraint

_NUMBER = r"\(?'?(?P<number>-?\d+(?:\.\d+)?)'?(?:::[a-z ]+)?\)?(?:::[a-z ]+)?"
_COMPARED = re.compile(rf"\(?(?P<column>\w+)\)?(?P<cast>::\w+)? (?P<sign><=|>=|<|>) {_NUMBER}")
_LENGTH = re.compile(
    r"(?:char_length|length)\(\(?(?P<column>\w+)\)?(?:::text)?\) <= (?P<number>\d+)"
)
_LISTED = re.compile(
    r"\(?(?P<column>\w+)\)?(?:::text)? = ANY "
    r"\(\(?ARRAY\[(?P<values>'[^'\]]*'[^\]]*)\]\)?(?:::text\[\])?\)"
)
_TEXT = re.compile(r"'([^']*)'(?:::(?:text|character varying))?")
_NUMBERS: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "Decimal": Decimal}
_INTEGERS = ("::smallint", "::integer", "::bigint")
_SIGNS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_CONSTANT = re.compile(r"'([^']*)'|(?<![\w.])(-?\d+(?:\.\d+)?)(?![\w.])")


@attrs.frozen
class Rule:
    """A rule of a column as an attrs validator: its name, and what it is made with."""

    validator: str
    value: Any


def rules_of(check: Constraint, kind: str) -> list[Rule] | None:
    """
    The rules that a check comes to, or None where it cannot be read with certainty.

    ``kind`` is the column's type in Python, which its bounds have too. What the server writes is
    read, which has one form for each of these; everything else is left to the database.
    """
    if len(check.columns) != 1:
        return None
    inside = re.fullmatch(r"CHECK \((.*)\)(?: NOT VALID)?", check.definition, re.DOTALL)
    if inside is None:
        return None
    rules = []
    for part in _bare(inside[1]).split(" AND "):
        rule = _rule(_bare(part), check.columns[0], kind)
        if rule is None:
            return None
        rules.append(rule)
    return rules


def constants_of(check: Constraint) -> list[str]:
    """The texts and numbers that a check mentions: values near which it may turn."""
    return [text or number for text, number in _CONSTANT.findall(check.definition)]


def _rule(part: str, column: str, kind: str) -> Rule | None:
    names = (column, "VALUE")
    compared = _COMPARED.fullmatch(part)
    if compared is not None and compared["column"] in names:
        number = compared["number"]
        # What is no integer is rounded to one before it is compared.
        if kind not in _NUMBERS or (kind == "int" and "." in number):
            return None
        if compared["cast"] and not (kind == "int" and compared["cast"] in _INTEGERS):
            return None
        return Rule(_SIGNS[compared["sign"]], _NUMBERS[kind](number))
    if kind != "str":
        return None
    length = _LENGTH.fullmatch(part)
    if length is not None and length["column"] in names:
        return Rule("max_len", int(length["number"]))
    found = _LISTED.fullmatch(part)
    if found is not None and found["column"] in names:
        items = [one.strip() for one in found["values"].split(",")]
        texts = [_TEXT.fullmatch(one) for one in items]
        if all(texts):
            return Rule("in_", tuple(one[1] for one in texts if one is not None))
    return None


def _bare(text: str) -> str:
    """``text`` without the brackets around all of it."""
    while text.startswith("(") and text.endswith(")") and _closes_at_end(text):
        text = text[1:-1]
    return text


def _closes_at_end(text: str) -> bool:
    depth = 0
    for place, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return place == len(text) - 1
    return False
