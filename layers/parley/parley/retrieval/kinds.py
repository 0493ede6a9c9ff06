"""What can be found, and how: names that requests and answers use."""

from __future__ import annotations

from typing import Literal

# The operator's content is of one of six types.
ContentType = Literal["route", "learning_path", "exercise", "school", "event", "instructor"]
Found = Literal["document"] | ContentType
Mode = Literal["semantic", "keyword", "hybrid"]
