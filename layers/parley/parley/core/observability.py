"""Structured logs: one JSON object a line with the request id, and no prompt, key or token in it.

Service name and level come from POWERTOOLS_SERVICE_NAME and POWERTOOLS_LOG_LEVEL, which Powertools reads itself.
"""

from __future__ import annotations

import logging
import traceback

from aws_lambda_powertools import Logger

# The SDKs and their transport log request bodies and headers below WARNING.
for _name in ("openai", "anthropic", "google_genai", "httpx2", "httpcore2", "botocore", "urllib3"):
    logging.getLogger(_name).setLevel(logging.WARNING)

logger = Logger(log_uncaught_exceptions=False, utc=True)


def log_fault(message: str, error: BaseException) -> None:
    """Log an unforeseen error by its type and place. Its own message stays out: drivers and validators quote input."""
    chain: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(chain) < 5:
        chain.append(type(cause).__name__)
        cause = cause.__cause__
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    logger.error(
        message,
        error_type=" < ".join(chain),
        sqlstate=getattr(error, "sqlstate", None),
        frames=[f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno} {frame.name}" for frame in frames],
    )
