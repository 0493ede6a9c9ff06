-- Undoes 05_provider_names.sql. An adopted preferences table keeps the type that its column has.
do $$
begin
  drop type if exists public.ai_provider;
exception when dependent_objects_still_exist then
  raise notice 'left type ai_provider: an adopted table uses it';
end $$;
