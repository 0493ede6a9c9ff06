"""What a voice vendor's webhook is answered, and how a candidate spoke."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from parley.core.fields import BODY, Count, NullIsAbsent

_Score = Annotated[float, Field(ge=0, le=100)]


class EventReceipt(TypedDict):
    """An event that was taken in. `duplicate`: it was there already."""

    received: bool
    duplicate: bool


class AcousticsRequest(NullIsAbsent, BaseModel):
    """What the client measured of the candidate's sound: its mean loudness in dB below full scale, and how far the
    pitch varies, as a standard deviation in semitones. It takes the place of what was sent before.
    """

    model_config = BODY
    mean_dbfs: Annotated[float, Field(ge=-120, le=0)] | None = None
    pitch_deviation_semitones: Annotated[float, Field(ge=0, le=48)] | None = None


class Timing(TypedDict):
    """Where times come from: `quality` is measured (of every message), partial or none; `sources` counts the messages
    by what told how long they were: words, duration, message_times, none.
    """

    quality: Literal["measured", "partial", "none"]
    sources: dict[str, int]
    messages: Count


class Pauses(TypedDict):
    """Pauses between words (from 0.25 s on, long ones from 2 s on), or where single words are not told, silences
    before an answer (long ones from 4 s on): `source` says which.
    """

    source: Literal["words", "turns", "none"]
    count: int | None
    long: int | None


class Latency(TypedDict):
    """Seconds from a question's end to its answer."""

    median: float | None
    p90: float | None
    count: Count


class Acoustics(TypedDict):
    """What the client measured, as it sent it."""

    source: Literal["client"]
    formula_version: str
    mean_dbfs: float | None
    pitch_deviation_semitones: float | None


class ClarityParts(TypedDict):
    """What the clarity is made of; what is null counts for nothing."""

    fillers: float | None
    confidence: float | None
    pauses: float | None


class VoiceAnalytics(TypedDict):
    """How the candidate spoke: for practice only, and never part of a score. What could not be measured is null; scores
    are 0 to 100. `filler_detection` is full, lexical_only (the recogniser leaves "um" out) or unknown;
    `fillers_per_minute` counts words like "basically" half. `volume_score` and `tonal_variation` are null unless the
    client sent `acoustics`.
    """

    words_per_minute: float | None
    pace_score: _Score | None
    speaking_seconds: float | None
    filler_words_count: int | None
    fillers_per_minute: float | None
    filler_detection: str
    pause_frequency: float | None
    clarity_score: _Score | None
    articulation_score: _Score | None
    volume_score: _Score | None
    tonal_variation: float | None
    formula_version: str
    timing: Timing
    words: Count
    fillers: dict[str, int]
    pauses: Pauses
    response_latency_seconds: Latency
    talk_ratio: float | None
    interruptions: int | None
    clarity_parts: ClarityParts
    acoustics: Acoustics | None
    created_at: datetime
