"""Checks of what an operator relies on: parameters that arrive, nudges that are not dropped, runbooks. Each takes the model."""
import re

from checks_values import function_behind
from checks_wiring import functions

# The operator's pages of the documentation, and the table that has a row for each alarm.
RUNBOOKS, ALARMS = "docs/operating.md", "## Alarms"


def republish(model):
    """SAM publishes no version when only a parameter changes, unless this makes it."""
    for logical_id, _, function in functions(model):
        if function["Properties"].get("AutoPublishCodeSha256") != {"Ref": "Republish"}:
            yield f"{logical_id} needs AutoPublishCodeSha256: !Ref Republish, or changed parameters never reach it"


def recursion(model):
    """Lambda drops what a function sends to the queue that invokes it, after some 16 links."""
    for _, name, mapping in model.resources("AWS::Lambda::EventSourceMapping"):
        queue = model.behind(mapping["Properties"]["EventSourceArn"])
        function = (function_behind(model, mapping["Properties"]["FunctionName"]) or {}).get("Properties", {})
        variables = function.get("Environment", {}).get("Variables", {})
        if queue == (None, None) or queue not in [model.behind(value) for value in variables.values()]:
            continue
        called = function["FunctionName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
        if function.get("RecursiveLoop") != "Allow":
            yield f"{called} sends to the queue that invokes it: set RecursiveLoop: Allow"
        if f"${{Prefix}}-{called}" not in dropped(model):
            yield f"infra/observability.yaml has no alarm on RecursiveInvocationsDropped of {called}"


def dropped(model):
    for _, _, alarm in model.resources("AWS::CloudWatch::Alarm"):
        if alarm["Properties"].get("MetricName") == "RecursiveInvocationsDropped":
            yield from (dimension["Value"].get("Fn::Sub") for dimension in alarm["Properties"]["Dimensions"])


def databases(model):
    for stack, template in model.stacks.items():
        for name, output in template.get("Outputs", {}).items():
            if "postgres://" in str(output["Value"]) and "sslmode=verify-full" not in str(output["Value"]):
                yield f"{stack}: {name} must have sslmode=verify-full, or a function logs in to whoever answers"
    for stack, name, cluster in model.resources("AWS::RDS::DBCluster"):
        if cluster["Properties"].get("EnableCloudwatchLogsExports") != ["postgresql"]:
            yield f"{stack}: {name} does not export its log: set EnableCloudwatchLogsExports: [postgresql]"
    for stack, name, instance in model.resources("AWS::RDS::DBInstance"):
        if instance["Properties"].get("AutoMinorVersionUpgrade") is not False:
            yield f"{stack}: {name} needs AutoMinorVersionUpgrade: false, or its version is not the one that the parameter names"
        if instance["Properties"].get("EnablePerformanceInsights") is not True:
            yield f"{stack}: {name} needs EnablePerformanceInsights: true"


def endpoints(model):
    for stack, name, endpoint in model.resources("AWS::EC2::VPCEndpoint"):
        if "PolicyDocument" not in endpoint["Properties"]:
            yield f"{stack}: {name} has no PolicyDocument, so through it a function reaches what is in other accounts"


def migration_runs_once(model):
    """A retry of an asynchronous invocation would migrate while the failed deployment is rolled back."""
    once = {config["Properties"]["FunctionName"]["Ref"] for _, _, config in model.resources("AWS::Lambda::EventInvokeConfig")
            if config["Properties"].get("MaximumRetryAttempts") == 0}
    aliases = {name: alias["Properties"]["FunctionName"]["Ref"] for _, name, alias in model.resources("AWS::Lambda::Alias")}
    for _, name, resource in model.resources("Custom::Migration"):
        if aliases.get(resource["Properties"].get("ServiceToken", {}).get("Ref")) not in once:
            yield f"{name}: its function needs EventInvokeConfig: {{MaximumRetryAttempts: 0}}"


def route_metrics(model):
    for _, name, stage in model.resources("AWS::ApiGatewayV2::Stage"):
        if stage["Properties"].get("DefaultRouteSettings", {}).get("DetailedMetricsEnabled") is not False:
            yield f"{name} has detailed metrics on every route, which cost about $2 a month each: name the routes in RouteSettings"
        for key, settings in stage["Properties"].get("RouteSettings", {}).items():
            if not {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= set(settings):
                yield f"{name}: {key} has settings of its own, so it needs ThrottlingRateLimit and ThrottlingBurstLimit"


def runbooks(model):
    """An alarm that nobody knows what to do about is worth nothing."""
    alarms = {alarm["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("${Prefix}-")
              for _, _, alarm in model.resources("AWS::CloudWatch::Alarm")}
    text = (model.root / RUNBOOKS).read_text()
    section = re.split(r"\n## ", text.split(ALARMS + "\n", 1)[-1])[0]
    rows = {name for row in section.splitlines() if row.startswith("| `") for name in re.findall(r"`([\w-]+)`", row.split("|")[1])}
    for name in sorted(alarms - rows):
        yield f"{RUNBOOKS} does not say what to do when the alarm {name} rings: add a row under {ALARMS}"
    for name in sorted(rows - alarms):
        yield f"{RUNBOOKS} describes the alarm {name}, which does not exist"


ALL = (republish, recursion, databases, endpoints, migration_runs_once, route_metrics, runbooks)
