"""What Parley adds to a streamed model call: CPU per chunk and time to the first token.

    python -m benchmarks.chat_stream [--streams 12] [--first-tokens 200]

The function runs under `python -m parley.runtime` on a local Runtime API, as it does on Lambda, and answers through the
openai SDK from the emulator. CPU per chunk is what a long answer costs beyond a short one: everything from the upstream
socket to the Runtime API's, encoding included, without what a request costs once. Chunks come one by one, a millisecond
apart, so that each wakes the process and is read, parsed and sent alone; then all at once. The cheapest answers of
several count, as neighbours on the machine only ever add; what they added here shows in the median.

In the same rounds this process reads the same answers: from a bare socket, which is what being woken and receiving
costs; through the SDK's raw iterator, whose bytes Parley reads; and through its typed one. So the whole falls into
three parts: waking up, the SDK with its HTTP library, and Parley with its sending.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

from openai import OpenAI
from openai.types.chat import ChatCompletionUserMessageParam

from testing.figures import Figures, median_of_rounds, show_load
from testing.running import OPERATOR_KEY, Client, Function, Parley, running_parley

LONG, SHORT = 800, 20  # words, which are chunks
CHUNK_CPU_MS, FIRST_TOKEN_MS = 0.1, 6.0
V1 = "/v1/chat/completions"
MORE_CPU_OVER_V1_MS = 0.02
ROUND = 25
WARM_UP = 30


def script(parley: Parley) -> None:
    """Let the emulator answer at length, or in a few words."""
    for name, words in (("long", LONG), ("short", SHORT)):
        parley.emulator.answer(" ".join(f"word{number}" for number in range(words)), match=f"A {name} answer")


def stream(function: Function, parley: Parley, message: str, path: str = "/api/chat/stream") -> float:
    """Read a stream to its end; milliseconds until its first text. Raises RuntimeError when it does not end well."""
    over_v1: dict[str, Any] = {"stream": True} if path == V1 else {}
    event = parley.chat_event(message, path=path, cache="off", **over_v1)
    first = 0.0
    began = time.perf_counter()
    posted = function.invoke(event)
    while (chunk := posted.next_chunk()) is not None:
        if not first and chunk.startswith(b"event: delta"):
            first = (time.perf_counter() - began) * 1000
    if (b"event: done" if path != V1 else b"data: [DONE]") not in posted.chunks[-1]:
        raise RuntimeError(f"the stream ended with {posted.chunks[-1]!r}")
    return first


@dataclass(frozen=True)
class Reader:
    """Somebody who reads an answer.

    Attributes:
        read: reads the answer to a message to its end.
        cpu: the seconds of CPU used so far by whoever does that.
    """

    read: Callable[[str], object]
    cpu: Callable[[], float]

    def spend(self, name: str) -> float:
        """Milliseconds of CPU that one answer costs."""
        before = self.cpu()
        self.read(f"A {name} answer, please.")
        return (self.cpu() - before) * 1000


class Spent:
    """What the answers cost that the readers read in turns, `rounds` long and short ones each."""

    def __init__(self, readers: Mapping[str, Reader], rounds: int) -> None:
        for reader in readers.values():
            for _ in range(3):
                reader.spend("short")
        self._long: dict[str, list[float]] = {name: [] for name in readers}
        self._short: dict[str, list[float]] = {name: [] for name in readers}
        for _ in range(rounds):
            for name, reader in readers.items():
                self._long[name].append(reader.spend("long"))
                self._short[name].append(reader.spend("short"))

    def per_chunk(self, name: str, of: Callable[[list[float]], float] = min) -> float:
        """CPU milliseconds per chunk of a reader: the slope between the cheapest answers, or the median ones."""
        return (of(self._long[name]) - of(self._short[name])) / (LONG - SHORT)


def process_cpu(pid: int) -> float:
    """CPU seconds of a process, all of its threads, to the nanosecond (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def chunks(figures: Figures, streams: int, between: float) -> None:
    """CPU per chunk of the function, and of what is in it: waking up, and the SDK's raw iterator."""
    with (
        running_parley(between=between) as parley,
        Function(parley, "chat_stream", "parley.runtime") as function,
        Function(parley, "wire", "parley.runtime") as wire,
    ):
        script(parley)
        url = parley.environment["OPENAI_BASE_URL"]
        sdk = OpenAI(api_key=OPERATOR_KEY, base_url=url, max_retries=0)

        def asked(message: str) -> ChatCompletionUserMessageParam:
            return {"role": "user", "content": message}

        def bare(message: str) -> None:
            address = urlsplit(url)
            connection = HTTPConnection(address.hostname or "", address.port, timeout=60)
            body = json.dumps({"model": "gpt-4o-mini", "stream": True, "messages": [asked(message)]})
            headers = {"Authorization": f"Bearer {OPERATOR_KEY}", "Content-Type": "application/json"}
            connection.request("POST", f"{address.path}/chat/completions", body, headers)
            received = b""
            while not received.endswith(b"0\r\n\r\n"):
                received = connection.sock.recv(65536)
            connection.close()

        def raw(message: str) -> None:
            create = sdk.chat.completions.with_streaming_response.create
            with create(model="gpt-4o-mini", messages=[asked(message)], stream=True) as response:
                for _ in response.iter_bytes():
                    pass

        def typed(message: str) -> None:
            with sdk.chat.completions.create(model="gpt-4o-mini", messages=[asked(message)], stream=True) as deltas:
                for _ in deltas:
                    pass

        readers = {
            "all": Reader(lambda message: stream(function, parley, message), lambda: process_cpu(function.pid)),
            "v1": Reader(lambda message: stream(wire, parley, message, V1), lambda: process_cpu(wire.pid)),
            "bare": Reader(bare, time.thread_time),
            "raw": Reader(raw, time.thread_time),
            "typed": Reader(typed, time.thread_time),
        }
        spent = Spent(readers, streams)
    pace = "one by one, 1 ms apart" if between else "the whole answer at once"
    whole, raw_reader, bare_reader = (spent.per_chunk(name) for name in ("all", "raw", "bare"))
    how = f"whole process, least of {streams} answers of {LONG} chunks and of {SHORT}, {pace}"
    figures.show("CPU per streamed chunk in all", whole, "ms", how, at_most=CHUNK_CPU_MS)
    figures.show("the same, median", spent.per_chunk("all", statistics.median), "ms", f"median answers, {pace}")
    figures.show("of it waking up and receiving", bare_reader, "ms", f"a bare socket, {pace}")
    how = f"the SDK's raw iterator less the bare socket, {pace}"
    figures.show("of it the SDK and its HTTP library", raw_reader - bare_reader, "ms", how)
    how = f"in all less the SDK's raw iterator, {pace}"
    figures.show("of it Parley, sending included", whole - raw_reader, "ms", how, at_most=CHUNK_CPU_MS)
    how = f"in all, less /api/chat/stream's, least of {streams} answers in turns, {pace}"
    figures.show("CPU per chunk over /v1 beyond /api/chat/stream's", spent.per_chunk("v1") - whole, "ms", how,
                 at_most=MORE_CPU_OVER_V1_MS)  # fmt: skip
    how = f"its loop alone, {pace}"
    figures.show("CPU per chunk of the SDK's typed iterator", spent.per_chunk("typed"), "ms", how)


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
