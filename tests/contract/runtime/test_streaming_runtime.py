"""The streaming runtime loop against a Runtime API on a real socket, started by its wrapper as Lambda starts it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.checkout import LAYER
from parley.runtime.response import StreamingResponse
from testing.runtime_api import Posted, RuntimeApi

WRAPPER = LAYER / "parley-stream"

HANDLER = """
import json, socket, sys, time
from parley.runtime.response import StreamingResponse, is_streaming

def note(**fields):
    print(json.dumps(fields), flush=True)

def lambda_handler(event, context):
    return globals()[event["case"]](event, context)

def counted(event, context):
    def body():
        for number in range(event["chunks"]):
            yield f"data: {number}\\n\\n".encode()
        yield b""
    return StreamingResponse(200, {"Content-Type": "text/event-stream"}, body())

def lockstep(event, context):
    def body():
        for number in range(3):
            yield str(number).encode()
            sys.stdin.readline()
    return StreamingResponse(200, {}, body())

def pauses(event, context):
    def body():
        yield b"first"
        time.sleep(0.5)
        yield b"last"
    return StreamingResponse(200, {}, body(), heartbeat=b": beat", heartbeat_seconds=0.1)

def breaks(event, context):
    def body():
        yield b"event: error\\n\\n"
        raise ValueError(event["message"])
    return StreamingResponse(200, {}, body())

def endless(event, context):
    def body():
        try:
            while True:
                yield b"x" * 1024
                time.sleep(0.005)
        except GeneratorExit:
            note(closed="endless")
            raise
    chunks = body()
    return StreamingResponse(200, {}, chunks, close=chunks.close)

def silent(event, context):
    ours, theirs = socket.socketpair()
    def body():
        try:
            yield b"first"
            ours.recv(1)
            raise ConnectionError("cut off")
        finally:
            theirs.close()  # closed with its last reference, it would end the silence at once
            note(closed="silent")
    return StreamingResponse(200, {}, body(), cancel=lambda: ours.shutdown(socket.SHUT_RDWR))

def held(event, context):
    return StreamingResponse(200, {}, iter([b"never read"]), close=lambda: note(closed="held"))

def proxy(event, context):
    return {"statusCode": 404, "multiValueHeaders": {"X-A": ["1", "2"]}, "body": "bm8=", "isBase64Encoded": True}

def direct(event, context):
    return {"streaming": is_streaming(), "request_id": context.aws_request_id, "name": context.function_name,
            "remaining": context.get_remaining_time_in_millis(), "trace": __import__("os").environ["_X_AMZN_TRACE_ID"]}

def fails(event, context):
    raise LookupError("nothing here")
"""


@dataclass
class Loop:
    """A running loop, and the API it lives on."""

    api: RuntimeApi
    process: subprocess.Popen[str]

    def invoke(self, case: str, **event: Any) -> Posted:
        """Send an event; what the loop posts, as soon as it begins."""
        return self.api.invoke({"case": case, **event})

    def run(self, case: str, **event: Any) -> Posted:
        """The same, when it is complete."""
        return self.invoke(case, **event).complete()

    def line(self) -> dict[str, Any]:
        """The next line it logged."""
        assert self.process.stdout is not None
        logged: dict[str, Any] = json.loads(self.process.stdout.readline())
        return logged


def _start(api: RuntimeApi, folder: Path, handler: str = "app.lambda_handler", **extra: str) -> subprocess.Popen[str]:
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(LAYER), **measured}
    environment |= {**api.environment(folder, handler), **extra}
    # The command line of the managed runtime: an interpreter, then its client.
    command = [str(WRAPPER), sys.executable, "-c", "print('the ordinary client')"]
    return subprocess.Popen(
        command, env=environment, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    with RuntimeApi() as server:
        yield server


@pytest.fixture
def loop(api: RuntimeApi, tmp_path: Path) -> Iterator[Loop]:
    (tmp_path / "app.py").write_text(HANDLER)
    with _start(api, tmp_path) as process:
        yield Loop(api, process)
        process.terminate()


def test_a_stream_is_posted_in_the_form_that_api_gateway_reads(loop: Loop) -> None:
    posted = loop.run("counted", chunks=3)
    assert posted.path == "/2018-06-01/runtime/invocation/request-1/response"
    assert posted.headers["lambda-runtime-function-response-mode"] == "streaming"
    assert posted.headers["content-type"] == "application/vnd.awslambda.http-integration-response"
    assert posted.prelude == {"statusCode": 200, "headers": {"Content-Type": "text/event-stream"}}
    assert posted.chunks[1:] == [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"]
    assert posted.trailers == {}


def test_prelude_and_each_chunk_leave_before_the_next_one_is_made(loop: Loop) -> None:
    posted = loop.invoke("lockstep")
    posted.next_chunk()
    for number in (b"0", b"1", b"2"):
        assert posted.next_chunk() == number
        assert loop.process.stdin is not None
        loop.process.stdin.write("go on\n")
        loop.process.stdin.flush()
    assert posted.next_chunk() is None


def test_heartbeats_fill_a_silence_and_nothing_else(loop: Loop) -> None:
    chunks = loop.run("pauses").chunks[1:]
    assert (chunks[0], chunks[-1]) == (b"first", b"last")
    assert set(chunks[1:-1]) == {b": beat"}


def test_an_error_in_the_middle_ends_the_stream_with_trailers_after_the_handlers_own_event(loop: Loop) -> None:
    posted = loop.run("breaks", message="upstream said no")
    assert posted.body == b"event: error\n\n"
    assert posted.trailers["Lambda-Runtime-Function-Error-Type"] == "ValueError"
    error = json.loads(base64.b64decode(posted.trailers["Lambda-Runtime-Function-Error-Body"]))
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "upstream said no")
    logged = loop.line()
    assert (logged["level"], logged["error_type"]) == ("ERROR", "ValueError")
    assert "upstream said no" not in json.dumps(logged)
    assert loop.run("counted", chunks=1).body == b"data: 0\n\n"


def test_a_broken_connection_closes_the_body(loop: Loop) -> None:
    posted = loop.invoke("endless")
    posted.next_chunk()
    assert posted.next_chunk()
    posted.break_off()
    assert {"closed": "endless"} in (loop.line(), loop.line())
    assert loop.run("counted", chunks=1).body == b"data: 0\n\n"


def test_a_broken_connection_ends_the_wait_for_a_silent_model(loop: Loop) -> None:
    posted = loop.invoke("silent")
    posted.next_chunk()
    assert posted.next_chunk()
    posted.break_off()
    assert {"closed": "silent"} in (loop.line(), loop.line())
    assert loop.run("counted", chunks=2).body == b"data: 0\n\ndata: 1\n\n"


def test_what_an_answer_holds_is_let_go_also_when_the_connection_breaks_before_the_prelude(loop: Loop) -> None:
    loop.api.leave_before_the_prelude({"case": "held"})
    assert {"closed": "held"} in (loop.line(), loop.line())
    assert loop.process.wait(timeout=20) == 0


def test_an_answer_read_whole_lets_go_of_what_it_holds_also_when_reading_fails() -> None:
    closed = []

    def body() -> Iterator[bytes]:
        yield b"first"
        raise ConnectionError("cut off")

    for chunks in (iter([b"whole"]), body()):
        with contextlib.suppress(ConnectionError):
            StreamingResponse(200, {}, chunks, close=lambda: closed.append(True)).whole()
    assert closed == [True, True]


def test_a_whole_proxy_answer_takes_the_streamed_form_too(loop: Loop) -> None:
    posted = loop.run("proxy")
    assert posted.prelude == {"statusCode": 404, "multiValueHeaders": {"X-A": ["1", "2"]}}
    assert posted.body == b"no"


def test_a_direct_invocation_gets_json_and_the_handler_a_context(loop: Loop) -> None:
    posted = loop.run("direct")
    answer = json.loads(posted.chunks[0])
    assert "lambda-runtime-function-response-mode" not in posted.headers
    assert 0 < answer.pop("remaining") <= 60_000
    assert answer == {
        "streaming": True,
        "request_id": "request-1",
        "name": "chat",
        "trace": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1",
    }


def test_a_handler_that_raises_is_reported_as_an_error_and_the_loop_goes_on(loop: Loop) -> None:
    posted = loop.run("fails")
    assert posted.path == "/2018-06-01/runtime/invocation/request-1/error"
    assert posted.headers["lambda-runtime-function-error-type"] == "LookupError"
    assert json.loads(posted.chunks[0])["errorMessage"] == "nothing here"
    assert loop.run("counted", chunks=1).prelude["statusCode"] == 200


def test_a_handler_that_cannot_be_loaded_is_an_init_error(api: RuntimeApi, tmp_path: Path) -> None:
    with _start(api, tmp_path, "missing.lambda_handler") as process:
        posted = api.posts.get(timeout=20)
        assert process.wait(timeout=20) == 1
    assert posted.path == "/2018-06-01/runtime/init/error"
    assert posted.headers["lambda-runtime-function-error-type"] == "ModuleNotFoundError"


def test_sam_local_gets_the_ordinary_client(api: RuntimeApi, tmp_path: Path) -> None:
    with _start(api, tmp_path, AWS_SAM_LOCAL="true") as process:
        output, _ = process.communicate(timeout=20)
    assert output == "the ordinary client\n"


def test_the_loop_ends_when_its_runtime_api_does(api: RuntimeApi, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(HANDLER)
    api.stop()
    with _start(api, tmp_path) as process:
        assert process.wait(timeout=20) == 0
