"""What Parley adds to an unstreamed model call: CPU, latency and round trips; then the same beside LiteLLM's proxy.

    python -m benchmarks.chat_overhead [--rounds 24] [--without-litellm]

The function runs in a process of its own, twice: under AWS's own runtime client (awslambdaric) on a local Runtime API,
where its CPU is judged, and with the handler called by hand, where its latency is judged: the local Runtime API's own
time is not Lambda's. Requests go one after another in interleaved rounds of 25; every one is a new question of a free
user, verified by token, admitted, answered by the emulator through the openai SDK, settled and in the ledger. `Direct`
is the same question put to the emulator by `http.client` from the process that calls the handler.

LiteLLM is installed from the package index into `.parley/`, pinned, and started as its documentation asks for a
benchmark: one worker, no database, no callbacks, local price map. It does no quota, ledger or cache; Parley does.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

from local.checkout import CHECKOUT
from testing.figures import Figures, cpu_ms, median_of_rounds, percentile, show_load
from testing.running import OPERATOR_KEY, Client, Function, Parley, running_parley

ROUND = 25
V1 = "/v1/chat/completions"
WARM_UP = 4 * ROUND
WARM_UP_LITELLM = 150  # its lazy imports take that many
CPU_MS, ADDED_P50_MS, ADDED_P99_MS, HIT_P50_MS = 6.0, 6.0, 18.0, 3.0
LITELLM = "1.106.2"
CPU_SHARE_OF_LITELLM = 40.0  # percent
MORE_CPU_OVER_V1 = 10.0  # percent
FAQ = "What is Parley?"
GROUNDED = "What do my documents say?"


class Container:
    """A handler in a process, called by hand; see `testing.handler_process`."""

    def __init__(self, parley: Parley, function: str = "chat") -> None:
        self._parley = parley
        self._process = subprocess.Popen(
            [sys.executable, "-m", "testing.handler_process", str(CHECKOUT / "functions" / function)],
            cwd=CHECKOUT,
            env=parley.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def round(self, requests: Sequence[dict[str, Any] | str]) -> dict[str, Any]:
        """Send events, or messages for the emulator; milliseconds of each, CPU, round trips, what answered."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(requests) + "\n")
        self._process.stdin.flush()
        measured: dict[str, Any] = json.loads(self._process.stdout.readline())
        return measured

    def trips(self, expected: str, *events: dict[str, Any]) -> float:
        """Round trips of each of these requests, which `expected` must answer."""
        measured = self.round(events)
        if set(measured["caches"]) != {expected}:
            raise RuntimeError(f"{expected} should have answered, not {measured['caches']}")
        return float(measured["trips"] / len(events))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def ours(parley: Parley, figures: Figures, rounds: int) -> None:
    """Parley's own figures."""
    container = Container(parley)
    try:
        latency(parley, container, figures, rounds)
        hits(parley, container, figures, rounds)
        round_trips(parley, container, figures)
    finally:
        container.close()
    with Function(parley, "chat", "awslambdaric") as function:
        for _ in range(WARM_UP):
            function.answer(parley.chat_event())
        events = [parley.chat_event() for _ in range(rounds * ROUND)]
        beside = {name: cpu_ms(pid) for name, pid in parley.processes.items()}
        before = cpu_ms(function.pid)
        taken = [function.answer(event)[0] for event in events]
        used = (cpu_ms(function.pid) - before) / len(events)
        how = f"/proc, whole process under awslambdaric, {len(events)} requests"
        figures.show("CPU per chat request", used, "ms", how, at_most=CPU_MS)
        for name, pid in parley.processes.items():
            spent = (cpu_ms(pid) - beside[name]) / len(events)
            figures.show(f"CPU of {name} beside it", spent, "ms", "/proc, the same requests")
        how = "awslambdaric and the local Runtime API included, not judged"
        figures.show("Chat through the runtime client, p50", statistics.median(taken), "ms", how)


def latency(parley: Parley, container: Container, figures: Figures, rounds: int) -> None:
    """Handler and emulator in turns."""
    for _ in range(WARM_UP // ROUND):
        container.round([parley.chat_event() for _ in range(ROUND)])
        container.round(["warm up"] * ROUND)
    chat: list[list[float]] = []
    direct: list[list[float]] = []
    cpu = 0.0
    for number in range(rounds):
        measured = container.round([parley.chat_event() for _ in range(ROUND)])
        chat.append(measured["taken"])
        cpu += measured["cpu_ms"]
        direct.append(container.round([f"What is {number}, {index}?" for index in range(ROUND)])["taken"])
    base = median_of_rounds(direct)
    pooled = [one for taken in chat for one in taken]
    figures.show("Direct call p50", base, "ms", f"median of {rounds} rounds' medians, http.client")
    how = f"handler minus direct, median of {rounds} interleaved rounds' medians"
    figures.show("Added latency p50", median_of_rounds(chat) - base, "ms", how, at_most=ADDED_P50_MS)
    how = f"p99 of {len(pooled)} requests minus the direct p50"
    figures.show("Added latency p99", percentile(pooled, 99) - base, "ms", how, at_most=ADDED_P99_MS)
    how = "process_time around the handler alone"
    figures.show("CPU of the handler alone", cpu / len(pooled), "ms", how, at_most=CPU_MS)


def hits(parley: Parley, container: Container, figures: Figures, rounds: int) -> None:
    """Answers that take no model."""
    asked = "What is a question that was asked before?"
    container.round([one_user(parley, asked)])
    questions = {"FAQ hit": FAQ, "Exact cache hit": asked}
    taken: dict[str, list[list[float]]] = {name: [] for name in questions}
    for _ in range(rounds):
        for name, message in questions.items():
            events = [one_user(parley, message) for _ in range(ROUND)]
            taken[name].append(container.round(events)["taken"])
    for name, found in taken.items():
        how = f"handler, median of {rounds} interleaved rounds' medians"
        figures.show(f"{name} p50", median_of_rounds(found), "ms", how, at_most=HIT_P50_MS)


def one_user(parley: Parley, message: str, **body: Any) -> dict[str, Any]:
    """A request of always the same user: the exact cache is its tenant's."""
    return parley.chat_event(message, user="regular", **body)


def over_v1(parley: Parley, figures: Figures, rounds: int) -> None:
    """The same question in OpenAI's format: CPU beside /api/chat's in turns, and round trips."""
    chat, wire = Container(parley), Container(parley, "wire")
    sides: dict[str, tuple[Container, str]] = {"/api/chat": (chat, "/api/chat"), "/v1": (wire, V1)}
    spent: dict[str, list[float]] = {name: [] for name in sides}
    try:
        for number in range(WARM_UP // ROUND + rounds):
            for name, (container, path) in sides.items():
                measured = container.round([parley.chat_event(path=path) for _ in range(ROUND)])
                if number >= WARM_UP // ROUND:
                    spent[name].append(measured["cpu_ms"] / ROUND)
        trips = wire.trips("none", *(parley.chat_event(path=V1) for _ in range(ROUND)))
    finally:
        for container, _ in sides.values():
            container.close()
    ours, theirs = (statistics.median(spent[name]) for name in ("/v1", "/api/chat"))
    how = f"process_time around the handlers, median of {rounds} interleaved rounds: {ours:.2f} and {theirs:.2f} ms"
    figures.show("CPU per request over /v1 beyond /api/chat's", 100 * (ours / theirs - 1), "%", how,
                 at_most=MORE_CPU_OVER_V1)  # fmt: skip
    figures.show("Round trips over /v1", trips, "", "Database.round_trips", at_most=2)


def round_trips(parley: Parley, container: Container, figures: Figures) -> None:
    """Round trips to the database by kind of answer."""
    container.round([one_user(parley, "Is this the first time?")])
    for name, most, trips in (
        ("a model's answer", 2, container.trips("none", *(parley.chat_event() for _ in range(ROUND)))),
        ("an FAQ hit", 1, container.trips("faq", one_user(parley, FAQ))),
        ("an exact hit", 1, container.trips("exact", one_user(parley, "Is this the first time?"))),
        ("a semantic lookup", 3, container.trips("none", parley.chat_event(cache="semantic"))),
        ("a grounded answer", 3, container.trips("none", one_user(parley, GROUNDED, search={}))),
        ("a grounded answer out of the cache", 3, container.trips("exact", one_user(parley, GROUNDED, search={}))),
    ):
        figures.show(f"Round trips of {name}", trips, "", "Database.round_trips", at_most=most)


def beside_litellm(parley: Parley, figures: Figures, rounds: int) -> None:
    """CPU and latency of Parley's function and LiteLLM's proxy, in turns."""
    home = install()
    if home is None:
        print("not compared: LiteLLM cannot be installed here", flush=True)
        return
    with Function(parley, "chat", "awslambdaric") as function, proxy(parley, home) as (pid, theirs):
        direct = Client(parley.environment["OPENAI_BASE_URL"], OPERATOR_KEY)
        for number in range(WARM_UP_LITELLM):
            theirs.ask(f"Warm up {number}?")
            direct.ask(f"Warm up {number}?")
            function.answer(parley.chat_event())
        sides: dict[str, tuple[int | None, Callable[[], float]]] = {
            "Direct": (None, lambda: direct.ask("What should I know about this subject?")),
            "Parley": (function.pid, lambda: function.answer(parley.chat_event())[0]),
            "LiteLLM": (pid, lambda: theirs.ask("What should I know about this subject?")),
        }
        taken: dict[str, list[list[float]]] = {name: [] for name in sides}
        cpu = dict.fromkeys(sides, 0.0)
        for _ in range(rounds):
            for name, (process, ask) in sides.items():
                before = cpu_ms(process) if process else 0.0
                taken[name].append([ask() for _ in range(ROUND)])
                cpu[name] += (cpu_ms(process) - before if process else 0.0) / (rounds * ROUND)
    for name, found in taken.items():
        p99 = percentile((one for times in found for one in times), 99)
        how = f"{rounds} interleaved rounds of {ROUND}, p99 {p99:.1f} ms"
        figures.show(f"{name} p50 beside LiteLLM {LITELLM}", median_of_rounds(found), "ms", how)
    how = f"/proc; Parley {cpu['Parley']:.2f} ms with its database work, LiteLLM {cpu['LiteLLM']:.2f} ms without any"
    share = 100 * cpu["Parley"] / cpu["LiteLLM"]
    figures.show("CPU per request against LiteLLM's proxy", share, "%", how, at_most=CPU_SHARE_OF_LITELLM)


def install() -> Path | None:
    """LiteLLM's environment, made at first use; None where the package index does not give it."""
    home = CHECKOUT / ".parley" / f"litellm-{LITELLM}"
    marker = home / "complete"
    if not marker.exists():
        print(f"installing litellm[proxy]=={LITELLM}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        command = [str(home / "bin" / "pip"), "install", "--quiet", "--retries", "1", f"litellm[proxy]=={LITELLM}"]
        if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
            return None
        marker.touch()
    return home


@contextmanager
def proxy(parley: Parley, home: Path) -> Iterator[tuple[int, Client]]:
    """LiteLLM's proxy in front of the emulator: its process id and a client of it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    key = f"sk-{secrets.token_hex(16)}"
    upstream = {
        "model": "openai/gpt-4o-mini",
        "api_base": parley.environment["OPENAI_BASE_URL"],
        "api_key": OPERATOR_KEY,
    }
    configuration = {
        "model_list": [{"model_name": "gpt-4o-mini", "litellm_params": upstream}],
        "litellm_settings": {"num_retries": 0, "request_timeout": 30, "callbacks": [], "telemetry": False},
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
    }
    settings = {
        "PATH": os.environ["PATH"],
        "LITELLM_MASTER_KEY": key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(json.dumps(configuration))  # JSON is YAML
        command = [str(home / "bin" / "litellm"), "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(
            [*command, "--num_workers", "1"],
            env=settings,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until_ready(process, port)
            yield process.pid, Client(f"http://127.0.0.1:{port}/v1", key)
        finally:
            process.terminate()
            process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], port: int, seconds: float = 120) -> None:
    """Return when the proxy answers. Raises RuntimeError when it does not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health/liveliness")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.25)
        finally:
            connection.close()
    raise RuntimeError("LiteLLM's proxy did not start")


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=24, help=f"interleaved rounds of {ROUND} requests")
    parser.add_argument("--without-litellm", action="store_true", help="Parley's own figures alone")
    options = parser.parse_args()
    figures = Figures()
    show_load(figures)
    with running_parley() as parley:
        ours(parley, figures, options.rounds)
        over_v1(parley, figures, options.rounds)
        if not options.without_litellm:
            beside_litellm(parley, figures, options.rounds)
    return int(figures.missed)


if __name__ == "__main__":
    sys.exit(main())
