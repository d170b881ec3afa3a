"""The connection pool: connecting, checkout and return."""
