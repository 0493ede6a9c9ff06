-- Undoes 98_deletion.sql.
-- With its trigger on auth.users, a table that Supabase's migrator does not own and cannot drop triggers of.
drop function if exists app.mirror_auth_user() cascade;
drop trigger if exists _50_forget_words on public."user";
drop trigger if exists _10_forget on public."user";
drop function if exists app.delete_user(text);
drop function if exists app.forget_deleted_user();
drop function if exists app.forget_user(text);
