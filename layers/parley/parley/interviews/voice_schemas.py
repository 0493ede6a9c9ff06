"""What a voice vendor's webhook is answered."""

from __future__ import annotations

from typing_extensions import TypedDict


class EventReceipt(TypedDict):
    """An event that was taken in. `duplicate`: it was there already."""

    received: bool
    duplicate: bool
