"""The stack as CloudFormation will see it: template.yaml after the SAM transform, with included files and nested stacks.

`python3 model.py OUT` also writes the transformed template to OUT, for cfn-lint's second pass.
"""
import copy
import json
import logging
import os
import sys
from pathlib import Path

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
logging.disable(logging.WARNING)  # the translator reports feature toggles that it cannot fetch offline

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]


class ManagedPolicies:
    """The managed policies that SAM attaches automatically; fetching the whole list from AWS would need credentials."""

    def load(self):
        names = ("AWSLambdaBasicExecutionRole", "AWSLambdaVPCAccessExecutionRole", "AWSLambdaSQSQueueExecutionRole", "AWSLambdaRole")
        return {name: f"arn:aws:iam::aws:policy/service-role/{name}" for name in names}


class Model:
    """source: template.yaml as written. stacks: name -> template, "template.yaml" being the transformed root."""

    def __init__(self, source, stacks, root=ROOT):
        self.source, self.stacks, self.root = source, stacks, root

    @property
    def main(self):
        return self.stacks["template.yaml"]

    def clone(self):
        return Model(copy.deepcopy(self.source), copy.deepcopy(self.stacks), self.root)

    def resources(self, *types):
        """Yields (stack name, logical id, resource) of the given types, or of all."""
        for name, stack in self.stacks.items():
            for logical_id, resource in stack["Resources"].items():
                if not types or resource["Type"] in types:
                    yield name, logical_id, resource

    def value(self, expression, stack, overrides):
        """Follows Ref through nested stacks to a parameter's value; other intrinsics come back as they are."""
        if not (isinstance(expression, dict) and list(expression) == ["Ref"]):
            return expression
        parameter = expression["Ref"]
        if stack == "template.yaml":
            default = self.main.get("Parameters", {}).get(parameter, {}).get("Default", expression)
            return overrides.get(parameter, default)
        for resource in self.main["Resources"].values():
            if resource["Type"] == "AWS::CloudFormation::Stack" and resource["Properties"]["TemplateURL"] == stack:
                passed = resource["Properties"].get("Parameters", {})
                return self.value(passed.get(parameter, expression), "template.yaml", overrides)
        return expression

    def output(self, reference):
        """The value of a nested stack's output, from GetAtt Stack.Outputs.X: (stack name, value), or (None, None)."""
        try:
            name, attribute = reference["Fn::GetAtt"]
            stack = self.main["Resources"][name]["Properties"]["TemplateURL"]
            return stack, self.stacks[stack]["Outputs"][attribute.removeprefix("Outputs.")]["Value"]
        except (KeyError, TypeError):
            return None, None

    def behind(self, reference):
        """The resource that a Ref or GetAtt names, through outputs: (stack name, logical id), or (None, None)."""
        stack, value = self.output(reference)
        if stack is None:
            stack, value = "template.yaml", reference
        try:
            target = value["Ref"] if "Ref" in value else value["Fn::GetAtt"]
            name = (target.split(".") if isinstance(target, str) else target)[0]
            return (stack, name) if name in self.stacks[stack]["Resources"] else (None, None)
        except (KeyError, TypeError):
            return None, None


def inline_includes(node, root):
    """Replaces Fn::Transform AWS::Include by the file's content, as CloudFormation does before the SAM transform."""
    if isinstance(node, list):
        return [inline_includes(item, root) for item in node]
    if not isinstance(node, dict):
        return node
    out = {}
    for key, value in node.items():
        if key == "Fn::Transform" and value.get("Name") == "AWS::Include":
            out.update(yaml_parse((root / value["Parameters"]["Location"]).read_text()))
        else:
            out[key] = inline_includes(value, root)
    return out


def load(root=ROOT):
    source = inline_includes(yaml_parse((root / "template.yaml").read_text()), root)
    stacks = {"template.yaml": translate(source)}
    for resource in source["Resources"].values():
        if resource["Type"] == "AWS::CloudFormation::Stack":
            path = resource["Properties"]["TemplateURL"]
            stacks[path] = yaml_parse((root / path).read_text())
    return Model(source, stacks, root)


def translate(source, parameters={}):
    """The SAM transform, offline. Code locations become S3 addresses, as `sam package` would make them."""
    packaged = copy.deepcopy(source)
    for logical_id, resource in packaged["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = f"s3://local/{logical_id}.zip"
    return json.loads(json.dumps(transform(packaged, dict(parameters), ManagedPolicies())))


def main():
    out = Path(sys.argv[1]).resolve()
    model = load()
    template = model.main
    # What only the transform reads, as AutoPublishCodeSha256 does Republish, is used all the same.
    text = json.dumps(model.source)
    for name in [name for name in template["Parameters"] if f'{{"Ref": "{name}"}}' in text]:
        if f'"{name}"' not in json.dumps({k: v for k, v in template.items() if k != "Parameters"}):
            del template["Parameters"][name]
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::CloudFormation::Stack":
            nested = ROOT / resource["Properties"]["TemplateURL"]
            resource["Properties"]["TemplateURL"] = os.path.relpath(nested, out.parent)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(template, indent=1))


if __name__ == "__main__":
    main()
