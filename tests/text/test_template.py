"""The parts of a body: parameters, optional blocks, choices, and what is wrong with them."""

from __future__ import annotations

import pytest

from raxol_sql.errors import DefinitionError
from raxol_sql.text.parser import parse
from raxol_sql.text.source import Source
from raxol_sql.text.template import Choice, Optional, Slot, Template, walk


def read(body: str) -> Template:
    definitions, errors = parse(Source("q.sql", f"-- name: q :many\n{body}"), ())
    assert not errors, str(errors[0])
    return definitions[0].template


def refused(body: str) -> DefinitionError:
    definitions, errors = parse(Source("q.sql", f"-- name: q :many\n{body}"), ())
    assert not definitions
    assert len(errors) == 1, errors
    assert errors[0].query == "q"
    return errors[0]


def test_a_template_is_text_slots_blocks_and_choices() -> None:
    template = read(
        "select :a /*? b, c */ and :'b' /*? d */ x /*?*/ /*?*/ /*= e: f: :g | h: i */ j /*=*/"
    )
    assert template.parts == (
        "select ",
        Slot("a"),
        " ",
        Optional(("b", "c"), (" and ", Slot("b"), " ", Optional(("d",), (" x ",)), " ")),
        " ",
        Choice("e", {"f": (" ", Slot("g")), "h": (" i",)}, (" j ",)),
    )
    assert template.parameters == {"a", "b", "g"}
    assert template.conditions == {"b", "c", "d"}
    assert template.switches == {"c", "d"}
    assert template.choices == {"e": ("f", "h")}
    assert template.names == {"a", "b", "c", "d", "e", "g"}


def test_walking_visits_every_part_in_the_order_of_the_text() -> None:
    template = read("select /*? a */ :a /*= b: c: :d */ :e /*=*/ /*?*/ :f")
    slots = [part.name for part in walk(template.parts) if isinstance(part, Slot)]
    assert slots == ["a", "d", "e", "f"]


@pytest.mark.parametrize(
    "body",
    [
        "select 1 /* ? a */",
        "select 1 /*=====*/",
        "select 1 /*==== a ====*/",
        "select 1 /*=-*/ /*=#*/ /*?#*/",
        "select 1 /*?= a */ /*=* b *=*/",
        "select '/*? a */', \"/*? a */\", $$/*? a */$$ -- /*? a */",
        "select 1 /* /*? a */ */",
    ],
)
def test_banners_and_ordinary_comments_are_text(body: str) -> None:
    assert read(body).parts == (body,)


@pytest.mark.parametrize(
    ("inside", "names"),
    [
        (" a ", ("a",)),
        ("a", ("a",)),
        ("\n\ta\r\n,\tb ", ("a", "b")),
        (" a,a, b", ("a", "b")),
        (" _1 ", ("_1",)),
    ],
)
def test_an_optional_block_names_one_or_more_parameters(
    inside: str, names: tuple[str, ...]
) -> None:
    assert read(f"select 1 /*?{inside}*/ , 2 /*?*/").parts[1] == Optional(names, (" , 2 ",))


@pytest.mark.parametrize("closing", ["/*?*/", "/*? */", "/*?\n\t*/"])
def test_a_closing_marker_may_hold_white_space(closing: str) -> None:
    assert read(f"select 1 /*? a */ , 2 {closing}").conditions == {"a"}


@pytest.mark.parametrize(
    ("alternatives", "expected"),
    [
        ("a: b", {"a": (" b",)}),
        ("a:b|c:d", {"a": ("b",), "c": ("d",)}),
        (" a : b \n | c : d\n", {"a": (" b",), "c": (" d",)}),
        ("a: b || c | d: e", {"a": (" b || c",), "d": (" e",)}),
        ("a: (b | c) | d: e[1 | 2]", {"a": (" (b | c)",), "d": (" e[1 | 2]",)}),
        ("a: '|' | b: \"|\" | c: $$|$$", {"a": (" '|'",), "b": (' "|"',), "c": (" $$|$$",)}),
        ("a: b /* | */ | c: d", {"a": (" b /* | */",), "c": (" d",)}),
        ("a: :x", {"a": (" ", Slot("x"))}),
        ("a: :x | b: y", {"a": (" ", Slot("x")), "b": (" y",)}),
        ("a::'x'||:y", {"a": (Slot("x"), "||", Slot("y"))}),
        ("a: x::int | b: y", {"a": (" x::int",), "b": (" y",)}),
        ("a: x[1:n] | b: x[:m]", {"a": (" x[1:n]",), "b": (" x[", Slot("m"), "]")}),
        ("a: json_object('k':v)", {"a": (" json_object('k':v)",)}),
        ("a: x |/ y | b: z", {"a": (" x |/ y",), "b": (" z",)}),
        ("a: -", {"a": (" -",)}),
    ],
)
def test_alternatives_are_keys_and_texts_apart_at_bars_outside_of_brackets(
    alternatives: str, expected: dict[str, tuple[str | Slot, ...]]
) -> None:
    choice = read(f"select /*= s:{alternatives}*/ z /*=*/").parts[1]
    assert isinstance(choice, Choice)
    # Where literals could meet, an empty comment behind each alternative keeps them apart.
    found = {
        key: tuple(part for part in parts if part != "/**/")
        for key, parts in choice.alternatives.items()
    }
    assert found == expected
    assert list(found) == list(expected)


@pytest.mark.parametrize(
    ("body", "said", "column"),
    [
        # Optional blocks.
        ("select 1 /*?*/", "/*?*/ closes nothing", 10),
        ("select 1 /*? */", "/*? */ closes nothing", 10),
        ("select 1 /*=*/", "/*=*/ closes nothing", 10),
        ("select 1 /*? a */ /*?*/ /*?*/", "/*?*/ closes nothing", 25),
        ("select 1 /*? a */ x", "an optional block that is not closed", 10),
        ("select 1 /*? a */ /*? b */ /*?*/", "an optional block that is not closed", 10),
        ("select 1 /*? a */ x /*=*/", "/*=*/ closes a block of the other sort", 21),
        ("select 1 /*= a: b: c */ x /*?*/", "/*?*/ closes a block of the other sort", 27),
        (
            "select 1 /*? a b */ /*?*/",
            "an optional block names its parameters, separated by commas",
            10,
        ),
        (
            "select 1 /*? a, */ /*?*/",
            "an optional block names its parameters, separated by commas",
            10,
        ),
        (
            "select 1 /*? 1 */ /*?*/",
            "an optional block names its parameters, separated by commas",
            10,
        ),
        (
            "select 1 /*? é */ /*?*/",
            "an optional block names its parameters, separated by commas",
            10,
        ),
        (
            "select 1 /*? :a */ /*?*/",
            "an optional block names its parameters, separated by commas",
            10,
        ),
        ("select 1 /*??*/", "an optional block names its parameters, separated by commas", 10),
        # Choices.
        ("select /*= a */ b /*=*/", "a choice has a name and alternatives", 8),
        ("select /*= é: a: b */ b /*=*/", "a choice has a name and alternatives", 8),
        ("select /*= a: b */ c /*=*/", "an alternative has a key", 14),
        ("select /*= a: b: c | d */ c /*=*/", "an alternative has a key", 21),
        ("select /*= a: b: c | */ c /*=*/", "an alternative has a key", 21),
        ("select /*= a: b: | c: d */ c /*=*/", "the alternative 'b' is empty", 15),
        ("select /*= a: b: */ c /*=*/", "the alternative 'b' is empty", 15),
        ("select /*= a: b: c | b: d */ c /*=*/", "the key 'b' stands here twice", 22),
        ("select /*= a: b: c */ d", "a choice that is not closed", 8),
        ("select /*= a: b: c -- d */ e /*=*/", "a line comment inside a choice", 20),
        ("select /*= a: b: c; d */ e /*=*/", "a semicolon inside a choice", 19),
        ("select /*= a: b: 'c */ e /*=*/", "a string literal that is not closed", 18),
        ("select /*= a: b: $1 */ e /*=*/", "a parameter by number: $1", 18),
        ("select /*= a: b: c /*? d */ e /*?*/ */ f /*=*/", "another block inside a choice", 20),
        (
            "select /*= a: b: c /*= d: e: f */ g /*=*/ */ h /*=*/",
            "another block inside a choice",
            20,
        ),
        ("select /*= a: b: c */ /*? d */ e /*?*/ /*=*/", "another block inside a choice", 8),
        ("select /*= a: b: c */ /*= d: e: f */ g /*=*/ /*=*/", "another block inside a choice", 8),
        (
            "select /*= a: b: c */ d /*=*/, /*= a: b: c */ d /*=*/",
            "choice 'a' is defined twice",
            32,
        ),
        # Names.
        ("select :class", "the parameter 'class' is a Python keyword", 9),
        ("select 1 /*? a, None */, 2 /*?*/", "the parameter 'None' is a Python keyword", 17),
        ("select /*= if: a: b */ c /*=*/", "the parameter 'if' is a Python keyword", 12),
        ("select :größe", "the parameter 'größe' is not plain ASCII", 9),
        ("select :a /*= a: b: c */ d /*=*/", "'a' is a choice and a parameter", 9),
        ("select /*= a: b: :a */ d /*=*/", "'a' is a choice and a parameter", 12),
        ("select 1 /*? a */ /*= a: b: c */ d /*=*/ /*?*/", "'a' is a choice and a parameter", 14),
        (
            "select :a /*? a */ , 2 /*?*/",
            "the block for 'a' is never left out: 'a' is needed outside of it",
            9,
        ),
        (
            "select 1 /*? a */ , 2 /*?*/ , :'a'",
            "the block for 'a' is never left out: 'a' is needed outside of it",
            14,
        ),
    ],
)
def test_a_wrong_block_is_refused_at_its_place(body: str, said: str, column: int) -> None:
    error = refused(body)
    assert (error.problem, error.line, error.column) == (said, 2, column)
    assert error.remedy


def test_names_that_are_wrong_are_reported_in_the_same_order_every_time() -> None:
    assert refused("select :while, :class, :é").problem.startswith("the parameter 'class'")


@pytest.mark.parametrize(
    "body",
    [
        "select 1 /*? a */ , :a /*?*/ /*? a */ , :a /*?*/",
        "select 1 /*? a */ , :b /*?*/",
        "select :b /*? a */ , :b /*?*/",
        "select 1 /*= s: k: :a */ 2 /*=*/ /*? a */ , 3 /*?*/",
        "select :match, :self, :type",
        "/*? a */ with t as (select :a) /*?*/ select 1",
    ],
)
def test_names_may_be_used_where_they_can_be_left_out(body: str) -> None:
    read(body)


def test_blocks_may_nest_thirty_two_deep_and_no_deeper() -> None:
    def nested(depth: int) -> str:
        return "select 1 " + "/*? a */ " * depth + ", :a" + " /*?*/" * depth

    assert read(nested(32)).conditions == {"a"}
    error = refused(nested(33))
    assert error.problem == "blocks inside of blocks, more than 32 deep"
    assert error.column == len("select 1 ") + 32 * len("/*? a */ ") + 1
    assert refused("select 1 " + "/*? a */" * 50_000).problem == error.problem


@pytest.mark.parametrize(
    "body",
    [
        "select 'a'\n/*? x */ 'b' /*?*/",
        "select 'a' /*? x */ || 'c' /*?*/\n'b'",
        "select /*= s: k: 'a' | l: c */ d /*=*/\n'b'",
    ],
)
def test_literals_that_could_meet_are_kept_apart_by_an_empty_comment(body: str) -> None:
    assert "/**/" in str(read(body).parts)


@pytest.mark.parametrize("body", ["select 'a', 'b'", "select 'a'\n'b'", "select 'a' -- c\n'b'"])
def test_literals_without_a_block_between_them_are_left_as_they_are(body: str) -> None:
    assert read(body).parts == (body,)


def test_literals_with_other_tokens_between_them_are_left_as_they_are() -> None:
    template = read("select 'a' /*? x */ , :x /*?*/ , 'b'")
    assert all("/**/" not in part for part in walk(template.parts) if isinstance(part, str))
