"""What `birthday data fetch` brings, and what it says of sets that nobody may bring."""

from __future__ import annotations

import shutil
import tarfile
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pipeline.datasets.download import Watch, digest, download
from pipeline.datasets.mnist import FOLDERS
from pipeline.datasets.places import image_root
from pipeline.errors import InputError, did_you_mean


class Remote(NamedTuple):
    """A published file."""

    url: str
    sha256: str

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


def _idx(site: str, *digests: str) -> list[Remote]:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    return [Remote(f"{site}{name}-ubyte.gz", sha) for name, sha in zip(names, digests, strict=True)]


# LeCun's page no longer gives the files; this is the mirror of the PyTorch project.
IDX = {
    "mnist": _idx(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    "fashion_mnist": _idx(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
}
CIFAR10 = Remote(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
CIFAR10_FOLDER = "cifar-10-batches-bin"
CIFAR10_FILES = [*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"]

# Sets whose terms or size want a person: which file, from which page, to which place.
BY_HAND = {
    "celeba": (
        "its terms allow no copies, so it cannot be fetched: from "
        "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html take img_align_celeba.zip (folder Img) and "
        "list_eval_partition.txt (folder Eval); unpack the 202,599 pictures to "
        "{to}/celeba/img_align_celeba/ and put the list at {to}/celeba/list_eval_partition.txt"
    ),
    "lsun": (
        "it is too large to be fetched unasked (bedroom: 43 GB): with https://github.com/fyu/lsun run "
        "`python3 download.py -c bedroom`, and unpack bedroom_train_lmdb.zip so that "
        "{to}/lsun/bedroom_train_lmdb/data.mdb is there (other scenes likewise)"
    ),
}


def fetch(name: str, to: Path | None, watch: Watch) -> Path:
    """Bring a set below the folder `to`, else BIRTHDAY_DATA, where it is then found; returns its folder.

    What is there already, whole, is not fetched again; what broke off goes on.
    Raises InputError for a set that cannot be fetched, saying which file to put where, and for what
    `download` raises.
    """
    if name in BY_HAND:
        raise InputError(f"{name}: {BY_HAND[name].format(to=image_root(to) or '$BIRTHDAY_DATA')}")
    allowed = [*IDX, "cifar10"]
    if name not in allowed:
        raise InputError(
            f"{name!r}: is no set that can be fetched; allowed: {', '.join(allowed)}"
            f"{did_you_mean(name, [*allowed, *BY_HAND])}"
        )
    root = image_root(to)
    if root is None:
        raise InputError("--to: required where BIRTHDAY_DATA is not set: the folder of image sets")
    if name == "cifar10":
        return _cifar10(root / "cifar10", watch)
    return _idx_files(IDX[name], root / FOLDERS[name], watch)


def _idx_files(files: list[Remote], folder: Path, watch: Watch) -> Path:
    for remote in files:
        path = folder / remote.name
        if not path.exists():
            download(remote.url, path, remote.sha256, watch)
        elif digest(path) != remote.sha256:
            raise InputError(f"{path}: is there already and is not the published file; move it away")
    return folder


def _cifar10(folder: Path, watch: Watch) -> Path:
    target = folder / CIFAR10_FOLDER
    if all((target / name).is_file() for name in CIFAR10_FILES):
        return target
    archive = folder / CIFAR10.name
    if not archive.exists():
        download(CIFAR10.url, archive, CIFAR10.sha256, watch)
    _unpack(archive, target)
    archive.unlink()
    return target


def _unpack(archive: Path, target: Path) -> None:
    """The six batches of the archive, put in place together."""
    unfinished = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    unfinished.mkdir()
    try:
        with tarfile.open(archive) as tar:
            for name in CIFAR10_FILES:
                member = tar.extractfile(f"{target.name}/{name}")
                (unfinished / name).write_bytes(member.read() if member else b"")
        shutil.rmtree(target, ignore_errors=True)
        unfinished.rename(target)
    except (OSError, KeyError, EOFError, zlib.error, tarfile.TarError) as error:
        raise InputError(f"{archive}: cannot be unpacked: {' '.join(str(error).split())}") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def progress_bar() -> Iterator[Watch]:
    """A bar a file on a terminal, on standard error; nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def watch(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done, total=total)

        yield watch
