"""The lexer's reading of colons: which begin a parameter, and which separate."""

from __future__ import annotations

import pytest

from raxol_sql.text.lexer import TokenKind, tokenize


def parameters(text: str) -> list[str]:
    found = (token for token in tokenize(text) if token.kind is TokenKind.PARAMETER)
    return [text[token.start : token.end] for token in found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # Slices: a colon after an operand separates, and every other is a parameter's.
        ("a[1:n]", []),
        ("a[1 : :n]", [":n"]),
        ("a[:n]", [":n"]),
        ("a[: :n]", [":n"]),
        ("a[:]", []),
        ("a[1:]", []),
        ("a[:1]", []),
        ("a[:x:y]", [":x"]),
        ("a[:x : :y]", [":x", ":y"]),
        ("a[:'x':y]", [":'x'"]),
        ("a[1:'x']", []),
        ("a[-1:-:x]", [":x"]),
        ("a[b.c:n]", []),
        ("a[f(:x):n]", [":x"]),
        ("a[(:x):n]", [":x"]),
        ("a[b[1:n]:m]", []),
        ("a[b[1]:m]", []),
        ('a["b":n]', []),
        ("a['1':n]", []),
        ("a[$$1$$:n]", []),
        ("a[x::int:n]", []),
        ("a[:x::int:n]", [":x"]),
        ("a[x::double precision:n]", []),
        ("a[x::character varying:n]", []),
        ("a[cast(:x as int):n]", [":x"]),
        ("a[case when :x then 1 else 2 end:n]", [":x"]),
        ("a[case when b then :x else :y end : :z]", [":x", ":y", ":z"]),
        ("a[case b when :x then :y end:n]", [":x", ":y"]),
        ("a[1 + :x : 2 + :y]", [":x", ":y"]),
        ("a[b and :x]", [":x"]),
        ("a[x is null:n]", []),
        ("a[x isnull:n]", []),
        ("a[b at time zone :z]", [":z"]),
        ("a[b /* c */:n]", []),
        ("a[b -- c\n:n]", []),
        ("a[count(*):n]", []),
        ("a[1:2][:n:m]", [":n"]),
        ("a[1:n] = :x", [":x"]),
        ("(a)[1:n]", []),
        ("a[1 operator(pg_catalog.+) :x]", [":x"]),
        ("a[1 OPERATOR ( + ) :x:n]", [":x"]),
        ("a[(select b[1:n] from t where c = :x):m]", [":x"]),
        # Array constructors hold values, and no bounds.
        ("array[:x, :y]", [":x", ":y"]),
        ("ARRAY [1, :x]", [":x"]),
        ("array[[:x, 1], [:y]]", [":x", ":y"]),
        ("array[a[1:n], :x]", [":x"]),
        ("array[a[1:n][2:m], array[:x]]", [":x"]),
        ("array[1,2,3][1:n]", []),
        ("(array[1,2,3])[1:n]", []),
        ("array[1,2,3][: :n]", [":n"]),
        ("'{1}'::int[] || :x", [":x"]),
        ("('{1}'::int[])[1:n]", []),
        # Keys and values of JSON constructors.
        ("json_object('k':v)", []),
        ("json_object('k': :v)", [":v"]),
        ("json_object(:k : :v)", [":k", ":v"]),
        ("json_object(:k:v)", [":k"]),
        ("JSON_OBJECT ('a':b, :'k':c)", [":'k'"]),
        ("json_object('k' value :v)", [":v"]),
        ("json_object(:keys, :values)", [":keys", ":values"]),
        ("json_object('a': json_object('b':c), 'd': :e)", [":e"]),
        ("json_object(x[1:n]:v)", []),
        ("json_objectagg(k:v)", []),
        ("json_objectagg(:k : v)", [":k"]),
        ("json_object((select :x):v)", [":x"]),
        ("json_object('k':v), f(a :x)", [":x"]),
        # Everywhere else a colon is a parameter's.
        ("f(a :x)", [":x"]),
        ("json_build_object('k', :v)", [":v"]),
        ("a]:x", [":x"]),
        ("a.b:c", [":c"]),
        ("a[1]:x", [":x"]),
        ("[", []),
    ],
)
def test_a_colon_after_an_operand_in_a_subscript_separates_bounds(
    text: str, found: list[str]
) -> None:
    assert parameters(text) == found
