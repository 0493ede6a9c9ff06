"""What CloudFormation gets of `template.yaml`: the SAM transform, carried out here as `sam validate` does it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Any

from local.checkout import CHECKOUT

SAM_PYTHON = CHECKOUT / ".venv-sam" / "bin" / "python"
REGION, ACCOUNT = "eu-north-1", "123456789012"

# Runs in the SAM CLI's environment, which has the translator.
_TRANSLATE = """
import json, sys
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse
template = yaml_parse(open(sys.argv[1]).read())
for resource in template["Resources"].values():
    for name in ("CodeUri", "ContentUri"):
        if name in resource.get("Properties", {}):
            resource["Properties"][name] = "s3://bucket/key"
print(json.dumps(Translator({}, Parser()).translate(template, json.loads(sys.argv[2])), default=str))
"""

_ARNS = {
    "AWS::KMS::Key": "kms:{region}:{account}:key/{name}",
    "AWS::SQS::Queue": "sqs:{region}:{account}:{name}",
    "AWS::Lambda::Alias": "lambda:{region}:{account}:function:{name}:live",
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:{name}",
}


@cache
def rendered(**parameters: str) -> dict[str, Any]:
    """The template as CloudFormation gets it with these parameters, its own functions (Ref, Fn::If ...) left in."""
    command = [str(SAM_PYTHON), "-c", _TRANSLATE, str(CHECKOUT / "template.yaml"), json.dumps(parameters)]
    environment = {"AWS_DEFAULT_REGION": REGION, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    translated: dict[str, Any] = json.loads(done.stdout)
    return translated


def arns(template: dict[str, Any], resource: Any) -> Iterator[str]:
    """What a policy's Resource may stand for, one ARN for each branch of an Fn::If; a parameter's is a secret's."""
    if isinstance(resource, str):
        yield resource
    elif isinstance(resource, list):
        for one in resource:
            yield from arns(template, one)
    elif "Fn::If" in resource:
        for branch in resource["Fn::If"][1:]:
            yield from arns(template, branch)
    elif "Ref" in resource or "Fn::GetAtt" in resource:
        named = resource.get("Ref") or resource["Fn::GetAtt"]
        parts = named.split(".") if isinstance(named, str) else named
        kind = template["Resources"].get(parts[0], {}).get("Type", "")
        place = _ARNS.get(kind, "secretsmanager:{region}:{account}:secret:{name}-AbCdEf")
        name = parts[0] if kind in _ARNS else parts[-1]
        yield "arn:aws:" + place.format(region=REGION, account=ACCOUNT, name=name)
    elif "Fn::Sub" in resource:
        yield resource["Fn::Sub"].replace("${AWS::Partition}", "aws").replace("${AWS::StackName}", "parley")
    else:
        raise ValueError(f"what this stands for is not known: {resource}")
