"""What functions ask of AWS, recorded at boto3, beside what their roles allow: the same, both ways."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any

import boto3
import botocore.client
import pytest

from local.emulator.client import Emulator
from local.emulator.voice import make_call
from local.template.cloudformation import Resolver
from local.template.rendered import SAM_PYTHON, rendered
from parley.admission.requests import Requests
from parley.core import secrets
from parley.database.errors import DatabaseUnavailable
from testing.aws import CREDENTIALS
from testing.functions import AUDIENCE, ISSUER, SECRET, Functions, make_token
from testing.voice import SIGNED, VOICE_SECRET
from tests.integration.interviews.feedback_cases import complete, message

pytestmark = pytest.mark.skipif(not SAM_PYTHON.exists(), reason="rendering needs .venv-sam (make build makes it)")

BO, ADA = make_token("bo"), make_token("ada")  # ada has an own key
SERVICE = make_token(None, role="service_role")
OWN_KEY = "/api/settings/api-keys/openai"
CONTENT = "/api/content/route/00000000-0000-0000-0000-000000000001"
QUESTION = {"questions": [{"question": "Which ledger would you choose?"}, {"question": "And why?"}]}
INTERVIEW = {"objective": "Debugging", "number": 3}
# Lambda itself leaves a letter there, with the role of the function that failed for good.
BY_LAMBDA = {("sqs:SendMessage", "local:FailedEvents.Arn")}
CLIENT: Any = botocore.client.BaseClient
NAMES = {"GetSecretValue": "secretsmanager:GetSecretValue", "Encrypt": "kms:Encrypt", "Decrypt": "kms:Decrypt",
         "SendMessage": "sqs:SendMessage"}  # fmt: skip


class Aws:
    """The stack's secrets, key and queues in moto, and what is asked of them.

    Attributes:
        asked: (action, resource) as IAM names them, since `begin`.
    """

    def __init__(self, database: Any, endpoint: str) -> None:
        self.asked: set[tuple[str, str]] = set()
        made: dict[str, Any] = {"region_name": "eu-north-1", "endpoint_url": endpoint,
                                "aws_access_key_id": "none", "aws_secret_access_key": "none"}  # fmt: skip
        self._clients: dict[str, Any] = {name: boto3.client(name, **made) for name in ("secretsmanager", "kms", "sqs")}
        values = {
            "DatabaseSecretArn": database.app_url,
            "DatabaseServiceSecretArn": database.service_url,
            "DatabaseOwnerSecretArn": database.owner_url,
            "JwtSecretArn": SECRET,
            "ProviderKeysSecretArn": json.dumps({"openai": "sk-operator-openai"}),
            "VoiceSecretArn": VOICE_SECRET,
        }
        self.parameters = {
            name: self._clients["secretsmanager"].create_secret(Name=f"{name}-{database.name}", SecretString=value)[
                "ARN"
            ]
            for name, value in values.items()
        } | {"JwtIssuer": ISSUER, "JwtAudience": AUDIENCE}
        self.key = self._clients["kms"].create_key()["KeyMetadata"]["Arn"]
        self._queues: dict[str, str] = {}
        attributes = {
            "UserKeysKey": self.key,
            "UserKeysKey.Arn": self.key,
            "AWS::StackId": "arn:aws:cloudformation:a:b:stack/c/d",
        }
        for name in ("UsageQueue", "WorkQueue"):
            url = self._clients["sqs"].create_queue(QueueName=f"{name}-{database.name}")["QueueUrl"]
            self._queues[url] = attributes[f"{name}.Arn"] = f"arn:aws:sqs:eu-north-1:123456789012:{name}"
            attributes[name] = url
        self.resolver = Resolver(rendered(), self.parameters, attributes)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def note(self, operation: str, parameters: dict[str, Any]) -> None:
        """Take down a call."""
        resource = parameters.get("SecretId") or self._queues.get(parameters.get("QueueUrl", "")) or self.key
        if operation == "ReEncrypt":
            self.asked |= {("kms:ReEncryptFrom", self.key), ("kms:ReEncryptTo", self.key)}
        else:
            self.asked.add((NAMES[operation], resource))

    def allowed(self, function: str) -> set[tuple[str, str]]:
        """What the function's role allows, SAM's own policies left out."""
        resources = rendered()["Resources"]
        role = resources[f"{function}Role"]["Properties"]
        # What nothing stands in for resolves to its name: the stack's own policies.
        named = [str(one).partition("local:")[2] for one in self.resolver.resolve(role["ManagedPolicyArns"])]
        documents = [resources[name]["Properties"]["PolicyDocument"] for name in named if name in resources]
        documents += [policy["PolicyDocument"] for policy in role.get("Policies", ())]
        found = set()
        for statement in (statement for document in documents for statement in document["Statement"]):
            if statement["Effect"] == "Deny":
                continue
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            found |= {(action, str(self.resolver.resolve(statement["Resource"]))) for action in actions}
        return found


@pytest.fixture
def stack(database: Any, aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """The stack's AWS; every call that boto3 makes from here on is taken down."""
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": aws}).items():
        monkeypatch.setenv(name, value)
    for name in (
        "DATABASE_URL",
        "PARLEY_JWT_SECRET",
        "PARLEY_VOICE_SECRET",
        *(f"{provider}_API_KEY" for provider in ("OPENAI", "ANTHROPIC", "GEMINI")),
    ):
        monkeypatch.delenv(name, raising=False)  # what a shell holds wins over a secret
    made = Aws(database, aws)
    call = CLIENT._make_api_call

    def recorded(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        made.note(operation, parameters)
        return call(client, operation, parameters)

    monkeypatch.setattr(CLIENT, "_make_api_call", recorded)
    yield made
    made.close()


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have the database go away while a model thinks."""

    def away(*_: Any, **__: Any) -> Any:
        raise DatabaseUnavailable("away")

    return lambda: monkeypatch.setattr(Requests, "finish", away)


def asked_of_openai(text: str) -> dict[str, Any]:
    """A request as OpenAI's clients send it."""
    return {"model": "auto", "messages": [{"role": "user", "content": text}]}


def test_each_role_allows_what_its_function_asks_and_nothing_else(
    stack: Aws, database: Any, emulator: Emulator, outage: Callable[[], None], request: pytest.FixtureRequest
) -> None:
    folders = {
        name: "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)[1:].removesuffix(
            "_function"
        )
        for name, one in rendered()["Resources"].items()
        if one["Type"] == "AWS::Lambda::Function"
    }
    asked: dict[str, set[tuple[str, str]]] = {name: set() for name in folders}
    made: dict[str, Functions] = {}
    for name, folder in folders.items():
        variables = rendered()["Resources"][name]["Properties"]["Environment"]["Variables"]
        environment = {key: stack.resolver.text(value) for key, value in variables.items()}
        made[folder] = Functions(environment | {"OPENAI_BASE_URL": f"{emulator.url}/openai/v1"})
        made[folder].module(folder)
        request.addfinalizer(made[folder].close)

    def use(folder: str, work: Callable[[Functions], Any]) -> Any:
        """Let a function do something, as a new container does, and note what it asked for."""
        secrets._values.clear()
        stack.asked.clear()
        done = work(made[folder])
        name = next(name for name, found in folders.items() if found == folder)
        asked[name] |= stack.asked
        return done

    def send(folder: str, method: str, path: str, body: Any = None, token: str = BO) -> Any:
        answer = use(folder, lambda functions: functions.request(folder, method, path, body, token=token))
        assert answer.status < 300 or answer.status == 503, f"{folder}: {answer}"
        return answer

    use("migrate", lambda functions: functions.invoke("migrate", {"command": "up"}, 900))
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_units = null")  # Bo asks for more than a day's
    send("health", "GET", "/api/health?ready=true")
    send("get_provider", "GET", "/api/ai-provider")
    send("set_provider", "POST", "/api/ai-provider", {"provider": "openai"})
    send("account", "GET", "/api/settings")
    send("store_key", "PUT", OWN_KEY, {"api_key": "sk-own-key-of-ada-1111"}, ADA)
    send("verify_key", "POST", f"{OWN_KEY}/verify", None, ADA)
    send("search", "POST", "/api/search", {"query": "ledger", "mode": "semantic"})
    send(
        "admin", "PUT", "/api/content/route/00000000-0000-0000-0000-000000000001", {"title": "Round the lake"}, SERVICE
    )
    for token in (BO, ADA):
        send("chat", "POST", "/api/chat", {"message": "What is a fjord?"}, token)
        send("chat_stream", "POST", "/api/chat/stream", {"message": "What is a strait?"}, token)
        send("wire", "POST", "/v1/chat/completions", asked_of_openai("What is a sound?"), token)
        send("generate_interview_questions", "POST", "/api/generate-interview-questions", INTERVIEW, token)
        one = f"/api/interviews/{send('interviews', 'POST', '/api/interviews', QUESTION, token).json['id']}"
        number = send("interviews", "POST", f"{one}/start", None, token).json["answer_sequence_number"]
        reply = {
            "content": "It depends on who reads it, and how often.",
            "sequence_number": number,
            "submission_id": "one",
        }
        send("interviews", "POST", f"{one}/responses", reply, token)
        send("interviews", "POST", f"{one}/complete", None, token)
    eve = make_token("eve")
    by_voice = send("interviews", "POST", "/api/interviews", QUESTION | {"interview_type": "voice"}, eve).json["id"]
    started = send("interviews", "POST", f"/api/interviews/{by_voice}/start", None, eve).json
    event = make_call(Random(1), "call", started, [one["question"] for one in QUESTION["questions"]]).report()
    use(
        "voice_events",
        lambda functions: functions.request("voice_events", "POST", "/api/webhooks/vapi", event, headers=SIGNED),
    )
    with database.connect() as owner:
        (event_id,) = owner.execute("select id::text from app.webhook_events").fetchone()
    task = {"messageId": "one", "body": json.dumps({"task": "voice_event", "id": event_id})}
    use("worker", lambda functions: functions.invoke("worker", {"Records": [task]}, 120))
    with database.connect() as owner:
        owner.execute("update app.provider_keys set kms_key_id = 'an older one'")
    use("rotate_keys", lambda functions: functions.invoke("rotate_keys", {}, 60))
    use("usage_reset", lambda functions: functions.invoke("usage_reset", {}, 60))
    for folder, work in (
        ("cache_cleanup", lambda functions: functions.invoke("cache_cleanup", {}, 60)),
        ("admin", lambda functions: functions.request(
            "admin", "POST", "/api/admin/maintenance", {"task": "cache_cleanup"}, token=SERVICE)),
    ):  # fmt: skip
        with database.connect() as owner:
            owner.execute("update interview_sessions set feedback_requested_at = now() - interval '1 hour'")
        use(folder, work)
    call = {"claims": {"sub": "bo", "role": "authenticated"}, "admitted_offline": True, "outcome": {
        "request_id": "offline-1", "operation": "chat", "occurred_at": "2026-11-21T00:00:00+00:00", "state": "settled",
        "calls": []}}  # fmt: skip
    queued = {"Records": [{"messageId": "one", "body": json.dumps(call)}]}
    use("usage_replay", lambda functions: functions.invoke("usage_replay", queued))

    one = f"/api/interviews/{send('interviews', 'POST', '/api/interviews', QUESTION).json['id']}"
    number = send("interviews", "POST", f"{one}/start").json["answer_sequence_number"]
    outage()
    for user in ("bo", "ada"):
        record = {"Records": [message(complete(database, user=user))]}
        use("worker", partial(lambda record, functions: functions.invoke("worker", record, 120), record))
    send("chat", "POST", "/api/chat", {"message": "And a lake?"})
    send("chat_stream", "POST", "/api/chat/stream", {"message": "And a lake?"})
    send("wire", "POST", "/v1/chat/completions", asked_of_openai("And a lake?"))
    send("generate_interview_questions", "POST", "/api/generate-interview-questions", INTERVIEW | {"number": 4})
    send("interviews", "POST", f"{one}/responses", reply | {"sequence_number": number})
    refused = {name: beyond for name in folders if (beyond := asked[name] - stack.allowed(name))}
    unused = {name: beyond for name in folders if (beyond := stack.allowed(name) - asked[name] - BY_LAMBDA)}
    assert (refused, unused) == ({}, {})
