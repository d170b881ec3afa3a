"""Rows to records: the shape of a row is settled once for each query, then rows pass through it."""

from raxol_sql.records.result import result_of
from raxol_sql.records.shape import Shape, shape_of

__all__ = ["Shape", "result_of", "shape_of"]
