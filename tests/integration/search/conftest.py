"""The search function, called over HTTP as Lambda calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from testing.functions import Answer, Functions


@pytest.fixture
def search(functions: Functions) -> Callable[..., Answer]:
    def send(method: str, target: str, body: Any = None, **options: Any) -> Answer:
        return functions.request("search", method, target, body, **options)

    return send
