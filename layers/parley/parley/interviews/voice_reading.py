"""What a voice vendor's events and calls say, in our terms. Nothing here fails: what does not fit is left out.

Shapes are those of Vapi's documentation and OpenAPI document, and those that public code was seen to handle: a message
moves from the top of an event into `artifact`, roles have two names, and times come in seconds or milliseconds.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from pydantic_core import from_json

from parley.interviews.words import words_in

REPORT: Final = "end-of-call-report"
STATUS: Final = "status-update"
TRANSCRIPT: Final = "transcript"

Speaker = Literal["user", "assistant"]

_SPEAKERS: Mapping[str, Speaker] = {"user": "user", "customer": "user", "assistant": "assistant", "bot": "assistant"}
_NAMES: Mapping[str, Speaker] = {**_SPEAKERS, "ai": "assistant"}
_NAMED_BY_PLAN: Mapping[str, Speaker] = {"assistantName": "assistant", "userName": "user"}
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Milliseconds since 1970 have been above this since 1973; seconds will be in the year 5138.
_LEAST_MILLISECONDS = 1e11
_LONGEST_REASON = 200
_DEAREST = 1_000_000.0  # USD; what costs more is no cost
# What a vendor's reasons have in common where it was not the candidate who ended the call; there are over 600.
_FAILURE = re.compile(r"error|fail|fault|microphone-permission|not-found|invalid|unavailable|blocked")


@dataclass(frozen=True, slots=True)
class Word:
    """One word as recognised: seconds, counted from whatever its call counts from; confidence 0 to 1 or None."""

    text: str
    start: float
    end: float
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Spoken:
    """One message of a call.

    Attributes:
        start, end: seconds since 1970, as the vendor says; None where it does not.
        duration: how long it was spoken, as the vendor says: milliseconds, or what its documentation says, seconds.
        words: None where single words are not told.
    """

    role: Speaker
    content: str
    start: float | None = None
    end: float | None = None
    duration: float | None = None
    words: Sequence[Word] = ()


@dataclass(frozen=True, slots=True)
class CallReport:
    """How a call ended and what was said in it.

    Attributes:
        started, ended: seconds since 1970.
        ended_reason: the vendor's word; an open list.
        cost: USD.
        transcriber: the recogniser's settings, as far as they are told.
        interruptions: how often the interviewer was interrupted, as the vendor counts.
    """

    spoken: Sequence[Spoken]
    started: float | None = None
    ended: float | None = None
    ended_reason: str | None = None
    cost: float | None = None
    transcriber: Mapping[str, Any] = field(default_factory=dict)
    interruptions: int | None = None

    @property
    def has_words(self) -> bool:
        """Whether the candidate said anything."""
        return any(_is_candidates(one) for one in self.spoken)

    @property
    def is_failure(self) -> bool:
        """Whether the call ended by a fault, not by anybody's will."""
        return _FAILURE.search((self.ended_reason or "").lower()) is not None


class EventIdentity(NamedTuple):
    """Attributes:
    type: `REPORT`, `STATUS`, `TRANSCRIPT`, or another word of the vendor's.
    call_id: None where it belongs to no call.
    key: the same for each delivery; None where there is nothing to do with it.
    """

    type: str
    call_id: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class CallEvent:
    """An event of a call, or the call itself.

    Attributes:
        type, call_id, key: see `EventIdentity`.
        status: of a status update.
        said: of a final transcript, what it says.
        report: of a report.
        claims: pairs of an interview's id and a call token that go with the call: its metadata passes a browser.
    """

    type: str
    call_id: str | None
    status: str | None
    said: Spoken | None
    report: CallReport | None
    claims: Sequence[tuple[str, str]]
    key: str | None


def parse(body: bytes) -> Any:
    """The JSON in a body. Raises ValueError for what is none."""
    text = body.decode("utf-8-sig")
    try:
        # A third of what json takes, which is most of what a report of 1 MB costs.
        return from_json(text)
    except ValueError:
        pass
    try:
        # It refuses half a surrogate pair, with which what somebody said would be lost.
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def identify(body: Any) -> EventIdentity:
    """What an event is, out of a webhook's parsed body. Of a report only whether the candidate said anything counts."""
    message = _message_of(body)
    kind = _text(message.get("type")) or ""
    call = _object(message.get("call"))
    call_id = _first(_identifier(one) for one in (call.get("id"), call.get("callId"), message.get("callId")))
    discriminator = None
    if kind == REPORT:
        # One without a word of the candidate may come before the vendor has them: the whole one is another event.
        discriminator = "" if _candidate_spoke(_object(message.get("artifact")), message, call) else "without-words"
    elif kind == STATUS:
        discriminator = _identifier(message.get("status"))
    elif kind.startswith(TRANSCRIPT):
        kind = TRANSCRIPT
        if said := _final_transcript(message):
            discriminator = f"{said.role}:{said.start}:{hashlib.sha256(said.content.encode()).hexdigest()[:16]}"
    # Not of the whole body: the same report comes again with links that are signed anew.
    key = None if call_id is None or discriminator is None else f"{call_id}:{kind}:{discriminator}".rstrip(":")
    return EventIdentity(kind, call_id, key)


def read_event(body: Any) -> CallEvent:
    """Read a webhook's parsed body."""
    message, (kind, call_id, key) = _message_of(body), identify(body)
    return CallEvent(
        type=kind,
        call_id=call_id,
        status=_identifier(message.get("status")) if kind == STATUS else None,
        said=_final_transcript(message) if kind == TRANSCRIPT else None,
        report=read_report(message) if kind == REPORT else None,
        claims=list(_claims(message)),
        key=key,
    )


def read_call(body: Any) -> CallEvent:
    """Read a call as the vendor's API gives it; it has a report once it is over."""
    call = _object(body)
    status = _identifier(call.get("status"))
    report = read_report(call) if status == "ended" or call.get("endedAt") else None
    call_id = _identifier(call.get("id"))
    return CallEvent(REPORT, call_id, status, None, report, list(_claims({"call": call, **call})), None)


def read_report(message: Mapping[str, Any]) -> CallReport:
    """The report in an end-of-call-report, or in a call that is over."""
    call, artifact = _object(message.get("call")), _object(message.get("artifact"))
    places = (message, call, artifact)
    spoken = _spoken(artifact, message, call)
    times = [moment for one in spoken for moment in (one.start, one.end) if moment is not None]
    started = _first(_moment(place.get("startedAt")) for place in places)
    ended = _first(_moment(place.get("endedAt")) for place in places)
    costs = (place.get("cost") for place in places)
    performance = _object(artifact.get("performanceMetrics"))
    assistants = (_object(place.get("assistant")) for place in (message, call))
    return CallReport(
        spoken=spoken,
        started=started if started is not None else min(times, default=None),
        ended=ended if ended is not None else max(times, default=None),
        ended_reason=_first(_reason(place.get("endedReason")) for place in places),
        cost=_first(_number(cost, 0.0, _DEAREST) for cost in costs),
        transcriber=_first(_object(assistant.get("transcriber")) or None for assistant in assistants) or {},
        interruptions=_count(performance.get("numAssistantInterrupted")),
    )


def _spoken(*places: Mapping[str, Any]) -> list[Spoken]:
    """What was said, in order, out of the first source that has anything."""
    found = next(filter(None, map(list, _sources(places))), [])
    if all(one.start is not None for one in found):
        found.sort(key=lambda one: one.start or 0.0)
    return found


def _candidate_spoke(*places: Mapping[str, Any]) -> bool:
    """Whether what was said has words of the candidate, read no further than to the first of them."""
    for source in _sources(places):
        has_any = False
        for one in source:
            if _is_candidates(one):
                return True
            has_any = True
        if has_any:
            return False
    return False


def _is_candidates(said: Spoken) -> bool:
    return said.role == "user" and words_in(said.content) > 0


def _sources(places: Sequence[Mapping[str, Any]]) -> Iterator[Iterator[Spoken]]:
    """Where a report may say what was said, the best source first."""
    for place in places:
        yield _messages(place.get("messages"))
    names = _speakers(places)
    for place in places:
        yield _messages(place.get("transcript"))
        yield _lines(place.get("transcript"), names)
    for place in places:
        yield _messages(place.get("messagesOpenAIFormatted"))


def _messages(value: Any) -> Iterator[Spoken]:
    return (spoken for item in _list(value) if (spoken := _message(_object(item))) is not None)


def _message(item: Mapping[str, Any]) -> Spoken | None:
    role = _SPEAKERS.get(_text(item.get("role")) or "")
    content = (_text(item.get("message")) or _text(item.get("content")) or "").strip()
    if role is None or not content:
        return None
    start, end = _moment(item.get("time")), _moment(item.get("endTime"))
    return Spoken(role, content, start, end, _number(item.get("duration"), 0.0), _words(_object(item.get("metadata"))))


def _words(metadata: Mapping[str, Any]) -> list[Word]:
    found = []
    for item in map(_object, _list(metadata.get("wordLevelConfidence"))):
        text = _text(item.get("word")) or _text(item.get("punctuated_word")) or ""
        start, end = _number(item.get("start")), _number(item.get("end"))
        if text and start is not None and end is not None and start <= end:
            found.append(Word(text, start, end, _number(item.get("confidence"), 0.0, 1.0)))
    return found


def _speakers(places: Sequence[Mapping[str, Any]]) -> Mapping[str, Speaker]:
    """How a transcript in one text calls its speakers: as usual, or as its assistant's settings say."""
    names: dict[str, Speaker] = dict(_NAMES)
    for place in places:
        for assistant in (place.get("assistant"), place.get("assistantOverrides")):
            plan = _object(_object(_object(assistant).get("artifactPlan")).get("transcriptPlan"))
            for member, role in _NAMED_BY_PLAN.items():
                if name := (_text(plan.get(member)) or "").strip().lower():
                    names[name] = role
    return names


def _lines(value: Any, names: Mapping[str, Speaker]) -> Iterator[Spoken]:
    """The turns of a transcript in one text, or in several: lines of `AI: ...` and `User: ...`, which may have line
    breaks in them.
    """
    turns: list[tuple[Speaker, list[str]]] = []
    texts = [_text(part) or "" for part in (value if isinstance(value, list) else [value])]
    for line in "\n".join(texts).splitlines():
        name, colon, said = line.strip().partition(":")
        role = names.get(name.strip().lower()) if colon else None
        if role is not None:
            turns.append((role, [said.strip()]))
        elif turns:
            turns[-1][1].append(line.strip())
    return (Spoken(role, content) for role, parts in turns if (content := " ".join(filter(None, parts))))


def _final_transcript(message: Mapping[str, Any]) -> Spoken | None:
    if _text(message.get("transcriptType")) != "final":
        return None
    said = {"role": message.get("role"), "message": message.get("transcript"), "time": message.get("timestamp")}
    return _message(said)


def _claims(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every pair of an id and a token: which of its places the vendor uses has changed over time."""
    call, artifact, assistant = (_object(message.get(name)) for name in ("call", "artifact", "assistant"))
    overrides = (_object(call.get("assistantOverrides")), _object(message.get("assistantOverrides")))
    assistants = (assistant, _object(call.get("assistant")))
    places = [_object(one.get(name)) for one in overrides for name in ("variableValues", "metadata")]
    places += [_object(call.get("metadata")), *(_object(one.get("metadata")) for one in assistants)]
    places += [_object(artifact.get(name)) for name in ("variableValues", "variables")]
    places += [_object(message.get("metadata"))]
    ids = _named(places, ("interview_id", "interviewId", "session_id", "sessionId"))
    tokens = _named(places, ("call_token", "callToken"))
    for interview_id in ids:
        if _UUID.fullmatch(interview_id.lower()):
            yield from ((interview_id.lower(), token) for token in tokens)


def _named(places: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    found = (_text(place.get(name)) for place in places for name in names)
    return list(dict.fromkeys(text for text in found if text))


def _message_of(body: Any) -> Mapping[str, Any]:
    return _object(_object(body).get("message")) or _object(body)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    """Text that Postgres and UTF-8 can hold."""
    if not isinstance(value, str):
        return None
    return value.replace("\x00", "").encode("utf-8", "replace").decode()


def _identifier(value: Any) -> str | None:
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else None


def _reason(value: Any) -> str | None:
    return (_text(value) or "")[:_LONGEST_REASON] or None


def _number(value: Any, least: float = -math.inf, most: float = math.inf) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and least <= number <= most else None


def _count(value: Any) -> int | None:
    number = _number(value, 0, 1e6)
    return None if number is None else int(number)


def _moment(value: Any) -> float | None:
    """Seconds since 1970 of a time in ISO 8601, or a number of seconds or milliseconds since then."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        value = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    number = _number(value)
    if number is None:
        return None
    seconds = number / 1000 if abs(number) >= _LEAST_MILLISECONDS else number
    # Before there were such calls, or after anybody will read it, it is no time of one.
    return seconds if 946_684_800 <= seconds <= 4_102_444_800 else None


def _first(found: Iterator[Any]) -> Any:
    return next((one for one in found if one is not None), None)


def as_time(seconds: float | None) -> str | None:
    """A moment as ISO 8601 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
