"""What an interview is judged by: competencies at levels 1 to 5, each level with the behaviour that shows it.

The shipped rubric is data (`rubric.toml`), chosen by an interview's category; an interview may have its own criteria.
Anchored levels are what keeps ratings by different judges comparable (behaviourally anchored rating scales).
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from parley.core.fields import BODY
from parley.providers.text import storable

LEVELS: Final = (1, 2, 3, 4, 5)
MOST_CRITERIA: Final = 8
# The version of feedback that was written by an interview's own criteria.
OWN: Final = "own"

_Sentence = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500, strip_whitespace=True, pattern=r"\S"),
    AfterValidator(storable),
]


class Anchors(BaseModel):
    """What an answer shows at each level."""

    model_config = BODY
    one: Annotated[_Sentence, Field(alias="1")]
    two: Annotated[_Sentence, Field(alias="2")]
    three: Annotated[_Sentence, Field(alias="3")]
    four: Annotated[_Sentence, Field(alias="4")]
    five: Annotated[_Sentence, Field(alias="5")]


class Criterion(BaseModel):
    """One competency of an interview's own rubric."""

    model_config = BODY
    key: Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]{0,39}$")]
    name: Annotated[_Sentence, StringConstraints(max_length=100)]
    description: _Sentence
    weight: Annotated[float, Field(ge=0.1, le=10)] = 1.0
    anchors: Anchors

    def as_json(self) -> dict[str, Any]:
        """As `interview_sessions.competencies` holds it."""
        return self.model_dump(by_alias=True)


def _distinct(criteria: list[Criterion]) -> list[Criterion]:
    if len({criterion.key for criterion in criteria}) < len(criteria):
        raise PydanticCustomError("repeated_key", "each criterion needs a key of its own")
    return criteria


# An interview's own rubric, in a request; empty for the shipped one.
Criteria = Annotated[
    list[Criterion],
    Field(max_length=MOST_CRITERIA, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]
_CRITERIA: TypeAdapter[list[Criterion]] = TypeAdapter(Criteria)


class Rubric:
    """The competencies that an interview is judged by.

    Attributes:
        version: of the shipped rubric, or `own`.
        criteria: at least one, with distinct keys.
    """

    def __init__(self, version: str, criteria: Sequence[Criterion]) -> None:
        self.version = version
        self.criteria = tuple(criteria)

    @property
    def keys(self) -> list[str]:
        """The competencies' keys, in order."""
        return [criterion.key for criterion in self.criteria]

    def of(self, key: str) -> Criterion:
        """The competency with this key. Raises KeyError."""
        return {criterion.key: criterion for criterion in self.criteria}[key]


def rubric_for(category: str, own: Any = ()) -> Rubric:
    """The rubric of an interview: its own criteria, or those that its category has ("mixed" for an unknown one).

    Args:
        own: `interview_sessions.competencies`. An adopted interview may keep something else there: without levels that
            say what shows them nobody can be judged by it, so the category's criteria serve, and the version says so.
    """
    if own:
        with suppress(ValidationError):
            return Rubric(OWN, _CRITERIA.validate_python(own))
    version, categories, criteria = _shipped()
    return Rubric(version, [criteria[key] for key in categories.get(category, categories["mixed"])])


def rubric_of(key: str) -> Rubric:
    """One competency of the shipped rubric alone. Raises KeyError."""
    version, _, criteria = _shipped()
    return Rubric(version, [criteria[key]])


@cache
def _shipped() -> tuple[str, dict[str, list[str]], dict[str, Criterion]]:
    data = tomllib.loads(Path(__file__).with_name("rubric.toml").read_text(encoding="utf-8"))
    criteria = {key: Criterion(key=key, **criterion) for key, criterion in data["competencies"].items()}
    return data["version"], data["categories"], criteria
