-- 40 conversations: one table for the three shapes that the seeds give it. model, total_tokens and total_cost are the
-- columns Parley uses; model_used, tokens_used and cost_usd are S2's names for them and always hold the same.

create table if not exists public.ai_conversations (id text primary key default gen_random_uuid()::text);
alter table public.ai_conversations
  add column if not exists user_id text,
  add column if not exists title text,
  add column if not exists messages jsonb not null default '[]',
  add column if not exists context jsonb,
  add column if not exists model text,
  add column if not exists model_used text,
  add column if not exists total_tokens bigint,
  add column if not exists tokens_used bigint,
  add column if not exists total_cost numeric(18, 9),
  add column if not exists cost_usd numeric(18, 9),
  add column if not exists unpriced_calls integer not null default 0,
  add column if not exists version integer not null default 1,
  add column if not exists created_at timestamptz default now(),
  add column if not exists updated_at timestamptz default now();

create or replace function app.fill_conversation_aliases() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_changed constant boolean := tg_op = 'UPDATE';
begin
  if v_changed then
    -- Whichever of the two names was written wins; Parley's own where both were.
    if new.model is not distinct from old.model then new.model := new.model_used; end if;
    if new.total_tokens is not distinct from old.total_tokens then new.total_tokens := new.tokens_used; end if;
    if new.total_cost is not distinct from old.total_cost then new.total_cost := new.cost_usd; end if;
    new.version := old.version + 1;
  end if;
  new.model := coalesce(new.model, new.model_used, 'unknown');
  new.model_used := new.model;
  new.total_tokens := coalesce(new.total_tokens, new.tokens_used, 0);
  new.tokens_used := new.total_tokens;
  new.total_cost := coalesce(new.total_cost, new.cost_usd, 0);
  new.cost_usd := new.total_cost;
  return new;
end $$;
comment on function app.fill_conversation_aliases() is
  'Trigger: keeps the two names of model, tokens and cost equal, whichever is written, and counts versions.';

create or replace function public.update_ai_conversations_updated_at() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  new.updated_at := pg_catalog.now();
  return new;
end $$;
comment on function public.update_ai_conversations_updated_at() is
  'S4''s trigger function. Only conversations use it, so S4''s own rollback can drop it.';

revoke all on function public.update_ai_conversations_updated_at() from public, anon, authenticated, service_role;

drop trigger if exists _10_aliases on public.ai_conversations;
drop trigger if exists _20_updated_at on public.ai_conversations;

-- An adopted table: ids become text, S2's and S3's numbers get room for nine decimals, the aliases are filled.
select app.adopt_as_text('public.ai_conversations', 'id');
select app.adopt_user_column('public.ai_conversations', 'user_id', 'cascade');
do $$
begin
  alter table public.ai_conversations
    alter column id set default gen_random_uuid()::text,
    alter column total_tokens type bigint,
    alter column tokens_used type bigint,
    alter column total_cost type numeric(18, 9),
    alter column cost_usd type numeric(18, 9);
  update public.ai_conversations
  set model = coalesce(model, model_used, 'unknown'), model_used = coalesce(model, model_used, 'unknown'),
      total_tokens = coalesce(total_tokens, tokens_used, 0), tokens_used = coalesce(total_tokens, tokens_used, 0),
      total_cost = coalesce(total_cost, cost_usd, 0), cost_usd = coalesce(total_cost, cost_usd, 0),
      -- A cost that nobody knew stays unknown.
      unpriced_calls = unpriced_calls + (coalesce(total_cost, cost_usd) is null and messages <> '[]')::integer
  where model is null or model <> model_used or model_used is null
    or total_tokens is null or total_tokens <> tokens_used or tokens_used is null
    or total_cost is null or total_cost <> cost_usd or cost_usd is null;
  -- NOT NULL is checked after the trigger has filled the other name.
  alter table public.ai_conversations
    alter column messages set not null,
    alter column model set not null,
    alter column model_used set not null;
end $$;

create trigger _10_aliases before insert or update on public.ai_conversations
  for each row execute function app.fill_conversation_aliases();
create trigger _20_updated_at before update on public.ai_conversations
  for each row execute function public.update_ai_conversations_updated_at();

create index if not exists idx_ai_conversations_user_id on public.ai_conversations (user_id);
create index if not exists idx_ai_conversations_created_at on public.ai_conversations (created_at desc);
create index if not exists idx_ai_conversations_model on public.ai_conversations (model);
create index if not exists idx_ai_conversations_user_id_updated_at on public.ai_conversations (user_id, updated_at desc, id);
alter table public.ai_conversations enable row level security;
revoke all on public.ai_conversations from public, anon, authenticated, service_role;
comment on table public.ai_conversations is 'Conversations with their messages: [{"role", "content", "timestamp"}].';
comment on column public.ai_conversations.context is 'S4: what the caller was doing (page, cart, ...).';
comment on column public.ai_conversations.version is 'Grows with every change; a writer that names the version it read cannot overwrite a newer one.';
comment on column public.ai_conversations.model is 'The model of the latest answer.';
comment on column public.ai_conversations.model_used is 'S2''s name of model; always equal.';
comment on column public.ai_conversations.tokens_used is 'S2''s name of total_tokens; always equal.';
comment on column public.ai_conversations.unpriced_calls is 'Calls whose cost is unknown; total_cost is that of the others.';
comment on column public.ai_conversations.cost_usd is 'S2''s name of total_cost; always equal.';

drop policy if exists "Users can view their own conversations" on public.ai_conversations;
create policy "Users can view their own conversations" on public.ai_conversations
  for select to authenticated, parley_definer using (user_id = (select app.user_id()));
drop policy if exists "Users can insert their own conversations" on public.ai_conversations;
create policy "Users can insert their own conversations" on public.ai_conversations
  for insert to authenticated, parley_definer with check (user_id = (select app.user_id()));
drop policy if exists "Users can update their own conversations" on public.ai_conversations;
create policy "Users can update their own conversations" on public.ai_conversations
  for update to authenticated, parley_definer
  using (user_id = (select app.user_id())) with check (user_id = (select app.user_id()));
drop policy if exists "Users can delete their own conversations" on public.ai_conversations;
create policy "Users can delete their own conversations" on public.ai_conversations
  for delete to authenticated using (user_id = (select app.user_id()));
drop policy if exists "The service manages conversations" on public.ai_conversations;
create policy "The service manages conversations" on public.ai_conversations
  for all to service_role using ((select app.is_service())) with check ((select app.is_service()));

grant select, delete on public.ai_conversations to authenticated;
grant insert (id, user_id, title, messages, context, model, model_used), update (title, messages, context)
  on public.ai_conversations to authenticated;
grant select, insert, update, delete on public.ai_conversations to service_role;
grant select, insert, update on public.ai_conversations to parley_definer;
alter table public.ai_conversations force row level security;
revoke all on all functions in schema app from public;
