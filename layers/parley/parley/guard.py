"""The semantic cache's guard: may the answer to a stored question serve a new one that looks like it?

Embeddings put "5 mg" beside "50 mg" and "from Paris to Rome" beside the way back. The guard reads both questions. What is
known to turn an answer (a number, a unit, a date, a negation, who does what to whom, the language, what is asked for)
vetoes; a small logistic model scores the rest from the cosine and the words that one question has and the other has not.
Standard library only, deterministic, without state.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

from parley.guard_words import (
    DATES,
    FUNCTION_WORDS,
    LANGUAGES,
    LIGHT_WORDS,
    NEGATIONS,
    NUMBERS,
    OPPOSED,
    ROMAN,
    SYNONYMS,
    UNITS,
)

DEFAULT_THRESHOLD = 0.8

_MOST_WORDS = 120  # of a question; a longer text is no question that another one repeats
_TOKEN = re.compile(
    r"(?<![\w.])-\d[\d,]*(?:\.\d+)?"  # a negative number
    r"|\d+(?:,\d{3})*(?:\.\d+)?"
    r"|[^\W\d_]+(?:'[^\W\d_]+)*(?:\+\+|#(?!\w))?"  # a word; C++ and C# are words too
    r"|(?<=\d)[-/:](?=\d)|(?<=\d)\s*[-+*/^x]\s*(?=\d)"  # between numbers these are operators
    r"|[$€£¥₹%°<>=≤≥≠×÷±~|@^]|!=|!(?=\w)"
)
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b", re.IGNORECASE)
_DATA_UNIT = re.compile(r"[kmgt]b(?:ps)?", re.IGNORECASE)
_APOSTROPHES = str.maketrans("’‘´`", "''''")
_CONTRACTED = {"ll": "will", "re": "are", "ve": "have", "m": "am", "d": "would", "t": "not"}
_UNMARKED = {
    "dont": "do not",
    "doesnt": "does not",
    "didnt": "did not",
    "cant": "can not",
    "isnt": "is not",
    "wont": "will not",
    "can't": "can not",
    "won't": "will not",
    "cannot": "can not",
    "whats": "what is",
    "shouldnt": "should not",
}
_QUESTION_WORDS = {
    "what": "what",
    "which": "what",
    "who": "who",
    "whom": "who",
    "whose": "whose",
    "when": "when",
    "where": "where",
    "why": "why",
}
_VERDICTS = {
    "is": "is",
    "are": "is",
    "am": "is",
    "do": "is",
    "does": "is",
    "has": "is",
    "have": "is",
    "was": "was",
    "were": "was",
    "did": "was",
    "had": "was",
    "can": "is",
    "could": "is",
    "will": "will",
    "would": "would",
    "shall": "should",
    "should": "should",
    "must": "must",
    "may": "may",
    "might": "may",
}
_PAST = frozenset({"was", "were", "did", "had"})
_AMOUNTS = frozenset(
    {
        "many",
        "much",
        "long",
        "often",
        "far",
        "old",
        "tall",
        "big",
        "deep",
        "high",
        "heavy",
        "soon",
        "fast",
        "late",
        "good",
        "bad",
        "likely",
        "safe",
    }
)
_DETERMINERS = frozenset(["a", "an", "the", "this", "that", "these", "those", "my", "your", "our", "some", "any"])
_COORDINATORS = frozenset({"and", "or", "versus"})


class Reading(NamedTuple):
    words: list[str]
    content: Counter[str]
    entities: frozenset[str]
    language: str
    asked: str


@lru_cache(maxsize=8192)
def canonical(word: str) -> str:
    if word in FUNCTION_WORDS or word in NEGATIONS or word in DATES:
        return word
    if word in NUMBERS:
        return NUMBERS[word]
    if word in SYNONYMS:
        return SYNONYMS[word]
    s = _stem(word)
    return SYNONYMS.get(s, s)


def _stem(w: str) -> str:
    if len(w) < 4 or w in UNITS:
        return w
    if w.endswith("ies") and len(w) > 4:
        w = w[:-3] + "y"
    elif w.endswith("s") and not w.endswith(("ss", "us", "is", "news")):
        w = w[:-1]
    if w in UNITS:
        return w
    for suffix in ("ing", "ed"):
        base = w[: -len(suffix)]
        if w.endswith(suffix) and len(base) >= 3 and base[-1] != "e" and any(v in base for v in "aeiouy"):
            w = base[:-1] if base[-1] == base[-2] and base[-1] not in "sl" else base
            break
    if w.endswith("isation"):
        w = w[:-7] + "ization"
    return w[:-1] if w.endswith("e") and len(w) > 3 else w


_LIGHT = frozenset(map(canonical, LIGHT_WORDS))


def tokens(text: str):
    text = _ORDINAL.sub("", text.translate(_APOSTROPHES))
    shouting = text.isupper()
    for m in _TOKEN.finditer(text):
        token = m.group().strip()
        word = token.lower()
        if word in _UNMARKED:
            yield from _UNMARKED[word].split()
        elif "'" in word:
            head, _, tail = word.rpartition("'")
            if tail == "t" and head.endswith("n"):
                yield head[:-1]
                yield "not"
            elif tail == "s":
                yield head
                if head in FUNCTION_WORDS:
                    yield "is"
            else:
                yield head
                yield _CONTRACTED.get(tail, tail)
        elif token[0].isdigit() or (token[0] == "-" and len(token) > 1):
            yield token.replace(",", "").lstrip("0") or "0"
        elif _DATA_UNIT.fullmatch(token):
            yield token[0].lower() + token[1] + token[2:].lower()
        elif word in ROMAN and token.isupper():
            yield ROMAN[word]
        elif (
            not shouting
            and token != word
            and word in FUNCTION_WORDS
            and m.start()
            and ((token.isupper() and word != "i") or token == "May")
        ):
            yield token
        else:
            yield word


def language(words) -> str:
    if not words:
        return "en"
    counts = {name: sum(w in l for w in words) for name, l in LANGUAGES.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] > sum(w in FUNCTION_WORDS for w in words) else "en"


def asked(words) -> str:
    if words and words[0] in _VERDICTS:
        return _VERDICTS[words[0]]
    for i, w in enumerate(words):
        if w == "how":
            return f"how {words[i + 1]}" if i + 1 < len(words) and words[i + 1] in _AMOUNTS else "how"
        if w in _QUESTION_WORDS:
            kind = _QUESTION_WORDS[w]
            if kind == "what" and (
                {"way", "ways", "method"} & set(words)
                or any(a == "do" and b == "to" for a, b in zip(words[i:], words[i + 1 :]))
            ):
                return "how"
            return kind
    return ""


def read(text: str) -> Reading:
    raw = list(tokens(text))
    lang = language(raw)
    words = [canonical(w) for w in raw]
    content = Counter(w for w in words if lang != "en" or w not in FUNCTION_WORDS)
    ents = frozenset(canonical(w.lower()) for w in re.findall(r"(?<=[a-z,] )[A-Z]\w+", text))
    return Reading(words, content, ents, lang, asked(raw))


def only(words, kind) -> list[str]:
    return sorted(w for w in words if w in kind)


def numbers(ws):
    return [w for w in ws if w[0].isdigit() or w[0] == "-" or w in NUMBERS or not (w[0].isalpha())]


_ASK_OK = ({"", "what"}, {"", "how"})


def v_number(q, s):
    return numbers(q.words) != numbers(s.words)


def v_date(q, s):
    return only(q.words, DATES | {"May"}) != only(s.words, DATES | {"May"})


def v_unit(q, s):
    return only(q.words, UNITS) != only(s.words, UNITS)


def v_negation(q, s):
    return only(q.words, NEGATIONS) != only(s.words, NEGATIONS)


def v_language(q, s):
    return q.language != s.language


def v_asked(q, s):
    return q.asked != s.asked and {q.asked, s.asked} not in _ASK_OK


def v_tense(q, s):
    return bool(_PAST & set(q.words)) != bool(_PAST & set(s.words))


def v_opposed(q, s):
    a, b = set(q.words) - set(s.words), set(s.words) - set(q.words)
    return any((x in a and y in b) or (y in a and x in b) for x, y in OPPOSED)


def v_swap(q, s):
    return swapped(q.words, s.words, q.content, s.content)


NEI = False


def swapped(q, s, qc, sc):
    used = Counter()
    where = {}
    for i, w in enumerate(s):
        where[w, used[w]] = i
        used[w] += 1
    seen = Counter()
    shared = []
    for i, w in enumerate(q):
        k = (w, seen[w])
        seen[w] += 1
        if k in where and w in qc:
            shared.append((i, where[k]))
    pos = [b for _, b in shared]
    if pos == sorted(pos):
        return False
    for (a, a2), (b, b2) in combinations(shared, 2):
        if a2 > b2 and q[a] != q[b]:
            between = set(q[a + 1 : b]) & set(s[b2 + 1 : a2]) - _DETERMINERS - _COORDINATORS
            if between and not NEI:
                return True
            if between:

                def nb(x, i):
                    return x[i] if 0 <= i < len(x) else None

                p = [
                    (nb(q, a - 1), nb(s, b2 - 1)),
                    (nb(q, a + 1), nb(s, b2 + 1)),
                    (nb(q, b - 1), nb(s, a2 - 1)),
                    (nb(q, b + 1), nb(s, a2 + 1)),
                ]
                if any(x is not None and x == y for x, y in p):
                    return True
    return False


VETOES = [v_number, v_date, v_unit, v_negation, v_language, v_asked, v_tense, v_opposed, v_swap]


def features(q: Reading, s: Reading, cosine: float):
    a, b = q.content - s.content, s.content - q.content
    if q.language != "en":
        ha, hb, la, lb = sum(a.values()), sum(b.values()), 0, 0
    else:
        ha = sum(n for w, n in a.items() if w not in _LIGHT)
        la = sum(a.values()) - ha
        hb = sum(n for w, n in b.items() if w not in _LIGHT)
        lb = sum(b.values()) - hb
    both = sum((q.content & s.content).values())
    total = max(sum(q.content.values()), sum(s.content.values()), 1)
    return dict(
        far=math.log(max(1 - cosine, 0) + 0.01),
        sub=min(ha, hb),
        add=abs(ha - hb),
        lsub=min(la + ha, lb + hb) - min(ha, hb),
        light=abs(la - lb),
        overlap=both / (both + sum(a.values()) + sum(b.values()) or 1),
        short=1 / total,
        ent=len(q.entities ^ s.entities) > 0,
        asked=q.asked != s.asked,
    )
