"""Streamed chat through the real runtime loop and handler: events, heartbeats, faults, callers who leave.

Each test has a process of its own, `python -m parley.runtime`, on a Runtime API that the test holds in its hands.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.checkout import FUNCTIONS, LAYER
from local.emulator.client import Emulator
from testing.functions import Functions, api_event
from testing.runtime_api import Posted, RuntimeApi

Token = Callable[..., str]

ANSWER = "One two three four five six."
# The shipped handler, whose heart beats every ten seconds, made to beat fast enough for a test.
FAST_HEART = """
import dataclasses, importlib.util

spec = importlib.util.spec_from_file_location("shipped", {path!r})
shipped = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shipped)

def lambda_handler(event, context):
    return dataclasses.replace(shipped.lambda_handler(event, context), heartbeat_seconds=0.1)
"""


@dataclass
class Stream:
    """What a caller reads of one answer."""

    posted: Posted

    def event(self) -> tuple[str, Any] | None:
        """The next event and its data, comments left out; None at the end."""
        while (chunk := self.posted.next_chunk()) is not None:
            if chunk.startswith(b"event: "):
                name, _, data = chunk.decode().removeprefix("event: ").partition("\ndata: ")
                return name, json.loads(data)
        return None

    def events(self) -> list[tuple[str, Any]]:
        """All that are still to come."""
        return list(iter(self.event, None))

    def until(self, name: str) -> Any:
        """The data of the next event of that name."""
        return next(data for found, data in iter(self.event, None) if found == name)


class Caller:
    """Asks the streaming function."""

    def __init__(self, api: RuntimeApi, process: subprocess.Popen[bytes]) -> None:
        self._api = api
        self._process = process

    def ask(self, message: str, token: str | None, **body: Any) -> Stream:
        """Send a question; the stream as soon as it begins."""
        return Stream(self._api.invoke(self._event(message, token, **body)))

    def ask_and_leave(self, message: str, token: str | None) -> None:
        """Send a question, and be gone before the answer's prelude; returns when the function is through with it."""
        self._api.leave_before_the_prelude(self._event(message, token))
        self._process.wait(timeout=20)

    @staticmethod
    def _event(message: str, token: str | None, key: str | None = None, **body: Any) -> dict[str, Any]:
        headers = {"Idempotency-Key": key} if key else None
        return api_event("POST", "/api/chat/stream", {"message": message} | body, token=token, headers=headers)


@pytest.fixture
def folder() -> Path:
    """Where the function's code lies."""
    return FUNCTIONS / "chat_stream"


@pytest.fixture
def caller(environment: dict[str, str], folder: Path) -> Iterator[Caller]:
    """The streaming function in its own process."""
    with RuntimeApi() as api:
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(LAYER)} | environment | api.environment(folder)
        with subprocess.Popen([sys.executable, "-m", "parley.runtime"], cwd=folder, env=variables) as process:
            yield Caller(api, process)
            process.terminate()


def row(database: Any, query: str) -> tuple[Any, ...]:
    with database.connect() as owner:
        found: tuple[Any, ...] = owner.execute(query).fetchone()
        return found


def settled(database: Any, seconds: float = 10) -> tuple[Any, ...]:
    """State and error code of the only request, and its caller's units, once it is not reserved any more."""
    query = """
    select r.state, r.error_code, s.daily_usage, r.finished_at is not null
    from app.ai_requests as r inner join public.user_ai_settings as s on s.user_id = r.user_id
    """
    deadline = time.monotonic() + seconds
    while (found := row(database, query))[0] == "reserved" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert row(database, "select count(*) from app.ai_requests") == (1,)
    return found[:3]


def test_an_answer_is_told_in_events_and_settled_once(
    caller: Caller, token: Token, emulator: Emulator, database: Any
) -> None:
    emulator.answer(ANSWER)
    stream = caller.ask("Count to six.", token("ada"))
    events = stream.events()
    names = [name for name, _ in events]
    assert names == ["start", *["delta"] * 6, "usage", "done"]
    assert "".join(data["text"] for name, data in events if name == "delta") == ANSWER
    assert stream.posted.prelude["statusCode"] == 200
    assert stream.posted.prelude["headers"]["Content-Type"].startswith("text/event-stream")
    assert stream.posted.prelude["headers"]["X-RateLimit-Remaining"] == "9"
    assert events[-1][1]["finish_reason"] == "stop"
    assert settled(database) == ("settled", None, 1)
    assert row(database, "select count(*), min(cost)::text from ai_usage") == (1, events[-2][1]["usage"]["cost_usd"])


def test_a_refusal_is_a_problem_document_and_no_stream(caller: Caller, token: Token, emulator: Emulator) -> None:
    posted = caller.ask("Hello?", token("ada"), temperature="hot").posted.complete()
    assert posted.prelude["statusCode"] == 400
    assert json.loads(posted.body)["code"] == "invalid_request"
    assert emulator.requests() == []


@pytest.mark.parametrize(("provider", "tokens"), [("openai", None), ("anthropic", 55)])
def test_a_caller_who_leaves_a_silent_model_closes_it_and_has_spent_the_unit(
    caller: Caller, token: Token, emulator: Emulator, database: Any, provider: str, tokens: int | None
) -> None:
    emulator.fault("silent", delay=60)
    emulator.answer(ANSWER, usage={"prompt": 55})
    stream = caller.ask("Count to six.", token("ada"), provider=provider)
    # The first chunk holds the role alone; with it the model falls silent.
    stream.until("start")
    wait_for_model(emulator)
    time.sleep(0.5)  # until that chunk was read, which has the prompt's tokens where a provider tells them early
    stream.posted.break_off()
    emulator.closed(emulator.requests()[0]["number"], timeout=5.0)
    assert settled(database) == ("settled", "cancelled", 1)
    assert row(database, "select tokens_prompt, estimated, count(*) over () from ai_usage") == (
        tokens,
        tokens is None,
        1,
    )
    assert len(emulator.requests()) == 1


def test_a_caller_who_leaves_in_the_middle_closes_upstream_and_pays_the_unit(
    caller: Caller, token: Token, emulator: Emulator, database: Any
) -> None:
    emulator.fault("slow", delay=0.01, between=0.2)
    emulator.answer("word " * 500)
    stream = caller.ask("Count to six.", token("ada"))
    stream.until("delta")
    stream.posted.break_off()
    emulator.closed(emulator.requests()[0]["number"], timeout=5.0)
    assert settled(database) == ("settled", "cancelled", 1)
    assert row(database, "select count(*), bool_and(cost is null and estimated) from ai_usage") == (1, True)
    assert len(emulator.requests()) == 1


def test_a_caller_who_leaves_before_the_models_first_header_has_spent_the_unit(
    caller: Caller, token: Token, emulator: Emulator, database: Any
) -> None:
    emulator.fault("slow", delay=60)
    stream = caller.ask("Count to six.", token("ada"))
    stream.until("start")
    wait_for_model(emulator)
    stream.posted.break_off()
    emulator.closed(emulator.requests()[0]["number"], timeout=5.0)
    assert settled(database) == ("settled", "cancelled", 1)
    unknown = "select count(*), bool_and(tokens_prompt is null and cost is null and estimated) from ai_usage"
    assert row(database, unknown) == (1, True)
    assert len(emulator.requests()) == 1, "nothing is tried again for a caller who has left"


def test_the_unit_of_a_caller_who_left_covers_one_retry_with_the_same_key(
    caller: Caller, token: Token, emulator: Emulator, database: Any
) -> None:
    def ask_and_leave(number: int) -> tuple[Any, ...]:
        emulator.fault("slow", delay=60)
        stream = caller.ask("Count to six.", token("ada"), key="one")
        stream.until("start")
        wait_for_model(emulator, number)
        stream.posted.break_off()
        return settled(database)

    def ask(message: str, key: str) -> str:
        return caller.ask(message, token("ada"), key=key).events()[-1][0]

    assert ask_and_leave(1) == ("settled", "cancelled", 1)
    for fault, times in (("server_error", 4), ("bad_request", 3)):
        emulator.fault(fault, times=times)
        assert ask("Count to six.", "one") == "error"
        emulator.reset()
        assert settled(database)[2] == 1, "a failure spends nothing, the cover neither"
    assert ask_and_leave(1) == ("settled", "cancelled", 1)
    emulator.reset()
    assert ask("Count to six.", "one") == "done"
    assert settled(database) == ("settled", None, 2)


def test_a_caller_who_leaves_after_the_provider_has_failed_gets_the_unit_back(
    caller: Caller, token: Token, emulator: Emulator, database: Any
) -> None:
    emulator.fault("rate_limit", times=10, retry_after="1.8")
    stream = caller.ask("Count to six.", token("ada"))
    stream.until("start")
    wait_for_model(emulator)
    time.sleep(0.3)
    stream.posted.break_off()
    assert settled(database) == ("released", "cancelled", 0)
    assert row(database, "select count(*) from ai_usage") == (0,)
    assert len(emulator.requests()) == 1


def test_a_caller_who_leaves_before_the_model_is_asked_does_not_leave_it_waiting(
    caller: Caller, token: Token, emulator: Emulator, database: Any
) -> None:
    emulator.fault("slow", delay=60)
    stream = caller.ask("Count to six.", token("ada"))
    stream.until("start")  # the container's first call: from here it loads the SDK before it asks
    stream.posted.break_off()
    assert settled(database) == ("released", "cancelled", 0)
    for request in emulator.requests():
        emulator.closed(request["number"], timeout=5.0)


def test_a_caller_who_is_gone_before_the_prelude_gets_the_unit_back_and_no_model_is_asked(
    caller: Caller, token: Token, emulator: Emulator, database: Any
) -> None:
    caller.ask_and_leave("Count to six.", token("ada"))
    assert settled(database) == ("released", "cancelled", 0)
    assert emulator.requests() == []


def test_the_next_caller_is_served_after_one_has_left(caller: Caller, token: Token, emulator: Emulator) -> None:
    emulator.fault("slow", delay=60)
    stream = caller.ask("Count to six.", token("ada"))
    stream.until("start")
    wait_for_model(emulator)
    stream.posted.break_off()
    emulator.answer(ANSWER)
    assert [name for name, _ in caller.ask("Count again.", token("bob")).events()][-1] == "done"


def test_a_fault_in_the_middle_ends_the_stream_with_an_error_event_and_gives_the_unit_back(
    caller: Caller, token: Token, emulator: Emulator, database: Any
) -> None:
    emulator.fault("mid_stream_error")
    stream = caller.ask("Count to six.", token("ada"))
    events = stream.events()
    names = [name for name, _ in events]
    assert (names[0], names[1], names[-1]) == ("start", "delta", "error")
    assert "done" not in names
    document = events[-1][1]
    assert document["retryable"] is True
    assert document["error"]["code"] == document["code"]
    assert stream.posted.trailers == {}
    assert settled(database) == ("released", document["code"], 0)
    assert row(database, "select count(*) from ai_usage") == (1,)


def test_a_model_that_never_begins_ends_in_an_error_event_and_the_unit_comes_back(
    caller: Caller, token: Token, emulator: Emulator, database: Any
) -> None:
    emulator.fault("bad_request", provider="*", times=10)
    events = caller.ask("Count to six.", token("ada")).events()
    assert [name for name, _ in events] == ["start", "error"]
    assert settled(database) == ("released", events[-1][1]["code"], 0)


class TestHeartbeats:
    """While the model is silent."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The shipped handler with a faster heart."""
        (tmp_path / "app.py").write_text(FAST_HEART.format(path=str(FUNCTIONS / "chat_stream" / "app.py")))
        return tmp_path

    def test_comments_fill_the_silence_and_readers_skip_them(
        self, caller: Caller, token: Token, emulator: Emulator
    ) -> None:
        emulator.fault("slow", delay=1.0)
        emulator.answer(ANSWER)
        posted = caller.ask("Count to six.", token("ada")).posted.complete()
        between = posted.chunks[2 : next(n for n, chunk in enumerate(posted.chunks) if b"delta" in chunk)]
        assert between
        assert all(chunk.startswith(b":") and chunk.endswith(b"\n\n") for chunk in between)


def wait_for_model(emulator: Emulator, times: int = 1, seconds: float = 10) -> None:
    """Return when the model was asked so many times."""
    deadline = time.monotonic() + seconds
    while len(emulator.requests()) < times and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_stream_takes_two_round_trips_a_hit_one_and_a_semantic_lookup_three(
    functions: Functions, token: Token
) -> None:
    def ask(message: str, **body: Any) -> int:
        before = database.round_trips
        answer = functions.request("chat_stream", "POST", "/api/chat/stream", {"message": message} | body, token=ada)
        assert "event: done" in answer.text
        made: int = database.round_trips - before
        return made

    ada = token("ada")
    database = functions.module("chat_stream").services.database
    assert ask("What is a fjord?") == 2
    assert ask("What is a fjord?") == 1
    assert ask("What is Parley?") == 1
    assert ask("What is a glacier?", cache="semantic") == 3
