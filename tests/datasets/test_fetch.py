"""Downloads against a real server: whole, broken off and resumed, false, and impossible."""

from __future__ import annotations

import gzip
import hashlib
import io
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets import fetch
from pipeline.datasets.download import download
from pipeline.datasets.fetch import BY_HAND, CIFAR10_FILES, IDX, Remote, progress_bar
from pipeline.errors import InputError
from pipeline.options import Cifar10, Mnist
from tests.datasets.file_server import FileServer, serving
from tests.datasets.idx_files import idx_bytes
from tests.datasets.image_files import binary_batch, noise
from tests.engine.tools import Command

CONTENT = np.random.default_rng(0).bytes(300_000)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def unwatched(*_: object) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving({"/a.bin": CONTENT}) as running:
        yield running


@pytest.fixture
def mnist(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Four small IDX files on the server in place of the published ones."""
    rng = np.random.default_rng(1)
    files = {}
    for remote in IDX["mnist"]:
        shape = (6, 28, 28) if "images" in remote.name else (6,)
        files[remote.name] = gzip.compress(idx_bytes(rng.integers(0, 10, shape)))
    server.files |= {f"/{name}": content for name, content in files.items()}
    local = [Remote(f"{server.url}/{name}", digest(content)) for name, content in files.items()]
    monkeypatch.setitem(IDX, "mnist", local)
    return files


# --- one file -----------------------------------------------------------------------------------------------


def test_a_file_arrives_whole_and_is_told_of(server: FileServer, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    path = tmp_path / "new/folder/a.bin"
    download(f"{server.url}/a.bin", path, digest(CONTENT), lambda *told: seen.append(told))
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == ["a.bin"]
    assert seen[0] == ("a.bin", 0, 300_000)
    assert seen[-1] == ("a.bin", 300_000, 300_000)
    assert server.asked == [("/a.bin", None)]


def test_what_broke_off_is_resumed(server: FileServer, tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    server.hang_up_after = 100_000
    for done in (100_000, 200_000):
        with pytest.raises(InputError) as error:
            download(f"{server.url}/a.bin", path, digest(CONTENT), unwatched)
        assert str(error.value) == (
            f"{server.url}/a.bin: broke off after {done} of 300000 bytes; the same command goes on there"
        )
        assert not path.exists()
        assert (tmp_path / "a.bin.part").read_bytes() == CONTENT[:done]
    server.hang_up_after = None
    seen: list[tuple[str, int, int | None]] = []
    download(f"{server.url}/a.bin", path, digest(CONTENT), lambda *told: seen.append(told))
    assert path.read_bytes() == CONTENT
    assert seen[0] == ("a.bin", 200_000, 300_000)
    assert [wanted for _, wanted in server.asked] == [None, "bytes=100000-", "bytes=200000-"]
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]


def test_a_server_that_knows_no_ranges_begins_anew(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:1000])
    server.ranges = False
    download(f"{server.url}/a.bin", tmp_path / "a.bin", digest(CONTENT), unwatched)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_all_there_but_the_name(server: FileServer, tmp_path: Path) -> None:
    # Ended between the last byte and the renaming: the server has nothing left to send (416).
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    download(f"{server.url}/a.bin", tmp_path / "a.bin", digest(CONTENT), unwatched)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("begun", [b"", b"x" * 1000, b"x" * 400_000])
def test_a_wrong_checksum_is_refused_and_removed(server: FileServer, tmp_path: Path, begun: bytes) -> None:
    server.files["/a.bin"] = CONTENT if begun else CONTENT[:-1] + b"?"
    if begun:
        (tmp_path / "a.bin.part").write_bytes(begun)
    with pytest.raises(
        InputError, match=rf"its SHA-256 is [0-9a-f]{{64}}, not {digest(CONTENT)} as published"
    ):
        download(f"{server.url}/a.bin", tmp_path / "a.bin", digest(CONTENT), unwatched)
    assert list(tmp_path.iterdir()) == []


def test_no_network_and_no_such_file_are_one_line(server: FileServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = f"http://127.0.0.1:{free.getsockname()[1]}/a.bin"
    for url, reason in (
        (closed, "cannot be reached: [Errno 111] Connection refused"),
        (f"{server.url}/b.bin", "answers 404 Not Found"),
        ("http://no-such-host.invalid/a.bin", "cannot be reached: "),
    ):
        with pytest.raises(InputError) as error:
            download(url, tmp_path / "a.bin", digest(CONTENT), unwatched)
        assert str(error.value).startswith(f"{url}: {reason}")
        assert str(error.value).endswith(f"; without a network, put the file at {tmp_path / 'a.bin'}")
        assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_one_line(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/a.bin: cannot be written: (Not a directory|File exists)"):
        download(f"{server.url}/a.bin", tmp_path / "file/a.bin", digest(CONTENT), unwatched)


# --- sets ---------------------------------------------------------------------------------------------------


def test_a_fetched_set_loads_and_is_fetched_once(
    birthday: Command, server: FileServer, mnist: dict[str, bytes], tmp_path: Path
) -> None:
    said = birthday("data", "fetch", "mnist", "--to", tmp_path)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[0] == str(tmp_path / "mnist")
    assert f"BIRTHDAY_DATA={tmp_path}" in said.out
    assert {file.name: file.read_bytes() for file in (tmp_path / "mnist").iterdir()} == mnist
    assert len(datasets.load(Mnist(name="mnist"), tmp_path).train) == 6
    assert len(server.asked) == 4
    assert birthday("data", "fetch", "mnist", "--to", tmp_path).code == 0
    assert len(server.asked) == 4


def test_a_set_broken_off_goes_on_where_it_was(
    birthday: Command, server: FileServer, mnist: dict[str, bytes], tmp_path: Path
) -> None:
    first = IDX["mnist"][0].name
    server.hang_up_after = len(mnist[first]) // 2
    said = birthday("data", "fetch", "mnist", "--to", tmp_path)
    assert said.code == 2
    assert said.err.startswith("birthday: ")
    assert said.err.endswith("the same command goes on there\n")
    assert said.err.count("\n") == 1
    server.hang_up_after = None
    assert birthday("data", "fetch", "mnist", "--to", tmp_path).code == 0
    assert server.asked[1] == (f"/{first}", f"bytes={len(mnist[first]) // 2}-")
    assert {file.name: file.read_bytes() for file in (tmp_path / "mnist").iterdir()} == mnist


def test_a_file_that_is_another_is_left_alone(mnist: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "mnist" / IDX["mnist"][2].name
    path.parent.mkdir()
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match=r"t10k-images.*: is there already and is not the published file"):
        fetch.fetch("mnist", tmp_path, unwatched)
    assert path.read_bytes() == b"mine"


def archive(names: list[str], images: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for k, name in enumerate(names):
            content = binary_batch(images, np.full(len(images), k))
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_cifar10_is_unpacked_where_it_is_found(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = archive(["readme.html", *CIFAR10_FILES], np.tile(noise(10, 32), (1000, 1, 1, 1)))
    server.files["/cifar-10-binary.tar.gz"] = packed
    monkeypatch.setattr(fetch, "CIFAR10", Remote(f"{server.url}/cifar-10-binary.tar.gz", digest(packed)))
    monkeypatch.setenv("BIRTHDAY_DATA", str(tmp_path))
    for _ in range(2):
        folder = fetch.fetch("cifar10", None, unwatched)
        assert folder == tmp_path / "cifar10/cifar-10-batches-bin"
        assert sorted(file.name for file in folder.iterdir()) == sorted(CIFAR10_FILES)
        assert [file.name for file in folder.parent.iterdir()] == [folder.name]
    assert len(server.asked) == 1
    data = datasets.load(Cifar10(name="cifar10"), None)
    assert data.train.shape == (50_000, 3, 32, 32)
    assert np.unique(data.train_labels).tolist() == [1, 2, 3, 4, 5]
    where = {row.name: row.where for row in datasets.available(None)}["cifar10"]
    assert where == str(folder)


def test_an_archive_without_a_batch_is_refused(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = archive(CIFAR10_FILES[:-1], noise(1, 32))
    server.files["/c.tar.gz"] = packed
    monkeypatch.setattr(fetch, "CIFAR10", Remote(f"{server.url}/c.tar.gz", digest(packed)))
    with pytest.raises(InputError, match=r"c.tar.gz: cannot be unpacked: .*test_batch.bin"):
        fetch.fetch("cifar10", tmp_path, unwatched)
    assert [file.name for file in (tmp_path / "cifar10").iterdir()] == ["c.tar.gz"]


@pytest.mark.parametrize("name", BY_HAND)
def test_what_nobody_may_fetch_says_which_file_goes_where(
    birthday: Command, tmp_path: Path, name: str
) -> None:
    for words, place in ((("--to", tmp_path), str(tmp_path)), ((), "$BIRTHDAY_DATA")):
        said = birthday("data", "fetch", name, *words)
        assert (said.code, said.out) == (2, "")
        assert said.err.count("\n") == 1
        assert said.err.startswith(f"birthday: {name}: ")
        assert f"{place}/{name}/" in said.err
        assert "https://" in said.err


def test_where_the_photographs_are_to_go_is_where_they_are_looked_for(tmp_path: Path) -> None:
    # The places in the advice are those the loaders look in.
    (tmp_path / "celeba/img_align_celeba").mkdir(parents=True)
    (tmp_path / "lsun/bedroom_train_lmdb").mkdir(parents=True)
    (tmp_path / "lsun/bedroom_train_lmdb/data.mdb").touch()
    where = {row.name: row.where for row in datasets.available(tmp_path)}
    for name, place in (("celeba", "celeba/img_align_celeba"), ("lsun", "lsun/bedroom_train_lmdb")):
        assert f"{{to}}/{place}/" in BY_HAND[name]
        assert where[name].startswith(f"{tmp_path / place}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("mist",),
            "'mist': is no set that can be fetched; allowed: mnist, fashion_mnist, cifar10; did you mean",
        ),
        (("digits",), "'digits': is no set that can be fetched; allowed: mnist, fashion_mnist, cifar10"),
        (("mnist",), "--to: required where BIRTHDAY_DATA is not set"),
    ],
)
def test_other_words_are_one_line(birthday: Command, words: tuple[str, ...], message: str) -> None:
    said = birthday("data", "fetch", *words)
    assert said.code == 2
    assert said.err.startswith(f"birthday: {message}")
    assert said.err.count("\n") == 1


def test_the_published_digests_are_digests() -> None:
    remotes = [*IDX["mnist"], *IDX["fashion_mnist"], fetch.CIFAR10]
    assert len({remote.sha256 for remote in remotes}) == len(remotes)
    assert all(len(bytes.fromhex(remote.sha256)) == 32 for remote in remotes)


def test_the_bar_is_silent_where_there_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with progress_bar() as watch:
        watch("a.bin", 0, None)
        watch("a.bin", 10, 20)
    assert capfd.readouterr() == ("", "")
