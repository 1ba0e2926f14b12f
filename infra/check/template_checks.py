"""Checks for problems that cfn-lint does not find. Prints each as a sentence; exit code 1 when there is one.

A check is a generator of sentences in checks_values.py, checks_wiring.py, checks_operating.py, checks_sessions.py, checks_mail.py or checks_buckets.py. Values are checked
once with the defaults of the parameters and once for each environment of samconfig.toml.
"""
import re
import sys

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; tomlkit comes with the SAM CLI
    import tomlkit as tomllib

import checks_buckets
import checks_mail
import checks_operating
import checks_sessions
import checks_values
import checks_wiring
import model as models


def overrides(root):
    """Yields each environment of samconfig.toml with its parameter overrides as written."""
    for name, environment in tomllib.loads((root / "samconfig.toml").read_text()).items():
        if isinstance(environment, dict) and "deploy" in environment:
            yield name, [str(pair) for pair in environment["deploy"]["parameters"].get("parameter_overrides", [])]


def environments(root):
    """name -> parameter overrides, from samconfig.toml; "defaults" -> none."""
    pairs = {name: [pair.split("=", 1) for pair in written] for name, written in overrides(root)}
    return {"defaults": {}} | {name: {key: value.strip('"') for key, value in found} for name, found in pairs.items()}


def written(environment, pairs):
    """Overrides that the SAM CLI would refuse, and values that may be set for one deployment only."""
    for pair in pairs:
        if not re.fullmatch(r'\w+=("[^"]*"|[^" ]+)', pair):
            yield f"samconfig.toml: {environment}: the SAM CLI cannot read {pair!r}: an empty value is 'Name=\"\"'"
    for pair in ('Republish=""', "UrgentFix=false"):
        if pair not in pairs:
            yield f"samconfig.toml: {environment} must have {pair!r}: set another value for one deployment only, with --parameter-overrides"


def problems(model, overrides_by_environment):
    for check in checks_wiring.ALL + checks_operating.ALL + checks_mail.ALL + checks_buckets.ALL:
        yield from check(model)
    for environment, overrides in overrides_by_environment.items():
        for check in (*checks_values.ALL, checks_sessions.sessions):
            for problem in check(model, overrides):
                yield problem if environment == "defaults" else f"{environment}: {problem}"
    yield from checks_sessions.documented(model, overrides_by_environment)


def main():
    model = models.load()
    found = list(problems(model, environments(model.root)))
    found += [problem for name, pairs in overrides(model.root) for problem in written(name, pairs)]
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
