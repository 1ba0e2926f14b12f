"""Checks that the parts match: functions, folders, routes, logs, migration, deletion. Each takes the model."""
import json
import re

from checks_values import as_list, function_behind, walk

MAX_RESOURCES = 400  # CloudFormation stops at 500
MAX_ROUTES = 250     # API Gateway stops at 300
METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "x-amazon-apigateway-any-method"}
DEPLOYMENTS = {"AllAtOnce"} | {f"Canary10Percent{m}Minutes" for m in (5, 10, 15, 30)} | \
    {f"Linear10PercentEvery{m}" for m in ("1Minute", "2Minutes", "3Minutes", "10Minutes")}
# DeletionPolicy and UpdateReplacePolicy of resources that hold data. If the first deployment fails, its resources are
# deleted; otherwise each retry would leave a key and tables behind.
RETAIN = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
KEEP = {
    "AWS::RDS::DBCluster": {"DeletionPolicy": "Snapshot", "UpdateReplacePolicy": "Snapshot"},
    "AWS::DynamoDB::Table": RETAIN, "AWS::SecretsManager::Secret": RETAIN, "AWS::KMS::Key": RETAIN, "AWS::S3::Bucket": RETAIN,
}


def functions(model):
    """Yields (logical id, name, function as written): WebhookEndpointsFunction is called webhook-endpoints."""
    for logical_id, resource in model.source["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            yield logical_id, kebab(logical_id), resource


def kebab(logical_id):
    return re.sub(r"([a-z])([A-Z])", r"\1-\2", logical_id.removesuffix("Function")).lower()


def names(model):
    """infra/build/Makefile, the log groups and the alarms all derive a function's name from its logical id."""
    for logical_id, name, function in functions(model):
        properties = function["Properties"]
        if properties.get("FunctionName") != {"Fn::Sub": "${AWS::StackName}-" + name}:
            yield f"{logical_id}: FunctionName must be !Sub ${{AWS::StackName}}-{name}"
        code = properties.get("CodeUri", "")
        if not re.fullmatch(rf"functions/\w+/{name}/?", code):
            yield f"{logical_id}: CodeUri must be functions/<api|worker|schedule|web>/{name}, is {code or 'missing'}"
        elif not (model.root / code / "main.go").is_file():
            yield f"{logical_id}: {code}/main.go does not exist"
        metadata = function.get("Metadata", {})
        if metadata.get("BuildMethod") != "makefile" or not (model.root / metadata.get("ContextPath", "") / "Makefile").is_file():
            yield f"{logical_id}: Metadata must be {{BuildMethod: makefile, ContextPath: infra/build, WorkingDirectory: .}}"


def code_folders(model):
    deployed = {function["Properties"].get("CodeUri", "").rstrip("/") for _, _, function in functions(model)}
    for main in sorted(model.root.glob("functions/*/*/main.go")):
        folder = main.parent.relative_to(model.root).as_posix()
        if folder not in deployed:
            yield f"{folder} is built by no function of template.yaml"


def event_files(model):
    expected = {f"{name}.json" for _, name, _ in functions(model)}
    present = {path.name for path in (model.root / "events").glob("*.json")}
    for name in sorted(expected - present):
        yield f"events/{name} is missing: add an event for sam local invoke"
    for name in sorted(present):
        try:
            json.loads((model.root / "events" / name).read_text())
        except ValueError as error:
            yield f"events/{name} is not JSON: {error}"


def deployment_preference(model):
    preferences = [("Globals", model.source.get("Globals", {}).get("Function", {}).get("DeploymentPreference", {}))]
    preferences += [(i, f["Properties"].get("DeploymentPreference", {})) for i, _, f in functions(model)]
    for name, preference in preferences:
        kind = preference.get("Type", "AllAtOnce")
        for choice in kind["Fn::If"][1:] if isinstance(kind, dict) else [kind]:
            if choice not in DEPLOYMENTS:
                yield f"{name}: DeploymentPreference has the unknown Type {choice}"
        if not isinstance(preference.get("Enabled", True), bool):
            yield f"{name}: SAM ignores a condition in DeploymentPreference.Enabled; put it in Type"


def routes(model):
    for _, api_id, api in model.resources("AWS::ApiGatewayV2::Api"):
        found, served, roles = {}, set(), set()
        for path, item in api["Properties"]["Body"]["paths"].items():
            for method, operation in item.items():
                if method not in METHODS:
                    continue
                key = "$default" if operation.get("isDefaultRoute") else f"{method.upper()} {path}"
                integration = operation.get("x-amazon-apigateway-integration", {})
                target = re.search(r"functions/\$\{([\w.]+)\}/invocations$", str(integration.get("uri", {}).get("Fn::Sub", "")))
                found[key] = target.group(1) if target else None
                declared = str(found[key]).removesuffix(".Alias")
                if declared not in model.source["Resources"] and declared != found[key]:
                    yield f"{key}: its operation declares the function {kebab(declared)}, which has no block in template.yaml: add {declared}"
                elif function_behind(model, {"Ref": found[key]}) is None:
                    yield f"{key}: its function in infra/api.yaml is not in template.yaml, or is not called by its alias"
                if integration.get("payloadFormatVersion") != "2.0":
                    yield f"{key}: payloadFormatVersion must be 2.0"
                served.add(found[key])
                role = integration.get("credentials", {}).get("Fn::GetAtt", [None, None])
                roles.add(role[0] if role[1] == "Arn" else None)
        if "$default" not in found:
            yield "infra/api.yaml has no $default route, so unknown paths get API Gateway's 404 and not ours"
        if len(found) > MAX_ROUTES:
            yield f"{len(found)} routes; the budget is {MAX_ROUTES}"
        yield from permissions(model, served, roles)
        for logical_id, name, function in functions(model):
            if function["Properties"].get("CodeUri", "").startswith("functions/api/") and f"{logical_id}Aliaslive" not in served:
                yield f"{logical_id} serves no route: no operation declares the function {name}"
        for _, name, stage in model.resources("AWS::ApiGatewayV2::Stage"):
            for key in stage["Properties"].get("RouteSettings", {}):
                if key not in found:
                    yield f"{name}: RouteSettings name {key}, which is not a route; the deployment would fail"


def permissions(model, served, roles):
    """With these roles API Gateway may only call the functions that have routes, by their aliases."""
    if roles != {"HttpApiRole"}:
        yield "each route in infra/api.yaml needs credentials: HttpApiRole, or API Gateway may not call its function"
    role = model.main["Resources"].get("HttpApiRole", {}).get("Properties", {})
    statements = [s for policy in role.get("Policies", []) for s in policy["PolicyDocument"]["Statement"]]
    if role.get("ManagedPolicyArns") or any(s["Action"] != "lambda:InvokeFunction" for s in statements):
        yield "HttpApiRole may do more than lambda:InvokeFunction"
    allowed = {r.get("Ref") if isinstance(r, dict) else r for s in statements for r in as_list(s["Resource"])}
    for alias in sorted(a for a in served - allowed if a):
        yield f"{alias} has routes, but HttpApiRole may not invoke it: run \"make generate\""
    for alias in sorted(str(a) for a in allowed - served):
        yield f"HttpApiRole may invoke {alias}, which has no route"
    for stack, name, permission in model.resources("AWS::Lambda::Permission"):
        if permission["Properties"].get("Principal") == "apigateway.amazonaws.com":
            yield f"{stack}: {name} allows what HttpApiRole does"


def authorizers(model):
    for stack, name, resource in model.resources("AWS::ApiGatewayV2::Authorizer", "AWS::ApiGatewayV2::Api"):
        for node in walk(resource["Properties"]):
            for key in ("AuthorizerPayloadFormatVersion", "authorizerPayloadFormatVersion"):
                if node.get(key, "2.0") not in ("1.0", "2.0"):
                    yield f"{stack}: {name} has {key} {node[key]}: it is 1.0 or 2.0"


def migration(model):
    """Code must never run with an older schema than it expects."""
    for _, name, resource in model.resources("Custom::Migration"):
        alias = resource["Properties"].get("ServiceToken", {}).get("Ref", "")
        version = resource["Properties"].get("Version", {})
        if not re.fullmatch(re.sub(r"Aliaslive$", "Version", alias) + r"\w+", str(version.get("Ref")) if isinstance(version, dict) else ""):
            yield f"{name}: ServiceToken must be the alias and Version the version of one function, or it does not run on changes"
        exempt = model.main["Resources"].get(alias, {}).get("Properties", {}).get("FunctionName", {}).get("Ref")
        for _, function, properties in model.resources("AWS::Lambda::Function"):
            if function != exempt and {"Ref": name} not in properties["Properties"].get("Environment", {}).get("Variables", {}).values():
                yield f"{function} does not wait for the migration: it needs the variable MIGRATION: !Ref {name}"


def logs_and_alarms(model):
    """A misspelt function name in a log group or an alarm causes no error anywhere else."""
    known = {name for _, name, _ in functions(model)}
    groups = {}
    for stack, name, group in model.resources("AWS::Logs::LogGroup"):
        groups[str(group["Properties"].get("LogGroupName", {}).get("Fn::Sub"))] = group
        if "RetentionInDays" not in group["Properties"]:
            yield f"{stack}: {name} keeps logs for ever: set RetentionInDays"
    for name in sorted(known):
        if "/aws/lambda/${Prefix}-" + name not in groups:
            yield f"infra/observability.yaml has no log group for {name}"
    watched = set().union(*(measured_functions(alarm) for _, _, alarm in model.resources("AWS::CloudWatch::Alarm")
                            if alarm["Properties"].get("MetricName") == "Errors"))
    for _, name, function in functions(model):
        # The others are called by hand or by the deployment, which sees the error.
        if function["Properties"].get("DeploymentPreference", {}).get("Enabled", True) and name not in watched:
            yield f"infra/observability.yaml has no alarm on Errors of {name}"
    for stack, template in model.stacks.items():
        for used in sorted(measured_functions(template) - known):
            yield f"{stack}: a metric of the function {used}, which does not exist"


def measured_functions(template):
    """The <name> of every ${Prefix}-<name> in an alarm's dimension or a dashboard's metric."""
    texts = [node["Value"].get("Fn::Sub", "") for node in walk(template)
             if node.get("Name") in ("FunctionName", "Resource") and isinstance(node.get("Value"), dict)]
    texts += re.findall(r'"FunctionName", *"([^"]+)"', " ".join(
        str(node["DashboardBody"]) for node in walk(template) if "DashboardBody" in node))
    return {match.group(1) for text in texts if (match := re.match(r"\$\{Prefix\}-([\w-]+)", text))}


def deletion(model):
    for stack, name, resource in model.resources(*KEEP):
        for policy, wanted in KEEP[resource["Type"]].items():
            if resource.get(policy) != wanted:
                yield f"{stack}: {name} needs {policy}: {wanted}"


def tables(model):
    for stack, name, table in model.resources("AWS::DynamoDB::Table"):
        properties = table["Properties"]
        if not properties.get("TimeToLiveSpecification", {}).get("Enabled"):
            yield f"{stack}: {name} has no TTL"
        if not properties.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
            yield f"{stack}: {name} has no point-in-time recovery"


def budget(model):
    for stack, template in model.stacks.items():
        if len(template["Resources"]) > MAX_RESOURCES:
            yield f"{stack} has {len(template['Resources'])} resources; the budget is {MAX_RESOURCES}"


ALL = (names, code_folders, event_files, deployment_preference, routes, authorizers, migration, logs_and_alarms,
       deletion, tables, budget)
