"""Cached answers: the exact hash over all that shapes an answer, and the guarded search for one to a like question."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parley.admission import Admitted
    from parley.completion import Prompt

_HASH_VERSION = 1  # changes when what shapes an answer changes
_TTL_SECONDS = 24 * 3600


def prompt_hash(prompt: Prompt) -> str:
    """Hex SHA-256 over every parameter that shapes the answer; provider and model are added by the database."""
    shape = {
        "version": _HASH_VERSION,
        "operation": prompt.operation,
        "messages": [[message.role, message.content] for message in prompt.messages],
        "max_output_tokens": prompt.max_output_tokens,
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "stop": list(prompt.stop),
        "schema": prompt.schema,
        "pinned": [prompt.provider, prompt.model],
    }
    return hashlib.sha256(json.dumps(shape, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def entry(prompt: Prompt, exact_hash: str, admitted: Admitted, call: dict[str, Any], text: str) -> dict[str, Any]:
    """What finish_request stores so that `text` can answer the same prompt again.

    It is filed under the provider and model that were asked for, where the next lookup will look, and says which ones
    answered.
    """
    return {
        "prompt_hash": exact_hash,
        "provider": admitted.provider,
        "model": admitted.model,
        "answered_by": {"provider": call["provider"], "model": call["model"]},
        "scope": "user" if prompt.personal else "tenant",
        "ttl_seconds": _TTL_SECONDS,
        "text": text,
        "tokens": (call.get("input_tokens") or 0) + (call.get("output_tokens") or 0),
    }
