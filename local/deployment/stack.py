"""A stack: built artefacts sent to its account, and created or updated by a change set. The SAM CLI does the work."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.checkout import CHECKOUT
from local.deployment import emulator_changes
from local.deployment.account import Account
from local.deployment.environments import Environment

SAM = CHECKOUT / ".venv-sam" / "bin" / "sam"
BUILD = CHECKOUT / ".aws-sam" / "build"


class DeploymentFailed(RuntimeError):
    """The stack is not what was asked for; the message has CloudFormation's reasons."""


class Stack:
    """The stack of an environment in an account."""

    def __init__(self, environment: Environment, account: Account, *, quiet: bool = False) -> None:
        self.environment = environment
        self.account = account
        self._quiet = quiet
        self._client = account.client("cloudformation")

    def deploy(self, parameters: Mapping[str, str], build: Path = BUILD) -> None:
        """Create the stack, or update it.

        Args:
            parameters: the template's, beside those of the environment.
            build: what `sam build` left.

        Raises:
            DeploymentFailed: it was rolled back, or the change set is refused.
        """
        with tempfile.TemporaryDirectory() as folder:
            packaged = Path(folder) / "template.json"
            self._sam("package", "--template-file", str(build / "template.yaml"), "--resolve-s3",
                      "--output-template-file", str(packaged), "--use-json", "--no-progressbar")  # fmt: skip
            if self.account.emulated:
                template = json.loads(packaged.read_text())
                emulator_changes.change(template, self.account)
                packaged.write_text(json.dumps(template))
            pairs = {**parameters, **self.environment.parameters}
            tags = self.environment.tags
            self._sam(
                "deploy", "--template-file", str(packaged), "--stack-name", self.environment.stack, "--resolve-s3",
                "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND",
                "--no-confirm-changeset", "--no-fail-on-empty-changeset",
                *(["--parameter-overrides", *(f"{name}={value}" for name, value in pairs.items())] if pairs else []),
                *(["--tags", *(f"{name}={value}" for name, value in tags.items())] if tags else []),
            )  # fmt: skip

    def status(self) -> str:
        """The stack's status as CloudFormation names it; empty where there is none."""
        found = self._describe()
        return str(found["StackStatus"]) if found else ""

    def outputs(self) -> dict[str, str]:
        """The outputs by name; none where there is no stack."""
        return {one["OutputKey"]: one["OutputValue"] for one in self._describe().get("Outputs", [])}

    def resource(self, logical_id: str) -> str:
        """The physical id of a resource. Raises ClientError."""
        found = self._client.describe_stack_resource(StackName=self.environment.stack, LogicalResourceId=logical_id)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def delete(self) -> None:
        """Delete the stack, but for what it keeps. Raises botocore's WaiterError where it stays."""
        self._client.delete_stack(StackName=self.environment.stack)
        waiter = self._client.get_waiter("stack_delete_complete")
        waiter.wait(StackName=self.environment.stack, WaiterConfig={"Delay": 1})

    def _describe(self) -> dict[str, Any]:
        try:
            (found,) = self._client.describe_stacks(StackName=self.environment.stack)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                return {}
            raise
        return dict(found)

    def _sam(self, command: str, *arguments: str) -> None:
        """Run a command of SAM's; what it says is shown, or told where it fails."""
        words = [str(SAM), command, "--region", self.account.region, *arguments]
        ran = subprocess.run(
            words, cwd=CHECKOUT, env=self.account.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if self._quiet else None, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        if ran.returncode:
            raise DeploymentFailed(f"sam {command} failed" + (f":\n{ran.stdout}" if self._quiet else "; see above"))
