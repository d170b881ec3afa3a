drop table weather;
