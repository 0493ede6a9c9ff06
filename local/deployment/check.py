"""`make deploy-local CHECK=1`: whether a stack is created, answers, is updated and goes. The tests know more."""

from __future__ import annotations

from botocore.exceptions import ClientError

from local.deployment.emulated import Deployed
from local.deployment.stack import DeploymentFailed


class CheckFailed(RuntimeError):
    """Something did not hold; the message says what."""


def check(deployed: Deployed) -> int:
    """Check a stack that was just created, update and delete it; the exit status says whether all of it held."""
    checked: list[str] = []
    try:
        _status(deployed, "CREATE_COMPLETE", checked)
        _answers(deployed, checked)
        deployed.deploy(LogLevel="DEBUG")
        _status(deployed, "UPDATE_COMPLETE", checked)
        _answers(deployed, checked)
        deployed.stack.delete()
        _status(deployed, "", checked)
    except (CheckFailed, ClientError, DeploymentFailed, OSError) as error:
        print(f"checked: {', '.join(checked) or 'nothing'}; and then {error}", flush=True)
        return 1
    print(f"checked: {', '.join(checked)}", flush=True)
    return 0


def _status(deployed: Deployed, expected: str, checked: list[str]) -> None:
    status = deployed.stack.status()
    if status != expected:
        raise CheckFailed(f"the stack is {status or 'gone'}, not {expected or 'gone'}")
    checked.append(expected or "deleted")


def _answers(deployed: Deployed, checked: list[str]) -> None:
    api = deployed.api
    for name, answer in (
        ("health", api.request("GET", "/api/health?ready=true")),
        ("chat", api.request("POST", "/api/chat", {"message": "Why is the sky blue?"}, api.token("user_1"))),
    ):
        if answer.status != 200:
            raise CheckFailed(f"{name} answers {answer.status}: {answer.text}")
        checked.append(name)
