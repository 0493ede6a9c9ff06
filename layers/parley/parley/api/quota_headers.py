"""Quota state in headers: the IETF draft's structured fields and the X-RateLimit family that clients already read."""

from __future__ import annotations

from datetime import UTC, datetime

from parley.admission.quota import Quota, Window

_WINDOW_SECONDS = {"daily": 86_400, "monthly": 2_592_000, "access-key": 86_400}


def quota_headers(quota: Quota) -> dict[str, str]:
    """`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10) for every limited window, and
    `X-RateLimit-*` for the one that ends first, also by OpenAI's names. Empty for unlimited callers.
    """
    windows: dict[str, Window] = {}
    for name, window in (("daily", quota.daily), ("monthly", quota.monthly), ("access-key", quota.access_key)):
        if window is not None and window.limit is not None:
            windows[name] = window
    if not windows:
        return {}
    first = min(windows.values(), key=lambda window: window.remaining or 0)
    return {
        "RateLimit-Policy": ", ".join(
            f'"{name}";q={window.limit};w={_WINDOW_SECONDS[name]}' for name, window in windows.items()
        ),
        "RateLimit": ", ".join(
            f'"{name}";r={window.remaining};t={_seconds_until(window.resets_at)}' for name, window in windows.items()
        ),
        "X-RateLimit-Limit": str(first.limit),
        "X-RateLimit-Remaining": str(first.remaining),
        "X-RateLimit-Reset": str(_seconds_until(first.resets_at)),
        **_openai_headers(first, "Requests"),
    }


def embedding_headers(quota: Quota) -> dict[str, str]:
    """What is left of the day's tokens to embed, by OpenAI's names."""
    window = quota.embedding_tokens
    return {} if window is None or window.limit is None else _openai_headers(window, "Tokens")


def _openai_headers(window: Window, what: str) -> dict[str, str]:
    """https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers"""
    return {
        f"X-RateLimit-Limit-{what}": str(window.limit),
        f"X-RateLimit-Remaining-{what}": str(window.remaining),
        f"X-RateLimit-Reset-{what}": f"{_seconds_until(window.resets_at)}s",
    }


def _seconds_until(moment: datetime) -> int:
    return max(0, int((moment - datetime.now(UTC)).total_seconds()))


def model_headers(quota: Quota, degraded: bool) -> dict[str, str]:
    """The headers of an answer that a model, or a store in its place, gave."""
    return quota_headers(quota) | ({"X-Parley-Degraded": "database"} if degraded else {})
