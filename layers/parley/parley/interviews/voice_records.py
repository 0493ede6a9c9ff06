"""What callers see of a voice interview's call: how they spoke, and where its recording is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from parley.core.caller import Caller
from parley.core.errors import Problem
from parley.database.connection import Database
from parley.interviews.sessions import interview_not_found, interview_uuid
from parley.interviews.voice_analytics import between
from parley.interviews.voice_schemas import AcousticsRequest, VoiceAnalytics

if TYPE_CHECKING:
    from parley.providers.voice_vendor import VoiceVendor

ACOUSTICS_VERSION: Final = "2026-11-29"
# Between these points the loudness counts proportionally: dB below full scale, points.
_LOUDNESS = ((-60.0, 0.0), (-30.0, 100.0), (-12.0, 100.0), (0.0, 0.0))


@dataclass(frozen=True, slots=True)
class VoiceRecords:
    """What there is of voice calls."""

    database: Database
    vendor: Callable[[], VoiceVendor]

    def recording_url(self, caller: Caller, interview_id: str) -> str:
        """Where the recording can be heard for a while. No address is kept: it would end, and be anybody's until then.

        Raises Problem: 404, 409 where there is none, 502 where the vendor cannot be asked.
        """
        rows = self.database.query(
            caller.claims,
            "select vapi_call_id from public.interview_sessions where id = %s and user_id = %s",
            (interview_uuid(interview_id), caller.user_id),
            idempotent=True,
        )
        if not rows:
            raise interview_not_found()
        call_id = rows[0]["vapi_call_id"]
        url = None if call_id is None else self.vendor().recording_url(call_id)
        if url is None:
            raise Problem("recording_unavailable", "The interview has no recording, or none any more.", status=409)
        return url

    def analytics(self, caller: Caller, interview_id: str) -> VoiceAnalytics:
        """How the candidate spoke. Raises Problem: 404, 409 without a report."""
        rows = self.database.query(
            caller.claims,
            """
            select v.words_per_minute::float8, v.pace_score::float8, v.speaking_seconds::float8, v.filler_words_count,
              v.fillers_per_minute::float8, v.filler_detection, v.pause_frequency::float8, v.clarity_score::float8,
              v.articulation_score::float8, v.volume_score::float8, v.tonal_variation::float8, v.analysis, v.created_at
            from public.interview_sessions s left join public.voice_analytics v on v.interview_id = s.id
            where s.id = %s and s.user_id = %s
            order by v.created_at desc nulls last limit 1
            """,
            (interview_uuid(interview_id), caller.user_id),
            idempotent=True,
        )
        if not rows:
            raise interview_not_found()
        row: dict[str, Any] = rows[0]
        analysis = row.pop("analysis")
        # An adopted table may have rows that no formula of ours has made.
        if not isinstance(analysis, dict) or "formula_version" not in analysis:
            raise _no_analytics()
        return cast("VoiceAnalytics", row | {"acoustics": None} | analysis)

    def add_acoustics(self, caller: Caller, interview_id: str, sent: AcousticsRequest) -> VoiceAnalytics:
        """Keep what the caller's client measured of the sound. Raises Problem as `analytics` does."""
        acoustics = {
            "source": "client",
            "formula_version": ACOUSTICS_VERSION,
            "mean_dbfs": sent.mean_dbfs,
            "pitch_deviation_semitones": sent.pitch_deviation_semitones,
        }
        volume = None if sent.mean_dbfs is None else round(between(_LOUDNESS, sent.mean_dbfs), 2)
        self.database.query(
            caller.claims,
            "select app.record_acoustics(%s, %s, %s::numeric, %s::numeric, %s)",
            (caller.user_id, interview_uuid(interview_id), volume, sent.pitch_deviation_semitones, acoustics),
            idempotent=True,
        )
        return self.analytics(caller, interview_id)


def _no_analytics() -> Problem:
    return Problem("voice_analytics_unavailable", "There is no report of a voice call of this interview.", status=409)
