"""Tables: delimiters, quotes, byte order marks, line endings, gaps, file formats; chunks of any size."""

from __future__ import annotations

import csv
import io
from argparse import Namespace

import numpy as np
import pytest

from nnc.cli import chunks, dataset
from nnc.cli.delimited import TextOptions, TextTable
from nnc.cli.encoding import Category, Number
from nnc.cli.parser import parser
from nnc.cli.tables import open_table
from nnc.errors import FormatError


def cells_of(table):
    """All rows of a table, each cell a number, a string or None."""
    rows, places = [], []
    for chunk in table.chunks():
        columns = []
        for cells in chunk.columns:
            texts, numbers = cells.texts(), cells.numbers().tolist()
            assert len(cells) == len(texts) == len(numbers) == len(chunk.places)
            assert cells.distinct() == {text for text in texts if text is not None}
            columns.append([n if n == n else text for n, text in zip(numbers, texts, strict=True)])
        rows += [list(row) for row in zip(*columns, strict=True)]
        places += list(chunk.places)
    return rows, places


@pytest.fixture(params=[1, 7, 2**18], ids="{} cells".format)
def sized(request, monkeypatch):
    """Chunks of few and many cells."""
    monkeypatch.setattr(chunks, "CELLS", request.param)


ROWS = [["x", "kind", "y"], ["1.5", "a", "3"], ["", "b c", "-4e-1"], ["2", "NA", "5"], ["+.5", "a", "6."]]
VALUES = [[1.5, "a", 3.0], [None, "b c", -0.4], [2.0, None, 5.0], [0.5, "a", 6.0]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_forms_of_text(delimiter, end, mark, quoting, sized, folder):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(ROWS)
    blank = text.getvalue().replace(end, end + end)  # empty lines between the rows
    for given, lines in (
        (text.getvalue(), range(2, 6)),
        (text.getvalue().removesuffix(end), range(2, 6)),
        (blank, range(3, 10, 2)),
    ):
        (folder / "t.csv").write_bytes((mark + given).encode())
        table = TextTable("t.csv")
        assert (table.names, table.delimiter, table.named) == (ROWS[0], delimiter, True)
        assert cells_of(table) == (VALUES, list(lines))


def test_quoted_cells_hold_anything(sized, folder):
    rows = [["a", "b"], ['say "x, y"', "1"], ["two\nlines", "2"], ["two\r\nlines", "3"], ["semi;colon", "4"]]
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    (folder / "t.csv").write_bytes(text.getvalue().encode())
    found, lines = cells_of(TextTable("t.csv"))
    assert found == [[text, float(number)] for text, number in rows[1:]]
    assert lines == [2, 4, 6, 7]  # where they end


def test_a_table_like_that_of_the_csv_module(sized, folder):
    """Random cells with everything that needs quotes are read as by Python's csv."""
    rng = np.random.default_rng(0)
    parts = np.array(["a", "é", "\n", '"', ",", ";", "\t", " x", "1"])
    rows = [["".join(rng.choice(parts, rng.integers(1, 6))) for _ in range(5)] for _ in range(200)]
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["p", "q", "r", "s", "t"], *rows])
    (folder / "t.csv").write_bytes(text.getvalue().encode())
    found, _ = cells_of(TextTable("t.csv", TextOptions(delimiter=",", header=True)))
    expected = [[cell.strip() or None for cell in row] for row in rows]
    assert [[str(int(c)) if isinstance(c, float) else c for c in row] for row in found] == expected


def test_headers(folder):
    for text, header, names in (
        ("a,b\n1,2\n", True, ["a", "b"]),
        ("1,2\n3,4\n", False, ["column 1", "column 2"]),
        ("a,1\nb,2\n", False, ["column 1", "column 2"]),
        ("2019,2020,y\n1,2,3\n", True, ["2019", "2020", "y"]),
        (",b\n1,2\n", True, ["column 1", "b"]),
        ("a,b\nc,d\n", True, ["a", "b"]),
        ("x\n1\n", True, ["x"]),
        (" a , b\n1,2\n", True, ["a", "b"]),
    ):
        (folder / "t.csv").write_text(text)
        table = TextTable("t.csv")
        assert (table.named, table.names) == (header, names)
        assert TextTable("t.csv", TextOptions(header=False)).named is False


def test_delimiters(folder):
    for text, delimiter, first in (
        ("a;b\n1,5;2,5\n", ";", [1.5, 2.5]),
        ("1,5;2,5\n2,5;3,5\n", ";", [1.5, 2.5]),
        ("a;b\n1.5;2,5\n", ";", [1.5, "2,5"]),
        ("a\tb\n1,5\t2\n", "\t", [1.5, 2.0]),
        ("a,b\n1;2,3\n", ",", ["1;2", 3.0]),
        ("a\n7\n", ",", [7.0]),
        ('"a;b",c\n"1;2",3\n', ",", ["1;2", 3.0]),
    ):
        (folder / "t.csv").write_text(text)
        table = TextTable("t.csv")
        assert (table.delimiter, cells_of(table)[0][0]) == (delimiter, first)
    (folder / "t.csv").write_text("a|b\n1|2\n")
    assert cells_of(TextTable("t.csv", TextOptions(delimiter="|")))[0] == [[1.0, 2.0]]


def test_only_plain_numbers_are_numbers(sized, folder):
    words = ["1_0", "0x1", "1e", "e1", ".", "-", "+", "1.2.3", "1,000", "٣", "1 2", "infinit", "1d5", "true"]
    (folder / "t.tsv").write_text("".join(f"{word}\t1.5\n" for word in words))
    found, _ = cells_of(TextTable("t.tsv", TextOptions(header=False)))
    assert [row[0] for row in found] == words
    numbers = ["1", "-1", "+1", "1.", ".5", "1e5", "1E-5", " 7 ", "007"]
    (folder / "t.tsv").write_text("".join(f"{number}\t1\n" for number in numbers))
    found, _ = cells_of(TextTable("t.tsv", TextOptions(header=False)))
    assert [row[0] for row in found] == list(map(float, numbers))


def test_gaps(sized, folder):
    gaps = ["", " ", "NA", "n/a", "#N/A", "NaN", "nan", "NULL", "None", "?"]
    (folder / "t.csv").write_text("a,b\n" + "".join(f"{gap},1\n" for gap in gaps) + "-9,1\nx,1\n")
    found, _ = cells_of(TextTable("t.csv"))
    assert [row[0] for row in found] == [None] * len(gaps) + [-9.0, "x"]
    options = parser().parse_args(["train", "t.csv", "--target", "b", "--gap", "-9", "--gap", "X"])
    assert [row[0] for row in cells_of(open_table("t.csv", options))[0]] == [None] * (len(gaps) + 2)


def test_encodings(folder):
    (folder / "t.csv").write_bytes("näme,b\ncafé,1\n".encode("latin-1"))
    table = TextTable("t.csv", TextOptions(encoding="latin-1"))
    assert table.names[0] == "näme" and cells_of(table)[0] == [["café", 1.0]]
    (folder / "t.csv").write_bytes("näme,b\ncafé,1\n".encode())
    assert cells_of(TextTable("t.csv"))[0] == [["café", 1.0]]
    late = "a,b\n" + "1,2\n" * 50_000
    (folder / "t.csv").write_bytes(late.encode() + b"\xff,1\n")
    with pytest.raises(FormatError, match=r"t\.csv, line 50002: byte 0xff .* is not UTF-8"):
        cells_of(TextTable("t.csv"))


def test_arrays(sized, folder):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 5, (9, 3))
    options = Namespace(gap=[], header=None, delimiter=None, encoding="utf-8")
    for dtype in (np.uint8, np.int64, np.float16, np.float32, np.float64, ">f8", bool):
        np.save(folder / "t.npy", values.astype(dtype))
        table = open_table("t.npy", options)
        assert table.names == ["0", "1", "2"]
        assert cells_of(table) == (values.astype(dtype).astype(float).tolist(), list(range(9)))
    np.save(folder / "t.npy", np.asfortranarray(values.astype(np.float32)))
    assert cells_of(open_table("t.npy", options))[0] == values.tolist()
    np.save(folder / "t.npy", values.reshape(9, 1, 3))
    assert open_table("t.npy", options).names == ["0", "1", "2"]
    options.gap = ["3"]
    expected = [[None if value == 3 else float(value) for value in row] for row in values.tolist()]
    assert cells_of(open_table("t.npy", options))[0] == expected
    options.gap = []
    np.savez(folder / "t.npz", x=values[:, :2].astype(float), y=np.array(list("aabbccaab")))
    table = open_table("t.npz", options)
    assert table.names == ["x.0", "x.1", "y"] and cells_of(table)[0][4] == [*values[4, :2].tolist(), "c"]
    np.save(folder / "s.npy", np.array([(1.5, "p"), (np.nan, "")], dtype=[("a", "f4"), ("b", "U3")]))
    table = open_table("s.npy", options)
    assert table.names == ["a", "b"] and cells_of(table)[0] == [[1.5, "p"], [None, None]]


def test_parquet(sized, folder):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"a": [1.5, None], "b": ["p", None], "c": [1, 2], "d": [True, False]})
    frame["e"] = frame["b"].astype("category")
    frame.to_parquet(folder / "t.parquet")
    options = Namespace(gap=[], header=None, delimiter=None, encoding="utf-8")
    table = open_table("t.parquet", options)
    assert table.names == list("abcde")
    assert cells_of(table)[0] == [[1.5, "p", 1.0, 1.0, "p"], [None, None, 2.0, 0.0, None]]
    (folder / "t.parquet").write_bytes(b"PAR1 and nothing")
    with pytest.raises(FormatError, match=r"t\.parquet: not a Parquet file, or damaged"):
        open_table("t.parquet", options)


# ------------------------------------------------------------------------------------------------- datasets


def loaded(text, folder, *words):
    (folder / "t.csv").write_text(text)
    options = parser().parse_args(["train", "t.csv", "--target", "y", *words])
    return dataset.load(open_table("t.csv", options), options)


def table_of(n=200, seed=0):
    """Numbers with and without gaps, strings with gaps, large numbers, names, a constant; missing targets."""
    rng = np.random.default_rng(seed)
    lines = ["a,b,kind,year,id,one,y"]
    for i in range(n):
        b = "" if i % 7 == 0 else f"{rng.normal():.3f}"
        kind = ["red", "blue", ""][int(rng.integers(3))]
        y = "" if i % 40 == 39 else ["no", "yes"][int(rng.random() < 0.3)]
        lines.append(f"{rng.normal():.4f},{b},{kind},{1.6e9 + i},id{i},5,{y}")
    return "\n".join(lines) + "\n"


def test_columns_are_encoded(sized, folder):
    data = loaded(table_of(), folder)
    a, b, kind, year = data.schema.columns
    assert a._replace(fill=0.0) == Number("a", 0.0, 0.0, False) and b.gaps
    assert kind == Category("kind", ("blue", "red"), True)
    assert year.offset == pytest.approx(1.6e9, abs=200) and not year.gaps
    assert data.left_out == {
        "id": "200 different strings, more than --max-values 50",
        "one": "the same in all rows",
    }
    assert data.schema.inputs == [
        "a", "b", "b: gap", "kind = blue", "kind = red", "kind: gap", "year"
    ]  # fmt: skip
    assert data.schema.target.classes == ("no", "yes") and data.n_without_target == 5
    x = np.concatenate([part.x for part in data.parts.values()])
    assert len(x) == 195 and x.dtype == np.float32 and np.isfinite(x).all()
    assert set(np.unique(x[:, 2:6])) == {0.0, 1.0} and (x[:, 3:6].sum(axis=1) == 1).all()
    assert (x[x[:, 2] == 1, 1] == np.float32(b.fill)).all()
    training = data.training.x[:, [0, 6]].astype(float)
    np.testing.assert_allclose(data.mean[[0, 6]], training.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(data.variance[[0, 6]], training.var(axis=0), rtol=1e-4)
    known = data.training.x[data.training.x[:, 2] == 0, 1].astype(float)
    assert data.mean[1] == pytest.approx(known.mean(), rel=1e-4)
    assert data.variance[1] == pytest.approx(known.var(), rel=1e-4)
    assert (data.mean[2:6] == 0).all() and (data.variance[2:6] == 1).all()


def test_every_row_is_in_one_part_and_classes_are_shared_evenly(sized, folder):
    text = "row,kind,y\n" + "".join(f"{i},{'pq'[i % 2]},{'ab'[i % 5 == 0]}\n" for i in range(1000))
    data = loaded(text, folder, "--validation", "0.2", "--test", "0.1")
    rows = [part.x[:, 0].astype(int).tolist() for part in data.parts.values()]
    assert sorted(row for part in rows for row in part) == list(range(1000)) and [*map(len, rows)] == [
        700,
        200,
        100,
    ]
    for part in data.parts.values():
        assert part.y.mean() == 0.2
        assert ((part.x[:, 0] % 5 == 0) == part.y).all()  # a row's cells stay together
    again, other = loaded(text, folder), loaded(text, folder, "--seed", "1")
    assert (loaded(text, folder).training.x == again.training.x).all()
    assert (other.training.x[:, 0] != again.training.x[:, 0]).any()
    without = loaded(text, folder, "--test", "0")
    assert len(without.test.x) == 0 and len(without.validation.x) == 150


def test_tasks(folder):
    for values, words, classes in (
        (["p", "q"], (), ("p", "q")),
        (["1", "0"], (), ("0", "1")),
        (["10", "9", "1.0"], (), ("1", "9", "10")),
        (["1.5", "2"], (), None),
        (list(map(str, range(21))), (), None),
        (["1", "0"], ("--task", "regression"), None),
        (["1.5", "2"], ("--task", "classification"), ("1.5", "2")),
        (["p", "1"], (), ("1", "p")),
    ):
        text = "x,y\n" + "".join(f"{i},{values[i % len(values)]}\n" for i in range(210))
        assert loaded(text, folder, *words).schema.target.classes == classes


def test_the_target_by_its_place(folder):
    (folder / "t.csv").write_text("".join(f"{i},{i % 3},{'ab'[i % 2]}\n" for i in range(60)))
    for target, name in (
        ("3", "column 3"),
        ("-1", "column 3"),
        ("column 3", "column 3"),
        ("2", "column 2"),
        ("-3", "column 1"),
    ):
        options = parser().parse_args(["train", "t.csv", "--target", target])
        assert dataset.load(open_table("t.csv", options), options).schema.target.name == name


def test_choices_of_columns(folder):
    text = "code,x,y\n" + "".join(f"{i % 4},{i},{'ab'[i % 2]}\n" for i in range(60))
    assert loaded(text, folder, "--drop", "x").schema.inputs == ["code"]
    columns = loaded(text, folder, "--text", "code").schema.columns
    assert columns[0] == Category("code", ("0", "1", "2", "3"), False)
    assert loaded(text, folder, "--text", "code", "--max-values", "3").left_out == {
        "code": "4 different strings, more than --max-values 3"
    }


def test_a_file_that_changes_meanwhile(folder, monkeypatch):
    original = dataset._shared_out

    def changed(*arguments):
        with open("t.csv", "a") as file:
            file.write("1,2,3,4,5,5,no\n")
        return original(*arguments)

    monkeypatch.setattr(dataset, "_shared_out", changed)
    with pytest.raises(FormatError, match=r"t\.csv: the file was changed while it was read"):
        loaded(table_of(), folder)
