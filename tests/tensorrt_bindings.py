"""TensorRT's own Python bindings, without its libraries, and what they say of every name that they have."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

VERSIONS = ("8.6", "10.1", "10", "11")
FOLDER = Path(os.environ.get("REEL_BINDINGS") or Path(sys.prefix) / "bindings")
"""Where `make test` puts them."""

FAKES = Path(__file__).parent / "fakes"

# What the bindings ask their libraries for when they are loaded, and nothing more. A call would end badly:
# none is made.
_LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser", "nvparsers")
_SYMBOLS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
    # of 8.6 alone, as C++ spells them
    "_ZN11nvuffparser15createUffParserEv",
    "_ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi",
    "_ZN14nvcaffeparser117createCaffeParserEv",
    "_ZN14nvcaffeparser123shutdownProtobufLibraryEv",
)

# Written by hand for a process of its own: names, kinds and first words of documentation.
_DUMP = """
import importlib, json, sys
module = importlib.import_module(sys.argv[1])
found = {}
def kind(value):
    if isinstance(value, type): return "class"
    if isinstance(value, property): return "property"
    return "function" if callable(value) else "value"
def told(value):
    getter = getattr(value, "fget", None)
    return (getattr(getter or value, "__doc__", None) or "")
def look(name, holder):
    found[name] = names = {}
    for each in dir(holder):
        value = getattr(holder, each)
        ours = each in vars(holder)
        if holder is module: ours = getattr(value, "__module__", None) == module.__name__
        names[each] = [kind(value), told(value), "its own" if ours else "inherited or imported"]
        if isinstance(value, type) and not each.startswith("_"):
            inner = f"{name}.{each}".lstrip(".")
            if inner.count(".") < 2: look(inner, value)
look("", module)
json.dump({"version": module.__version__, "names": found}, sys.stdout)
"""


@dataclass(frozen=True)
class Signature:
    """Parameters of one overload, without ``self``: all, and those that must be given."""

    names: tuple[str, ...]
    needed: int

    def takes(self, positional: int, keywords: tuple[str, ...]) -> bool:
        given = [*self.names[:positional], *keywords]
        known = positional <= len(self.names) and set(keywords) <= set(self.names)
        return known and len(given) == len(set(given)) and set(self.names[: self.needed]) <= set(given)


@dataclass(frozen=True)
class Bindings:
    """The names of one version: those of the module under an empty name, and those of each class."""

    version: str
    names: dict[str, dict[str, list[str]]]

    def has(self, holder: str, name: str) -> bool:
        return name in self.names.get(holder, {})

    def kind(self, holder: str, name: str) -> str:
        return self.names[holder][name][0]

    @property
    def own(self) -> list[tuple[str, str]]:
        """Holders and names that the module itself defines, public ones."""
        return [
            (holder, name)
            for holder, names in self.names.items()
            for name, (_, _, whose) in names.items()
            if whose == "its own" and not name.startswith("_")
            if not holder or self.names[""][holder.split(".")[0]][2] == "its own"
        ]

    def returned(self, holder: str, name: str) -> str | None:
        """Return the class that a method returns or a property has, as its documentation says it."""
        match = re.search(r"-> ([\w.:]+)", self.names[holder][name][1])
        last = re.split(r"[.:]", match[1])[-1] if match else ""
        last = {"IParserError": "ParserError"}.get(last, last)  # 11 calls it by its C++ name here
        return last if last in self.names else None

    def signatures(self, holder: str, name: str) -> list[Signature]:
        """Return the overloads of a function, as pybind11 writes them down."""
        found = re.findall(rf"^(?:\d+\. )?{name}\((.*)\) -> ", self.names[holder][name][1], re.MULTILINE)
        return [_signature(parameters) for parameters in found if parameters != "*args, **kwargs"]


def _signature(text: str) -> Signature:
    depth, parameters = 0, [""]
    for letter in text:
        depth += (letter in "[(<") - (letter in "])>")
        if letter == "," and not depth:
            parameters.append("")
        else:
            parameters[-1] += letter
    named = [each.strip() for each in parameters if each.strip() and not each.strip().startswith("self:")]
    needed = sum("=" not in each for each in named)
    return Signature(tuple(each.split(":")[0] for each in named), needed)


@cache
def bindings(version: str, scratch: Path) -> Bindings:
    """Load the real bindings of a version in a process of their own, or skip the test without them."""
    return _dumped("tensorrt_bindings", *_place(version, scratch))


def run_beside(version: str, scratch: Path, program: str) -> str:
    """Return what a program prints that can import the real bindings, or skip the test without them."""
    return _printed(program, *_place(version, scratch))


@cache
def _place(version: str, scratch: Path) -> tuple[Path, tuple[tuple[str, str], ...]]:
    """Return the folder of the bindings, and the environment in which they find libraries."""
    folder = FOLDER / f"tensorrt-{version}"
    if not (folder / "tensorrt_bindings").is_dir():
        pytest.skip(f"needs TensorRT's bindings in {folder}; `make test` installs them, if there are any")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler, to build libraries that take the place of TensorRT's")
    libraries = scratch / version
    libraries.mkdir()
    source = libraries / "absent.c"
    source.write_text("".join(f"void *{symbol}(void) {{ return 0; }}\n" for symbol in _SYMBOLS))
    for name in _LIBRARIES:
        file = f"lib{name}.so.{version.split('.')[0]}"
        command = [compiler, "-shared", "-fPIC", f"-Wl,-soname,{file}", "-o", libraries / file, source]
        subprocess.run(command, check=True)
    return folder, (("LD_LIBRARY_PATH", str(libraries)),)


@cache
def fake(version: str) -> Bindings:
    """Return the names of tests/fakes/tensorrt where it takes itself for a version."""
    return _dumped("tensorrt", FAKES, (("REEL_FAKE_TENSORRT", version),))


def _dumped(module: str, folder: Path, environment: tuple[tuple[str, str], ...]) -> Bindings:
    said: dict[str, Any] = json.loads(_printed(_DUMP, folder, environment, module))
    return Bindings(said["version"], said["names"])


def _printed(program: str, folder: Path, environment: tuple[tuple[str, str], ...], *words: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *words],
        env=os.environ | dict(environment) | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
