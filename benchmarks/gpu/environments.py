"""The interpreters that stages run in, made of what was brought, without a network.

Needs the standard library alone, since it goes along.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from stages import OWN, PYTORCH, WITH_TENSORRT, Stage

_CUDA_PROVIDER = "libonnxruntime_providers_cuda.so"
_NEEDED = "import bz2, ctypes, hashlib, lzma, ssl, uuid, zlib"
# What pip is told of an interpreter that is not its own (see wheels.py).
_PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(28, 16, -1)] + ["manylinux2014_x86_64"]


class PlaceError(Exception):
    """An environment that cannot be made here."""


class Environments:
    """Environments by name, each installed when a stage first asks for it.

    Args:
        home: The work folder of a pack: bundles are in ``pack``, environments come beside it.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._pack = home / "pack"
        self._tree = self._pack / "reel" / "reel"
        self._ready: dict[str, dict[str, str]] = {}
        self._failed: dict[str, str] = {}

    def check(self) -> None:
        """See that this interpreter's wheels were brought.

        Raises:
            PlaceError: They were not.
        """
        if not self._own_wheels().is_dir():
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            raise PlaceError(
                f"There are no wheels for Python {version} here: bring all parts of python-{version}, or "
                f"pack with --python {version}."
            )

    def command(self, stage: Stage) -> tuple[list[str], dict[str, str]]:
        """Return the command line of a stage, and the variables that it runs with.

        Raises:
            PlaceError: Its environment cannot be made.
        """
        name = stage.environment
        if name in self._failed:
            raise PlaceError(self._failed[name])
        if name not in self._ready:
            make = {OWN: self._own, WITH_TENSORRT: self._with_tensorrt, PYTORCH: self._pytorch}[name]
            try:
                self._ready[name] = make()
            except PlaceError as error:
                self._failed[name] = str(error)
                raise
        variables = os.environ | self._ready[name] | {"REEL_STORE": str(self._home / "store")}
        variables |= {"REEL_GPU_PACK": str(self._pack), "REEL_GPU_WORK": str(self._home)}
        # The machine's own plugins for pytest are made for another version of it.
        variables["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        program = list(stage.program)
        if program[0] != "-m":
            program[0] = str(self._tree / "benchmarks" / "gpu" / program[0])
        return [self._ready[name]["REEL_GPU_PYTHON"], *program], dict(variables)

    @property
    def tree(self) -> Path:
        """Where reel lies: stages run there."""
        return self._tree

    def _own_wheels(self) -> Path:
        return self._pack / own_wheels()

    def _own(self) -> dict[str, str]:
        site = self._installed("site-own", self._own_wheels(), [])
        return {"PYTHONPATH": self._path(site), "REEL_GPU_PYTHON": sys.executable}

    def _pytorch(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self._tree / "benchmarks"), "REEL_GPU_PYTHON": sys.executable}

    def _with_tensorrt(self) -> dict[str, str]:
        brought = self._pack / "tensorrt"
        other = ["--python-version", "3.11", "--implementation", "cp", "--only-binary=:all:"]
        other += [word for platform in _PLATFORMS for word in ("--platform", platform)]
        site = self._installed("site-tensorrt", self._pack / "tensorrt-wheels", other)
        # The driver's libraries may be found by this variable alone.
        given = os.environ.get("LD_LIBRARY_PATH")
        libraries = [str(brought / "libraries"), *([given] if given else [])]
        variables = {
            "PYTHONPATH": self._path(site),
            "PYTHONHOME": str(brought / "python" / "usr"),
            "LD_LIBRARY_PATH": ":".join(libraries),
            "REEL_GPU_PYTHON": str(brought / "python" / "usr" / "bin" / "python3.11"),
        }
        problem = _problem(variables)
        if problem:  # a system that lacks a library: with Debian's
            places = sorted((brought / "python-libraries").glob("**/x86_64-linux-gnu"))
            variables["LD_LIBRARY_PATH"] = ":".join([*libraries, *map(str, places)])
            problem = _problem(variables)
        if problem:
            raise PlaceError(f"the Python that was brought does not run here: {problem}")
        return variables

    def _path(self, site: Path) -> str:
        return os.pathsep.join([str(site), str(self._tree.parent), str(self._tree / "benchmarks")])

    def _installed(self, name: str, wheels: Path, options: list[str]) -> Path:
        """Return a folder with wheels installed, their hashes checked, and with CUDA's libraries."""
        site = self._home / name
        if not site.is_dir():
            partial = self._home / f"{name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            command += ["--no-index", "--no-deps", "--no-compile", "--require-hashes", *options]
            command += ["--find-links", str(wheels), "--requirement", str(wheels / "requirements.txt")]
            command += ["--target", str(partial)]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode:
                raise PlaceError(f"pip failed on {wheels.name}: {_last_line(result.stderr)}")
            partial.rename(site)
        provider = site / "onnxruntime" / "capi" / _CUDA_PROVIDER
        if not provider.exists() and (self._pack / "cuda" / _CUDA_PROVIDER).is_file():
            provider.symlink_to(self._pack / "cuda" / _CUDA_PROVIDER)
        libraries = _cuda_libraries()
        if libraries and not (site / "nvidia").exists():
            (site / "nvidia").symlink_to(libraries)
        return site


def own_wheels() -> str:
    """Return the name of the bundle of wheels for the Python that this runs in."""
    return f"python-{sys.version_info[0]}.{sys.version_info[1]}"


def versions(pack: Path) -> dict[str, str]:
    """Return the versions of what was brought, by name, and of the Pythons."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for folder in (own_wheels(), "tensorrt-wheels"):
        file = pack / folder / "requirements.txt"
        for line in file.read_text().splitlines() if file.is_file() else ():
            name, _, version = line.split()[0].partition("==")
            found.setdefault(name, version)
    if (pack / "tensorrt" / "libraries").is_dir():
        found["TensorRT's libraries"] = "8.6.0"
    return found


def _problem(variables: dict[str, str]) -> str | None:
    """Return what is the matter with an interpreter that was brought, or None."""
    try:
        result = subprocess.run(
            [variables["REEL_GPU_PYTHON"], "-c", _NEEDED],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        return str(error)
    return _last_line(result.stderr) if result.returncode else None


def _cuda_libraries() -> str | None:
    """Return the folder of CUDA's libraries that pip has put beside the machine's PyTorch, if any."""
    code = "import nvidia; print(list(nvidia.__path__)[0])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else None


def _last_line(text: str) -> str:
    return ([line.strip() for line in text.splitlines() if line.strip()] or ["no words for it"])[-1]
