-- Undoes 10_identity.sql; an adopted user or organization table stays.
do $$
begin
  drop operator if exists public.= (text, uuid);
  drop operator if exists public.= (uuid, text);
  drop function if exists app.text_is_uuid(text, uuid);
  drop function if exists app.uuid_is_text(uuid, text);
exception when dependent_objects_still_exist then
  raise notice 'left the operator text = uuid: something of the application''s compares with it';
end $$;
drop function if exists app.provision();
select app.drop_table_unless_adopted('app', 'deleted_subjects');
select app.drop_table_unless_adopted('public', 'user');
select app.drop_table_unless_adopted('public', 'organization');
drop function if exists app.adopt_user_column(regclass, text, text);
drop function if exists app.adopt_reference(regclass, text, regclass, text);
drop function if exists app.require_caller(text);
drop function if exists app.subject_lock(text);
drop function if exists app.subject_hash(text);
drop function if exists app.now();
