"""Our comment lines: the header that names a query, and the directives below it."""

from __future__ import annotations

import difflib
import keyword
import re
from collections.abc import Callable
from typing import Any

import attrs

from raxol_sql.errors import did_you_mean
from raxol_sql.text.definition import Directives, Kind
from raxol_sql.text.source import Problem

KINDS = ", ".join(f":{kind.value}" for kind in Kind)
_FORM = "write -- name: NAME :KIND, or -- name: NAME :KIND -> RESULT"
_HEADER = re.compile(r"--[ \t]*name[ \t]*:")
# Far enough like a header to be meant as one, and not the words of a comment.
_CAPITAL_HEADER = re.compile(r"--[ \t]*name[ \t]*:[ \t]*\w+[ \t]+:\w+", re.IGNORECASE)
_WORDS = re.compile(r"\S+")
_DIRECTIVE = re.compile(r"--[ \t]*@(\S*)[ \t]*(.*)", re.DOTALL)
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|min)")
_NUMBER = re.compile(r"[0-9]{1,9}")
# The largest statement_timeout that PostgreSQL takes, in milliseconds.
_LONGEST = 2**31 - 1
_MILLISECONDS = {"ms": 1, "s": 1000, "min": 60_000}
_IDENTIFIER = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")


@attrs.frozen
class Header:
    """What a header line says."""

    name: str
    kind: Kind
    result: str | None


def is_header(comment: str) -> bool:
    """Whether a line comment is a header, right or wrong."""
    return _HEADER.match(comment) is not None or _CAPITAL_HEADER.match(comment) is not None


def is_directive(comment: str) -> bool:
    """Whether a line comment is a directive, right or wrong."""
    return _DIRECTIVE.match(comment) is not None


def header_name(comment: str) -> str | None:
    """The name in a header, be the rest right or wrong; for errors."""
    words = comment[comment.index(":") + 1 :].split()
    return words[0] if words and not words[0].startswith(":") else None


def read_header(comment: str, offset: int) -> Header:
    """
    The header in a line comment that stands at ``offset``; raises `Problem` where it is wrong.

    A name is one that Python code can write: a letter first, then letters, digits and
    underscores, and no keyword.
    """
    prefix = _HEADER.match(comment)
    if prefix is None:
        raise Problem("a header with capital letters", f"{_FORM}, with a small name:", offset)
    words = list(_WORDS.finditer(comment, prefix.end()))
    if not words:
        raise Problem("a header without a name", _FORM, offset)
    name = words[0].group()
    if problem := name_problem(name):
        raise Problem(*problem, offset + words[0].start())
    if len(words) < 2:
        raise Problem(f"query {name!r} has no kind", f"the kinds are {KINDS}", offset)
    kind = _kind(words[1], offset)
    result = None
    if len(words) > 2:
        if words[2].group() != "->" or len(words) != 4:
            raise Problem("a header with something more in it", _FORM, offset + words[2].start())
        result = words[3].group()
        if not _IDENTIFIER.fullmatch(result):
            raise Problem(
                f"{result!r} cannot be the name of a record",
                "name one of the records handed to load(), or scalar",
                offset + words[3].start(),
            )
        if not kind.gives_rows and kind is not Kind.COPY:
            raise Problem(
                f"a :{kind.value} query has no result to name",
                f"leave out -> {result}, or use :one, :maybe or :many",
                offset + words[2].start(),
            )
    return Header(name, kind, result)


def name_problem(name: str) -> tuple[str, str] | None:
    """What is wrong with the name of a query or a namespace, and the remedy; None if nothing."""
    if not _IDENTIFIER.fullmatch(name):
        fixed = re.sub(r"[^a-zA-Z0-9_]+", "_", name).lstrip("_0123456789")
        return (
            f"{name!r} cannot be a name",
            f"use a letter, then letters, digits and underscores{f': {fixed}' if fixed else ''}",
        )
    if keyword.iskeyword(name):
        return f"{name!r} is a Python keyword", f"rename it, for example {name}_"
    return None


def _kind(word: re.Match[str], offset: int) -> Kind:
    text = word.group()
    for kind in Kind:
        if text == f":{kind.value}":
            return kind
    nearest = difflib.get_close_matches(text, [f":{kind.value}" for kind in Kind], n=1)
    raise Problem(
        f"unknown kind {text!r}{did_you_mean(nearest)}",
        f"the kinds are {KINDS}",
        offset + word.start(),
    )


def read_directive(comment: str, offset: int, sofar: Directives) -> Directives:
    """``sofar`` with the directive in a line comment added; raises `Problem` where it is wrong."""
    match = _DIRECTIVE.match(comment)
    assert match is not None, "only directives are read"
    word, rest = match.group(1), match.group(2).strip()
    reader = _READERS.get(word)
    if reader is None:
        nearest = difflib.get_close_matches(word, _READERS, n=1)
        raise Problem(
            f"unknown directive @{word}{did_you_mean(nearest)}",
            "the directives are " + ", ".join(f"@{name}" for name in _READERS),
            offset + match.start(1) - 1,
        )
    try:
        return reader(sofar, rest)
    except ValueError as error:
        remedy = str(error)
    raise Problem(
        f"@{word} does not read {rest!r}" if rest else f"@{word} needs more",
        remedy,
        offset + match.start(1) - 1,
    )


def _idempotent(sofar: Directives, rest: str) -> Directives:
    if rest:
        raise ValueError("@idempotent stands alone in its line")
    return attrs.evolve(sofar, idempotent=True)


def _timeout(sofar: Directives, rest: str) -> Directives:
    if sofar.timeout is not None:
        raise ValueError("a query has one timeout: remove the other")
    if rest == "none":
        return attrs.evolve(sofar, timeout=0)
    match = _DURATION.fullmatch(rest)
    limit = int(match.group(1)) * _MILLISECONDS[match.group(2)] if match else 0
    if not 0 < limit <= _LONGEST:
        raise ValueError("write none, or a duration up to 24 days such as 500ms, 2s or 1min")
    return attrs.evolve(sofar, timeout=limit)


def _max_variants(sofar: Directives, rest: str) -> Directives:
    if not _NUMBER.fullmatch(rest) or not int(rest):
        raise ValueError("write a number above zero, such as 512")
    return attrs.evolve(sofar, max_variants=int(rest))


def _allow(sofar: Directives, rest: str) -> Directives:
    code, _, reason = (part.strip() for part in rest.partition(":"))
    if not _IDENTIFIER.fullmatch(code) or not reason:
        raise ValueError("write @allow CODE: the reason")
    return attrs.evolve(sofar, allow=(*sofar.allow, (code, reason)))


def _columns(field: str) -> Callable[[Directives, str], Directives]:
    def read(sofar: Directives, rest: str) -> Directives:
        names = rest.replace(",", " ").split()
        if not names:
            raise ValueError("name at least one column")
        changed: dict[str, Any] = {field: tuple(dict.fromkeys((*getattr(sofar, field), *names)))}
        return attrs.evolve(sofar, **changed)

    return read


_READERS: dict[str, Callable[[Directives, str], Directives]] = {
    "idempotent": _idempotent,
    "timeout": _timeout,
    "null": _columns("null"),
    "not-null": _columns("not_null"),
    "sensitive": _columns("sensitive"),
    "group": _columns("group"),
    "allow": _allow,
    "max-variants": _max_variants,
}
