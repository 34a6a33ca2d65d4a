"""birthday: do GANs learn the distribution? `from pipeline import Study, run, load_run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.study import Study

if TYPE_CHECKING:
    from pipeline.engine.execute import run
    from pipeline.store.run import load_run

__all__ = ["InputError", "Study", "load_run", "run"]


def __getattr__(name: str) -> Any:
    # Reading a study needs neither torch nor pyarrow, so what does need them is imported on first use.
    if name == "run":
        from pipeline.engine.execute import run

        return run
    if name == "load_run":
        from pipeline.store.run import load_run

        return load_run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
