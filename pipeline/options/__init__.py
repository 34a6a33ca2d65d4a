"""The vocabulary: every data set, network, objective, system and training option a study may name.

Only names, types and defaults live here, so that a study can be read and checked where torch is not
installed. The rooms `datasets/`, `networks/`, `objectives/` and `systems/` hold what the names mean; a test
keeps both in step. A default, once released, is never changed: trial ids leave defaults out (see `trial.py`).
"""

from pipeline.options.base import *  # noqa: F403
from pipeline.options.datasets import *  # noqa: F403
from pipeline.options.images import *  # noqa: F403
from pipeline.options.networks import *  # noqa: F403
from pipeline.options.objectives import *  # noqa: F403
from pipeline.options.synthetic import *  # noqa: F403
from pipeline.options.systems import *  # noqa: F403
from pipeline.options.training import *  # noqa: F403
