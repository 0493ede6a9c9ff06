"""`python -m local.template_checks ENVIRONMENT`: what strangers' checkers say of the templates, which is to be nothing.

cfn-lint with the rules of cfn-lint-serverless looks at the sources, checkov at what CloudFormation gets, parliament at
the policies of every role in it. `template_checks.toml` has the rules that are off, with their reasons.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local.checkout import CHECKOUT
from local.template import cloudformation
from local.template.rendered import arns, rendered

OFF = Path(__file__).with_suffix(".toml")
# There is one for each route or function, and checkov asks nothing of them.
_NOT_ASKED = ("AWS::Lambda::Permission", "AWS::Lambda::Version", "AWS::Lambda::Alias")
_PARLIAMENT = """
import json, sys
from parliament import analyze_policy_string
for name, policy in json.load(sys.stdin).items():
    for found in analyze_policy_string(json.dumps(policy)).findings:
        print(json.dumps([found.issue, f"{name}: {found.detail} {found.location}"]))
"""

# A rule, and what it found.
Finding = tuple[str, str]


def main(environment: str) -> int:
    """Ask them all; the exit status says whether one found something, or is told to overlook what it does not find."""
    tools = (CHECKOUT / environment / "bin").resolve()
    template = rendered()
    off: dict[str, dict[str, str]] = tomllib.loads(OFF.read_text(encoding="utf-8"))
    clean = True
    for tool, findings in (
        ("sam", sam_ignores()),
        ("cfn-lint", cfn_lint(tools)),
        ("checkov", checkov(tools, template)),
        ("parliament", parliament(tools, template)),
    ):
        found = list(findings)
        wrong = [f"{rule}: {what}" for rule, what in found if rule not in off[tool]]
        wrong += [f"{rule} is off and finds nothing" for rule in off[tool].keys() - {rule for rule, _ in found}]
        for line in wrong:
            print(f"{tool}: {line}", file=sys.stderr)
        clean &= not wrong
        print(f"{tool}: {'ok' if not wrong else 'failed'}, {len(off[tool])} rules off", flush=True)
    return 0 if clean else 1


def sam_ignores() -> Iterator[Finding]:
    """The rules that template.yaml itself says are off, which `sam validate --lint` and cfn-lint take from there."""
    for rule in cloudformation.load(CHECKOUT / "template.yaml")["Metadata"]["cfn-lint"]["config"]["ignore_checks"]:
        yield rule, "is off in template.yaml, without a reason here"


def cfn_lint(tools: Path) -> Iterator[Finding]:
    """What cfn-lint says of the sources."""
    sources = [CHECKOUT / "template.yaml", *sorted((CHECKOUT / "templates").glob("*.yaml"))]
    for found in _json(tools / "cfn-lint", "--format", "json", "-a", "cfn_lint_serverless.rules", "--", *sources):
        where = f"{Path(found['Filename']).name}:{found['Location']['Start']['LineNumber']}"
        yield found["Rule"]["Id"], f"{where} {found['Message']}"


def checkov(tools: Path, template: dict[str, Any]) -> Iterator[Finding]:
    """What checkov says of the rendered stack and the nested ones."""
    resources = {
        # Of an API not its body, 70 KB of routes: tests/unit/deployment/ looks at those.
        name: one | {"Properties": {key: value for key, value in one.get("Properties", {}).items() if key != "Body"}}
        for name, one in template["Resources"].items()
        if one["Type"] not in _NOT_ASKED
    }
    with tempfile.TemporaryDirectory() as folder:
        main = Path(folder) / "template.json"
        main.write_text(json.dumps(template | {"Resources": resources}))
        files = [
            argument for path in (main, *sorted((CHECKOUT / "templates").glob("*.yaml"))) for argument in ("-f", path)
        ]
        reports = _json(
            tools / "checkov", *files, "--framework", "cloudformation", "--skip-download", "--quiet", "-o", "json"
        )
    for report in reports if isinstance(reports, list) else [reports]:
        for found in report["results"]["failed_checks"]:
            yield found["check_id"], f"{found['resource']} {found['check_name']}"


def parliament(tools: Path, template: dict[str, Any]) -> Iterator[Finding]:
    """What parliament says of every policy that a role of the rendered stack can have."""
    policies = {name: _concrete(template, policy) for name, policy in policies_of(template)}
    asked = subprocess.run(
        [str(tools / "python"), "-W", "ignore", "-c", _PARLIAMENT],
        input=json.dumps(policies),
        capture_output=True,
        text=True,
        check=True,
    )
    for line in asked.stdout.splitlines():
        rule, what = json.loads(line)
        yield rule, what


def policies_of(template: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The identity policies of a rendered stack, each with its place."""
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            yield name, properties["PolicyDocument"]
        elif resource["Type"] == "AWS::IAM::Role":
            for policy in properties.get("Policies", ()):
                yield f"{name}.{policy['PolicyName']}", policy["PolicyDocument"]


def _concrete(template: dict[str, Any], policy: dict[str, Any]) -> dict[str, Any]:
    """The policy with ARNs in the place of references."""
    statements = [
        statement | {"Resource": list(arns(template, statement["Resource"]))} for statement in policy["Statement"]
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _json(*command: object) -> Any:
    """What a tool prints as JSON; it ends with an error where it finds something."""
    ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    try:
        return json.loads(ran.stdout or "[]")
    except ValueError:
        raise SystemExit(f"{Path(str(command[0])).name} failed: {ran.stderr[-2000:]}") from None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
