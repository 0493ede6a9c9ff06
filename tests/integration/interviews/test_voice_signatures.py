"""Who may send a voice call's event: every way to sign, right and wrong, and bodies of any kind."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

import jwt
import pytest

from testing.functions import Functions, api_event
from testing.voice import SIGNED, VOICE_SECRET
from tests.integration.interviews.feedback_cases import rows
from tests.integration.interviews.voice_cases import WEBHOOK

SECRET = "a secret of the webhook's own"
BODY = json.dumps({"message": {"type": "status-update", "status": "ended", "call": {"id": "call-1"}}})
Headers = dict[str, str]
Sign = Callable[[str, float, str], Headers]


class Way(NamedTuple):
    """A way to sign.

    Attributes:
        credential: as the voice secret has it.
        sign: the headers for a body at a time with a secret.
        signs_body, signs_time: what a change of is noticed.
    """

    credential: Mapping[str, Any]
    sign: Sign
    signs_body: bool = False
    signs_time: bool = False


def hmac_of(
    payload: str = "{timestamp}.{body}", *, algorithm: str = "sha256", encoding: str = "hex", prefix: str = "",
    header: str = "x-signature", timestamp_header: str | None = "x-timestamp", milliseconds: bool = False,
    key: Callable[[str], bytes] = str.encode,
) -> Sign:  # fmt: skip
    """Signs as Vapi's HMAC credential says that it does."""

    def sign(body: str, at: float, secret: str) -> Headers:
        stamp = str(int(at * 1000) if milliseconds else int(at))
        text = (
            payload.replace("{method}", "POST")
            .replace("{url}", "https://parley.test/hook")
            .replace("{svix-id}", "msg_1")
        )
        text = text.replace("{timestamp}", stamp).replace("{body}", body)
        digest = hmac.new(key(secret), text.encode(), algorithm).digest()
        value = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
        stamped = {} if timestamp_header is None else {timestamp_header: stamp}
        return {header: prefix + value, "svix-id": "msg_1", **stamped}

    return sign


def token_of(secret_of: Callable[[str], str] = lambda secret: secret) -> Sign:
    """An access token that expires five minutes after the time."""

    def sign(_body: str, at: float, secret: str) -> Headers:
        claims = {"iss": "https://issuer.test", "aud": "parley", "exp": int(at) + 300}
        return {"Authorization": f"Bearer {jwt.encode(claims, secret_of(secret).ljust(32, '.'), algorithm='HS256')}"}

    return sign


def encoded(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_") + "==") if secret.startswith("whsec_") else secret.encode()


BASE64 = "whsec_" + base64.b64encode(b"a key of the webhook's own").decode()
WAYS: Mapping[str, Way] = {
    "secret": Way({"mode": "secret", "secret": SECRET}, lambda _body, _at, secret: {"X-Vapi-Secret": secret}),
    "bearer": Way({"mode": "bearer", "secret": SECRET}, lambda _b, _at, secret: {"Authorization": f"Bearer {secret}"}),
    "bearer in a header of its own, without a prefix": Way(
        {"mode": "bearer", "secret": SECRET, "header": "X-Hook-Token", "prefix": ""},
        lambda _body, _at, secret: {"X-Hook-Token": secret},
    ),
    "hmac": Way({"mode": "hmac", "secret": SECRET}, hmac_of(), True, True),
    "hmac in milliseconds": Way({"mode": "hmac", "secret": SECRET}, hmac_of(milliseconds=True), True, True),
    "hmac, sha512 in base64 with a prefix": Way(
        {"mode": "hmac", "secret": SECRET, "algorithm": "sha512", "encoding": "base64", "prefix": "sha512="},
        hmac_of(algorithm="sha512", encoding="base64", prefix="sha512="), True, True,
    ),
    "hmac, sha1": Way({"mode": "hmac", "secret": SECRET, "algorithm": "sha1"}, hmac_of(algorithm="sha1"), True, True),
    "hmac of the body alone": Way(
        {"mode": "hmac", "secret": SECRET, "header": "x-vapi-signature", "include_timestamp": False},
        hmac_of("{body}", header="x-vapi-signature", timestamp_header=None), True, False,
    ),
    "hmac of method and address": Way(
        {"mode": "hmac", "secret": SECRET, "payload_format": "{method}\n{url}\n{timestamp}\n{body}",
         "url": "https://parley.test/hook", "timestamp_header": "X-Sent-At"},
        hmac_of("{method}\n{url}\n{timestamp}\n{body}", timestamp_header="X-Sent-At"), True, True,
    ),
    "svix": Way(
        {"mode": "hmac", "secret": BASE64, "secret_is_base64": True, "encoding": "base64", "prefix": "v1,",
         "header": "svix-signature", "timestamp_header": "svix-timestamp",
         "payload_format": "{svix-id}.{timestamp}.{body}"},
        hmac_of("{svix-id}.{timestamp}.{body}", encoding="base64", prefix="v1,", header="svix-signature",
                timestamp_header="svix-timestamp", key=encoded), True, True,
    ),
    "oauth2": Way(
        {"mode": "oauth2", "secret": SECRET.ljust(32, "."), "algorithm": "HS256", "issuer": "https://issuer.test",
         "audience": "parley"},
        token_of(), False, True,
    ),
}  # fmt: skip
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


def right(way: Way) -> str:
    return str(way.credential["secret"])


class Hook:
    """The webhook, with one credential."""

    def __init__(self, functions: Functions, database: Any, *credentials: Mapping[str, Any]) -> None:
        secret = json.loads(VOICE_SECRET) | {"webhook": list(credentials)}
        functions.environment["PARLEY_VOICE_SECRET"] = json.dumps(secret)
        self._functions = functions
        self._database = database

    def send(self, headers: Headers, body: str = BODY, *, is_base64: bool = False) -> tuple[int, int]:
        """The status, and how many events the inbox has then."""
        event = api_event(
            "POST", WEBHOOK, base64.b64encode(body.encode()).decode() if is_base64 else body, headers=headers
        )
        answer = self._functions.invoke("voice_events", event | {"isBase64Encoded": is_base64})
        return answer["statusCode"], rows(self._database, "select count(*) from app.webhook_events")[0]


@each_way
def test_what_is_signed_right_comes_in_once_however_often_it_is_sent(
    way: Way, functions: Functions, database: Any
) -> None:
    hook = Hook(functions, database, way.credential)
    headers = way.sign(BODY, time.time(), right(way))
    assert [hook.send(headers), hook.send(headers), hook.send(headers, is_base64=True)] == [(200, 1)] * 3


@each_way
def test_what_is_signed_wrong_or_not_at_all_leaves_nothing(way: Way, functions: Functions, database: Any) -> None:
    hook = Hook(functions, database, way.credential)
    wrong = way.sign(
        BODY, time.time(), right(way)[:-6] + "AAAA==" if "whsec_" in right(way) else "another secret altogether"
    )
    assert hook.send(wrong) == (401, 0)
    assert hook.send({}) == (401, 0)
    for name, value in way.sign(BODY, time.time(), right(way)).items():
        if name != "svix-id":
            assert hook.send({name: ""}) == (401, 0)
            assert hook.send({name: value[:-1]}) == (401, 0)


@each_way
def test_another_body_or_another_time_is_noticed_where_it_is_signed(
    way: Way, functions: Functions, database: Any
) -> None:
    hook = Hook(functions, database, way.credential)
    other = BODY.replace("call-1", "call-2")
    signed = way.sign(BODY, time.time(), right(way))
    assert hook.send(signed, other) == ((401, 0) if way.signs_body else (200, 1))
    late = way.sign(BODY, time.time() - (301 if way.credential["mode"] == "hmac" else 601), right(way))
    early = way.sign(BODY, time.time() + 302, right(way))
    assert hook.send(late)[0] == (401 if way.signs_time else 200)
    if way.credential["mode"] == "hmac":
        assert hook.send(early)[0] == (401 if way.signs_time else 200)


def test_a_time_within_the_window_is_right(functions: Functions, database: Any) -> None:
    hook = Hook(functions, database, WAYS["hmac"].credential)
    assert hook.send(WAYS["hmac"].sign(BODY, time.time() - 290, SECRET)) == (200, 1)


def test_any_of_several_credentials_will_do(functions: Functions, database: Any) -> None:
    hook = Hook(
        functions,
        database,
        {"mode": "secret", "secret": "the secret before this one"},
        *(way.credential for way in WAYS.values()),
    )
    for way in WAYS.values():
        assert hook.send(way.sign(BODY, time.time(), right(way))) == (200, 1)


@pytest.mark.parametrize(
    "unusable",
    [
        {}, {"mode": "none"}, {"mode": "secret"}, {"mode": "secret", "secret": ""},
        {"mode": "secret", "secret": "short"}, {"mode": "secret", "sercet": SECRET}, "x",
        {"mode": "secret", "secret": 5}, {"mode": "hmac", "secret": SECRET, "algorithm": "md5"},
        {"mode": "hmac", "secret": SECRET, "payload_format": "{timestamp}"}, {"mode": "oauth2"},
        {"mode": "hmac", "secret": "not base64 at all!!", "secret_is_base64": True},
    ],
)  # fmt: skip
def test_an_unusable_credential_lets_nothing_in(unusable: Any, functions: Functions, database: Any) -> None:
    hook = Hook(functions, database, unusable)
    for headers in ({}, {"X-Vapi-Secret": ""}, {"X-Vapi-Secret": "short"}, {"Authorization": "Bearer "}):
        assert hook.send(headers) == (401, 0)


@pytest.mark.parametrize(
    ("way", "changes"),
    [
        # What any token of the issuer would fit, or one of any issuer.
        ("oauth2", {"audience": ""}), ("oauth2", {"issuer": ""}),
        # A time that nobody signed says nothing.
        ("hmac", {"payload_format": "{body}"}), ("hmac", {"payload_format": "{method}.{body}"}),
    ],
)  # fmt: skip
def test_a_credential_that_would_let_too_much_in_lets_nothing_in(
    way: str, changes: Mapping[str, Any], functions: Functions, database: Any
) -> None:
    right_way = WAYS[way]
    hook = Hook(functions, database, {**right_way.credential, **changes})
    sign = hmac_of(changes["payload_format"]) if "payload_format" in changes else right_way.sign
    assert hook.send(sign(BODY, time.time(), right(right_way))) == (401, 0)


@pytest.mark.parametrize(("key", "answer"), [(b"nine byte", (401, 0)), (b"sixteen bytes ok", (200, 1))])
def test_a_key_in_base64_is_as_long_as_its_bytes(
    key: bytes, answer: tuple[int, int], functions: Functions, database: Any
) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    hook = Hook(functions, database, {**WAYS["svix"].credential, "secret": secret})
    assert hook.send(WAYS["svix"].sign(BODY, time.time(), secret)) == answer


def test_an_access_token_of_another_issuer_or_for_another_audience_is_none(functions: Functions, database: Any) -> None:
    hook = Hook(functions, database, WAYS["oauth2"].credential)
    for whose in ({"iss": "https://other.test", "aud": "parley"}, {"iss": "https://issuer.test", "aud": "other"}, {}):
        claims: dict[str, Any] = {**whose, "exp": int(time.time()) + 60}
        token = jwt.encode(claims, SECRET.ljust(32, "."), algorithm="HS256")
        assert hook.send({"Authorization": f"Bearer {token}"}) == (401, 0)
    unsigned = jwt.encode(
        {"iss": "https://issuer.test", "aud": "parley", "exp": int(time.time()) + 60}, "", algorithm="none"
    )
    assert hook.send({"Authorization": f"Bearer {unsigned}"}) == (401, 0)


TYPES: list[Any] = [
    "end-of-call-report", "status-update", "transcript", 'transcript[transcriptType="final"]', "x", 5,
]  # fmt: skip
IDS: list[Any] = ["call-1", 5, None, "", "x" * 200, "a\x00b", {"id": 1}]
VALUES: list[Any] = [
    None, True, -1, 1e308, 10**30, "", "\x00", "\ud800", [], {}, [[]], {"a": {"b": []}}, "2026-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00", "end-of-call-report", "9" * 50, [None, 1, "x"], "User: a\x00b\ud800",
    {"messages": [None, {"role": "user", "message": 5}, {"role": "user", "message": "a\x00", "time": 1e300}]},
]  # fmt: skip
MEMBERS = [
    "artifact", "messages", "timestamp", "role", "transcript", "transcriptType", "startedAt", "endedAt", "cost",
    "endedReason", "assistant", "metadata", "analysis",
]  # fmt: skip
SPOILED = ["", "}", '"', "\\u0000", "\\ud800", "NaN", "[" * 3000, "\x01"]


def mutated(random: Random) -> str:
    """A body that is an event, or was one."""
    call: dict[str, Any] = {"id": random.choice(IDS)}
    message: dict[str, Any] = {"type": random.choice(TYPES), "call": random.choice([call, call, None, [], "call"])}
    for name in random.sample([*MEMBERS, "status"], 5):
        message[name] = random.choice(VALUES)
    text = json.dumps(random.choice([{"message": message}, message, {"message": [message]}, random.choice(VALUES)]))
    if random.random() < 0.4:
        at = random.randrange(len(text) + 1)
        text = text[:at] + random.choice(SPOILED) + text[at + 1 :]
    return text


def test_no_body_makes_it_fail(functions: Functions, schedules: Functions, database: Any) -> None:
    random = Random(13)
    statuses = set()
    for _ in range(1000):
        answer = functions.invoke("voice_events", api_event("POST", WEBHOOK, mutated(random), headers=SIGNED))
        statuses.add(answer["statusCode"])
    assert statuses == {200, 400}
    came = rows(database, "select id::text from app.webhook_events")
    records = [{"messageId": event, "body": json.dumps({"task": "voice_event", "id": event})} for event in came]
    assert schedules.invoke("worker", {"Records": records}, 120) == {"batchItemFailures": []}
    assert set(rows(database, "select status from app.webhook_events")) == {"unmatched"}
