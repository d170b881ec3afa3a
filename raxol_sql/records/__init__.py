"""Rows to records: the shape of a row is settled once for each query, then rows pass through it."""

from raxol_sql.records.builder import Build, Row
from raxol_sql.records.refusal import can_refuse
from raxol_sql.records.result import Answer, result_of
from raxol_sql.records.shape import shape_of

__all__ = ["Answer", "Build", "Row", "can_refuse", "result_of", "shape_of"]
