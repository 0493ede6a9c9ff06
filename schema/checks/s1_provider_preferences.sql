-- S1, provider preferences: its verification and monitoring queries. Changes nothing:
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f schema/checks/s1_provider_preferences.sql

-- Verify the table.
select * from ai_provider_preferences limit 5;

-- A user's preference in an organization. The organization's own is the row whose user_id is null, and a deleted one has
-- is_active = false; app.preferred_providers() knows both.
select * from ai_provider_preferences
where organization_id = 'org_123'
and user_id = 'user_456';

-- How often each provider is preferred in an organization. 'gemini' and 'google' are one provider, spelled as it was saved.
select preferred_provider, count(*)
from ai_provider_preferences
where organization_id = 'org_123'
group by preferred_provider;
