drop table raxol_outcomes;
