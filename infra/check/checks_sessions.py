"""Checks that all functions together need no more database sessions than their roles may have, and that docs/operating.md has the figures."""
import re

from checks_wiring import functions

DOCUMENT, SECTION = "docs/operating.md", "## Connections"
APP, WORKER, IDENTITY = "portico_app", "portico_worker", "portico_identity"

# The functions of shared/lambdahost/{serve,site,work} with which programs start, and whose sessions each environment holds. People start the others.
ENTRIES = {
    "API": {APP}, "Organization": {APP}, "JobsAPI": {APP}, "MailAPI": {APP}, "AuditAPI": {APP}, "Unsubscribe": {APP}, "Resend": {APP}, "SignIn": {APP, IDENTITY}, "OAuth": {APP}, "IdentityAPI": {APP, IDENTITY}, "MailFeedback": {APP}, "Jobs": {APP, WORKER},
    "Dispatcher": {WORKER}, "Sequencer": {WORKER}, "Sweeper": {WORKER}, "Maintenance": {WORKER},
    "Default": set(), "Bootstrap": set(), "Migrate": set(), "Move": set(), "Restore": set(),
}
# These run once at a time, by their schedule.
ALONE = {"Sweeper", "Maintenance"}

# max_connections by the maximum capacity in ACU, from AWS's documentation of Aurora Serverless v2.
BY_CAPACITY = ((1, 189), (4, 823), (8, 1669), (16, 3360), (32, 5000))
AT_MOST_IF_SMALL = 2000  # where the minimum capacity is 0 or 0.5


class Unclear(Exception):
    """The code or the template no longer says a figure in the form that is read here."""


def found(root, file, pattern):
    match = re.search(pattern, (root / file).read_text(), re.DOTALL)
    if match is None:
        raise Unclear(f"{file} no longer says how many sessions there are as {pattern!r}: adapt infra/check/checks_sessions.py")
    return match.group(1)


def entry(model, function):
    main = (model.root / function["Properties"].get("CodeUri", "") / "main.go")
    called = re.search(r"\b(?:serve|site|work)\.(\w+)\(", main.read_text()) if main.is_file() else None
    return called and called.group(1)


def each_holds(model, name, role):
    """How many sessions of a role one environment holds."""
    if role == WORKER:
        file = {"Jobs": "job.go", "Sequencer": "sequencer.go"}.get(name, "worker.go")
        return int(found(model.root, f"shared/lambdahost/work/{file}", rf"\nfunc {name}\((?:(?!\n}}).)*?Workers\(ctx, (\d+)\)"))
    if role == IDENTITY:
        return int(found(model.root, "shared/pg/identity.go", r"const identitySessions = (\d+)"))
    if name == "Jobs":
        return int(found(model.root, "shared/lambdahost/work/job.go", r"\tjobSessions = (\d+)"))
    if name == "MailFeedback":
        return int(found(model.root, "shared/lambdahost/work/worker.go", r"const feedbackSessions = (\d+)"))
    return int(found(model.root, "shared/pg/pg.go", r"return OpenFor\(ctx, url, (\d+)\)"))


def at_once(model, logical_id, name, function, overrides):
    """How many environments of a function there are at most; None: any number."""
    if name in ALONE:
        return 1
    most = function["Properties"].get("ReservedConcurrentExecutions")
    if isinstance(most, dict) and "Fn::If" in most:
        most = most["Fn::If"][1]
    for event in function["Properties"].get("Events", {}).values():
        most = event["Properties"].get("ScalingConfig", {}).get("MaximumConcurrency", most)
    if most is None:
        raise Unclear(f"{logical_id} needs ReservedConcurrentExecutions or a MaximumConcurrency: without, its sessions are not bounded")
    return int(model.value(most, "template.yaml", overrides)) or None


def needed(model, overrides):
    """role -> sessions of all functions; None: not bounded."""
    sums = {APP: 0, WORKER: 0, IDENTITY: 0}
    for logical_id, _, function in functions(model):
        name = entry(model, function)
        if name is None:
            continue  # checks_wiring names it
        if name not in ENTRIES:
            raise Unclear(f"{logical_id}: infra/check/checks_sessions.py does not know whose sessions {name} holds: add it to ENTRIES")
        for role in ENTRIES[name]:
            most = at_once(model, logical_id, name, function, overrides)
            sums[role] = None if most is None or sums[role] is None else sums[role] + most * each_holds(model, name, role)
    return sums


def setting(model, overrides, name):
    return float(overrides.get(name, model.main["Parameters"][name]["Default"]))


def connections(model, overrides):
    capacity = setting(model, overrides, "DatabaseMaxCapacity")
    most = max((n for acu, n in BY_CAPACITY if acu <= capacity), default=BY_CAPACITY[0][1])
    return min(most, AT_MOST_IF_SMALL) if setting(model, overrides, "DatabaseMinCapacity") <= 0.5 else most


def allowed(model, overrides):
    """role -> sessions that the migration lets it have."""
    shares = found(model.root, "infra/migrations/roles.go", r"var shares = map\[string\]int\{([^}]*)\}")
    return {role: connections(model, overrides) * int(percent) // 100 for role, percent in re.findall(r'"(\w+)": (\d+)', shares)}


def sessions(model, overrides):
    try:
        need, may = needed(model, overrides), allowed(model, overrides)
    except Unclear as unclear:
        yield str(unclear)
        return
    for role, n in need.items():
        if n is not None and n > may[role]:
            yield f"all functions together need {n} database sessions of {role}, which may have {may[role]}: lower a maximum concurrency"


def documented(model, overrides_by_environment):
    """The table of docs/operating.md has a column for each environment."""
    section = re.split(r"\n## ", (model.root / DOCUMENT).read_text().split(SECTION + "\n", 1)[-1])[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in section.splitlines() if row.startswith("|")]
    for environment, overrides in overrides_by_environment.items():
        if not rows or environment not in rows[0]:
            continue
        try:
            need, may = needed(model, overrides), allowed(model, overrides)
        except Unclear:
            return  # sessions names it
        for begins, n in (("`max_connections`", connections(model, overrides)), ("`portico_app` may", may[APP]), ("`portico_worker` may", may[WORKER]), ("`portico_identity` may", may[IDENTITY]),
                          ("sessions of the API", need[APP]), ("sessions of dispatchers", need[WORKER])):
            wanted = "" if n is None else f"{n:,}"
            cells = [row[rows[0].index(environment)] for row in rows if row[0].startswith(begins)]
            if cells != [wanted]:
                yield f"{DOCUMENT}: the row «{begins} …» says {', '.join(cells) or 'nothing'} for {environment}: it is {wanted or 'not bounded'}"
