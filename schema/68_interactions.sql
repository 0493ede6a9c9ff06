-- 68 interactions: what users view, click and buy (S4), and recommendations that can say why.

-- S4 names the columns and gives no types: item_id is text because the application's ids may be anything.
create table if not exists public.user_interactions (
  id                uuid primary key default gen_random_uuid(),
  user_id           text not null,
  interaction_type  text not null,
  item_type         text not null,
  item_id           text,
  metadata          jsonb not null default '{}',
  created_at        timestamptz not null default now()
);
alter table public.user_interactions
  add column if not exists item_id text,
  add column if not exists metadata jsonb not null default '{}',
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists organization_id text,
  alter column organization_id set default app.organization_id();
-- By itself: a table that outlived `down` has the column, without its key and perhaps without its organizations.
select app.adopt_as_text('public.user_interactions', 'item_id'),
  app.adopt_reference('public.user_interactions', 'organization_id', 'public.organization', 'set null'),
  app.adopt_user_column('public.user_interactions', 'user_id', 'cascade');
comment on table public.user_interactions is 'What a user did with which item of the application (view, click, add_to_cart, ...). Append-only for users.';
comment on column public.user_interactions.organization_id is
  'The organization the user acted for, stamped from the claims; its members'' interactions inform each other''s recommendations.';

-- item_type completes the two indexes for recommendations; the leading columns are S4's.
create index if not exists idx_user_interactions_user_id on public.user_interactions (user_id, created_at desc, id);
create index if not exists idx_user_interactions_type on public.user_interactions (interaction_type);
create index if not exists idx_user_interactions_created_at on public.user_interactions (created_at desc);
create index if not exists idx_user_interactions_organization_id on public.user_interactions (organization_id, item_type, created_at desc);

alter table public.user_interactions enable row level security;
revoke all on public.user_interactions from public, anon, authenticated, service_role;
drop policy if exists "Users can view their own interactions" on public.user_interactions;
create policy "Users can view their own interactions" on public.user_interactions for select to authenticated
  using (user_id = (select app.user_id()));
drop policy if exists "Users can insert their own interactions" on public.user_interactions;
create policy "Users can insert their own interactions" on public.user_interactions for insert to authenticated
  with check (user_id = (select app.user_id()) and organization_id is not distinct from (select app.organization_id()));
drop policy if exists "Users can update their own interactions" on public.user_interactions;
create policy "Users can update their own interactions" on public.user_interactions for update to authenticated
  using (user_id = (select app.user_id())) with check (user_id = (select app.user_id()));
drop policy if exists "Recommendations read the caller and the organization" on public.user_interactions;
create policy "Recommendations read the caller and the organization" on public.user_interactions for select to parley_definer
  using (user_id = (select app.user_id()) or organization_id = (select app.organization_id()));
drop policy if exists "Service role manages interactions" on public.user_interactions;
create policy "Service role manages interactions" on public.user_interactions for all to service_role
  using ((select app.is_service())) with check ((select app.is_service()));

create or replace function app.interaction_weight(p_interaction_type text) returns double precision
  language sql immutable parallel safe
  return case p_interaction_type
    when 'purchase' then 5 when 'complete' then 5 when 'add_to_cart' then 3 when 'save' then 3 when 'share' then 3
    when 'click' then 2 when 'dismiss' then 0 else 1 end;
comment on function app.interaction_weight(text) is 'How much an interaction says about interest; a view or an unknown type says 1.';

create or replace function app.interest_left(p_age interval) returns double precision
  language sql immutable parallel safe
  return power(0.5, extract(epoch from p_age)::double precision / (14 * 86400));
comment on function app.interest_left(interval) is 'What is left of an interest, of 1: it halves every fortnight.';

-- Content near what the caller looked at lately.
--   1. All that the caller has seen, whatever came of it.
--   2. The five items of content that were looked at last, and not dismissed.
--   3. What is near them and was not seen.
create or replace function app.recommend_similar_content(p_user_id text, p_item_type text, p_limit integer)
  returns table (item_type text, item_id text, score double precision)
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_types constant text[] := array(
    select t from pg_catalog.unnest(array['route', 'learning_path', 'exercise', 'school', 'event', 'instructor']) t
    where p_item_type is null or t = p_item_type);
begin
  return query
    -- 1.
    with seen as materialized (
      select i.item_type, i.item_id::uuid as id, max(i.created_at) as at, pg_catalog.bool_or(i.interaction_type = 'dismiss') as is_dismissed,
        max(app.interaction_weight(i.interaction_type)) as weight
      from public.user_interactions i
      where i.user_id = p_user_id and i.item_type = any (v_types)
        and i.item_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
      group by i.item_type, i.item_id
    -- 2.
    ), viewed as materialized (
      select c.embedding, c.model, s.weight * app.interest_left(pg_catalog.now() - s.at) as weight
      from seen s join app.searchable_content c on c.id = s.id and c.content_type = s.item_type
      where not s.is_dismissed and s.at > pg_catalog.now() - interval '90 days' and c.embedding is not null
      order by s.at desc, s.id limit 5
    -- 3.
    ), near as (
      select n.content_type, n.id, v.weight * (1 - app.cosine_distance(n.embedding, v.embedding)) as score
      from viewed v
      cross join lateral pg_catalog.unnest(app.nearest_content(
        v.embedding, v.model, row(v_types, '{}', null, null, null, null)::app.search_conditions,
        p_limit + least((select count(*) from seen), 100)::integer)) k (chunk_number)
      join app.searchable_content n on n.chunk_number = k.chunk_number and n.content_type = any (v_types)
      where not exists (select from seen s where s.id = n.id)
    )
    select n.content_type, n.id::text, max(n.score) from near n where n.score > 0
    group by n.content_type, n.id order by 3 desc, 1, 2 limit p_limit;
end $$;
comment on function app.recommend_similar_content(text, text, integer) is
  'Content that the user has not seen, by its cosine similarity to what was looked at last, weighted as that is.';

-- What the caller and the organization's people looked at lately, weighted by what they did and by how long ago.
--   1. Interactions of ninety days; the caller's, and the organization's.
--   2. Who looked at what the caller looked at: their interest counts twice.
--   3. Items by score, without those that the caller is through with.
--   4. Content near what the caller looked at.
--   5. The reason that goes with each; of two the one with the higher score.
create or replace function app.recommend_items(p_user_id text, p_item_type text default null, p_limit integer default 10)
  returns table (item_type text, item_id text, score double precision, reason text, people integer)
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set plan_cache_mode = 'force_custom_plan'
as $$
begin
  if p_user_id is distinct from app.user_id() then
    raise exception 'recommendations are for the caller only' using errcode = '42501';
  end if;
  return query
    -- 1.
    with recent as (
      select i.user_id, i.item_type, i.item_id, i.interaction_type,
        app.interaction_weight(i.interaction_type) * app.interest_left(pg_catalog.now() - i.created_at) as weight
      from public.user_interactions i
      where (i.user_id = p_user_id or i.organization_id = app.organization_id())
        and i.item_id is not null and i.created_at > pg_catalog.now() - interval '90 days'
      order by i.created_at desc
      limit 20000
    -- 2.
    ), similar_people as (
      select distinct other.user_id
      from recent mine
      join recent other on other.item_type = mine.item_type and other.item_id = mine.item_id and other.user_id <> p_user_id
      where mine.user_id = p_user_id and mine.interaction_type <> 'dismiss'
    -- 3.
    ), scored as (
      select r.item_type, r.item_id,
        sum(r.weight * case when k.user_id is not null then 2 else 1 end) as score,
        count(distinct r.user_id) filter (where r.user_id <> p_user_id)::integer as people,
        pg_catalog.bool_or(r.user_id = p_user_id) as is_own,
        pg_catalog.bool_or(k.user_id is not null) as is_of_similar_people
      from recent r left join similar_people k on k.user_id = r.user_id
      where p_item_type is null or r.item_type = p_item_type
      group by r.item_type, r.item_id
      having not pg_catalog.bool_or(r.user_id = p_user_id and r.interaction_type in ('dismiss', 'purchase', 'complete'))
    -- 4.
    ), similar_content as materialized (
      select c.* from app.recommend_similar_content(p_user_id, p_item_type, app.search_limit(p_limit)) c
    )
    -- 5.
    select b.* from (
      select distinct on (e.item_type, e.item_id) e.* from (
        select s.item_type, s.item_id, s.score,
          case when s.is_own then 'viewed_before' when s.is_of_similar_people then 'similar_people' else 'popular_here' end as reason,
          s.people
        from scored s
        -- What a single colleague looks at is nobody else's business.
        where s.is_own or s.people >= 2
        union all
        select c.item_type, c.item_id, c.score, 'similar_content', 0 from similar_content c
      ) e
      order by e.item_type, e.item_id, e.score desc
    ) b
    order by b.score desc, b.item_type, b.item_id
    limit app.search_limit(p_limit);
end $$;
comment on function app.recommend_items(text, text, integer) is
  'Items of the last 90 days by weight and recency, among the caller''s own and the organization''s interactions; people who share an '
  'item with the caller count twice; and content near what the caller viewed. reason is viewed_before, similar_people, '
  'popular_here or similar_content; people says how many others. '
  'Raises 42501 unless p_user_id is the caller.';

create or replace function app.bound_free_writes(p_kind text, p_ids uuid[], p_limit integer, p_queues boolean default true)
  returns void
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_user constant text := app.user_id();
  v_since constant timestamptz := app.today()::timestamp at time zone app.time_zone();
  v_tomorrow constant timestamptz := (app.today() + 1)::timestamp at time zone app.time_zone();
  v_rows bigint;
begin
  -- A user's writes queue here, so that the count holds until they are there.
  if p_queues then
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('free writes of ' || v_user, 0));
  end if;
  -- Under these ids the rows may be there already: a repetition writes nothing.
  if p_kind = 'interactions' then
    v_rows := (
      select case when pg_catalog.bool_or(i.id = any (p_ids)) then null else count(*) end
      from public.user_interactions i where i.user_id = v_user and i.created_at >= v_since);
  else
    v_rows := (
      select case when pg_catalog.bool_or(s.id = any (p_ids)) then null else count(*) end
      from public.ai_content_searches s where s.user_id = v_user and s.created_at >= v_since);
  end if;
  if v_rows + pg_catalog.cardinality(p_ids) > p_limit then
    raise exception '%', greatest(1, pg_catalog.ceil(extract(epoch from v_tomorrow - app.now()))) using errcode = 'PLIM1';
  end if;
end $$;
comment on function app.bound_free_writes(text, uuid[], integer, boolean) is
  'Lets a user write these rows today, of interactions or searches, which cost no unit. Beyond the limit raises PLIM1, whose '
  'message is the seconds until the next day. Who does not queue learns what holds now, before work that others need not wait for.';

select app.give_to('parley_definer', 'app.recommend_items(text, text, integer)');
grant select on public.user_interactions to authenticated, parley_definer;
grant insert (id, user_id, interaction_type, item_type, item_id, metadata) on public.user_interactions to authenticated;
grant update (metadata) on public.user_interactions to authenticated;
grant select, insert, update, delete on public.user_interactions to service_role;
grant execute on function app.interaction_weight(text), app.interest_left(interval),
  app.recommend_similar_content(text, text, integer) to parley_definer;
grant execute on function app.recommend_items(text, text, integer) to parley_app;
grant execute on function app.bound_free_writes(text, uuid[], integer, boolean) to parley_app, parley_definer;
alter table public.user_interactions force row level security;
revoke all on all functions in schema app from public;
