"""What CI may do: pinned actions, and a release that nothing but main, its lock files and the compiler decide about."""

import json
import re

import pytest
from samcli.yamlhelper import yaml_parse

import template

WORKFLOWS = {file.stem: file.read_text() for file in (template.ROOT / ".github/workflows").glob("*.yml")}
DEPLOY = yaml_parse(WORKFLOWS["deploy"])["jobs"]


def steps(job: dict) -> str:
    return json.dumps(job["steps"])


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_actions_are_pinned_by_commit(workflow):
    for action in re.findall(r"uses:\s*(\S+)", WORKFLOWS[workflow]):
        assert action.startswith("./") or re.search(r"@[0-9a-f]{40}$", action), action


@pytest.mark.parametrize("job", DEPLOY)
def test_a_deployment_is_from_main_only(job):
    """`workflow_dispatch` would otherwise deploy any branch."""
    assert DEPLOY[job]["if"] == "github.ref == 'refs/heads/main'"


def test_nothing_is_deployed_before_the_tests_and_cargo_deny_have_passed():
    assert set(DEPLOY["staging"]["needs"]) == {"test", "dependencies", "build"}
    assert DEPLOY["production"]["needs"] == "staging"
    assert "make test" in steps(DEPLOY["test"])
    assert "cargo deny check" in steps(DEPLOY["dependencies"])


def test_the_release_is_built_without_caches_and_without_the_packages_of_the_tests():
    build = steps(DEPLOY["build"])
    assert "upload-artifact" in build
    assert not any(word in build for word in ["cache", "make ", "tests/", "npm "]), build
    assert [name for name, job in DEPLOY.items() if "upload-artifact" in json.dumps(job)] == ["build"]


def test_the_release_is_built_from_the_lock_file():
    commands = [step.get("run", "") for step in DEPLOY["build"]["steps"]]
    assert commands.index("cargo fetch --locked") < commands.index("sam build")
    (sam_build,) = [step for step in DEPLOY["build"]["steps"] if step.get("run") == "sam build"]
    assert sam_build["env"]["CARGO_NET_OFFLINE"] == "true"


@pytest.mark.parametrize("job", [DEPLOY["build"], yaml_parse(WORKFLOWS["deploy-to"])["jobs"]["deploy"]])
def test_pip_installs_only_what_the_hashes_name(job):
    (install,) = [step["run"] for step in job["steps"] if "pip install" in step.get("run", "")]
    assert install == "pip install --quiet --no-deps --require-hashes --requirement tools/requirements.txt"


def pins(file: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (template.ROOT / file).read_text(), re.MULTILINE)
    return {re.sub(r"[._-]+", "-", name).lower(): version for name, version in found}


def test_the_release_is_built_with_the_versions_that_are_tested():
    release, tested = pins("tools/requirements.txt"), pins("tests/deploy/requirements.txt")
    assert {"aws-sam-cli", "cargo-lambda", "ziglang"} <= release.keys()
    # `pip freeze` leaves these two out.
    for name in release.keys() - {"setuptools", "wheel"}:
        assert release[name] == tested[name], name


def test_every_package_of_the_release_has_hashes():
    text = (template.ROOT / "tools/requirements.txt").read_text()
    requirements = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip())
    assert len(requirements) == len(pins("tools/requirements.txt"))
    assert [requirement for requirement in requirements if "--hash=sha256:" not in requirement] == []


def test_the_ci_role_may_read_the_policies_of_the_roles_that_it_manages():
    """CloudFormation lists a role's policies before it deletes the role."""
    (policy,) = [
        json.loads(block)
        for block in re.findall(r"```json\n(.*?)```", (template.ROOT / "docs/DEPLOY.md").read_text(), re.DOTALL)
        if "iam:CreateRole" in block
    ]
    manage, pass_role = policy["Statement"]
    assert {"iam:ListRolePolicies", "iam:ListAttachedRolePolicies"} <= set(manage["Action"])
    assert manage["Resource"] == pass_role["Resource"] == "arn:aws:iam::111122223333:role/video-production-*"
    assert pass_role["Condition"] == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
