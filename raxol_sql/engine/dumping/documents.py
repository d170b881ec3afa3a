"""Values as JSON documents."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg
from psycopg.abc import Transformer
from psycopg.adapt import PyFormat
from psycopg.types.json import Json, Jsonb

from raxol_sql.engine.dumping.form import Dumped, Form
from raxol_sql.engine.dumping.target import Target, given

_JSONB = psycopg.postgres.types["jsonb"].oid


def document(transformer: Transformer, target: Target, kind: type) -> Form:
    """The form of whatever the program's own ``dumps`` can write, or json's."""
    wrapper = Jsonb if target.oid == _JSONB else Json

    def wrapped(value: Any) -> Json | Jsonb:
        if isinstance(value, (Json, Jsonb)):
            return wrapper(value.obj, value.dumps)
        return wrapper(value)

    def write(value: Any, format: PyFormat) -> Dumped:
        one = wrapped(value)
        dumper = transformer.get_dumper(one, format)
        try:
            data = dumper.dump(one)
        except TypeError as error:
            if isinstance(one.obj, Decimal):
                return str(one.obj).encode(), 0
            raise target.misfit(f"{given(kind)} that cannot be written as JSON") from error
        return bytes(data) if isinstance(data, memoryview) else data, dumper.format

    return Form(
        lambda value: write(value, PyFormat.AUTO), lambda value: write(value, PyFormat.TEXT)[0]
    )
