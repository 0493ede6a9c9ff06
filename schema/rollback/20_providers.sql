-- Undoes 20_providers.sql; an adopted preferences table stays, without our trigger and policies.
drop function if exists app.save_organization_policy(jsonb, text[], text[]);
drop function if exists app.delete_provider_preference(jsonb, text);
drop function if exists app.save_provider_preference(jsonb, text, text);
drop function if exists app.provider_preferences(jsonb);
drop function if exists app.preferred_providers();
drop function if exists app.allowed_providers();
drop function if exists app.canonical_provider(text);
select app.drop_table_unless_adopted('app', 'organization_policies');
drop trigger if exists _20_updated_at on public.ai_provider_preferences;
select app.drop_table_unless_adopted('public', 'ai_provider_preferences');
