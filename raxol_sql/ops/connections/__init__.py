"""The places that a server has for sessions, and the pools that want them."""
