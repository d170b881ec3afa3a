"""Transactions: BEGIN to COMMIT, retries, and the outcome of a lost COMMIT."""
