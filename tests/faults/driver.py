"""`birthday` with workers from this package: python -m tests.faults.driver FUNCTION WORDS."""

import sys

from pipeline.cli import main
from pipeline.engine import execute
from tests.faults import workers

if __name__ == "__main__":
    execute.run_cohort = getattr(workers, sys.argv.pop(1))
    sys.argv[0] = "birthday"
    main()
