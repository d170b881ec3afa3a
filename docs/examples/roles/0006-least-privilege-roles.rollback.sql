-- Everything in the schema public belongs to the one who rolls this back again, and everybody may
-- connect, as in a new database. A role goes if the migration has made it, no login is a member of
-- it, and nothing on the whole server belongs or is granted to it any more; of one that stays a
-- warning says why.

alter default privileges for role app_owner in schema public
    revoke select on tables from app_readonly;

alter default privileges for role app_owner in schema public
    revoke select, insert, update, delete on tables from app_readwrite;

alter default privileges for role app_owner in schema public
    revoke usage on sequences from app_readwrite;

revoke all on all tables in schema public from app_readwrite, app_readonly;

revoke all on all sequences in schema public from app_readwrite, app_readonly;

do $$
declare
    one record;
begin
    for one in
        select c.oid::regclass as name, c.relowner = 'app_owner'::regrole as is_owned
        from pg_class as c
        where c.relnamespace = 'public'::regnamespace
            and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
            and not exists (
                select from pg_depend as d
                where d.classid = 'pg_class'::regclass
                    and d.objid = c.oid
                    and (d.deptype = 'e' or (c.relkind = 'S' and d.deptype in ('a', 'i')))
            )
    loop
        if one.is_owned then
            execute format('alter table %s owner to %I', one.name, current_user);
        else
            execute format('revoke all on %s from app_owner', one.name);
        end if;
    end loop;
    for one in
        select p.oid::regprocedure as name
        from pg_proc as p
        where p.pronamespace = 'public'::regnamespace
            and p.proowner = 'app_owner'::regrole
            and p.prokind <> 'a'
    loop
        execute format('alter routine %s owner to %I', one.name, current_user);
    end loop;
    for one in
        select t.oid::regtype as name
        from pg_type as t
        left join pg_class as c on c.oid = t.typrelid
        where t.typnamespace = 'public'::regnamespace
            and t.typowner = 'app_owner'::regrole
            and (t.typtype in ('e', 'd', 'r') or c.relkind = 'c')
    loop
        execute format('alter type %s owner to %I', one.name, current_user);
    end loop;
end
$$;

revoke all on schema public from app_owner, app_readwrite, app_readonly;

-- Before PostgreSQL 15 everybody could create in it.
do $$
begin
    if current_setting('server_version_num')::int < 150000 then
        grant create on schema public to public;
    end if;
end
$$;

do $$
begin
    execute format(
        'revoke all on database %I from app_owner, app_readwrite, app_readonly', current_database()
    );
    execute format('grant connect on database %I to public', current_database());
end
$$;

do $$
declare
    name text;
    members text;
begin
    foreach name in array array['app_owner', 'app_readwrite', 'app_readonly'] loop
        select string_agg(m.member::regrole::text, ', ') into members
        from pg_auth_members as m
        where m.roleid = name::regrole and m.member <> current_user::regrole;
        if shobj_description(name::regrole, 'pg_authid')
            is distinct from 'made by least-privilege-roles'
        then
            raise warning 'the role % stays: it was there before', name;
        elsif members is not null then
            raise warning 'the role % stays: % would lose what it has by it', name, members;
        else
            begin
                execute format('drop role %I', name);
            exception when dependent_objects_still_exist then
                raise warning 'the role % stays: something still belongs or is granted to it', name
                    using hint = 'it is in other databases, or in other schemas of this one';
            end;
        end if;
    end loop;
end
$$;
