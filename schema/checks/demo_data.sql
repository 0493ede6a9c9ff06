-- S2's sample settings, for local use: a user of each tier. May be run again.
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f schema/checks/demo_data.sql

-- Corrected: the seed takes these users for granted, and its insert fails the second time.
insert into "user" (id) values
  ('00000000-0000-0000-0000-000000000001'),
  ('00000000-0000-0000-0000-000000000002'),
  ('00000000-0000-0000-0000-000000000003')
on conflict do nothing;

insert into user_ai_settings (user_id, tier, daily_usage, monthly_usage)
values
  -- Free tier user.
  ('00000000-0000-0000-0000-000000000001', 'free', 5, 120),

  -- BYOK user.
  ('00000000-0000-0000-0000-000000000002', 'byok', 50, 1200),

  -- Premium user.
  ('00000000-0000-0000-0000-000000000003', 'premium', 30, 850)
on conflict (user_id) do nothing;
