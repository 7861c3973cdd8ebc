"""Writes the pages of the API reference, one for each public name, before Sphinx reads its sources.

The pages are api/index.rst, a page for each public module and one for each name; they are generated
and not committed. nnc's docstrings are plain text: what would be markup in reStructuredText, such as
the bars of |x|, is escaped.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from numpydoc.docscrape import NumpyDocString
from public_names import Name, inherited_members, names_of, public_modules, public_names

FOLDER = "api"


def write(app) -> None:
    """Write the pages that have changed, and remove those of names that no longer exist."""
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(exist_ok=True)
    pages = {"index.rst": _index()}
    by_module: dict[str, list[Name]] = {}
    where = {}
    names = public_names()
    paths = {name.object: name.path for name in names if name.kind == "class"}
    for name in names:
        by_module.setdefault(name.module, []).append(name)
        for path in (name.path, *name.aliases):
            where[path] = name
        if name.kind != "data":
            pages[f"{name.path}.rst"] = _page(name, paths)
    for module in public_modules():
        pages[f"{module.__name__}.rst"] = _module_page(module, by_module.get(module.__name__, []), where)
    for file in folder.glob("*.rst"):
        if file.name not in pages:
            file.unlink()
    for file_name, text in pages.items():
        file = folder / file_name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def _title(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}\n\n"


def _index() -> str:
    modules = [module.__name__ for module in public_modules()]
    rows = "".join(f"   * - :doc:`{name} <{name}>`\n     - {_first_line(name)}\n" for name in modules)
    entries = "".join(f"   {name}\n" for name in modules)
    return (
        _title("API reference")
        + "Every public name, with an example of each. Nothing else is part of the interface: modules and\n"
        + "names that begin with an underscore may change.\n\n"
        + f".. list-table::\n   :widths: 25 75\n\n{rows}\n.. toctree::\n   :hidden:\n\n{entries}"
    )


def _first_line(module: str) -> str:
    import importlib

    doc = inspect.getdoc(importlib.import_module(module)) or ""
    return _escaped(doc.split("\n\n")[0].replace("\n", " "))


def _page(name: Name, paths: dict[type, str]) -> str:
    directive = {"class": "autoclass", "function": "autofunction"}[name.kind]
    text = _title(name.path) + f".. {directive}:: {name.path}\n"
    if name.kind == "class":
        text += "   :members:\n\n" + _of_base(name.object, paths)
        for member, value in inherited_members(name.object, paths).items():
            kind = "autoproperty" if isinstance(value, property) else "automethod"
            text += f"   .. {kind}:: {name.path}.{member}\n"
    text += "\n"
    role = "class" if name.kind == "class" else "function"
    for alias in name.aliases:
        text += f".. py:{role}:: {alias}\n\n   Another name of :py:obj:`{name.path}`.\n\n"
    return text


def _of_base(cls: type, paths: dict[type, str]) -> str:
    """A sentence about the arguments that a class takes and the base of its family describes."""
    for base in reversed(cls.__mro__[1:]):
        if base in paths and _described(base) and inspect.signature(cls).parameters.keys() - _described(cls):
            return f"   Further arguments are those of :py:obj:`{paths[base]}`.\n\n"
    return ""


def _described(cls: type) -> set[str]:
    """The arguments in the section Parameters of a class's docstring."""
    sections = NumpyDocString(vars(cls).get("__doc__") or "")
    return {name.strip(" *") for parameter in sections["Parameters"] for name in parameter.name.split(",")}


def _module_page(module, own: list[Name], where: dict[str, Name]) -> str:
    text = _title(module.__name__) + f".. automodule:: {module.__name__}\n\n"
    objects = [name for name in own if name.kind != "data"]
    text += f".. currentmodule:: {module.__name__}\n\n"
    if objects:
        rows = "".join(f"   {name.name}\n" for name in objects)
        text += f".. autosummary::\n\n{rows}\n"
        rows = "".join(f"   {name.name} <{name.path}>\n" for name in objects)
        text += f".. toctree::\n   :hidden:\n\n{rows}\n"
    elsewhere = [
        (f"{module.__name__}.{name}", where[f"{module.__name__}.{name}"].path)
        for name in names_of(module)
        if f"{module.__name__}.{name}" in where
        and where[f"{module.__name__}.{name}"].path != f"{module.__name__}.{name}"
    ]
    if elsewhere:
        text += "Names of what is described elsewhere:\n\n"
        text += "".join(f"- ``{here}``: :py:obj:`{there}`\n" for here, there in sorted(elsewhere)) + "\n"
    for name in own:
        if name.kind == "data":
            text += f".. autodata:: {name.path}\n   :no-value:\n\n"
    return text


_CODE = re.compile(r"(``.+?``|`[^`]+`_?)")
_MARKUP = re.compile(r"(?<!\\)(\||\*|(?<=\w)_(?=[\s\"'.,:;)\]}|]|$))")


def _escaped(line: str) -> str:
    """The line with markup outside its code escaped."""
    parts = _CODE.split(line)
    return "".join(part if i % 2 else _MARKUP.sub(r"\\\1", part) for i, part in enumerate(parts))


def escape(app, what, name, obj, options, lines: list[str]) -> None:
    """Escape a docstring's lines in place, but not its examples, code blocks and names of arguments."""
    literal: int | None = None
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if literal is not None:
            if not line.strip() or indent > literal:
                continue
            literal = None
        if line.lstrip().startswith((">>>", "...")):
            literal = indent - 1  # the example and what it prints, up to the next empty line
            continue
        if line.rstrip().endswith("::"):
            literal = indent
        if re.match(r"\s*[*\w, ]+ : ", line) or re.match(r"\*{1,2}\w+$", line):
            head, colon, rest = line.partition(" : ")
            lines[i] = head + colon + _escaped(rest)
        else:
            lines[i] = _escaped(line)


def leave_out(app, what, name, obj, skip, options) -> bool | None:
    """Leave out attributes that are classes, and the methods that scikit-learn generates."""
    generated = re.search(r"(^|\.)set_\w+_request$", name)
    return True if generated or (what == "class" and inspect.isclass(obj)) else None


def setup(app):
    app.connect("autodoc-skip-member", leave_out)
    app.connect("builder-inited", write, priority=400)
    app.connect("autodoc-process-docstring", escape, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
