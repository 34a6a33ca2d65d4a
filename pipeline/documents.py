"""YAML in and out, and pydantic's findings as one line a person can act on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline.errors import InputError, did_you_mean


class _Loader(yaml.SafeLoader):
    """YAML 1.1 with its two traps closed: `1e-4` is a number, and a key written twice is an error."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in rules
        if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:float")
    ]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$", re.I), list("tTfF"))
_FLOAT: Any = (
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|nan))$",
        re.I,
    ),
    list("-+0123456789."),
)
_Loader.add_implicit_resolver(*_FLOAT)


class _Dumper(yaml.SafeDumper):
    """Quotes text that the loader would take for a number, such as the id `12345e678901`."""


_Dumper.add_implicit_resolver(*_FLOAT)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key!r} is not text", key_node.start_mark
            )
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key!r} stands twice", key_node.start_mark
            )
        seen.add(key)
    return dict(loader.construct_pairs(node, deep=True))


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def parse_yaml(text: str) -> Any:
    """Plain data of a YAML text. Raises yaml.YAMLError."""
    return yaml.load(text, Loader=_Loader)  # derived from SafeLoader


def dump_yaml(document: dict[str, Any]) -> str:
    """YAML in the order given, one line for short lists."""
    return yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None
    )


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises InputError if it is missing, unreadable or not a mapping."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(f"{path}: cannot be read: {reason}") from None
    try:
        document = parse_yaml(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}:{line} is not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise InputError(
            f"{path}: holds {type(document).__name__}, not a study; a study is a mapping of keys"
        )
    return document


def assign(document: dict[str, Any], text: str) -> None:
    """Put `dotted.key=value` (value in YAML) into a study document. Raises InputError."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InputError(f"--set {text}: must be KEY=VALUE, e.g. base.training.steps=60")
    try:
        parsed = parse_yaml(value)
    except yaml.YAMLError:
        raise InputError(f"--set {text}: the value is not YAML") from None
    node, parts = document, _path(key)
    for part in parts[:-1]:
        child = node.setdefault(part, {})
        if not isinstance(child, dict):
            raise InputError(f"--set {text}: {part!r} is a value, not a group of keys")
        node = child
    node[parts[-1]] = parsed


def _path(key: str) -> list[str]:
    """The keys on the way to a value. Those under `vary` and `search.space` are dotted themselves."""
    for group in ("vary.", "search.space."):
        rest = key.removeprefix(group)
        if rest != key:
            inner = ["seed", rest.removeprefix("seed.")] if rest.startswith("seed.") else [rest]
            return [*group[:-1].split("."), *inner]
    return key.split(".")


def describe(error: ValidationError) -> str:
    """The first finding as `key: value: what is wrong and what is allowed`, and how many more there are."""
    findings = error.errors(include_url=False)
    first = findings[0]
    context = first.get("ctx", {})
    tags = {str(tag).strip("'") for tag in _tags(error)}
    where = [
        str(part)
        for i, part in enumerate(first["loc"])
        if not (i > 0 and isinstance(part, str) and part in tags)
    ]
    value: object = first.get("input")
    kind = first["type"]
    if kind == "unknown_key":
        where.append(str(context["key"]))
        message = first["msg"]
    elif kind == "missing":
        message = "required key is missing"
    elif kind == "union_tag_invalid":
        where.append(context["discriminator"].strip("'"))
        allowed = [tag.strip("'") for tag in context["expected_tags"].split(", ")]
        message = (
            f"{context['tag']!r} is not one of {', '.join(allowed)}{did_you_mean(context['tag'], allowed)}"
        )
    elif kind == "union_tag_not_found":
        where.append(context["discriminator"].strip("'"))
        message = "required key is missing"
    elif kind == "literal_error":
        allowed = [word.strip("'") for word in re.split(r", | or ", context["expected"])]
        message = f"{value!r} is not one of {', '.join(allowed)}{did_you_mean(str(value), allowed)}"
    else:
        shown = "" if isinstance(value, dict) else f"{value!r}: "
        message = shown + first["msg"].removeprefix("Input ").removeprefix("Value error, ")
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return f"{'.'.join(where)}: {message}{more}" if where else f"{message}{more}"


def _tags(error: ValidationError) -> set[str]:
    from pipeline import embedding_options, options

    unions = (
        embedding_options.EmbeddingOptions,
        options.DatasetOptions,
        options.GeneratorOptions,
        options.DiscriminatorOptions,
        options.ObjectiveOptions,
        options.SystemOptions,
    )
    names = {name for union in unions for name in options.choices(union)}
    rules = {"real_quantile", "fixed", "augmentation", "human"}
    kinds = {"float", "int", "categorical", "constrained-float", "dict[str,constrained-float]"}
    return names | rules | kinds
