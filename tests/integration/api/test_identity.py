"""Who is calling: every token that must not hold, and what a problem looks like."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from testing.functions import AUDIENCE, ISSUER, SECRET, Functions, make_token

Token = Callable[..., str]


def unsigned(**claims: Any) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    body = {"sub": "ada", "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 60} | claims
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(body)}."


NOW = int(time.time())
BAD_TOKENS = {
    "expired": make_token(exp=NOW - 1),
    "not yet valid": make_token(nbf=NOW + 3600),
    "without an expiry": make_token(exp=None),
    "forged": make_token(secret="another secret of more than thirty-two bytes"),
    "alg none": unsigned(),
    "wrong audience": make_token(aud="somebody-else"),
    "no audience": make_token(aud=None),
    "wrong issuer": make_token(iss="https://evil.test"),
    "another algorithm": make_token(algorithm="HS512", secret=SECRET * 2),
    "no subject": make_token(subject=None),
    "an empty subject": make_token(subject=""),
    "a subject that is no text": jwt.encode(
        {"sub": "x", "iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 60, "nested": {"a": [1]}}, SECRET[:32] + "!"
    ),
    "an endless subject": make_token(subject="a" * 300),
    "a subject with control characters": make_token(subject="ada\u0000"),
    "no token at all": "garbage",
    "endless": "a" * 20_000,
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_token_that_does_not_hold_is_401_everywhere(functions: Functions, name: str) -> None:
    for function, method, path, body in (
        ("get_provider", "GET", "/api/ai-provider", None),
        ("set_provider", "POST", "/api/ai-provider", {"provider": "openai"}),
        ("chat", "POST", "/api/chat", {"message": "Hi"}),
    ):
        answer = functions.request(function, method, path, body, token=BAD_TOKENS[name])
        assert answer.status == 401, (function, answer.text)
        assert answer.json["code"] == ("token_expired" if name == "expired" else "token_invalid")
        assert BAD_TOKENS[name] not in answer.text


@pytest.mark.parametrize("header", ["Basic YWRhOmFkYQ==", "Bearer", "Bearer ", "token"])
def test_another_scheme_is_401(functions: Functions, header: str) -> None:
    answer = functions.request("get_provider", "GET", "/api/ai-provider", headers={"Authorization": header})
    assert answer.status == 401


@pytest.fixture
def published_key(environment: dict[str, str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A P-256 key pair whose public half the issuer publishes."""
    import http.server
    import threading

    key = ec.generate_private_key(ec.SECP256R1())
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())) | {
        "kid": "one",
        "use": "sig",
        "alg": "ES256",
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"keys": [public]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment |= {
            "PARLEY_JWT_ALGORITHM": "ES256",
            "PARLEY_JWKS_URL": f"http://127.0.0.1:{server.server_address[1]}/jwks.json",
        }
        yield key
        server.shutdown()


def test_a_published_key_verifies_and_is_no_shared_secret(
    functions: Functions, environment: dict[str, str], published_key: Any
) -> None:
    functions.environment = environment
    claims = {"sub": "ada", "iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 600}
    good = jwt.encode(claims, published_key, algorithm="ES256", headers={"kid": "one"})
    assert functions.request("get_provider", "GET", "/api/ai-provider", token=good).status == 200
    # Key confusion: the public key, used as an HMAC secret.
    public = published_key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = {"alg": "HS256", "kid": "one", "typ": "JWT"}
    import hashlib
    import hmac

    def part(value: Any) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    signed = part(header) + b"." + part(claims)
    signature = base64.urlsafe_b64encode(hmac.new(public, signed, hashlib.sha256).digest()).rstrip(b"=")
    confused = (signed + b"." + signature).decode()
    for token in (confused, make_token(), jwt.encode(claims, published_key, algorithm="ES256", headers={"kid": "two"})):
        answer = functions.request("get_provider", "GET", "/api/ai-provider", token=token)
        assert answer.status == 401, answer.text


def test_keys_that_cannot_be_fetched_are_503_and_not_401(functions: Functions, environment: dict[str, str]) -> None:
    functions.environment = environment | {
        "PARLEY_JWT_ALGORITHM": "ES256",
        "PARLEY_JWKS_URL": "http://127.0.0.1:9/jwks.json",
    }
    key = ec.generate_private_key(ec.SECP256R1())
    claims = {"sub": "ada", "iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 600}
    token = jwt.encode(claims, key, algorithm="ES256", headers={"kid": "one"})
    answer = functions.request("get_provider", "GET", "/api/ai-provider", token=token)
    assert (answer.status, answer.json["code"]) == (503, "keys_unavailable")
    assert answer.headers["Retry-After"]


def test_an_error_is_a_problem_document_that_openai_clients_read_too(functions: Functions) -> None:
    answer = functions.request("set_provider", "POST", "/api/ai-provider", {"provider": "openai"})
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json
    assert body["type"] == "urn:parley:problem:token_missing"
    assert body["status"] == answer.status == 401
    assert body["request_id"] == answer.headers["X-Request-Id"]
    assert body["error"] == {
        "message": body["detail"],
        "type": "authentication_error",
        "param": None,
        "code": "token_missing",
    }


@pytest.mark.parametrize(
    ("token", "code"),
    [(None, "token_missing"), (make_token("ada"), "service_role_required")],
)
def test_administration_is_for_the_service_role(functions: Functions, token: str | None, code: str) -> None:
    answer = functions.request("admin", "GET", "/api/admin/tiers", token=token)
    assert answer.json["code"] == code
    assert answer.status in (401, 403)


def test_an_unknown_path_is_a_problem_document(functions: Functions) -> None:
    answer = functions.request("get_provider", "GET", "/api/nowhere")
    assert (answer.status, answer.json["code"]) == (404, "not_found")


def test_sql_in_every_field_is_text(functions: Functions, token: Token, database: Any) -> None:
    attack = "'; drop table ai_usage; --"
    assert functions.request("get_provider", "GET", "/api/ai-provider", token=make_token(attack)).status == 200
    body = {
        "message": attack,
        "system": attack,
        "context": {attack: attack},
        "stop": [attack],
        "model": "gpt-6-luna",
    }
    answer = functions.request(
        "chat", "POST", "/api/chat", body, token=token(attack), headers={"Idempotency-Key": attack}
    )
    assert answer.status == 200, answer.text
    with database.connect() as owner:
        assert owner.execute("select count(*) from ai_usage where user_id = %s", (attack,)).fetchone() == (1,)


def test_no_secret_reaches_a_log_line(functions: Functions, capfd: Any, caplog: Any, token: Token) -> None:
    signed = token("ada")
    functions.request("chat", "POST", "/api/chat", {"message": "a very private question"}, token=signed)
    functions.request("chat", "POST", "/api/chat", '{"message": "broken', token=signed)
    functions.request("chat", "POST", "/api/chat", {"message": "x"}, token=signed[:-2] + "zz")
    written = "".join(capfd.readouterr()) + caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    for secret in (signed, SECRET, "sk-operator-openai", "a very private question", "broken"):
        assert secret not in written
