"""What a caller sends to have questions generated, what a model writes, and what comes back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from typing_extensions import TypedDict

from parley.core.fields import CallUsage, NullIsAbsent, ProviderSource, ProviderSpelling, RequestedProvider
from parley.providers.text import storable

Kind = Literal["technical", "behavioral", "situational", "system_design", "mixed"]
Level = Literal["intern", "junior", "mid", "senior", "lead"]
Difficulty = Literal["easy", "medium", "hard", "adaptive"]
Short = Annotated[str, StringConstraints(max_length=300)]
Long = Annotated[str, StringConstraints(max_length=20_000)]
Competency = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^\w[\w &/+.#-]*$")]
# What a model wrote: its JSON can say what nothing can store.
Written = Annotated[str, AfterValidator(storable)]

# A language tag as RFC 5646 (BCP 47), section 2.1, forms them, without what it keeps for old tags.
_LANGUAGE = (
    r"^[A-Za-z]{2,3}(-[A-Za-z]{3}){0,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?"
    r"(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*(-[0-9A-WY-Za-wy-z](-[A-Za-z0-9]{2,8})+)*(-[Xx](-[A-Za-z0-9]{1,8})+)?$"
)

LanguageTag = Annotated[str, StringConstraints(max_length=35, pattern=_LANGUAGE)]

# FoloUp's clients send name, objective, number and context, and camel case; the rest is Parley's.
_A_SUBJECT: dict[str, Any] = {
    "allOf": [
        {
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string", "pattern": r"\S"}}}
                for name in ("objective", "role", "job_description")
            ]
        }
    ],
    "examples": [{"name": "Backend", "objective": "Find a colleague who knows queues", "number": 5}],
}


def _no_boolean(value: Any) -> Any:
    """Text may be a number; true is none, though Python counts it as one."""
    if isinstance(value, bool):
        raise ValueError("send a number")
    return value


class QuestionsRequest(NullIsAbsent, BaseModel):
    """What to ask about: at least one of objective, role and job_description. `number` may be text; the names of more
    than one word are taken in camel case too, and members of other names are ignored. Each of `competencies` gets a
    question where there are as many questions. What a signed-in caller was asked lately is not asked again.
    """

    model_config = ConfigDict(extra="ignore", strict=True, defer_build=True, json_schema_extra=_A_SUBJECT)
    name: Short = ""
    objective: Annotated[str, StringConstraints(max_length=2_000)] = ""
    number: Annotated[
        int,
        BeforeValidator(_no_boolean),
        Field(
            strict=False,
            ge=1,
            le=20,
            validation_alias=AliasChoices("number", "amount", "question_count", "questionCount"),
        ),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "integer", "minimum": 1, "maximum": 20},
                    {"type": "string", "pattern": "^(1?[1-9]|[12]0)$"},
                ]
            }
        ),
    ] = 5
    context: Long = ""
    role: Short = ""
    level: Level | None = None
    tech_stack: Annotated[
        list[Short],
        Field(max_length=20, validation_alias=AliasChoices("tech_stack", "techStack", "techstack")),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "array", "items": {"type": "string", "maxLength": 300}, "maxItems": 20},
                    {"type": "string", "description": "Separated by commas.", "maxLength": 300},
                ]
            }
        ),
    ] = []
    type: Kind = "mixed"
    difficulty: Difficulty = "medium"
    language: LanguageTag = "en"
    job_description: Annotated[Long, Field(validation_alias=AliasChoices("job_description", "jobDescription"))] = ""
    resume_text: Annotated[Long, Field(validation_alias=AliasChoices("resume_text", "resumeText"))] = ""
    competencies: Annotated[list[Competency], Field(max_length=8)] = []
    exclude_questions: Annotated[
        list[Short], Field(max_length=100, validation_alias=AliasChoices("exclude_questions", "excludeQuestions"))
    ] = []
    voice_friendly: Annotated[bool, Field(validation_alias=AliasChoices("voice_friendly", "voiceFriendly"))] = False
    provider: RequestedProvider | None = None
    model: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None

    @field_validator("tech_stack", mode="before")
    @classmethod
    def _split_commas(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _something_to_ask_about(self) -> QuestionsRequest:
        if not (self.objective.strip() or self.role.strip() or self.job_description.strip()):
            raise ValueError("send at least one of objective, role and job_description")
        return self


class GeneratedQuestion(BaseModel):
    """One question as the model writes it."""

    question: Written
    competency: Written = "general"
    type: Written = "mixed"
    difficulty: Written = "medium"
    expected_points: list[Written] = []
    follow_ups: list[Written] = []
    time_limit_seconds: int = 180


class InterviewQuestion(TypedDict):
    """One question, with what a good answer says and what to ask next."""

    id: str
    question: str
    competency: str
    type: str
    difficulty: str
    expected_points: list[str]
    follow_ups: list[str]
    time_limit_seconds: Annotated[int, Field(ge=30, le=900)]


class InterviewQuestions(TypedDict):
    """Exactly as many questions as were asked for.

    `degraded` says that some come from the question bank, because the models gave too few. The bank is in English: in
    another language too few are an error, as they are where the bank has too few too; an error costs no unit.
    `response` is the questions and the description once more, as JSON text.
    """

    id: str
    questions: list[InterviewQuestion]
    description: str
    provider: ProviderSpelling
    provider_source: ProviderSource
    fallback: bool
    model: str | None
    usage: CallUsage | None
    degraded: bool
    response: str
