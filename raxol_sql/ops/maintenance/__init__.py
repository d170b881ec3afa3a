"""VACUUM, ANALYZE and REINDEX, table by table, and how far they are."""
