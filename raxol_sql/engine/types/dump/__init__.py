"""How values of Python are written for the types that the server asks for."""
