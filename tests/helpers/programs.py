"""Programs that tests run in processes of their own."""

import os
import subprocess
import sys


def run(code, timeout=100, **environment):
    """The lines that a Python program prints; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout.splitlines()
