"""What a caller sends to have an interview and to give its answers, and what comes back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from typing_extensions import TypedDict

from parley.core.encoding import encode
from parley.core.fields import BODY, QUERY, Count, Metadata, NullIsAbsent, Whole
from parley.core.paging import PageQuery
from parley.core.period import Moment
from parley.interviews.rubric import Criteria
from parley.interviews.schemas import Difficulty, Kind, LanguageTag, Level
from parley.interviews.session_records import Awaits, FeedbackStatus, FollowUpDepth, InterviewType, Role, Stage, Status

# One line: no control characters.
Title = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=200, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
    ),
]
_QuestionText = Annotated[str, StringConstraints(min_length=1, max_length=1_000, pattern=r"\S")]
_Point = Annotated[str, StringConstraints(max_length=500)]
_Points = Annotated[list[_Point], Field(max_length=20)]
_LARGEST_METADATA = 4_096  # bytes of JSON
# An adopted interview may have a word of its application's.
_AnyType = InterviewType | str
_AnyStatus = Status | str
_AnyStage = Stage | str


def _short(value: dict[str, Any]) -> dict[str, Any]:
    if len(encode(value).encode()) > _LARGEST_METADATA:
        raise ValueError(f"JSON of at most {_LARGEST_METADATA} bytes is kept here")
    return value


SessionMetadata = Annotated[Metadata, AfterValidator(_short)]


class NewQuestion(BaseModel):
    """One question to ask. `time_limit_seconds` is for each answer, to it and to its follow-ups."""

    model_config = BODY
    question: _QuestionText
    competency: Annotated[str, StringConstraints(min_length=1, max_length=100)] = "general"
    type: Kind = "mixed"
    difficulty: Difficulty = "medium"
    expected_points: _Points = []
    follow_ups: _Points = []
    time_limit_seconds: Annotated[int, Field(ge=30, le=3_600), Whole] | None = None


_SOURCES = ("questions", "generation_id", "number")
# Where the questions come from: one of these, or a role.
_ONE_SOURCE: dict[str, Any] = {
    "allOf": [
        {
            "anyOf": [
                {
                    "required": ["questions"],
                    "properties": {
                        "questions": {"type": "array"},
                        "generation_id": {"type": "null"},
                        "number": {"type": "null"},
                    },
                },
                {
                    "required": ["generation_id"],
                    "properties": {
                        "questions": {"type": "null"},
                        "generation_id": {"type": "string"},
                        "number": {"type": "null"},
                    },
                },
                {
                    "required": ["role"],
                    "properties": {
                        "role": {"type": "string"},
                        "questions": {"type": "null"},
                        "generation_id": {"type": "null"},
                    },
                },
            ]
        }
    ],
    "examples": [
        {"questions": [{"question": "What is a fjord?"}]},
        {"role": "Data engineer", "level": "senior", "number": 5},
    ],
}


class InterviewRequest(NullIsAbsent, BaseModel):
    """An interview to prepare. Its questions are given in `questions`, those of an earlier generation
    (`generation_id`, the `id` of its answer), or else generated for `role`: `number` of them, which takes a unit as any
    generation does. Starting the interview takes another, which covers its follow-ups and its feedback.

    `follow_up_depth` says how often one question may be followed up: `light` never, `moderate` twice, `deep` five
    times. `time_limit_seconds` runs from the start. A `voice` interview is held in a call; starting it says how to make
    it. `competencies` is a rubric of your own, each level with what shows it; without one an interview is judged by its
    category's.
    """

    model_config = ConfigDict(**BODY, json_schema_extra=_ONE_SOURCE)
    title: Title | None = None
    description: Annotated[str, StringConstraints(max_length=2_000)] | None = None
    questions: Annotated[list[NewQuestion], Field(min_length=1, max_length=20)] | None = None
    generation_id: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    number: Annotated[int, Field(ge=1, le=20), Whole] | None = None
    role: Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"\S")] | None = None
    level: Level | None = None
    category: Kind | None = None
    difficulty: Difficulty = "medium"
    language: LanguageTag | None = None
    purpose: Literal["practice", "hiring"] = "practice"
    competencies: Criteria = []
    follow_up_depth: FollowUpDepth = "moderate"
    time_limit_seconds: Annotated[int, Field(ge=60, le=14_400), Whole] | None = None
    interview_type: InterviewType = "text"
    metadata: SessionMetadata = {}

    @model_validator(mode="after")
    def _one_source(self) -> InterviewRequest:
        given = [name for name in _SOURCES if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"send only one of questions, generation_id and number, not {' and '.join(given)}")
        if given in ([], ["number"]) and self.role is None:
            raise ValueError("send questions, generation_id, or role to have questions generated")
        return self


class InterviewChange(NullIsAbsent, BaseModel):
    """What may be changed of an interview; what is left out stays."""

    model_config = BODY
    title: Title | None = None
    description: Annotated[str, StringConstraints(max_length=2_000)] | None = None
    metadata: SessionMetadata | None = None


class AnswerRequest(BaseModel):
    """An answer to what was asked last. `sequence_number` is the state's `answer_sequence_number`; `submission_id` is
    yours: sent again with the same answer, it changes nothing.
    """

    model_config = BODY
    submission_id: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    sequence_number: Annotated[int, Field(ge=1, le=100_000), Whole]
    content: Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=r"\S")]


class SkipRequest(BaseModel):
    """Leaves the current question. `sequence_number` is the state's `answer_sequence_number`."""

    model_config = BODY
    sequence_number: Annotated[int, Field(ge=1, le=100_000), Whole]


class InterviewQuery(PageQuery):
    """`from` and `to` bound when the interview was made: from that moment on, and before that one."""

    status: Status | None = None
    interview_type: InterviewType | None = None
    category: Kind | None = None
    from_: Annotated[Moment | None, Field(alias="from")] = None
    to: Moment | None = None


class RecentQuery(BaseModel):
    """How many."""

    model_config = QUERY
    limit: Annotated[int, Field(ge=1, le=100)] = 10


class ExportQuery(BaseModel):
    """`csv` has one line a turn; `md` is a document to read, with the feedback in short. What is larger than 6 MB is
    refused (413): `/responses` has the turns in pages, `/feedback` the feedback.
    """

    model_config = QUERY
    format: Literal["json", "csv", "md"] = "json"


class SessionQuestion(TypedDict):
    """One question; without a limit `time_limit_seconds` is null."""

    id: str
    question: str
    competency: str
    type: str
    difficulty: str
    expected_points: list[str]
    follow_ups: list[str]
    time_limit_seconds: int | None


class InterviewSummary(TypedDict):
    """An interview without its questions. `overall_score` (0 to 100) comes with its feedback; `ended_reason` is
    finished, ended_by_candidate, time_limit, silence or abandoned. One that was there before Parley may have a type and
    a status of its own; no move of a candidate is taken in it.
    """

    id: UUID
    title: str | None
    description: str | None
    interview_type: _AnyType
    status: _AnyStatus
    feedback_status: FeedbackStatus
    category: str
    role: str | None
    level: str | None
    language: str
    purpose: str
    question_count: Count
    started_at: datetime | None
    completed_at: datetime | None
    duration_minutes: float | None
    overall_score: float | None
    ended_reason: str | None
    created_at: datetime


class Interview(InterviewSummary):
    """An interview with its questions. `retry_of` is the interview whose questions it asks again."""

    questions: list[SessionQuestion]
    competencies: list[dict[str, Any]]
    follow_up_depth: FollowUpDepth
    time_limit_seconds: int | None
    retry_of: UUID | None
    metadata: Metadata
    updated_at: datetime


class InterviewList(TypedDict):
    """A page of interviews."""

    data: list[InterviewSummary]
    next_cursor: str | None


class Asked(TypedDict):
    """What waits for an answer: a question, or a follow-up to what was answered."""

    sequence_number: int
    stage: Stage
    content: str
    timestamp: datetime


class InterviewState(TypedDict):
    """How an interview stands.

    `awaits` says what comes next: `start`; `answer`, to `asked`, under `answer_sequence_number`; `interviewer`, whom
    starting again or sending the last answer again makes go on; null once it is over, and where it is not typed.
    `question_index` counts from 0.
    The seconds left are null without a limit.
    """

    id: str
    status: _AnyStatus
    feedback_status: FeedbackStatus
    awaits: Awaits | None
    asked: Asked | None
    answer_sequence_number: int | None
    question_index: int | None
    question_count: Count
    follow_ups_left: int | None
    answer_seconds_left: int | None
    interview_seconds_left: int | None
    ended_reason: str | None


class VoiceCall(TypedDict):
    """How to make an interview's voice call: `assistant` is the interviewer as Vapi's SDKs take it, `variable_values`
    the call's variables, for an assistant of your own. `call_token` shows that the call is this
    interview's.
    """

    assistant: dict[str, Any]
    variable_values: dict[str, str]
    call_token: str


class StartedInterview(InterviewState):
    """How an interview stands; `voice` is null for a typed one."""

    voice: VoiceCall | None


class InterviewTurn(TypedDict):
    """One turn. `confidence` is a recogniser's; `analysis` of a typed answer counts its words, and the seconds since it
    was asked.
    """

    sequence_number: int
    role: Role
    stage: _AnyStage | None
    content: str
    question_index: int | None
    timestamp: datetime
    confidence: float | None
    analysis: dict[str, Any] | None


class ResponseList(TypedDict):
    """A page of what was said, in order."""

    data: list[InterviewTurn]
    next_cursor: str | None


class ExportedFeedback(TypedDict):
    """The feedback of an interview, its latest version."""

    version: int
    overall_score: float | None
    hiring_recommendation: str | None
    scores: list[Any]
    strengths: list[Any]
    improvements: list[Any]
    recommendations: list[Any]
    detailed_feedback: str | None
    created_at: datetime


class InterviewExport(TypedDict):
    """All there is of an interview."""

    interview: Interview
    turns: list[InterviewTurn]
    feedback: ExportedFeedback | None


class InterviewStatistics(TypedDict):
    """Figures about a caller's interviews. Scores are 0 to 100, null before the first; `score_trend` is points per
    interview over the last ten; `by_type` counts by category, `by_competency` has mean scores.
    """

    total_interviews: Count
    completed_interviews: Count
    abandoned: Count
    average_score: float | None
    best_score: float | None
    last_score: float | None
    score_trend: float | None
    total_minutes: float
    voice_count: Count
    text_count: Count
    by_type: dict[str, int]
    by_competency: dict[str, float]
    current_streak: Count
    longest_streak: Count
    total_xp: Count
    level: Annotated[int, Field(ge=1)]


class RecentInterview(TypedDict):
    """An interview with what its feedback says in short."""

    id: UUID
    title: str | None
    description: str | None
    interview_type: _AnyType
    category: str
    role: str | None
    status: _AnyStatus
    feedback_status: FeedbackStatus
    started_at: datetime | None
    completed_at: datetime | None
    duration_minutes: float | None
    created_at: datetime
    feedback_id: UUID | None
    overall_score: float | None
    hiring_recommendation: str | None
    strengths: list[Any] | None
    improvements: list[Any] | None


class RecentInterviewList(TypedDict):
    """The last completed first."""

    data: list[RecentInterview]
    next_cursor: str | None
