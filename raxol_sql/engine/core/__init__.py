"""Waiting, locks and clocks, in both colours; no SQL."""
