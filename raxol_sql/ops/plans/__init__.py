"""The plan of a query, and what is to be seen to in it."""
