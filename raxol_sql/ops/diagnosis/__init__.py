"""Everything that can be seen to be wrong with a database, group by group, with what helps."""
