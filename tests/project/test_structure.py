"""Calls, includes and imports go down only: no cycle among nnc's modules, none among the C files."""

from __future__ import annotations

from pathlib import Path

import pytest
from structure_helpers import (
    c_definitions,
    c_includes,
    c_references,
    c_sources,
    cycles,
    python_imports,
    reachable,
    report,
)

ROOT = Path(__file__).parents[2]

# ---- cycles


def test_a_diamond_has_no_cycle():
    graph = {"top": {"left", "right"}, "left": {"bottom"}, "right": {"bottom"}, "bottom": set()}
    assert reachable(graph, "top") == {"left", "right", "bottom"}
    assert cycles(graph) == [] and report(graph) == ""


def test_cycles_are_found_apart_with_what_leads_to_them_left_out():
    graph = {"in": {"a"}, "a": {"b"}, "b": {"c", "d"}, "c": {"a", "out"}, "d": {"b"}}
    graph |= {"out": {"self"}, "self": {"self"}}
    assert cycles(graph) == [["a", "b", "c", "d"], ["self"]]
    assert report(graph).splitlines() == [
        "a cycle of 4: a, b, c, d",
        "    a -> b",
        "    b -> c, d",
        "    c -> a",
        "    d -> b",
        "a cycle of 1: self",
        "    self -> self",
    ]


# ---- Python

MODULES = {
    "__init__.py": "from pack import low\nfrom pack.high import h",
    "low.py": "import os.path, math\nfrom elsewhere import high",
    "high.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack.deep.one import One",
    "late.py": "def f():\n    from pack import low, name\n    import pack.high as high",
    "named.py": "import importlib\nlow = importlib.import_module('pack.low')",
    "itself.py": "from pack import itself",
    "deep/__init__.py": "from .one import One",
    "deep/one.py": "from . import two\nfrom .. import low\nfrom ..high import h\nimport pack.deep.two",
    "deep/two.py": "",
    "core.pyx": 'include "arrays.pxi"\nfrom libc cimport math\nfrom pack import (low,\n  high)\ncdef int x\n',
    "arrays.pxi": "from pack.late import f as g\ncdef int y\n# from pack import itself\n",
}


def test_python_imports(tmp_path):
    for name, text in MODULES.items():
        path = tmp_path / "pack" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    graph = python_imports(tmp_path / "pack")
    assert graph == {
        "pack": {"pack.low", "pack.high"},
        "pack.low": set(),
        "pack.high": {"pack.deep", "pack.deep.one"},
        "pack.late": {"pack.low", "pack", "pack.high"},
        "pack.named": {"pack.low"},
        "pack.itself": {"pack.itself"},
        "pack.deep": {"pack.deep.one"},
        "pack.deep.one": {"pack.deep.two", "pack.low", "pack.high"},
        "pack.deep.two": set(),
        "pack.core": {"pack.arrays", "pack.low", "pack.high"},
        "pack.arrays": {"pack.late"},
    }
    assert cycles(graph) == [["pack.deep", "pack.deep.one", "pack.high"], ["pack.itself"]]


# ---- C

SOURCES = {
    "up.c": """#include "low.h" /* and not "up.h" */
        #include <math.h>
#include "in/rows.def"
// void comment(void) { down(); }
static const int table[] = {[ROW] = 3};
const struct kind kinds[] = {{"down", down}};
int (up)(void);
int
up(int a,
   int b) {
    return table[a] + b + inlined(1);
}
""",
    "low.h": """#include "in/types.h"
struct kind { int (*down)(int); };
extern int shared;
int up(int a, int b), down(int);
static inline int inlined(int a) {
    return down(a);
}
""",
    "low.c": """#include "low.h"
int shared = 3;
int down(int a) { struct up *member = 0; return member->up + member[0].up + sizeof "up"; }
""",
    "in/types.h": "typedef int number;",
    "in/rows.def": '#include "types.h"\nROW(up)',
    "in/user.c": '#include "low.h"\nint user(void) {\n    return shared;\n}\n',
    "test/test.c": "int main(void) { return up(1, 2); }",
}


def test_c_includes_and_references(tmp_path):
    for name, text in SOURCES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    sources = c_sources(tmp_path)
    assert set(sources) == set(SOURCES) - {"test/test.c"}
    assert c_includes(sources) == {
        "up.c": {"low.h", "in/rows.def"},
        "low.h": {"in/types.h"},
        "low.c": {"low.h"},
        "in/types.h": set(),
        "in/rows.def": {"in/types.h"},
        "in/user.c": {"low.h"},
    }
    assert c_definitions(sources["up.c"]) == {"kinds", "up"}
    assert c_definitions(sources["low.c"]) == {"shared", "down"}
    assert c_references(sources) == {"up.c": {"low.c"}, "low.c": set(), "in/user.c": {"low.c"}}
    sources["in/user.c"] = "#define ROW(name, x) \\\n    &do##name,\nint *all[] = {ROW(wn, 1)};\n"
    assert c_references(sources)["in/user.c"] == {"low.c"}
    sources["low.c"] += "int back(void) {\n    return up(1, 2);\n}\n"
    assert cycles(c_references(sources)) == [["low.c", "up.c"]]


# ---- nnc


def test_no_cycle_of_imports():
    graph = python_imports(ROOT / "nnc")
    assert {"nnc", "nnc.models", "nnc.layers", "nnc.search"} <= set(graph) and len(graph) > 50
    assert not cycles(graph), report(graph)


def test_nobody_in_nnc_imports_from_the_top():
    """nnc/__init__.py imports everything for users; no module of nnc imports from it."""
    graph = python_imports(ROOT / "nnc")
    assert [name for name in graph if "nnc" in graph[name]] == []


@pytest.fixture(scope="module")
def sources():
    if not (ROOT / "csrc").is_dir():
        pytest.skip("csrc is not next to the tests: they are not run from a checkout")
    return c_sources(ROOT / "csrc")


def test_no_cycle_of_includes(sources):
    graph = c_includes(sources)
    assert len(graph) > 30 and sum(map(len, graph.values())) > 30
    assert not cycles(graph), report(graph)


def test_no_cycle_of_references_among_c_files(sources):
    graph = c_references(sources)
    assert len(graph) > 20 and sum(map(len, graph.values())) > 20
    assert not cycles(graph), report(graph)


def test_kernels_refer_to_nothing_of_the_core(sources):
    graph = c_references(sources)
    kernels = {name for name in graph if name.startswith(("isa/", "kernels/"))}
    assert kernels and {name: graph[name] for name in kernels if graph[name]} == {}
