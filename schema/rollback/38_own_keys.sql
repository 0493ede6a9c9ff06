-- Undoes 38_own_keys.sql.
drop function if exists app.delete_own_key(jsonb, text);
drop function if exists app.mark_key_verified(jsonb, text, text);
drop function if exists app.store_own_key(jsonb, text, text, text, text);
drop function if exists app.own_keys(jsonb);
select app.drop_table_unless_adopted('app', 'provider_keys');
