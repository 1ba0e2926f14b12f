"""Puts each mistake that cfn-lint does not find into a copy of the stack, and expects a message about it."""
import copy
import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import model as models
import template_checks

DATA, NETWORK, WATCH, EMAIL = "infra/data.yaml", "infra/network.yaml", "infra/observability.yaml", "infra/email.yaml"
ORIGINAL = models.load()
ENVIRONMENTS = template_checks.environments(ORIGINAL.root)
BEFORE = set(template_checks.problems(ORIGINAL, {"defaults": {}}))


class Seed:
    """Short ways to the parts that the mistakes change."""

    def __init__(self):
        self.model = ORIGINAL.clone()

    def properties(self, logical_id, stack="template.yaml"):
        return self.model.stacks[stack]["Resources"][logical_id]["Properties"]

    def source(self, logical_id):
        return self.model.source["Resources"][logical_id]

    def body(self):
        return self.properties("HttpApi")["Body"]


def publish(seed):
    return seed.body()["paths"]["/v1/events"]["post"]


def invoke(seed):
    return seed.properties("HttpApiRole")["Policies"][0]["PolicyDocument"]["Statement"][0]


def without_routes(seed, function):
    """Removes every path that calls the function."""
    paths = seed.body()["paths"]
    for path in [path for path, operations in paths.items() if f"{function}Alias" in json.dumps(operations)]:
        del paths[path]


def statement(seed, policy):
    return seed.properties(policy, DATA)["PolicyDocument"]["Statement"][0]


def versions(source, parameters):
    """function -> (the logical id of the version that its alias points to, its description)."""
    found = {}
    resources = models.translate(source, parameters)["Resources"]
    for resource in resources.values():
        if resource["Type"] == "AWS::Lambda::Alias":
            function = resource["Properties"]["FunctionName"]["Ref"]
            version = resource["Properties"]["FunctionVersion"]["Fn::GetAtt"][0]
            found[function] = version, resources[function]["Properties"].get("Description", "")
    return found


# Each mistake, how it is made, and the expected part of the message.
MISTAKES = [
    ("capacity that is not a multiple of 0.5", lambda s: s.model.main["Parameters"]["DatabaseMaxCapacity"].update(Default=4.3), "multiples of 0.5"),
    ("rate(1 minutes)", lambda s: s.properties("SweeperFunctionEveryMinute").update(ScheduleExpression="rate(1 minutes)"), "the schedule 'rate(1 minutes)'"),
    ("rate(5 minute)", lambda s: s.properties("SweeperFunctionEveryMinute").update(ScheduleExpression="rate(5 minute)"), "the schedule 'rate(5 minute)'"),
    ("a nonsense schedule", lambda s: s.properties("SweeperFunctionEveryMinute").update(ScheduleExpression="every minute"), "the schedule 'every minute'"),
    ("cron with five fields", lambda s: s.properties("MaintenanceFunctionDaily").update(ScheduleExpression="cron(17 3 * * *)"), "the schedule 'cron(17 3"),
    ("cron with two days", lambda s: s.properties("MaintenanceFunctionDaily").update(ScheduleExpression="cron(17 3 * * * *)"), "the schedule 'cron(17 3"),
    ("a schedule without a name", lambda s: s.properties("SweeperFunctionEveryMinute").update(Name="SweeperFunctionEveryMinute"), "two stages in one account collide"),
    ("visibility below the timeout", lambda s: s.properties("DispatchQueue", DATA).update(VisibilityTimeout=60), "below the function's Timeout of 300 s"),
    ("no visibility timeout", lambda s: s.properties("DispatchQueue", DATA).pop("VisibilityTimeout"), "VisibilityTimeout of 30 s is below"),
    ("messages that expire before they reach the dead-letter queue", lambda s: s.properties("DispatchQueue", DATA).update(MessageRetentionPeriod=900), "would never reach the dead-letter queue"),
    ("a function that ends before it has connected", lambda s: s.properties("EventsFunction").update(Timeout=27), "EventsFunction: connecting may take 25 s"),
    ("a large batch without a window", lambda s: s.properties("DispatcherFunctionNudges").update(BatchSize=100), "needs MaximumBatchingWindowInSeconds"),
    ("a mapping that bypasses the alias", lambda s: s.properties("DispatcherFunctionNudges").update(FunctionName={"Ref": "DispatcherFunction"}), "cannot tell which queue or function"),
    ("an IAM action with a wildcard", lambda s: statement(s, "ReadApiKeyUse").update(Action="dynamodb:*"), "name the actions"),
    ("an IAM action on everything", lambda s: statement(s, "ReadApiKeyUse").update(Resource="*"), "name the resource"),
    ("a policy of AWS that covers the account", lambda s: s.properties("DispatcherRole")["ManagedPolicyArns"].append("arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"), "covers the whole account"),
    ("a dashboard that is not JSON", lambda s: s.properties("Dashboard", WATCH).update(DashboardBody={"Fn::Sub": '{"widgets":[}'}), "is not a valid dashboard"),
    ("a dashboard without widgets", lambda s: s.properties("Dashboard", WATCH).update(DashboardBody='{"Widgets":[]}'), "is not a valid dashboard"),
    ("no deletion policy", lambda s: s.model.stacks[DATA]["Resources"]["Database"].pop("DeletionPolicy"), "Database needs DeletionPolicy: Snapshot"),
    ("a table that is deleted with the stack", lambda s: s.model.stacks[DATA]["Resources"]["ApiKeyTable"].update(DeletionPolicy="Delete"), "ApiKeyTable needs DeletionPolicy: RetainExceptOnCreate"),
    ("a key that outlives a first deployment that failed", lambda s: s.model.stacks[DATA]["Resources"]["DataKey"].update(DeletionPolicy="Retain"), "DataKey needs DeletionPolicy: RetainExceptOnCreate"),
    ("a secret that a replacement deletes", lambda s: s.model.stacks[DATA]["Resources"]["SealingSecret"].update(UpdateReplacePolicy="Delete"), "SealingSecret needs UpdateReplacePolicy: Retain"),
    ("an unknown build method", lambda s: s.source("PublishFunction")["Metadata"].update(BuildMethod="makefil"), "PublishFunction: Metadata must be"),
    ("no code", lambda s: s.source("PublishFunction")["Properties"].pop("CodeUri"), "is missing"),
    ("a code folder that does not exist", lambda s: s.source("PublishFunction")["Properties"].update(CodeUri="functions/nowhere/publish"), "functions/nowhere/publish/main.go does not exist"),
    ("an unknown authorizer format", lambda s: s.body().update(components={"securitySchemes": {"key": {"x-amazon-apigateway-authorizer": {"authorizerPayloadFormatVersion": "3.0"}}}}), "authorizerPayloadFormatVersion 3.0"),
    ("an unknown deployment type", lambda s: s.model.source["Globals"]["Function"]["DeploymentPreference"].update(Type={"Fn::If": ["IsProd", "Canary10Percent6Minutes", "AllAtOnce"]}), "the unknown Type Canary10Percent6Minutes"),
    ("a condition that SAM ignores", lambda s: s.source("SystemFunction")["Properties"]["DeploymentPreference"].update(Enabled={"Fn::If": ["IsProd", True, False]}), "SAM ignores a condition"),
    ("a route to an unknown function", lambda s: publish(s)["x-amazon-apigateway-integration"].update(uri={"Fn::Sub": "functions/${NoFunctionAliaslive}/invocations"}), "POST /v1/events: its function"),
    ("a route that bypasses the alias", lambda s: publish(s)["x-amazon-apigateway-integration"].update(uri={"Fn::Sub": "functions/${PublishFunction}/invocations"}), "not called by its alias"),
    ("a function that is declared and has no block", lambda s: publish(s)["x-amazon-apigateway-integration"].update(uri={"Fn::Sub": "functions/${NewThingFunction.Alias}/invocations"}), "POST /v1/events: its operation declares the function new-thing, which has no block"),
    ("a block whose function no operation declares", lambda s: without_routes(s, "AuditLogFunction"), "AuditLogFunction serves no route: no operation declares the function audit-log"),
    ("payload format 1.0", lambda s: publish(s)["x-amazon-apigateway-integration"].update(payloadFormatVersion="1.0"), "payloadFormatVersion must be 2.0"),
    ("no default route", lambda s: s.body()["paths"].pop("/$default"), "no $default route"),
    ("a route that API Gateway may not call", lambda s: invoke(s)["Resource"].remove({"Ref": "PublishFunctionAliaslive"}), "PublishFunctionAliaslive has routes, but HttpApiRole may not invoke it"),
    ("a permission without a route", lambda s: invoke(s)["Resource"].append({"Ref": "SweeperFunctionAliaslive"}), "HttpApiRole may invoke SweeperFunctionAliaslive, which has no route"),
    ("a permission for every function", lambda s: invoke(s).update(Resource={"Fn::Sub": "arn:aws:lambda:*:*:function:${AWS::StackName}-*"}), "PublishFunctionAliaslive has routes, but HttpApiRole may not"),
    ("API Gateway may read a table", lambda s: invoke(s).update(Action="dynamodb:GetItem"), "may do more than lambda:InvokeFunction"),
    ("API Gateway may do what a policy of AWS says", lambda s: s.properties("HttpApiRole").update(ManagedPolicyArns=["arn:aws:iam::aws:policy/service-role/AWSLambdaRole"]), "may do more than lambda:InvokeFunction"),
    ("a route without credentials", lambda s: publish(s)["x-amazon-apigateway-integration"].pop("credentials"), "needs credentials: HttpApiRole"),
    ("a permission beside the role", lambda s: s.model.main["Resources"].update(Extra={"Type": "AWS::Lambda::Permission", "Properties": {"Principal": "apigateway.amazonaws.com"}}), "Extra allows what HttpApiRole does"),
    ("a throttle for a route that does not exist", lambda s: s.properties("HttpApiStage")["RouteSettings"].update({"GET /v1/nothing": {}}), "GET /v1/nothing, which is not a route"),
    ("too many routes", lambda s: s.body()["paths"].update({f"/v1/x{i}": {"get": publish(s)} for i in range(250)}), "the budget is 250"),
    ("too many resources", lambda s: s.model.main["Resources"].update({f"Topic{i}": {"Type": "AWS::SNS::Topic", "Properties": {}} for i in range(400)}), "the budget is 400"),
    ("a function that does not wait for the migration", lambda s: s.properties("SweeperFunction")["Environment"]["Variables"].pop("MIGRATION"), "SweeperFunction does not wait for the migration"),
    ("a migration that never runs again", lambda s: s.properties("Migration").update(Version="1"), "does not run on changes"),
    ("a function without an event", lambda s: s.model.source["Resources"].update(NewFunction={"Type": "AWS::Serverless::Function", "Properties": {}}), "events/new.json is missing"),
    ("a function without a log group", lambda s: s.model.stacks[WATCH]["Resources"].pop("PublishLogs"), "no log group for publish"),
    ("a function without an alarm", lambda s: s.model.stacks[WATCH]["Resources"].pop("PublishErrors"), "no alarm on Errors of publish"),
    ("logs kept for ever", lambda s: s.properties("PublishLogs", WATCH).pop("RetentionInDays"), "PublishLogs keeps logs for ever"),
    ("an alarm on a misspelt function", lambda s: s.properties("PublishErrors", WATCH)["Dimensions"][0].update(Value={"Fn::Sub": "${Prefix}-publsh"}), "a metric of the function publsh"),
    ("an alarm on a metric that nothing writes", lambda s: s.properties("KeysNotLookedUp", WATCH).update(MetricName="KeysLost"), "KeysNotLookedUp watches KeysLost, which no code writes"),
    ("a parameter that never reaches a function", lambda s: s.source("PublishFunction")["Properties"].pop("AutoPublishCodeSha256"), "PublishFunction needs AutoPublishCodeSha256"),
    ("a chain of nudges that Lambda drops", lambda s: s.properties("DispatcherFunction").pop("RecursiveLoop"), "dispatcher sends to the queue that invokes it"),
    ("nudges that are dropped without an alarm", lambda s: s.model.stacks[WATCH]["Resources"].pop("RecursionDropped"), "no alarm on RecursiveInvocationsDropped of dispatcher"),
    ("a login without verifying the server", lambda s: s.model.stacks[DATA]["Outputs"]["MasterDatabaseUrl"].update(Value="postgres://a@b:5432/c?sslmode=require"), "MasterDatabaseUrl must have sslmode=verify-full"),
    ("rows in the database's log", lambda s: s.properties("DatabaseParameters", DATA)["Parameters"].update(log_error_verbosity="default"), "Database needs log_error_verbosity: terse"),
    ("a login without TLS", lambda s: s.properties("DatabaseParameters", DATA)["Parameters"].pop("rds.force_ssl"), "Database needs rds.force_ssl: 1"),
    ("a cluster with AWS's own parameters", lambda s: s.properties("Database", DATA).pop("DBClusterParameterGroupName"), "Database needs log_error_verbosity: terse"),
    ("a level of Lambda's log that no parameter sets", lambda s: s.properties("PublishFunction")["LoggingConfig"].update(SystemLogLevel="INFO"), "PublishFunction needs LoggingConfig"),
    ("a log in which Lambda ignores the level", lambda s: s.properties("PublishFunction")["LoggingConfig"].pop("LogFormat"), "PublishFunction needs LoggingConfig"),
    ("two subnets in one zone", lambda s: s.properties("PrivateSubnetB", NETWORK).update(AvailabilityZone=s.properties("PrivateSubnetA", NETWORK)["AvailabilityZone"]), "the AvailabilityZone of PrivateSubnetB must be ZoneB"),
    ("a subnet whose zone cannot be named", lambda s: s.properties("PublicSubnetA", NETWORK).update(AvailabilityZone={"Fn::Select": [0, {"Fn::GetAZs": ""}]}), "the AvailabilityZone of PublicSubnetA must be ZoneA"),
    ("a zone that never reaches the network", lambda s: s.properties("Network")["Parameters"].pop("ZoneB"), "Network needs the parameter ZoneB"),
    ("a version that changes by itself", lambda s: s.properties("DatabaseWriter", DATA).pop("AutoMinorVersionUpgrade"), "DatabaseWriter needs AutoMinorVersionUpgrade: false"),
    ("an instance without insights", lambda s: s.properties("DatabaseStandbyInstance", DATA).pop("EnablePerformanceInsights"), "DatabaseStandbyInstance needs EnablePerformanceInsights"),
    ("a log that stays in the database", lambda s: s.properties("Database", DATA).pop("EnableCloudwatchLogsExports"), "Database does not export its log"),
    ("an endpoint to everybody's tables", lambda s: s.properties("DynamoEndpoint", NETWORK).pop("PolicyDocument"), "DynamoEndpoint has no PolicyDocument"),
    ("a migration that is retried", lambda s: s.properties("MigrateFunctionEventInvokeConfig").update(MaximumRetryAttempts=2), "Migration: its function needs EventInvokeConfig"),
    ("a migration that may be retried while it is rolled back", lambda s: s.model.main["Resources"]["Migration"].pop("DependsOn"), "Migration needs DependsOn: MigrateFunctionEventInvokeConfig"),
    ("metrics on every route", lambda s: s.properties("HttpApiStage")["DefaultRouteSettings"].update(DetailedMetricsEnabled=True), "detailed metrics on every route"),
    ("a route without a throttle", lambda s: s.properties("HttpApiStage")["RouteSettings"].update({"GET /healthz": {"DetailedMetricsEnabled": False}}), "GET /healthz has its own settings"),
    ("an alarm without a runbook", lambda s: s.properties("Throttles", WATCH).update(AlarmName={"Fn::Sub": "${Prefix}-new"}), "what to do about the alarm new"),
    ("a runbook without an alarm", lambda s: s.model.stacks[WATCH]["Resources"].pop("Throttles"), "the alarm throttles, which does not exist"),
    ("a table without TTL", lambda s: s.properties("DueTable", DATA).pop("TimeToLiveSpecification"), "DueTable has no TTL"),
    ("a table without recovery", lambda s: s.properties("DueTable", DATA).pop("PointInTimeRecoverySpecification"), "no point-in-time recovery"),
    ("mail without TLS", lambda s: s.properties("ProductConfiguration", EMAIL)["DeliveryOptions"].update(TlsPolicy="OPTIONAL"), "ProductConfiguration needs TlsPolicy: REQUIRE"),
    ("mail whose reputation is not measured", lambda s: s.properties("MarketingConfiguration", EMAIL).pop("ReputationOptions"), "MarketingConfiguration needs ReputationMetricsEnabled"),
    ("mail to addresses that bounced", lambda s: s.properties("ProductConfiguration", EMAIL).pop("SuppressionOptions"), "ProductConfiguration must suppress BOUNCE"),
    ("objects that anybody might publish", lambda s: s.properties("ExportBucket", DATA)["PublicAccessBlockConfiguration"].update(BlockPublicPolicy=False), "ExportBucket needs PublicAccessBlockConfiguration"),
    ("objects with ACLs", lambda s: s.properties("ArchiveBucket", DATA).pop("OwnershipControls"), "ArchiveBucket needs OwnershipControls"),
    ("objects in clear", lambda s: s.properties("ArchiveBucket", DATA).pop("BucketEncryption"), "ArchiveBucket needs BucketEncryption"),
    ("objects without TLS", lambda s: s.properties("ExportBucketPolicy", DATA)["PolicyDocument"]["Statement"][0].update(Effect="Allow"), "ExportBucket needs a policy that denies s3:* without TLS"),
    ("a bucket whose policy is another one's", lambda s: s.properties("ArchiveBucketPolicy", DATA).update(Bucket={"Ref": "ExportBucket"}), "ArchiveBucket needs a policy that denies s3:* without TLS"),
    ("TLS for a part of the objects", lambda s: s.properties("ArchiveBucketPolicy", DATA)["PolicyDocument"]["Statement"][0].update(Resource=[{"Fn::GetAtt": ["ArchiveBucket", "Arn"]}]), "ArchiveBucket needs a policy that denies s3:* without TLS"),
    ("exports that pages of other sites read", lambda s: s.properties("ExportBucket", DATA).update(CorsConfiguration={"CorsRules": []}), "ExportBucket has CORS"),
    ("exports that stay", lambda s: s.properties("ExportBucket", DATA).pop("LifecycleConfiguration"), "objects of ExportBucket are neither locked nor do they expire"),
    ("exports of which some stay", lambda s: s.properties("ExportBucket", DATA)["LifecycleConfiguration"]["Rules"][0].update(Prefix="org_"), "objects of ExportBucket are neither locked nor do they expire"),
    ("an archive without a lock", lambda s: s.properties("ArchiveBucket", DATA).pop("ObjectLockEnabled"), "objects of ArchiveBucket are neither locked nor do they expire"),
    ("an archive whose objects are not locked", lambda s: s.properties("ArchiveBucket", DATA).pop("ObjectLockConfiguration"), "ArchiveBucket needs a DefaultRetention"),
    ("an archive whose lock no parameter sets", lambda s: s.properties("ArchiveBucket", DATA)["ObjectLockConfiguration"]["Rule"]["DefaultRetention"].update(Days=1), "ArchiveBucket needs a DefaultRetention"),
    ("a lock that never reaches the archive", lambda s: s.properties("Data")["Parameters"].update(ArchiveLockMode="GOVERNANCE"), "Data needs the parameter ArchiveLockMode"),
    ("an archive without versions", lambda s: s.properties("ArchiveBucket", DATA).pop("VersioningConfiguration"), "ArchiveBucket needs versioning"),
    ("an archive that a lifecycle hides", lambda s: s.properties("ArchiveBucket", DATA).update(LifecycleConfiguration={"Rules": [{"Status": "Enabled", "ExpirationInDays": 1}]}), "ArchiveBucket is locked and has a lifecycle"),
    ("an archive that is deleted with the stack", lambda s: s.model.stacks[DATA]["Resources"]["ArchiveBucket"].update(DeletionPolicy="Delete"), "ArchiveBucket needs DeletionPolicy: RetainExceptOnCreate"),
    ("a function that may delete from the archive", lambda s: statement(s, "WriteArchive").update(Action=["s3:PutObject", "s3:DeleteObject"]), "WriteArchive allows ['s3:DeleteObject']"),
    ("a function that may unlock the archive", lambda s: statement(s, "WriteArchive").update(Action=["s3:PutObjectRetention", "s3:BypassGovernanceRetention"]), "WriteArchive allows ['s3:BypassGovernanceRetention', 's3:PutObjectRetention']"),
    ("a function that reads every bucket", lambda s: statement(s, "ReadExports").update(Resource="arn:aws:s3:::*/*"), "ReadExports must name one bucket's objects"),
    ("streams that may use our own roles", lambda s: s.properties("JobsBulkRole")["Policies"][0]["PolicyDocument"]["Statement"].pop(), "JobsBulkRole may assume roles of this account"),
    ("another function that assumes roles", lambda s: statement(s, "ReadExports").update(Action="sts:AssumeRole"), "ReadExports may assume roles"),
    ("an endpoint to everybody's buckets", lambda s: s.properties("S3Endpoint", NETWORK)["PolicyDocument"]["Statement"][1].pop("Condition"), "S3Endpoint leads to buckets of other accounts"),
    ("a weak key", lambda s: s.properties("ProductIdentity", EMAIL)["DkimSigningAttributes"].update(NextSigningKeyLength="RSA_1024_BIT"), "ProductIdentity needs DkimSigningAttributes.NextSigningKeyLength"),
    ("a lost MX record that stops mail", lambda s: s.properties("ProductIdentity", EMAIL)["MailFromAttributes"].update(BehaviorOnMxFailure="REJECT_MESSAGE"), "BehaviorOnMxFailure: USE_DEFAULT_VALUE"),
    ("SES's MAIL FROM", lambda s: s.properties("MarketingIdentity", EMAIL).pop("MailFromAttributes"), "MailFromDomain of its own"),
    ("an identity without a configuration set", lambda s: s.properties("MarketingIdentity", EMAIL).pop("ConfigurationSetAttributes"), "MarketingIdentity needs a configuration set"),
    ("bounces that come as mail", lambda s: s.properties("ProductIdentity", EMAIL).pop("FeedbackAttributes"), "EmailForwardingEnabled: False"),
    ("complaints that nobody hears of", lambda s: s.properties("ProductFeedback", EMAIL)["EventDestination"]["MatchingEventTypes"].remove("complaint"), "does not report complaint"),
    ("a destination that is off", lambda s: s.properties("ProductFeedback", EMAIL)["EventDestination"].update(Enabled=False), "ProductConfiguration does not report"),
    ("people who are watched", lambda s: s.properties("MarketingFeedback", EMAIL)["EventDestination"]["MatchingEventTypes"].append("open"), "tracks open"),
    ("a topic that other accounts' SES may write to", lambda s: s.properties("FeedbackTopicPolicy", EMAIL)["PolicyDocument"]["Statement"][0].pop("Condition"), "FeedbackTopicPolicy must admit only ses.amazonaws.com"),
    ("a queue that everybody may write to", lambda s: s.properties("FeedbackQueuePolicy", EMAIL)["PolicyDocument"]["Statement"][0].update(Principal="*"), "FeedbackQueuePolicy must admit only sns.amazonaws.com"),
    ("records without a zone", lambda s: s.model.stacks[EMAIL]["Resources"]["ProductRecords"].pop("Condition"), "ProductRecords needs a condition"),
    ("a function of the API that may send mail", lambda s: s.properties("PublishFunctionRole")["ManagedPolicyArns"].append({"Fn::GetAtt": ["Email", "Outputs.SendProduct"]}), "PublishFunctionRole may send mail"),
    ("a function that sends by a policy of its own", lambda s: s.properties("JobsBillingRole").update(Policies=[{"PolicyName": "mail", "PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "ses:SendBulkEmail", "Resource": "x"}]}}]), "JobsBillingRole may send mail"),
    ("a function that AWS's policy lets send", lambda s: s.properties("JobsBillingRole")["ManagedPolicyArns"].append("arn:aws:iam::aws:policy/AmazonSESFullAccess"), "JobsBillingRole may send mail"),
    ("product mail with the identity of marketing", lambda s: s.properties("JobsHighRole")["ManagedPolicyArns"].append({"Fn::GetAtt": ["Email", "Outputs.SendMarketing"]}), "JobsHighRole may send mail"),
    ("marketing that nobody may send", lambda s: s.properties("JobsBulkRole")["ManagedPolicyArns"].remove({"Fn::If": ["SendsMail", {"Fn::GetAtt": ["Email", "Outputs.SendMarketing"]}, {"Ref": "AWS::NoValue"}]}), "JobsBulkRole may send mail with nothing"),
    ("whole messages that SES refuses", lambda s: s.properties("SendProduct", EMAIL)["PolicyDocument"]["Statement"][0].update(Action=["ses:SendEmail"]), "JobsHighRole may send mail with ['ses:SendEmail']"),
    ("a function of the API without a maximum", lambda s: s.source("EventsFunction")["Properties"].pop("ReservedConcurrentExecutions"), "EventsFunction needs ReservedConcurrentExecutions"),
    ("too many dispatchers", lambda s: s.source("DispatcherFunction")["Properties"]["Events"]["Nudges"]["Properties"].update(ScalingConfig={"MaximumConcurrency": 60}), "database sessions of portico_worker, which may have 164"),
    ("SES without a mail domain", lambda s: s.model.main["Resources"]["Email"].pop("Condition"), "Email needs a condition"),
]


class TemplateChecks(unittest.TestCase):
    def test_each_mistake_is_named(self):
        for name, make, expected in MISTAKES:
            with self.subTest(name):
                seed = Seed()
                make(seed)
                new = set(template_checks.problems(seed.model, {"defaults": {}})) - BEFORE
                self.assertTrue(any(expected in problem for problem in new), f"wanted {expected!r} in {new}")

    def test_cfn_lint_names_what_is_left_to_it(self):
        seed = Seed()
        data = seed.model.stacks[DATA]
        data["Parameters"]["Forgotten"] = {"Type": "String"}
        data["Resources"]["DispatchQueue"].pop("DeletionPolicy")
        data["Resources"]["DispatchQueue"].pop("UpdateReplacePolicy")
        seed.properties("DueTable", DATA).update(BillingMode="ON_DEMAND")
        statement(seed, "ReadApiKeyUse").update(Action="dynamodb:BatchGetItems")
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(data, file)
            file.flush()
            cfn_lint = Path(sys.executable).with_name("cfn-lint")
            run = subprocess.run([cfn_lint, "--include-checks", "I3011", "--format", "json", "--", file.name], capture_output=True, text=True)
        found = {problem["Rule"]["Id"] for problem in json.loads(run.stdout)}
        self.assertLessEqual({"W2001", "I3011", "E3030", "W3037"}, found, "our checks no longer look for these")

    def test_a_mistake_of_one_environment_is_named(self):
        for override, expected in (
            ({"DatabaseMinCapacity": "0.3"}, "prod: infra/data.yaml: Database scales from 0.3"),
            ({"DispatcherTimout": "300"}, "the parameter DispatcherTimout, which template.yaml does not declare"),
            ({"NatGateways": "3"}, "NatGateways=3, which template.yaml does not allow"),
            ({"SystemLogLevel": "ERROR"}, "SystemLogLevel=ERROR, which template.yaml does not allow"),
            ({"ZoneA": "us-east-1", "ZoneB": "us-east-1b"}, "ZoneA=us-east-1, which template.yaml does not allow"),
            ({"ZoneA": "us-east-1b"}, "prod: ZoneA=us-east-1b and ZoneB=: name two zones"),
            ({"ZoneA": "us-east-1b", "ZoneB": "us-east-1b"}, "name two zones that differ"),
            ({"DispatcherTimeout": "5"}, "DispatcherTimeout=5, which template.yaml does not allow"),
        ):
            with self.subTest(str(override)):
                new = set(template_checks.problems(ORIGINAL, {"prod": override}))
                self.assertTrue(any(expected in problem for problem in new), f"wanted {expected!r} in {new}")

    def test_sessions_have_a_limit(self):
        """The figures of the environments are in the document; one more of anything is named."""
        found = "\n".join(template_checks.problems(ORIGINAL, {"prod": ENVIRONMENTS["prod"] | {"ApiMaxConcurrency": "28", "PublishMaxConcurrency": "415"}}))
        self.assertIn("prod: all functions together need 1460 database sessions of portico_app, which may have 1400", found)
        self.assertIn("for prod: it is 1,460", found)
        self.assertEqual([p for p in template_checks.problems(ORIGINAL, ENVIRONMENTS) if "sessions" in p or "may have" in p], [])
        seed = Seed()
        seed.source("JobsBulkFunction")["Properties"]["Events"]["Messages"]["Properties"]["ScalingConfig"]["MaximumConcurrency"] = 3
        self.assertIn("for prod: it is 1,394", "\n".join(template_checks.problems(seed.model, ENVIRONMENTS)))

    def test_republish_makes_versions(self):
        """Empty, it leaves the version to the code; set, every function gets a new one, once for each value."""
        source = copy.deepcopy(ORIGINAL.source)
        for resource in source["Resources"].values():
            resource["Properties"].pop("AutoPublishCodeSha256", None)
        by_code, empty = versions(source, {}), versions(ORIGINAL.source, {"Republish": ""})
        first, second = (versions(ORIGINAL.source, {"Republish": value}) for value in ("20261121a", "20261121b"))
        self.assertEqual(by_code.keys(), {name for name, r in source["Resources"].items() if r["Type"] == "AWS::Serverless::Function"})
        for function in by_code:
            with self.subTest(function):
                self.assertEqual(empty[function][0], by_code[function][0])
                self.assertEqual(len({v[function][0] for v in (empty, first, second)}), 3, "a new value must be a new version")
                # Lambda publishes nothing unless the function itself has changed.
                self.assertEqual(len({v[function][1] for v in (empty, first, second)}), 3, "a new value must change the function")

    def test_republish_is_a_logical_id(self):
        """SAM puts it into the version's logical id, its first ten characters only."""
        pattern = re.compile(ORIGINAL.source["Parameters"]["Republish"]["AllowedPattern"])
        for value, allowed in (("", True), ("20261121a", True), ("2026-11-21", False), ("20261121120", False)):
            self.assertEqual(bool(pattern.search(value)), allowed, value)

    def test_an_urgent_fix_minds_no_alarm(self):
        for _, name, group in ORIGINAL.resources("AWS::CodeDeploy::DeploymentGroup"):
            condition, minding, urgent = group["Properties"]["AlarmConfiguration"]["Fn::If"]
            self.assertEqual((condition, minding["Enabled"], urgent), ("MindsAlarms", True, {}), name)
            self.assertEqual(group["Properties"]["DeploymentConfigName"]["Fn::If"][0], "ShiftsSlowly", name)

    def test_what_the_sam_cli_cannot_read_is_named(self):
        good = ['Republish=""', "UrgentFix=false"]
        self.assertEqual(list(template_checks.written("prod", ["Stage=prod"] + good)), [])
        for pairs, expected in (
            (good + ["AlarmEmail="], "cannot read 'AlarmEmail='"),
            (["Republish=", "UrgentFix=false"], "cannot read 'Republish='"),
            (["Republish=x", "UrgentFix=false"], "prod must have 'Republish=\"\"'"),
            (['Republish=""', "UrgentFix=true"], "prod must have 'UrgentFix=false'"),
        ):
            self.assertTrue(any(expected in p for p in template_checks.written("prod", pairs)), expected)

    def test_rds_roots_are_compared(self):
        roots = ORIGINAL.root / "shared/pg/roots"
        for region, bundle, ends, says in (
            ("eu-central-1", "eu-central-1", 0, "same "), ("eu-central-1", "eu-west-1", 1, "OURS "), ("xx-nowhere-1", "eu-west-1", 1, "no roots are embedded"),
        ):
            with self.subTest(f"{region} against {bundle}"):
                run = subprocess.run([ORIGINAL.root / "infra/check/rds-roots", region, roots / f"{bundle}.pem"], capture_output=True, text=True)
                self.assertEqual(run.returncode, ends)
                self.assertIn(says, run.stdout)

    def test_samconfig_has_the_stages(self):
        self.assertLessEqual({"default", "dev", "staging", "prod"}, set(ENVIRONMENTS))


if __name__ == "__main__":
    unittest.main()
