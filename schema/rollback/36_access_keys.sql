-- Undoes 36_access_keys.sql.
drop function if exists app.count_access_key_usage(jsonb, date, boolean);
drop function if exists app.access_key_usage_between(jsonb, date, date, boolean);
drop function if exists app.change_access_key(jsonb, uuid, text, boolean);
drop function if exists app.access_keys_page(jsonb, boolean, timestamptz, uuid, integer);
drop function if exists app.create_access_key(jsonb, jsonb);
drop function if exists app.organization_id_of(jsonb);
drop function if exists app.access_key_quota();
drop function if exists app.access_key_has_room(text);
drop function if exists app.access_key_units(text);
drop function if exists app.resolve_access_key(jsonb);
drop function if exists app.access_key_summary(app.access_keys);
select app.drop_table_unless_adopted('app', 'access_key_usage');
select app.drop_table_unless_adopted('app', 'access_keys');
