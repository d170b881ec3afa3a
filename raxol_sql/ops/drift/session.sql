-- How a session is made to speak of schemas, and what the settings of a database change in that.

-- name: settle :one -> scalar
-- Makes the server write every definition in one way, for this transaction, for every role: names
-- with their schemas, and constants in one format.
select count(set_config(s.name, s.value, true))
from (
    values
        ('search_path', ''),
        ('TimeZone', 'UTC'),
        ('DateStyle', 'ISO, YMD'),
        ('IntervalStyle', 'postgres'),
        ('extra_float_digits', '1'),
        ('bytea_output', 'hex'),
        ('lc_monetary', 'C'),
        ('quote_all_identifiers', 'off')
) as s (name, value);

-- name: settings :many
-- What decides what a migration makes of its text, where this database has its own settings. It is
-- how a session is begun with it.
select s.name, s.setting as value
from pg_settings as s
where s.name in (
        'search_path', 'TimeZone', 'DateStyle', 'IntervalStyle', 'standard_conforming_strings',
        'default_table_access_method', 'check_function_bodies'
    )
    and (s.name = 'TimeZone' or s.source in ('database', 'database user'))
order by s.name;

-- name: home :maybe -> scalar
-- The schema in which migrations are booked, which was there before the first of them.
select n.nspname::text
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.oid = to_regclass('_yoyo_migration');
