"""Values as JSON."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg
from psycopg.abc import Transformer
from psycopg.adapt import PyFormat
from psycopg.types.json import Json, Jsonb

from raxol_sql.engine.types.dump.dumper import Dumped, ValueDumper
from raxol_sql.engine.types.dump.pg_type import TargetType, describe_class
from raxol_sql.records import MisfitError, json_value

_JSONB = psycopg.postgres.types["jsonb"].oid


def document(transformer: Transformer, target: TargetType, kind: type) -> ValueDumper:
    """
    Return the dumper for everything that the program's ``dumps``, or json's, can write.

    Other values are first converted by `json_value`, such as records.
    """
    wrapper = Jsonb if target.oid == _JSONB else Json

    def wrap(value: Any) -> Json | Jsonb:
        if isinstance(value, (Json, Jsonb)):
            return wrapper(value.obj, value.dumps)
        return wrapper(value)

    def write(value: Any, format: PyFormat) -> Dumped:
        one = wrap(value)
        dumper = transformer.get_dumper(one, format)
        try:
            data = dumper.dump(one)
        except (TypeError, ValueError, RecursionError):
            if isinstance(one.obj, Decimal) and one.obj.is_finite():
                return str(one.obj).encode(), 0
            data = dumper.dump(wrapper(to_json(one.obj), one.dumps))
        return bytes(data) if isinstance(data, memoryview) else data, dumper.format

    def to_json(value: Any) -> Any:
        try:
            return json_value(value)
        except MisfitError as error:
            place, problem = error.place.removeprefix(".") or "it", str(error)
        raise target.misfit(
            f"{describe_class(kind)} that cannot be written as JSON: {place} is {problem}"
        )

    return ValueDumper(
        lambda value: write(value, PyFormat.AUTO), lambda value: write(value, PyFormat.TEXT)[0]
    )
