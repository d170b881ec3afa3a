"""Requests and results on one libpq connection."""
