"""Files that are written at once: whoever reads one finds it whole."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from nnc._config import refusal

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

# Of one length, whatever the file is called: a name of 255 bytes is as long as file systems take.
_TEMPORARY = re.compile(r"\.nnc-[0-9a-f]{16}\.tmp")


def path_of(name: str, value: Any) -> str:
    """`value` as a path in a str: a str, bytes or os.PathLike, as `open` takes them; no descriptor."""
    try:
        path = os.fsdecode(value)
    except TypeError:
        raise refusal(name, "a path: a str, bytes or os.PathLike", value, TypeError) from None
    if "\0" in path:
        raise refusal(name, "a path without null characters", value)
    return path


def write_parts(path: str | bytes | os.PathLike[Any], parts: Iterable[bytes | memoryview]) -> None:
    """Write a file at once: whatever happens, there is the old file or the new one, whole.

    The new file has the permissions and, where that is allowed, the owner of the old one. Nothing else stays
    behind, but for a temporary file if the process is killed, which the next write into that folder removes.

    Raises
    ------
    OSError
        If it cannot be written, or if there is something else than a regular file: that stays as it is. The
        error names `path`.
    """
    with _written(path, parts) as put:
        put()


def write_all(files: Mapping[str, bytes]) -> None:
    """Write files, each as `write_parts`; none takes its place before all of them are on the disk."""
    with contextlib.ExitStack() as stack:
        for put in [stack.enter_context(_written(path, [data])) for path, data in files.items()]:
            put()


@contextlib.contextmanager
def _written(
    path: str | bytes | os.PathLike[Any], parts: Iterable[bytes | memoryview]
) -> Iterator[Callable[[], None]]:
    """A temporary file of these parts, on the disk; what is yielded puts it in its place."""
    name = os.fsdecode(path)
    with naming(name):
        before = _regular(name)
        target = os.path.realpath(name)  # through a symbolic link, which stays
        folder = os.path.dirname(target)
        _remove_left_over(folder)
        descriptor, temporary = _create(folder, before)

    def put() -> None:
        with naming(name):
            if fcntl is None:  # Windows does not rename open files
                file.close()
            os.replace(temporary, target)  # the lock holds until the temporary file has its name
            sync_folder(folder)

    try:
        with open(descriptor, "wb") as file:
            with naming(name):
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(descriptor)
            yield put
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def write_bytes(path: str | bytes | os.PathLike[Any], data: bytes) -> None:
    """Write a file at once, as `write_parts`."""
    write_parts(path, [data])


@contextlib.contextmanager
def naming(path: str) -> Iterator[None]:
    """An OSError inside is of the same kind and names `path`, rather than nothing or a temporary file."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, path) from error


def sync_folder(folder: str) -> None:
    """Bring a new name in `folder` to the disk, where folders can be opened and synced."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # one may be allowed to write into it, but not to read it
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _regular(path: str) -> os.stat_result | None:
    """What is known of the file at `path`, None if there is none; an OSError if it is no regular file."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "only a regular file can be replaced, and this is none", path)
    return found


def _create(folder: str, like: os.stat_result | None) -> tuple[int, str]:
    """A new temporary file, locked: its descriptor and its path; of the mode and owner of `like`."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    while True:
        path = os.path.join(folder, f".nnc-{os.urandom(8).hex()}.tmp")
        # Not tempfile's, which nobody else could read: the umask decides.
        descriptor = os.open(path, flags, 0o666 if like is None else 0o600)
        with contextlib.suppress(OSError):  # a file system without locks: nobody removes what is left
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
    """Remove the temporary files of processes that were killed: those that nobody holds a lock on."""
    if fcntl is None:
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for path in [entry.path for entry in entries if _TEMPORARY.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):  # it is being written, gone, or another user's
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(path)
                finally:
                    os.close(descriptor)
