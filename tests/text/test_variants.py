"""Expansion: what every choice of arguments makes of a template, and that it is safe."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import postgast
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from raxol_sql.text.lexer import TokenKind, tokenize
from raxol_sql.text.parser import parse
from raxol_sql.text.source import Source
from raxol_sql.text.template import Choice, Optional, Part, Slot, Template
from raxol_sql.text.variants import Statement, all_statements, has_more_than, statement


def template_of(body: str) -> Template:
    text = f"-- name: q :many\n-- @max-variants 100000\n{body}"
    definitions, errors = parse(Source("q.sql", text), ())
    assert not errors, str(errors[0])
    return definitions[0].template


def scan(text: str) -> list[str]:
    """The server's tokens of a text, without comments."""
    encoded = text.encode()
    found = [encoded[t.start : t.end].decode() for t in postgast.scan(text).tokens]
    return [token for token in found if not token.startswith(("--", "/*"))]


# An independent model: what is kept is a list of the tokens of the written text.


def our_tokens(piece: str) -> list[str]:
    return [piece[t.start : t.end] for t in tokenize(piece) if not t.is_comment]


def kept(
    parts: tuple[Part, ...], given: frozenset[str], keys: Mapping[str, str]
) -> Iterator[str | Slot]:
    """The kept parts of a template, one by one, with None for nothing."""
    for part in parts:
        if isinstance(part, Optional):
            if set(part.names) <= given:
                yield from kept(part.parts, given, keys)
        elif isinstance(part, Choice):
            chosen = part.alternatives[keys[part.name]] if part.name in keys else part.default
            yield from kept(chosen, given, keys)
        else:
            yield part


def used_names(
    parts: tuple[Part, ...], given: frozenset[str], keys: Mapping[str, str]
) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Slot):
            yield part.name
        elif isinstance(part, Optional):
            if set(part.names) <= given:
                yield from part.names
                yield from used_names(part.parts, given, keys)
        elif isinstance(part, Choice):
            if part.name in keys:
                yield part.name
            chosen = part.alternatives[keys[part.name]] if part.name in keys else part.default
            yield from used_names(chosen, given, keys)


def check(template: Template, given: frozenset[str], keys: Mapping[str, str]) -> Statement:
    """The statement, after comparing it with the model and with the server's scanner."""
    made = statement(template, given, keys)
    expected: list[str] = []
    numbers: dict[str, int] = {}
    for piece in kept(template.parts, given, keys):
        if isinstance(piece, Slot):
            expected.append(f"${numbers.setdefault(piece.name, len(numbers) + 1)}")
        else:
            expected += our_tokens(piece)
    assert scan(made.text) == expected
    assert made.parameters == tuple(numbers)
    assert made.used == frozenset(used_names(template.parts, given, keys))
    return made


def every_argument(template: Template) -> Iterator[tuple[frozenset[str], dict[str, str]]]:
    """Every set of conditions, with every way to make every choice."""
    conditions = sorted(template.conditions)
    choices = [
        [(name, key) for key in (None, *alternatives)]
        for name, alternatives in template.choices.items()
    ]
    for size in range(len(conditions) + 1):
        for names in itertools.combinations(conditions, size):
            for made in itertools.product(*choices):
                yield frozenset(names), {name: key for name, key in made if key is not None}


def combinations(template: Template) -> int:
    """
    In how many ways the blocks that stay and the choices that then stand can be combined.

    This is what the limit counts. Two combinations can have the same text (a choice whose
    alternative is its default, a block that holds a comment only): they count twice here, and
    once in `all_statements`.
    """

    def outcome(parts: tuple[Part, ...], given: frozenset[str], keys: Mapping[str, str]) -> object:
        seen: list[object] = []
        for part in parts:
            if isinstance(part, Optional):
                stays = set(part.names) <= given
                seen.append(outcome(part.parts, given, keys) if stays else None)
            elif isinstance(part, Choice):
                seen.append(keys.get(part.name, ""))
        return tuple(seen)

    return len({outcome(template.parts, *arguments) for arguments in every_argument(template)})


@pytest.mark.parametrize(
    ("body", "given", "keys", "text"),
    [
        ("select 1", "", {}, "select 1"),
        ("select :b, :a, :b", "", {}, "select $1, $2, $1"),
        ("select :'a'", "", {}, "select $1"),
        ("select 1 limit:n", "", {}, "select 1 limit $1"),
        ("select :'n'5", "", {}, "select $1 5"),
        ("select :n$$a$$", "", {}, "select $1 $$a$$"),
        ("select :'n'é", "", {}, "select $1 é"),
        ("select é:n", "", {}, "select é $1"),
        ("select a$:n", "", {}, "select a$ $1"),
        ("select :a:b", "", {}, "select $1 $2"),
        ("select 1:n", "", {}, "select 1 $1"),
        ("select 1.:n.5", "", {}, "select 1.$1.5"),
        ("select (:n)::int[]", "", {}, "select ($1)::int[]"),
        ("select -:n-:m", "", {}, "select -$1-$2"),
        ("select a -/*? x */ b /*?*/- c", "", {}, "select a - - c"),
        ("select a -/*? x */ b /*?*/- c", "x", {}, "select a - b - c"),
        ("select a//*? x */ + :x /*?*/* b", "", {}, "select a/ * b"),
        ("select a/*? x */, b/*?*/from t", "x", {}, "select a , b from t"),
        ("select E'a'\n/*? x */ 'b\\' /*?*/", "x", {}, "select E'a'\n/**/ 'b\\' /**/"),
        ("select 'a' /*? x */ :x /*?*/\n'b'", "", {}, "select 'a' /**/ \n'b'"),
        ("select /*? x */ 'a' /*?*/\n'b'", "x", {}, "select 'a' /**/ \n'b'"),
        ("select a /*? x */ and :x /*?*/\n", "x", {}, "select a and $1"),
        ("select a /*? x, y */ :y :x /*?*/", "y", {}, "select a"),
        ("select a /*? x, y */ :y :x /*?*/", "xy", {}, "select a $1 $2"),
        ("order by /*= s: a: :x | b: y desc */ z /*=*/", "", {}, "order by z"),
        ("order by /*= s: a: :x | b: y desc */ z /*=*/", "", {"s": "a"}, "order by $1"),
        ("order by /*= s: a: :x | b: y desc */ z /*=*/", "", {"s": "b"}, "order by y desc"),
        ("select :y /*= s: a: :x + :y */ :z /*=*/", "", {"s": "a"}, "select $1 $2 + $1"),
        ("select /*= s: a: f(a | b) || c | b: '|' */ z /*=*/", "", {"s": "a"}, None),
        ("select /*= s: a: f(a | b) || c | b: '|' */ z /*=*/", "", {"s": "b"}, None),
        ("select /*= s: a: a[1:2] | b: array[:x] */ z /*=*/", "", {"s": "b"}, None),
        ("select '\N{NO-BREAK SPACE}' as \N{NO-BREAK SPACE}", "", {}, None),
        ("select 'a\r\nb'\r\n", "", {}, "select 'a\r\nb'"),
        ("/*? x */ with t as (select :x) /*?*/ select 1", "", {}, "select 1"),
    ],
)
def test_a_template_and_its_arguments_make_this_text(
    body: str, given: str, keys: dict[str, str], text: str | None
) -> None:
    made = check(template_of(body), frozenset(given), keys)
    if text is not None:
        assert made.text == text


def test_used_names_are_those_that_had_a_part() -> None:
    template = template_of(
        "select :a /*? x, y */ , :x /*?*/ /*? z */ , 1 /*?*/ /*= s: k: :b */ :c /*=*/"
    )
    used = {given: statement(template, frozenset(given), {}).used for given in ("", "x", "xy", "z")}
    assert used == {
        "": {"a", "c"},
        "x": {"a", "c"},
        "xy": {"a", "c", "x", "y"},
        "z": {"a", "c", "z"},
    }
    assert statement(template, frozenset(), {"s": "k"}).used == {"a", "b", "s"}


def test_a_name_that_no_block_asks_for_changes_nothing() -> None:
    template = template_of("select :a /*? x */ , :x /*?*/")
    assert statement(template, {"a", "other"}, {}) == statement(template, set(), {})


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ("select 1", ["select 1"]),
        (
            "select 1 /*? a */, :a /*?*//*? b */, :b /*?*/",
            ["1", "1 , $1", "1 , $1 , $2"],
        ),
        ("select 1 /*? a */, :a /*? b */, :b /*?*//*?*/", ["1", "1 , $1", "1 , $1 , $2"]),
        ("select 1 /*? a, b */, :a /*?*/", ["1", "1 , $1"]),
        ("select /*= s: k: a | l: b */ c /*=*/", ["c", "a", "b"]),
        ("select 1 /*? a */, /*= s: k: b */ c /*=*//*?*/", ["1", "1 , c", "1 , b"]),
        ("select /*= s: k: a */ a /*=*/", ["a"]),
    ],
)
def test_all_statements_are_those_of_every_set_of_blocks_smallest_first(
    body: str, texts: list[str]
) -> None:
    made = [" ".join(each.text.split()) for each in all_statements(template_of(body))]
    assert [text.removeprefix("select ") for text in made] == [
        text.removeprefix("select ") for text in texts
    ]


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("select 1", 1),
        ("select :a", 1),
        ("select 1 /*? a */, 1 /*?*/", 2),
        ("select 1 /*? a */, 1 /*?*//*? a */, 2 /*?*/", 2),
        ("select 1 /*? a */, 1 /*?*//*? b */, 2 /*?*/", 4),
        ("select 1 /*? a */, 1 /*?*//*? a, b */, 2 /*?*/", 3),
        ("select 1 /*? a, b */, 1 /*?*//*? b, c */, 2 /*?*/", 4),
        ("select 1 /*? a */, 1 /*? b */, 2 /*?*//*?*/", 3),
        ("select /*= s: k: a */ a /*=*/", 2),
        ("select /*= s: k: a | l: b */ c /*=*/ /*= t: k: a */ b /*=*/", 6),
        ("select 1 /*? a */, /*= s: k: b */ c /*=*//*?*/", 3),
        ("select 1" + "".join(f"/*? a{i} */, :a{i} /*?*/" for i in range(8)), 256),
    ],
)
def test_the_limit_counts_combinations_of_blocks_and_choices(body: str, count: int) -> None:
    template = template_of(body)
    assert not has_more_than(template, count)
    assert has_more_than(template, count - 1)


def test_the_limit_is_found_without_making_the_statements() -> None:
    blocks = "".join(f"/*? a{i} */, :a{i} /*?*/" for i in range(200))
    choices = "".join(f"/*= c{i}: a: b | c: d */ x /*=*/" for i in range(200))
    text = f"-- name: q :many\nselect 1 {blocks} {choices}"
    _, errors = parse(Source("q.sql", text), ())
    assert [error.problem for error in errors] == ["more than 256 variants"]


PLAIN = st.lists(
    st.sampled_from(
        [
            *["a", "b1", "é", "\N{NO-BREAK SPACE}", "limit", "E", "U", "N", "x$", "_"],
            *["1", "1.", ".5", "0x1f", "1e5", "1_0", "'s'", "E'\\''", "'a''b'", "b'1'", "$$d$$"],
            *["$t$ :x $t$", '"q"', 'U&"q"', "U&'u'", "'b\\'", "'c|d'", "x'1'"],
            *["-", "+", "*", "/", "@", "<", ">", "=", "|", "||", "::", "..", "?", "%", "~", "!"],
            *["(", ")", ",", ".", "a[1:n]", "array[1]", " ", "\n", "\r\n", "\t", "\f"],
            *["/* c */", "/*====*/", "-- c\n", "-- 'c\r"],
        ]
    ),
    max_size=5,
).map("".join)
NAMES = st.sampled_from(["a", "b", "c", "n1"])
SLOTS = st.builds("{}{}{}".format, PLAIN, st.sampled_from([":p", ":'p'", ":q", ":r_1"]), PLAIN)
OWN = st.builds(":{}".format, NAMES)


def blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    names = st.lists(NAMES, min_size=1, max_size=2).map(", ".join)
    closing = st.sampled_from(["/*?*/", "/*? */"])
    optional = st.builds("/*? {} */{}{}".format, names, inner | OWN, closing)
    return st.lists(inner | optional, min_size=1, max_size=3).map("".join)


CHOICE = st.builds(
    "/*= {} : k:{}|l: {} */{}/*=*/".format,
    st.sampled_from(["s1", "s2"]),
    SLOTS,
    SLOTS,
    SLOTS,
)
BODIES = st.recursive(PLAIN | SLOTS | CHOICE, blocks, max_leaves=6)


@given(BODIES)
@example("a-/*? a */b/*?*/-c")
@example("'a'\n/*? a */ 'b' /*?*/\n'c'")
@example("E'a'\n/*= s1 : k:'b\\'|l: 'c' */'d'/*=*/\n'e'")
@example("/*= s1 : k: :p |l: :q */ x /*=*/")
@settings(deadline=None, max_examples=300)
def test_expanded_text_has_exactly_the_tokens_of_the_parts_that_stay(body: str) -> None:
    text = f"-- name: q :many\n-- @max-variants 100000\n( {body} )"
    definitions, errors = parse(Source("q.sql", text), ())
    assume(not errors)
    template = definitions[0].template
    # libpg_query does not join literals over a line comment, as the server and we do.
    for part in kept_texts(template.parts):
        for token in tokenize(part):
            literal = token.kind is TokenKind.STRING and part[token.end - 1] == "'"
            assume(not (literal and "--" in part[token.start : token.end]))
    made = {check(template, *arguments) for arguments in every_argument(template)}
    listed = list(all_statements(template))
    texts = [each.text for each in listed]
    assert len(set(texts)) == len(texts)
    assert set(texts) == {each.text for each in made}
    assert set(listed) <= made
    count = combinations(template)
    assert len(listed) <= count
    assert not has_more_than(template, count)
    assert has_more_than(template, count - 1)


def kept_texts(parts: tuple[Part, ...]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, Optional):
            yield from kept_texts(part.parts)
        elif isinstance(part, Choice):
            for alternative in (*part.alternatives.values(), part.default):
                yield from kept_texts(alternative)
