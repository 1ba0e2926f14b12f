"""Checks of values that AWS would refuse, or accept although they do harm, and that cfn-lint accepts. Each takes the model and parameter overrides."""
import json
import re

RATE = re.compile(r"rate\((1 (minute|hour|day)|([2-9]|[1-9]\d+) (minutes|hours|days))\)")
AT = re.compile(r"at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)")
CRON_FIELD = re.compile(r"(\*|\?|L|LW|\d{1,4}W?|\d{1,2}L|[A-Z]{3}|\d#\d)([-/,](\d{1,4}|[A-Z]{3}))*")


def walk(node):
    """Yields every dictionary below node, itself included."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(child)


def as_list(value):
    return value if isinstance(value, list) else [value]


def parameters(model, overrides):
    declared = model.main.get("Parameters", {})
    for name, value in overrides.items():
        if name not in declared:
            yield f"samconfig.toml sets the parameter {name}, which template.yaml does not declare"
            continue
        allowed = [str(v) for v in declared[name].get("AllowedValues", [value])]
        low, high = declared[name].get("MinValue"), declared[name].get("MaxValue")
        outside = (low is not None and float(value) < low) or (high is not None and float(value) > high)
        if value not in allowed or outside or not re.search(declared[name].get("AllowedPattern", ""), value):
            yield f"samconfig.toml sets {name}={value}, which template.yaml does not allow"


def zones(model, overrides):
    """If only one is named, AWS might choose the same zone for the other."""
    a, b = (model.value({"Ref": zone}, "template.yaml", overrides) for zone in ("ZoneA", "ZoneB"))
    if (a or b) and (not a or not b or a == b):
        yield f"ZoneA={a} and ZoneB={b}: name two zones that differ, or neither"


def capacity(model, overrides):
    for stack, name, cluster in model.resources("AWS::RDS::DBCluster"):
        scaling = cluster["Properties"].get("ServerlessV2ScalingConfiguration", {})
        low, high = (float(model.value(scaling[k], stack, overrides)) for k in ("MinCapacity", "MaxCapacity"))
        if low * 2 % 1 or high * 2 % 1 or not 0 <= low <= high <= 256 or high < 1:
            yield f"{stack}: {name} scales from {low} to {high}: both must be multiples of 0.5, the maximum from 1 to 256"


def schedules(model, overrides):
    for stack, name, schedule in model.resources("AWS::Scheduler::Schedule", "AWS::Events::Rule"):
        text = model.value(schedule["Properties"].get("ScheduleExpression", ""), stack, overrides)
        if not valid_schedule(text):
            yield f"{stack}: {name} has the schedule {text!r}: write rate(1 minute), rate(5 minutes), cron(17 3 * * ? *) or at(…)"
        if "AWS::StackName" not in json.dumps(schedule["Properties"].get("Name", "")):
            yield f"{stack}: {name} needs a Name with ${{AWS::StackName}}, or two stages in one account collide"


def valid_schedule(text):
    if RATE.fullmatch(text) or AT.fullmatch(text):
        return True
    cron = re.fullmatch(r"cron\((.+)\)", text)
    fields = cron.group(1).split(" ") if cron else []
    return len(fields) == 6 and all(CRON_FIELD.fullmatch(f) for f in fields) and (fields[2] == "?") != (fields[4] == "?")


def queues(model, overrides):
    """Lambda refuses a mapping whose queue would redeliver while the function may still run."""
    for _, name, mapping in model.resources("AWS::Lambda::EventSourceMapping"):
        properties = mapping["Properties"]
        if int(properties.get("BatchSize", 10)) > 10 and not properties.get("MaximumBatchingWindowInSeconds"):
            yield f"{name}: a BatchSize above 10 needs MaximumBatchingWindowInSeconds"
        stack, queue = model.behind(properties["EventSourceArn"])
        function = function_behind(model, properties["FunctionName"])
        if queue is None or function is None:
            yield f"{name}: cannot tell which queue or function it connects; use Ref and GetAtt of a queue in the stack"
            continue
        visibility = visibility_timeout(model, stack, model.stacks[stack]["Resources"][queue], overrides)
        timeout = int(model.value(function["Properties"].get("Timeout", 3), "template.yaml", overrides))
        if visibility < timeout:
            yield f"{name}: the queue's VisibilityTimeout of {visibility} s is below the function's Timeout of {timeout} s"


def visibility_timeout(model, stack, queue, overrides):
    return int(model.value(queue["Properties"].get("VisibilityTimeout", 30), stack, overrides))


def dead_letters(model, overrides):
    """A message that expires before its last try never reaches the dead-letter queue."""
    for stack, name, queue in model.resources("AWS::SQS::Queue"):
        tries = int(queue["Properties"].get("RedrivePolicy", {}).get("maxReceiveCount", 0))
        visibility = visibility_timeout(model, stack, queue, overrides)
        kept = int(model.value(queue["Properties"].get("MessageRetentionPeriod", 345600), stack, overrides))
        if tries * visibility >= kept:
            yield f"{stack}: {name} keeps a message for {kept} s, but {tries} tries of {visibility} s take longer: it would never reach the dead-letter queue"


FOR_ANSWER = 2  # seconds between the end of a request and its function's timeout: forAnswer in shared/lambdahost/web


def connecting(model, overrides):
    """A request must be answered even if connecting takes the maximum time."""
    for _, name, function in model.resources("AWS::Lambda::Function"):
        if not reaches_postgres(function):
            continue
        _, url = model.output(function["Properties"].get("Environment", {}).get("Variables", {}).get("DATABASE_URL"))
        timeout = int(model.value(function["Properties"].get("Timeout", 3), "template.yaml", overrides))
        for seconds in re.findall(r"connect_timeout=(\d+)", json.dumps(url)):
            if int(seconds) >= timeout - FOR_ANSWER:
                yield f"{name}: connecting may take {seconds} s, and a request ends after {timeout - FOR_ANSWER} s: leave time for an answer"


def reaches_postgres(function):
    """Whether the function is in the VPC; the database can be reached only from there."""
    return function["Properties"].get("VpcConfig", {"Ref": "AWS::NoValue"}) != {"Ref": "AWS::NoValue"}


def function_behind(model, reference):
    """Follows Ref alias → function. None when it does not go through an alias: that would bypass deployments."""
    alias = model.main["Resources"].get(reference.get("Ref") if isinstance(reference, dict) else None, {})
    if alias.get("Type") != "AWS::Lambda::Alias":
        return None
    return model.main["Resources"][alias["Properties"]["FunctionName"]["Ref"]]


# Actions for which IAM knows no resource.
WITHOUT_RESOURCE = {"ses:GetAccount", "ses:DeleteSuppressedDestination", "ses:ListSuppressedDestinations"}


def iam(model, overrides):
    for stack, name, resource in model.resources():
        for statement in walk(resource):
            if statement.get("Effect") != "Allow" or "Action" not in statement or resource["Type"] == "AWS::KMS::Key":
                continue
            for action in as_list(statement["Action"]):
                if "*" in action:
                    yield f"{stack}: {name} allows {action}: name the actions"
            if "*" in as_list(statement.get("Resource", [])) and not set(as_list(statement["Action"])) <= WITHOUT_RESOURCE:
                yield f"{stack}: {name} allows {statement['Action']} on every resource: name the resource"


def managed_policies(model, overrides):
    """SAM attaches AWS's managed policies automatically; most of them cover every resource of the account."""
    narrow = ("AWSLambdaBasicExecutionRole", "AWSLambdaVPCAccessExecutionRole", "AWSCodeDeployRoleForLambda")
    for stack, name, role in model.resources("AWS::IAM::Role"):
        for arn in role["Properties"].get("ManagedPolicyArns", []):
            text = arn.get("Fn::Sub", "") if isinstance(arn, dict) else arn
            if ":aws:policy/" in text and not text.endswith(narrow):
                yield f"{stack}: {name} has {text.rsplit('/', 1)[1]}, which covers the whole account: give the function its own Role"


def dashboards(model, overrides):
    for stack, name, dashboard in model.resources("AWS::CloudWatch::Dashboard"):
        body = dashboard["Properties"]["DashboardBody"]
        text = body["Fn::Sub"] if isinstance(body, dict) else body
        try:
            widgets = json.loads(re.sub(r"\$\{[^}]+\}", "x", text))["widgets"]
        except (ValueError, KeyError, TypeError) as error:
            yield f"{stack}: {name} is not a valid dashboard: {error!r}"
            continue
        for i, widget in enumerate(widgets):
            metrics = widget.get("properties", {}).get("metrics", [])
            if widget.get("type") not in ("metric", "text", "alarm", "log", "explorer") or not all(isinstance(m, list) for m in metrics):
                yield f"{stack}: widget {i} of {name} has an unknown type or a metric that is not a list"


ALL = (parameters, zones, capacity, schedules, queues, dead_letters, connecting, iam, managed_policies, dashboards)
