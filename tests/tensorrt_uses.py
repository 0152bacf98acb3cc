"""What a source file asks of TensorRT, found in the source: names, calls, and what is asked for first."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reel.tests.tensorrt_bindings import Bindings

Kind = tuple[str, str]
"""What an expression is: ``module``, ``class X``, ``instance X``, or ``function X.name``."""

MODULE: Kind = ("module", "")

LIBRARY = Path(__file__).resolve().parents[1] / "models" / "tensorrt_library.py"


@dataclass(frozen=True)
class Use:
    """A name of the module (holder ``""``) or of a class, and the line that it is used in."""

    holder: str
    name: str
    line: int


@dataclass
class Uses:
    """All uses in a file, those that are asked for with ``hasattr``, and calls that fit no overload."""

    names: set[Use] = field(default_factory=set)
    optional: set[tuple[str, str]] = field(default_factory=set)
    misfits: set[Use] = field(default_factory=set)
    calls: set[tuple[str, str]] = field(default_factory=set)


def uses_in(source: Path, known: Bindings) -> Uses:
    """Follow TensorRT's objects through a file, as a version documents what its calls return.

    What is what begins with annotations: ``Trt = Annotated[Any, "tensorrt"]`` says that parameters of this
    type are the module, ``Config = Annotated[Any, "IBuilderConfig"]`` that they are of that class.
    """
    return _Follow(_tree(source), known).uses


def _tree(source: Path) -> ast.Module:
    return ast.parse(source.read_text(encoding="utf-8"))


class _Follow:
    def __init__(self, tree: ast.Module, known: Bindings) -> None:
        self.uses = Uses()
        self._known = known
        # Others import what the library's own file says.
        self._types = dict([*self._annotated(_tree(LIBRARY)), *self._annotated(tree)])
        functions = [
            node
            for within in (_tree(LIBRARY), tree)
            for node in ast.walk(within)
            if isinstance(node, ast.FunctionDef)
        ]
        self._returns = {node.name: self._type(node.returns) for node in functions}
        self._members = {  # self.x: X
            node.target.attr: self._type(node.annotation)
            for node in ast.walk(tree)
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute)
        }
        self._block(tree.body, {})

    def _annotated(self, tree: ast.Module) -> Iterator[tuple[str, Kind]]:
        for node in tree.body:
            match node:
                case ast.Assign(
                    targets=[ast.Name(id=name)],
                    value=ast.Subscript(
                        value=ast.Name(id="Annotated"),
                        slice=ast.Tuple(elts=[_, ast.Constant(value=str(of))]),
                    ),
                ):
                    yield name, MODULE if of == "tensorrt" else ("instance", of)
                    if of != "tensorrt":
                        self.uses.names.add(Use("", of, node.lineno))
                case _:
                    pass

    def _type(self, annotation: ast.expr | None) -> Kind | None:
        match annotation:
            case ast.Name(id=name):
                return self._types.get(name)
            case ast.BinOp(left=left, right=right):  # X | None
                return self._type(left) or self._type(right)
            case _:
                return None

    def _block(self, body: list[ast.stmt], names: dict[str, Kind | None]) -> None:
        for node in body:
            self._statement(node, names)

    def _statement(self, node: ast.stmt, names: dict[str, Kind | None]) -> None:
        match node:
            case ast.FunctionDef():
                inner = dict(names)
                for argument in [*node.args.args, *node.args.kwonlyargs]:
                    inner[argument.arg] = self._type(argument.annotation)
                self._block(node.body, inner)
            case ast.ClassDef():
                self._overrides(node, names)
                self._block(node.body, dict(names))
            case ast.Assign(targets=targets, value=value):
                kind = self._kind(value, names)
                for target in targets:
                    if isinstance(target, ast.Name):
                        names[target.id] = kind
                    else:
                        self._kind(target, names)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                kind = self._kind(value, names) if value else None
                names[name] = self._type(annotation) or kind
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self._kind(child, names)
                    elif isinstance(child, ast.withitem):
                        self._kind(child.context_expr, names)
                    elif isinstance(child, ast.ExceptHandler):
                        self._block(child.body, names)
                    elif isinstance(child, ast.stmt):
                        self._statement(child, names)

    def _overrides(self, node: ast.ClassDef, names: dict[str, Kind | None]) -> None:
        """TensorRT calls the methods of a class that derives from one of its own by their names."""
        for base in node.bases:
            kind = self._kind(base, names)
            if kind is not None and kind[0] == "class":
                for method in node.body:
                    if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                        self.uses.names.add(Use(kind[1], method.name, method.lineno))

    def _kind(self, node: ast.expr, names: dict[str, Kind | None]) -> Kind | None:
        match node:
            case ast.Name(id=name):
                return names.get(name)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                return self._members.get(name)
            case ast.Attribute(value=value, attr=name):
                return self._attribute(self._kind(value, names), name, node.lineno)
            case ast.Call():
                return self._call(node, names)
            case ast.Lambda(body=body):
                return self._kind(body, names)
            case _:
                for child in ast.walk(node):
                    if child is not node and isinstance(child, ast.Attribute | ast.Call):
                        self._kind(child, names)
                return None

    def _attribute(self, of: Kind | None, name: str, line: int) -> Kind | None:
        if of is None or of[0] == "function":
            return None
        holder = of[1]
        self.uses.names.add(Use(holder, name, line))
        if not self._known.has(holder, name):
            return None
        inner = f"{holder}.{name}".lstrip(".")
        match self._known.kind(holder, name):
            case "class":
                return "class", inner
            case "function":
                return "function", inner
            case "property":
                returned = self._known.returned(holder, name)
                return ("instance", returned) if returned else None
            case _:
                return None

    def _call(self, node: ast.Call, names: dict[str, Kind | None]) -> Kind | None:
        before = set(self.uses.names)
        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
            self._kind(argument, names)
        given = self.uses.names - before
        is_of_another = not all(self._known.has(use.holder, use.name) for use in given)
        match node:
            case ast.Call(func=ast.Name(id="hasattr"), args=[of, ast.Constant(value=str(name))]):
                kind = self._kind(of, names)
                if kind is not None:
                    self.uses.optional.add((kind[1], name))
                return None
            case ast.Call(func=ast.Name(id=name)) if name in self._returns:
                return self._returns[name]
            case _:
                pass
        kind = self._kind(node.func, names)
        if kind is None or kind[0] not in ("class", "function"):
            return None
        holder, _, name = kind[1].rpartition(".")
        if kind[0] == "class":
            self._fits(node, kind[1], "__init__")
            return "instance", kind[1]
        if not is_of_another:  # what this version does not have is told of already
            self._fits(node, holder, name)
        returned = self._known.returned(holder, name)
        return ("instance", returned) if returned else None

    def _fits(self, node: ast.Call, holder: str, name: str) -> None:
        """Compare the arguments of a call with what a version documents; enumerations document none."""
        self.uses.calls.add((holder, name))
        keywords = tuple(keyword.arg or "" for keyword in node.keywords)
        positional = len(node.args)
        if name == "__init__" and isinstance(node.func, ast.Attribute) and node.func.attr == "__init__":
            positional -= 1  # Base.__init__(self)
        if any(isinstance(argument, ast.Starred) for argument in node.args) or "" in keywords:
            return
        signatures = self._known.signatures(holder, name)
        if signatures and not any(each.takes(positional, keywords) for each in signatures):
            self.uses.misfits.add(Use(holder, name, node.lineno))
