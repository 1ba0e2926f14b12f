"""Checks for operators: parameters reach the functions, nudges are not dropped, alarms are documented. Each takes the model."""
import re

from checks_values import as_list, function_behind
from checks_wiring import functions

# The operator's pages of the documentation, and the table that has a row for each alarm.
RUNBOOKS, ALARMS = "docs/operating.md", "## Alarms"


def republish(model):
    """SAM publishes no version when only a parameter changes, unless AutoPublishCodeSha256 changes too."""
    for logical_id, _, function in functions(model):
        if function["Properties"].get("AutoPublishCodeSha256") != {"Ref": "Republish"}:
            yield f"{logical_id} needs AutoPublishCodeSha256: !Ref Republish, or changed parameters never reach it"


def recursion(model):
    """Lambda drops messages that a function sends to the queue that invokes it, after about 16 invocations in a chain."""
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


def system_log_level(model):
    """Lambda applies SystemLogLevel only to logs in JSON."""
    for _, name, function in model.resources("AWS::Lambda::Function"):
        if function["Properties"].get("LoggingConfig") != {"LogFormat": "JSON", "SystemLogLevel": {"Ref": "SystemLogLevel"}}:
            yield f"{name} needs LoggingConfig: {{LogFormat: JSON, SystemLogLevel: !Ref SystemLogLevel}}, or the parameter never reaches it"


def subnet_zones(model):
    """Subnets with the same letter are in the same zone, which the operator may name. Different letters need different zones, or both fail together."""
    for stack, name, subnet in model.resources("AWS::EC2::Subnet"):
        letter = name[-1]
        wanted = {"Fn::If": [f"NamesZone{letter}", {"Ref": f"Zone{letter}"}, {"Fn::Select": ["AB".find(letter), {"Fn::GetAZs": ""}]}]}
        if subnet["Properties"].get("AvailabilityZone") != wanted:
            yield f"{stack}: the AvailabilityZone of {name} must be Zone{letter} or, if that is empty, the zone with the same index in !GetAZs"
    passed = model.main["Resources"]["Network"]["Properties"]["Parameters"]
    for zone in ("ZoneA", "ZoneB"):
        if passed.get(zone) != {"Ref": zone}:
            yield f"template.yaml: Network needs the parameter {zone}: !Ref {zone}, or its value never reaches the subnets"


# Required settings of the database, and what would happen without each.
DATABASE_PARAMETERS = {
    "rds.force_ssl": ("1", "a password may cross the network in clear"),
    "log_error_verbosity": ("terse", "rows that customers sent are quoted in its log"),
}


def database_parameters(model):
    for stack, name, cluster in model.resources("AWS::RDS::DBCluster"):
        group = model.stacks[stack]["Resources"].get(cluster["Properties"].get("DBClusterParameterGroupName", {}).get("Ref"), {})
        found = group.get("Properties", {}).get("Parameters", {})
        for parameter, (value, otherwise) in DATABASE_PARAMETERS.items():
            if found.get(parameter) != value:
                yield f"{stack}: the parameter group of {name} needs {parameter}: {value}, or {otherwise}"


def databases(model):
    for stack, template in model.stacks.items():
        for name, output in template.get("Outputs", {}).items():
            if "postgres://" in str(output["Value"]) and "sslmode=verify-full" not in str(output["Value"]):
                yield f"{stack}: {name} must have sslmode=verify-full, or a function logs in to a server without verifying it"
    for stack, name, cluster in model.resources("AWS::RDS::DBCluster"):
        if cluster["Properties"].get("EnableCloudwatchLogsExports") != ["postgresql"]:
            yield f"{stack}: {name} does not export its log: set EnableCloudwatchLogsExports: [postgresql]"
    for stack, name, instance in model.resources("AWS::RDS::DBInstance"):
        if instance["Properties"].get("AutoMinorVersionUpgrade") is not False:
            yield f"{stack}: {name} needs AutoMinorVersionUpgrade: false, or AWS changes its version without DatabaseEngineVersion"
        if instance["Properties"].get("EnablePerformanceInsights") is not True:
            yield f"{stack}: {name} needs EnablePerformanceInsights: true"


def endpoints(model):
    for stack, name, endpoint in model.resources("AWS::EC2::VPCEndpoint"):
        if "PolicyDocument" not in endpoint["Properties"]:
            yield f"{stack}: {name} has no PolicyDocument, so functions could reach resources of other accounts through it"


def migration_runs_once(model):
    """A retry of an asynchronous invocation would migrate while the failed deployment is rolled back."""
    once = {config["Properties"]["FunctionName"]["Ref"]: name for _, name, config in model.resources("AWS::Lambda::EventInvokeConfig")
            if config["Properties"].get("MaximumRetryAttempts") == 0}
    aliases = {name: alias["Properties"]["FunctionName"]["Ref"] for _, name, alias in model.resources("AWS::Lambda::Alias")}
    for _, name, resource in model.resources("Custom::Migration"):
        config = once.get(aliases.get(resource["Properties"].get("ServiceToken", {}).get("Ref")))
        if config is None:
            yield f"{name}: its function needs EventInvokeConfig: {{MaximumRetryAttempts: 0}}"
        elif config not in as_list(resource.get("DependsOn", [])):
            yield f"{name} needs DependsOn: {config}, or it may run before retries are off and after they are on again"


def route_metrics(model):
    for _, name, stage in model.resources("AWS::ApiGatewayV2::Stage"):
        if stage["Properties"].get("DefaultRouteSettings", {}).get("DetailedMetricsEnabled") is not False:
            yield f"{name} has detailed metrics on every route, which cost about $2 a month each: name the routes in RouteSettings"
        for key, settings in stage["Properties"].get("RouteSettings", {}).items():
            if not {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= set(settings):
                yield f"{name}: {key} has its own settings, so it needs ThrottlingRateLimit and ThrottlingBurstLimit"


def measured(model):
    """An alarm on a metric that no code writes never becomes active."""
    code = "".join(file.read_text() for file in (model.root / "shared").rglob("*.go") if not file.name.endswith("_test.go"))
    for stack, name, alarm in model.resources("AWS::CloudWatch::Alarm"):
        metric = alarm["Properties"].get("MetricName")
        if alarm["Properties"].get("Namespace") == "Portico" and f'"{metric}"' not in code:
            yield f"{stack}: the alarm {name} watches {metric}, which no code writes"


def runbooks(model):
    """An alarm without instructions is useless."""
    alarms = {alarm["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("${Prefix}-")
              for _, _, alarm in model.resources("AWS::CloudWatch::Alarm")}
    text = (model.root / RUNBOOKS).read_text()
    section = re.split(r"\n## ", text.split(ALARMS + "\n", 1)[-1])[0]
    rows = {name for row in section.splitlines() if row.startswith("| `") for name in re.findall(r"`([\w-]+)`", row.split("|")[1])}
    for name in sorted(alarms - rows):
        yield f"{RUNBOOKS} does not say what to do about the alarm {name}: add a row under {ALARMS}"
    for name in sorted(rows - alarms):
        yield f"{RUNBOOKS} describes the alarm {name}, which does not exist"


ALL = (republish, recursion, system_log_level, subnet_zones, database_parameters, databases, endpoints, migration_runs_once, route_metrics, measured, runbooks)
