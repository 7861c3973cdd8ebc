"""Saving: special files and permissions are kept, temporary files of killed processes are removed."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from safetensors.numpy import save

import nnc
from nnc import FormatError, Sequential, _files, callbacks, layers, load_model
from nnc.models import tensorfile

READERS = [load_model, nnc.datasets.read_idx]
if importlib.util.find_spec("h5py"):  # from the extra "keras"
    READERS.append(nnc.load_keras)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX files")


@pytest.fixture
def model():
    return Sequential([layers.Input((3,)), layers.Dense(2)], seed=0)


def names(folder):
    return sorted(os.listdir(folder))


# ------------------------------------------------------------------------------ existing files


def make_fifo(path):
    os.mkfifo(path)


def make_socket(path):
    import socket

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


def make_loop(path):
    path.symlink_to(path.name + "-back")
    path.with_name(path.name + "-back").symlink_to(path.name)


def make_device(path):
    try:  # not one of the system's own devices: a failing test must not harm them
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root can create devices")


def make_link_to_a_device(path):
    make_device(path.with_name("device"))
    path.symlink_to("device")


@pytest.mark.parametrize("make", [make_fifo, make_socket, make_loop, make_device, make_link_to_a_device])
def test_what_is_no_regular_file_stays(make, model, tmp_path):
    path = tmp_path / "model"
    make(path)
    before = names(tmp_path), os.lstat(path)
    for saving in (model.save, model.save_weights):
        with pytest.raises(OSError, match=r"regular file|symbolic links") as caught:
            saving(path)
        assert caught.value.filename == str(path)
    assert (names(tmp_path), os.lstat(path).st_ino) == (before[0], before[1].st_ino)
    assert stat.S_IFMT(os.lstat(path).st_mode) == stat.S_IFMT(before[1].st_mode)
    for read in READERS:  # none of them blocks
        with pytest.raises((FormatError, OSError)):
            read(path)


def test_devices_are_not_read():
    for read in READERS:
        with pytest.raises(FormatError, match="/dev/zero: this is not a regular file"):
            read("/dev/zero")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o666])
def test_permissions_stay(mode, model, tmp_path):
    path = tmp_path / "model"
    model.save(path)
    path.chmod(mode)
    old = os.umask(0o022)
    try:
        model.save(path)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_goes_by_the_umask(model, tmp_path):
    old = os.umask(0o027)
    try:
        model.save(tmp_path / "model")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o640


def test_a_hidden_file_is_never_readable_by_others(model, tmp_path, monkeypatch):
    """The temporary file for a file of mode 0600 has this mode before anything is written to it."""
    path = tmp_path / "model"
    model.save(path)
    path.chmod(0o600)
    seen = []
    create = _files._create

    def watched(folder, like):
        descriptor, temporary = create(folder, like)
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor, temporary

    monkeypatch.setattr(_files, "_create", watched)
    model.save(path)
    assert seen == [0o600]


# ------------------------------------------------------------------------------------------ names


@pytest.mark.parametrize("length", [1, 229, 230, 240, 255])
def test_long_names(length, model, tmp_path):
    path = tmp_path / ("m" * length)
    for _ in range(2):
        model.save(path)
    assert names(tmp_path) == [path.name]
    np.testing.assert_array_equal(load_model(path).get_weights()[0], model.get_weights()[0])


def test_too_long_a_name_is_an_error_that_names_it(model, tmp_path):
    with pytest.raises(OSError) as caught:
        model.save(tmp_path / ("m" * 256))
    assert caught.value.errno == errno.ENAMETOOLONG and caught.value.filename.endswith("m" * 256)
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["", "new/", "new/.", "new/..", "gone/../model", "folder/../gone/../model"])
def test_what_names_no_file_is_not_written_elsewhere(name, model, tmp_path, monkeypatch):
    """Names that `open` would refuse are not rewritten to ones that it would take."""
    (tmp_path / "here" / "folder").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    for saving in (model.save, model.save_weights, model.checkpoint):
        with pytest.raises(FileNotFoundError) as caught:
            saving(name)
        assert caught.value.filename == name
    assert names(tmp_path) == ["here"] and names(tmp_path / "here") == ["folder"]


def test_links_to_files_that_do_not_exist_yet(model, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/model")
    (tmp_path / "lost").symlink_to("gone/model")
    model.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and names(tmp_path / "folder") == ["model"]
    with pytest.raises(FileNotFoundError):
        model.save(tmp_path / "lost")
    assert names(tmp_path) == ["folder", "link", "lost"]


def test_bytes_paths(model, tmp_path):
    path = os.fsencode(tmp_path) + b"/m\xff\xe9"  # not UTF-8
    model.save(path)
    model.save(path)
    with pytest.raises(FileExistsError):
        model.save(path, overwrite=False)
    model.save_weights(path)
    model.load_weights(path)
    np.testing.assert_array_equal(load_model(path).get_weights()[0], model.get_weights()[0])
    assert os.listdir(os.fsencode(tmp_path)) == [b"m\xff\xe9"]
    model.compile("sgd", "mse")
    given = [
        callbacks.ModelCheckpoint(os.fsencode(tmp_path) + b"/at-{epoch}"),
        callbacks.CSVLogger(os.fsencode(tmp_path / "log")),
    ]
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0, callbacks=given)
    assert {"at-1", "log"} <= set(names(tmp_path))


@pytest.mark.parametrize("value", [3, None, 1.5, ["a"], "a\0b"])
def test_what_is_no_path(value, model):
    calls = [model.save, model.save_weights, model.load_weights, load_model, callbacks.ModelCheckpoint]
    for call in calls:
        with pytest.raises((TypeError, ValueError), match="filepath must be a path"):
            call(value)


# ----------------------------------------------------------------------------------------- errors


def test_a_full_disk_names_the_file(model, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "model"
    model.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        model.save(path)
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before and names(tmp_path) == ["model"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root can write anywhere")
def test_a_folder_that_may_not_be_written_names_the_file(model, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError) as caught:
        model.save(tmp_path / "model")
    assert caught.value.filename == str(tmp_path / "model")
    tmp_path.chmod(0o700)


def test_a_missing_folder_names_the_file(model, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        model.save(tmp_path / "none" / "model")
    assert caught.value.filename == str(tmp_path / "none" / "model")


# ------------------------------------------------------------------------------------------- kills

SAVING = """
    import sys, numpy as np, nnc
    model = nnc.Sequential([nnc.layers.Dense(200, input_dim=200)], seed=0)
    number = 0
    while True:
        model.set_weights([np.full((200, 200), number), np.full(200, number)])
        model.save(sys.argv[1])
        if number == 0:
            print("ready", flush=True)
        number += 1
"""


def start_saving(path):
    command = [sys.executable, "-c", textwrap.dedent(SAVING), str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_kills_while_saving(trials, tmp_path, model):
    """SIGKILL at random moments: the file is always complete, and the next save removes temporary files."""
    rng = np.random.default_rng(trials.seed)
    path, left = tmp_path / "model", 0
    for _ in range(trials(12, 1000)):
        process = start_saving(path)
        time.sleep(rng.uniform(0, 0.01))
        kill(process)
        left += len(names(tmp_path)) - 1
        kernel, bias = load_model(path).get_weights()
        assert (kernel == bias[0]).all() and (bias == bias[0]).all()
        assert len(names(tmp_path)) <= 2  # the temporary file of the last kill: all earlier ones are gone
    model.save(path)
    assert names(tmp_path) == ["model"]
    print(f"{left} temporary files were left behind and removed")


def test_temporary_files_of_dead_writers_are_removed_and_no_others(model, tmp_path):
    stale = tmp_path / ".nnc-0123456789abcdef.tmp"
    stale.write_bytes(b"left")
    for other in (".nnc-x.tmp", "nnc-0123456789abcdef.tmp", ".nnc-0123456789abcdef.tmp2", ".model.tmp"):
        (tmp_path / other).write_bytes(b"not ours")
    descriptor, held = _files._create(str(tmp_path), None)  # a file that is being written
    model.save(tmp_path / "model")
    assert os.path.exists(held) and not stale.exists()
    os.close(descriptor)
    model.save(tmp_path / "other")  # into the same folder
    assert not os.path.exists(held)
    kept = [".model.tmp", ".nnc-0123456789abcdef.tmp2", ".nnc-x.tmp", "model", "nnc-0123456789abcdef.tmp"]
    assert names(tmp_path) == sorted([*kept, "other"])


def test_many_savers_at_once(tmp_path):
    """Threads and processes that save to the same file do not remove each other's temporary files."""
    import threading

    path, errors = tmp_path / "model", []

    def save_often(number):
        mine = Sequential([layers.Input((30,)), layers.Dense(30)], seed=number)
        mine.set_weights([np.full((30, 30), number), np.full(30, number)])
        try:
            for _ in range(40):
                mine.save(path)
                kernel, bias = load_model(path).get_weights()
                assert (kernel == bias[0]).all() and (bias == bias[0]).all()
        except BaseException as error:
            errors.append(error)

    process = start_saving(tmp_path / "beside")
    threads = [threading.Thread(target=save_often, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kill(process)
    assert errors == []
    Sequential([layers.Dense(1)]).save(path)
    assert names(tmp_path) == ["beside", "model"]


# --------------------------------------------------------------------- files that change during reading


def test_rewritten_while_loaded(tmp_path):
    """A file that another process truncates and rewrites in place: a model or FormatError, no SIGBUS."""
    path = tmp_path / "model"
    nnc.Sequential([layers.Input((400,)), layers.Dense(800)], seed=0).save(path)
    writing = """
        import sys
        data = open(sys.argv[1], "rb").read()
        print("ready", flush=True)
        while True:
            with open(sys.argv[1], "r+b") as file:
                file.truncate(len(data) // 3)
                file.write(data)
    """
    loading = """
        import sys, nnc, time
        end, outcomes = time.monotonic() + 1.5, {}
        while time.monotonic() < end:
            try:
                nnc.load_model(sys.argv[1])
                outcome = "loaded"
            except nnc.FormatError:
                outcome = "refused"
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
        print(outcomes)
    """
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(writing), str(path)], stdout=subprocess.PIPE
    )
    writer.stdout.readline()
    try:
        command = [sys.executable, "-c", textwrap.dedent(loading), str(path)]
        found = subprocess.run(command, capture_output=True, text=True)
    finally:
        kill(writer)
    assert found.returncode == 0, (found.returncode, found.stderr)
    assert "refused" in found.stdout


@pytest.mark.parametrize("change", ["truncate", "rewrite", "replace"])
def test_changed_between_the_header_and_the_tensors(change, model, tmp_path):
    path = tmp_path / "model"
    model.save(path)
    data = path.read_bytes()
    os.utime(path, ns=(1, 1))  # the clocks of file systems are coarse
    with tensorfile.TensorFile(str(path)) as file:
        if change == "truncate":
            os.truncate(path, len(data) - 4)
        elif change == "rewrite":
            path.write_bytes(data[:-4] + b"abcd")
        else:
            model.set_weights([w + 1 for w in model.get_weights()])
            model.save(path)
        changed = pytest.raises(FormatError, match="while it was read")
        with contextlib.nullcontext() if change == "replace" else changed:
            tensors = file.read(file.header)
    if change == "replace":  # the opened file is a different one, and complete
        path.write_bytes(data)
        with tensorfile.TensorFile(str(path)) as file:
            assert save(tensors, {}) == save(file.read(file.header), {})


# ------------------------------------------------------------------------------- the written bytes


@pytest.mark.parametrize("backend", ["compiled", "reference"])
def test_bytes_are_those_of_the_library(backend, tmp_path):
    model = Sequential([layers.Dense(3, name="é"), layers.BatchNormalization(name="\N{SNOWMAN}\n")], seed=0)
    model.compile("adam", "mse", backend=backend)
    model.fit(np.ones((4, 2)), np.ones((4, 3)), epochs=2, verbose=0)
    model.save(tmp_path / "model")
    with tensorfile.TensorFile(str(tmp_path / "model")) as file:
        tensors, metadata = file.read(file.header), file.metadata
    assert (tmp_path / "model").read_bytes() == save(tensors, metadata)
    strange = {
        "a": np.zeros((0, 3), np.float32),
        "b": np.array(2.0),
        "c": np.arange(3),
        "d": np.ones((2, 2)).T,
    }
    tensorfile.write(str(tmp_path / "strange"), strange, {"k": "v"})
    copied = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in strange.items()}
    assert (tmp_path / "strange").read_bytes() == save(copied, {"k": "v"})
    with tensorfile.TensorFile(str(tmp_path / "strange")) as file:
        for name, array in file.read(strange).items():
            np.testing.assert_array_equal(array, strange[name])


def test_what_could_not_be_read_is_not_written(tmp_path):
    model = Sequential([layers.Input((1,))])
    for _ in range(4096):
        model.add(layers.Dense(1))
    with pytest.raises(ValueError, match="too many layers for a file"):
        model.save(tmp_path / "model")
    assert names(tmp_path) == []
