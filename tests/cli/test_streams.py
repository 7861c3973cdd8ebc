"""What the commands print, and where: closed and full streams, encodings, control characters, JSON."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
import termios
import tty

import numpy as np
import pytest

import nnc as nnc_package
from nnc.cli.output import printable

TRAIN = ("train", "iris.csv", "--target", "species", "--epochs", 2, "--no-pictures", "--output", "out")
COMMANDS = (
    ("--help",),
    ("--version",),
    ("train", "--help"),
    ("info",),
    ("summary", "m/model.safetensors"),
    ("predict", "m/model.safetensors", "iris.csv"),
    ("export", "m/model.safetensors", "flowers.c"),
    TRAIN,
    ("search", *TRAIN[1:], "--trials", 1, "--jobs", 1),
)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_full_disk_behind_stdout(words, process, model):
    with open("/dev/full", "w") as full:
        run = process(*words, stdout=full)
        err = run.communicate(timeout=60)[1]
    assert err.splitlines()[-1] == "nnc: the output: No space left on device" and run.returncode == 1
    assert "Traceback" not in err and "Exception" not in err


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_nobody_reads(words, process, model):
    ours, theirs = os.pipe()
    os.close(ours)
    run = process(*words, stdout=theirs)
    os.close(theirs)
    err = run.communicate(timeout=60)[1]
    assert run.returncode == 141
    assert all(line.startswith(("nnc: the validation loss may", "1 trials, ")) for line in err.splitlines())


def test_closed_streams(process, model):
    run = process("info", preexec_fn=lambda: os.close(1), stdout=None)
    said = "nnc: stdout is closed; for no output, redirect it to /dev/null\n"
    assert run.communicate(timeout=60)[1] == said and run.returncode == 2
    run = process("predict", model, "iris.csv", preexec_fn=lambda: os.close(2), stderr=None)
    assert run.communicate(timeout=60)[0].startswith("species,p(setosa)") and run.returncode == 0
    run = process("train", "no.csv", "--target", "x", preexec_fn=lambda: os.close(2), stderr=None)
    assert run.communicate(timeout=60)[0] == "" and run.returncode == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_behind_stderr(process):
    for words in (("train", "no.csv", "--target", "x"), ("train", "iris.csv"), ("summary", "iris.csv")):
        with open("/dev/full", "w") as full:
            run = process(*words, stderr=full)
            assert run.communicate(timeout=60)[0] == "" and run.returncode == 2


def test_an_encoding_without_the_letters(process, folder):
    (folder / "t.csv").write_text("a,b\n" + "1,näh\n2,fern\n3,näh\n4,fern\n" * 10, encoding="utf-8")
    words = ("train", "t.csv", "--target", "b", "--epochs", 1, "--no-pictures", "--output", "out")
    run = process(*words, environment={"PYTHONIOENCODING": "ascii"})
    out, err = run.communicate(timeout=60)
    said = "nnc: 'ä' cannot be written in the encoding ascii; set PYTHONIOENCODING=utf-8"
    assert (run.returncode, err.encode("ascii", "backslashreplace").decode()) == (
        2,
        said.replace("ä", "\\xe4") + "\n",
    )
    run = process(*words, "--json", environment={"PYTHONIOENCODING": "ascii"})
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 0 and json.loads(out)["classes"] == ["fern", "näh"]


def test_names_that_would_control_the_terminal(nnc, folder):
    """Escapes and line ends in names are shown, not obeyed; CSV and JSON contain them as they are."""
    rows = "".join(f'{i},{i % 7},"{["x y", chr(27) + "[2Jred"][i % 2]}"\n' for i in range(40))
    (folder / "t.csv").write_text(f'"a\nb","\x1b]0;title\x07",y\n{rows}')
    words = ("train", "t.csv", "--target", "y", "--epochs", 2, "--output", "out")
    ended = nnc(*words)
    assert ended.status == 0
    printed = ended.out + ended.err + (folder / "out" / "report.md").read_text()
    assert all(c.isprintable() or c == "\n" for c in printed) and r"\x1b[2Jred" in printed
    assert r"a\nb, \x1b]0;title\x07" in printed
    assert json.loads(nnc(*words, "--json", "--no-pictures").out)["classes"] == ["\x1b[2Jred", "x y"]
    ended = nnc("summary", "out/model.safetensors")
    assert all(c.isprintable() or c == "\n" for c in ended.out)
    assert nnc("predict", "out/model.safetensors", "t.csv").out.startswith("y,p(\x1b[2Jred),p(x y)\n")
    assert (
        nnc("train", "\x1b[2J.csv", "--target", "y").err == "nnc: \\x1b[2J.csv: No such file or directory\n"
    )
    assert nnc("train", "iris.csv", "\x1b[2J", "a\nb").err.count("\n") == 1


def test_printable():
    assert printable("a é 猫\t") == "a é 猫\\t"
    assert printable("\x1b\r\n\u202e\udcff") == "\\x1b\\r\\n\\u202e\\udcff"


def test_names_that_look_like_formulas(nnc, folder):
    """Class names with $ and _ in figures, whatever the user's settings of Matplotlib are."""
    import matplotlib

    names = [r"$\frac{1$", "$_a$", "_b", "c" * 200]
    rows = "".join(f"{i},{names[i % 4]}\n" for i in range(80))
    (folder / "t.csv").write_text("a,b\n" + rows)
    with matplotlib.rc_context({"text.usetex": True, "text.parse_math": True}):
        ended = nnc("train", "t.csv", "--target", "b", "--epochs", 2, "--output", "out")
    assert ended.status == 0 and "confusion.png" in ended.out


def test_a_file_name_that_is_not_text(process, folder):
    name = b"\xff.csv"
    with open(os.path.join(os.fsencode(folder), name), "wb") as file:
        file.write((folder / "iris.csv").read_bytes())
    for more in ((), ("--json",)):
        run = process("train", os.fsdecode(name), *TRAIN[2:-2], *more)
        out, err = run.communicate(timeout=60)
        assert run.returncode == 0 and "\\udcff" in out and "Traceback" not in err
    assert json.loads(out)["files"][0].startswith("\udcff-model")


# --------------------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize("words", COMMANDS[3:], ids=lambda words: words[0])
def test_json_is_all_of_stdout(words, nnc, model):
    ended = nnc(*words, "--json")
    assert ended.status == 0
    lines = ended.out.splitlines()
    assert len(lines) == (150 if words[0] == "predict" else 1) and ended.out.isascii()
    assert all(isinstance(json.loads(line), dict) for line in lines)


@pytest.mark.filterwarnings("default:.* with NaN in")
def test_json_of_outputs_that_are_not_finite(nnc, model, folder):
    loaded = nnc_package.load_model(model)
    loaded.set_weights([np.full_like(w, np.nan) for w in loaded.get_weights()])
    loaded.save("nan")
    rows = [json.loads(line) for line in nnc("predict", "nan", "iris.csv", "--json").out.splitlines()]
    assert len(rows) == 150 and set(rows[0]["probabilities"].values()) == {None}


def test_json_with_a_target_named_probabilities(nnc, folder):
    (folder / "t.csv").write_text("a,probabilities\n" + "1,x\n2,y\n" * 20)
    words = ("train", "t.csv", "--target", "probabilities", "--epochs", 1, "--no-pictures", "--output", "out")
    assert nnc(*words).status == 0
    row = json.loads(nnc("predict", "out/model.safetensors", "t.csv", "--json").out.splitlines()[0])
    assert row["probabilities"] in ("x", "y") and list(row["class probabilities"]) == ["x", "y"]


# ------------------------------------------------------------------------------------------------ terminals


@pytest.mark.parametrize("columns", ["0", "1", "20", "60", "-5", "wide"])
def test_help_in_any_width(columns, folder):
    """argparse takes the width from COLUMNS."""
    for words in ([], ["train"], ["search"]):
        command = [sys.executable, "-m", "nnc", *words, "--help"]
        run = subprocess.run(
            command, env={**os.environ, "COLUMNS": columns, "NO_COLOR": "1"}, capture_output=True, text=True
        )
        assert run.returncode == 0 and run.stdout.startswith("usage: nnc") and not run.stderr
        assert "\x1b" not in run.stdout


def on_terminal(words, columns, folder, environment=()):
    """All output of a command on a terminal with this number of columns."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    tty.setraw(theirs)
    command = [sys.executable, "-m", "nnc", *map(str, words)]
    variables = {k: v for k, v in os.environ.items() if k != "COLUMNS"} | dict(environment)
    run = subprocess.Popen(command, cwd=folder, stdout=theirs, stderr=theirs, env=variables)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):
        while part := os.read(ours, 4096):
            seen += part
    os.close(ours)
    return run.wait(60), seen.decode()


@pytest.mark.parametrize("columns", [0, 1, 20, 60])
def test_terminals(columns, folder):
    words = (*TRAIN, "--epochs", 60)
    status, text = on_terminal(words, columns, folder, [("NO_COLOR", "1")])
    assert (
        status == 0 and "\x1b" not in text and "epoch"[: max(columns, 20) - 1 if columns != 1 else 1] in text
    )
    shown = [part for line in text.split("\n") for part in line.split("\r") if part.startswith(("e", "r"))]
    assert shown and max(map(len, shown)) <= max((columns or 80) - 1, 1)
    assert "test: accuracy" in text
    assert on_terminal(["--help"], columns, folder)[0] == 0
    assert on_terminal(["train", "--help"], columns, folder)[0] == 0


def test_without_a_terminal_progress_is_a_line_each_ten_seconds(process):
    run = process(*TRAIN, "--epochs", 20)
    out, err = run.communicate(timeout=60)
    assert "\r" not in out + err and "\x1b" not in out + err
    assert err.count("epoch ") <= 3 + 1  # the note at the end has one
