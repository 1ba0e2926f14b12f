"""Checks what cfn-lint lets pass. Prints each problem as a sentence; exit code 1 when there is one.

A check is a generator of sentences in checks_values.py or checks_wiring.py. Values are checked once with the
defaults of the parameters and once for each environment of samconfig.toml.
"""
import sys

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; tomlkit comes with the SAM CLI
    import tomlkit as tomllib

import checks_values
import checks_wiring
import model as models


def environments(root):
    """name -> parameter overrides, from samconfig.toml; "defaults" -> none."""
    config = tomllib.loads((root / "samconfig.toml").read_text())
    found = {"defaults": {}}
    for name, environment in config.items():
        if isinstance(environment, dict) and "deploy" in environment:
            pairs = environment["deploy"]["parameters"].get("parameter_overrides", [])
            found[name] = dict(str(pair).split("=", 1) for pair in pairs)
    return found


def problems(model, overrides_by_environment):
    for check in checks_wiring.ALL:
        yield from check(model)
    for environment, overrides in overrides_by_environment.items():
        for check in checks_values.ALL:
            for problem in check(model, overrides):
                yield problem if environment == "defaults" else f"{environment}: {problem}"


def main():
    model = models.load()
    found = list(problems(model, environments(model.root)))
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
