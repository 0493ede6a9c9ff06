"""`python -m local.emulator --port 9000`: the emulator as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal

from local.emulator.server import Server


async def _main(host: str, port: int, first_token: float, between: float) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)

    def ready(actual: int) -> None:
        print(f"emulator listening on http://{host}:{actual}", flush=True)

    await Server(first_token, between).serve(host, port, ready, stop)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="local.emulator", description="OpenAI, Anthropic and Gemini, emulated.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument(
        "--first-token",
        type=float,
        default=float(os.environ.get("EMULATOR_FIRST_TOKEN", "0")),
        help="seconds before an answer begins (EMULATOR_FIRST_TOKEN)",
    )
    parser.add_argument(
        "--between",
        type=float,
        default=float(os.environ.get("EMULATOR_BETWEEN", "0")),
        help="seconds between the chunks of a stream (EMULATOR_BETWEEN)",
    )
    options = parser.parse_args()
    asyncio.run(_main(options.host, options.port, options.first_token, options.between))
