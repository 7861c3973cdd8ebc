"""Invalid input: one line that names the file, the row and the column, and status 2."""

from __future__ import annotations

import gzip
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import nnc as nnc_package

HAS_ONNX = importlib.util.find_spec("onnx") is not None
ROWS = "".join(f"{i},{i % 2}\n" for i in range(30))

# contents of t.csv, with columns a and b and the target b; the error message
TABLES = {
    "empty": (b"", "t.csv: the file is empty"),
    "blank": (b"\n \r\n\n", "t.csv: the file is empty"),
    "header": (b"a,b\n", "t.csv: there is a header (2 columns), but no row after it"),
    "binary": (b"a,b\n1,\0\n", "t.csv: a binary file (null byte at offset 6), not a table"),
    "picture": (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "t.csv: a binary file (null byte at offset 8), not a table",
    ),
    "gzip": (gzip.compress(b"a,b\n1,2\n"), "t.csv: not a text table but compressed: unpack it first"),
    "archive": (b"PK\3\4", "t.csv: not a text table but an archive (a spreadsheet?): save the table as CSV"),
    "utf-16": ("a,b\n1,2\n".encode("utf-16"), "t.csv: not a text table but UTF-16: save it as UTF-8"),
    "npy": (b"\x93NUMPY\1\0", "t.csv: not a text table but an array: its name must end in .npy"),
    "latin-1": (
        b"a,b\n1,p\n2,caf\xe9\n",
        "t.csv, line 3: byte 0xe9 (near '2,café', around cell 2) is not UTF-8; if the file is in latin-1, "
        "use --encoding latin-1",
    ),
    "too many cells": (
        b"a,b\n1,p\n\n1,q,r\n",
        "t.csv, line 4: 3 cells, but the first row has 2 (after 'b')",
    ),
    "too few cells": (
        b"a,b\n1,p\n1\n",
        "t.csv, line 3: 1 cell, but the first row has 2 (the last one is in column 'a')",
    ),
    "open quote": (b'a,b\n1,p\n"1,q\n1,p\n', "t.csv, line 3: a quote is opened in this row but never closed"),
    "open quote at once": (b'"a,b\n1,p\n', "t.csv, line 1: a quote is opened in this row but never closed"),
    "quote inside": (
        b'a,b\n"1"2,p\n3,q\n',
        "t.csv, line 2: a quoted cell continues after its closing quote (',' expected after '\"')",
    ),
    "lines that end in CR": (
        b"a,b\r1,p\r2,q\r",
        "t.csv, line 1: it contains a carriage return (CR) without a line feed; lines must end in LF or CRLF",
    ),
    "a long cell": (
        b"a,b\n1,p\n2," + b"q" * 200_000 + b"\n",
        "t.csv, line 3: a cell of more than 131,072 characters (or a quote is never closed)",
    ),
    "two names": (b"a,a\n1,2\n3,4\n", "t.csv: columns 1 and 2 are both named 'a'"),
    "infinite": (b"a,b\n1,p\n-inf,q\n", "t.csv, line 3, column 'a': '-inf' is infinite"),
    "beyond float32": (
        b"a,b\n1,p\n\n2e39,q\n",
        "t.csv, line 4, column 'a': '2e39' is beyond float32's largest number, 3.4e38",
    ),
    "infinite target": (b"a,b\n1,1.5\n2,inf\n", "t.csv, line 3, column 'b': 'inf' is infinite"),
    "typing error": (
        f"a,b\n{ROWS}3O,1\n".encode(),
        "t.csv, line 32, column 'a': '3O' is not a number, but 30 other cells are; use --gap 3O to treat it "
        "as a gap, --text a to treat all as strings",
    ),
    "typing error in the target": (
        f"a,b\n{ROWS}30,l\n".encode(),
        "t.csv, line 32, column 'b': 'l' is not a number, but 30 other cells are; use --gap l to treat it as "
        "a gap",
    ),
    "one class": (
        b"a,b\n1,x\n2,x\n",
        "t.csv, column 'b' (the target): all rows are of one class, 'x'; at least two are needed",
    ),
    "one number": (
        b"a,b\n1,.5\n2,0.50\n",
        "t.csv, column 'b' (the target): all rows have the same value, 0.5",
    ),
    "gaps": (b"a,b\n1,\n2,NA\n3,?\n", "t.csv, column 'b' (the target): all cells are gaps"),
    "constant": (b"a,b\n1,p\n1,q\n", "t.csv: no column is left to learn from: 'a' (the same in all rows)"),
    "only gaps": (b"a,b\n,p\nna,q\n", "t.csv: no column is left to learn from: 'a' (only gaps)"),
    "too few rows": (b"a,b\n1,p\n2,q\n", "t.csv: 2 rows with a target: too few"),
    "small unit": (
        b"".join(b"%de-31,%d\n" % (i % 9, i % 2) for i in range(30)).join((b"a,b\n", b"")),
        "t.csv, column 'a': its standard deviation, 2.59e-31, must be from 1e-18 to 1e+18; use another unit",
    ),
    "large unit": (
        b"".join(b"%de30,%d\n" % (i % 9, i % 2) for i in range(30)).join((b"a,b\n", b"")),
        "t.csv, column 'a': its standard deviation, 2.59e+30, must be from 1e-18 to 1e+18; use another unit",
    ),
    "names only": (b"".join(b"%d,%d\n" % (i, i) for i in range(3)), "t.csv: there is no column 'b'"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name, refused, folder):
    contents, says = TABLES[name]
    (folder / "t.csv").write_bytes(contents)
    assert refused("train", "t.csv", "--target", "b").startswith(f"nnc: {says}")
    assert sorted(os.listdir(folder)) == ["iris.csv", "t.csv"]


def test_strings_as_target(refused, folder):
    (folder / "t.csv").write_text("a,b\n" + "".join(f"{i},n{i}\n" for i in range(1500)))
    says = "nnc: t.csv, column 'b' (the target): more than 1,000 different strings, too many for classes"
    assert refused("train", "t.csv", "--target", "b") == says
    assert "all cells are strings, but --task regression needs" in refused(
        "train", "t.csv", "--target", "b", "--task", "regression"
    )


def test_a_wide_line_and_many_columns(refused, folder):
    (folder / "t.csv").write_bytes(b"a,b\n1,p\n" + b"x" * (2**24 + 1) + b",q\n")
    assert refused("train", "t.csv", "--target", "b") == "nnc: t.csv, line 3: longer than 16,777,216 bytes"
    (folder / "t.csv").write_text(",".join(f"c{i}" for i in range(5001)) + "\n" + ",".join("1" * 5001) + "\n")
    assert (
        refused("train", "t.csv", "--target", "c0") == "nnc: t.csv: 5,001 columns; at most 5,000 are allowed"
    )


def test_columns_that_are_not_there(refused):
    said = refused("train", "iris.csv", "--target", "specie")
    assert said.startswith(
        "nnc: iris.csv: there is no column 'specie'; did you mean 'species'? The columns are: sepal_length"
    )
    for option in ("--drop", "--text"):
        said = refused("train", "iris.csv", "--target", "species", option, "petals")
        assert said.startswith("nnc: iris.csv: there is no column 'petals'")
    assert "no column '6'" in refused("train", "iris.csv", "--target", "6")


def test_options_that_exclude_each_other(refused):
    train = ("train", "iris.csv", "--target", "species")
    for words in ((*train, "--output", ""), ("train", "", "--target", "x"), ("summary", "")):
        assert "must be a path, got ''" in refused(*words)
    assert refused(*train, "--task", "regression").endswith(
        "all cells are strings, but --task regression needs numbers"
    )
    assert refused(*train, "--drop", "species") == "nnc: iris.csv: --drop species: this column is the target"
    said = "nnc: iris.csv: --text species: this column is the target; for classes, use --task classification"
    assert refused(*train, "--text", "species") == said
    said = "nnc: --validation 0.5 and --test 0.5 leave nothing to train on"
    assert refused(*train, "--validation", "0.5", "--test", "0.5") == said
    assert "not allowed with argument" in refused(*train, "--header", "--no-header")


def test_files_that_are_not_there(refused, folder):
    (folder / "d.csv").mkdir()
    for words, says in (
        (("train", "no.csv", "--target", "b"), "no.csv: No such file or directory"),
        (("train", "d.csv", "--target", "b"), "d.csv: Is a directory"),
        (("train", "no.npy", "--target", "b"), "no.npy: No such file or directory"),
        (("predict", "no", "iris.csv"), "no: No such file or directory"),
        (("summary", "d.csv"), "d.csv: Is a directory"),
        (("export", "no", "a.c"), "no: No such file or directory"),
    ):
        assert refused(*words) == f"nnc: {says}"


def test_a_fifo(refused, folder):
    os.mkfifo(folder / "t.csv")
    assert (
        refused("train", "t.csv", "--target", "b")
        == "nnc: t.csv: not a regular file (a table is read more than once)"
    )


def test_arrays(refused, folder):
    np.save(folder / "o.npy", np.array([{}, 1]), allow_pickle=True)
    np.save(folder / "c.npy", np.zeros((3, 2), complex))
    np.save(folder / "s.npy", np.float32(3))
    np.save(folder / "e.npy", np.zeros((0, 3)))
    np.save(folder / "i.npy", np.array([[1.0, 2.0], [np.inf, 1.0]]))
    np.save(folder / "n.npy", np.zeros((3, 0)))
    np.save(folder / "f.npy", np.zeros(3, [("x", "f4", 2), ("y", "f4")]))
    np.savez(folder / "l.npz", x=np.zeros((3, 2)), y=np.zeros(4))
    (folder / "z.npz").write_bytes(b"PK\3\4 no archive")
    whole = io.BytesIO()
    np.save(whole, np.zeros((30, 4)))
    (folder / "cut.npy").write_bytes(whole.getvalue()[:-100])
    for name, says in {
        "o.npy": "o.npy: not a .npy file, or damaged: ",
        "c.npy": "c.npy: a table must contain numbers or text, got dtype complex128",
        "s.npy": "s.npy: must have rows, got a single number",
        "e.npy": "e.npy: there are no rows",
        "n.npy": "n.npy: there are no columns",
        "f.npy": "f.npy: field 'x' must be one column, got (2,)",
        "i.npy": "i.npy, row 1, column '0': 'inf' is infinite",
        "l.npz": "l.npz: all arrays must have the same number of rows, got x (3, 2), y (4,)",
        "z.npz": "z.npz: not a .npz file, or damaged: ",
        "cut.npy": "cut.npy: not a .npy file, or damaged: ",
    }.items():
        assert refused("train", name, "--target", "1").startswith(f"nnc: {says}")


def test_damaged_arrays(nnc, folder):
    """Whatever byte of an array file is changed: a table, or one line."""
    rng = np.random.default_rng(0)
    arrays = {"x": rng.random((12, 3)), "y": np.arange(12) % 2}
    np.save(folder / "t.npy", np.column_stack([arrays["x"], arrays["y"]]))
    np.savez(folder / "t.npz", **arrays)
    np.savez_compressed(folder / "z.npz", **arrays)
    for name in ("t.npy", "t.npz", "z.npz"):
        whole = (folder / name).read_bytes()
        target = "-1" if name == "t.npy" else "y"
        for _ in range(150):
            damaged = bytearray(whole)
            at = int(rng.integers(min(len(whole), 300) if rng.random() < 0.5 else len(whole)))
            damaged[at] = rng.integers(256)
            (folder / name).write_bytes(
                damaged[: int(rng.integers(len(whole)))] if rng.random() < 0.1 else damaged
            )
            ended = nnc("train", name, "--target", target, "--epochs", 1, "--no-pictures", "--output", "out")
            assert ended.status in (0, 2) or "not enough memory" in ended.err, (at, damaged[at])
            assert ended.err.startswith("nnc: ") and ended.err.count("\n") == 1


def test_columns_with_names_are_not_taken_by_order(refused, model, folder):
    """Only columns without names of their own are told apart by their order."""
    names = ["sepal_length", "sepal_width", "petal_length", "width"]
    values = np.ones((3, 4))
    said = "columns of the model are missing: 'petal_width'; did you mean "
    np.save(folder / "t.npy", np.array([tuple(row) for row in values], [(name, "f4") for name in names]))
    assert refused("predict", model, "t.npy").startswith(f"nnc: t.npy: {said}")
    np.savez(folder / "t.npz", **dict(zip(names, values.T, strict=True)))
    assert refused("predict", model, "t.npz").startswith(f"nnc: t.npz: {said}")
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pandas.DataFrame(values, columns=names).to_parquet(folder / "t.parquet")
    assert refused("predict", model, "t.parquet").startswith(f"nnc: t.parquet: {said}")


def test_one_kind_of_file_for_the_other(refused, model):
    assert refused("train", model, "--target", "b") == f"nnc: {model}: must be a table, got a model file"
    assert refused("predict", model, model) == f"nnc: {model}: must be a table, got a model file"
    assert (
        refused("predict", "iris.csv", "iris.csv") == "nnc: iris.csv: must be a model file, got a text file"
    )
    assert refused("summary", "iris.csv") == "nnc: iris.csv: must be a model file, got a text file"


def test_tables_that_a_model_does_not_fit(refused, model, folder):
    (folder / "t.csv").write_text("sepal_length,sepal_width,petal_lenght,petal_width\n1,2,3,4\n")
    said = refused("predict", model, "t.csv")
    assert (
        said == "nnc: t.csv: columns of the model are missing: 'petal_length'; did you mean 'petal_lenght'?"
    )
    (folder / "t.csv").write_text("1,2,3\n4,5,6\n")
    assert refused("predict", model, "t.csv", "--no-header").startswith(
        "nnc: t.csv: 3 columns without names, but the model needs 4: sepal_length"
    )
    plain = nnc_package.Sequential([nnc_package.layers.Dense(2, input_dim=3)])
    plain.save(folder / "plain")
    assert refused("predict", "plain", "iris.csv") == "nnc: iris.csv: 5 columns, but the model has 3 inputs"


def test_cells_that_a_model_cannot_take(nnc, model, folder):
    head = "sepal_length,sepal_width,petal_length,petal_width\n"
    for cell, says in (
        ("x", "'x' is not a number"),
        ("1_0", "'1_0' is not a number"),
        ("inf", "'inf' is infinite"),
    ):
        (folder / "t.csv").write_text(f"{head}1,2,3,4\n1,2,{cell},4\n")
        ended = nnc("predict", model, "t.csv")
        assert ended.status == 2 and ended.err == f"nnc: t.csv, line 3, column 'petal_length': {says}\n"


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.update(format=2),
        lambda d: d.update(more=1),
        lambda d: d.pop("target"),
        lambda d: d["columns"].pop(),
        lambda d: d["columns"].append(d["columns"][0]),
        lambda d: d.update(columns={}),
        lambda d: d["columns"][0].update(fill=None),
        lambda d: d["columns"][0].update(fill=1e39),
        lambda d: d["columns"][0].update(gaps=1),
        lambda d: d["columns"][0].update(gaps=True),
        lambda d: d["columns"][0].update(name=3),
        lambda d: d["columns"][0].update(name="species"),
        lambda d: d["columns"].__setitem__(0, {"name": "a", "values": ["x", "x"], "gaps": False}),
        lambda d: d["columns"].__setitem__(0, {"name": "a", "values": [], "gaps": False}),
        lambda d: d["columns"].__setitem__(0, 7),
        lambda d: d["target"].update(classes=["a", "b"]),
        lambda d: d["target"].update(classes="abc"),
        lambda d: d["target"].update(classes=None),
    ],
)
def test_damaged_schemas(damage, refused, model, folder):
    loaded = nnc_package.load_model(model)
    data = json.loads(loaded.metadata["nnc.table"])
    damage(data)
    loaded.metadata = {"nnc.table": json.dumps(data)}
    loaded.save("damaged")
    for words in (("summary", "damaged"), ("predict", "damaged", "iris.csv"), ("export", "damaged", "a.c")):
        assert refused(*words).startswith("nnc: damaged: the columns of its table are damaged: ")
    assert nnc_package.load_model("damaged").predict([[1, 2, 3, 4]], verbose=0).shape == (1, 3)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": NaN}', "[" * 100_000, "1" * 5000])
def test_schemas_that_are_none(text, refused, model):
    loaded = nnc_package.load_model(model)
    loaded.metadata = {"nnc.table": text}
    loaded.save("damaged")
    assert refused("summary", "damaged").startswith("nnc: damaged: the columns of its table are damaged: ")


def test_options(refused):
    for words, says in (
        (
            ("train", "iris.csv", "--target", "species", "--epochs", "0"),
            "--epochs: must be an integer of at least 1, got '0'",
        ),
        (
            ("train", "iris.csv", "--target", "species", "--dropout", "1"),
            "must be a number of at least 0 and below 1, got '1'",
        ),
        (
            ("train", "iris.csv", "--target", "species", "--hidden", "8,x"),
            "must be numbers of units such as 64,32 or none",
        ),
        (("train", "iris.csv", "--target", "species", "--activation", "rely"), "relu"),
        (
            ("train", "iris.csv", "--target", "species", "--delimiter", "ab"),
            "must be one character or tab, got 'ab'",
        ),
        (
            ("train", "iris.csv", "--target", "species", "--encoding", "utf-16"),
            "the name of a single-byte encoding",
        ),
        (("train", "iris.csv"), "the following arguments are required: --target"),
        (("trian",), "invalid choice: 'trian'"),
        ((), "the following arguments are required: COMMAND"),
    ):
        assert says in refused(*words)


def test_outputs_that_cannot_be_written(refused, nnc, model, folder):
    said = refused("train", "iris.csv", "--target", "species", "--output", "iris.csv")
    assert said == "nnc: iris.csv: not a folder: --output must be one"
    assert refused("export", model, "a.txt") == "nnc: a.txt: the file's name must end in .c or .onnx"
    assert "there is no folder" in refused("export", model, "no/a.c")
    assert refused("export", model, "a.C") == "nnc: a.C: the file's name must end in .c or .onnx"
    (folder / "out" / "report.md").mkdir(parents=True)
    ended = nnc("train", "iris.csv", "--target", "species", "--epochs", 1, "--no-pictures", "--output", "out")
    assert (ended.status, ended.err) == (2, "nnc: out/report.md: Is a directory\n")
    assert os.listdir("out") == ["report.md"]  # nothing was moved there
    said = "nnc: 8.c: the file's name must begin with a letter, as names in C do"
    assert refused("export", model, "8.c") == said


def without_privileges():
    """Words that start a command without root's permission to write anywhere."""
    if os.geteuid():
        return []
    if not shutil.which("setpriv"):
        pytest.skip("root may write anywhere")
    return ["setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"]


def test_a_folder_without_permission(model, folder):
    (folder / "closed").mkdir(mode=0o500)
    (folder / "secret.csv").touch(mode=0o000)
    out, table = ("--output", "closed"), ("iris.csv", "--target", "species", "--epochs", "1", "--no-pictures")
    for words, says in (
        (("train", *table, *out), "closed: Permission denied"),
        (("search", *table, "--trials", "1", *out), "closed: Permission denied"),
        (("train", *table, "--output", "closed/new"), "closed/new: Permission denied"),
        (("export", model, "closed/a.c"), "closed/a.c: Permission denied"),
        *[(("export", model, "closed/a.onnx"), "closed/a.onnx: Permission denied")] * HAS_ONNX,
        (("train", "secret.csv", "--target", "species"), "secret.csv: Permission denied"),
        (("predict", model, "secret.csv"), "secret.csv: Permission denied"),
        (("summary", "secret.csv"), "secret.csv: Permission denied"),
    ):
        command = [*without_privileges(), sys.executable, "-m", "nnc", *words]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert (run.returncode, run.stdout, run.stderr) == (2, "", f"nnc: {says}\n")
    assert not os.listdir(folder / "closed")


def test_archives_are_refused_whatever_they_hold(refused, folder):
    with zipfile.ZipFile(folder / "t.npz", "w") as archive:
        archive.writestr("x.npy", b"nothing")
    assert refused("train", "t.npz", "--target", "x").startswith("nnc: t.npz: not a .npz file, or damaged: ")
