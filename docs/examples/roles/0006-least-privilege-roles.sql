-- Three roles for this database, none of which logs in: app_owner owns its tables and migrates,
-- app_readwrite reads and changes rows, app_readonly reads them. Logins become members of one.
-- Nobody else connects, or creates anything in the schema public.
--
-- Whoever applies this owns the database and may create roles, or is a superuser. Roles belong to
-- the whole server: those that are there already are used as they are.
-- depends: 0005-bound-texts-of-users

-- A GRANT or REVOKE without the right to it is a mere warning, and this would be half done.
do $$
begin
    if not (
        select
            pg_has_role(current_user, d.datdba, 'usage')
            and pg_has_role(current_user, n.nspowner, 'usage')
            and (r.rolsuper or r.rolcreaterole)
        from pg_database as d, pg_namespace as n, pg_roles as r
        where d.datname = current_database() and n.nspname = 'public' and r.rolname = current_user
    ) then
        raise insufficient_privilege using
            message = format('%s may not set up the roles of this database', current_user),
            hint = 'apply it as the owner of the database and of its schema public, with createrole';
    end if;
end
$$;

-- Two databases of one server may be migrated at the same moment. The comment is how the rollback
-- knows which roles this has made.
do $$
declare
    name text;
begin
    foreach name in array array['app_owner', 'app_readwrite', 'app_readonly'] loop
        if not exists (select from pg_roles where rolname = name) then
            begin
                execute format('create role %I nologin', name);
                execute format('comment on role %I is %L', name, 'made by least-privilege-roles');
            exception when duplicate_object or unique_violation then
                raise notice 'the role % was made by somebody else meanwhile', name;
            end;
        end if;
    end loop;
end
$$;

-- To give something to a role one has to be a member of it; a superuser is one of every role.
do $$
begin
    if not pg_has_role(current_user, 'app_owner', 'usage') then
        execute format('grant app_owner to %I', current_user);
    end if;
end
$$;

do $$
begin
    execute format('revoke connect on database %I from public', current_database());
    execute format(
        'grant connect on database %I to app_owner, app_readwrite, app_readonly',
        current_database()
    );
end
$$;

revoke create on schema public from public;

grant usage, create on schema public to app_owner;

grant usage on schema public to app_readwrite, app_readonly;

-- What the migrations before this one have made. The tables in which migrations are booked stay
-- where they are, as the one who migrates now is using them: app_owner may write to them.
do $$
declare
    one record;
begin
    for one in
        select c.oid::regclass as name, c.relname ~ '^(_yoyo|yoyo|_raxol)_' as is_booked
        from pg_class as c
        where c.relnamespace = 'public'::regnamespace
            and c.relowner = current_user::regrole
            and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
            and not exists (
                -- A sequence of a column goes with its table; what an extension brings is its own.
                select from pg_depend as d
                where d.classid = 'pg_class'::regclass
                    and d.objid = c.oid
                    and (d.deptype = 'e' or (c.relkind = 'S' and d.deptype in ('a', 'i')))
            )
    loop
        if one.is_booked then
            execute format('grant select, insert, update, delete on %s to app_owner', one.name);
            execute format('grant select on %s to app_readwrite, app_readonly', one.name);
        else
            execute format('alter table %s owner to app_owner', one.name);
        end if;
    end loop;
    for one in
        select p.oid::regprocedure as name
        from pg_proc as p
        where p.pronamespace = 'public'::regnamespace
            and p.proowner = current_user::regrole
            and p.prokind <> 'a'
            and not exists (
                select from pg_depend as d
                where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
            )
    loop
        execute format('alter routine %s owner to app_owner', one.name);
    end loop;
    for one in
        select t.oid::regtype as name
        from pg_type as t
        left join pg_class as c on c.oid = t.typrelid
        where t.typnamespace = 'public'::regnamespace
            and t.typowner = current_user::regrole
            and (t.typtype in ('e', 'd', 'r') or c.relkind = 'c')
            and not exists (
                select from pg_depend as d
                where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e'
            )
    loop
        execute format('alter type %s owner to app_owner', one.name);
    end loop;
    for one in
        select c.oid::regclass as name, c.relkind = 'S' as is_sequence
        from pg_class as c
        where c.relnamespace = 'public'::regnamespace
            and c.relowner = 'app_owner'::regrole
            and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    loop
        if one.is_sequence then
            execute format('grant usage on sequence %s to app_readwrite', one.name);
        else
            execute format('grant select on %s to app_readonly', one.name);
            execute format('grant select, insert, update, delete on %s to app_readwrite', one.name);
        end if;
    end loop;
end
$$;

-- What the migrations after this one will make, as app_owner.
alter default privileges for role app_owner in schema public
    grant select on tables to app_readonly;

alter default privileges for role app_owner in schema public
    grant select, insert, update, delete on tables to app_readwrite;

alter default privileges for role app_owner in schema public
    grant usage on sequences to app_readwrite;
