"""The parameters of a statement: from values of Python to what libpq sends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.abc import AdaptContext

from raxol_sql.engine.types.dump.dumper import (
    CannotDump,
    Data,
    ValueDumper,
    ValueDumpers,
    text_dumper,
)
from raxol_sql.engine.types.dump.factory import DumperFactory
from raxol_sql.engine.types.type_trust import INFERRED

# A message to the server takes less than a GiB, and has some bytes for each value besides.
_MOST = 0x3FFF_FFFF - (1 << 20)
_TOO_LARGE = (
    "the message to the server would be 1 GiB or larger, which the protocol does not allow: send "
    "the value in parts, or use copy()"
)
_UNWRITABLE = "the text contains a lone surrogate, which cannot be encoded in UTF-8"


class ParameterTypeMismatch(TypeError):  # noqa: N818 (it names the trouble, as TypeError does)
    """
    A value that the statement cannot take: the one at ``index``, of which the first is 0.

    ``problem`` says why, and what would do; it never shows the value.
    """

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(index, problem)
        self.index = index
        self.problem = problem

    def __str__(self) -> str:
        return f"parameter {self.index + 1}: {self.problem}"


class Parameters:
    """
    Writes the values of a statement for the types that the server asks for, given as ``oids``.

    A value goes in the binary format where it is certain what it means there, and as a text
    otherwise, which the server judges as it would judge a literal. Dumpers that the program
    registered on the connection are respected; they have to be there when the first value of
    their class is sent. Belongs to the holder of the connection.

    Its ``writer`` knows for how long the types may be relied on.
    """

    __slots__ = ("_forms", "_single", "oids", "writer")

    def __init__(self, context: AdaptContext, oids: Sequence[int]) -> None:
        self.oids = list(oids)
        self.writer = DumperFactory(context)
        self._forms = [
            _texts(self.writer.forms(oid)) if oid in INFERRED else self.writer.forms(oid)
            for oid in self.oids
        ]
        self._single = len(self.oids) == 1

    def meet(self, values: Iterable[Any]) -> None:
        """Takes in which classes are about to be sent, whether they can be or not."""
        for forms, value in zip(self._forms, values, strict=False):
            if type(value) not in forms:
                with suppress(CannotDump):
                    forms[type(value)]

    def dump(self, values: Sequence[Any]) -> tuple[list[Data | None], list[int]]:
        """
        The bytes of each value, and its format: 0 for text, 1 for binary.

        Raises `ParameterTypeMismatch` for a value that cannot be what the server asks for, or is
        too large to be sent, or a text that has a NUL or no meaning in UTF-8, and ValueError for
        more or fewer values than it asks for.
        """
        data: list[Data | None] = []
        formats: list[int] = []
        try:
            if self._single and len(values) == 1:
                value = values[0]
                one, format = self._forms[0][type(value)](value)
                if one is not None and len(one) > _MOST:
                    raise ParameterTypeMismatch(0, _TOO_LARGE)
                return [one], [format]
            for forms, value in zip(self._forms, values):  # noqa: B905 (checked below, cheaper)
                one, format = forms[type(value)](value)
                data.append(one)
                formats.append(format)
        except CannotDump as misfit:
            raise ParameterTypeMismatch(len(data), str(misfit)) from misfit.__cause__
        except psycopg.DataError as error:
            raise ParameterTypeMismatch(len(data), str(error)) from None
        except UnicodeEncodeError:
            # Its own words would show the whole of the text.
            raise ParameterTypeMismatch(len(data), _UNWRITABLE) from None
        if not len(data) == len(values) == len(self._forms):
            raise ValueError(f"{len(values)} values for {len(self._forms)} parameters")
        if sum(map(len, filter(None, data))) > _MOST:
            # The server would close the connection, after all of it was sent.
            sizes = [0 if one is None else len(one) for one in data]
            raise ParameterTypeMismatch(sizes.index(max(sizes)), _TOO_LARGE)
        return data, formats


def _texts(forms: ValueDumpers) -> ValueDumpers:
    """The same forms, of which only the texts are used."""

    def choose(kind: type) -> ValueDumper:
        forms[kind]  # which may refuse it
        return text_dumper(forms.text)

    return ValueDumpers(choose)
