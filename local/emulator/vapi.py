"""The voice vendor's API, as far as Parley asks it: a call, and where its recording is."""

from __future__ import annotations

from urllib.parse import unquote

from local.emulator.call import Json, dump
from local.emulator.http import Reply, Request


class Vapi:
    """Keeps the calls that it was told of (`POST /control/calls`)."""

    def __init__(self) -> None:
        self._calls: dict[str, Json] = {}

    def keep(self, call: Json) -> None:
        """Know a call from now on. Raises ValueError for one without an id."""
        if not isinstance(call.get("id"), str):
            raise ValueError("a call has an id")
        self._calls[call["id"]] = call

    def forget(self) -> None:
        """Know no call any more."""
        self._calls.clear()

    def reply(self, path: str, request: Request) -> Reply:
        """The reply to a request below /vapi."""
        if not request.headers.get("authorization", "").startswith("Bearer "):
            return _problem(401, "Hot tip, you may be using the public key instead of the private key.")
        parts = [unquote(part) for part in path.strip("/").split("/")]
        call = self._calls.get(parts[1]) if request.method == "GET" and parts[0] == "call" and len(parts) > 1 else None
        if call is None:
            return _problem(404, "There is no such call.")
        if len(parts) == 2:
            return Reply(200, (dump(call),))
        if parts[2:] != ["mono-recording"] or "artifact" not in call:
            return _problem(404, "There is no such recording.")
        return Reply(302, (), headers=(("location", f"https://recordings.invalid/{call['id']}-mono.wav?signature=1"),))


def _problem(status: int, message: str) -> Reply:
    return Reply(status, (dump({"statusCode": status, "message": message}),))
