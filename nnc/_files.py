"""Atomic writes of files: a reader never sees an incomplete file."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any

from nnc._config import refusal

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

# Of fixed length, independent of the target's name: file systems limit names to 255 bytes.
_TEMPORARY = r"\.nnc-[0-9a-f]{16}\.tmp"


def path_of(name: str, value: Any) -> str:
    """`value` as a path in a str: a str, bytes or os.PathLike, as `open` takes them, but not a descriptor."""
    try:
        path = os.fsdecode(value)
    except TypeError:
        raise refusal(name, "a path: a str, bytes or os.PathLike", value, TypeError) from None
    if "\0" in path:
        raise refusal(name, "a path without null characters", value)
    return path


def open_nonblocking(path: str | os.PathLike[str], buffering: int = -1) -> IO[bytes]:
    """Open a file for reading; opening a FIFO does not wait for a writer."""
    nonblocking = getattr(os, "O_NONBLOCK", 0)
    return open(path, "rb", buffering, opener=lambda name, flags: os.open(name, flags | nonblocking))


def is_regular(descriptor: int) -> bool:
    """Whether an open file is a regular one, neither a device nor a pipe."""
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def write_parts(
    path: str | bytes | os.PathLike[Any],
    parts: Iterable[bytes | memoryview],
    written: Callable[[], None] = lambda: None,
) -> None:
    """Write a file atomically: whatever happens, there is either the complete old file or the new one.

    The new file has the permissions and, if the system allows it, the owner of the old one. Nothing else is
    left behind, except a temporary file if the process is killed; the next write to that folder removes it.
    `written` is called after the last part, before waiting for the disk.

    Raises
    ------
    OSError
        If it cannot be written, or if `path` exists and is not a regular file: it is then left as it is. The
        error names `path`.
    """
    with _written(path, parts, written) as put:
        put()


def write_all(files: Mapping[str, bytes]) -> None:
    """Write files, each as `write_parts`; none replaces its target before all of them are on the disk."""
    with contextlib.ExitStack() as stack:
        for put in [stack.enter_context(_written(path, [data])) for path, data in files.items()]:
            put()


@contextlib.contextmanager
def _written(
    path: str | bytes | os.PathLike[Any],
    parts: Iterable[bytes | memoryview],
    written: Callable[[], None] = lambda: None,
) -> Iterator[Callable[[], None]]:
    """Write the parts to a temporary file on the disk; yield the function that renames it to `path`."""
    name = os.fsdecode(path)
    with naming(name):
        before = _regular(name)
        os.stat(os.path.dirname(name) or (name and "."))  # realpath drops "gone/.." and the end of "new/"
        target = os.path.realpath(name)  # a symbolic link is followed and kept
        folder = os.path.dirname(target)
        _remove_left_over(folder)
        descriptor, temporary = _create(folder, before)

    def put() -> None:
        with naming(name):
            if fcntl is None:  # Windows does not rename open files
                file.close()
            os.replace(temporary, target)  # the lock is held until the temporary file is renamed
            sync_folder(folder)

    try:
        with open(descriptor, "wb") as file:
            with naming(name):
                for part in parts:
                    file.write(part)
                file.flush()
                written()
                os.fsync(descriptor)
            yield put
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def write_bytes(path: str | bytes | os.PathLike[Any], data: bytes) -> None:
    """Write a file atomically, as `write_parts`."""
    write_parts(path, [data])


@contextlib.contextmanager
def naming(path: str) -> Iterator[None]:
    """Re-raise an OSError of the same kind that names `path`, instead of nothing or a temporary file."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, path) from error


def sync_folder(folder: str) -> None:
    """Flush a new name in `folder` to the disk, on systems where folders can be opened and synced."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # it may be writable, but not readable
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _regular(path: str) -> os.stat_result | None:
    """The stat of the file at `path`, None if there is none; an OSError if it is not a regular file."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file, and only regular files can be replaced", path)
    return found


def _create(folder: str, like: os.stat_result | None) -> tuple[int, str]:
    """Create a locked temporary file with the mode and owner of `like`; return its descriptor and path."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    while True:
        path = os.path.join(folder, f".nnc-{os.urandom(8).hex()}.tmp")
        # Not the mode of tempfile, which only the owner can read: the umask decides.
        descriptor = os.open(path, flags, 0o666 if like is None else 0o600)
        with contextlib.suppress(OSError):  # on a file system without locks, leftovers are never removed
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.name == "posix" and os.fstat(descriptor).st_nlink == 0:  # removed before it was locked
            os.close(descriptor)
            continue
        if like is not None and os.name == "posix":
            if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                with contextlib.suppress(OSError):
                    os.fchown(descriptor, like.st_uid, like.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
        return descriptor, path


def _remove_left_over(folder: str) -> None:
    """Remove the temporary files of killed processes: those that are not locked."""
    if fcntl is None:
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for path in [entry.path for entry in entries if re.fullmatch(_TEMPORARY, entry.name)]:
            with contextlib.suppress(OSError):  # it is being written, gone, or another user's
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(path)
                finally:
                    os.close(descriptor)
