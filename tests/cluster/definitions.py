"""Checkers of the cluster's definitions: text in, lines of what is wrong out; an empty list is a pass.

They need neither a cloud nor a cluster nor the network.
"""

from __future__ import annotations

import copy
import gzip
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
HERE = Path(__file__).parent
BIN = Path(sys.executable).parent


def ray_autoscaler(text: str) -> list[str]:
    """Against the schema of `ray up`, with its defaults filled in, and the options of every `ray start`."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    try:
        validate_config(prepare_config(copy.deepcopy(yaml.safe_load(text))))
    except (jsonschema.ValidationError, ValueError) as error:
        return [str(error).splitlines()[0]]
    return ray_commands(text)


def kuberay(text: str) -> list[str]:
    """Against KubeRay's resource definitions, and every pod against Kubernetes' own; no unknown keys."""
    manifest = yaml.safe_load(text)
    validator = jsonschema.Draft202012Validator(_custom_resource(manifest["kind"]))
    found = [f"{'/'.join(map(str, e.path))}: {e.message[:200]}" for e in validator.iter_errors(manifest)]
    for pod in pods(manifest):
        document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, **pod}
        try:
            kubernetes_validate.validate(document, "1.31", strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"pod: {error.message[:200]}")
    return found


def kubernetes(text: str) -> list[str]:
    """Every document against Kubernetes' own schemas; no unknown keys."""
    found = []
    for document in yaml.safe_load_all(text):
        try:
            kubernetes_validate.validate(document, "1.31", strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{document['kind']}: {error.message[:200]}")
    return found


def shell(text: str) -> list[str]:
    """`bash -n` and shellcheck."""
    syntax = _run(["bash", "-n"], text)
    return syntax or _run([BIN / "shellcheck", "--shell=bash", "-x", "-P", CLUSTER, "-f", "gcc", "-"], text)


def shell_in_yaml(text: str) -> list[str]:
    """`shell` for every command of an autoscaler's file."""
    config = yaml.safe_load(text)
    lines = [line for key, value in config.items() if key.endswith("_commands") for line in value]
    return [
        fault for line in lines for fault in shell(f"# shellcheck disable=SC1090,SC2154\n{{\n{line}\n}}\n")
    ]


def dockerfile(text: str) -> list[str]:
    return _run([BIN / "hadolint", "--no-color", "-"], text)


def systemd_unit(text: str) -> list[str]:
    """Keys against systemd's list; the whole by systemd itself where it is installed."""
    known = _systemd_keys()
    section, found = "", []
    for line in text.splitlines():
        if line.startswith("["):
            section = line
        elif line and not line.startswith("#") and (section, line.split("=", 1)[0]) not in known:
            found.append(f"{section}: unknown key {line.split('=', 1)[0]}")
    if shutil.which("systemd-analyze"):
        with tempfile.TemporaryDirectory() as folder:
            unit = Path(folder) / "birthday-node.service"
            unit.write_text(text)
            lines = _run(["systemd-analyze", "verify", "--man=no", unit], "")
        found += [line for line in lines if "birthday-node" in line and "is not executable" not in line]
    return found + ray_commands(text)


def ray_commands(text: str) -> list[str]:
    """Every `ray start` against the options of the installed Ray."""
    import click
    from ray.scripts.scripts import start

    found = []
    for options in re.findall(r"\bray start ((?:[^;\n]|\n +--)+)", text):
        words = shlex.split(re.sub(r"\$\{?\w+\}?", "x", options))
        try:
            start.make_context("start", words)
        except click.ClickException as error:
            found.append(f"ray start: {error.format_message()}")
    return found


def birthday_command(words: list[str]) -> list[str]:
    """The words after `birthday` against the real command line; nothing is run."""
    import typer

    from pipeline.cli import app

    command: Any = typer.main.get_command(app)
    try:
        context = command.make_context("birthday", list(words))
        while hasattr(command, "commands"):
            name, command, words = command.resolve_command(context, words)
            context = command.make_context(name, list(words), parent=context)
    except typer.Exit:
        return []  # --help
    except Exception as error:  # typer brings a click of its own, which has no public name
        if not hasattr(error, "format_message"):
            raise
        return [error.format_message()]
    return []


def pods(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The pod templates of a RayCluster or RayJob, the head's first."""
    spec = manifest["spec"].get("rayClusterSpec", manifest["spec"])
    yield spec["headGroupSpec"]["template"]
    for group in spec["workerGroupSpecs"]:
        yield group["template"]


@cache
def _custom_resource(kind: str) -> dict[str, Any]:
    text = gzip.decompress((HERE / "kuberay" / f"ray.io_{kind.lower()}s.yaml.gz").read_bytes())
    versions = yaml.load(text, yaml.CSafeLoader)["spec"]["versions"]
    (schema,) = [v["schema"]["openAPIV3Schema"] for v in versions if v["name"] == "v1"]
    strict: dict[str, Any] = _strict(schema)
    strict["properties"]["metadata"] = {"type": "object"}
    return strict


def _strict(schema: Any) -> Any:
    """An OpenAPI schema of Kubernetes as a JSON schema in which unknown keys are errors."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: _strict(value) for key, value in schema.items() if not key.startswith("x-kubernetes")}
    if schema.get("x-kubernetes-int-or-string"):
        out.pop("type", None)
        out.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and "type" in schema and not open_ended:
        out["additionalProperties"] = False
    return out


@cache
def _systemd_keys() -> set[tuple[str, str]]:
    section, keys = "", set()
    for line in (HERE / "systemd-keys.txt").read_text().splitlines():
        if line.startswith("["):
            section = line
        else:
            keys.add((section, line))
    return keys


def _run(command: list[Any], text: str) -> list[str]:
    done = subprocess.run(list(map(str, command)), input=text, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return lines or ([f"{command[0]}: exit code {done.returncode}"] if done.returncode else [])
