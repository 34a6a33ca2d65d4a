"""What all definitions keep whatever their readers accept: tokens, an idle head, time to stop, one set of versions."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from cluster.jobs import STOP_SECONDS
from cluster.package import working_dir
from tests.cluster.definitions import CLUSTER, ROOT, birthday_command, pods

AUTOSCALERS = ["aws.yaml", "gcp.yaml"]
MANIFESTS = ["kubernetes-cluster.yaml", "kubernetes-job.yaml"]
UNITS = ["birthday-head.service", "birthday-worker.service"]
Rule = Callable[[str], bool]


def values(text: str) -> dict[str, str]:
    """NAME=VALUE lines."""
    return dict(line.split("=", 1) for line in text.splitlines() if re.match(r"\w+=", line))


def ray_cluster(text: str) -> Any:
    spec = yaml.safe_load(text)["spec"]
    return spec.get("rayClusterSpec", spec)


PINS = dict(
    line.split("==") for line in (CLUSTER / "constraints.txt").read_text().split("\n") if "==" in line
)
DRAIN = float(values((CLUSTER / "environment").read_text())["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"])

# --- the rules ----------------------------------------------------------------------------------------------


def autoscaler_head_is_idle(text: str) -> bool:
    config = yaml.safe_load(text)
    head = config["available_node_types"][config["head_node_type"]]
    return head["resources"] == {"CPU": 0} and "--num-cpus=0 --num-gpus=0" in _joined(
        config["head_start_ray_commands"]
    )


def autoscaler_starts_at_nothing_with_spot(text: str) -> bool:
    config = yaml.safe_load(text)
    workers = [t for name, t in config["available_node_types"].items() if name != config["head_node_type"]]
    spot = ("'MarketType': 'spot'", "'provisioningModel': 'SPOT'")
    return len(workers) == 2 and all(
        t["min_workers"] == 0 and any(word in str(t["node_config"]) for word in spot) for t in workers
    )


def autoscaler_uses_tokens(text: str) -> bool:
    config = yaml.safe_load(text)
    return (
        config["file_mounts"].get("~/.ray/auth_token") == "~/.ray/auth_token"
        and config["file_mounts"].get("~/birthday/cluster") == "cluster"
        and ". ~/birthday/cluster/environment" in _joined(config["head_start_ray_commands"])
        and "install-node.sh ~/.ray/auth_token" in _joined(config["setup_commands"])
        and "systemctl restart birthday-worker" in _joined(config["worker_start_ray_commands"])
    )


def autoscaler_gives_time(text: str) -> bool:
    graces = re.findall(r"ray stop --grace-period (\d+)", text)
    return text.count("ray stop") == len(graces) > 0 and all(int(g) >= 60 for g in graces)


def manifest_head_is_idle(text: str) -> bool:
    options = ray_cluster(text)["headGroupSpec"]["rayStartParams"]
    return (options.get("num-cpus"), options.get("num-gpus")) == ("0", "0")


def manifest_uses_tokens(text: str) -> bool:
    from_maps = [source for pod in _containers(text) for source in pod["envFrom"]]
    return (
        ray_cluster(text)["authOptions"] == {"mode": "token"}
        and {"configMapRef": {"name": "birthday"}} in from_maps
    )


def manifest_gives_time(text: str) -> bool:
    hooks = [c["lifecycle"]["preStop"]["exec"]["command"][-1] for c in _containers(text)]
    graces = [pod["spec"].get("terminationGracePeriodSeconds", 30) for pod in pods(yaml.safe_load(text))]
    return min(graces) > DRAIN and set(hooks) == {"/opt/birthday/stop-node.sh"}


def manifest_scales_from_nothing(text: str) -> bool:
    spec = ray_cluster(text)
    restarts = {pod["spec"].get("restartPolicy") for pod in pods(yaml.safe_load(text))}
    return (
        spec["enableInTreeAutoscaling"] is True
        and spec["autoscalerOptions"]["version"] == "v2"
        and restarts == {"Never"}  # what version 2 asks for
        and [group["minReplicas"] for group in spec["workerGroupSpecs"]] == [0, 0]
        and "nvidia.com/gpu" in str(spec["workerGroupSpecs"][1])
    )


def manifest_has_the_pinned_ray(text: str) -> bool:
    return bool(ray_cluster(text)["rayVersion"] == PINS["ray"])


def job_keeps_results_and_time(text: str) -> bool:
    spec = yaml.safe_load(text)["spec"]
    environment = yaml.safe_load(spec["runtimeEnvYAML"])["env_vars"]
    entrypoint = shlex.split(spec["entrypoint"])
    return (
        environment == {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}
        and entrypoint[:3] == ["python", "-m", "pipeline.cli"]
        and entrypoint[entrypoint.index("--runs") + 1].startswith("s3://")
        and spec["shutdownAfterJobFinishes"]
        and "entrypointNumCpus" not in spec  # it would put the driver on a worker
    )


def unit_uses_tokens(text: str) -> bool:
    return (
        "EnvironmentFile=/etc/birthday/environment" in text.splitlines()
        and "Environment=RAY_AUTH_TOKEN_PATH=/etc/birthday/token" in text.splitlines()
        and "User=birthday" in text.splitlines()
    )


def unit_gives_time(text: str) -> bool:
    keys = values(text)
    return (
        float(keys["TimeoutStopSec"]) > DRAIN
        and keys["KillMode"] == "mixed"  # to all at once would end Ray before its trials
        and keys["ExecStop"] == "/opt/birthday/stop-node.sh $MAINPID"
    )


def head_unit_is_idle(text: str) -> bool:
    return "--num-cpus=0 --num-gpus=0" in values(text)["ExecStart"]


def slurm_uses_tokens(text: str) -> bool:
    return '. "${SLURM_SUBMIT_DIR:?}/cluster/environment"' in text and "export RAY_AUTH_TOKEN_PATH=" in text


def slurm_gives_time(text: str) -> bool:
    notice, wait = re.search(r"^#SBATCH --signal=B:\w+@(\d+)$", text, re.M), re.search(r"--wait=(\d+)", text)
    return bool(notice and wait) and int(notice[1]) > STOP_SECONDS + 60 and int(wait[1]) >= 60  # type: ignore[index]


def environment_is_complete(text: str) -> bool:
    found = values(text)
    return (found.get("RAY_AUTH_MODE"), found.get("RAY_USAGE_STATS_ENABLED")) == ("token", "0") and float(
        found["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"]
    ) >= 60


def image_has_our_python(text: str) -> bool:
    version = re.search(r"^FROM python:(\d+)\.(\d+)-slim", text, re.M)
    allowed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert allowed == ">=3.11,<3.14"
    return version is not None and (3, 11) <= (int(version[1]), int(version[2])) < (3, 14)


def image_has_the_pinned_versions(text: str) -> bool:
    """Every pip takes the constraints, save those that install nothing from outside or torch as it is pinned."""
    pips = re.findall(r"pip install (.*?)(?:\n[A-Z]|\n *&&|$)", text, re.S)
    free = [p for p in pips if "-c constraints.txt" not in p and "--no-deps" not in p]
    return len(pips) == 3 and not free and "$(grep '^torch==' constraints.txt)" in text


def image_has_what_kuberay_calls(text: str) -> bool:
    return {"bash", "wget", "procps"} <= set(text.split())


def holds_no_token(text: str) -> bool:
    return not re.search(r"\b[0-9a-fA-F]{32,}\b|RAY_AUTH_TOKEN=|AWS_SECRET_ACCESS_KEY=\w", text)


RULES: list[tuple[str, Rule]] = [
    *[
        (file, rule)
        for file in AUTOSCALERS
        for rule in (
            autoscaler_head_is_idle,
            autoscaler_starts_at_nothing_with_spot,
            autoscaler_uses_tokens,
            autoscaler_gives_time,
        )
    ],
    *[
        (file, rule)
        for file in MANIFESTS
        for rule in (
            manifest_head_is_idle,
            manifest_uses_tokens,
            manifest_gives_time,
            manifest_scales_from_nothing,
            manifest_has_the_pinned_ray,
        )
    ],
    ("kubernetes-job.yaml", job_keeps_results_and_time),
    *[(file, rule) for file in UNITS for rule in (unit_uses_tokens, unit_gives_time)],
    ("birthday-head.service", head_unit_is_idle),
    ("slurm.sh", slurm_uses_tokens),
    ("slurm.sh", slurm_gives_time),
    ("environment", environment_is_complete),
    ("Dockerfile", image_has_our_python),
    ("Dockerfile", image_has_the_pinned_versions),
    ("Dockerfile", image_has_what_kuberay_calls),
    *[(path.name, holds_no_token) for path in sorted(CLUSTER.iterdir()) if path.is_file()],
]


@pytest.mark.parametrize(("file", "rule"), RULES)
def test_the_rules_hold(file: str, rule: Rule) -> None:
    assert rule((CLUSTER / file).read_text())


@pytest.mark.parametrize(
    ("rule", "file", "right", "wrong"),
    [
        (autoscaler_head_is_idle, "aws.yaml", "{CPU: 0}", "{CPU: 4}"),
        (autoscaler_head_is_idle, "gcp.yaml", "--num-cpus=0", "--num-cpus=4"),
        (autoscaler_starts_at_nothing_with_spot, "aws.yaml", "min_workers: 0", "min_workers: 1"),
        (autoscaler_starts_at_nothing_with_spot, "gcp.yaml", "SPOT", "STANDARD"),
        (
            autoscaler_uses_tokens,
            "aws.yaml",
            "~/.ray/auth_token: ~/.ray/auth_token",
            "~/a: ~/.ray/auth_token",
        ),
        (autoscaler_uses_tokens, "gcp.yaml", ". ~/birthday/cluster/environment;", "true;"),
        (autoscaler_gives_time, "aws.yaml", "--grace-period 60", ""),
        (manifest_head_is_idle, "kubernetes-cluster.yaml", 'num-cpus: "0"', 'num-cpus: "4"'),
        (manifest_uses_tokens, "kubernetes-job.yaml", "mode: token", "mode: disabled"),
        (manifest_uses_tokens, "kubernetes-cluster.yaml", "{name: birthday}\n", "{name: other}\n"),
        (manifest_gives_time, "kubernetes-cluster.yaml", "terminationGracePeriodSeconds: 120", "nodeName: x"),
        (manifest_gives_time, "kubernetes-job.yaml", "/opt/birthday/stop-node.sh", "-c, ray stop"),
        (manifest_scales_from_nothing, "kubernetes-job.yaml", "minReplicas: 0", "minReplicas: 1"),
        (manifest_has_the_pinned_ray, "kubernetes-cluster.yaml", "2.60.0", "2.59.0"),
        (job_keeps_results_and_time, "kubernetes-job.yaml", "s3://BUCKET", "/data"),
        (job_keeps_results_and_time, "kubernetes-job.yaml", '"60"', '"3"'),
        (unit_uses_tokens, "birthday-head.service", "EnvironmentFile=", "#EnvironmentFile="),
        (unit_gives_time, "birthday-worker.service", "TimeoutStopSec=120", "TimeoutStopSec=30"),
        (unit_gives_time, "birthday-worker.service", "KillMode=mixed", "KillMode=control-group"),
        (head_unit_is_idle, "birthday-head.service", "--num-cpus=0", "--num-cpus=2"),
        (slurm_uses_tokens, "slurm.sh", "export RAY_AUTH_TOKEN_PATH=", "unused="),
        (slurm_gives_time, "slurm.sh", "@180", "@30"),
        (environment_is_complete, "environment", "MODE=token", "MODE=disabled"),
        (image_has_our_python, "Dockerfile", "python:3.12", "python:3.10"),
        (image_has_the_pinned_versions, "Dockerfile", '-c constraints.txt ".', '".'),
        (image_has_what_kuberay_calls, "Dockerfile", " wget ", " "),
        (holds_no_token, "environment", "RAY_AUTH_MODE=", f"RAY_AUTH_TOKEN={'0123456789abcdef' * 4}\n"),
    ],
)
def test_what_breaks_a_rule_is_found(rule: Rule, file: str, right: str, wrong: str) -> None:
    text = (CLUSTER / file).read_text()
    assert right in text
    assert not rule(text.replace(right, wrong))


def test_the_job_has_the_same_cluster_as_the_one_that_stays() -> None:
    stays, goes = (ray_cluster((CLUSTER / file).read_text()) for file in MANIFESTS)
    head = goes["headGroupSpec"]["template"]["spec"]
    assert head.pop("volumes") == [{"name": "study", "configMap": {"name": "birthday-study"}}]
    assert head["containers"][0].pop("volumeMounts") == [{"name": "study", "mountPath": "/etc/birthday"}]
    assert goes == stays


def test_the_environment_is_installed_from_what_is_pinned() -> None:
    import ray

    assert PINS["ray"] == ray.__version__
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in ("3.11", "3.12", "3.13")


def test_a_submission_ships_no_definition() -> None:
    with working_dir(ROOT / "studies" / "quickstart.yaml") as folder:
        shipped = {path.name for path in (folder / "cluster").iterdir() if path.suffix != ".py"}
    assert shipped == {"constraints.txt"}


def test_the_image_is_built_from_no_more_than_it_holds() -> None:
    lines = (CLUSTER / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"  # .git, runs and data included
    named = {rule[1:] for rule in rules if rule.startswith("!")}
    assert named == {"pyproject.toml", "README.md", "pipeline", "cluster", "reports", "studies"}
    assert all((ROOT / name).exists() for name in named)


# --- commands and files that texts name ---------------------------------------------------------------------

README = (CLUSTER / "README.md").read_text()


OURS = r"(?:\bpython -m pipeline\.cli|^birthday) (\w.*)"


def commands(text: str) -> list[list[str]]:
    """What follows `birthday` or `python -m pipeline.cli` on the lines of a text, as words."""
    text = re.sub(r"\\\n *", "", text)
    found = [re.split(r" [|&#]", m[1])[0] for m in re.finditer(OURS, text, re.M)]
    return [[word for word in shlex.split(line) if word != "$@"] for line in found]


def sh_blocks(markdown: str) -> str:
    return "\n".join(re.findall(r"```sh\n(.*?)```", markdown, re.S))


@pytest.mark.parametrize(
    "text",
    [sh_blocks(README), *((CLUSTER / file).read_text() for file in ("slurm.sh", "kubernetes-job.yaml"))],
    ids=["README.md", "slurm.sh", "kubernetes-job.yaml"],
)
def test_every_command_of_ours_is_one(text: str) -> None:
    found = commands(text)
    assert found
    for words in found:
        assert birthday_command(words) == [], words


def test_a_wrong_command_is_found() -> None:
    assert birthday_command(commands("birthday submit a.yaml --adress http://H:8265 --runs /r")[0])
    assert birthday_command(commands("    python -m pipeline.cli rum a.yaml &")[0])


def test_every_file_the_readme_names_exists() -> None:
    named = set(re.findall(r"\b(?:cluster|studies|tests|reports)/[\w./-]*\w", README))
    named |= {
        f"cluster/{name}" for name in re.findall(r"`([\w.-]+\.(?:yaml|sh|service|txt)|Dockerfile)`", README)
    }
    assert len(named) > 8
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def _joined(commands: list[str]) -> str:
    return "\n".join(commands)


def _containers(text: str) -> list[Any]:
    return [container for pod in pods(yaml.safe_load(text)) for container in pod["spec"]["containers"]]
