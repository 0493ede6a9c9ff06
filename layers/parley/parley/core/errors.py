"""The one error a caller can be shown."""

from __future__ import annotations

from typing import Any


class Problem(Exception):
    """An outcome that the caller is told about, as RFC 9457 understands a problem.

    Args:
        code: stable machine-readable code; never renamed once released.
        detail: what happened and what the caller can do about it; carries no secret and no foreign text.
        status: HTTP status, 400 to 599.
        retry_after: whole seconds after which trying again can help; None where waiting does not help.
        param: the field of the request that is at fault, where it is one; dots between the steps of its path.
        extra: further members of the problem document (JSON values).
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int,
        retry_after: int | None = None,
        param: str | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.status = status
        self.retry_after = retry_after
        self.param = param
        self.extra = extra or {}


def subject_deleted() -> Problem:
    """The answer (403) to a deleted user whose token has not expired yet."""
    return Problem("subject_deleted", "This account was deleted.", status=403)


def user_referenced() -> Problem:
    """The answer (409) where a foreign key of an adopted application's own table keeps a user."""
    detail = "Rows of the application's own tables refer to this user; delete or change those first."
    return Problem("user_referenced", detail, status=409)
