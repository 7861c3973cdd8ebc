"""Dependencies read from the sources: imports among Python modules, includes and references among C files,
and the cycles in such a graph. A graph is {node: {nodes that it depends on}}."""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterator
from pathlib import Path

Graph = dict[str, set[str]]

# ---- cycles


def reachable(graph: Graph, start: str) -> set[str]:
    """The nodes reachable from `start` by one or more edges; `start` itself too, if it is on a cycle."""
    found: set[str] = set()
    ahead = list(graph[start])
    while ahead:
        node = ahead.pop()
        if node not in found:
            found.add(node)
            ahead += graph[node]
    return found


def cycles(graph: Graph) -> list[list[str]]:
    """The strongly connected components of more than one node, and the nodes with an edge to themselves."""
    ahead = {node: reachable(graph, node) for node in graph}
    found = {frozenset(m for m in ahead[n] if n in ahead[m]) for n in graph if n in ahead[n]}
    return sorted(sorted(cycle) for cycle in found)


def report(graph: Graph) -> str:
    """Each cycle's nodes and the edges among them, as a text; "" if there is none."""
    lines = []
    for cycle in cycles(graph):
        lines.append(f"a cycle of {len(cycle)}: {', '.join(cycle)}")
        lines += [f"    {node} -> {', '.join(sorted(graph[node] & set(cycle)))}" for node in cycle]
    return "\n".join(lines)


# ---- Python


def python_imports(package: Path) -> Graph:
    """All imports among the modules of a package: at the top, in functions, under TYPE_CHECKING, or as a
    module's full name in a string, for importlib. `from p import x` is an import of the module p.x if there
    is one, else of p.

    A module that imports p.q.r from outside of p.q also runs p/q/__init__.py, so it depends on both. This
    excludes the package at the top, which is run first in any case."""
    paths = [path for suffix in ("py", "pyx", "pxi") for path in package.rglob(f"*.{suffix}")]
    modules = {_module(package, path): path for path in sorted(paths)}
    graph: Graph = {name: set() for name in modules}
    for name, path in modules.items():
        here = name if path.stem == "__init__" else name.rpartition(".")[0]
        for imported in _imported(path, here, modules):
            parts = imported.split(".")
            above = (".".join(parts[:n]) for n in range(2, len(parts)))
            graph[name] |= {imported, *(p for p in above if not f"{name}.".startswith(f"{p}."))}
    return graph


def _module(package: Path, path: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# Cython's import statements, which are Python's except for a letter, and its inclusions.
_CYTHON_IMPORT = re.compile(
    r"^[ \t]*((?:from[ \t]+[\w.]+[ \t]+)?c?import[ \t]+(?:\([^)]*\)|[\w.]+(?:[ \t]*,.*|[ \t]+as.*)?))[ \t]*$",
    re.M,
)
_CYTHON_INCLUDE = re.compile(r'^include "(\w+)\.pxi"', re.M)


def _imported(path: Path, here: str, modules: Container[str]) -> Iterator[str]:
    """The modules that a source in the package `here` imports."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from (f"{here}.{name}" for name in _CYTHON_INCLUDE.findall(text))
        text = "\n".join(re.sub(r"\bcimport\b", "import", found) for found in _CYTHON_IMPORT.findall(text))
    for node in ast.walk(ast.parse(text)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = here.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            names = [base if f"{base}.{a.name}" not in modules else f"{base}.{a.name}" for a in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            names = [node.value]
        yield from (name for name in names if name in modules)


# ---- C


def c_sources(folder: Path) -> dict[str, str]:
    """The text of every C source except tests, without comments and strings, by its path in the folder."""
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix in {".c", ".h", ".inc", ".def"}]
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {
        name: _without_comments(path.read_text(encoding="utf-8"))
        for name, path in names.items()
        if not name.startswith("test/")
    }


def _without_comments(text: str) -> str:
    pattern = r'//[^\n]*|/\*.*?\*/|(#[ \t]*include[ \t]*"[^"\n]*")|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, lambda match: match[1] or " ", text, flags=re.DOTALL)


def c_includes(sources: dict[str, str]) -> Graph:
    """Which file includes which: one in the same folder, which the compiler searches first, or at the top."""
    graph: Graph = {}
    for name, text in sources.items():
        included = re.findall(r'^[ \t]*#[ \t]*include[ \t]*"([^"]*)"', text, re.MULTILINE)
        beside = [_joined(name, other) for other in included]
        graph[name] = {
            path if path in sources else other
            for path, other in zip(beside, included, strict=True)
            if path in sources or other in sources
        }
    return graph


def _joined(name: str, other: str) -> str:
    parts = name.split("/")[:-1]
    for part in other.split("/"):
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def c_definitions(text: str) -> set[str]:
    """The names of the functions and objects that a file exports: defined in column 0, not static."""
    found = set()
    for match in re.finditer(r"^(?=[A-Za-z_])([^;{}#]*?)[ \t\n]*([;{=])", text, re.MULTILINE):
        head, end = re.sub(r"__attribute__\(\(.*?\)\)", "", match[1]).strip(), match[2]
        if re.match(r"(static|extern|typedef|NNC_INLINE)\b", head):
            continue
        function = re.match(r"[^()=]*?(\w+)[ \t]*\(", head)
        if function and end == "{":
            found.add(function[1])
        elif not function and end == "=":
            found.add(re.findall(r"\w+(?=[ \t]*(?:\[[^\]]*\][ \t]*)*$)", head)[-1])
    return found


def _identifiers(text: str) -> set[str]:
    """The identifiers that may be functions or objects: not members, not the names of structs."""
    return set(re.findall(r"(?<!\.)(?<!->)(?<!struct )(?<!enum )(?<!union )\b[A-Za-z_]\w*", text))


def _inline_functions(text: str) -> dict[str, set[str]]:
    """The identifiers in the body of each function that a header defines."""
    found = re.findall(r"^static inline\b[^;{}]*?(\w+)\([^;{}]*\) \{(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    return {name: _identifiers(body) for name, body in found}


def _pasted(text: str) -> re.Pattern[str]:
    """The identifiers that a macro may paste: `nnc_##name` any nnc_... if `name` is its parameter."""
    found = []
    for parameters, body in re.findall(r"#[ \t]*define[ \t]+\w+\(([^)]*)\)((?:[^\\\n]|\\\n)*)", text):
        names = re.findall(r"\w+", parameters)
        for pasted in re.findall(r"\w+(?:[ \t]*##[ \t]*\w+)+", body):
            first, *parts = re.findall(r"\w+", pasted)
            if first not in names:  # name##_forward could be anything; exported names begin with nnc_
                found.append(first + "".join(r"\w+" if part in names else part for part in parts))
    return re.compile("|".join(found) or r"(?!)")


def c_references(sources: dict[str, str]) -> Graph:
    """Which file refers to a function or an object that a .c file defines: calls it, or takes its address.

    The references of an inline function in a header count for the files that use the function; those of a
    macro in a .c file count for every name that it may paste."""
    owner = {
        symbol: name
        for name, text in sources.items()
        if name.endswith(".c")
        for symbol in c_definitions(text)
    }
    inline = {}
    for name, text in sources.items():
        if name.endswith(".h"):
            inline |= _inline_functions(text)
    graph: Graph = {}
    for name, text in sources.items():
        if name.endswith((".c", ".inc")):
            used, ahead = set(), _identifiers(text)
            while ahead:
                used |= ahead
                ahead = set().union(*(inline.get(symbol, set()) for symbol in ahead)) - used
            pasted = _pasted(text)
            graph[name] = {owner[s] for s in owner if s in used or pasted.fullmatch(s)} - {name}
    return graph
