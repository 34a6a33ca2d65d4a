"""What training needs to go on elsewhere with the same numbers, as one file, and who keeps it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from safetensors.torch import load, save
from torch import Tensor

from pipeline.trial import content_hash

# Raised when what training keeps changes: older checkpoints are then not found, and training begins anew.
FORMAT = 1


class Checkpoint(NamedTuple):
    """tensors: path -> copy on the CPU, with dtype and strides of the original. state: JSON, in which
    `{"tensor": path}` stands where a tensor belongs; its keys `trials`, `back_end`, `steps_done` and `steps`
    are those of `Interrupted`.
    """

    tensors: dict[str, Tensor]
    state: dict[str, Any]


class Keeper(Protocol):
    """Where training keeps its state between steps."""

    def load(self, key: str) -> Checkpoint | None:
        """What was saved last under the key, if anything; asked once, before the first step."""

    def due(self) -> bool:
        """Whether to save now; asked after every step, so it must cost next to nothing."""

    def save(self, key: str, checkpoint: Checkpoint) -> None:
        """Keep it: a copy, which training no longer touches. What this raises ends the training."""


class Interrupted(NamedTuple):
    """What a checkpoint is of: ids of the cohort's trials, in its order; the back end's name; the steps done
    and to do, of all trials together.
    """

    trials: list[str]
    back_end: str
    steps_done: int
    steps: int


def course_key(trial_ids: Sequence[str], back_end: str, device_type: str) -> str:
    """The key of a cohort's training: 16 hex digits. Only the same trials in the same order, on the same kind
    of device, under the same back end and the same torch go on where others stopped: their bits are the same.
    """
    return content_hash([FORMAT, torch.__version__, list(trial_ids), back_end, device_type])


def checkpoint_of(tree: Mapping[str, Any]) -> Checkpoint:
    """Nested dicts and lists of tensors and JSON values, copied."""
    tensors: dict[str, Tensor] = {}

    def taken(value: Any, path: str) -> Any:
        if isinstance(value, Tensor):
            tensors[path] = value.detach().to("cpu", copy=True)
            return {"tensor": path}
        if isinstance(value, Mapping):
            return {key: taken(inner, f"{path}/{key}" if path else key) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [taken(inner, f"{path}/{k}") for k, inner in enumerate(value)]
        return value

    return Checkpoint(tensors, taken(tree, ""))


def tree_of(checkpoint: Checkpoint, device: torch.device) -> Any:
    """The inverse of `checkpoint_of`: a copy, with its tensors on the device; tuples have become lists."""

    def given(value: Any) -> Any:
        if isinstance(value, dict):
            if value.keys() == {"tensor"} and isinstance(value["tensor"], str):
                return checkpoint.tensors[value["tensor"]].to(device, copy=True)
            return {key: given(inner) for key, inner in value.items()}
        return [given(inner) for inner in value] if isinstance(value, list) else value

    return given(checkpoint.state)


@torch.no_grad()
def pour(kept: Any, own: Any) -> None:
    """Copy tensors into those at the same places of another tree, which keep their memory and its layout.
    Raises ValueError where the trees differ in more than values.
    """
    if isinstance(own, Tensor):
        if not isinstance(kept, Tensor) or (kept.shape, kept.dtype) != (own.shape, own.dtype):
            raise ValueError("the checkpoint is of other networks")
        own.copy_(kept)
        return
    places = own.keys() if isinstance(own, dict) else range(len(own))
    if (kept.keys() if isinstance(kept, dict) else range(len(kept))) != places:
        raise ValueError("the checkpoint is of other players")
    for place in places:
        pour(kept[place], own[place])


def encode(checkpoint: Checkpoint) -> bytes:
    """One safetensors file: the tensors, and as metadata the state, in JSON, and a digest of everything."""
    tensors = {path: tensor.contiguous() for path, tensor in checkpoint.tensors.items()}
    strides = {path: tensor.stride() for path, tensor in checkpoint.tensors.items()}
    metadata = {"state": json.dumps(checkpoint.state), "strides": json.dumps(strides)}
    return save(tensors, {**metadata, "digest": _digest(tensors, metadata)})


def decode(content: bytes) -> Checkpoint:
    """The checkpoint to the bit, strides included. Raises ValueError where the file is damaged."""
    metadata = _metadata(content)
    try:
        tensors = load(content)
        intact = metadata.pop("digest") == _digest(tensors, metadata)
    except Exception as error:  # whatever a reader makes of damaged bytes
        raise ValueError(f"a damaged checkpoint: {error}") from error
    if not intact:
        raise ValueError("a damaged checkpoint: its content has another digest")
    strides = json.loads(metadata["strides"])
    exact = {
        path: torch.empty_strided(tensor.shape, strides[path], dtype=tensor.dtype).copy_(tensor)
        for path, tensor in tensors.items()
    }
    return Checkpoint(exact, json.loads(metadata["state"]))


def interrupted(content: bytes) -> Interrupted:
    """What an encoded checkpoint is of, from its header alone. Raises ValueError where that is damaged."""
    try:
        state = json.loads(_metadata(content)["state"])
        return Interrupted(**{name: state[name] for name in Interrupted._fields})
    except (KeyError, TypeError) as error:
        raise ValueError(f"a damaged checkpoint: {error}") from error


def _metadata(content: bytes) -> dict[str, str]:
    """Of a safetensors file: 8 bytes of length, little endian, then so many of JSON."""
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return dict(header["__metadata__"])
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"a damaged checkpoint: {error}") from error


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 of the metadata and of every tensor's path, type, shape and bytes."""
    found = hashlib.sha256(json.dumps(sorted(metadata.items())).encode())
    for path in sorted(tensors):
        tensor = tensors[path]
        found.update(f"{path} {tensor.dtype} {list(tensor.shape)}".encode())
        # Axes of length 0 or 1 may have any stride, which a view of bytes may not.
        row = tensor.as_strided((tensor.numel(),), (1,))
        found.update(row.view(torch.uint8).numpy().data)
    return found.hexdigest()
