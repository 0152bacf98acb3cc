"""The tree is what pyproject.toml says, and imports point down only."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("cli", "engine", "export", "models")
MODULES = sorted([*ROOT.glob("*.py"), *(file for part in PARTS for file in (ROOT / part).rglob("*.py"))])

# Who may import what: paths from the root that a module's own path must start with.
THIRD_PARTIES = {
    "paddle": ("export/",),
    "paddle2onnx": ("export/",),
    "ppgan": ("export/",),
    "onnx": ("export/",),
    "onnxruntime": ("engine/backends/", "export/check.py", "export/onnx_from_paddle.py"),
    "tensorrt": ("engine/backends/",),
    "cuda": ("engine/device/cudart.py",),
    "av": ("engine/",),
    "jinja2": ("engine/report/",),
    "leather": ("engine/report/",),
    "PIL": ("engine/report/", "engine/trial/", "engine/pixels/label.py"),
}
FORBIDDEN = {
    "models": {"cli", "engine", "export"},
    "engine": {"cli", "export"},
    "export": {"cli", "engine"},
    "errors.py": {"cli", "engine", "export", "models"},
}
# The folders of engine/, each above those that it may import; above them all only engine/restore.py, and
# below them what lies in engine/ itself.
LEVELS = (
    "report",
    "trial",
    "runs",
    "writing",
    "job",
    "stages",
    "reading",
    "pixels",
    "backends",
    "networks",
    "device",
)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path, *, deep: bool = True) -> Iterator[str]:
    """Yield the absolute name of every module that a file imports, wherever in it or at its top alone."""
    package = ["reel", *path.relative_to(ROOT).parts[:-1]]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if deep else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def test_the_packages_that_are_installed_are_those_of_the_tree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {module.parent.relative_to(ROOT) for module in MODULES}
    tree = {".".join(("reel", *folder.parts)) for folder in folders}
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted(tree)


def test_every_package_has_an_init_file() -> None:
    assert [named(module.parent) for module in MODULES if not (module.parent / "__init__.py").is_file()] == []


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_arrows_between_the_parts_point_down(module: Path) -> None:
    part = module.relative_to(ROOT).parts[0]
    reached = {name.split(".")[1] for name in imported(module) if name.startswith("reel.")}
    assert reached & FORBIDDEN.get(part, set()) == set()


@pytest.mark.parametrize("module", [m for m in MODULES if named(m).startswith("engine/")], ids=named)
def test_arrows_between_the_folders_of_the_engine_point_down(module: Path) -> None:
    if named(module) == "engine/restore.py":
        return
    inner = module.relative_to(ROOT / "engine").parts
    level = LEVELS.index(inner[0]) if len(inner) > 1 else len(LEVELS)
    # What is imported within a function is asked for by whoever calls it, and loaded for nobody else.
    reached = {name.split(".")[2] for name in imported(module, deep=False) if name.startswith("reel.engine.")}
    assert reached & set(LEVELS[:level]) == set()


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_only_the_modules_meant_to_import_a_heavy_library(module: Path) -> None:
    libraries = {name.split(".")[0] for name in imported(module)} & THIRD_PARTIES.keys()
    assert {name for name in libraries if not named(module).startswith(THIRD_PARTIES[name])} == set()


def test_the_backends_do_not_import_each_other() -> None:
    for module in (ROOT / "engine" / "backends").glob("*.py"):
        if module.name in ("choice.py", "engine_check.py"):
            continue  # which open one of them, or compare two
        others = [name for name in imported(module) if name.startswith("reel.engine.backends.")]
        own = f"reel.engine.backends.{module.stem}_"  # the parts of a backend are called after it
        assert [name for name in others if not name.startswith(own)] == []
