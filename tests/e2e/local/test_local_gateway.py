"""The local gateway, its Runtime API and what runs on it, over a small stack of its own (fixtures/)."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import psutil  # type: ignore[import-untyped]
import pytest

from local.postgres.database import Logins
from local.run.platform import Platform, running
from local.run.terminal import Terminal
from local.template.definitions import ACCOUNT, REGION

FIXTURES = Path(__file__).with_name("fixtures")
LOGINS = Logins("owner-url", "app-url", "service-url")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the fixture stack, whose sources a test may change."""
    folder = tmp_path_factory.mktemp("stack") / "stack"
    shutil.copytree(FIXTURES, folder)
    return folder


@pytest.fixture(scope="module")
def shown() -> io.StringIO:
    """What the terminal shows."""
    return io.StringIO()


@pytest.fixture(scope="module")
def served(stack: Path, tmp_path_factory: pytest.TempPathFactory, shown: io.StringIO) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("data")
    platform = Platform(folder, template=stack / "template.yaml", quiet=True)
    platform.terminal = Terminal(folder / "logs", shown)
    with running(platform, LOGINS):
        yield platform


class Answer:
    """A response with its body read."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(platform: Platform, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    with contextlib.closing(http.client.HTTPConnection(platform.url.removeprefix("http://"), timeout=30)) as connection:
        connection.request(method, path, data, headers or {})
        with connection.getresponse() as response:
            return Answer(response)


@contextlib.contextmanager
def aws(platform: Platform, service: str) -> Iterator[Any]:
    """The SDK's client for a local service."""
    client = boto3.client(
        service,  # type: ignore[call-overload]
        region_name=REGION,
        endpoint_url=platform.url if service == "lambda" else platform.aws_url,
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    with contextlib.closing(client):
        yield client


def wait_for(condition: Callable[[], bool]) -> None:
    """The gateway writes its line when the answer is on its way."""
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def invoke(platform: Platform, name: str, event: dict[str, Any] | None = None) -> Any:
    """Run a function through Lambda's Invoke API; what it returned, or its error."""
    return ask(platform, "POST", f"/2015-03-31/functions/{name}/invocations", event or {}).json


def test_a_request_becomes_a_rest_proxy_event(served: Platform) -> None:
    answer = ask(served, "POST", "/items/a%20b?x=1&x=2&y=", b"text", {"X-Thing": "one", "User-Agent": "tester"})
    event = answer.json["event"]
    assert event["resource"] == "/items/{id}"
    assert event["path"] == "/items/a%20b"
    assert event["httpMethod"] == "POST"
    assert event["pathParameters"] == {"id": "a%20b"}
    assert event["queryStringParameters"] == {"x": "2", "y": ""}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": [""]}
    assert event["headers"]["X-Thing"] == "one"
    assert event["multiValueHeaders"]["X-Thing"] == ["one"]
    assert (event["body"], event["isBase64Encoded"]) == ("text", False)
    context = event["requestContext"]
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert context["identity"]["userAgent"] == "tester"
    assert (context["stage"], context["path"]) == ("live", "/live/items/a%20b")
    assert context["requestId"] == answer.headers["x-amzn-RequestId"]


def test_the_sender_cannot_choose_its_source_address(served: Platform) -> None:
    event = ask(served, "GET", "/echo", headers={"X-Forwarded-For": "203.0.113.9"}).json["event"]
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
    assert event["headers"]["X-Forwarded-For"] == "203.0.113.9, 127.0.0.1"


def test_absent_parts_of_an_event_are_null(served: Platform) -> None:
    event = ask(served, "GET", "/echo").json["event"]
    absent = ("body", "pathParameters", "queryStringParameters", "multiValueQueryStringParameters", "stageVariables")
    assert {name: event[name] for name in absent} == dict.fromkeys(absent)


def test_binary_bodies_travel_as_base64(served: Platform) -> None:
    listed = ask(served, "POST", "/echo", b"plain", {"Content-Type": "image/png"}).json["event"]
    unreadable = ask(served, "POST", "/echo", b"\xff\xfe", {"Content-Type": "text/plain"}).json["event"]
    assert (listed["body"], listed["isBase64Encoded"]) == (base64.b64encode(b"plain").decode(), True)
    assert base64.b64decode(unreadable["body"]) == b"\xff\xfe"


def test_literal_segments_win_over_parameters(served: Platform) -> None:
    assert ask(served, "GET", "/items/fixed").json["event"]["resource"] == "/items/fixed"
    assert ask(served, "GET", "/items/other").json["event"]["resource"] == "/items/{id}"


def test_responses_keep_repeated_headers_and_decode_base64(served: Platform) -> None:
    assert ask(served, "GET", "/echo").headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    value = {"statusCode": 202, "isBase64Encoded": True, "body": base64.b64encode(b"\x00\x01").decode()}
    answer = ask(served, "POST", "/echo", {"do": "return", "value": value})
    assert (answer.status, answer.body) == (202, b"\x00\x01")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nowhere"), ("DELETE", "/echo"), ("HEAD", "/echo"), ("GET", "/")]
)
def test_unknown_paths_and_methods_get_the_gateways_own_403(served: Platform, method: str, path: str) -> None:
    answer = ask(served, method, path)
    assert answer.status == 403
    if method != "HEAD":
        assert answer.json == {"message": "Missing Authentication Token"}


def test_preflight_is_answered_by_the_gateway(served: Platform) -> None:
    answer = ask(served, "OPTIONS", "/echo")
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://parley.example"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET,POST"


def test_a_body_beyond_ten_megabytes_is_refused(served: Platform) -> None:
    assert ask(served, "POST", "/echo", b"x" * (10 * 2**20 + 1)).status == 413


def test_chunked_bodies_are_read_and_connections_kept(served: Platform) -> None:
    connection = http.client.HTTPConnection(served.url.removeprefix("http://"))
    for _ in range(2):
        connection.request(
            "POST", "/echo", iter([b"one ", b"two"]), {"Content-Type": "text/plain"}, encode_chunked=True
        )
        response = connection.getresponse()
        assert json.loads(response.read())["event"]["body"] == "one two"
    connection.close()


def test_what_is_not_http_gets_400(served: Platform) -> None:
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400")


def test_headers_have_a_limit(served: Platform) -> None:
    assert ask(served, "GET", "/echo", headers={"X-Long": "x" * 40_000}).status == 431


@pytest.mark.parametrize(
    "value",
    ["text", {"body": "no status"}, {"statusCode": "x"}, {"statusCode": 200, "body": {"not": "text"}}, None,
     {"statusCode": 200, "isBase64Encoded": True, "body": "!"}, {"statusCode": 200, "headers": {"A": "b\r\nc: d"}}],
)  # fmt: skip
def test_a_malformed_response_is_502(served: Platform, value: Any) -> None:
    answer = ask(served, "POST", "/echo", {"do": "return", "value": value})
    assert (answer.status, answer.json) == (502, {"message": "Internal server error"})


@pytest.mark.parametrize("what", ["raise", "exit"])
def test_a_function_that_fails_is_502_and_the_next_request_works(served: Platform, what: str) -> None:
    assert ask(served, "POST", "/echo", {"do": what}).status == 502
    assert ask(served, "GET", "/echo").status == 200


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGTERM"])
def test_a_function_killed_in_mid_request_is_told_with_its_signal(
    served: Platform, shown: io.StringIO, name: str
) -> None:
    shown.seek(0)
    shown.truncate()
    assert ask(served, "POST", "/echo", {"do": "signal", "number": signal.Signals[name]}).status == 502
    wait_for(lambda: "/echo" in shown.getvalue())
    assert re.search(rf"  echo  RequestId: [\w-]+ Error: Runtime exited with error: signal: {name}\n", shown.getvalue())
    assert re.search(r"POST   /echo  502 ", shown.getvalue())


def test_a_response_beyond_lambdas_limit_is_502(served: Platform) -> None:
    assert ask(served, "POST", "/echo", {"do": "large", "size": 7 * 2**20}).status == 502
    assert ask(served, "POST", "/echo", {"do": "large", "size": 5 * 2**20}).status == 200


def test_the_gateway_stops_waiting_before_the_function_ends(served: Platform) -> None:
    answer = ask(served, "POST", "/impatient", {"do": "sleep", "seconds": 1})
    assert (answer.status, answer.json) == (504, {"message": "Endpoint request timed out"})


def test_a_function_beyond_its_timeout_is_killed_and_replaced(served: Platform) -> None:
    before = invoke(served, "worker")["pid"]
    with aws(served, "lambda") as client:
        answer = client.invoke(FunctionName="worker", Payload=b'{"sleep": 30}')
        assert answer["FunctionError"] == "Unhandled"
        assert "Task timed out after 1.00 seconds" in json.loads(answer["Payload"].read())["errorMessage"]
    after = invoke(served, "WorkerFunction")["pid"]
    assert after != before
    assert not Path(f"/proc/{before}").exists()


def test_functions_run_as_on_lambda(served: Platform, stack: Path) -> None:
    seen = ask(served, "GET", "/echo").json
    environment = seen["environment"]
    directory = stack / "functions/echo"
    assert seen["directory"] == environment["LAMBDA_TASK_ROOT"] == str(directory)
    assert seen["path"][:2] == [str(directory), str(stack / "layers/shared")]
    assert seen["greeting"] == "hello"
    assert environment["STAGE"] == "stage live"
    assert environment["DATABASE_URL"] == "app-url"
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environment["_HANDLER"] == "app.lambda_handler"
    assert 0 < seen["remaining"] <= 20_000
    # The developer's shell does not leak into functions.
    assert "PWD" in os.environ
    assert not {"PWD", "HOME", "PYTEST_CURRENT_TEST"} & environment.keys()


def test_the_template_says_which_login_a_function_has(served: Platform) -> None:
    assert invoke(served, "worker")["login"] == "service-url"


def test_sequential_requests_share_a_process_and_concurrent_ones_do_not(served: Platform) -> None:
    assert len({ask(served, "GET", "/echo").json["pid"] for _ in range(3)}) == 1
    with ThreadPoolExecutor(4) as threads:
        body = {"do": "sleep", "seconds": 0.5}
        answers = list(threads.map(lambda _: ask(served, "POST", "/echo", body), range(4)))
    assert len({answer.json["pid"] for answer in answers}) == 4


@pytest.mark.parametrize("file", ["functions/echo/app.py", "layers/shared/shared/__init__.py"])
def test_a_changed_source_file_is_picked_up_by_the_next_request(served: Platform, stack: Path, file: str) -> None:
    before = ask(served, "GET", "/echo").json
    path = stack / file
    text = path.read_text()
    try:
        # Same size, same second: what Python's own check of its bytecode cannot see.
        path.write_text(text.replace('"hello"', '"howdy"').replace('"greeting"', '"GREETING"'))
        after = ask(served, "GET", "/echo").json
    finally:
        path.write_text(text)
    assert before["pid"] != after["pid"]
    assert (before["greeting"], after.get("greeting", after.get("GREETING"))) == (
        "hello",
        "howdy" if "shared" in file else "hello",
    )
    assert ("GREETING" in after) is ("echo" in file)


def test_a_function_that_cannot_be_loaded_says_so_until_it_can(served: Platform, stack: Path) -> None:
    path = stack / "functions/echo/app.py"
    text = path.read_text()
    try:
        path.write_text(text + "\nraise RuntimeError('broken')\n")
        assert [ask(served, "GET", "/echo").status for _ in range(2)] == [502, 502]
        assert invoke(served, "echo")["errorMessage"] == "broken"
    finally:
        path.write_text(text)
    assert ask(served, "GET", "/echo").status == 200


def test_a_stream_reaches_the_client_piece_by_piece(served: Platform, tmp_path: Path) -> None:
    received = tmp_path / "received"
    connection = http.client.HTTPConnection(served.url.removeprefix("http://"), timeout=10)
    connection.request("POST", "/stream", json.dumps({"pieces": 2, "wait_for": str(received)}))
    response = connection.getresponse()
    assert (response.status, response.headers["Content-Type"], response.headers["Set-Cookie"]) == (
        201,
        "text/plain",
        "c=3",
    )
    assert response.read1() == b"first "
    # The function writes its second piece only when we have the first one.
    received.touch()
    assert response.read() == b"piece 0 piece 1 "
    connection.close()


@pytest.mark.parametrize(("how", "told"), [("fail", ""), ("die", "exit status 9"), ("killed", "signal: SIGKILL")])
def test_a_stream_that_breaks_off_ends_without_its_final_chunk_and_is_not_told_as_the_callers_leaving(
    served: Platform, shown: io.StringIO, how: str, told: str, tmp_path: Path
) -> None:
    shown.seek(0)
    shown.truncate()
    received = tmp_path / "received"
    connection = http.client.HTTPConnection(served.url.removeprefix("http://"))
    connection.request("POST", "/stream", json.dumps({"pieces": 1, how: True, "wait_for": str(received)}))
    response = connection.getresponse()
    assert response.status == 201
    received.touch()
    with response, pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        response.read()
    connection.close()
    wait_for(lambda: "/stream" in shown.getvalue() and told in shown.getvalue())
    assert re.search(r"POST   /stream  201 function_failed  \d+ ms  stream\n", shown.getvalue())
    assert ask(served, "POST", "/stream", {}).status == 201


def test_a_streaming_function_hears_that_the_client_left(served: Platform, shown: io.StringIO, tmp_path: Path) -> None:
    shown.seek(0)
    shown.truncate()
    note = tmp_path / "note"
    connection = http.client.HTTPConnection(served.url.removeprefix("http://"))
    connection.request("POST", "/stream", json.dumps({"pieces": 80, "between": 0.05, "note": str(note)}))
    response = connection.getresponse()
    response.read1()
    response.close()
    connection.close()
    deadline = time.monotonic() + 4
    while not note.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert int(note.read_text()) < 80
    wait_for(lambda: "POST   /stream  499  " in shown.getvalue())


def test_the_gateway_sends_every_piece_at_once(served: Platform) -> None:
    """Without TCP_NODELAY a piece waits for the client's delayed acknowledgement, 40 ms, on a kept-alive connection."""
    with contextlib.closing(http.client.HTTPConnection(served.url.removeprefix("http://"))) as connection:
        connection.request("GET", "/echo")
        connection.getresponse().read()
        assert connection.sock is not None
        mine = connection.sock.getsockname()
        served_by = [one for one in psutil.Process().net_connections("tcp4") if one.raddr and tuple(one.raddr) == mine]
        (descriptor,) = (one.fd for one in served_by)
        with socket.socket(fileno=os.dup(descriptor)) as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_lambdas_invoke_api_works_with_the_sdk(served: Platform) -> None:
    with aws(served, "lambda") as client:
        assert client.invoke(FunctionName="worker", InvocationType="Event", Payload=b"{}")["StatusCode"] == 202
        assert client.invoke(FunctionName="worker", InvocationType="DryRun")["StatusCode"] == 204
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.invoke(FunctionName="nobody")


def test_lambdas_functions_are_listed_under_the_names_that_invoke_takes(served: Platform) -> None:
    with aws(served, "lambda") as client:
        functions = client.list_functions()["Functions"]
        assert [function["FunctionName"] for function in functions] == ["echo", "stream", "worker"]
        arn = functions[2]["FunctionArn"]
        for name in ("worker", arn, arn.partition("lambda:")[2].partition(":")[2], "function:worker", "worker:live"):
            assert client.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.invoke(FunctionName=arn.replace("worker", "nobody"))


@pytest.mark.parametrize(
    ("operation", "options"),
    [("get_function", {"FunctionName": "echo"}), ("list_layers", {}), ("delete_function", {"FunctionName": "echo"}),
     ("list_event_source_mappings", {}), ("get_account_settings", {})],
)  # fmt: skip
def test_the_rest_of_lambdas_api_says_that_it_is_not_served(
    served: Platform, operation: str, options: dict[str, str]
) -> None:
    with aws(served, "lambda") as client, pytest.raises(botocore.exceptions.ClientError) as refused:
        getattr(client, operation)(**options)
    assert "make run serves ListFunctions and Invoke of Lambda's API" in str(refused.value)
    assert refused.value.response["Error"]["Code"] == "NotImplementedException"


def test_a_web_page_cannot_invoke_functions(served: Platform) -> None:
    path = "/2015-03-31/functions/worker/invocations"
    assert ask(served, "POST", path, b"{}", {"Origin": "https://evil.example"}).status == 403


def test_queued_messages_reach_the_function_and_failed_ones_the_dead_letters(served: Platform) -> None:
    jobs, dead = (f"{served.aws_url}/{ACCOUNT}/{name}" for name in ("Jobs", "Dead"))
    with aws(served, "sqs") as sqs:
        for body in ("good", "fail"):
            sqs.send_message(QueueUrl=jobs, MessageBody=body)
        deadline = time.monotonic() + 15
        while not (got := sqs.receive_message(QueueUrl=dead).get("Messages")) and time.monotonic() < deadline:
            time.sleep(0.2)
    assert [message["Body"] for message in got or []] == ["fail"]
    seen = invoke(served, "worker")["seen"]
    assert seen.count("good") == 1
    assert seen.count("fail") == 2


def test_users_keys_stay_readable_over_a_restart(stack: Path, tmp_path: Path) -> None:
    context = {"user_id": "user_1"}
    template = stack / "template.yaml"
    with running(Platform(tmp_path, template=template, quiet=True), LOGINS) as first, aws(first, "kms") as kms:
        blob = kms.encrypt(KeyId=first.keys.kms_key_id, Plaintext=b"sk-1", EncryptionContext=context)["CiphertextBlob"]
    with running(Platform(tmp_path, template=template, quiet=True), LOGINS) as second, aws(second, "kms") as kms:
        assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"] == b"sk-1"
        with pytest.raises(kms.exceptions.InvalidCiphertextException):
            kms.decrypt(CiphertextBlob=blob, EncryptionContext={"user_id": "user_2"})
