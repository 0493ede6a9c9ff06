"""The HTTP face: who is calling, what they sent, and how answers and problems look on the wire."""

from parley.api.events import Stream
from parley.api.face import Access, Api, Reply
from parley.api.request import Request

__all__ = ["Access", "Api", "Reply", "Request", "Stream"]
