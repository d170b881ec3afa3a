"""
The parts of a query's body: plain text, parameters, optional blocks and choices.

    where true /*? email */ and email = :email /*?*/ order by /*= sort: a: x | b: y */ z /*=*/
    ▔▔▔▔▔▔▔▔▔▔              ▔▔▔▔▔▔▔▔▔▔▔▔ ▔▔▔▔▔▔                         ▔▔▔▔▔▔▔▔▔▔    ▔
    str         Optional ( str           Slot )   str      Choice (   alternatives  default )
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from functools import cached_property

import attrs

from raxol_sql.text.lexer import SPACE, Token, TokenKind, separators_possible, tokenize
from raxol_sql.text.source import Problem


@attrs.frozen
class Slot:
    """The place of a parameter's value."""

    name: str


@attrs.frozen
class Optional:
    """Parts that stay if, and only if, every one of ``names`` was given."""

    names: tuple[str, ...]
    parts: tuple[Part, ...]


@attrs.frozen
class Choice:
    """One of a closed list of texts: by key, or the default where ``name`` was left out."""

    name: str
    alternatives: dict[str, tuple[Part, ...]]
    default: tuple[Part, ...]


Part = str | Slot | Optional | Choice


@attrs.frozen(slots=False)
class Template:
    """A query's body; its names are looked up once."""

    parts: tuple[Part, ...]

    @cached_property
    def _names(self) -> tuple[frozenset[str], frozenset[str], dict[str, tuple[str, ...]]]:
        parameters: set[str] = set()
        conditions: set[str] = set()
        choices: dict[str, tuple[str, ...]] = {}
        for part in walk(self.parts):
            if isinstance(part, Slot):
                parameters.add(part.name)
            elif isinstance(part, Optional):
                conditions.update(part.names)
            elif isinstance(part, Choice):
                choices[part.name] = tuple(part.alternatives)
        return frozenset(parameters), frozenset(conditions), choices

    @property
    def parameters(self) -> frozenset[str]:
        """The names that have a place for a value."""
        return self._names[0]

    @property
    def conditions(self) -> frozenset[str]:
        """The names that optional blocks ask for."""
        return self._names[1]

    @property
    def choices(self) -> dict[str, tuple[str, ...]]:
        """The keys of every choice, by its name."""
        return self._names[2]

    @property
    def switches(self) -> frozenset[str]:
        """The conditions without a place for a value: True keeps their blocks, False does not."""
        return self.conditions - self.parameters

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that an argument can have."""
        return self.parameters | self.conditions | self.choices.keys()

    def tagged(self, name: str) -> Template:
        """
        The same with a comment at its end that says ``query='name'``, in sqlcommenter's form.

        At its end, since PostgreSQL 18 keeps no comment before a statement in pg_stat_statements;
        and on a separate line, as the one before may end with a comment.
        """
        return Template((*self.parts, f"\n/*query='{name}'*/"))

    @property
    def order(self) -> tuple[str, ...]:
        """The parameters and conditions in the order in which the text first says them."""
        named = (names for part in walk(self.parts) if (names := _names_of(part)))
        return tuple(dict.fromkeys(name for names in named for name in names))


def _names_of(part: Part) -> tuple[str, ...]:
    if isinstance(part, Slot):
        return (part.name,)
    return part.names if isinstance(part, Optional) else ()


def walk(parts: tuple[Part, ...]) -> Iterator[Part]:
    """Every part, and every part inside of it, in the order of the text."""
    for part in parts:
        yield part
        if isinstance(part, Optional):
            yield from walk(part.parts)
        elif isinstance(part, Choice):
            for alternative in part.alternatives.values():
                yield from walk(alternative)
            yield from walk(part.default)


def read_template(text: str, tokens: list[Token]) -> Template:
    """The template of the body that ``tokens`` are; raises `Problem` at what is wrong in it."""
    template = Template(_Reader(text, tokens).read())
    _check_names(template, text, tokens)
    return template


_NAME = r"[^\W\d]\w*"
_NAMES = re.compile(rf"\s*{_NAME}\s*(?:,\s*{_NAME}\s*)*", re.ASCII)
_KEY = re.compile(rf"\s*({_NAME})\s*:", re.ASCII)
_BANNER = re.compile(r"[=*\-#]")
_BLOCK_IN_CHOICE = (
    "another block inside a choice",
    "a choice holds text and parameters; put the block around the choice",
)
_DEEPEST = 32
_PLACES = (TokenKind.PARAMETER, TokenKind.BLOCK_COMMENT)


class _Reader:
    """Reads tokens into parts; blocks may nest, a choice holds text and parameters only."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text = text
        self._position = tokens[0].start
        self._end = tokens[-1].end
        self._choices: set[str] = set()
        self._depth = 0
        self._apart = _literals_may_meet(text, tokens)
        self._after_literal = False
        # What lies between these is plain text, except where literals are to be kept apart.
        self._rest = iter(tokens if self._apart else [t for t in tokens if t.kind in _PLACES])

    def read(self) -> tuple[Part, ...]:
        parts, closing = self._parts()
        if closing is not None:
            marker = self._text[closing.start : closing.end]
            raise Problem(
                f"{marker} closes nothing", "open a block before it, or remove it", closing.start
            )
        return parts

    def _parts(self) -> tuple[tuple[Part, ...], Token | None]:
        """Parts up to a closing marker, which is taken, or up to the end."""
        parts: list[Part] = []
        for token in self._rest:
            if token.kind is TokenKind.PARAMETER:
                self._plain(parts, token)
                parts.append(Slot(parameter_name(self._text, token)))
                continue
            marker = block_marker(self._text, token)
            if marker is None:
                if not token.is_comment:
                    self._after_literal = self._text[token.end - 1] == "'"
                continue
            self._plain(parts, token)
            if self._apart and self._after_literal:
                parts.append("/**/")
            inside = self._text[token.start + 3 : token.end - 2]
            if not inside.strip():
                return tuple(parts), token
            parts.append(
                self._optional(token, inside) if marker == "?" else self._choice(token, inside)
            )
        self._plain(parts, None)
        return tuple(parts), None

    def _plain(self, parts: list[Part], token: Token | None) -> None:
        """Adds the text before ``token`` and goes on behind it."""
        end = self._end if token is None else token.start
        if self._position < end:
            parts.append(self._text[self._position : end])
        self._position = end if token is None else token.end

    def _optional(self, opening: Token, inside: str) -> Optional:
        if not _NAMES.fullmatch(inside):
            raise Problem(
                "an optional block names its parameters, separated by commas",
                "write /*? name */ ... /*?*/ (an ordinary comment has a blank: /* ? ... */)",
                opening.start,
            )
        names = tuple(dict.fromkeys(name.strip() for name in inside.split(",")))
        parts = self._until(opening, "?")
        return Optional(names, parts)

    def _choice(self, opening: Token, inside: str) -> Choice:
        head = _KEY.match(inside)
        if head is None:
            raise Problem(
                "a choice has a name and alternatives",
                "write /*= name: key: sql | key: sql */ default /*=*/",
                opening.start,
            )
        name = head.group(1)
        if name in self._choices:
            raise Problem(
                f"choice {name!r} is defined twice",
                "give each choice of a query a different name",
                opening.start,
            )
        self._choices.add(name)
        start = opening.start + 3
        alternatives = self._alternatives(start + head.end(), opening.end - 2)
        default = self._until(opening, "=")
        for part in default:
            if isinstance(part, (Optional, Choice)):
                raise Problem(*_BLOCK_IN_CHOICE, opening.start)
        return Choice(name, alternatives, default)

    def _until(self, opening: Token, marker: str) -> tuple[Part, ...]:
        if self._depth == _DEEPEST:
            raise Problem(
                f"blocks inside of blocks, more than {_DEEPEST} deep",
                "close each block where it ends; split the query if it needs that many",
                opening.start,
            )
        self._depth += 1
        parts, closing = self._parts()
        self._depth -= 1
        if closing is None:
            what = "an optional block" if marker == "?" else "a choice"
            raise Problem(
                f"{what} that is not closed", f"close it with /*{marker}*/", opening.start
            )
        if self._text[closing.start + 2] != marker:
            raise Problem(
                f"/*{self._text[closing.start + 2]}*/ closes a block of the other sort",
                f"close the inner block first, here with /*{marker}*/",
                closing.start,
            )
        return parts

    def _alternatives(self, start: int, end: int) -> dict[str, tuple[Part, ...]]:
        alternatives: dict[str, tuple[Part, ...]] = {}
        separators = separators_possible(self._text, start, end)
        while True:
            key = _KEY.match(self._text, start, end)
            if key is None:
                raise Problem("an alternative has a key", "write key: sql, separated by |", start)
            if key.group(1) in alternatives:
                raise Problem(
                    f"the key {key.group(1)!r} stands here twice",
                    "give each alternative its own key",
                    key.start(1),
                )
            parts, stop = self._alternative(key.end(), end, separators)
            if not any(isinstance(part, Slot) or part.strip(SPACE) for part in parts):
                raise Problem(
                    f"the alternative {key.group(1)!r} is empty",
                    "write the SQL that it stands for after the key",
                    key.start(1),
                )
            alternatives[key.group(1)] = parts
            if stop == end:
                return alternatives
            start = stop + 1

    def _alternative(
        self, start: int, end: int, separators: bool
    ) -> tuple[tuple[str | Slot, ...], int]:
        """The parts from ``start`` up to a ``|`` outside of brackets, and where that stands."""
        parts: list[str | Slot] = []
        position, depth = start, 0
        for token in tokenize(self._text, start, end, separators=separators):
            character = self._text[token.start : token.end]
            if token.kind is TokenKind.PARAMETER:
                if position < token.start:
                    parts.append(self._text[position : token.start])
                parts.append(Slot(parameter_name(self._text, token)))
                position = token.end
            elif token.kind is TokenKind.PUNCTUATION:
                depth += (character in "([") - (character in ")]")
                if character == ";":
                    raise Problem(
                        "a semicolon inside a choice",
                        "a query is one statement: remove it, or write two queries",
                        token.start,
                    )
            elif token.kind is TokenKind.LINE_COMMENT:
                raise Problem(
                    "a line comment inside a choice",
                    "it would hide what follows it; put it before the choice",
                    token.start,
                )
            elif block_marker(self._text, token):
                raise Problem(*_BLOCK_IN_CHOICE, token.start)
            elif token.kind is TokenKind.OPERATOR and character == "|" and depth == 0:
                end = token.start
                break
        if last := self._text[position:end].rstrip(SPACE):
            parts.append(last)
        if self._apart:
            parts.append("/**/")
        return tuple(parts), end


def parameter_name(text: str, token: Token) -> str:
    """The name in a parameter's token, of either form: ``:name`` or ``:'name'``."""
    return text[token.start + 1 : token.end].strip("'")


def _literals_may_meet(text: str, tokens: list[Token]) -> bool:
    """
    Whether leaving our comments out could bring two string literals together.

    PostgreSQL reads literals with only a line end between them as one. Where this is so, an
    empty comment is left in place of ours.
    """
    after_marker = False
    for token in tokens:
        if token.kind is TokenKind.BLOCK_COMMENT:
            marker = block_marker(text, token)
            if marker == "=" and "'" in text[token.start : token.end]:
                return True
            after_marker = after_marker or marker is not None
        elif token.kind is not TokenKind.LINE_COMMENT:
            if after_marker and text[token.start] == "'":
                return True
            after_marker = False
    return False


def block_marker(text: str, token: Token) -> str | None:
    """``?`` or ``=`` if the token is one of our comments; a banner such as /*=====*/ is none."""
    if token.kind is not TokenKind.BLOCK_COMMENT:
        return None
    marker = text[token.start + 2]
    closing = token.end - token.start == len("/*?*/")
    if marker in "?=" and (closing or not _BANNER.match(text, token.start + 3)):
        return marker
    return None


def _check_names(template: Template, text: str, tokens: list[Token]) -> None:
    for name in sorted(template.names):
        if keyword.iskeyword(name) or not name.isascii():
            what = "a Python keyword" if name.isascii() else "not plain ASCII"
            fixed = f"rename it, for example {name}_" if name.isascii() else "rename it in ASCII"
            raise _problem(name, text, tokens, f"the parameter {name!r} is {what}", fixed)
    for name in template.choices:
        if name in template.parameters or name in template.conditions:
            both = f"{name!r} is a choice and a parameter"
            raise _problem(name, text, tokens, both, "give one of them another name")
    if not template.conditions:
        return
    always = {part.name for part in template.parts if isinstance(part, Slot)}
    for name in sorted(template.conditions & always):
        raise _problem(
            name,
            text,
            tokens,
            f"the block for {name!r} is never left out: {name!r} is needed outside of it",
            f"use :{name} only inside optional blocks, or ask for another name",
        )


def _problem(name: str, text: str, tokens: list[Token], problem: str, remedy: str) -> Problem:
    """The problem at the place where a parameter or one of our comments first says ``name``."""
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    for token in tokens:
        if token.kind is TokenKind.PARAMETER or block_marker(text, token):
            found = word.search(text, token.start, token.end)
            if found:
                return Problem(problem, remedy, found.start())
    return Problem(problem, remedy, tokens[0].start)
