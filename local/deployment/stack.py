"""A stack: built artefacts sent to its account, and created or updated by a change set. The SAM CLI does the work."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from local.checkout import CHECKOUT
from local.deployment import emulator_changes
from local.deployment.account import Account
from local.deployment.environments import Environment

SAM = CHECKOUT / ".venv-sam" / "bin" / "sam"
BUILD = CHECKOUT / ".aws-sam" / "build"
# Network interfaces of functions in a VPC are given back within the hour.
_DELETE_SECONDS, _POLL_SECONDS = 3600, 2


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
        """Create the stack, or update it. One whose creation failed is made anew.

        Args:
            parameters: the template's, beside those of the environment.
            build: what `sam build` left.

        Raises:
            DeploymentFailed: it was rolled back, the change set is refused, or an earlier creation left a database.
        """
        if self.status() == "ROLLBACK_COMPLETE":  # which CloudFormation does not update
            if left := self._left_behind():
                name, stack = self.environment.name, self.environment.stack
                raise DeploymentFailed(
                    f"the stack's creation failed and left {', '.join(left)}, and would leave another one: delete that,"
                    f" or give its secrets as parameters, and then make undeploy ENV={name} STACK={stack}"
                )
            self.delete()
        with tempfile.TemporaryDirectory() as folder:
            packaged = Path(folder) / "template.json"
            self._sam("package", "--template-file", str(build / "template.yaml"), "--resolve-s3",
                      "--output-template-file", str(packaged), "--use-json", "--no-progressbar")  # fmt: skip
            template = json.loads(packaged.read_text())
            pairs = {**parameters, **self.environment.parameters}
            publish_each_change(template, pairs)
            if self.account.emulated:
                emulator_changes.change(template, self.account)
            packaged.write_text(json.dumps(template))
            # On its command line SAM takes no empty value, and cuts others at a space. YAML takes JSON as it is.
            values = Path(folder) / "parameters.yaml"
            values.write_text(json.dumps(pairs))
            tags = self.environment.tags
            self._sam(
                "deploy", "--template-file", str(packaged), "--stack-name", self.environment.stack, "--resolve-s3",
                "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND",
                "--no-confirm-changeset", "--no-fail-on-empty-changeset",
                *(["--parameter-overrides", f"file://{values}"] if pairs else []),
                *(["--tags", *(f"{name}={value}" for name, value in tags.items())] if tags else []),
            )  # fmt: skip

    def status(self) -> str:
        """The stack's status as CloudFormation names it; empty where there is none."""
        found = self._describe()
        return str(found["StackStatus"]) if found else ""

    def parameters(self) -> dict[str, str]:
        """The template's parameters as they are; none where there is no stack."""
        return {one["ParameterKey"]: one["ParameterValue"] for one in self._describe().get("Parameters", [])}

    def outputs(self) -> dict[str, str]:
        """The outputs by name; none where there is no stack."""
        return {one["OutputKey"]: one["OutputValue"] for one in self._describe().get("Outputs", [])}

    def resource(self, logical_id: str) -> str:
        """The physical id of a resource. Raises ClientError."""
        found = self._client.describe_stack_resource(StackName=self.environment.stack, LogicalResourceId=logical_id)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def delete(self) -> None:
        """Delete the stack, but for what it keeps. Raises DeploymentFailed where it stays."""
        self._client.delete_stack(StackName=self.environment.stack)
        waiter = self._client.get_waiter("stack_delete_complete")
        patience = {"Delay": _POLL_SECONDS, "MaxAttempts": _DELETE_SECONDS // _POLL_SECONDS}
        try:
            waiter.wait(StackName=self.environment.stack, WaiterConfig=patience)
        except WaiterError as error:
            raise DeploymentFailed("\n".join([f"it is not deleted: {error}", *self._not_deleted()])) from None

    def _left_behind(self) -> list[str]:
        """The nested stacks that stayed when the creation was rolled back."""
        pages = self._client.get_paginator("describe_stack_events").paginate(StackName=self.environment.stack)
        return [
            event["PhysicalResourceId"]
            for page in pages
            for event in page["StackEvents"]
            if (event["ResourceType"], event["ResourceStatus"]) == ("AWS::CloudFormation::Stack", "DELETE_SKIPPED")
        ]

    def _not_deleted(self) -> list[str]:
        """What resists deleting, and why."""
        found = self._client.describe_stack_resources(StackName=self.environment.stack)["StackResources"]
        return [
            f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', '')}"
            for one in found
            if one["ResourceStatus"] == "DELETE_FAILED"
        ]

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
        with tempfile.TemporaryDirectory() as scratch:  # SAM leaves a folder for each thing that it packs
            ran = subprocess.run(
                words, cwd=CHECKOUT, env={**self.account.environment, "TMPDIR": scratch}, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if self._quiet else None, stderr=subprocess.STDOUT, text=True, check=False,
            )  # fmt: skip
        if ran.returncode:
            raise DeploymentFailed(f"sam {command} failed" + (f":\n{ran.stdout}" if self._quiet else "; see above"))


def publish_each_change(template: dict[str, Any], parameters: Mapping[str, str]) -> None:
    """Have SAM publish a new version of every function where anything of the deployment is new.

    By itself it does so for a function's own code. A layer or a parameter's value would not reach the aliases, which
    serve all calls.

    Args:
        template: what `sam package` made, in which artefacts have names by their content; it is changed.
        parameters: the template's.
    """
    digest = hashlib.sha256(json.dumps([template, dict(parameters)], sort_keys=True).encode()).hexdigest()
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["AutoPublishCodeSha256"] = digest
