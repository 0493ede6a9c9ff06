-- 05 provider names: the enum of S1. It stands alone because a value that is added to an enum cannot be used before the
-- transaction that added it has ended, and an adopted S1 database knows openai and gemini only.

do $$
declare
  v_name text;
begin
  if to_regtype('public.ai_provider') is null then
    create type public.ai_provider as enum ('openai', 'gemini', 'anthropic', 'google');
  end if;
  foreach v_name in array array['anthropic', 'google'] loop
    if not exists (
      select from pg_catalog.pg_enum where enumtypid = 'public.ai_provider'::regtype and enumlabel = v_name
    ) then
      execute format('alter type public.ai_provider add value %L', v_name);
    end if;
  end loop;
end $$;
comment on type public.ai_provider is
  'Provider names as callers spell them; gemini and google are one provider (app.canonical_provider).';
