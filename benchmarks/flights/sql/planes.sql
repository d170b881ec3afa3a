-- The queries of the table planes.

-- name: load :copy
copy planes (tailnum, year, type, manufacturer, model, engines, seats, speed, engine)
from stdin with (format csv, header match, null 'NA');

-- name: count :one -> scalar
select count(*) from planes;
