"""`python -m local interview`: a whole interview in the terminal, held against a running `make run`.

The candidate is emulated: answers about what was asked, made up by rule. Everything else is what any client does. With
`--voice` a call is played as its vendor would tell it: its events late, twice and out of order, as a seed draws them.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from random import Random
from typing import Any

from local.emulator.phrases import ANSWERS
from local.emulator.schema import keywords
from local.emulator.voice import make_call

_SENTENCES = 4  # of an answer
_MOST_TRIES = 5
_PATIENCE = 300.0  # seconds for the feedback


class Refused(RuntimeError):
    """The API refused a request, or nothing answers there; the message says it in one line."""


class Client:
    """Requests to a running Parley as one user.

    Args:
        address: such as http://127.0.0.1:3000.
    """

    def __init__(self, address: str, token: str) -> None:
        self._address = address
        self._token = token

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None, **headers: str) -> Any:
        """The answer's body. What says when to try again is sent again; every request here may be.

        Raises Refused; OSError where the connection breaks.
        """
        return self._sent(method, f"/api/interviews{path}", body, {"Authorization": f"Bearer {self._token}"} | headers)

    def webhook(self, event: Mapping[str, Any], secret: str) -> Any:
        """The answer to an event of a voice call. Raises as `send` does."""
        return self._sent("POST", "/api/webhooks/vapi", event, {"X-Vapi-Secret": secret})

    def _sent(self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Any:
        tries = 0
        while True:
            tries += 1
            request = urllib.request.Request(
                f"{self._address}{path}",
                None if body is None else json.dumps(body).encode(),
                {"Content-Type": "application/json"} | dict(headers),
                method=method,
            )
            try:
                with urllib.request.urlopen(request, timeout=60) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                wait = error.headers.get("Retry-After")
                if error.code not in (409, 503) or wait is None or tries == _MOST_TRIES:
                    problem = json.load(error)
                    raise Refused(f"{error.code} {problem['code']}: {problem['detail']}") from None
                time.sleep(float(wait))
            except urllib.error.URLError as error:
                raise Refused(
                    f"nothing answers at {self._address} ({error.reason}); is `make run` running, with this PORT?"
                ) from error


def candidate(question: str, language: str, number: int) -> str:
    """What an emulated candidate answers; `number` says which sentences are used."""
    sentences, topics = ANSWERS.get(language, ANSWERS["en"]), keywords([question])
    chosen = [sentences[(number + at) % len(sentences)] for at in range(_SENTENCES)]
    return " ".join(text.format(topic=topics[at % len(topics)]) for at, text in enumerate(chosen))


def interview(client: Client, request: Mapping[str, Any]) -> int:
    """Hold one, from its questions to its feedback, and print it; 1 where the feedback could not be written.

    Raises Refused, OSError.
    """
    made = client.send("POST", "", request, **{"Idempotency-Key": str(uuid.uuid4())})
    path = f"/{made['id']}"
    print(f"{made['title']}: {made['question_count']} questions, interview {made['id']}")
    state = client.send("POST", f"{path}/start")
    for number in count():
        if state["awaits"] is None:
            break
        asked = state["asked"]
        kind = "follow-up" if asked["stage"] == "follow_up" else "question"
        print(f"\n[{kind}, {state['question_index'] + 1} of {state['question_count']}]")
        print(f"Interviewer: {asked['content']}")
        answer = candidate(asked["content"], made["language"], number)
        print(f"Candidate:   {answer}")
        body = {
            "submission_id": str(uuid.uuid4()),
            "sequence_number": state["answer_sequence_number"],
            "content": answer,
        }
        state = client.send("POST", f"{path}/responses", body)
    print(f"\nThe interview is {state['status']}.", end="")
    return _told_feedback(client, path)


def voice_interview(client: Client, request: Mapping[str, Any], secret: str, seed: int) -> int:
    """Hold one in a voice call, whose events come as `seed` draws them, and print it as `interview` does.

    Args:
        secret: what the voice vendor sends as `X-Vapi-Secret`.
    """
    random = Random(seed)
    made = client.send("POST", "", {**request, "interview_type": "voice"}, **{"Idempotency-Key": str(uuid.uuid4())})
    path = f"/{made['id']}"
    print(f"{made['title']}: {made['question_count']} questions, a call, interview {made['id']}")
    started = client.send("POST", f"{path}/start")
    model = started["voice"]["assistant"]["model"]
    print(f"The interviewer is {model['model']} of {model['provider']}, at the voice vendor\n")
    questions = [one["question"] for one in made["questions"]]
    began = int(time.time() * 1000)
    call = make_call(random, f"call-{made['id']}", started, questions, has_messages=True, began=began)
    for one in call.said:
        print(f"{'Interviewer: ' if one.role == 'bot' else 'Candidate:   '}{one.text}")
    events = call.events()
    events += [event for event in events if random.random() < 0.3]
    random.shuffle(events)
    print()
    for event in events:
        answer = client.webhook(event, secret)
        print(f"event {event['message']['type']}{' (again)' if answer['duplicate'] else ''}")
    while client.send("GET", f"{path}/state")["status"] == "in_progress":
        time.sleep(0.5)
    spoken = client.send("GET", f"{path}/voice-analytics")
    pace = "unknown" if spoken["words_per_minute"] is None else f"{spoken['words_per_minute']} words a minute"
    print(f"\nPace: {pace}, fillers: {spoken['filler_words_count']}.", end="")
    return _told_feedback(client, path)


def _told_feedback(client: Client, path: str) -> int:
    """Wait for the feedback and print it; 1 where it could not be written."""
    print(" Feedback is being written", end="", flush=True)
    found = _awaited(client, path)
    print()
    if found["feedback"] is None:
        print(f"No feedback: {found['error'] or found['feedback_status']}", file=sys.stderr)
        return 1
    print("\n".join(_lines(found["feedback"])))
    return 0


def _awaited(client: Client, path: str) -> Any:
    """The feedback once it is there, or once it is known that it will not be."""
    until = time.monotonic() + _PATIENCE
    while True:
        found = client.send("GET", f"{path}/feedback")
        if found["feedback_status"] not in ("none", "pending") or time.monotonic() > until:
            return found
        print(".", end="", flush=True)
        time.sleep(1)


def _lines(feedback: Mapping[str, Any]) -> Iterator[str]:
    score = feedback["overall_score"]
    yield f"Score: {'none' if score is None else f'{score} of 100'} ({feedback['hiring_recommendation']})"
    for one in feedback["competencies"]:
        level = "not observed" if one["level"] is None else f"level {one['level']} of 5"
        yield f"  {one['name']}: {level}" + ("" if one["evidenced"] else ", without evidence")
        yield from (f'    "{quote["quote"]}"' for quote in one["evidence"])
    improvements = [f"{one['what']} {one['action']}" for one in feedback["improvements"]]
    yield from _listed("Strengths", feedback["strengths"])
    yield from _listed("Improvements", improvements)
    yield from _listed("Next steps", feedback["next_steps"])
    yield f"Summary: {feedback['summary']}"


def _listed(title: str, items: Sequence[str]) -> Iterator[str]:
    yield f"{title}:"
    yield from (f"  - {item}" for item in items)
