-- Undoes 98_deletion.sql.
do $$
begin
  if to_regclass('auth.users') is not null then
    drop trigger if exists parley_mirror_user on auth.users;
  end if;
end $$;
drop trigger if exists _10_forget on public."user";
drop function if exists app.mirror_auth_user();
drop function if exists app.delete_user(text);
drop function if exists app.forget_deleted_user();
drop function if exists app.forget_user(text);
