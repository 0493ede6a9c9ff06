-- Undoes 10_identity.sql; an adopted user or organization table stays.
do $$
begin
  if to_regclass('auth.users') is not null then
    drop trigger if exists parley_mirror_user on auth.users;
  end if;
end $$;
drop function if exists app.mirror_auth_user();
drop function if exists app.delete_user(text);
drop function if exists app.provision();
select app.drop_table_unless_adopted('app', 'deleted_subjects');
select app.drop_table_unless_adopted('public', 'user');
select app.drop_table_unless_adopted('public', 'organization');
drop function if exists app.adopt_user_column(regclass, text, text);
drop function if exists app.require_caller(text);
drop function if exists app.subject_hash(text);
drop function if exists app.now();
