-- Undoes 00_platform.sql. The roles stay, because other databases of the server may use them, and so do the extension and
-- its schema. Schema app goes when nothing else (the migration runner's table, say) is in it.
do $$
begin
  execute format('alter database %I reset search_path', current_database());
  execute format('grant temporary on database %I to public', current_database());
end $$;
drop function if exists app.touch_updated_at();
drop function if exists app.tenant_id();
drop function if exists app.access_key_id();
drop function if exists app.caller_key();
drop function if exists app.is_service();
drop function if exists app.is_organization_admin();
drop function if exists app.organization_id();
drop function if exists app.user_id();
drop function if exists app.claims();
drop function if exists app.drop_table_unless_adopted(text, text);
drop function if exists app.adopt_as_text(regclass, text);
drop function if exists app.own_tables(regclass[]);
drop function if exists app.give_to(text, regprocedure[]);
drop table if exists app.adopted_tables;
revoke usage on schema public, extensions, app from parley_definer, parley_owner, parley_app, parley_service;
revoke create on schema app from parley_owner;
do $$
begin
  drop schema app;
exception when dependent_objects_still_exist then
  raise notice 'left schema app: it holds what these files did not make';
end $$;
