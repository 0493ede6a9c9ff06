"""The word index: what it says after any changes, whose words it uses, and what stays of them."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.postgres.server import Server
from parley.retrieval.snippets import Match, matches_of
from testing.claims import SERVICE, set_claims
from testing.databases import ScratchDatabase, new_database
from tests.integration.schema.search.documents import ALICE, BOB, search, sign_in

WORDS = ("fox", "hen", "lake", "trail", "espresso", "pressure", "card", "refund")
INSERT = "insert into embeddings (id, user_id, content, title, language) values (%s, %s, %s, %s, %s)"


Both = tuple[psycopg.Connection, psycopg.Connection]


@pytest.fixture(scope="module")
def _reading_room(postgres: Server, migrated_template: str) -> Iterator[Both]:
    with (
        new_database(postgres, migrated_template) as database,
        database.connect() as owner,
        database.connect("app", autocommit=False) as app,
    ):
        owner.execute('insert into "user" (id) values (%s), (%s)', (ALICE, BOB))
        yield owner, app


@pytest.fixture
def reading_room(_reading_room: Both) -> Both:
    """The owner's and the functions' connection to a database without documents, for tests that only find some."""
    _reading_room[0].execute("truncate embeddings")
    return _reading_room


def write(
    owner: psycopg.Connection, key: str, content: str, *, user: str | None = ALICE, title: str | None = None,
    language: str | None = None,
) -> None:  # fmt: skip
    owner.execute(INSERT, (key, user, content, title, language))


def found(app: psycopg.Connection, query: str, user: str = ALICE, **options: object) -> dict[str, float]:
    rows = search(app, user, query=query, mode="keyword", limit=100, **options)
    return {row[0]: row[2] for row in rows}


def rebuild(owner: psycopg.Connection) -> None:
    """The index as one statement makes it of everything that there is."""
    owner.execute("delete from app.word_postings")
    owner.execute("delete from app.word_segments")
    owner.execute(
        "select app.add_segments('documents', array_agg(user_id), array_agg(app.stemmer(language)),"
        " array_agg(chunk_number), array_agg(words), 1) from embeddings having count(*) > 0"
    )


_CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["insert", "insert", "insert", "update", "delete", "many"]),
        st.integers(0, 30),
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=12),
        st.sampled_from([None, "en", "sv"]),
    ),
    max_size=45,
)


@given(changes=_CHANGES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_scores_are_those_of_an_index_that_is_built_anew(
    owner: psycopg.Connection, app: psycopg.Connection, changes: list[tuple[str, int, list[str], str | None]]
) -> None:
    owner.execute("truncate embeddings")
    for kind, number, words, language in changes:
        key, content = str(number), " ".join(words)
        if kind == "insert":
            owner.execute(INSERT + " on conflict do nothing", (key, ALICE, content, None, language))
        elif kind == "update":
            owner.execute("update embeddings set content = %s where id = %s", (content, key))
        elif kind == "delete":
            owner.execute("delete from embeddings where id = %s", (key,))
        else:
            owner.execute(
                "insert into embeddings (user_id, content) select %s, %s || ' ' || n from generate_series(1, %s) n",
                (ALICE, content, number),
            )
    queries = ("fox", "hen lake", "trail espresso pressure", "card refund fox hen")
    changed = [found(app, query) for query in queries]
    rebuild(owner)
    for query, scores in zip(queries, changed, strict=True):
        assert scores == pytest.approx(found(app, query), rel=0.01)


def test_many_small_writes_leave_few_segments(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    for number in range(300):
        write(owner, f"d{number}", f"fox number {number}")
    assert owner.execute("select count(*) < 40, sum(chunks) from app.word_segments").fetchone() == (True, 300)
    assert len(found(app, "fox")) == 100
    assert list(found(app, "217")) == ["d217"]


def test_what_is_written_anew_leaves_the_index_no_larger(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    count, batch = 4_100, 300  # one segment of a size that is not merged otherwise
    owner.execute(
        "insert into embeddings (id, user_id, content) select n, %s, 'fox ' || n from generate_series(1, %s) n",
        (ALICE, count),
    )
    for start in range(0, count, batch):
        owner.execute(
            "update embeddings set content = 'hen ' || id where id::integer between %s and %s",
            (start + 1, start + batch),
        )
    listed = owner.execute("select sum(listed), sum(chunks) from app.word_segments").fetchone()
    assert listed is not None
    assert (listed[0] < 1.5 * count, listed[1]) == (True, count)
    scores = found(app, "hen 17")
    assert found(app, "fox") == {}
    rebuild(owner)
    assert scores == pytest.approx(found(app, "hen 17"))


def test_documents_written_anew_one_by_one_are_not_merged_again_and_again(owner: psycopg.Connection) -> None:
    count = 400
    owner.execute(
        "insert into embeddings (id, user_id, content) select n, %s, 'fox' || n from generate_series(1, %s) n",
        (ALICE, count),
    )
    written = "select n_tup_ins from pg_stat_xact_user_tables where relname = 'word_postings'"
    with owner.transaction():
        for number in range(1, count + 1):
            owner.execute("update embeddings set content = 'hen' || id where id = %s", (str(number),))
        rows = owner.execute(written).fetchone()
    # A word of each new text and one of each old text, as they come and in a few merges; not in each one from then on.
    assert rows is not None
    assert rows[0] <= 2 * count * 5


def test_rarer_words_and_more_of_them_rank_higher(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    for number in range(20):
        write(owner, f"common-{number}", "the fox of the wood")
    write(owner, "rare", "an okapi of the wood")
    write(owner, "both", "an okapi and a fox of the wood")
    assert list(found(app, "what does an okapi say to a fox of the wood?"))[:2] == ["both", "rare"]


def test_a_word_of_the_title_weighs_more(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    write(owner, "content", "lakes fox hen", title="notes on trails")
    write(owner, "title", "lakes trails hen", title="notes on fox")
    assert list(found(app, "fox")) == ["title", "content"]


@pytest.mark.parametrize(
    ("language", "content", "query"),
    [
        ("en", "the refunds were paid", "refund paying"),
        ("en-GB", "the refunds were paid", "refund"),
        ("sv", "bilarna står på gatan", "bil gata"),
        ("de", "die Häuser der Stadt", "Haus Häusern"),
        ("fr", "un café crème", "cafe creme"),
        ("en", "naïve café", "naive cafe"),
        ("und", "refunds", "refunds"),
        ("zh", "退款 信用卡", "退款"),
        (None, "السلام عليكم", "السلام"),
        ("fr", "sœurs de cœur", "coeur"),
        ("fr", "sœurs de coeur", "cœur"),
        ("en", "phở by Nguyễn", "nguyen pho"),
        ("ru", "ёлка и край", "елка край"),
        ("tr", "IŞIK", "ışık"),  # noqa: RUF001
        ("tr", "İZMİR", "izmir"),
        ("tr", "IBM ISTANBUL", "ibm"),
        (None, "תִּקּוּן עולם", "תקון"),
        ("ar", "كِتَابٌ جديد", "كتاب"),
        (None, "كِتَابٌ جديد", "كتـــاب"),
    ],
)
def test_words_are_found_in_other_forms_of_their_language(
    reading_room: Both, language: str | None, content: str, query: str
) -> None:
    owner, app = reading_room
    write(owner, "it", content, language=language)
    write(owner, "other", "something else", language="en")
    assert list(found(app, query)) == ["it"]


@pytest.mark.parametrize(
    ("content", "query"),
    [
        ("the colour and/or the size", "size or"),
        ("black/white", "white"),
        ("write to help@example.com today", "help"),
        ("write to help@example.com today", "help@example.com"),
        ("see https://example.com/docs/install-guide", "install-guide"),
        ("List<String> names", "string"),
        ("“Refunds” reach the card—fast…", "refunds"),
        ("“Refunds” reach the card—fast…", "fast"),
        ("What’s new?", "what's"),  # noqa: RUF001
        ("ÉCOLE Öl", "öl"),
        ("cafe\u0301 noir", "caf\u00e9"),
        ("caf\u00e9 noir", "cafe\u0301"),
        ("メモリを増やす方法。", "メモリ"),
        ("人工智能技术发展迅速", "技术"),
        ("대한민국의 헌법을 번역", "헌법"),
        ("대한민국의 헌법을 번역", "민국"),
        ("開始ﾕｰｻﾞｰ認証", "ユーザー"),
        ("Ｆｕｌｌ １２３", "full 123"),  # noqa: RUF001
        ("oﬃce ﬁles", "office"),
        ("soft\u00adware", "software"),
        ("\ufeffrefunds", "refunds"),
        ("\u202brefunds\u200f", "refunds"),
        ("refunds\u200bpaid", "paid"),
        ("refunds→paid", "paid"),
        ("well\u2011known", "well-known"),
        ("at −40 degrees", "40"),  # noqa: RUF001
        ("good👩\u200d🚀luck", "luck"),
        ("كتاب؟قلم،ورق", "قلم"),
        ("किताब।कलम", "कलम"),
        ("ספר־טוב", "טוב"),
        ("צה״ל", 'צה"ל'),
        ("п’ять", "п\u02bcять"),  # noqa: RUF001
    ],
)
def test_words_are_told_apart_in_any_script_and_spelling(reading_room: Both, content: str, query: str) -> None:
    owner, app = reading_room
    (version,) = owner.execute("show server_version_num").fetchone() or (0,)
    if content == "ÉCOLE Öl" and int(version) < 170000:
        pytest.skip("before PostgreSQL 17 the locale C knows no capitals beyond ASCII")
    write(owner, "it", content)
    write(owner, "other", "something else")
    assert list(found(app, query)) == ["it"]


def test_all_punctuation_and_spaces_part_words_and_matches_are_still_told_in_the_text_itself(
    owner: psycopg.Connection,
) -> None:
    # Beyond these, for the scripts of the past, it is not told apart.
    characters = [chr(code) for code in range(0x80, 0x10000) if unicodedata.category(chr(code))[0] in "LMNPSZ"]
    rows = owner.execute(
        "select c, tsvector_to_array(app.words_of('fox' || c || 'hen', 'simple')),"
        " app.marked('fox' || c || 'hen fox', 'fox', 'simple') from unnest(%s::text[]) c",
        (characters,),
    ).fetchall()
    joined = [c for c, words, _ in rows if unicodedata.category(c)[0] in "PZ" and not {"fox", "hen"} <= set(words)]
    assert joined == []
    lost = [c for c, _, marked in rows if matches_of(marked, f"fox{c}hen fox")[-1:] != [Match(8, 11)]]
    assert lost == []


def test_a_phrase_of_chinese_is_its_characters_in_order(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    write(owner, "it", "人工智能技术发展迅速")
    write(owner, "turned", "术技能智工人")
    assert list(found(app, "智能技术", phrases=["智能技术"])) == ["it"]
    assert list(found(app, "智能技术", excluded=["智能"])) == ["turned"]


def test_letters_of_a_language_are_no_marks(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    write(owner, "hår", "hår", language="sv")
    write(owner, "har", "har hår", language="fr")
    assert set(found(app, "hår")) == {"hår", "har"}
    assert set(found(app, "har")) == {"har"}


def test_words_that_begin_so_are_found_below_whole_words(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    write(owner, "compound", "körkortsteori körkortsprov för alla", language="sv")
    assert list(found(app, "körkort")) == ["compound"]
    write(owner, "whole", "den som har ett körkort kan köra bil på alla vägar i hela landet", language="sv")
    assert list(found(app, "körkort")) == ["whole", "compound"]
    assert list(found(app, "kör")) == ["whole"]
    assert list(found(app, "teori")) == []


def test_of_many_words_that_begin_so_the_first_are_taken_however_they_are_read(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    owner.execute(
        "insert into embeddings (id, user_id, content) select n, %s, 'trail' || n from generate_series(10, 69) n",
        (ALICE,),
    )
    owner.execute(
        "with posting as (delete from app.word_postings returning *)"
        " insert into app.word_postings select * from posting order by term desc"
    )
    first = {str(number) for number in range(10, 60)}
    assert set(found(app, "trail")) == first
    app.execute("set enable_indexscan = off; set enable_bitmapscan = off; set enable_indexonlyscan = off")
    app.commit()
    assert set(found(app, "trail")) == first


def test_a_word_deleted_elsewhere_and_a_word_of_another_tenant_change_no_score(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    write(owner, "one", "fox lake")
    write(owner, "two", "fox trail card")
    write(owner, "public", "lake trail", user=None)
    before = found(app, "fox lake")
    owner.execute(
        "insert into embeddings (user_id, content) select %s, 'lake lake fox' from generate_series(1, 200)", (BOB,)
    )
    write(owner, "gone", "lake lake lake")
    owner.execute("delete from embeddings where id = 'gone'")
    assert found(app, "fox lake") == before


def test_a_document_is_found_once_it_is_committed_and_not_before(
    database: ScratchDatabase, owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    with database.connect("app", autocommit=False) as writer:
        sign_in(writer, ALICE)
        writer.execute("insert into embeddings (id, user_id, content) values ('new', %s, 'okapi')", (ALICE,))
        assert found(app, "okapi") == {}
        writer.commit()
    assert list(found(app, "okapi")) == ["new"]


def test_nothing_is_kept_of_the_words_of_a_user_without_documents(owner: psycopg.Connection) -> None:
    write(owner, "one", "secret words")
    write(owner, "two", "more words")
    owner.execute("delete from embeddings where id = 'one'")
    assert owner.execute("select count(*) from app.word_segments").fetchone() != (0,)
    owner.execute("delete from embeddings where user_id = %s", (ALICE,))
    assert owner.execute("select count(*) from app.word_segments").fetchone() == (0,)
    assert owner.execute("select count(*) from app.word_postings").fetchone() == (0,)


def test_what_is_deleted_while_another_writer_merges_is_counted_out(
    database: ScratchDatabase, owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    for number in range(15):
        write(owner, f"d{number}", f"fox number {number}")
    with database.connect("app", autocommit=False) as writer, database.connect("app", autocommit=False) as deleter:
        sign_in(writer, ALICE)
        writer.execute("insert into embeddings (id, user_id, content) values ('new', %s, 'fox lake')", (ALICE,))
        sign_in(deleter, ALICE)
        deleter.execute("delete from embeddings where user_id = %s", (ALICE,))
        deleter.commit()
        writer.commit()
    scores = found(app, "fox lake")
    rebuild(owner)
    assert scores == pytest.approx(found(app, "fox lake"))


def test_phrases_must_stand_and_excluded_words_must_not(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    write(owner, "phrase", "the boundary layer flows", language="en")
    write(owner, "apart", "a layer at the boundary", language="en")
    assert list(found(app, "boundary layer", phrases=["boundary layer"])) == ["phrase"]
    assert list(found(app, "boundary layer", excluded=["flow"])) == ["apart"]
    assert set(found(app, "boundary layer", excluded=["the"])) == {"phrase", "apart"}


@pytest.mark.parametrize("query", ["", "the of and", "🙂", '"', "-", "!&|()<>:*", "\\"])
def test_a_query_without_a_word_finds_nothing(reading_room: Both, query: str) -> None:
    owner, app = reading_room
    write(owner, "one", "the fox of the wood", language="en")
    assert found(app, query) == {}


def test_common_words_alone_still_answer_in_a_stable_order(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    for number in range(50):
        write(owner, f"d{number}", "fox and hen")
    first = list(found(app, "fox hen"))
    assert len(first) == 50
    assert list(found(app, "hen fox")) == first


def test_eight_writers_of_one_tenant_lose_nothing(database: ScratchDatabase, owner: psycopg.Connection) -> None:
    errors: list[BaseException] = []

    def import_some(writer: int) -> None:
        try:
            with database.connect("app", autocommit=False) as connection:
                for _ in range(10):
                    sign_in(connection, ALICE)
                    connection.execute(
                        "insert into embeddings (user_id, content)"
                        " select %s, 'fox number ' || n from generate_series(1, 5) n",
                        (ALICE,),
                    )
                    connection.execute(
                        "delete from embeddings where content = 'fox number 5' and user_id = %s", (ALICE,)
                    )
                    connection.commit()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=import_some, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    there = owner.execute("select count(*) from embeddings").fetchone()
    assert owner.execute("select sum(chunks) from app.word_segments").fetchone() == there
    fox = "select sum(chunks) from app.word_postings where term = 'fox'"
    assert owner.execute(fox).fetchone() == there


def test_the_service_writes_public_documents_and_content_that_words_find(
    database: ScratchDatabase, owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    with database.connect("service", autocommit=False) as service:
        set_claims(service, SERVICE)
        service.execute("insert into embeddings (id, content) values ('public', 'okapi')")
        service.execute("insert into content_items (content_type, title) values ('route', 'okapi road')")
        service.commit()
    rows = search(app, ALICE, query="okapi", mode="keyword", types=["document", "route"])
    assert [row[3] for row in rows] == [True, False]
