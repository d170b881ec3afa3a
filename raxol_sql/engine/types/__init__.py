"""Conversion between Python and PostgreSQL values."""
