"""Checks of the buckets: nobody reads them without permission, and what is in them stays exactly as long as it should. Each takes the model."""
import re

from checks_values import as_list, walk

# What functions may do with objects. Not among them: to delete one, or to change its lock.
OBJECT_ACTIONS = {"s3:GetObject", "s3:PutObject"}
CLOSED = dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)


def closed(model):
    for stack, name, bucket in model.resources("AWS::S3::Bucket"):
        properties = bucket["Properties"]
        if properties.get("PublicAccessBlockConfiguration") != CLOSED:
            yield f"{stack}: {name} needs PublicAccessBlockConfiguration with all four settings, or its objects could be made public"
        if properties.get("OwnershipControls") != {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}:
            yield f"{stack}: {name} needs OwnershipControls with BucketOwnerEnforced, or ACLs count"
        if not properties.get("BucketEncryption"):
            yield f"{stack}: {name} needs BucketEncryption"
        if "CorsConfiguration" in properties:
            yield f"{stack}: {name} has CORS, so pages of other sites could read its objects"
        if not any(refuses_plain_http(policy, name) for policy in policies(model, stack, name)):
            yield f"{stack}: {name} needs a policy that denies s3:* without TLS (aws:SecureTransport)"


def policies(model, stack, bucket):
    for found, _, policy in model.resources("AWS::S3::BucketPolicy"):
        if found == stack and policy["Properties"]["Bucket"] == {"Ref": bucket}:
            yield policy["Properties"]["PolicyDocument"]


def refuses_plain_http(policy, bucket):
    everything = [{"Fn::GetAtt": [bucket, "Arn"]}, {"Fn::Sub": f"${{{bucket}.Arn}}/*"}]
    return any(s.get("Effect") == "Deny" and s.get("Principal") == "*" and s.get("Action") == "s3:*" and
               [normal(r) for r in as_list(s.get("Resource"))] == everything and s.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
               for s in policy["Statement"])


def normal(resource):
    """GetAtt as a list, however it was written."""
    value = resource.get("Fn::GetAtt")
    return {"Fn::GetAtt": value.split(".")} if isinstance(value, str) else resource


def lifetimes(model):
    """What is in a bucket is locked, or expires."""
    for stack, name, bucket in model.resources("AWS::S3::Bucket"):
        properties = bucket["Properties"]
        rules = properties.get("LifecycleConfiguration", {}).get("Rules", [])
        expires = any(rule.get("Status") == "Enabled" and "ExpirationInDays" in rule and not {"Prefix", "TagFilters"} & set(rule) for rule in rules)
        if not properties.get("ObjectLockEnabled"):
            if not expires:
                yield f"{stack}: objects of {name} are neither locked nor do they expire"
            continue
        retention = properties.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention", {})
        if retention != {"Mode": {"Ref": "ArchiveLockMode"}, "Days": {"Ref": "ArchiveLockDays"}}:
            yield f"{stack}: {name} needs a DefaultRetention with ArchiveLockMode and ArchiveLockDays, or its objects are not locked"
        if properties.get("VersioningConfiguration") != {"Status": "Enabled"}:
            yield f"{stack}: {name} needs versioning, or S3 refuses its lock"
        if rules:
            yield f"{stack}: {name} is locked and has a lifecycle, which would hide its objects"
    passed = model.main["Resources"]["Data"]["Properties"]["Parameters"]
    for parameter in ("ArchiveLockMode", "ArchiveLockDays"):
        if passed.get(parameter) != {"Ref": parameter}:
            yield f"template.yaml: Data needs the parameter {parameter}: !Ref {parameter}, or its value never reaches the bucket"


def permissions(model):
    """Functions read and write objects of a bucket that the policy names, and nothing else."""
    for stack, name, resource in model.resources():
        for statement in walk(resource):
            actions = {a for a in as_list(statement.get("Action", [])) if str(a).startswith("s3:")}
            if statement.get("Effect") != "Allow" or not actions:
                continue
            if actions - OBJECT_ACTIONS:
                yield f"{stack}: {name} allows {sorted(actions - OBJECT_ACTIONS)}: functions only get and put objects"
            if resource["Type"] != "AWS::EC2::VPCEndpoint" and not all(one_bucket(r) for r in as_list(statement.get("Resource"))):
                yield f"{stack}: {name} must name one bucket's objects: !Sub ${{Bucket.Arn}}/*"
            if resource["Type"] == "AWS::EC2::VPCEndpoint" and any(r == {"Fn::Sub": "arn:${AWS::Partition}:s3:::*/*"} for r in as_list(statement["Resource"])) \
                    and not own_buckets(statement) and not roles_of_customers(statement):
                yield f"{stack}: {name} leads to buckets of other accounts: it needs the condition aws:ResourceAccount"


def own_buckets(statement):
    return statement.get("Condition") == {"StringEquals": {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}}}


def roles_of_customers(statement):
    return statement.get("Action") == "s3:PutObject" and statement.get("Condition") == {"StringNotEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}


def assuming(model):
    """Only the function with the streams of the audit log assumes roles of customers, and none assumes a role of this account."""
    for stack, name, resource in model.resources():
        properties = resource.get("Properties", {})
        for document in [p.get("PolicyDocument", {}) for p in walk(properties.get("Policies", []))] + [properties.get("PolicyDocument", {})]:
            statements = [s for s in as_list(document.get("Statement", [])) if "sts:AssumeRole" in as_list(s.get("Action", []))] if isinstance(document, dict) else []
            if not any(s.get("Effect") == "Allow" for s in statements):
                continue
            if name != "JobsBulkRole":
                yield f"{stack}: {name} may assume roles: only JobsBulkRole does"
            if not any(s.get("Effect") == "Deny" and s.get("Resource") == {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/*"} for s in statements):
                yield f"{stack}: {name} may assume roles of this account: deny them, because customers choose the role"


def one_bucket(resource):
    return isinstance(resource, dict) and re.fullmatch(r"\$\{\w+Bucket\.Arn\}/\*", str(resource.get("Fn::Sub")))


ALL = (closed, lifetimes, permissions, assuming)
