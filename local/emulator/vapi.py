"""The voice vendor's API, as far as Parley asks it: a call, where its recording is, and its deletion."""

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

    def known(self) -> list[str]:
        """The ids of the calls."""
        return list(self._calls)

    def forget(self) -> None:
        """Know no call any more."""
        self._calls.clear()

    def reply(self, path: str, request: Request) -> Reply:
        """The reply to a request below /vapi."""
        if not request.headers.get("authorization", "").startswith("Bearer "):
            return _problem(401, "Hot tip, you may be using the public key instead of the private key.")
        parts = [unquote(part) for part in path.strip("/").split("/")]
        call = self._calls.get(parts[1]) if parts[0] == "call" and len(parts) > 1 else None
        if call is None:
            return _problem(404, "There is no such call.")
        if request.method == "DELETE" and len(parts) == 2:
            return self._delete(call, request)
        if request.method != "GET":
            return _problem(404, f"Cannot {request.method} /{path}")
        if len(parts) == 2:
            return Reply(200, (dump(call),))
        if parts[2:] != ["mono-recording"] or "artifact" not in call:
            return _problem(404, "There is no such recording.")
        return Reply(302, (), headers=(("location", f"https://recordings.invalid/{call['id']}-mono.wav?signature=1"),))

    def _delete(self, call: Json, request: Request) -> Reply:
        """Delete a call, unless its status says that this fails."""
        if request.body != b"{}":
            return _problem(400, "The emulator deletes one call, whose body is an empty object.")
        if call.get("status") == "deletion-failed":
            return _problem(503, "Failed to erase call recordings; the call was not deleted. Retry the request.")
        del self._calls[call["id"]]
        return Reply(200, (dump(call),))


def _problem(status: int, message: str) -> Reply:
    return Reply(status, (dump({"statusCode": status, "message": message}),))
