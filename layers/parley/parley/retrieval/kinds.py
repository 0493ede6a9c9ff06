"""What can be found, and how: what requests and answers of several rooms name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from parley.core.encoding import encode
from parley.core.fields import Metadata

_LARGEST_FILTER = 8_192  # bytes of JSON

# The operator's content is of one of six types.
ContentType = Literal["route", "learning_path", "exercise", "school", "event", "instructor"]
Found = Literal["document"] | ContentType
Mode = Literal["semantic", "keyword", "hybrid"]


def _a_filter(value: Metadata) -> Metadata:
    if len(encode(value).encode()) > _LARGEST_FILTER:
        raise ValueError(f"a filter has at most {_LARGEST_FILTER} bytes")
    from parley.retrieval.filters import filter_of  # few requests have a filter

    filter_of(value)
    return value


Filter = Annotated[Metadata, AfterValidator(_a_filter)]
