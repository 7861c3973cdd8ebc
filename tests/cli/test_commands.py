"""What the commands do, and the files that they write."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
import tty
from pathlib import Path

import numpy as np
import pytest

import nnc as nnc_package
from nnc.cli import bench

TRAIN = ("train", "iris.csv", "--target", "species")


def rows_of(text):
    return list(csv.reader(io.StringIO(text)))


def houses(n=150):
    """A table with decimal commas, strings, gaps and rows without a price."""
    rng, lines = np.random.default_rng(0), ["id;area;district;price"]
    for i in range(n):
        area, district = rng.uniform(30, 200), ["old town", "north"][int(rng.integers(2))]
        price = area * (3000 if district == "north" else 5000)
        shown = "" if i % 9 == 0 else f"{area:.1f}".replace(".", ",")
        lines.append(f"H{i};{shown};{district};{'' if i % 50 == 7 else f'{price:.0f}'}")
    return "\n".join(lines) + "\n"


# --------------------------------------------------------------------------------------------- train, predict


def test_a_classifier(nnc, folder):
    ended = nnc(*TRAIN, "--epochs", 30, "--output", "out")
    assert ended.status == 0 and "target 'species': 3 classes" in ended.out
    assert sorted(os.listdir("out")) == [
        "confusion.png",
        "curves.png",
        "history.csv",
        "model.safetensors",
        "report.md",
    ]
    assert all(
        (folder / "out" / name).read_bytes()[:4] == b"\x89PNG" for name in ("confusion.png", "curves.png")
    )
    report = (folder / "out" / "report.md").read_text()
    assert "# species from iris.csv" in report and "![Confusion, test rows](confusion.png)" in report
    assert len(rows_of((folder / "out" / "history.csv").read_text())) == 31
    predicted = rows_of(nnc("predict", "out/model.safetensors", "iris.csv").out)
    assert predicted[0] == ["species", "p(setosa)", "p(versicolor)", "p(virginica)"] and len(predicted) == 151
    x, y = nnc_package.datasets.load_iris()
    model = nnc_package.load_model("out/model.safetensors")  # an ordinary model of unscaled numbers
    np.testing.assert_allclose(
        model.predict(x, verbose=0), np.float64([row[1:] for row in predicted[1:]]), atol=1e-6
    )
    assert [row[0] for row in predicted[1:]] == [
        predicted[0][1:][i][2:-1] for i in model.predict(x, verbose=0).argmax(1)
    ]
    assert (
        np.mean(
            [
                row[0] == nnc_package.datasets.iris.CLASS_NAMES[i]
                for row, i in zip(predicted[1:], y, strict=True)
            ]
        )
        > 0.8
    )
    objects = [
        json.loads(line)
        for line in nnc("predict", "out/model.safetensors", "iris.csv", "--json").out.splitlines()
    ]
    assert [each["species"] for each in objects] == [row[0] for row in predicted[1:]]
    assert list(objects[0]["probabilities"]) == ["setosa", "versicolor", "virginica"]


def test_a_regression(nnc, folder):
    (folder / "houses.csv").write_text(houses())
    ended = nnc("train", "houses.csv", "--target", "price", "--epochs", 150, "--output", "out")
    assert ended.status == 0 and "column 'area': numbers; gaps are replaced by the mean" in ended.out
    assert "column 'id' is left out: 150 different strings" in ended.out
    assert "3 rows without a target are left out" in ended.out and "decimal commas" in ended.out
    assert {"residuals.png", "curves.png"} <= set(os.listdir("out"))
    ended = nnc("train", "houses.csv", "--target", "price", "--epochs", 150, "--json", "--output", "out")
    found = json.loads(ended.out)
    assert (
        found["task"] == "regression" and found["test"]["R2"] > 0.5 and found["rows"]["without_target"] == 3
    )
    assert all(os.path.isfile(path) for path in found["files"])
    prices = rows_of(nnc("predict", "out/model.safetensors", "houses.csv").out)
    assert prices[0] == ["price"] and 50_000 < float(prices[1][0]) < 1_100_000
    parts = nnc_package.load_model("out/model.safetensors").evaluate(
        [[100.0, 0, 1, 0]], [300_000.0], verbose=0
    )
    assert parts[1] < 150_000  # in the unit of the price


def test_many_small_classes(nnc, folder):
    """Where five rows of a class leave none for validation, the rows are split without regard to classes."""
    (folder / "t.csv").write_text("a,b\n" + "".join(f"{i},{i % 300}\n" for i in range(1500)))
    words = ("train", "t.csv", "--target", "b", "--task", "classification", "--epochs", 1, "--output", "out")
    rows = json.loads(nnc(*words, "--json").out)["rows"]
    assert (rows["training"], rows["validation"], rows["test"]) == (1050, 225, 225)


def test_classes_that_are_large_numbers(nnc, folder):
    (folder / "t.csv").write_text("a,b\n" + "".join(f"{i},{i % 3 * 10**30}\n" for i in range(60)))
    ended = nnc("train", "t.csv", "--target", "b", "--epochs", 1, "--no-pictures", "--output", "out")
    assert "target 'b': 3 classes (classification): 0, 1e+30, 2e+30\n" in ended.out


def test_letters_that_the_font_lacks(nnc, folder):
    (folder / "t.csv").write_text("年,類\n" + "".join(f"{i},{'猫犬鳥'[i % 3]}\n" for i in range(60)))
    ended = nnc("train", "t.csv", "--target", "類", "--epochs", 1, "--output", "out")
    assert ended.status == 0 and ended.err.count("\n") == 2
    assert ended.err.startswith("nnc: in the figures, 3 letters of the names are boxes")


def test_two_runs_give_the_same_bits(nnc, folder):
    outputs = []
    for name, threads in (("a", 1), ("b", 2)):
        assert nnc(*TRAIN, "--epochs", 8, "--no-pictures", "--output", name, "--threads", threads).status == 0
        outputs.append(nnc_package.load_model(f"{name}/model.safetensors").get_weights())
    assert all((a == b).all() for a, b in zip(*outputs, strict=True))
    assert (folder / "a" / "history.csv").read_bytes() == (folder / "b" / "history.csv").read_bytes()


def test_columns_in_another_order_with_others_between(nnc, model, folder):
    plain = nnc("predict", model, "iris.csv").out
    rows = rows_of(Path("iris.csv").read_text())
    (folder / "t.tsv").write_text(
        "".join("\t".join([row[3], "7", row[1], row[0], row[2]]) + "\n" for row in rows).replace(
            "\t7\t", "\tx\t", 1
        )
    )
    assert nnc("predict", model, "t.tsv").out == plain
    (folder / "t.csv").write_text("".join(",".join(row[:4]) + "\n" for row in rows[1:]))
    assert nnc("predict", model, "t.csv", "--no-header").out == plain
    np.save(folder / "t.npy", nnc_package.datasets.load_iris()[0])
    assert nnc("predict", model, "t.npy").out == plain


def test_names_that_are_numbers(nnc, folder):
    """--header for names that would be taken for data."""
    rows = "".join(f"{i % 7},{i % 5},{i % 2}\n" for i in range(60))
    (folder / "t.csv").write_text("2019,2020,2021\n" + rows)
    words = ("train", "t.csv", "--target", "2021", "--epochs", 1, "--no-pictures", "--output", "o")
    assert nnc(*words).status == 2  # three columns, none with this name
    assert nnc(*words, "--header").status == 0
    (folder / "new.csv").write_text("2020,2019\n3,4\n")
    (folder / "same.csv").write_text("4,3\n")
    found = nnc("predict", "o/model.safetensors", "new.csv", "--header").out
    assert found == nnc("predict", "o/model.safetensors", "same.csv", "--no-header").out
    np.savez(folder / "same.npz", np.array([4]), np.array([3]))  # arr_0 and arr_1, by their order
    assert found == nnc("predict", "o/model.safetensors", "same.npz").out


def test_what_a_model_did_not_see(nnc, folder):
    lines = [f"{i % 13},{['red', 'blue'][i % 2]},{['no', 'yes'][i % 2]}" for i in range(80)]
    (folder / "t.csv").write_text("a,kind,y\n" + "\n".join(lines) + "\n")
    assert (
        nnc("train", "t.csv", "--target", "y", "--epochs", 40, "--no-pictures", "--output", "o").status == 0
    )
    (folder / "new.csv").write_text("kind,a\nred,1\ngreen,\nblue,3\n")
    ended = nnc("predict", "o/model.safetensors", "new.csv")
    assert [row[0] for row in rows_of(ended.out)][1::2] == ["no", "yes"]
    assert "column 'a' had no gaps in training, but has gaps in 1 row here" in ended.err
    assert "column 'kind' has strings in 1 row that did not occur in training" in ended.err


def test_a_model_without_a_table(nnc, folder):
    x = np.random.default_rng(0).random((5, 2, 3)).astype(np.float32)
    plain = nnc_package.Sequential(
        [nnc_package.Input((2, 3)), nnc_package.layers.Flatten(), nnc_package.layers.Dense(2)]
    )
    plain.save("plain")
    np.save("x.npy", x)
    rows = rows_of(nnc("predict", "plain", "x.npy").out)
    assert rows[0] == ["output 0", "output 1"]
    np.testing.assert_allclose(np.float32(rows[1:]), plain.predict(x, verbose=0), rtol=1e-6)
    assert len(json.loads(nnc("predict", "plain", "x.npy", "--json").out.splitlines()[0])["output"]) == 2
    assert nnc("summary", "plain").out.count("flatten") == 1


def test_metadata_stays_through_loading_and_saving(model, nnc):
    loaded = nnc_package.load_model(model)
    loaded.fit([[1, 2, 3, 4]], [0], verbose=0)
    loaded.save("again")
    assert nnc("predict", "again", "iris.csv").out.startswith("species,p(setosa)")
    with pytest.raises(TypeError, match="metadata must be a dict of str to str"):
        loaded.metadata = {"a": 1}
    with pytest.raises(ValueError, match="without the key 'nnc'"):
        loaded.metadata = {"nnc": ""}
    loaded.metadata["a"] = 1
    with pytest.raises(TypeError, match="metadata must be a dict of str to str"):
        loaded.save("again")


# ----------------------------------------------------------------------------------------- the other commands


def test_info_and_version(nnc):
    assert nnc("--version").out == f"nnc {nnc_package.__version__}\n"
    assert "instruction set" in nnc("info").out
    assert json.loads(nnc("info", "--json").out)["nnc"] == nnc_package.__version__


def test_summary(nnc, model):
    ended = nnc("summary", model)
    assert "standardize (BatchNormalization)" in ended.out and "petal_width" in ended.out
    found = json.loads(nnc("summary", model, "--json").out)
    assert found["target"]["classes"] == ["setosa", "versicolor", "virginica"] and len(found["inputs"]) == 4


def test_export(nnc, model, folder):
    ended = nnc("export", model, "flowers.c", "--check", 3)
    assert ended.out.startswith("wrote flowers.c, flowers.h\n") and "sepal_length, sepal_width" in ended.out
    assert json.loads(nnc("export", model, "f.c", "--json").out)["targets"][0] == "p(setosa)"
    pytest.importorskip("onnx")
    found = json.loads(nnc("export", model, "flowers.onnx", "--json").out)
    assert found["outputs"] == ["label", "probabilities"]
    assert b"versicolor" in (folder / "flowers.onnx").read_bytes()


def test_bench(nnc, monkeypatch):
    monkeypatch.setattr(bench, "_SECONDS", 0.0)
    monkeypatch.setattr(bench, "_ROUNDS", 1)
    small = {name: lambda: (int, 1) for name in bench.CASES}  # the cases themselves are tried below, once
    monkeypatch.setattr(bench, "CASES", small | {"4-40-3, batch 5, iris": bench._iris})
    ended = nnc("bench", "--threads", 1)
    assert ended.status == 0 and ended.out.count("\n") == 1 + len(bench.CASES) + ended.out.count(
        "docs/benchmarks.md"
    )
    found = json.loads(nnc("bench", "--threads", 1, "--json").out)
    known = {row["case"] for row in found["documented"]}
    assert known >= set(bench.CASES) == {row["case"] for row in found["measured"]}


def test_search_goes_on_from_its_journal(nnc, folder):
    words = (
        "search",
        "iris.csv",
        "--target",
        "species",
        "--epochs",
        6,
        "--no-pictures",
        "--output",
        "s",
        "--jobs",
        1,
    )
    first = nnc(*words, "--trials", 2)
    assert first.status == 0 and "the best of 2 trials" in first.out
    assert {"journal.jsonl", "trials.csv", "model.safetensors", "report.md"} <= set(os.listdir("s"))
    before = Path("s/journal.jsonl").read_bytes()
    assert nnc(*words, "--trials", 3).status == 0
    assert Path("s/journal.jsonl").read_bytes().startswith(before)
    assert Path("s/journal.jsonl").read_bytes().count(b"\n") == before.count(b"\n") + 1
    trials = rows_of(Path("s/trials.csv").read_text())
    history = rows_of(Path("s/history.csv").read_text())
    column = history[0].index("val_loss")
    assert min(float(row[column]) for row in history[1:]) == float(trials[1][1])  # the trial's own bits
    other = nnc(*words, "--trials", 3, "--seed", 1)
    assert other.status == 2 and "is the journal of another search" in other.err.splitlines()[-1]


# ----------------------------------------------------------------------------------------- how a command ends


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def slow_table(folder, rows=20_000):
    """A table that takes a while to train on, with classes that cannot be separated."""
    rng = np.random.default_rng(0)
    np.save(
        folder / "slow.npy",
        np.column_stack([rng.random((rows, 20)), rng.integers(0, 2, rows)]).astype(np.float32),
    )
    return "slow.npy", "--target", "20", "--patience", 100_000, "--epochs", 100_000, "--hidden", "256,256"


def test_ctrl_c_in_training(process, folder):
    """On a terminal, where the progress shows when an epoch has ended."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    run = process("train", *slow_table(folder), "--output", "out", stderr=theirs)
    os.close(theirs)
    seen = b""
    while b"best in epoch" not in seen:
        seen += os.read(ours, 1000)
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 130
    with contextlib.suppress(OSError):  # the end of a terminal
        while part := os.read(ours, 1000):
            seen += part
    os.close(ours)
    last = seen.decode().rpartition("\r")[2]
    assert last.startswith("nnc: interrupted in epoch ") and last.count("\n") == 1
    assert "only out/interrupted.safetensors was written, with the best weights so far" in last
    assert os.listdir(folder / "out") == ["interrupted.safetensors"]
    nnc_package.load_model(folder / "out" / "interrupted.safetensors")


def test_ctrl_c_in_a_search(process, folder):
    words = (
        "search",
        *slow_table(folder, 500)[:3],
        "--epochs",
        40,
        "--trials",
        100_000,
        "--output",
        "out",
        "--jobs",
        1,
    )
    run = process(*words)
    journal = folder / "out" / "journal.jsonl"
    wait_for(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 2)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    last = err.splitlines()[-1]
    assert last.startswith("nnc: interrupted: ") and "the same command continues from there" in last
    assert os.listdir(folder / "out") == ["journal.jsonl"]


def test_ctrl_c_while_a_table_is_read(process, folder):
    rows = b"".join(b"%d,%d.5,%d\n" % (i, i, i % 2) for i in range(1_000_000))
    (folder / "t.csv").write_bytes(b"a,b,y\n" + rows)
    run = process("train", "t.csv", "--target", "y", "--output", "out")
    time.sleep(1.5)
    run.send_signal(signal.SIGINT)
    assert run.communicate(timeout=60) == ("", "nnc: interrupted\n") and run.returncode == 130
    assert not (folder / "out").exists()


def test_nobody_reads_the_output(process, model, folder):
    (folder / "long.csv").write_text(
        "sepal_length,sepal_width,petal_length,petal_width\n" + "1,2,3,4\n" * 100_000
    )
    run = process("predict", model, "long.csv")
    assert run.stdout.readline().startswith("species,")
    run.stdout.close()
    run.stdout = None
    assert run.communicate(timeout=60)[1] == "" and run.returncode == 141


def test_files_that_cannot_be_finished(process, folder):
    """A file-size limit simulates a full disk: no partial files are left, existing files are unchanged."""
    (folder / "out").mkdir()
    (folder / "out" / "model.safetensors").write_text("old")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # noqa: E731
    run = process(*TRAIN, "--epochs", 2, "--output", "out", preexec_fn=limit)
    err = run.communicate(timeout=60)[1]
    assert run.returncode == 1 and err.splitlines()[-1].endswith(": File too large")
    assert os.listdir(folder / "out") == ["model.safetensors"]
    assert (folder / "out" / "model.safetensors").read_text() == "old"


def test_a_search_on_a_full_disk(process, folder):
    """The trials that fit in the journal are kept, and the search continues from them."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # noqa: E731
    words = (
        "search",
        *TRAIN[1:],
        "--epochs",
        2,
        "--trials",
        30,
        "--jobs",
        1,
        "--no-pictures",
        "--output",
        "out",
    )
    run = process(*words, preexec_fn=limit)
    err = run.communicate(timeout=60)[1]
    assert run.returncode == 1 and err.splitlines()[-1] == "nnc: out/journal.jsonl: File too large"
    assert os.listdir(folder / "out") == ["journal.jsonl"]
    kept = (folder / "out" / "journal.jsonl").read_bytes()
    assert kept.endswith(b"\n") and kept.count(b"\n") > 2
    assert process(*words).wait(60) == 0
    assert (folder / "out" / "journal.jsonl").read_bytes().startswith(kept)


def test_a_loss_that_is_not_finite(nnc):
    ended = nnc(*TRAIN, "--learning-rate", 999, "--hidden", "none", "--epochs", 3, "--output", "out")
    assert ended.status in (0, 1) and ended.err.count("\n") <= 1


# ----------------------------------------------------------------------------------- memory, imports


def test_help_loads_little():
    code = """
import sys
from nnc.cli import main
for words in (["--help"], ["train", "--help"], ["--version"], ["info"]):
    try:
        main(words)
    except SystemExit:
        pass
print(*sys.modules, file=sys.stderr)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.partition(".")[0] for name in run.stderr.split()}
    assert not loaded & {"matplotlib", "pandas", "scipy", "sklearn", "torch", "tqdm", "onnx", "joblib"}
    assert not {"nnc.search", "nnc.plot", "nnc.datasets", "nnc.export", "nnc.cli.train"} & set(
        run.stderr.split()
    )


def peak_of(words, folder):
    """Peak memory of a command's process in MiB."""
    code = (
        "import sys; from nnc.cli import main\nstatus = main(sys.argv[1:])\n"
        "with open('/proc/self/status') as file:\n"
        "    print(next(l.split()[1] for l in file if l.startswith('VmHWM')), file=sys.stderr)\n"
        "sys.exit(status)"
    )
    command = [sys.executable, "-c", code, *map(str, words)]
    run = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert run.returncode == 0, run.stderr
    return int(run.stderr.split()[-1]) / 1024


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read from /proc")
def test_memory_of_a_large_table(folder):
    """4 bytes for each number of the table, 16 for each row, plus the memory for a small table.

    NNC_RELIABILITY=long uses 2 GB.
    """
    size = (2048 if os.environ.get("NNC_RELIABILITY") == "long" else 40) * 2**20
    columns = 20
    rng = np.random.default_rng(0)
    values = rng.random((2000, columns))
    block = "".join(
        ",".join(map(repr, row)) + f",{'no' if row[0] < 0.5 else 'yes'}\n" for row in values.tolist()
    )
    head = ",".join(f"x{i}" for i in range(columns)) + ",y\n"
    (folder / "small.csv").write_text(head + 4 * block)  # more than a chunk
    times = size // len(block)
    with open(folder / "large.csv", "w") as file:
        file.write(head)
        for _ in range(times):
            file.write(block)
    words = ["--target", "y", "--epochs", 1, "--no-pictures", "--output", "out"]
    few = peak_of(["train", "small.csv", *words], folder)
    many = peak_of(["train", "large.csv", *words], folder)
    needed = times * 2000 * (4 * columns + 16) / 2**20
    print(
        f"{size / 2**20:.0f} MiB of text: {few:.0f} MiB for 8,000 rows, {many:.0f} for all, {needed:.0f} due"
    )
    assert many - few <= 1.3 * needed + 64
    assert peak_of(["predict", "out/model.safetensors", "large.csv"], folder) <= few + 32
