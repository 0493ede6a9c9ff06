-- Undoes 61_word_index.sql. An adopted table keeps the words it has; they are generated no more.
do $$
begin
  if to_regclass('public.embeddings') is not null then
    drop trigger if exists _50_forget_words on public.embeddings;
    drop trigger if exists _50_count_out_words on public.embeddings;
    drop trigger if exists _50_index_changed_words on public.embeddings;
    drop trigger if exists _50_index_new_words on public.embeddings;
    drop trigger if exists _10_renumber_chunk on public.embeddings;
    alter table public.embeddings drop column if exists words;
  end if;
end $$;
drop function if exists app.index_document_words();
drop function if exists app.renumber_chunk();
drop function if exists app.merge_segments(text, text, text);
drop function if exists app.is_mostly_gone(bigint[]);
drop aggregate if exists app.concatenate(anycompatiblearray);
drop function if exists app.forget_segments(bigint[]);
drop function if exists app.add_segments(text, text[], text[], bigint[], tsvector[], integer);
drop function if exists app.frequency(smallint[], text[]);
drop table if exists app.word_postings;
drop table if exists app.word_segments;
drop function if exists app.marked(text, text, text);
drop function if exists app.phrase_queries(text[], text[]);
drop function if exists app.stemmers();
drop function if exists app.phrase_query(text[], text[], text);
drop function if exists app.words_of_chunk(text, text, text);
drop function if exists app.words_of(text, text);
drop function if exists app.parted(text, text);
drop function if exists app.lower_case(text);
drop function if exists app.fold_marks(tsquery, text);
drop function if exists app.fold_marks(text, text);
drop function if exists app.own_letters(text);
drop function if exists app.stemmer(text);
