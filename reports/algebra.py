"""Linear algebra on one core."""

import contextlib
from collections.abc import Iterator

from threadpoolctl import threadpool_limits


@contextlib.contextmanager
def single_threaded() -> Iterator[None]:
    """A sum's last bits depend on how many threads share it, and a report's must not: the same tables give
    the same bytes on any machine. Many small matrices are quicker so, too.
    """
    with threadpool_limits(1, "blas"):
        yield
