"""Which statements a template can become, and the one that a set of arguments asks for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

import attrs

from raxol_sql.text.lexer import SPACE
from raxol_sql.text.template import Choice, Optional, Part, Slot, Template

_SPACE = " \t\n\r\f\v"
_GLUES = re.compile(r"[\w$]|[^\x00-\x7f]")


@attrs.frozen
class Statement:
    """
    One text that can be sent: ``$1`` is the value of ``parameters[0]``, and so on.

    ``used`` are all the names that had a part in it: the parameters, the conditions of blocks
    that stayed, and the choices that were made.
    """

    text: str
    parameters: tuple[str, ...]
    used: frozenset[str]


def statement(template: Template, given: Collection[str], keys: Mapping[str, str]) -> Statement:
    """
    The statement in which the optional blocks for ``given`` stay, with the alternatives ``keys``.

    ``keys`` gives the chosen key by the name of a choice; a choice that is not in it takes its
    default.
    """
    writer = _Writer()
    writer.write(template.parts, given, keys)
    return writer.statement()


def all_statements(template: Template) -> Iterator[Statement]:
    """Every statement that the template can become, each once."""
    seen = set()
    for given in _conditions_met(template.parts):
        for keys in _keys(template.parts, given):
            result = statement(template, given, keys)
            if result.text not in seen:
                seen.add(result.text)
                yield result


def has_more_than(template: Template, limit: int) -> bool:
    """Whether the template can become more than ``limit`` statements, found without making them."""
    most = 2 ** len(template.conditions)
    for keys in template.choices.values():
        most *= len(keys) + 1
    if most <= limit:
        return False
    count = 0
    for given in _conditions_met(template.parts):
        combinations = 1
        for choice in _choices(template.parts, given):
            combinations *= len(choice.alternatives) + 1
        count += combinations
        if count > limit:
            return True
    return False


class _Writer:
    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._numbers: dict[str, int] = {}
        self._used: set[str] = set()
        self._parted = False

    def statement(self) -> Statement:
        text = "".join(self._pieces).strip(SPACE)
        return Statement(text, tuple(self._numbers), frozenset(self._used))

    def write(self, parts: Iterable[Part], given: Collection[str], keys: Mapping[str, str]) -> None:
        for part in parts:
            if isinstance(part, str):
                self._append(part)
            elif isinstance(part, Slot):
                self._used.add(part.name)
                number = self._numbers.setdefault(part.name, len(self._numbers) + 1)
                self._append(f"${number}")
            elif isinstance(part, Optional):
                self._part()
                if all(name in given for name in part.names):
                    self._used.update(part.names)
                    self.write(part.parts, given, keys)
                    self._part()
            else:
                self._part()
                if part.name in keys:
                    self._used.add(part.name)
                    self.write(part.alternatives[keys[part.name]], given, keys)
                else:
                    self.write(part.default, given, keys)
                self._part()

    def _part(self) -> None:
        """Where one of our comments stood: what is on its two sides stays two tokens."""
        if self._pieces and self._pieces[-1][-1] not in _SPACE:
            self._pieces.append(" ")
        self._parted = True

    def _append(self, piece: str) -> None:
        if self._parted:
            self._parted = False
            piece = piece.lstrip(" \t")
            if not piece:
                return
        # `limit:n` and `:'n'5` are two tokens each; `limit$1` and `$15` would be one.
        if (
            self._pieces
            and (piece[0] == "$" or self._pieces[-1][0] == "$")
            and _GLUES.match(piece[0])
            and _GLUES.match(self._pieces[-1][-1])
        ):
            self._pieces.append(" ")
        self._pieces.append(piece)


def _conditions_met(parts: tuple[Part, ...]) -> Iterator[frozenset[str]]:
    """The sets of given names that differ in which blocks stay, smallest first."""
    conditions = list(dict.fromkeys(_conditions(parts, frozenset())))
    seen = {frozenset[str]()}
    order = [frozenset[str]()]
    yield order[0]
    for condition in conditions:
        for known in list(order):
            union = known | condition
            if union not in seen:
                seen.add(union)
                order.append(union)
                yield union


def _conditions(parts: Iterable[Part], outer: frozenset[str]) -> Iterator[frozenset[str]]:
    for part in parts:
        if isinstance(part, Optional):
            condition = outer | frozenset(part.names)
            yield condition
            yield from _conditions(part.parts, condition)


def _choices(parts: Iterable[Part], given: Collection[str]) -> Iterator[Choice]:
    for part in parts:
        if isinstance(part, Choice):
            yield part
        elif isinstance(part, Optional) and all(name in given for name in part.names):
            yield from _choices(part.parts, given)


def _keys(parts: Iterable[Part], given: Collection[str]) -> Iterator[dict[str, str]]:
    """Every way to make, or to leave out, the choices that stand where ``given`` is given."""
    combinations: list[dict[str, str]] = [{}]
    for choice in _choices(parts, given):
        combinations = [
            {**made, **more}
            for made in combinations
            for more in [{}, *({choice.name: key} for key in choice.alternatives)]
        ]
    yield from combinations
