"""nnc.tables: the written files and the format of numbers."""

import csv

import numpy as np
import pytest

from nnc import tables


def test_numbers_of_a_column_have_the_same_digits():
    rows = [{"a": 0.976, "s": 12.3456, "rate": 0.1}, {"a": 1.0, "s": 3.0, "rate": 1e-5}]
    header, rule, first, second = tables.markdown(rows).splitlines()
    assert first.split("|")[1:4] == [" 0.976 ", " 12.35 ", "   0.1 "]
    assert second.split("|")[1:4] == [" 1.000 ", "  3.00 ", " 1e-05 "]
    assert rule == "|------:|------:|------:|"
    assert len({len(line) for line in (header, rule, first, second)}) == 1


def test_digits():
    rows = [{"rate": 0.00075, "decay": 0.0, "x": 12345.678}, {"rate": 0.001, "decay": 0.2, "x": 1.0}]
    assert tables.markdown(rows).splitlines()[2] == "| 0.00075 |   0.0 | 12,346 |"
    assert tables.markdown([{"x": 1.43263}], digits=6).splitlines()[2] == "| 1.43263 |"
    assert tables.markdown([{"x": 1.25e-8}, {"x": 0.0}]).splitlines()[2:] == ["| 1.25e-08 |", "|        0 |"]
    assert tables.markdown([{"x": 0.0}, {"x": -0.5}]).splitlines()[2:] == ["|  0.0 |", "| -0.5 |"]


def test_any_values():
    rows = [{"name": "a|b", "n": np.int64(60_000), "same": True}, {"name": "c", "x": np.float32("nan")}]
    text = tables.markdown(rows)
    assert r"a\|b" in text and "60,000" in text and "yes" in text and "nan" in text
    assert len(text.splitlines()) == 4


def test_save(tmp_path):
    rows = [{"net": "784, 10", "loss": 1 / 3}, {"net": "b", "epochs": 3}]
    csv_file, md_file = tables.save(rows, tmp_path / "new" / "runs")
    with open(csv_file, encoding="utf-8", newline="") as file:
        back = list(csv.DictReader(file))
    assert back[0] == {"net": "784, 10", "loss": repr(1 / 3), "epochs": ""}
    with open(md_file, encoding="utf-8") as file:
        assert file.read() == tables.markdown(rows) + "\n"


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match="at least one column"):
        tables.markdown([])
    with pytest.raises(ValueError, match="'html'"):
        tables.save([{"a": 1}], tmp_path / "t", formats=("html",))
