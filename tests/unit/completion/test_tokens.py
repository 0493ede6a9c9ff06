# ruff: noqa: E501, RUF001 (the texts stand as they were measured)
"""The bound of a text's tokens, against what tokenizers made of texts of many kinds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.completion.history import message_tokens, most_tokens
from parley.providers.protocol import Media, Message

# What the tokenizers cl100k_base and o200k_base make of each (bpe-openai 0.1.4, measured on 2026-11-28).
# fmt: off
MEASURED = [
    ("english", "The committee will meet again on Thursday to discuss whether the new policy should apply to everyone, including those who joined last year. I have been thinking about leaving my job, but I'm not sure what I would do next.", 45, 44),
    ("german", "Die Donaudampfschifffahrtsgesellschaft veröffentlichte gestern überraschend ihre Geschäftszahlen für das abgelaufene Jahr, und viele Aktionäre zeigten sich enttäuscht über die Rückgänge.", 58, 42),
    ("swedish", "Jag funderar på att säga upp mig från mitt arbete, men jag vet inte riktigt vad jag skulle göra härnäst. Föräldrarna tycker att jag bör vänta.", 46, 36),
    ("finnish", "Epäjärjestelmällisyydellään hän hämmästytti kaikkia, vaikka kukaan ei tohtinut sanoa siitä mitään ääneen kokouksessa.", 50, 37),
    ("polish", "Wczoraj zarząd przedsiębiorstwa ogłosił nieoczekiwanie wyniki finansowe za ubiegły rok, a wielu akcjonariuszy wyraziło rozczarowanie.", 52, 40),
    ("vietnamese", "Hôm qua hội đồng quản trị đã bất ngờ công bố kết quả tài chính của năm ngoái, và nhiều cổ đông bày tỏ sự thất vọng.", 59, 34),
    ("chinese", "委员会将于星期四再次开会，讨论新政策是否应该适用于所有人，包括去年加入的人。我一直在考虑辞职，但不确定接下来该做什么。", 66, 37),
    ("traditional", "委員會將於星期四再次開會，討論新政策是否應該適用於所有人，包括去年加入的人。", 52, 29),
    ("japanese", "委員会は木曜日に再び会合を開き、新しい方針を昨年入社した人を含む全員に適用すべきかどうかを話し合います。", 59, 46),
    ("korean", "위원회는 목요일에 다시 모여 새로운 정책을 지난해에 입사한 사람들을 포함한 모두에게 적용해야 하는지 논의할 것입니다.", 60, 32),
    ("rare hanzi", "龘龖齾鱻麤鸞靐齉爨驫灪籲鬱钃麣", 37, 31),
    ("russian", "Вчера правление неожиданно опубликовало финансовые результаты за прошлый год, и многие акционеры выразили разочарование.", 52, 30),
    ("greek", "Χθες το διοικητικό συμβούλιο ανακοίνωσε απροσδόκητα τα οικονομικά αποτελέσματα του περασμένου έτους.", 90, 31),
    ("arabic", "أعلن مجلس الإدارة أمس بشكل غير متوقع عن النتائج المالية للعام الماضي، وأعرب كثير من المساهمين عن خيبة أملهم.", 76, 31),
    ("hebrew", "הדירקטוריון פרסם אתמול במפתיע את התוצאות הכספיות של השנה שעברה ובעלי מניות רבים הביעו אכזבה.", 91, 37),
    ("hindi", "निदेशक मंडल ने कल अप्रत्याशित रूप से पिछले वर्ष के वित्तीय परिणाम घोषित किए और कई शेयरधारकों ने निराशा व्यक्त की।", 110, 34),
    ("thai", "เมื่อวานนี้คณะกรรมการได้ประกาศผลประกอบการของปีที่แล้วโดยไม่คาดคิด และผู้ถือหุ้นหลายคนแสดงความผิดหวัง", 93, 36),
    ("tamil", "நேற்று இயக்குநர் குழு கடந்த ஆண்டின் நிதி முடிவுகளை எதிர்பாராத விதமாக அறிவித்தது.", 105, 27),
    ("amharic", "ቦርዱ ትናንት ያለፈውን ዓመት የፋይናንስ ውጤት ባልተጠበቀ ሁኔታ ይፋ አደረገ።", 119, 89),
    ("burmese", "ဒါရိုက်တာအဖွဲ့သည် မနေ့က မနှစ်က ဘဏ္ဍာရေးရလဒ်များကို မမျှော်လင့်ဘဲ ထုတ်ပြန်ခဲ့သည်။", 156, 45),
    ("georgian", "გუშინ დირექტორთა საბჭომ მოულოდნელად გამოაქვეყნა გასული წლის ფინანსური შედეგები.", 149, 26),
    ("emoji", "😀😂🥲🚀🎉👍🔥💯🙏🤷🏽‍♀️👨‍👩‍👧‍👦🏳️‍🌈🇸🇪🇯🇵🫠🪿🧌", 82, 54),
    ("flags", "🇸🇪🇳🇴🇩🇰🇫🇮🇮🇸🇪🇪🇱🇻🇱🇹🇰🇿🇺🇾", 60, 40),
    ("math", "𝒜𝓁𝓁 𝕚𝕤 𝔣𝔞𝔦𝔯 ∀x∈ℝ ∃y: x²+y²≥0 ⇒ √(x²)=|x|", 54, 55),
    ("cuneiform", "𒀀𒀁𒀂𒀃𒀄𒀅𒀆𒀇", 32, 32),
    ("python", "def fit(turns, budget):\n    kept = []\n    for turn in reversed(turns):\n        if (tokens := estimated_tokens(turn.content)) > budget:\n            break\n        budget -= tokens\n        kept.insert(0, turn)\n    return kept\n", 52, 52),
    ("caps", "THE COMMITTEE WILL MEET AGAIN ON THURSDAY TO DISCUSS WHETHER THE NEW POLICY SHOULD APPLY TO EVERYONE.", 27, 26),
    ("hex", "e1a69db37307a483d29ce1cd40d58c7e5432b5f3161a8cd7174909d50e54a29b4d084990062a12a9", 49, 49),
    ("digits", "475771046563414839603062027868387380695604230411442694208093", 20, 20),
    ("json", "[{\"id\": 0, \"user_id\": \"user_0\", \"price\": \"0.00\", \"ok\": true}, {\"id\": 1, \"user_id\": \"user_37\", \"price\": \"1.17\", \"ok\": true}, {\"id\": 2, \"user_id\": \"user", 69, 69),
    ("uuid", "cdf84404-3ac7-4a2a-a2d5-959f8cfe5cd1 2e47dc0e-dc6b-4177-acc6-cc0e8d103ed", 50, 50),
    ("punct", "{.?=(]';;-$}|['`~-@};%`[=)]![$_'^=-@:<>()\"?&@@}<;({.~)^@.-):", 37, 37),
]
# fmt: on


@pytest.mark.parametrize(("kind", "text", "cl100k", "o200k"), MEASURED)
def test_no_kind_of_text_has_more_tokens_than_the_bound(kind: str, text: str, cl100k: int, o200k: int) -> None:
    assert max(cl100k, o200k) <= most_tokens(text), kind


@given(st.lists(st.sampled_from(MEASURED), max_size=8))
def test_texts_of_several_kinds_have_no_more_tokens_than_the_bound(parts: list[tuple[str, str, int, int]]) -> None:
    # A tokenizer may split where the parts meet, and then counts as many as the parts have.
    assert sum(max(counts) for _, _, *counts in parts) <= most_tokens("".join(text for _, text, *_ in parts)) + len(
        parts
    )


@given(st.text(), st.text())
def test_the_bound_is_of_bytes_and_grows_with_the_text(one: str, other: str) -> None:
    both = most_tokens(one + other)
    assert max(most_tokens(one), most_tokens(other)) <= both <= most_tokens(one) + most_tokens(other)
    assert both <= len((one + other).encode(errors="replace"))
    assert len(one + other) <= 3 * both


def test_media_count_alike_in_a_users_message_and_in_a_tools_result() -> None:
    image, text = Media("image", "image/png", "AAAA"), "A map:"
    users = message_tokens(Message("user", text, parts=[text, image]))
    assert users == message_tokens(Message("tool", text, parts=[text, image], tool_call_id="a"))
    assert users > message_tokens(Message("user", text)) + 1_000
