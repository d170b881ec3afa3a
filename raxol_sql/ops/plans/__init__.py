"""The plan of a query, and the problems in it."""
