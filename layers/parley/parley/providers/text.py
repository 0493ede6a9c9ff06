"""A model's text on its way out: cleaned of what nothing can hold, and cut where its provider does not stop itself."""

from __future__ import annotations

from collections.abc import Sequence


def storable(text: str) -> str:
    """A model's text without NUL and lone surrogates, which JSON can escape but UTF-8 and Postgres cannot hold.

    The two halves of a surrogate pair, escaped one after the other, become their character.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
            text = text.encode(errors="replace").decode()
    return text.replace("\x00", "")


def cut_at(stops: Sequence[str], text: str) -> tuple[str, bool]:
    """The text up to the stop sequence that is complete first, as a model writes it, and whether one was there."""
    ends = [(at + len(stop), at) for stop in stops if (at := text.find(stop)) >= 0]
    return (text[: min(ends)[1]], True) if ends else (text, False)


class StreamedText:
    """The text of one stream, piece by piece.

    Half a surrogate pair waits for its other half, and what may begin a stop sequence for what follows it.

    Args:
        stops: sequences to stop at, because the provider does not.

    Attributes:
        stopped: whether one of them came; nothing comes out after that.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.stopped = False
        self._stops = stops
        self._out: list[str] = []
        self._half = ""
        self._held = ""

    @property
    def whole(self) -> str:
        """All that came out."""
        return "".join(self._out)

    def feed(self, delta: str) -> str:
        """Take a piece, which is not empty, and return what may go out."""
        if not delta.isascii() or self._half:
            delta = self._half + delta
            self._half = ""
            if "\ud800" <= delta[-1] <= "\udbff":
                delta, self._half = delta[:-1], delta[-1]
            delta = storable(delta)
        elif "\x00" in delta:
            delta = storable(delta)
        if self._stops:
            delta = self._before_a_stop(delta)
        if delta:
            self._out.append(delta)
        return delta

    def end(self) -> str:
        """What was held back, after the last piece."""
        rest = storable(self._half)
        if self._stops:
            rest = self._before_a_stop(rest)
            if not self.stopped:
                rest += self._held
        if rest:
            self._out.append(rest)
        return rest

    def _before_a_stop(self, delta: str) -> str:
        if self.stopped:
            return ""
        text, self.stopped = cut_at(self._stops, self._held + delta)
        longest = max(map(len, self._stops)) - 1
        held = 0
        if not self.stopped:
            # The longest end of the text that begins a stop sequence.
            held = next(
                (
                    size
                    for size in range(min(longest, len(text)), 0, -1)
                    if any(stop.startswith(text[-size:]) for stop in self._stops)
                ),
                0,
            )
        self._held = text[len(text) - held :]
        return text[: len(text) - held]
