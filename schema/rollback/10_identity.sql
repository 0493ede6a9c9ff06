-- Undoes 10_identity.sql; an adopted user or organization table stays.
-- With its trigger on auth.users, a table that Supabase's migrator does not own and cannot drop triggers of.
drop function if exists app.mirror_auth_user() cascade;
drop function if exists app.delete_user(text);
drop function if exists app.provision();
select app.drop_table_unless_adopted('app', 'deleted_subjects');
select app.drop_table_unless_adopted('public', 'user');
select app.drop_table_unless_adopted('public', 'organization');
drop function if exists app.adopt_user_column(regclass, text, text);
drop function if exists app.require_caller(text);
drop function if exists app.subject_hash(text);
drop function if exists app.now();
