"""Secrets that are rotated while containers run: what was replaced opens again within a minute, whoever calls."""

from __future__ import annotations

import http.server
import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from parley.core import secrets
from parley.core.clock import SystemClock
from parley.core.config import Settings
from testing.databases import ScratchDatabase
from testing.functions import AUDIENCE, ISSUER, SECRET, Functions, make_token

OTHER_SECRET = "another secret of more than thirty-two bytes"


class Published:
    """Secrets Manager and an issuer's JWKS in one: what is published, how often it was read, and whether it answers."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.reads: list[str] = []
        self.away = False
        published = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                name = json.loads(body)["SecretId"]
                self._send(name, {"ARN": name, "Name": name, "SecretString": published.values[name]})

            def do_GET(self) -> None:
                self._send("jwks", json.loads(published.values["jwks"]))

            def _send(self, name: str, answer: Any) -> None:
                published.reads.append(name)
                content = json.dumps({"__type": "InternalServiceError"} if published.away else answer).encode()
                self.send_response(500 if published.away else 200)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def published() -> Iterator[Published]:
    made = Published()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


class Later:
    """Lets time pass for the containers, `seconds` in all."""

    seconds = 0.0


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    later = Later()
    monkeypatch.setattr(SystemClock, "now", lambda _: datetime.fromtimestamp(time.time() + later.seconds, UTC))
    return later


def name(what: str) -> str:
    """An ARN that no other test knows: containers of one process share what they read."""
    return f"arn:aws:secretsmanager:eu-north-1:000000000000:secret:{what}-{time.monotonic_ns()}"


@pytest.fixture
def rotating(environment: dict[str, str], published: Published) -> dict[str, str]:
    """The environment of functions that take every secret from Secrets Manager; returns the secrets' names."""
    names = {"jwt": name("jwt"), "keys": name("keys"), "database": name("database")}
    published.values |= {
        names["jwt"]: SECRET,
        names["keys"]: json.dumps({"openai": environment["OPENAI_API_KEY"]}),
        names["database"]: environment["DATABASE_URL"],
    }
    for taken in ("DATABASE_URL", "PARLEY_JWT_SECRET", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        del environment[taken]
    environment |= {
        "PARLEY_JWT_SECRET_ARN": names["jwt"],
        "PARLEY_PROVIDER_KEYS_SECRET_ARN": names["keys"],
        "PARLEY_DATABASE_SECRET_ARN": names["database"],
        "AWS_ENDPOINT_URL": published.url,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "eu-north-1",
    }
    return names


def status(functions: Functions, token: str) -> int:
    return functions.request("account", "GET", "/api/settings", token=token).status


def test_a_token_of_the_rotated_key_holds_within_a_minute_and_one_of_the_old_key_no_more(
    functions: Functions, rotating: dict[str, str], published: Published, later: Later
) -> None:
    old, new = make_token(), make_token(secret=OTHER_SECRET)
    assert status(functions, old) == 200
    published.values[rotating["jwt"]] = OTHER_SECRET
    assert status(functions, new) == 401  # read a moment ago
    later.seconds = 61
    assert status(functions, new) == 200
    assert status(functions, old) == 401


def test_a_replaced_key_that_nobody_contradicts_is_let_go_of_after_five_minutes(
    functions: Functions, rotating: dict[str, str], published: Published, later: Later
) -> None:
    assert status(functions, make_token()) == 200
    published.values[rotating["jwt"]] = OTHER_SECRET
    later.seconds = 299
    assert status(functions, make_token()) == 200
    later.seconds = 301
    assert status(functions, make_token()) == 401


def test_invalid_tokens_cause_one_secret_read_a_minute(
    functions: Functions, rotating: dict[str, str], published: Published, later: Later
) -> None:
    assert status(functions, make_token()) == 200
    published.reads.clear()
    for second in range(0, 181, 10):
        later.seconds = second
        for forged in (make_token(secret=OTHER_SECRET), make_token(secret=OTHER_SECRET, exp=1), "garbage"):
            assert status(functions, forged) == 401
        assert published.reads.count(rotating["jwt"]) == second // 60
    assert status(functions, make_token()) == 200


def test_the_known_key_serves_while_secrets_manager_is_away(
    functions: Functions, rotating: dict[str, str], published: Published, later: Later
) -> None:
    assert status(functions, make_token()) == 200
    published.away = True
    published.reads.clear()
    later.seconds = 400
    for _ in range(3):
        assert status(functions, make_token()) == 200
        assert status(functions, make_token(secret=OTHER_SECRET)) == 401
    assert published.reads.count(rotating["jwt"]) == 2  # one reading, which botocore tried twice
    published.away = False
    published.values[rotating["jwt"]] = OTHER_SECRET
    later.seconds = 461
    assert status(functions, make_token(secret=OTHER_SECRET)) == 200


def test_a_secret_that_could_never_be_read_is_503(
    functions: Functions, rotating: dict[str, str], published: Published
) -> None:
    published.away = True
    answer = functions.request("account", "GET", "/api/settings", token=make_token())
    assert (answer.status, answer.json["code"], answer.headers["Retry-After"]) == (503, "secrets_unavailable", "5")
    published.away = False
    assert status(functions, make_token()) == 200


@pytest.mark.parametrize("what", ["keys", "database"])
@pytest.mark.parametrize("broken", ["{", "[]", '{"openai', "null", ""])
def test_an_unusable_rotated_secret_leaves_the_known_one_in_place(
    functions: Functions, rotating: dict[str, str], published: Published, later: Later, what: str, broken: str
) -> None:
    token = make_token()
    assert functions.request("chat", "POST", "/api/chat", {"message": "Hi"}, token=token).status == 200
    published.values[rotating[what]] = broken
    later.seconds = 400
    functions.module("chat").services.database.close()
    assert functions.request("chat", "POST", "/api/chat", {"message": "Hello"}, token=token).status == 200


@pytest.fixture
def password(database: ScratchDatabase) -> Iterator[Any]:
    """Changes the password of parley_app, which the whole server knows, until the test ends."""
    role = sql.Identifier("parley_app")

    def change(password: str) -> str:
        with database.connect() as owner:
            owner.execute(sql.SQL("alter role {} password {}").format(role, sql.Literal(password)))
        return re.sub(r"(//\w+:)[^@]*", rf"\g<1>{password}", database.app_url)

    yield change
    change(str(conninfo_to_dict(database.app_url)["password"]))


def test_a_rotated_login_is_used_at_the_next_connection(
    functions: Functions, rotating: dict[str, str], published: Published, later: Later, password: Any
) -> None:
    token = make_token()
    assert status(functions, token) == 200
    published.values[rotating["database"]] = password("rotated")
    assert status(functions, token) == 200  # the connection that is there
    functions.module("account").services.database.close()
    later.seconds = 61
    assert status(functions, token) == 200


def test_a_login_as_rds_writes_it_is_rotated_too(
    rotating: dict[str, str], published: Published, later: Later, environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for variable in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(variable, environment[variable])
    settings = Settings.from_environment({"PARLEY_DATABASE_SECRET_ARN": rotating["database"]})
    for seconds, user in ((0, "parley_app"), (61, "parley_app_clone")):
        later.seconds = seconds
        published.values[rotating["database"]] = json.dumps({"username": user, "password": "p/w", "host": "db"})
        url = f"postgresql://{user}:p%2Fw@db:5432/postgres?sslmode=require"
        assert secrets.renewed_database_url(settings) == url


def test_a_refused_login_causes_one_secret_read_a_minute(
    functions: Functions, rotating: dict[str, str], published: Published, later: Later, password: Any
) -> None:
    assert status(functions, make_token()) == 200
    password("rotated")
    functions.module("account").services.database.close()
    published.reads.clear()
    for second in (0, 59, 60, 119, 120):
        later.seconds = second
        time.sleep(0.26)  # the database's cool-down
        assert status(functions, make_token()) == 503
        assert published.reads.count(rotating["database"]) == second // 60


def test_migrate_gives_the_logins_the_passwords_that_hold_now(
    rotating: dict[str, str], published: Published, environment: dict[str, str], database: ScratchDatabase,
    password: Any,
) -> None:  # fmt: skip
    arns = {"PARLEY_APP_SECRET_ARN": name("app"), "PARLEY_SERVICE_SECRET_ARN": name("service")}
    published.values |= {
        arns["PARLEY_APP_SECRET_ARN"]: json.dumps({"password": "first"}),
        arns["PARLEY_SERVICE_SECRET_ARN"]: database.service_url,
    }
    migrate = Functions(environment | arns | {"DATABASE_URL": database.owner_url})
    migrate.invoke("migrate", {"command": "up"}, 900)
    psycopg.connect(make_conninfo(database.app_url, password="first")).close()
    published.values[arns["PARLEY_APP_SECRET_ARN"]] = json.dumps({"password": "second"})
    migrate.invoke("migrate", {"command": "up"}, 900)
    psycopg.connect(make_conninfo(database.app_url, password="second")).close()
    migrate.close()


def ask(functions: Functions, message: str) -> Any:
    """A question to openai, which alone has a key."""
    return functions.request("chat", "POST", "/api/chat", {"message": message, "cache": "off"}, token=make_token())


@pytest.mark.parametrize("fault", ["unauthorized", "quota_exhausted"])
def test_a_rotated_provider_key_answers_the_very_request_that_finds_the_old_one_refused(
    functions: Functions, rotating: dict[str, str], published: Published, later: Later, emulator: Any, fault: str
) -> None:
    assert ask(functions, "one").status == 200
    published.values[rotating["keys"]] = json.dumps({"openai": "sk-rotated-openai-wxyz"})
    later.seconds = 61
    emulator.fault(fault)
    answer = ask(functions, "two")
    assert (answer.status, answer.json["provider"]) == (200, "openai")
    assert emulator.requests()[-1]["headers"]["authorization"].endswith("wxyz")


def test_a_key_that_was_refused_before_its_rotation_does_not_keep_the_provider_out_for_longer_than_a_minute(
    functions: Functions, rotating: dict[str, str], published: Published, later: Later, emulator: Any
) -> None:
    emulator.fault("unauthorized")
    assert ask(functions, "one").status == 502
    published.values[rotating["keys"]] = json.dumps({"openai": "sk-rotated-openai-wxyz"})
    assert ask(functions, "two").status == 502  # its circuit is open
    later.seconds = 61
    assert ask(functions, "three").status == 200


def test_a_rotated_key_embeds(
    functions: Functions, rotating: dict[str, str], published: Published, later: Later, emulator: Any
) -> None:
    body = {"documents": [{"content": "Bread needs time."}]}
    assert functions.request("search", "POST", "/api/documents", body, token=make_token()).status == 201
    published.values[rotating["keys"]] = json.dumps({"openai": "sk-rotated-openai-wxyz"})
    later.seconds = 61
    emulator.fault("unauthorized", path="embeddings")
    assert functions.request("search", "POST", "/api/documents", body, token=make_token()).status == 201


def test_a_refused_key_of_the_environment_reads_no_secret(
    functions: Functions, rotating: dict[str, str], published: Published, later: Later, emulator: Any,
    environment: dict[str, str],
) -> None:  # fmt: skip
    environment["OPENAI_API_KEY"] = "sk-environment"
    published.values[rotating["keys"]] = json.dumps({"anthropic": "sk-operator-anthropic"})
    assert ask(functions, "one").status == 200
    published.reads.clear()
    later.seconds = 61
    emulator.fault("unauthorized", provider="openai")
    assert ask(functions, "two").json["provider"] == "anthropic"
    assert rotating["keys"] not in published.reads


def test_a_rotated_published_key_is_found_within_a_minute_and_unknown_names_cause_one_fetch_a_minute(
    functions: Functions, published: Published, environment: dict[str, str], later: Later
) -> None:
    environment |= {"PARLEY_JWT_ALGORITHM": "ES256", "PARLEY_JWKS_URL": f"{published.url}/jwks.json"}
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]

    def publish(kid: str, key: ec.EllipticCurvePrivateKey) -> None:
        public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        published.values["jwks"] = json.dumps({"keys": [public | {"kid": kid, "use": "sig", "alg": "ES256"}]})

    def signed(kid: str, key: ec.EllipticCurvePrivateKey) -> str:
        claims = {"sub": "ada", "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 600}
        return jwt.encode(claims, key, algorithm="ES256", headers={"kid": kid})

    publish("one", keys[0])
    assert status(functions, signed("one", keys[0])) == 200
    for kid in ("two", "one"):  # under a new name, and under the same one
        published.reads.clear()
        publish(kid, keys[1])
        later.seconds += 61
        assert status(functions, signed(kid, keys[1])) == 200
        for number in range(5):
            assert status(functions, signed(f"made up {number}", keys[0])) == 401
            assert status(functions, signed(kid, keys[0])) == 401
        assert published.reads == ["jwks"]
        keys.reverse()
    published.away = True
    later.seconds += 301
    assert status(functions, signed("one", keys[0])) == 200
