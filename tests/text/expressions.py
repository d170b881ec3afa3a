"""Expressions that know their own value and their own parameters, put together from literals."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st


class Written(NamedTuple):
    """An expression of type text, the value it has, and the parameters in it, in order."""

    sql: str
    value: str
    parameters: tuple[str, ...] = ()


def value_of(name: str) -> str:
    return f"<{name}: 'ü' $1 :{name} \\>"


TRICKY = [
    *[
        "'",
        "''",
        '"',
        "\\",
        "\\'",
        ":x",
        ":'x'",
        "::",
        "$1",
        "$$",
        "$a$",
        "$tag",
        # Where no line can begin with it: there the parser takes a quote for one not closed.
        "x -- name: q :one",
    ],
    *["--", "/*", "*/", "/*? x */", "/*= x: y: z */", "{", "%s", "%", "?", "|", ";", "[1:2]"],
    *["\n", "\r\n", "\r", "\t", "\f", " ", "a", "é", "\N{GRINNING FACE}", "\u2028", "0", "\\u0041"],
]
PIECES = st.lists(st.sampled_from(TRICKY), max_size=6).map("".join)
LINE_ENDS = st.sampled_from(
    ["\n", "\r", "\r\n", " \t\n", "\n\f\v\n", " -- it's :x\n", "-- 'a'\n -- \"b\n\n", "\n--\r"]
)
SPACES = st.sampled_from(
    [" ", "\n", "\t", "\f", "\v", "\r", " /* a /* :x ' */ b */ ", " -- it's :y $$\n", "/**/"]
)


@st.composite
def standard(draw: st.DrawFn) -> Written:
    parts = draw(st.lists(PIECES, min_size=1, max_size=3))
    written = "'" + parts[0].replace("'", "''") + "'"
    for part in parts[1:]:
        written += draw(LINE_ENDS) + "'" + part.replace("'", "''") + "'"
    national = draw(st.sampled_from(["", "N", "n"]))
    value = "".join(parts)
    # N'' is of the type bpchar, whose last blanks mean nothing.
    return Written(f"{national}{written}::text", value.rstrip(" ") if national else value)


def escaped_character(character: str) -> st.SearchStrategy[str]:
    point = ord(character)
    forms = [f"\\U{point:08x}"]
    if point < 0x10000:
        forms.append(f"\\u{point:04X}")
    if point < 0x80:
        forms += [f"\\x{point:02x}", f"\\{point:03o}"]
    if character not in "'\\":
        forms.append(character)
    if character not in "01234567xuUbfnrt":
        forms.append("\\" + character)
    if character == "'":
        forms.append("''")
    forms += {"\n": ["\\n"], "\r": ["\\r"], "\t": ["\\t"], "\f": ["\\f"]}.get(character, [])
    return st.sampled_from(forms)


@st.composite
def escaped(draw: st.DrawFn) -> Written:
    parts = draw(st.lists(PIECES, min_size=1, max_size=3))
    inside = ["".join(draw(escaped_character(c)) for c in part) for part in parts]
    written = draw(st.sampled_from("eE")) + f"'{inside[0]}'"
    for part in inside[1:]:
        written += draw(LINE_ENDS) + f"'{part}'"
    return Written(written + "::text", "".join(parts))


def unicode_inside(draw: st.DrawFn, value: str, escape: str, quote: str) -> str:
    written = ""
    for character in value:
        point = ord(character)
        forms = [f"{escape}+{point:06x}"]
        if point < 0x10000:
            forms.append(f"{escape}{point:04X}")
        if character in (escape, quote):
            forms.append(character * 2)
        else:
            forms.append(character)
        written += draw(st.sampled_from(forms))
    return written


@st.composite
def with_unicode(draw: st.DrawFn) -> Written:
    value = draw(PIECES)
    escape = draw(st.sampled_from(["\\", "!", ":", "$", "?", "|"]))
    written = f"U&'{unicode_inside(draw, value, escape, chr(39))}'"
    if escape != "\\":
        written += f"{draw(SPACES)}uescape{draw(SPACES)}'{escape}'"
    return Written(f"({written})::text", value)


@st.composite
def dollars(draw: st.DrawFn) -> Written:
    tag = draw(st.sampled_from(["$$", "$a$", "$A1$", "$é_$", "$name$"]))
    value = draw(PIECES)
    # A value that has the tag in it, or ends in its beginning, would close the literal early.
    if (value + tag).find(tag) != len(value):
        value = ":x"
    return Written(f"{tag}{value}{tag}::text", value)


@st.composite
def bits(draw: st.DrawFn) -> Written:
    value = draw(st.text("01", max_size=8))
    if draw(st.booleans()):
        return Written(f"B'{value}'::text", value)
    if draw(st.booleans()):
        return Written(f"b'{value[:3]}'\n'{value[3:]}'::text", value)
    return Written("x'aF'::text", "10101111")


NUMBERS = st.sampled_from(
    [
        Written("1_000::text", "1000"),
        Written("0xFf::text", "255"),
        Written("0x_f_f::text", "255"),
        Written("0o17::text", "15"),
        Written("0b1_01::text", "5"),
        Written("1.::text", "1"),
        Written(".5::text", "0.5"),
        Written("1.5e1::text", "15"),
        Written("1e-1::text", "0.1"),
        Written("1_0.2_5::text", "10.25"),
        Written("(1 - -1)::text", "2"),
        Written("(1- -1)::text", "2"),
        Written("(1+-1)::text", "0"),
        Written("(2*-1)::text", "-2"),
        Written("(1=-1)::text", "false"),
        Written("(1<>-1)::text", "true"),
        Written("(10%3)::text", "1"),
        Written("(@ -1)::text", "1"),
        Written("(2*/*c*/3)::text", "6"),
        Written("(@--c\n-1)::text", "1"),
        Written("(1--c\n+1)::text", "2"),
        Written("(7//*c*/2)::text", "3"),
        Written("(2^ -1)::text", "0.5"),
        Written("(|/4)::text", "2"),
    ]
)
PARAMETER_NAMES = st.sampled_from(["x", "y", "name", "_1", "X", "end_", "int4"])


@st.composite
def parameters(draw: st.DrawFn) -> Written:
    name = draw(PARAMETER_NAMES)
    form = draw(st.sampled_from([":{0}::text", ":'{0}'::text", "(:{0})::text", ":{0} ::text"]))
    return Written(form.format(name), value_of(name), (name,))


SIMPLE = st.one_of(
    standard(), escaped(), with_unicode(), dollars(), bits(), NUMBERS, parameters(), parameters()
)


def in_case(parts: list[Written]) -> Written:
    first, second = parts
    return Written(
        f"case when {first.sql} is null then {first.sql} else {second.sql} end",
        second.value,
        first.parameters + second.parameters,
    )


def joined(parts: list[Written]) -> Written:
    first, second = parts
    both = first.parameters + second.parameters
    return Written(f"({first.sql}||{second.sql})", first.value + second.value, both)


def sliced(parts: list[Written]) -> Written:
    first, second = parts
    both = first.parameters + second.parameters
    return Written(f"((array[{first.sql},{second.sql}])[2:])[1]", second.value, both)


def sliced_by_columns(parts: list[Written]) -> Written:
    first, second = parts
    both = first.parameters + second.parameters
    sql = f"(select ((array[{first.sql},{second.sql}])[n:m])[1] from (select 2 n, 2 m) s)"
    return Written(sql, second.value, both)


def sliced_after_parameter(parts: list[Written]) -> Written:
    first, second = parts
    both = (*first.parameters, *second.parameters, "x")
    sql = f"(select ((array[{first.sql}, {second.sql}])[length(:x) - length(:x)+2:n])[1]"
    return Written(f"{sql} from (select 2 n) s)", second.value, both)


def nested_array(parts: list[Written]) -> Written:
    first, second = parts
    both = first.parameters + second.parameters
    return Written(f"(array[[{first.sql}],[{second.sql}]])[1][1]", first.value, both)


def keyed(parts: list[Written]) -> Written:
    first, second = parts
    both = first.parameters + second.parameters
    # `'k'::x` would be a cast.
    colon = ": " if first.sql.startswith(":") else ":"
    sql = f"(json_object('k'{colon}{first.sql}, 'l' : {second.sql})::jsonb->>'k')"
    return Written(sql, first.value, both)


def keyed_by_value(parts: list[Written]) -> Written:
    first, second = parts
    both = first.parameters + second.parameters
    sql = (
        f"(select json_object('k' value {first.sql}, 'l': v)->>'l' from (select {second.sql} v) s)"
    )
    return Written(sql, second.value, both)


def named(parts: list[Written]) -> Written:
    first, second = parts
    both = first.parameters + second.parameters
    sql = f'(select ":x \'"||"U&""" from (select {first.sql} ":x \'", {second.sql} "U&""") s)'
    return Written(sql, first.value + second.value, both)


def contained(parts: list[Written]) -> Written:
    first, second = parts
    both = first.parameters + second.parameters
    sql = f"(array[{first.sql}]@>array[{first.sql}] and {second.sql}={second.sql})::text"
    return Written(sql, "true", both)


def compound(inner: st.SearchStrategy[Written]) -> st.SearchStrategy[Written]:
    wrappers = [in_case, joined, sliced, sliced_by_columns, sliced_after_parameter]
    wrappers += [nested_array, keyed, keyed_by_value, named, contained]
    pairs = st.lists(inner, min_size=2, max_size=2)
    return st.one_of([pairs.map(wrapper) for wrapper in wrappers])


EXPRESSIONS = st.recursive(SIMPLE, compound, max_leaves=5)
