"""Whether two questions are equivalent: may the answer to a stored one serve a new one that looks like it?

Embeddings put "5 mg" beside "50 mg" and "from Paris to Rome" beside the way back. So both questions are read. What
turns an answer (a number, a unit, a date, a negation, who does what to whom, the language, another word in a word's
place) refuses; a logistic model of the cosine and four lexical features says how likely the rest mean the same. It
needs the standard library only and is deterministic. Where its figures come from: docs/decisions/0007-semantic-cache.md
"""

from __future__ import annotations

import math
import operator
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations, pairwise
from typing import NamedTuple

from parley.completion.equivalence_words import (
    AMOUNTS,
    ASKED,
    ASKING,
    AUXILIARIES,
    CONTRACTED_VERBS,
    CONTRACTIONS,
    COORDINATORS,
    DATES,
    DETERMINERS,
    DIGITS,
    DO,
    FUNCTION_WORDS,
    FUTURE,
    GOVERNING,
    LANGUAGE_NAMES,
    LANGUAGES,
    NEGATIONS,
    NUMBERS,
    OPPOSED,
    PAST,
    PERSONS,
    PREPOSITIONS,
    PRICES,
    PRONOUNS,
    QUESTION_WORDS,
    ROMAN,
    SUBJECTS,
    SYNONYMS,
    TENS,
    UNITS,
    VERDICTS,
)

DEFAULT_THRESHOLD = 0.55
"""Hit if the score is at least this; a caller may ask for more, never for less. A refused pair stays below it."""

# Fitted by `python benchmarks/semantic_cache.py --fit`: the constant, then one for each value that `features` returns.
COEFFICIENTS = (-2.541, -2.489, -2.263, -0.755, -0.516, -0.243)

_LONGEST = 1_000  # characters; what is longer is no question that somebody else asks again
_TOKEN = re.compile(
    r"(?<![\w.])-\d[\d,]*(?:\.\d+)?"  # a negative number
    r"|\d+(?:,\d{3})*(?:\.\d+)?|\.\d+"
    r"|[^\W\d_]+(?:'[^\W\d_]+)*(?:\+\+|#(?!\w))?"  # a word; C++ and C# are words too
    r"|(?<=\d)[-/:](?=\d)|(?<=\d)\s*[-+*/^]\s*(?=\d)"  # between numbers these are operators
    r"|[$€£¥₹%°<>=≤≥≠\u00d7÷±~|@^]|!=|!(?=\w)"
)
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b", re.IGNORECASE)
_PRICE = re.compile(r"([$€£¥₹]) ?(\d+(?:[.,]\d+)*)")
_DATA_UNIT = re.compile(r"[kmgt]b(?:ps)?", re.IGNORECASE)
_MILLI_OR_MEGA = re.compile(r"[mM](?:W|Wh|Hz|A|V|J|N|Pa)")
_BRITISH = re.compile(r"is(?=e?$|ation)")
# What _TOKEN does not read as a word.
_ASCII_SIGNS = frozenset("#&*+/\\_{}[]")
_SIGNS = frozenset(("Mn", "Mc", "Me", "Sm", "So"))  # Unicode's marks, and its symbols but money and accents
_CONJUNCTION = re.compile(r"(?<=\w\w)/(?=\w\w)|(?<=\w\w) & (?=\w\w)")  # salt & pepper, him/her
_SENTENCE_ENDS = frozenset(".?!:;\"'()[]“”")
_PLAIN = str.maketrans("\u2019\u2018\u00b4`\u2212\u2013", "''''--")


class Reading(NamedTuple):
    """A question as the rules see it."""

    words: list[str]  # canonical, in order
    content: Counter[str]  # those that are not mere grammar
    names: frozenset[str]  # those written with a capital inside a sentence
    language: str  # "en", a key of LANGUAGES, "other", or "" where nothing tells
    asks_for: str  # "who", "how many", "can"...: what kind of answer is expected
    letters: str  # lower case, single spaces
    signs: str  # what else is written and means something: x + y, 👍, the vowels of बोल


def score(question: str, stored: str, cosine: float) -> float:
    """How likely the stored question's answer serves the new one, 0 to 1.

    Takes both texts and the cosine of their embeddings; grows with the cosine. A refused pair keeps its rank among the
    refused but stays below DEFAULT_THRESHOLD whatever its cosine. Texts over 1,000 characters match only themselves.
    """
    if len(question) > _LONGEST or len(stored) > _LONGEST:
        return float(question == stored)
    new, old = read(question), read(stored)
    return weigh(measure(new, old, cosine), refused=any(refuse(new, old) for refuse in REFUSALS))


def weigh(values: Sequence[float], *, refused: bool, coefficients: Sequence[float] = COEFFICIENTS) -> float:
    """The score of a pair with these features: a logistic curve, squeezed below the threshold for a refused pair."""
    constant, *weights = coefficients
    likely = 1 / (1 + math.exp(-constant - sum(map(operator.mul, weights, values))))
    return DEFAULT_THRESHOLD * (1 - (1 - likely) ** 3) if refused else likely


def features(question: str, stored: str, cosine: float) -> tuple[float, ...]:
    """What the logistic model sees of a pair; for fitting it."""
    return measure(read(question), read(stored), cosine)


def refusals(question: str, stored: str) -> list[str]:
    """The names of the rules that refuse the pair, none if it may hit."""
    new, old = read(question), read(stored)
    return [refuse.__name__ for refuse in REFUSALS if refuse(new, old)]


# --- reading


def read(text: str) -> Reading:
    """Tokens, their canonical forms and what follows from them."""
    text = unicodedata.normalize("NFC", text)
    plain = _PRICE.sub(r"\2 \1", _ORDINAL.sub("", text.translate(_PLAIN)))
    raw = _counted(list(_tokens(plain)))
    words = [canonical(word) for word in raw]
    return Reading(
        words,
        Counter(word for word in words if word not in FUNCTION_WORDS),
        _names(plain),
        _language(raw),
        _asks_for(raw),
        " ".join(raw),
        _signs(text),
    )


def _signs(text: str) -> str:
    """Operators, pictures and combining marks in their order, but not those that stand for "and" or "or"."""
    return "".join(
        sign
        for sign in _CONJUNCTION.sub("", text)
        if sign in _ASCII_SIGNS
        or (not sign.isascii() and unicodedata.category(sign) in _SIGNS and not _TOKEN.match(sign))
    )


def _tokens(text: str) -> Iterator[str]:
    """Words in lower case, numbers without separators, symbols that matter; contractions are written out."""
    for match in _TOKEN.finditer(text):
        token = match.group().strip()
        word = token.lower()
        if word in CONTRACTIONS:
            yield from CONTRACTIONS[word]
        elif "'" in word:
            yield from filter(None, _apart(*word.split("'", 1)))
        elif word.endswith("nt") and word[:-2] in AUXILIARIES:  # hasnt, as typed in haste
            yield from (word[:-2], "not")
        elif token[-1].isdigit():
            yield token.replace(",", "").lstrip("0") or "0"
        elif _DATA_UNIT.fullmatch(token):
            yield token[0].lower() + token[1] + token[2:].lower()  # Mb is not MB
        elif _MILLI_OR_MEGA.fullmatch(token):
            yield token  # mW is not MW
        elif word in ROMAN and token.isupper():
            yield ROMAN[word]
        elif word in FUNCTION_WORDS and _is_marked(token, match.start(), text):
            yield token
        else:
            yield word


def _counted(raw: list[str]) -> list[str]:
    """Twenty-one is 21; "one" is a number where it completes another: a hundred and one, one and a half."""
    words: list[str] = []
    for place, word in enumerate(raw):
        if words and words[-1] in TENS and word in DIGITS:
            words[-1] = str(TENS[words[-1]] + DIGITS[word])
        elif word == "one" and (
            not NUMBERS.keys().isdisjoint(words[-2:] if words[-1:] == ["and"] else words[-1:])
            or raw[place + 1 : place + 3] == ["and", "a"]
            or raw[place + 1 : place + 2] == ["point"]
        ):
            words.append("1")
        else:
            words.append(word)
    return words


def _apart(head: str, tail: str) -> list[str]:
    """What stands before and after an apostrophe, as words."""
    if tail == "t" and head.endswith("n"):
        return [head[:-1], "not"]
    if tail == "s":  # "what's" is a verb, "Anna's" a genitive
        return [head, "is"] if head in FUNCTION_WORDS else [head]
    return [head, CONTRACTED_VERBS.get(tail, tail)]


def _is_marked(written: str, start: int, text: str) -> bool:
    """Whether a word of grammar is meant as a name: "the US", "vitamin A", "in May"."""
    if text.isupper() or not start:
        return False
    inside = text[:start].rstrip()[-1:] not in _SENTENCE_ENDS
    return written == "May" or (inside and written.isupper() and written != "I")


@lru_cache(maxsize=4096)
def canonical(word: str) -> str:
    """A word's common form: number words as digits, plurals and -ing and -ed cut off, synonyms as one."""
    if word in NUMBERS:
        return NUMBERS[word]
    if word in FUNCTION_WORDS or word in NEGATIONS or word in DATES:
        return word
    if word.removesuffix("s") in DATES:
        return word.removesuffix("s")
    stem = _stem(word)
    return _SYNONYM_STEMS.get(stem, stem)


def _stem(word: str) -> str:
    if len(word) < 4:
        return word
    if word.endswith("ies"):
        word = word[:-3] + "y"
    elif word.endswith("s") and not word.endswith(("ss", "us", "is", "news")):
        word = word[:-1]
    for suffix in ("ing", "ed"):
        base = word.removesuffix(suffix)
        if len(base) >= 3 and base != word and base[-1] != "e" and any(vowel in base for vowel in "aeiouy"):
            word = base[:-1] if base[-1] == base[-2] and base[-1] not in "sl" else base
            break
    if len(word) > 5:
        word = _BRITISH.sub("iz", word).replace("our", "or")
    if word.endswith("ie"):
        return word[:-2] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


_SYNONYM_STEMS = {_stem(word): _stem(same) for word, same in SYNONYMS.items()}
_UNITS = frozenset(canonical(word) for word in UNITS)
_NEGATIONS = NEGATIONS | {_stem(word) for word in NEGATIONS}  # avoided, refuses
_SPOKEN_IN: dict[str, list[str]] = {}
for _name, _common in {"en": FUNCTION_WORDS, **LANGUAGES}.items():
    for _word in _common:
        _SPOKEN_IN.setdefault(_word, []).append(_name)
_FOREIGN = frozenset[str]().union(*LANGUAGES.values()) - FUNCTION_WORDS - SYNONYMS.keys()


def _names(text: str) -> frozenset[str]:
    parts = text.split()
    capitals = [part for before, part in pairwise(parts) if part[:1].isupper() and before[-1] not in _SENTENCE_ENDS]
    if len(capitals) * 3 > len(parts) * 2:  # Every Word Of A Title
        return frozenset()
    return frozenset(canonical(word) for part in capitals for word in _tokens(part))


def _language(raw: list[str]) -> str:
    counts = Counter(name for word in raw for name in _SPOKEN_IN.get(word, ()))
    if counts:
        return max(counts, key=lambda name: (counts[name], name == "en"))  # English where two are even
    return "" if all(word.isascii() for word in raw) else "other"


def _asks_for(raw: list[str]) -> str:
    courtesy = not ASKED.isdisjoint(raw[1:2]) and not ASKING.isdisjoint(raw[2:5])  # could you tell me how
    if raw and raw[0] in VERDICTS and not courtesy:
        return VERDICTS[raw[0]]
    for place, word in enumerate(raw):
        rest = raw[place + 1 :]
        if word == "how":
            return f"how {canonical(rest[0])}" if rest and rest[0] in AMOUNTS else "how"
        if word in QUESTION_WORDS:
            kind = QUESTION_WORDS[word]
            if kind != "what":
                return kind
            if _asks_for_a_way(rest):
                return "how"
            if rest[:1] == ["time"] or ("time", "to") in pairwise(rest):
                return "when"
            return kind if PRICES.isdisjoint(rest) else "how much"
    return ""


def _asks_for_a_way(rest: list[str]) -> bool:
    """What is the best way to, what can I do to: how."""
    return "way" in rest or "ways" in rest or ("do", "to") in pairwise(rest)


# --- what refuses


def numbers_differ(new: Reading, old: Reading) -> bool:
    """In order, so that 3/4 is not 4/3; signs and operators count as numbers."""

    def numbers(reading: Reading) -> list[str]:
        return [word for word in reading.words if _is_number(word)]

    return numbers(new) != numbers(old)


def dates_differ(new: Reading, old: Reading) -> bool:
    return _of(new, DATES) != _of(old, DATES)


def signs_differ(new: Reading, old: Reading) -> bool:
    """x + y is not x - y; in Hindi or Thai, or where accents are written apart, a mark makes another word."""
    return new.signs != old.signs


def units_differ(new: Reading, old: Reading) -> bool:
    return _of(new, _UNITS) != _of(old, _UNITS)


def negations_differ(new: Reading, old: Reading) -> bool:
    return _of(new, _NEGATIONS) != _of(old, _NEGATIONS)


def _of(reading: Reading, kind: frozenset[str]) -> list[str]:
    return sorted(word for word in reading.words if word in kind)


def languages_differ(new: Reading, old: Reading) -> bool:
    """As a whole, by a small foreign word in one only ("en español"), or by the language asked for.

    Where the one is English and the other shows no grammar that we know, every word of it has to be in the first.
    """
    if new.language and old.language:
        if new.language != old.language:
            return True
    elif "en" in (new.language, old.language):
        bare, other = (old, new) if new.language else (new, old)
        if bare.content - other.content:
            return True
    return any(
        word in _FOREIGN or word in LANGUAGE_NAMES or not word.isascii()
        for word in {*new.letters.split()} ^ {*old.letters.split()}
    )


def another_kind_of_answer(new: Reading, old: Reading) -> bool:
    """Who is not when. A bare phrase ("best places in Chennai") asks what, or how."""
    kinds = {new.asks_for, old.asks_for}
    return len(kinds) == 2 and kinds not in ({"", "what"}, {"", "how"})


def tenses_differ(new: Reading, old: Reading) -> bool:
    """Past against any other; future against any other."""
    if AUXILIARIES.isdisjoint(new.words) and AUXILIARIES.isdisjoint(old.words):  # the main verb tells: change, changed
        changed = {*new.letters.split()} ^ {*old.letters.split()}
        if any(word + "ed" in changed or word + "d" in changed for word in changed):
            return True
    return any(tense.isdisjoint(new.words) != tense.isdisjoint(old.words) for tense in (PAST, FUTURE))


def opposed_words(new: Reading, old: Reading) -> bool:
    """From against to, and against or: grammar, but not the same."""
    here, there = set(new.words) - set(old.words), set(old.words) - set(new.words)
    return any((a in here and b in there) or (b in here and a in there) for a, b in OPPOSED)


def word_replaced(new: Reading, old: Reading) -> bool:
    """Each has a word that the other lacks; where English grammar is not there to be read, either is enough."""
    here, there = new.content - old.content, old.content - new.content
    if "en" in (new.language, old.language):
        return bool(here and there)
    return new.words != old.words


def name_added(new: Reading, old: Reading) -> bool:
    added = (new.content - old.content) | (old.content - new.content)
    return any(word in new.names or word in old.names for word in added)


def roles_swapped(new: Reading, old: Reading) -> bool:
    """Two words that both have come in another order, and not merely in another wording."""
    return any(
        one[1] > other[1] and _order_counts(new, old, one, other) for one, other in combinations(_aligned(new, old), 2)
    )


def _order_counts(new: Reading, old: Reading, one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether it matters that these two changed places; each is its place in the new and in the old question."""
    words = {new.words[one[0]], new.words[other[0]]}
    here, there = set(new.words[one[0] + 1 : other[0]]), set(old.words[other[1] + 1 : one[1]])
    if _brings_preposition(new.words, old.words, one, other) or "not" in words:
        return False
    if not here & there <= _MAY_LINK:
        return True  # around a third: A before B, B before A
    if here & there & COORDINATORS:
        return False  # A and B
    if (here | there) & COORDINATORS and any(map(_is_number, words)):
        return True  # three cats and a dog, cats and three dogs
    if here | there <= DETERMINERS:
        return True  # neighbours: a house dog, a dog house
    if words <= new.names:
        return not _is_genitive(here, there)
    # To eat a lion, for a lion to eat.
    return ("to" in here and there <= DETERMINERS and _preposition(new.words, one[0]) == "for") or (
        "to" in there and here <= DETERMINERS and _preposition(old.words, other[1]) == "for"
    )


def _is_number(word: str) -> bool:
    return not word[0].isalpha() or word in NUMBERS


def _is_genitive(here: set[str], there: set[str]) -> bool:
    """India's GDP, the GDP of India."""
    return not (here and there) and "of" in here | there and here | there <= _MAY_LINK | {"of"}


def _brings_preposition(new: list[str], old: list[str], one: tuple[int, int], other: tuple[int, int]) -> bool:
    """From A to B, to B from A."""
    first, second = _preposition(new, one[0]), _preposition(new, other[0])
    return first != second and (first, second) == (_preposition(old, one[1]), _preposition(old, other[1])) != ("", "")


def _preposition(words: list[str], place: int) -> str:
    """What governs the word at this place."""
    while place and words[place - 1] in DETERMINERS:
        place -= 1
    return words[place - 1] if place and words[place - 1] in PREPOSITIONS else ""


def owners_differ(new: Reading, old: Reading) -> bool:
    """My in one and your in the other, unless the subject goes with it (how do I ... my, how do you ... your)."""
    if not SUBJECTS.isdisjoint({*new.words} ^ {*old.words}):
        return False
    here, there = ({PERSONS[word] for word in reading.words if word in PERSONS} for reading in (new, old))
    return bool(here - there and there - here)


def question_inverted(new: Reading, old: Reading) -> bool:
    """Who loves Anna, who does Anna love: the one asks for the subject, the other for the object."""
    for one, other in ((new, old), (old, new)):
        if one.asks_for in ("who", "what") and not DO.isdisjoint(one.words) and AUXILIARIES.isdisjoint(other.words):
            return _order(new) != _order(old)
    return False


def _order(reading: Reading) -> list[str]:
    return [word for word in reading.words if word in reading.content or word in PRONOUNS]


def objects_differ(new: Reading, old: Reading) -> bool:
    """What follows "from" or "than" in both: to A from B is not from A to B."""
    return any(_after(word, new) != _after(word, old) for word in GOVERNING if word in new.words and word in old.words)


def _after(preposition: str, reading: Reading) -> str:
    """The next word that carries meaning."""
    rest = reading.words[reading.words.index(preposition) + 1 :]
    return next((word for word in rest if word in reading.content and word not in _UNITS), "")


def voices_differ(new: Reading, old: Reading) -> bool:
    """A "by" in one only: what was done by Brutus is not what Brutus suffered."""
    return ("by" in new.words) != ("by" in old.words)


_MAY_LINK = DETERMINERS | COORDINATORS


def _aligned(new: Reading, old: Reading) -> list[tuple[int, int]]:
    """Places of the content words that both have, n-th beside n-th; empty if they come in the same order."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(old.words):
        places.setdefault(word, []).append(place)
    shared = [
        (place, places[word].pop(0)) for place, word in enumerate(new.words) if word in new.content and places.get(word)
    ]
    return [] if all(a[1] < b[1] for a, b in pairwise(shared)) else shared


REFUSALS: tuple[Callable[[Reading, Reading], bool], ...] = (
    word_replaced,
    numbers_differ,
    dates_differ,
    signs_differ,
    units_differ,
    negations_differ,
    languages_differ,
    another_kind_of_answer,
    tenses_differ,
    opposed_words,
    name_added,
    roles_swapped,
    owners_differ,
    question_inverted,
    objects_differ,
    voices_differ,
)


# --- what is weighed


def measure(new: Reading, old: Reading, cosine: float) -> tuple[float, ...]:
    """The model's features; see COEFFICIENTS."""
    here, there = new.content - old.content, old.content - new.content
    common, apart = (new.content & old.content).total(), here.total() + there.total()
    return (
        math.log(max(1 - cosine, 0) + 0.01),  # how far apart the embeddings are
        _trigram_overlap(new.letters, old.letters),
        common / (common + apart or 1),
        float(numbers_differ(new, old)),
        float(another_kind_of_answer(new, old)),
    )


def _trigram_overlap(a: str, b: str) -> float:
    """Dice's coefficient over character trigrams: forgives spelling and endings."""
    first, second = ({text[i : i + 3] for i in range(len(text) - 2)} for text in (f" {a} ", f" {b} "))
    return 2 * len(first & second) / (len(first) + len(second) or 1)
