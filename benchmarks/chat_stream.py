"""What Parley adds to a streamed model call: CPU per chunk and time to the first token.

    python -m benchmarks.chat_stream [--streams 12] [--first-tokens 200]

The function runs under `python -m parley.runtime` on a local Runtime API, as it does on Lambda, and answers through the
openai SDK from the emulator. CPU per chunk is the slope between long and short answers: everything from the upstream
socket to the Runtime API's, encoding included, without what a request costs once. Chunks come one by one, a millisecond
apart, so that each wakes the process and is read, parsed and sent alone; then all at once. The SDK's own iterators are
measured the same way, in this process: the raw one, whose bytes Parley reads, and the typed one.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from openai import OpenAI
from openai.types.chat import ChatCompletionUserMessageParam

from benchmarks._harness import (
    OPERATOR_KEY,
    Client,
    Figures,
    Function,
    Parley,
    cpu_ms,
    median_of_rounds,
    running_parley,
    show_load,
)

LONG, SHORT = 800, 20  # words, which are chunks
CHUNK_CPU_MS, FIRST_TOKEN_MS = 0.1, 6.0
ROUND = 25
WARM_UP = 30


def script(parley: Parley) -> None:
    """Let the emulator answer at length, or in a few words."""
    for name, words in (("long", LONG), ("short", SHORT)):
        parley.emulator.answer(" ".join(f"word{number}" for number in range(words)), match=f"A {name} answer")


def stream(function: Function, parley: Parley, message: str) -> float:
    """Read a stream to its end; milliseconds until its first text. Raises RuntimeError when it does not end well."""
    event = parley.chat_event(message, path="/api/chat/stream", cache="off")
    first = 0.0
    began = time.perf_counter()
    posted = function.invoke(event)
    while (chunk := posted.next_chunk()) is not None:
        if not first and chunk.startswith(b"event: delta"):
            first = (time.perf_counter() - began) * 1000
    if b"event: done" not in posted.chunks[-1]:
        raise RuntimeError(f"the stream ended with {posted.chunks[-1]!r}")
    return first


def slope(cpu: Callable[[], float], run: Callable[[str], object], streams: int) -> float:
    """CPU milliseconds per chunk: long answers and short ones in turns, and the difference between them."""
    used = {"long": 0.0, "short": 0.0}
    for _ in range(streams):
        for name in used:
            before = cpu()
            run(f"A {name} answer, please.")
            used[name] += cpu() - before
    return (used["long"] - used["short"]) / streams / (LONG - SHORT)


def chunks(figures: Figures, streams: int, between: float) -> None:
    """CPU per chunk of the function, and of the SDK alone: its raw iterator, which Parley reads, and its typed one."""
    with running_parley(between=between) as parley, Function(parley, "chat_stream", "parley.runtime") as function:
        script(parley)
        sdk = OpenAI(api_key=OPERATOR_KEY, base_url=parley.environment["OPENAI_BASE_URL"], max_retries=0)

        def raw(message: str) -> None:
            asked: ChatCompletionUserMessageParam = {"role": "user", "content": message}
            create = sdk.chat.completions.with_streaming_response.create
            with create(model="gpt-4o-mini", messages=[asked], stream=True) as response:
                for _ in response.iter_bytes():
                    pass

        def typed(message: str) -> None:
            asked: ChatCompletionUserMessageParam = {"role": "user", "content": message}
            with sdk.chat.completions.create(model="gpt-4o-mini", messages=[asked], stream=True) as deltas:
                for _ in deltas:
                    pass

        for _ in range(3):
            stream(function, parley, "A short answer, please.")
            raw("A short answer, please.")
            typed("A short answer, please.")
        ours = slope(lambda: cpu_ms(function.pid), lambda message: stream(function, parley, message), streams)
        read = slope(lambda: time.process_time() * 1000, raw, streams)
        parsed = slope(lambda: time.process_time() * 1000, typed, streams)
    pace = "one by one, 1 ms apart" if between else "the whole answer at once"
    how = f"whole process, slope over {streams} answers of {LONG} and of {SHORT} chunks, {pace}"
    figures.show("CPU per streamed chunk in all", ours, "ms", how, at_most=None if between else CHUNK_CPU_MS)
    figures.show("CPU per chunk of the SDK's raw iterator", read, "ms", f"its loop alone, {pace}")
    figures.show("CPU per chunk of the SDK's typed iterator", parsed, "ms", f"its loop alone, {pace}")
    how = f"the difference, {pace}"
    figures.show("CPU per chunk beyond the SDK's raw iterator", ours - read, "ms", how, at_most=CHUNK_CPU_MS)


def first_token(figures: Figures, requests: int) -> None:
    """Time to the first text, over that of the emulator itself."""
    with running_parley() as parley, Function(parley, "chat_stream", "parley.runtime") as function:
        script(parley)
        direct = Client(parley.environment["OPENAI_BASE_URL"], OPERATOR_KEY)
        message = "A short answer, please."
        for _ in range(WARM_UP):
            stream(function, parley, message)
            direct.first_text(message)
        ours: list[list[float]] = []
        theirs: list[list[float]] = []
        for _ in range(max(1, requests // ROUND)):
            ours.append([stream(function, parley, message) for _ in range(ROUND)])
            theirs.append([direct.first_text(message) for _ in range(ROUND)])
    base = median_of_rounds(theirs)
    figures.show("Direct time to first token p50", base, "ms", f"median of {len(theirs)} rounds' medians, http.client")
    how = f"event to first delta at the Runtime API minus direct, {len(ours)} interleaved rounds of {ROUND}"
    figures.show("Added time to first token p50", median_of_rounds(ours) - base, "ms", how, at_most=FIRST_TOKEN_MS)
    worst = statistics.quantiles([one for taken in ours for one in taken], n=100)[98] - base
    figures.show("Added time to first token p99", worst, "ms", "the same requests")


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=12, help="long answers, and as many short ones")
    parser.add_argument("--first-tokens", type=int, default=200, help="requests that the first token is timed of")
    options = parser.parse_args()
    figures = Figures()
    show_load(figures)
    chunks(figures, options.streams, between=0.001)
    chunks(figures, options.streams, between=0.0)
    first_token(figures, options.first_tokens)
    return int(figures.missed)


if __name__ == "__main__":
    sys.exit(main())
