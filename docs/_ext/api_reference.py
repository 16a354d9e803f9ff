"""Reference of `rtbench.api`, `import rtbench` and the hooks, generated from the code and its docstrings.

`.. api-names:: ROOM …` documents the names of `rtbench.api` whose modules are in these rooms of the core, `.. python-api::` the names
of `import rtbench`, and `.. hook-specs::` the hooks. References to a module that is not public, such as
`rtbench.schema.tasks.Sample`, lead to the entry of the public name, `rtbench.api.Sample`.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
from dataclasses import is_dataclass

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.autodoc import Options
from sphinx.ext.napoleon import Config, GoogleDocstring
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective
from sphinx.util.inspect import signature as signature_of
from sphinx.util.inspect import stringify_signature
from sphinx.util.nodes import get_node_source, nested_parse_with_titles

import rtbench
import rtbench.api
from rtbench.api import _HOMES
from rtbench.plugin import hookspecs

NAPOLEON = Config(napoleon_use_rtype=False)
OPEN_SERVICES = "open_services"
"""The one function that `rtbench.api` itself defines; it is listed with the contracts."""


def names_of_rooms(rooms: list[str]) -> list[str]:
    """Return the public names whose modules are in these rooms, classes first."""
    found = [name for name, home in _HOMES.items() if home.split(".")[1] in rooms]
    if "plugin" in rooms:
        found.append(OPEN_SERVICES)
    return sorted(found, key=lambda name: (not inspect.isclass(getattr(rtbench.api, name)), name.lower()))


class _Generated(SphinxDirective):
    """Parses lines of reStructuredText that the code gives."""

    has_content = False

    def parsed(self, lines: list[str]) -> list[nodes.Node]:
        """Return the nodes of lines."""
        parent = nodes.Element()
        parent.document = self.state.document
        nested_parse_with_titles(self.state, StringList(lines, source=self.env.docname), parent)
        return list(parent.children)


class ApiNames(_Generated):
    """Documents the names of some rooms."""

    optional_arguments = 99

    def run(self) -> list[nodes.Node]:
        """Return the entries."""
        return self.parsed([line for name in names_of_rooms(self.arguments) for line in entry_of(name)])


class PythonApi(_Generated):
    """Documents the names of `import rtbench`."""

    def run(self) -> list[nodes.Node]:
        """Return the entries."""
        lines: list[str] = []
        for name in sorted(rtbench.__all__, key=lambda name: (inspect.isclass(getattr(rtbench, name)), name)):
            value = getattr(rtbench, name)
            if name == "__version__":
                lines += [".. py:data:: rtbench.__version__", "   :type: str", "", "   The installed version.", ""]
            elif name == "RtbenchError":
                lines += [".. py:exception:: rtbench.RtbenchError", "   :no-index-entry:", ""]
                lines += ["   A user's mistake, as :class:`rtbench.api.RtbenchError`.", ""]
            elif inspect.isclass(value):
                lines += [f".. autoclass:: rtbench.{name}", "   :members:", "   :undoc-members:", ""]
            elif inspect.isfunction(value):
                lines += [f".. autofunction:: rtbench.{name}", ""]
            else:
                lines += _of_object(f"rtbench.{name}", value)
        return self.parsed(lines)


class HookSpecs(_Generated):
    """Documents the hooks."""

    def run(self) -> list[nodes.Node]:
        """Return the entries."""
        module = hookspecs.__name__
        names = [name for name in vars(hookspecs) if name.startswith("rtbench_")]
        return self.parsed([line for name in names for line in (f".. autofunction:: {module}.{name}", "")])


def entry_of(name: str) -> list[str]:
    """Return the lines of a name's entry."""
    value = getattr(rtbench.api, name)
    if inspect.isclass(value):
        kind = "autoexception" if issubclass(value, Exception) else "autoclass"
        return [f".. {kind}:: rtbench.api.{name}", "   :members:", "   :undoc-members:", ""]
    if inspect.isfunction(value):
        return [f".. autofunction:: rtbench.api.{name}", ""]
    lines = [f".. py:data:: rtbench.api.{name}"]
    shown = " ".join(repr(value).split()).replace("typing.", "")
    if len(shown) <= 200 and " object at 0x" not in shown:
        lines.append(f"   :value: {shown}")
    said = ModuleAnalyzer.for_module(_HOMES[name]).find_attr_docs().get(("", name), [])
    return [*lines, "", *(f"   {line}" for line in said), ""]


def _of_object(path: str, value: object) -> list[str]:
    """Return the lines of an object whose methods are the API, such as `rtbench.register`."""
    lines = [f".. py:data:: {path}", "", *(f"   {line}" for line in inspect.getdoc(type(value)).splitlines()), ""]
    for name, function in inspect.getmembers(type(value), inspect.isfunction):
        if not name.startswith("_"):
            signature = stringify_signature(signature_of(function, bound_method=True), unqualified_typehints=True)
            said = GoogleDocstring(inspect.getdoc(function) or "", NAPOLEON).lines()
            lines += [f".. py:function:: {path}.{name}{signature}", "", *(f"   {line}" for line in said), ""]
    return lines


def public_target(env: BuildEnvironment, target: str) -> str | None:
    """Return the full name of a public object that a name in a docstring or an annotation means."""
    objects = env.domains["py"].objects  # type: ignore[attr-defined]
    for prefix in ("rtbench.api.", "rtbench."):
        parts = target.split(".")
        for start in range(len(parts)):
            if (found := prefix + ".".join(parts[start:])) in objects:
                return found
    return None


def resolve(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, contnode: nodes.Element
) -> nodes.Node | None:
    """Resolve a reference to a name of Python that has no entry under the name that was written."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    if found := public_target(env, target):
        return env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, node["reftype"], found, node, contnode)
    in_annotation = _inside(node, addnodes.desc_signature)
    if in_annotation or hasattr(builtins, target) or _is_private(target, get_node_source(node) or ""):
        return contnode
    return None


def _inside(node: nodes.Node, kind: type[nodes.Node]) -> bool:
    """Return whether a node is inside a node of a kind."""
    while node is not None:
        if isinstance(node, kind):
            return True
        node = node.parent
    return False


def _is_private(target: str, source: str) -> bool:
    """Return whether a name exists in rtbench without being public. It is then shown without a link.

    Args:
        target: whole name, or a name of the module whose docstring mentions it.
        source: place that Sphinx names in its messages: ``FILE:docstring of OBJECT``.
    """
    owner = source.partition("docstring of ")[2]
    if owner.startswith("rtbench.api."):
        name, _, rest = owner.removeprefix("rtbench.api.").partition(".")
        owner = f"{_HOMES.get(name, '')}.{name}.{rest}"
    parts = owner.split(".")
    paths = [target, *(".".join([*parts[:length], target]) for length in range(len(parts), 0, -1))]
    return any(_exists(path) for path in paths if path.startswith("rtbench."))


def _exists(path: str) -> bool:
    """Return whether a dotted path names a module, an object or a field."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(value, part) and part not in getattr(value, "__annotations__", {}):
                return False
            value = getattr(value, part, None)
        return True
    return False


def process_docstring(app: Sphinx, what: str, name: str, obj: object, options: Options, lines: list[str]) -> None:
    """Turn a docstring in Google's style into fields. The text of an attribute is plain: a colon in it is no type."""
    if lines and lines[0].startswith("Alias for field number"):
        lines.clear()
    if what not in {"attribute", "property", "data"}:
        lines[:] = GoogleDocstring(list(lines), NAPOLEON, app, what, name, obj, options).lines()


def process_signature(
    app: Sphinx, what: str, name: str, obj: object, options: Options, signature: str | None, returns: str | None
) -> tuple[str | None, str | None] | None:
    """Leave out the constructor of a record, whose arguments are the fields that are listed below it."""
    if inspect.isclass(obj) and (is_dataclass(obj) or hasattr(obj, "__struct_fields__") or hasattr(obj, "_fields")):
        return "", None
    return None


def setup(app: Sphinx) -> dict[str, object]:
    """Register the extension."""
    app.add_directive("api-names", ApiNames)
    app.add_directive("python-api", PythonApi)
    app.add_directive("hook-specs", HookSpecs)
    app.connect("missing-reference", resolve)
    app.connect("autodoc-process-docstring", process_docstring)
    app.connect("autodoc-process-signature", process_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
