"""Libraries by others, on the same arrays."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

PARTS = ("", ".datasets", ".models", ".transforms", ".transforms.functional")


@pytest.fixture(scope="session")
def torch_fidelity() -> SimpleNamespace:
    """torch-fidelity's KID and FID of arrays. Its networks, unused here, want a torchvision to import."""
    with pytest.MonkeyPatch.context() as patch:
        if find_spec("torchvision") is None:
            for part in PARTS:
                patch.setitem(sys.modules, f"torchvision{part}", MagicMock())
        from torch_fidelity import metric_fid, metric_kid
    return SimpleNamespace(kid=metric_kid, fid=metric_fid)
