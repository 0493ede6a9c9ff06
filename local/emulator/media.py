"""Images and PDFs in a request: how each is told, so that an answer shows that it was read."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterable
from typing import Final

from local.emulator.call import CallError

IMAGES: Final = ("image/png", "image/jpeg", "image/webp", "image/gif")
DOCUMENTS: Final = ("application/pdf",)


def inline(media_type: object, data: object, allowed: Collection[str]) -> str:
    """What is told of base64 data. Raises CallError for data of another type, or that is none."""
    if media_type not in allowed:
        raise CallError("bad_request", f"Unsupported MIME type: {media_type}. Supported are {', '.join(allowed)}.")
    try:
        size = len(base64.b64decode(str(data or ""), validate=True))
    except binascii.Error:
        size = 0
    if not size:
        raise CallError("bad_request", "The media's data is not valid base64, or is empty.")
    return f"[{media_type}, {size} bytes]"


def in_url(url: object, allowed: Collection[str]) -> str:
    """What is told of a URL, which may be a data URL. Raises CallError as `inline`, and for any other URL."""
    text = str(url or "")
    if text.startswith("data:"):
        media_type, _, data = text.removeprefix("data:").partition(";base64,")
        return inline(media_type, data, allowed)
    if not text.startswith(("https://", "http://")):
        raise CallError("bad_request", "Invalid URL of a file. Expected a valid URL or a data URL with base64.")
    return f"[{text}]"


def shown(text: str, media: Iterable[str]) -> str:
    """A tool's result: its text, and what is told of its media."""
    return "\n".join(filter(None, [text, *media]))
