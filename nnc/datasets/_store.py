"""Locating the files of a data set: searched for on this machine, else downloaded into the cache.

A file is found by its name but accepted only by its SHA-256, so it does not matter where it comes from.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nnc.datasets.idx import CHUNK, read_idx
from nnc.errors import FormatError

Folder = str | os.PathLike[str]
Split = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]  # (x, y) to train on, to test on

TIMEOUT = 30.0  # seconds without a byte from a server
SHAPES = {
    "train-images-idx3-ubyte": (60000, 28, 28),
    "train-labels-idx1-ubyte": (60000,),
    "t10k-images-idx3-ubyte": (10000, 28, 28),
    "t10k-labels-idx1-ubyte": (10000,),
}


def load(
    name: str,
    title: str,
    sha256: tuple[str, ...],
    mirrors: tuple[str, ...],
    folder: Folder | None,
    more_folders: Sequence[Folder] = (),
) -> Split:
    """((x_train, y_train), (x_test, y_test)) of a data set in the format of MNIST.

    `sha256` belongs to the files of SHAPES in their order; `folder`, if given, is the only place that is
    searched.
    """
    places = _places(name, folder, more_folders)
    arrays = []
    for (file, shape), digest in zip(SHAPES.items(), sha256, strict=True):
        path = _find(file, places)
        if path is None:
            if folder is not None:
                raise FileNotFoundError(
                    f"folder={os.fspath(folder)!r} has no {file} or {file}.gz; {title} is the four files "
                    f"{', '.join(SHAPES)}, plain or as .gz"
                )
            path = _download(file, shape, digest, name, title, mirrors)
        arrays.append(_read(path, shape, digest, title))
    x_train, y_train, x_test, y_test = arrays
    return (x_train, y_train), (x_test, y_test)


def cache_folder() -> Path:
    """nnc's folder in XDG_CACHE_HOME or else in the platform's cache folder."""
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):  # the XDG specification says to ignore relative paths
        base = Path(xdg)
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path.home() / ".cache"
    return base / "nnc"


def _places(name: str, folder: Folder | None, more_folders: Sequence[Folder]) -> list[Path]:
    # The subfolder first: the files of MNIST and Fashion-MNIST have the same names.
    def both(parent: Folder) -> list[Path]:
        return [Path(parent) / name, Path(parent)]

    if folder is not None:
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"folder={os.fspath(folder)!r} is not a folder")
        return both(folder)
    data_dir = os.environ.get("NNC_DATA_DIR")
    return [*(both(data_dir) if data_dir else []), cache_folder() / name, *map(Path, more_folders)]


def _find(file: str, places: list[Path]) -> Path | None:
    candidates = (place / (file + suffix) for place in places for suffix in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _read(path: Path, shape: tuple[int, ...], digest: str, title: str) -> np.ndarray:
    try:
        return read_idx(path, shape=shape, sha256=digest)
    except FormatError as error:
        raise FormatError(f"{error}. It is not {title}'s file of this name: replace or remove it") from None


def _download(
    file: str, shape: tuple[int, ...], digest: str, name: str, title: str, mirrors: tuple[str, ...]
) -> Path:
    """Download `file` into the cache, atomically and verified, and return its path."""
    import http.client

    target = cache_folder() / name / (file + ".gz")
    failures = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{file}.gz"
        try:
            _fetch(url, target, shape, digest)
            return target
        except (OSError, http.client.HTTPException, FormatError) as error:
            failures.append(f"  {url}: {str(error) or type(error).__name__}")
    raise ConnectionError(
        f"{title} is not on this machine and could not be downloaded:\n"
        + "\n".join(failures)
        + f"\nWithout a network: download {', '.join(f'{f}.gz' for f in SHAPES)}\non another machine from "
        + " or ".join(mirrors)
        + f"\nand put them into {target.parent}, or into any folder and name that folder in the environment "
        "variable NNC_DATA_DIR or in the argument `folder`"
    )


def _fetch(url: str, target: Path, shape: tuple[int, ...], digest: str) -> None:
    """Download one gzip file to a temporary file next to `target`, verify it and rename it."""
    import tempfile
    import urllib.request

    from tqdm import tqdm

    target.parent.mkdir(parents=True, exist_ok=True)
    request = urllib.request.Request(url, headers={"User-Agent": "nnc"})
    descriptor, part = tempfile.mkstemp(prefix=target.name + ".", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                total = response.headers.get("Content-Length", "")
                total = int(total) if total.isdecimal() else None
                # disable=None: the bar is shown on terminals only
                with tqdm(total=total, unit="B", unit_scale=True, desc=target.name, disable=None) as bar:
                    _copy(response, file, 2 * int(np.prod(shape)) + 4096, bar.update)
            file.flush()
            os.fsync(file.fileno())
        read_idx(part, shape=shape, sha256=digest)
        os.replace(part, target)
    finally:
        if os.path.exists(part):
            os.unlink(part)


def _copy(response: BinaryIO, file: BinaryIO, limit: int, report: Callable[[int], Any]) -> None:
    """Copy `response` to `file`; fail as soon as it is longer than any compression of the data could be."""
    copied = 0
    while data := response.read(CHUNK):
        copied += len(data)
        if copied > limit:
            raise FormatError(f"the response is longer than {limit} bytes: not the file that was requested")
        file.write(data)
        report(len(data))
