"""Dumping of Python values for the types of parameters."""
