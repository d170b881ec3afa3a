"""Rows to records: the shape of a row is settled once for each query, then rows pass through it."""

from raxol_sql.records.builder import Build, Row
from raxol_sql.records.casting import CastError, caster_of
from raxol_sql.records.children import Attachment
from raxol_sql.records.fields import Field, fields_of, hints_of
from raxol_sql.records.names import can_be_written
from raxol_sql.records.refusal import can_refuse
from raxol_sql.records.result import Answer, result_of
from raxol_sql.records.shape import shape_of

__all__ = [
    "Answer",
    "Attachment",
    "Build",
    "CastError",
    "Field",
    "Row",
    "can_be_written",
    "can_refuse",
    "caster_of",
    "fields_of",
    "hints_of",
    "result_of",
    "shape_of",
]
