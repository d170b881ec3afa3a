"""Waiting, locks and clocks for both I/O backends; no SQL."""
