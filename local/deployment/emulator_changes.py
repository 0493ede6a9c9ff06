"""What MiniStack is given otherwise than AWS, in the packaged template. Everything else is deployed as it is."""

from __future__ import annotations

from typing import Any

from local.deployment.account import Account


def change(template: dict[str, Any], account: Account) -> None:
    """Apply every change to a packaged template."""
    _address_nested_templates_as_on_aws(template, account)


def _address_nested_templates_as_on_aws(template: dict[str, Any], account: Account) -> None:
    """`sam package` writes their URLs with the emulator's address, in which `sam deploy` sees no S3. MiniStack takes
    AWS's form as well, and reads them from its own S3.
    """
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::CloudFormation::Stack":
            path = properties["TemplateURL"].removeprefix(account.variables["AWS_ENDPOINT_URL"])
            properties["TemplateURL"] = f"https://s3.{account.region}.amazonaws.com{path}"
