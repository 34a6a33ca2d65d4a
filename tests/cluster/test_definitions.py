"""The cluster's definitions pass the checkers of those who read them, and the checkers can fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cluster.definitions import (
    CLUSTER,
    dockerfile,
    kuberay,
    kubernetes,
    ray_autoscaler,
    shell,
    shell_in_yaml,
    systemd_unit,
)

CHECKS: list[tuple[str, Callable[[str], list[str]]]] = [
    ("aws.yaml", ray_autoscaler),
    ("aws.yaml", shell_in_yaml),
    ("gcp.yaml", ray_autoscaler),
    ("gcp.yaml", shell_in_yaml),
    ("kubernetes-cluster.yaml", kuberay),
    ("kubernetes-job.yaml", kuberay),
    ("kubernetes-mlflow.yaml", kubernetes),
    ("slurm.sh", shell),
    ("stop-node.sh", shell),
    ("install-node.sh", shell),
    ("mlflow-server.sh", shell),
    ("Dockerfile", dockerfile),
    ("birthday-head.service", systemd_unit),
    ("birthday-worker.service", systemd_unit),
    ("birthday-mlflow.service", systemd_unit),
]


@pytest.mark.parametrize(("file", "check"), CHECKS)
def test_definitions_are_what_their_readers_accept(file: str, check: Callable[[str], list[str]]) -> None:
    assert check((CLUSTER / file).read_text()) == []


def test_every_definition_is_checked() -> None:
    known = {file for file, _ in CHECKS} | {
        "README.md",
        "constraints.txt",
        "environment",  # by the rules
        "Dockerfile.dockerignore",
    }
    found = {path.name for path in CLUSTER.iterdir() if path.is_file() and path.suffix != ".py"}
    assert found == known


@pytest.mark.parametrize(
    ("check", "file", "right", "wrong", "says"),
    [
        (ray_autoscaler, "aws.yaml", "idle_timeout_minutes:", "idle_timeout_minute:", "idle_timeout_minute"),
        (ray_autoscaler, "aws.yaml", "min_workers: 0", "min_workers: none", "none"),
        (ray_autoscaler, "aws.yaml", "head_node_type: head", "head_node_type: haed", "head_node_type"),
        (ray_autoscaler, "gcp.yaml", "max_workers: 20", "max_worker: 20", "max_worker"),
        (ray_autoscaler, "gcp.yaml", "--num-cpus=0", "--num-cpu=0", "--num-cpu"),
        (shell_in_yaml, "aws.yaml", "set -a; .", "if set -a; .", "syntax error"),
        (shell_in_yaml, "gcp.yaml", '"BIRTHDAY_HEAD=$RAY_HEAD_IP"', "$RAY_HEAD_IP", "SC2086"),
        (kuberay, "kubernetes-cluster.yaml", "maxReplicas:", "maxReplica:", "maxReplica"),
        (kuberay, "kubernetes-cluster.yaml", "image: birthday:0.1-cuda", "imagee: x", "imagee"),
        (kuberay, "kubernetes-cluster.yaml", "{mode: token}", "{mode: tokens}", "tokens"),
        (kuberay, "kubernetes-cluster.yaml", 'num-cpus: "0"', "num-cpus: 0", "0 is not of type 'string'"),
        (kuberay, "kubernetes-cluster.yaml", "preStop:", "prestop:", "prestop"),
        (kuberay, "kubernetes-job.yaml", "entrypoint:", "entryPoint:", "entryPoint"),
        (kuberay, "kubernetes-job.yaml", "backoffLimit: 3", "backoffLimit: three", "three"),
        (kuberay, "kubernetes-job.yaml", "groupName: cpu", "gruppe: cpu", "groupName"),
        (kubernetes, "kubernetes-mlflow.yaml", "serviceName:", "servicename:", "serviceName"),
        (kubernetes, "kubernetes-mlflow.yaml", "httpGet: &health", "httpget: &health", "httpget"),
        (kubernetes, "kubernetes-mlflow.yaml", "replicas: 1", "replicas: one", "one"),
        (kubernetes, "kubernetes-mlflow.yaml", "secretKeyRef: {name", "secretKey: {name", "secretKey"),
        (shell, "mlflow-server.sh", 'missing+=("$name")', "missing+=($name)", "SC2206"),
        (shell, "slurm.sh", 'exit "$status"', 'exit "$status', "unexpected EOF"),
        (shell, "slurm.sh", 'exit "$status"', "exit $statsu", "SC2154"),
        (shell, "stop-node.sh", "sleep 1\ndone", "sleep 1", "syntax error"),
        (shell, "install-node.sh", 'install -m 400 -o birthday "$token"', "install $token", "SC2086"),
        (dockerfile, "Dockerfile", "--no-install-recommends", "", "DL3015"),
        (dockerfile, "Dockerfile", "FROM python:3.12-slim-bookworm", "FROM python", "DL3006"),
        (dockerfile, "Dockerfile", "USER 1000", "USERR 1000", "missing whitespace"),
        (systemd_unit, "birthday-head.service", "TimeoutStopSec=", "TimeoutStopSecs=", "TimeoutStopSecs"),
        (systemd_unit, "birthday-worker.service", "--block", "--blocks", "--blocks"),
        (systemd_unit, "birthday-mlflow.service", "DynamicUser=", "DynamicUsers=", "DynamicUsers"),
        (systemd_unit, "birthday-worker.service", "[Unit]", "[Unit]\nKillMode=mixed", "KillMode"),
    ],
)
def test_mistakes_are_found(
    check: Callable[[str], list[str]], file: str, right: str, wrong: str, says: str
) -> None:
    text = (CLUSTER / file).read_text()
    assert right in text
    assert says in "\n".join(check(text.replace(right, wrong)))
