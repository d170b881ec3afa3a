"""Mapping of rows to records: resolved once for each query, then applied to each row."""

from raxol_sql.records.builder import Build, Row
from raxol_sql.records.casting import CastError, caster_of
from raxol_sql.records.children import ChildMatcher
from raxol_sql.records.column_type import ColumnType, TypeKind
from raxol_sql.records.field_reader import UnfitError, reader_of
from raxol_sql.records.fields import Field, fields_of, hints_of
from raxol_sql.records.from_json import MisfitError
from raxol_sql.records.json_text import JsonText
from raxol_sql.records.names import can_be_written
from raxol_sql.records.refusal import can_refuse
from raxol_sql.records.result import Answer, result_of
from raxol_sql.records.shape import shape_of
from raxol_sql.records.to_json import json_value

__all__ = [
    "Answer",
    "Build",
    "CastError",
    "ChildMatcher",
    "ColumnType",
    "Field",
    "JsonText",
    "MisfitError",
    "Row",
    "TypeKind",
    "UnfitError",
    "can_be_written",
    "can_refuse",
    "caster_of",
    "fields_of",
    "hints_of",
    "json_value",
    "reader_of",
    "result_of",
    "shape_of",
]
