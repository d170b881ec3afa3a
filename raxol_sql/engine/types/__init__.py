"""Values of Python for the types of PostgreSQL, and back."""
