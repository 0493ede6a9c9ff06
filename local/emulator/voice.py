"""Voice calls as the vendor tells them, made from a seed: what tests, benchmarks and the terminal interview share.

The shapes are those that Vapi documents and that public code was seen to handle; names and words are our own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, Final, Literal

# Where a call's metadata was seen, and how its members were called there.
Place = Literal[
    "overrides.variableValues", "overrides.metadata", "call.metadata", "assistant.metadata", "call.assistant.metadata",
    "artifact.variableValues",
]  # fmt: skip
PLACES: Final[tuple[Place, ...]] = (
    "overrides.variableValues", "overrides.metadata", "call.metadata", "assistant.metadata", "call.assistant.metadata",
    "artifact.variableValues",
)  # fmt: skip
# How the words' times were seen: since 1970 in milliseconds, or since the call began in seconds or milliseconds.
WordUnit = Literal["epoch_ms", "call_s", "call_ms"]
WORD_UNITS: Final[tuple[WordUnit, ...]] = ("epoch_ms", "call_s", "call_ms")

_BEGAN = 1_795_248_912_000
_GREETING = "Good morning, and thank you for taking the time."
_ANSWERS = (
    "We moved the billing queue to a smaller table and the retries stopped within a day.",
    "I measured the slow statements first, um, and then I rewrote the two that took most of the time.",
    "Honestly I asked the on-call group, you know, because they had seen the defect twice before.",
    "My team documented the rollback and we tested it on a copy before the release went out.",
)


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a call: who says what, from when to when in seconds since the call began."""

    role: Literal["bot", "user"]
    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an interview, with everything that differs between calls.

    Attributes:
        place: where the metadata is; the report alone holds some of them.
        has_messages: without, the report has a transcript in one text.
        has_end_times: whether messages have an `endTime`.
        structured_place: where the vendor puts its structured output.
        began: milliseconds since 1970.
    """

    id: str
    interview_id: str
    token: str
    said: Sequence[Said]
    place: Place = "overrides.variableValues"
    word_unit: WordUnit | None = None
    has_messages: bool = True
    has_end_times: bool = True
    duration_unit: Literal["ms", "s"] = "ms"
    structured_place: Literal["artifact", "analysis"] = "artifact"
    ended_reason: str = "customer-ended-call"
    began: int = _BEGAN

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return max((one.end for one in self.said), default=0.0) + 2.0

    def status(self, status: str) -> dict[str, Any]:
        """A status update."""
        ended = {"endedReason": self.ended_reason} if status == "ended" else {}
        at = self.began if status != "ended" else self.began + int(self.seconds * 1000)
        return self._event("status-update", at, status=status, **ended)

    def transcripts(self, kind: Literal["partial", "final"] = "final") -> list[dict[str, Any]]:
        """What is heard live, message by message."""
        return [
            self._event(
                'transcript[transcriptType="final"]' if kind == "final" and number % 2 else "transcript",
                self.began + int(one.start * 1000),
                role="user" if one.role == "user" else "assistant",
                transcriptType=kind,
                transcript=one.text,
            )
            for number, one in enumerate(self.said)
        ]

    def noise(self) -> list[dict[str, Any]]:
        """What nobody asked for, and types that are not known."""
        at = self.began + 500
        return [
            self._event("speech-update", at, status="started", role="assistant", turn=0),
            self._event("conversation-update", at, messages=[], messagesOpenAIFormatted=[]),
            self._event("call.artifact.upload", at, artifact={}),
            self._event("a-type-of-next-year", at, anything={"nested": [1, None]}),
            *self.transcripts("partial")[:2],
        ]

    def report(self, delivery: int = 1) -> dict[str, Any]:
        """The report as delivered for the n-th time: links are signed anew for each."""
        return self._event("end-of-call-report", self.began + int(self.seconds * 1000) + 900, **self._outcome(delivery))

    def as_resource(self) -> dict[str, Any]:
        """The call as `GET /call/{id}` gives it."""
        event = self._event("end-of-call-report", 0, **self._outcome(1))["message"]
        return {**event["call"], **{name: event[name] for name in event if name not in ("type", "call", "timestamp")},
                "status": "ended", "type": "webCall"}  # fmt: skip

    def events(self) -> list[dict[str, Any]]:
        """All of it, in the order in which it happened."""
        return [
            self.status("queued"), self.status("in-progress"), *self.noise(), *self.transcripts(),
            self.status("ended"), self.report(),
        ]  # fmt: skip

    def _outcome(self, delivery: int) -> dict[str, Any]:
        artifact: dict[str, Any] = {
            "messages": self._messages() if self.has_messages else [],
            "transcript": "\n".join(f"{'User' if one.role == 'user' else 'AI'}: {one.text}" for one in self.said),
            "presignedMonoRecordingUrl": f"https://storage.invalid/{self.id}?signature={delivery}",
            "presignedUrlsExpiresAt": _iso(self.began + delivery * 1000),
            "performanceMetrics": {"numAssistantInterrupted": 1, "numUserInterrupted": 0, "turnLatencies": []},
        }
        analysis: dict[str, Any] = {"summary": "A talk about work.", "successEvaluation": "true"}
        structured = {"topic": "a migration"}
        if self.structured_place == "artifact":
            artifact["structuredOutputs"] = {
                "11111111-0000-0000-0000-000000000000": {"name": "topic", "result": structured}
            }
        else:
            analysis["structuredData"] = structured
        return {
            "startedAt": _iso(self.began),
            "endedAt": _iso(self.began + int(self.seconds * 1000)),
            "endedReason": self.ended_reason,
            "cost": 0.0731,
            "costs": [{"type": "transcriber", "cost": 0.01}],
            "artifact": artifact,
            "analysis": analysis,
        }

    def _messages(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = [
            {"role": "system", "message": "You interview a candidate.", "time": self.began, "secondsFromStart": 0}
        ]
        for one in self.said:
            message: dict[str, Any] = {
                "role": one.role,
                "message": one.text,
                "time": self.began + round(one.start * 1000),
                "secondsFromStart": round(one.start, 3),
                "source": "",
            }
            if self.has_end_times:
                # A little longer than it was spoken, as seen in real calls.
                message["endTime"] = self.began + round((one.end + 0.31) * 1000)
            spoken = one.end - one.start
            message["duration"] = round(spoken * 1000) if self.duration_unit == "ms" else round(spoken, 3)
            if self.word_unit and one.role == "user":
                message["metadata"] = {"wordLevelConfidence": self._words(one)}
            messages.append(message)
        messages.insert(2, {"role": "tool_calls", "message": "", "time": self.began + 100, "toolCalls": []})
        return messages

    def _words(self, said: Said) -> list[dict[str, Any]]:
        words = said.text.split()
        each = (said.end - said.start) / len(words)
        found = []
        for number, word in enumerate(words):
            start = said.start + number * each
            times = (start, start + each * 0.8)
            if self.word_unit == "epoch_ms":
                times = (self.began + times[0] * 1000, self.began + times[1] * 1000)
            elif self.word_unit == "call_ms":
                times = (times[0] * 1000, times[1] * 1000)
            found.append({"word": word.strip(",."), "start": times[0], "end": times[1], "confidence": 0.9})
        return found

    def _event(self, kind: str, at: int, **members: Any) -> dict[str, Any]:
        call: dict[str, Any] = {"id": self.id, "orgId": "org", "type": "webCall", "createdAt": _iso(self.began - 1000)}
        message: dict[str, Any] = {"type": kind, "timestamp": at, "call": call, **members}
        claims = {"interview_id": self.interview_id, "call_token": self.token}
        match self.place:
            case "overrides.variableValues":
                call["assistantOverrides"] = {"variableValues": claims}
            case "overrides.metadata":
                call["assistantOverrides"] = {"metadata": claims}
            case "call.metadata":
                call["metadata"] = {"interviewId": self.interview_id, "callToken": self.token}
            case "assistant.metadata":
                message["assistant"] = {"metadata": claims}
            case "call.assistant.metadata":
                call["assistant"] = {"metadata": {"session_id": self.interview_id, "call_token": self.token}}
            case "artifact.variableValues":
                if "artifact" in message:
                    message["artifact"] = {**message["artifact"], "variableValues": claims}
        return {"message": message}


def make_call(
    random: Random, call_id: str, started: Mapping[str, Any], questions: Sequence[str], **members: Any
) -> Call:
    """A call in which every question is asked and answered, in a shape that is drawn.

    Args:
        started: what starting the interview answered.
    """
    said, now = [Said("bot", _GREETING, 0.4, 2.9)], 3.2
    for question in questions:
        said.append(Said("bot", question, now, now + 3.5))
        now += 3.5 + random.uniform(0.4, 1.8)
        for answer in random.sample(_ANSWERS, random.randint(1, 2)):
            spoken = len(answer.split()) / random.uniform(1.9, 2.9)
            said.append(Said("user", answer, round(now, 3), round(now + spoken, 3)))
            now += spoken + random.uniform(0.3, 1.2)
    drawn: dict[str, Any] = {
        "place": random.choice(PLACES),
        "word_unit": random.choice((*WORD_UNITS, None)),
        "has_messages": random.random() < 0.85,
        "has_end_times": random.random() < 0.7,
        "duration_unit": random.choice(("ms", "ms", "s")),
        "structured_place": random.choice(("artifact", "analysis")),
    }
    variables = started["voice"]["variable_values"]
    drawn["said"] = said
    return Call(call_id, variables["interview_id"], variables["call_token"], **(drawn | members))


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
