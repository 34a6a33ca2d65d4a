"""The threads of a search: as many as torch may use, each of which works on blocks of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


def for_each(work: Callable[[T], None], items: Iterable[T]) -> None:
    """work(item) for all items, on torch.get_num_threads() threads with one torch thread each.

    Whole blocks a thread, since a thread that multiplies and then reads its own product keeps it in its
    core's cache, and none waits for the others after every product.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        for item in items:
            work(item)
        return
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for _ in pool.map(work, items):
                pass
    finally:
        torch.set_num_threads(threads)  # a thread's own setting is also what later threads start from
