"""An update as a CUDA graph: recorded once, replayed with one launch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from pipeline.systems import Batch

# Updates that run as they are before the recording: libraries choose their algorithms in the first ones.
EAGER = 3


def captured(update: Callable[[Batch], Tensor]) -> Callable[[Batch], Tensor]:
    """The same update of state that lives at fixed addresses, replayed as a graph from the fourth call on.

    The batch is copied into the recording's own; what the update returns is overwritten by the next call.
    Where there is no CUDA, the update itself, through the same buffers.
    """
    calls = 0
    graph: Any = None
    given: Any = None
    found: Any = None

    def call(batch: Batch) -> Tensor:
        nonlocal calls, graph, given, found
        calls += 1
        if calls <= EAGER:
            return update(batch)
        if given is None:
            given = tree_map(torch.clone, batch)
        tree_map(lambda kept, new: kept.copy_(new), given, batch)
        if not batch.latents.is_cuda:
            return update(given)
        if graph is None:
            graph = torch.cuda.CUDAGraph()
            stream = torch.cuda.current_stream()
            # Recording runs nothing; on the caller's stream, since others may be at work.
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                found = update(given)
        graph.replay()
        return found

    return call
