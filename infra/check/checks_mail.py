"""Checks of how mail is sent: each is a line of the design whose absence nobody would see until mail is lost or forged. Each takes the model."""
import re

from checks_values import as_list

EVENTS = {"send", "delivery", "bounce", "complaint", "reject", "deliveryDelay", "renderingFailure"}


def at(properties, *path):
    """The value below properties, or None."""
    for key in path:
        properties = properties.get(key, {}) if isinstance(properties, dict) else {}
    return None if properties == {} else properties


def identities(model):
    for stack, name, identity in model.resources("AWS::SES::EmailIdentity"):
        properties = identity["Properties"]
        for path, wanted in (
            (("DkimAttributes", "SigningEnabled"), True),
            (("DkimSigningAttributes", "NextSigningKeyLength"), "RSA_2048_BIT"),
            (("MailFromAttributes", "BehaviorOnMxFailure"), "USE_DEFAULT_VALUE"),
            (("FeedbackAttributes", "EmailForwardingEnabled"), False),
        ):
            if at(properties, *path) != wanted:
                yield f"{stack}: {name} needs {'.'.join(path)}: {wanted}"
        if not at(properties, "MailFromAttributes", "MailFromDomain"):
            yield f"{stack}: {name} needs a MailFromDomain of its own, or SPF does not align"
        if not at(properties, "ConfigurationSetAttributes", "ConfigurationSetName"):
            yield f"{stack}: {name} needs a configuration set, or mail sent without naming one reports nothing"


def configuration_sets(model):
    reported = {}
    for stack, name, destination in model.resources("AWS::SES::ConfigurationSetEventDestination"):
        properties = destination["Properties"]
        events = set(at(properties, "EventDestination", "MatchingEventTypes") or [])
        if events & {"open", "click"}:
            yield f"{stack}: {name} tracks {', '.join(sorted(events & {'open', 'click'}))}: people are not watched"
        if at(properties, "EventDestination", "Enabled") and at(properties, "EventDestination", "SnsDestination"):
            reported.setdefault(str(properties["ConfigurationSetName"]), set()).update(events)
    for stack, name, configuration in model.resources("AWS::SES::ConfigurationSet"):
        properties = configuration["Properties"]
        if at(properties, "DeliveryOptions", "TlsPolicy") != "REQUIRE":
            yield f"{stack}: {name} needs TlsPolicy: REQUIRE"
        if at(properties, "ReputationOptions", "ReputationMetricsEnabled") is not True:
            yield f"{stack}: {name} needs ReputationMetricsEnabled, which the alarms watch"
        if "BOUNCE" not in (at(properties, "SuppressionOptions", "SuppressedReasons") or []):
            yield f"{stack}: {name} must suppress BOUNCE"
        if missing := EVENTS - reported.get(str({"Ref": name}), set()):
            yield f"{stack}: {name} does not report {', '.join(sorted(missing))} to a topic"


def who_may_write(model):
    """Only SES and only this account's; then no signature can be forgotten."""
    for kind, service, condition in (("AWS::SNS::TopicPolicy", "ses.amazonaws.com", "aws:SourceAccount"),
                                     ("AWS::SQS::QueuePolicy", "sns.amazonaws.com", "aws:SourceArn")):
        for stack, name, policy in model.resources(kind):
            for statement in as_list(policy["Properties"]["PolicyDocument"]["Statement"]):
                tested = {key for test in statement.get("Condition", {}).values() for key in test}
                if statement.get("Principal") != {"Service": service} or condition not in tested:
                    yield f"{stack}: {name} must admit only {service}, with a condition on {condition}"


def optional(model):
    """Without MailDomain there is nothing of SES, and without a zone no record."""
    for stack, name, resource in model.resources():
        kind = resource["Type"]
        if kind.startswith("AWS::SES::") and stack == "template.yaml":
            yield f"{name} belongs into infra/email.yaml, which is made only if MailDomain is set"
        if kind.startswith("AWS::Route53::") and not resource.get("Condition"):
            yield f"{stack}: {name} needs a condition: not everybody has a zone"
        if kind == "AWS::CloudFormation::Stack" and resource["Properties"]["TemplateURL"].endswith("email.yaml") and not resource.get("Condition"):
            yield f"{name} needs a condition: not everybody sends through SES"


# SES checks the second action for a whole message, whichever API sends it; its documentation of SendEmail names the first.
SEND = {"ses:SendEmail", "ses:SendRawEmail"}
# The roles that send, and the policy of each stream.
SENDERS = {"JobsHighRole": "SendProduct", "JobsBulkRole": "SendMarketing"}


def policies(model, role):
    """Yields (name, document) of a role's policies: its own, and those of the stack that are attached. An Fn::If counts with both sides."""
    def attached(reference):
        for choice in reference["Fn::If"][1:] if isinstance(reference, dict) and "Fn::If" in reference else [reference]:
            stack, name = model.behind(choice)
            if name is not None:
                yield name, model.stacks[stack]["Resources"][name]["Properties"]["PolicyDocument"]
            elif "SES" in str(choice):
                yield str(choice), {"Statement": {"Effect": "Allow", "Action": "ses:SendBulkEmail"}}

    for policy in role.get("Policies", []):
        for choice in policy["Fn::If"][1:] if "Fn::If" in policy else [policy]:
            if "PolicyDocument" in choice:
                yield choice["PolicyName"], choice["PolicyDocument"]
    for reference in role.get("ManagedPolicyArns", []):
        yield from attached(reference)


def who_may_send(model):
    """Only the functions that send mail, and each only its own stream."""
    for stack, name, role in model.resources("AWS::IAM::Role"):
        sends = {}
        for policy, document in policies(model, role["Properties"]):
            for statement in as_list(document["Statement"]):
                actions = {action for action in as_list(statement.get("Action", [])) if re.match(r"(?i)ses:(send|\*)", action)}
                if actions and statement["Effect"] == "Allow":
                    sends[policy] = sends.get(policy, set()) | actions
        wanted = {SENDERS[name]: SEND} if name in SENDERS else {}
        if sends != wanted:
            found = ", ".join(f"{sorted(actions)} by {policy}" for policy, actions in sends.items()) or "nothing"
            allowed = f"{sorted(SEND)} by {SENDERS[name]}" if name in SENDERS else "nothing"
            yield f"{stack}: {name} may send mail with {found}: it needs {allowed}"


ALL = (identities, configuration_sets, who_may_write, optional, who_may_send)
