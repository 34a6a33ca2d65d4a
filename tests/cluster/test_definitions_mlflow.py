"""What the definitions of the MLflow server keep: one script, no password to be seen, no more rights than needed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from tests.cluster.definitions import CLUSTER, ROOT

SCRIPT = "/opt/birthday/mlflow-server.sh"
Rule = Callable[[str], bool]


def workloads(text: str) -> dict[str, Any]:
    """Name -> pod template of what runs."""
    documents = list(yaml.safe_load_all(text))
    return {d["metadata"]["name"]: d["spec"]["template"] for d in documents if "template" in d["spec"]}


def containers(text: str) -> Iterator[dict[str, Any]]:
    for pod in workloads(text).values():
        yield from pod["spec"]["containers"]


def server(text: str) -> dict[str, Any]:
    (container,) = workloads(text)["birthday-mlflow"]["spec"]["containers"]
    return dict(container)


# --- the rules ----------------------------------------------------------------------------------------------


def script_has_no_jobs_and_no_telemetry(text: str) -> bool:
    return (
        "export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false\n" in text
        and "export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true\n" in text
    )


def script_asks_for_passwords(text: str) -> bool:
    return '"--app-name", "basic-auth"' in text and "umask 077\n" in text


def script_puts_no_setting_on_a_command_line(text: str) -> bool:
    """Builtins and here-documents aside, commands see the environment alone."""
    commands = re.sub(r"<<(.?)(\w+)\1\n.*?\n\2\n", "\n", text, flags=re.S)
    lines = [
        line for line in commands.splitlines() if not line.lstrip().startswith(("#", "[[", "export", "if [["))
    ]
    return not any(re.search(r"\$\{?MLFLOW_(BACKEND|AUTH_ADMIN|FLASK)", line) for line in lines)


def unit_starts_the_script(text: str) -> bool:
    return f"ExecStart={SCRIPT}\n" in text and "RestartPreventExitStatus=2\n" in text


def unit_keeps_passwords_from_trials(text: str) -> bool:
    """Whoever runs as the same user may read a process's environment."""
    return (
        "DynamicUser=yes\n" in text
        and "User=" not in text.replace("DynamicUser=", "")
        and "EnvironmentFile=/etc/birthday/mlflow\n" in text
        and "RuntimeDirectoryMode=0700\n" in text
    )


def unit_is_confined(text: str) -> bool:
    needed = {
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "CapabilityBoundingSet=",
    }
    return needed <= set(text.splitlines())


def manifest_starts_the_script(text: str) -> bool:
    return server(text)["command"] == ["bash", SCRIPT] and server(text)["image"] == "birthday:0.1"


def manifest_gives_what_the_script_needs(text: str) -> bool:
    needed = re.search(r"for name in ((?:\w+|\\\n| )+); do", (CLUSTER / "mlflow-server.sh").read_text())
    assert needed
    return set(needed[1].replace("\\", " ").split()) <= {entry["name"] for entry in server(text)["env"]}


def manifest_holds_no_password(text: str) -> bool:
    named = [
        entry
        for container in containers(text)
        for entry in container["env"]
        if entry["name"].endswith("PASSWORD")
    ]
    url = next(e["value"] for e in server(text)["env"] if e["name"] == "MLFLOW_BACKEND_STORE_URI")
    return (
        len(named) == 3
        and all(set(entry["valueFrom"]) == {"secretKeyRef"} for entry in named)
        and ":$(DATABASE_PASSWORD)@" in url
    )


def manifest_sets_a_variable_before_it_is_used(text: str) -> bool:
    """Kubernetes leaves `$(NAME)` as it is where NAME comes later."""
    seen: set[str] = set()
    for entry in server(text)["env"]:
        if not set(re.findall(r"\$\((\w+)\)", entry.get("value", ""))) <= seen:
            return False
        seen.add(entry["name"])
    return True


def manifest_probes(text: str) -> bool:
    kinds = ("startupProbe", "readinessProbe", "livenessProbe")
    asked = [server(text)[kind]["httpGet"] for kind in kinds]
    return all(get == {"path": "/health", "port": "http"} for get in asked) and all(
        kind in container for container in containers(text) for kind in kinds
    )


def manifest_is_confined(text: str) -> bool:
    pods = [pod["spec"] for pod in workloads(text).values()]
    return all(
        pod["securityContext"]["runAsNonRoot"] is True
        and pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        and pod["automountServiceAccountToken"] is False
        and pod["enableServiceLinks"] is False
        for pod in pods
    ) and all(
        container["securityContext"]
        == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        and {"cpu", "memory"}
        == set(container["resources"]["limits"])
        == set(container["resources"]["requests"])
        for container in containers(text)
    )


def manifest_keeps_the_database(text: str) -> bool:
    (stateful,) = [d for d in yaml.safe_load_all(text) if d["kind"] == "StatefulSet"]
    (claim,) = stateful["spec"]["volumeClaimTemplates"]
    (container,) = stateful["spec"]["template"]["spec"]["containers"]
    (mount,) = [m for m in container["volumeMounts"] if m["name"] == claim["metadata"]["name"]]
    (folder,) = [entry["value"] for entry in container["env"] if entry["name"] == "PGDATA"]
    return bool(folder.startswith(mount["mountPath"] + "/"))


def manifest_writes_passwords_to_memory(text: str) -> bool:
    (folder,) = [e["value"] for e in server(text)["env"] if e["name"] == "RUNTIME_DIRECTORY"]
    (name,) = [m["name"] for m in server(text)["volumeMounts"] if m["mountPath"] == folder]
    (volume,) = [v for v in workloads(text)["birthday-mlflow"]["spec"]["volumes"] if v["name"] == name]
    return volume["emptyDir"].get("medium") == "Memory"


def manifest_services_find_their_pods(text: str) -> bool:
    found = workloads(text)
    for service in (d for d in yaml.safe_load_all(text) if d["kind"] == "Service"):
        pod = found[service["metadata"]["name"]]
        ports = {
            port[key]
            for container in pod["spec"]["containers"]
            for port in container["ports"]
            for key in ("name", "containerPort")
        }
        asked = [port.get("targetPort", port["port"]) for port in service["spec"]["ports"]]
        if service["spec"]["selector"] != pod["metadata"]["labels"] or not set(asked) <= ports:
            return False
    return True


def manifest_answers_to_its_names(text: str) -> bool:
    """By default MLflow answers to addresses alone, and a service is called by name."""
    (hosts,) = [e["value"] for e in server(text)["env"] if e["name"] == "MLFLOW_SERVER_ALLOWED_HOSTS"]
    return {"birthday-mlflow:5000", "localhost:*"} <= set(hosts.split(",")) and "*" not in hosts.split(",")


def image_has_the_server(text: str) -> bool:
    extras = re.search(r"^ARG EXTRAS=(.*)$", text, re.M)
    return (
        extras is not None
        and "mlflow-server" in extras[1].split(",")
        and "install -m 755 cluster/stop-node.sh cluster/mlflow-server.sh ." in text
    )


def node_has_the_server(text: str) -> bool:
    return '"$checkout/cluster/mlflow-server.sh" /opt/birthday/\n' in text


RULES: list[tuple[str, Rule]] = [
    ("mlflow-server.sh", script_has_no_jobs_and_no_telemetry),
    ("mlflow-server.sh", script_asks_for_passwords),
    ("mlflow-server.sh", script_puts_no_setting_on_a_command_line),
    ("birthday-mlflow.service", unit_starts_the_script),
    ("birthday-mlflow.service", unit_keeps_passwords_from_trials),
    ("birthday-mlflow.service", unit_is_confined),
    ("kubernetes-mlflow.yaml", manifest_starts_the_script),
    ("kubernetes-mlflow.yaml", manifest_gives_what_the_script_needs),
    ("kubernetes-mlflow.yaml", manifest_holds_no_password),
    ("kubernetes-mlflow.yaml", manifest_sets_a_variable_before_it_is_used),
    ("kubernetes-mlflow.yaml", manifest_probes),
    ("kubernetes-mlflow.yaml", manifest_is_confined),
    ("kubernetes-mlflow.yaml", manifest_keeps_the_database),
    ("kubernetes-mlflow.yaml", manifest_writes_passwords_to_memory),
    ("kubernetes-mlflow.yaml", manifest_services_find_their_pods),
    ("kubernetes-mlflow.yaml", manifest_answers_to_its_names),
    ("Dockerfile", image_has_the_server),
    ("install-node.sh", node_has_the_server),
]


@pytest.mark.parametrize(("file", "rule"), RULES)
def test_the_rules_hold(file: str, rule: Rule) -> None:
    assert rule((CLUSTER / file).read_text())


@pytest.mark.parametrize(
    ("rule", "file", "right", "wrong"),
    [
        (script_has_no_jobs_and_no_telemetry, "mlflow-server.sh", "EXECUTION=false", "EXECUTION=true"),
        (script_asks_for_passwords, "mlflow-server.sh", '"--app-name", "basic-auth", ', ""),
        (
            script_puts_no_setting_on_a_command_line,
            "mlflow-server.sh",
            "exec python - <<",
            'mlflow db upgrade "$MLFLOW_BACKEND_STORE_URI"\nexec python - <<',
        ),
        (unit_starts_the_script, "birthday-mlflow.service", "RestartPreventExitStatus=2", ""),
        (unit_keeps_passwords_from_trials, "birthday-mlflow.service", "DynamicUser=yes", "User=birthday"),
        (unit_is_confined, "birthday-mlflow.service", "ProtectSystem=strict", "ProtectSystem=no"),
        (manifest_starts_the_script, "kubernetes-mlflow.yaml", SCRIPT, "-c, mlflow server"),
        (manifest_gives_what_the_script_needs, "kubernetes-mlflow.yaml", "MLFLOW_ARTIFACTS_DEST", "DEST"),
        (
            manifest_holds_no_password,
            "kubernetes-mlflow.yaml",
            "{secretKeyRef: {name: birthday-mlflow, key: admin-password}}",
            "{configMapKeyRef: {name: birthday-mlflow, key: admin-password}}",
        ),
        (manifest_holds_no_password, "kubernetes-mlflow.yaml", "$(DATABASE_PASSWORD)", "mlflow"),
        (
            manifest_sets_a_variable_before_it_is_used,
            "kubernetes-mlflow.yaml",
            "name: DATABASE_PASSWORD",
            "name: OTHER",
        ),
        (manifest_probes, "kubernetes-mlflow.yaml", "path: /health", "path: /"),
        (manifest_is_confined, "kubernetes-mlflow.yaml", "readOnlyRootFilesystem: true", "privileged: true"),
        (manifest_is_confined, "kubernetes-mlflow.yaml", "runAsNonRoot: true", "runAsNonRoot: false"),
        (manifest_keeps_the_database, "kubernetes-mlflow.yaml", "/data/17", "/17"),
        (manifest_writes_passwords_to_memory, "kubernetes-mlflow.yaml", "medium: Memory, ", ""),
        (manifest_services_find_their_pods, "kubernetes-mlflow.yaml", "targetPort: http", "targetPort: web"),
        (
            manifest_services_find_their_pods,
            "kubernetes-mlflow.yaml",
            "selector: {app: birthday-mlflow}",
            "selector: {app: mlflow}",
        ),
        (manifest_answers_to_its_names, "kubernetes-mlflow.yaml", "birthday-mlflow:5000,", ""),
        (image_has_the_server, "Dockerfile", ",mlflow-server\n", "\n"),
        (node_has_the_server, "install-node.sh", "/mlflow-server.sh", "/slurm.sh"),
    ],
)
def test_what_breaks_a_rule_is_found(rule: Rule, file: str, right: str, wrong: str) -> None:
    text = (CLUSTER / file).read_text()
    assert right in text
    assert not rule(text.replace(right, wrong))


def test_the_extra_is_pinned() -> None:
    pins = {line.split("==")[0].lower() for line in (CLUSTER / "constraints.txt").read_text().splitlines()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = [re.split(r"[\[>]", name)[0] for name in project["optional-dependencies"]["mlflow-server"]]
    assert {*extra, "flask-wtf", "wtforms", "psycopg-binary"} <= pins
