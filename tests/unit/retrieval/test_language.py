"""The language that a text is written in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.retrieval.language import language_of

SENTENCES = {
    "da": "Kvitteringen blev sendt til mig efter rejsen uden noget mere.",
    "de": "Die Quittung liegt nicht bei der Rechnung und ist auch nicht im Konto.",
    "en": "The receipt and the invoice are in the account that you opened.",
    "es": "El recibo de la compra está con las facturas, pero no es muy claro.",
    "fi": "Kuitti on tilillä, mutta se ei ole vielä valmis kun maksat.",
    "fr": "Le reçu est avec la facture dans le compte que vous avez ouvert.",
    "it": "La ricevuta non è nel conto che hai aperto, ma è con il contratto.",
    "nb": "Kvitteringen ble sendt til meg etter reisen uten noe mer.",
    "nl": "De bon is niet bij het contract dat wij voor een klant hebben.",
    "pt": "O recibo da compra não está com as faturas, mas é muito claro.",
    "ru": "Чек не в договоре, а в счёте, и это важно для вас.",  # noqa: RUF001
    "sv": "Kvittot är inte i avtalet som jag fick, och det ska också sparas.",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_language_is_recognised_by_its_small_words(language: str) -> None:
    assert language_of(SENTENCES[language]) == language


@pytest.mark.parametrize(
    "text",
    ["", "fjord", "x = rows[9]", "日本語のテキスト", "The fjord", "La Traviata y el Rigoletto della Scala di Verdi"],
)
def test_too_few_small_words_or_those_of_two_languages_tell_none(text: str) -> None:
    assert language_of(text) is None


@given(st.text())
def test_any_text_has_one_of_these_languages_or_none(text: str) -> None:
    assert language_of(text) in {None, *SENTENCES}
