"""SQL files in, attrs records out: a SQL-first query layer for PostgreSQL, without an ORM."""

__version__ = "0.1.0"
