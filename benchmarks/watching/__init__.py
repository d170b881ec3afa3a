"""What a call pays for being counted and logged, next to one that is not."""
