"""Files that are written at once: whoever reads one finds it whole."""

from __future__ import annotations

import contextlib
import os


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file at once: whatever happens, there is the old file or the new one, whole.

    Nothing else stays behind, but for a temporary file if the process is killed.
    """
    target = os.path.realpath(path)  # through a symbolic link, which stays
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name}.{os.urandom(6).hex()}.tmp")
    # Not tempfile's, which nobody else could read: the umask decides.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if os.name == "posix":  # the name is on the disk only when the folder is
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
