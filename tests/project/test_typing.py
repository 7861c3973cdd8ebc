"""The user's program that the type checkers read (see CONTRIBUTING.md) also runs."""

import runpy
from pathlib import Path

import matplotlib

SCRIPT = Path(__file__).parents[1] / "typing" / "user_script.py"


def test_user_script(tmp_path, capsys):
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    runpy.run_path(str(SCRIPT))["main"](tmp_path)
    plt.close("all")
    written = {path.name for path in tmp_path.iterdir()}
    assert written >= {"best.safetensors", "log.csv", "flowers.safetensors", "curves.png", "trials.csv"}
    assert "dense" in capsys.readouterr().out  # the summary's
