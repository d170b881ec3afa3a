"""Conversion of statement parameters from Python values to the protocol's formats."""

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

# A message to the server must be smaller than 1 GiB, including some bytes for each value.
_MOST = 0x3FFF_FFFF - (1 << 20)
_TOO_LARGE = (
    "the message to the server would be 1 GiB or larger, which the protocol does not allow: send "
    "the value in parts, or use copy()"
)
_UNWRITABLE = "the text contains a lone surrogate, which cannot be encoded in UTF-8"


class ParameterTypeMismatch(TypeError):  # noqa: N818 (it names the trouble, as TypeError does)
    """
    A value that does not fit its parameter; ``index`` counts from 0.

    ``problem`` gives the reason and a remedy; it never shows the value.
    """

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(index, problem)
        self.index = index
        self.problem = problem

    def __str__(self) -> str:
        return f"parameter {self.index + 1}: {self.problem}"


class Parameters:
    """
    A writer for the values of a statement whose parameters have the types ``oids``.

    A value is sent in binary if its meaning there is certain, and as text otherwise, which the
    server reads like a literal. Dumpers that the program has registered on the connection are used;
    they must be registered before the first value of their class is sent. Belongs to the holder of
    the connection.

    Its ``writer`` knows for how long the types may be trusted.
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
        """Record the classes of values that are about to be sent."""
        for forms, value in zip(self._forms, values, strict=False):
            if type(value) not in forms:
                with suppress(CannotDump):
                    forms[type(value)]

    def dump(self, values: Sequence[Any]) -> tuple[list[Data | None], list[int]]:
        """
        Return the bytes of each value and its format: 0 for text, 1 for binary.

        Raises `ParameterTypeMismatch` for a value that does not fit, is too large, or is a text
        with a NUL or that UTF-8 cannot encode, and ValueError for a wrong number of values.
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
            # The message of the original error would show the whole text.
            raise ParameterTypeMismatch(len(data), _UNWRITABLE) from None
        if not len(data) == len(values) == len(self._forms):
            raise ValueError(f"{len(values)} values for {len(self._forms)} parameters")
        if sum(map(len, filter(None, data))) > _MOST:
            # The server would close the connection after receiving all of it.
            sizes = [0 if one is None else len(one) for one in data]
            raise ParameterTypeMismatch(sizes.index(max(sizes)), _TOO_LARGE)
        return data, formats


def _texts(forms: ValueDumpers) -> ValueDumpers:
    """The same forms, of which only the texts are used."""

    def choose(kind: type) -> ValueDumper:
        forms[kind]  # which may refuse it
        return text_dumper(forms.text)

    return ValueDumpers(choose)
