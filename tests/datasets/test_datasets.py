"""Data sets: IDX from untrusted bytes, the order of places, downloads from a server of our own."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nnc.datasets import _store, fashion_mnist, idx, iris, load_iris, mnist, read_idx
from nnc.errors import FormatError

BUNDLED_MNIST = Path(__file__).parents[2] / "examples" / "data" / "mnist"


def idx_bytes(array: np.ndarray) -> bytes:
    code = next(c for c, t in idx.TYPES.items() if np.dtype(t) == array.dtype.newbyteorder(">"))
    shape = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, code, array.ndim]) + shape + array.astype(array.dtype.newbyteorder(">")).tobytes()


def read(data: bytes, **options) -> np.ndarray:
    return read_idx(io.BytesIO(data), **options)


# ---- iris


def test_iris_has_the_moments_that_fisher_published():
    # Fisher (1936), table II: means of 50 flowers of a species (cm), for setosa and versicolor.
    x, y = load_iris()
    assert x.shape == (150, 4) and x.dtype == np.float32
    assert y.dtype == np.int64 and y.tolist() == [0] * 50 + [1] * 50 + [2] * 50
    assert len(iris.FEATURE_NAMES) == 4 and iris.CLASS_NAMES[2] == "virginica"
    means = [x[y == k].mean(axis=0, dtype=np.float64) for k in range(3)]
    np.testing.assert_allclose(means[0], [5.006, 3.428, 1.462, 0.246], atol=1e-6)
    np.testing.assert_allclose(means[1], [5.936, 2.770, 4.260, 1.326], atol=1e-6)
    np.testing.assert_allclose(means[2], [6.588, 2.974, 5.552, 2.026], atol=1e-6)


def test_iris_rows_that_the_uci_copy_has_wrong():
    x, _ = load_iris()
    np.testing.assert_array_equal(x[34], np.float32([4.9, 3.1, 1.5, 0.2]))
    np.testing.assert_array_equal(x[37], np.float32([4.9, 3.6, 1.4, 0.1]))


def test_iris_is_scikit_learns():
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    bunch = sklearn_datasets.load_iris()
    x, y = load_iris()
    np.testing.assert_array_equal(x, bunch.data.astype(np.float32))
    np.testing.assert_array_equal(y, bunch.target)
    assert tuple(bunch.feature_names) == iris.FEATURE_NAMES and tuple(bunch.target_names) == iris.CLASS_NAMES


# ---- IDX


@pytest.mark.parametrize("code", idx.TYPES)
@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (3, 5), (2, 0, 4), (2, 3, 4), (2, 1, 3, 2)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_gives_back_every_type_and_rank(code, shape, pack):
    dtype = np.dtype(idx.TYPES[code])
    array = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    data = idx_bytes(array)
    back = read(pack(data), shape=shape, sha256=hashlib.sha256(data).hexdigest())
    assert back.dtype == dtype.newbyteorder("=") and back.flags.c_contiguous and back.flags.writeable
    np.testing.assert_array_equal(back, array)


def test_idx_longer_than_a_chunk_and_by_path(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, idx.CHUNK * 2 + 17).astype(np.uint8)
    for name, pack in (("plain", bytes), ("packed", gzip.compress)):
        (tmp_path / name).write_bytes(pack(idx_bytes(array)))
        np.testing.assert_array_equal(read_idx(tmp_path / name), array)
        np.testing.assert_array_equal(read_idx(str(tmp_path / name)), array)


GOOD = idx_bytes(np.arange(6, dtype=np.uint8).reshape(2, 3))
BAD = {
    "empty": (b"", "ends within its header"),
    "no dimensions yet": (GOOD[:6], "ends within its header"),
    "one byte short": (GOOD[:-1], "1 bytes short|too much for 17 bytes"),
    "one byte more": (GOOD + b"x", "continues after"),
    "first bytes": (b"\1" + GOOD[1:], "not an IDX file"),
    "type": (b"\0\0\x0a" + GOOD[3:], "not an IDX file"),
    "rank 0": (b"\0\0\x08\0", "not an IDX file"),
    "rank 5": (b"\0\0\x08\5" + bytes(20), "not an IDX file"),
    "2**128 elements": (b"\0\0\x08\4" + b"\xff" * 16, "too much for .* bytes"),
    "web page": (b"  <!DOCTYPE html><html>", "web page"),
    "web page with a byte order mark": (b"\xef\xbb\xbf<html>", "web page"),
    "xml": (b"<Error><Code>AccessDenied</Code></Error>", "web page"),
}


@pytest.mark.parametrize("data, message", BAD.values(), ids=BAD)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_idx_refuses(data, message, pack):
    with pytest.raises(FormatError, match=message):
        read(pack(data))


def test_idx_refuses_damaged_gzip():
    packed = gzip.compress(GOOD)
    crc = packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:]
    for data in (packed[:-1], packed[:15], packed[:2], crc, packed + b"rubbish", packed + packed):
        with pytest.raises(FormatError):
            read(data)


def test_idx_refuses_another_shape_or_content():
    with pytest.raises(FormatError, match=r"shape \(2, 3\), expected \(3, 2\)"):
        read(GOOD, shape=(3, 2))
    with pytest.raises(FormatError, match="SHA-256"):
        read(GOOD, sha256="0" * 64)


def test_idx_stops_at_one_byte_more_than_a_bomb_declares():
    bomb = gzip.compress(GOOD + bytes(50_000_000), compresslevel=9)
    file = io.BytesIO(bomb)
    with pytest.raises(FormatError, match="continues after"):
        read_idx(file)
    claim = b"\0\0\x08\1" + (2**32 - 1).to_bytes(4, "big")
    with pytest.raises(FormatError, match=r"too much for .* bytes"):
        read(gzip.compress(claim))


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=64))
@example(b"\0\0\x08\1\0\0\0\0")
def test_idx_fuzz_any_bytes(data):
    for content in (data, b"\0\0\x08" + data, b"\x1f\x8b\x08" + data, gzip.compress(b"\0\0" + data)):
        with contextlib.suppress(FormatError):
            assert read(content).ndim >= 1


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4),
    st.integers(0, 60),
    st.booleans(),
)
def test_idx_fuzz_mutations(changes, length, pack):
    data = bytearray(gzip.compress(GOOD) if pack else GOOD)
    for place, value in changes:
        data[place % len(data)] = value
    with contextlib.suppress(FormatError):
        read(bytes(data[: len(data) if length % 2 else length]))


# ---- the order of places


SHAPES = {
    "train-images-idx3-ubyte": (6, 4, 4),
    "train-labels-idx1-ubyte": (6,),
    "t10k-images-idx3-ubyte": (3, 4, 4),
    "t10k-labels-idx1-ubyte": (3,),
}


class Small:
    """A data set of six and three images in place of a real one."""

    def __init__(self, seed: int, module, monkeypatch):
        rng = np.random.default_rng(seed)
        self.arrays = {name: rng.integers(0, 256, shape, dtype=np.uint8) for name, shape in SHAPES.items()}
        self.module = module
        self.name = module.__name__.rsplit(".", 1)[-1]
        hashes = tuple(hashlib.sha256(idx_bytes(a)).hexdigest() for a in self.arrays.values())
        monkeypatch.setattr(module, "SHA256", hashes)
        monkeypatch.setattr(module, "MIRRORS", ())

    def write(self, folder: Path, suffix: str = "") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in self.arrays.items():
            data = idx_bytes(array)
            (folder / (name + suffix)).write_bytes(gzip.compress(data) if suffix else data)
        return folder

    def is_what(self, result) -> bool:
        (x_train, y_train), (x_test, y_test) = result
        got = (x_train, y_train, x_test, y_test)
        return all(np.array_equal(a, b) for a, b in zip(got, self.arrays.values(), strict=True))


@pytest.fixture
def places(monkeypatch, tmp_path):
    monkeypatch.setattr(_store, "SHAPES", SHAPES)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NNC_DATA_DIR", raising=False)
    monkeypatch.setattr(fashion_mnist, "FOLDERS", ())
    return tmp_path


@pytest.fixture
def small(places, monkeypatch):
    return Small(0, mnist, monkeypatch)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("under", ["", "mnist"])
def test_explicit_folder(small, places, suffix, under):
    small.write(places / "mine" / under, suffix)
    assert small.is_what(mnist.load_data(places / "mine"))
    assert small.is_what(mnist.load_mnist(str(places / "mine")))


def test_explicit_folder_is_the_only_place(small, places, monkeypatch):
    monkeypatch.setenv("NNC_DATA_DIR", str(small.write(places / "data")))
    folder = small.write(places / "mine")
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match=r"mine.*t10k-labels-idx1-ubyte"):
        mnist.load_data(folder)
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        mnist.load_data(places / "nowhere")


@pytest.mark.parametrize("under", ["", "mnist"])
def test_data_dir_comes_before_the_cache(small, places, monkeypatch, under):
    cache = places / "cache" / "nnc" / "mnist"
    cache.mkdir(parents=True)
    for name in SHAPES:
        (cache / name).write_bytes(b"never looked at")
    small.write(places / "data" / under)
    monkeypatch.setenv("NNC_DATA_DIR", str(places / "data"))
    assert small.is_what(mnist.load_data())


def test_one_data_dir_for_both(small, places, monkeypatch):
    other = Small(1, fashion_mnist, monkeypatch)
    small.write(places / "data" / "mnist")
    other.write(places / "data" / "fashion_mnist", ".gz")
    monkeypatch.setenv("NNC_DATA_DIR", str(places / "data"))
    assert small.is_what(mnist.load_data()) and other.is_what(fashion_mnist.load_data())


def test_cache_then_debians_folder(places, monkeypatch):
    other = Small(1, fashion_mnist, monkeypatch)
    debian = other.write(places / "usr", ".gz")
    monkeypatch.setattr(fashion_mnist, "FOLDERS", (str(debian),))
    assert other.is_what(fashion_mnist.load_data())
    cache = other.write(places / "cache" / "nnc" / "fashion_mnist")
    for file in debian.iterdir():
        file.write_bytes(b"never looked at")
    assert other.is_what(fashion_mnist.load_data()) and cache.is_dir()


def test_content_of_another_data_set_is_refused(small, places, monkeypatch):
    other = Small(1, fashion_mnist, monkeypatch)
    with pytest.raises(FormatError, match=r"SHA-256.*not MNIST's file"):
        mnist.load_data(other.write(places / "mine"))


def test_cache_folder(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/else")
    assert _store.cache_folder() == Path("/somewhere/else/nnc")
    for value in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        for platform in ("linux", "darwin", "win32"):
            monkeypatch.setattr(_store.sys, "platform", platform)
            assert _store.cache_folder().is_absolute() and _store.cache_folder().name == "nnc"


# ---- downloads


@pytest.fixture
def server(tmp_path):
    """A local mirror: files in `root`; what is in `answers` goes out instead; `asked` lists the requests."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            name = self.path.rsplit("/", 1)[-1]
            file = root / name
            data = answers.get(name, file.read_bytes() if file.exists() else None)
            if data is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(data) + lie))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    root, answers, asked, lie = tmp_path / "mirror", {}, [], 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        httpd.root, httpd.answers, httpd.asked = root, answers, asked
        httpd.url = f"http://127.0.0.1:{httpd.server_port}/mnist/"
        yield httpd
        httpd.shutdown()
        thread.join()


@pytest.fixture
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


def test_download_goes_to_the_cache_once(small, places, server, monkeypatch, no_proxy, capfd):
    small.write(server.root, ".gz")
    monkeypatch.setattr(mnist, "MIRRORS", (server.url,))
    assert small.is_what(mnist.load_data())
    assert server.asked == [f"/mnist/{name}.gz" for name in SHAPES]
    cache = places / "cache" / "nnc" / "mnist"
    assert sorted(os.listdir(cache)) == sorted(f"{name}.gz" for name in SHAPES)
    assert small.is_what(mnist.load_data()) and len(server.asked) == 4
    (cache / "train-labels-idx1-ubyte.gz").unlink()
    assert small.is_what(mnist.load_data()) and server.asked[4:] == ["/mnist/train-labels-idx1-ubyte.gz"]
    assert capfd.readouterr() == ("", "")  # the bar is for terminals


def test_download_tries_the_next_mirror(small, server, monkeypatch, no_proxy):
    small.write(server.root, ".gz")
    labels = idx_bytes(np.zeros(6, np.uint8))
    server.answers["train-labels-idx1-ubyte.gz"] = gzip.compress(labels)
    monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1:9/closed/", server.url))
    with pytest.raises(ConnectionError, match="SHA-256"):
        mnist.load_data()
    del server.answers["train-labels-idx1-ubyte.gz"]
    assert small.is_what(mnist.load_data())


@pytest.mark.parametrize(
    "answer, message",
    [
        (None, "404"),
        (b"<html>please log in</html>", "web page"),
        (gzip.compress(idx_bytes(np.zeros((6, 4, 4), np.uint8))), "SHA-256"),
        (gzip.compress(idx_bytes(np.zeros((7, 4, 4), np.uint8))), "shape"),
        (b"\x1f\x8b" + bytes(100_000), "longer than"),
        (b"", "header"),
    ],
    ids=["missing", "web page", "another content", "another shape", "endless", "empty"],
)
def test_failed_download_says_what_to_do_and_leaves_nothing(
    small, places, server, monkeypatch, no_proxy, answer, message
):
    server.root.mkdir()
    if answer is not None:
        server.answers["train-images-idx3-ubyte.gz"] = answer
    monkeypatch.setattr(mnist, "MIRRORS", (server.url,))
    with pytest.raises(ConnectionError, match=message) as caught:
        mnist.load_data()
    text = str(caught.value)
    cache = places / "cache" / "nnc" / "mnist"
    for part in (*SHAPES, server.url, str(cache), "NNC_DATA_DIR", "folder"):
        assert part in text
    assert os.listdir(cache) == []


def test_silent_server_times_out(small, monkeypatch, no_proxy):
    import socket

    monkeypatch.setattr(_store, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setattr(mnist, "MIRRORS", (f"http://127.0.0.1:{deaf.getsockname()[1]}",))
        with pytest.raises(ConnectionError, match="timed out"):
            mnist.load_data()


# ---- the real files


def test_mnist_that_the_example_reads():
    (x_train, y_train), (x_test, y_test) = mnist.load_data(BUNDLED_MNIST)
    assert x_train.shape == (60000, 28, 28) and x_train.dtype == np.uint8 and y_train.dtype == np.uint8
    assert x_test.shape == (10000, 28, 28) and y_test.shape == (10000,)
    assert y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4] and y_test[:3].tolist() == [7, 2, 1]
    assert np.bincount(y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    # its well-known mean and standard deviation, of pixels scaled to 0 .. 1
    share = np.bincount(x_train.reshape(-1), minlength=256) / x_train.size
    pixel = np.arange(256) / 255
    mean = share @ pixel
    assert round(mean, 4) == 0.1307 and round(np.sqrt(share @ (pixel - mean) ** 2), 4) == 0.3081
