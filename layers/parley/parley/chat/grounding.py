"""Grounded chat: passages found for a question, and the markers in an answer that cite them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from parley.chat.conversation_schemas import Citation
from parley.chat.schemas import ChatSearch, SearchState
from parley.completion.call import ModelCall
from parley.core.caller import Caller
from parley.core.errors import Problem
from parley.core.observability import log_fault, logger
from parley.core.provider_names import ProviderName
from parley.database.errors import DatabaseError, DatabaseUnavailable
from parley.providers.errors import ProviderError
from parley.providers.protocol import Completion, Delta, Embeddings, Passage
from parley.retrieval.kinds import Found
from parley.retrieval.retrieval import Hit, LoggedSearch, Query, Retrieval

if TYPE_CHECKING:
    from parley.embedding.embedder import Embedder

_DAILY_LIMIT = "PLIM1"  # app.bound_free_writes
_LONGEST_LOGGED = 1_000  # characters of a query
_LONGEST_MARKER = 200  # characters between its brackets
_INSIDE = r"0-9\uff10-\uff19 ,;\uff0c\uff1b、^\u2013-"
_NUMBER = r" *\^?(?:[0-9\uff10-\uff19]{1,2} *[\u2013-] *\^?[0-9\uff10-\uff19]{1,2}|[0-9\uff10-\uff19]+) *"
_NUMBERS = rf"{_NUMBER}(?:[,;\uff0c\uff1b、]{_NUMBER})*"
_BRACKETS = (("[[", "]]"), ("[", "]"), ("【", "】"), ("\uff3b", "\uff3d"))
# `[3]`, `[1, 3]` or `[1-3]`, as models write them, with the space before it.
_MARKER = re.compile(
    " ?(?:"
    + "|".join(
        rf"{re.escape(begin)}(?=[{_INSIDE}]{{1,{_LONGEST_MARKER}}}{re.escape(end)})({_NUMBERS}){re.escape(end)}"
        for begin, end in _BRACKETS
    )
    + ")"
)
# What may still become one.
_BEGUN = re.compile(
    rf" ?(?:(?:\[\[?|[【\uff3b])[{_INSIDE}]{{0,{_LONGEST_MARKER}}}|\[\[[{_INSIDE}]{{1,{_LONGEST_MARKER}}}\])\Z"
)
_OPEN = re.compile(rf"[\[【\uff3b][{_INSIDE}]*\Z")
# Where a marker or code may begin. A space or a tilde at the end may belong to either.
_SIGN = re.compile(r"`+|~{3,}| ?[\[【\uff3b]|(?: |~+)\Z")
_FENCE = 3  # backticks or tildes, and more, begin a block of code; as many as began it, and more, end it
_LONGEST_CODE = 200  # characters of code within a line


@dataclass(frozen=True, slots=True)
class Grounds:
    """What was found for a request that asked for a search; without hits where nothing was, or it could not be.

    Attributes:
        search_id: under which the search is logged.
    """

    state: SearchState
    search_id: str | None = None
    hits: Sequence[Hit] = ()

    def citations(self, answer: str) -> list[Citation]:
        """What the markers of an answer point to, by number."""
        text = CitedText(lambda: len(self.hits))
        text.feed(answer)
        text.end()
        return [_citation(number, self.hits[number - 1]) for number in sorted(text.cited)]


@dataclass(frozen=True, slots=True)
class Grounding:
    """Finds passages for chat.

    Args:
        operator_keys: the operator's provider keys, with which documents are embedded.
        daily_limit: how many searches one user may have logged in a day before those by words, which cost nothing,
            find nothing any more.
    """

    retrieval: Retrieval
    embedder: Callable[[], Embedder]
    operator_keys: Callable[[], Mapping[ProviderName, str]]
    daily_limit: int

    def ground(self, call: ModelCall, caller: Caller, text: str, search: ChatSearch) -> Grounds:
        """Find what `call` is to be answered from, and tell it. One round trip. A search that fails costs the caller
        the passages, not the answer.
        """
        query = Query(
            text,
            search.mode,
            search.types,
            search.limit,
            search.threshold,
            search.filter,
            operators=search.query is not None,
        )
        log = LoggedSearch(call.new_ids(1)[0], text[:_LONGEST_LOGGED])
        try:
            hits = None if call.degraded else self._find(call, caller, query, log)
        except (Problem, ProviderError, DatabaseUnavailable) as error:
            logger.warning("passages could not be searched for", error_type=type(error).__name__)
            hits = None
        except Exception as error:
            if isinstance(error, DatabaseError) and error.sqlstate == _DAILY_LIMIT:
                logger.warning("the day's searches by words are used up")
            else:
                log_fault("passages could not be searched for", error)
            hits = None
        if hits is None:
            return Grounds("unavailable")
        call.ground([_passage(hit) for hit in hits], _fingerprint(hits))
        return Grounds("found" if hits else "nothing_found", log.id, hits)

    def _find(self, call: ModelCall, caller: Caller, query: Query, log: LoggedSearch) -> list[Hit] | None:
        embedded: Embeddings | None = None
        if query.mode != "keyword":
            try:
                embedded = call.embed(self.embedder(), query.text, self.operator_keys(), own_key=False)
            except (Problem, ProviderError) as error:
                logger.warning("a question could not be embedded", error_type=type(error).__name__)
            if embedded is None and query.mode == "semantic":
                return None
            if embedded is None:
                query = replace(query, mode="keyword")
        if query.mode == "keyword":
            log = replace(log, daily_limit=self.daily_limit)
        return self.retrieval.find(caller, query, embedded, log=log)


class CitedText:
    """A model's text piece by piece, without markers that point to no passage; each of the others is `[n]`. However it
    is cut into pieces, the same comes out. In code, between backticks or tildes, nothing is a marker: `rows[9]` stays.

    Args:
        passages: gives how many there are; asked when a marker has come.

    Attributes:
        cited: the numbers that markers have pointed to.
    """

    def __init__(self, passages: Callable[[], int]) -> None:
        self.cited: set[int] = set()
        self._passages = passages
        self._held = ""
        self._fence = ""  # what began the block of code; nothing outside of one
        self._tail = ""
        self._out: list[str] = []

    @property
    def whole(self) -> str:
        """All that came out."""
        return "".join(self._out)

    def feed(self, delta: str) -> str:
        """Take a piece and return what may go out: what may begin a marker or code waits."""
        return self._advance(self._held + delta, final=False)

    def end(self) -> str:
        """What was held back, after the last piece."""
        return self._advance(self._held, final=True)

    def _advance(self, text: str, *, final: bool) -> str:
        before, at = len(self._out), 0
        while sign := _SIGN.search(text, at):
            self._put(text[at : sign.start()])
            at = sign.start()
            size = self._size(text, sign, final)
            if size is None:
                break
            marker = None if self._fence else _MARKER.match(text, at)
            self._put(self._checked(marker) if marker else text[at : at + size])
            at += size
        else:
            self._put(text[at:])
            at = len(text)
        self._held = text[at:]
        return "".join(self._out[before:])

    def _size(self, text: str, sign: re.Match[str], final: bool) -> int | None:
        """How many characters from a sign on belong together; None where that is not known before more has come."""
        at, end = sign.span()
        if sign[0][0] not in "`~":
            marker = _MARKER.match(text, at)
            may_become = not final and not self._fence and (sign[0] == " " or _BEGUN.match(text, at))
            return marker.end() - at if marker and not self._fence else None if may_become else end - at
        if end == len(text) and not final:
            return None
        if self._fence:
            self._fence = "" if sign[0].startswith(self._fence) else self._fence
        elif end - at >= _FENCE:
            self._fence = sign[0]
        elif sign[0][0] == "`":
            line = text[end : end + _LONGEST_CODE + 1].partition("\n")[0]
            closed = re.search(f"(?<!`){sign[0]}(?!`)", line)
            if closed:
                # With another backtick after it, this would not end the code.
                return end - at + closed.end() if final or end + closed.end() < len(text) else None
            if not final and len(line) <= _LONGEST_CODE and end + len(line) == len(text):
                return None
        return end - at

    def _put(self, text: str) -> None:
        if text:
            self._out.append(text)
            self._tail = (self._tail + text)[-_LONGEST_MARKER - 1 :]

    def _checked(self, marker: re.Match[str]) -> str:
        """The marker with the numbers that point to a passage, each in brackets; nothing where none does."""
        told, numbers = self._passages(), _numbers(marker)
        if numbers is None:
            return marker[0]
        if kept := [number for number in numbers if 1 <= number <= told]:
            self.cited.update(kept)
            return " " * marker[0].startswith(" ") + "".join(f"[{number}]" for number in kept)
        # In a bracket that is still open, what comes after must not make a marker of what stands before.
        return "/" if _OPEN.search(self._tail) else ""


def _numbers(marker: re.Match[str]) -> list[int] | None:
    """The numbers of a marker, those of its ranges included; None where a range is none of passages, as in `[0-9]`."""
    numbers: list[int] = []
    for text in re.split(r"[^0-9\uff10-\uff19^ \u2013-]", marker[marker.lastindex or 0]):
        ends = [int(end) for end in re.findall(r"[0-9\uff10-\uff19]+", text)]
        if not 1 <= ends[0] <= ends[-1] and len(ends) == 2:
            return None
        numbers += range(ends[0], ends[-1] + 1)
    return numbers


def cited(
    stream: Generator[Delta, None, Completion], passages: Callable[[], int]
) -> Generator[Delta, None, Completion]:
    """A model's stream without markers that point to no passage, nor are they in the completion that it returns."""
    text = CitedText(passages)
    with closing(stream):
        while True:
            try:
                delta = next(stream)
            except StopIteration as end:
                completion = cast("Completion", end.value)
                break
            if not isinstance(delta, str):
                yield delta
            elif told := text.feed(delta):
                yield told
    if rest := text.end():
        yield rest
    return replace(completion, text=text.whole)


def cited_completion(completion: Completion, passages: int) -> Completion:
    """A completion without markers that point to no passage."""
    text = CitedText(lambda: passages)
    text.feed(completion.text)
    text.end()
    return replace(completion, text=text.whole)


def _passage(hit: Hit) -> Passage:
    return Passage(f"{hit.type}/{hit.id}", hit.title, hit.content)


def _fingerprint(hits: Sequence[Hit]) -> str:
    """Of all that a model is told of them, and in which order."""
    told = [[hit.type, hit.id, hit.starts_at, hit.is_public, hit.title, hit.content_hash] for hit in hits]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _citation(number: int, hit: Hit) -> Citation:
    return {
        "number": number,
        "type": cast("Found", hit.type),
        "id": hit.id,
        "title": hit.title,
        "starts_at": hit.starts_at,
        "ends_at": hit.starts_at + len(hit.content),
    }
