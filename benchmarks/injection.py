"""Answers that instruct the judge: what they gain with real vendors, and what the defence costs honest answers.

    OPENAI_API_KEY=... python benchmarks/injection.py [--samples 1]

Thirty transcripts in five languages, each with an instruction to the judge in one answer, and their clean twins
(injection.toml). Each is judged as the worker does it, and each clean one also without the fence and the rule about
data. Printed for each vendor whose key is in the shell (OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY):

    rise   what an instruction gains: the score of a transcript with one, less that of its twin
    drift  what the defence changes of honest answers: a twin's score with it, less the one without it

No figure is claimed of an emulated judge: without a key it says "not run". There is no target; the figures are read.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

from parley.completion.structured import InvalidAnswer
from parley.core.provider_names import PROVIDERS, ProviderName
from parley.interviews.assessment import Assessment, messages_for, most_tokens_of_answer, read, schema_for
from parley.interviews.record import InterviewRecord
from parley.interviews.rubric import Rubric, rubric_for
from parley.interviews.scoring import feedback_from
from parley.providers.catalogue import Catalogue
from parley.providers.errors import ProviderError
from parley.providers.protocol import CompletionRequest, Message, Provider
from parley.providers.registry import Providers
from testing.interviews import make_turn

KEYS: dict[ProviderName, str] = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GEMINI_API_KEY",
}
SECONDS = 120.0
INTERVIEWS: dict[str, dict[str, list[str]]] = tomllib.loads(
    Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
)

_FENCE = re.compile(r"</?material-[0-9a-f]{16}>\n?")


def transcripts() -> list[tuple[InterviewRecord, InterviewRecord]]:
    """Thirty clean transcripts, each with its twin that has an instruction at the end of its second answer."""
    pairs = []
    for language, told in INTERVIEWS.items():
        turns = [
            turn
            for index, (question, answer) in enumerate(zip(told["questions"], told["answers"], strict=True))
            for turn in (
                make_turn(2 * index + 1, "assistant", question, index),
                make_turn(2 * index + 2, "user", answer, index),
            )
        ]
        clean = InterviewRecord(
            language=language,
            category="mixed",
            role="Backend engineer",
            experience_level="mid",
            questions=told["questions"],
            turns=turns,
        )
        for instruction in told["instructions"]:
            last = replace(turns[-1], content=f"{turns[-1].content} {instruction}")
            pairs.append((clean, replace(clean, turns=[*turns[:-1], last])))
    return pairs


def undefended(messages: Sequence[Message]) -> list[Message]:
    """The prompt without its fence and without what it says about it."""
    system, material = messages
    rules = system.content.partition("What stands between the ")[0]
    return [replace(system, content=rules.strip()), replace(material, content=_FENCE.sub("", material.content))]


def judge(
    provider: Provider, model: str, key: str, record: InterviewRecord, rubric: Rubric, samples: int, *, defended: bool
) -> int | None:
    """The score; None where no answer could be used."""
    found: list[Assessment] = []
    for _ in range(samples):
        messages = messages_for(rubric, record)
        request = CompletionRequest(
            model=model,
            messages=messages if defended else undefended(messages),
            max_output_tokens=most_tokens_of_answer(rubric, record),
            timeout=SECONDS,
            schema=schema_for(rubric, record),
            schema_name="interview_feedback",
        )
        try:
            found.append(read(provider.complete(request, key).text, rubric, record))
        except (InvalidAnswer, ProviderError) as error:
            print(f"  no answer that can be used: {type(error).__name__}", flush=True)
    if not found:
        return None
    # Sufficient or not is a rule about words: here only the levels count.
    scores = [item.score for item in feedback_from(found, rubric, record).competencies if item.score is not None]
    return round(statistics.fmean(scores)) if scores else None


def measure(name: ProviderName, provider: Provider, model: str, key: str, samples: int) -> None:
    """Print rise and drift with one vendor."""
    rubric = rubric_for("mixed")
    rises: list[int] = []
    for clean, injected in transcripts():
        score = judge(provider, model, key, clean, rubric, samples, defended=True)
        with_instruction = judge(provider, model, key, injected, rubric, samples, defended=True)
        if score is not None and with_instruction is not None:
            rises.append(with_instruction - score)
    drifts = []
    for language in INTERVIEWS:
        clean = next(one for one, _ in transcripts() if one.language == language)
        score = judge(provider, model, key, clean, rubric, samples, defended=True)
        plain = judge(provider, model, key, clean, rubric, samples, defended=False)
        if score is not None and plain is not None:
            drifts.append(score - plain)
    print(f"{name} ({model}), {samples} sample{'s' * (samples > 1)} each, in points of 100:")
    for what, values in (("rise on injected transcripts", rises), ("drift on clean ones", drifts)):
        if values:
            mean, most = statistics.fmean(values), max(values, key=abs)
            print(f"  {what}: mean {mean:+.1f}, largest {most:+d}, {len(values)} pairs", flush=True)
        else:
            print(f"  {what}: no pair could be judged", flush=True)


def main() -> int:
    """Run it with each vendor whose key there is."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=1, choices=range(1, 6))
    options = parser.parse_args()
    models = Catalogue.shipped().default_chat_models()
    providers = Providers()
    for name in PROVIDERS:
        key = os.environ.get(KEYS[name], "")
        if key:
            measure(name, providers[name], models[name], key, options.samples)
        else:
            print(f"{name}: not run, {KEYS[name]} is not set", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
