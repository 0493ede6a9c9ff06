-- Undoes 10_identity.sql; an adopted user or organization table stays.
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
