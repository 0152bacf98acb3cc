"""What is carried beside reel itself: wheels, the CUDA part of ONNX Runtime, TensorRT, an interpreter.

Everything is checked against the hashes in ``requirements/`` when it is downloaded. ONNX Runtime's wheel is
then written anew without its CUDA part, which is carried once, with the code of one generation of GPUs only.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from gpu_code import keep_generation
from parts import PackError

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"
GPU = REQUIREMENTS / "gpu.txt"
TENSORRT = REQUIREMENTS / "gpu-tensorrt-8.6.txt"
BINDINGS = REQUIREMENTS / "bindings" / "tensorrt-8.6.txt"

# pip matches these exactly, newest first. glibc 2.28 is older than any system with a current driver.
PLATFORMS = (*(f"manylinux_2_{minor}_x86_64" for minor in range(28, 16, -1)), "manylinux2014_x86_64")

CUDA_PROVIDER = "libonnxruntime_providers_cuda.so"
_CUDA_PROVIDER_IN_WHEEL = f"onnxruntime/capi/{CUDA_PROVIDER}"
_LEFT_OUT = (_CUDA_PROVIDER_IN_WHEEL, "onnxruntime/capi/libonnxruntime_providers_tensorrt.so")

# What of TensorRT 8.6.0 is needed. Its libnvparsers reads formats that nothing here has, but the bindings
# load it; libnvinfer_plugin needs cuDNN and cuBLAS 8, and 8.6 runs nothing here that needs a plugin.
_TENSORRT_LIBRARIES = (
    "libnvinfer.so.8",
    "libnvinfer_builder_resource.so.8.6.0",
    "libnvonnxparser.so.8",
    "libnvparsers.so.8",
)
_PLUGIN = "libnvinfer_plugin.so.8"

# Debian's Python 3.11, and the libraries that it needs where a system has none of its own.
_INTERPRETER = ("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib")
_ITS_LIBRARIES = ("libexpat1", "libffi8", "zlib1g", "libssl3", "liblzma5", "libbz2-1.0", "libuuid1")


def download(requirements: Path, python: str, folder: Path) -> list[Path]:
    """Download the wheels of a hashed requirements file for a version of Python, and return them.

    Raises:
        PackError: pip is not there, or finds one of them not, or with another hash.
    """
    # Checked when it was downloaded; pip would ask the index for every one of them again.
    complete, wanted = folder / "complete", hashlib.sha256(requirements.read_bytes()).hexdigest()
    if complete.is_file() and complete.read_text() == wanted:
        return sorted(folder.glob("*.whl"))
    if importlib.util.find_spec("pip"):
        pip = [sys.executable, "-m", "pip"]
    elif found := shutil.which("pip"):
        pip = [found]
    else:
        raise PackError("There is no pip here.", "Install it, or run this with a Python that has it.")
    folder.mkdir(parents=True, exist_ok=True)
    command = [*pip, "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    command += [word for platform in PLATFORMS for word in ("--platform", platform)]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        words = [line for line in result.stderr.splitlines() if "ERROR" in line][-2:]
        raise PackError(
            f"pip cannot download {requirements.name} for Python {python}: {' / '.join(words)}.",
            "Check the network, and that every package has a wheel for this Python.",
        )
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        raise PackError(
            f"{requirements.name} has nothing for this machine's Python.", "Pack with Python 3.11."
        )
    complete.write_text(wanted)
    return wheels


def download_for(python: str, cache: Path, target: Path) -> Path:
    """Put the wheels for a version of Python into a folder, with ``requirements.txt`` that has their hashes.

    Args:
        cache: Where downloads are kept from one packing to the next.

    Returns:
        ONNX Runtime's wheel as it was downloaded.
    """
    target.mkdir(parents=True)
    whole: Path | None = None
    for wheel in download(GPU, python, cache / f"python-{python}"):
        if wheel.name.startswith("onnxruntime_gpu-"):
            whole = wheel
            write_without_cuda(wheel, target / wheel.name)
        else:
            shutil.copyfile(wheel, target / wheel.name)
    if whole is None:
        raise PackError(f"{GPU} has no onnxruntime-gpu.", "Resolve it anew with `make lock`.")
    write_hashes(target)
    return whole


def write_without_cuda(wheel: Path, target: Path) -> None:
    """Write ONNX Runtime's wheel without what needs a GPU."""
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as written:
        for entry in source.infolist():
            if entry.filename in _LEFT_OUT:
                continue
            content = source.read(entry)
            if entry.filename.endswith(".dist-info/RECORD"):
                lines = content.decode().splitlines(keepends=True)
                content = "".join(line for line in lines if line.split(",")[0] not in _LEFT_OUT).encode()
            dated = zipfile.ZipInfo(entry.filename, (2026, 1, 1, 0, 0, 0))  # the same each time
            written.writestr(dated, content, zipfile.ZIP_DEFLATED)


def write_hashes(folder: Path) -> None:
    """Write ``requirements.txt`` for the wheels in a folder, with their hashes."""
    lines: list[str] = []
    for wheel in sorted(folder.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name.replace('_', '-')}=={version} --hash=sha256:{digest}\n")
    (folder / "requirements.txt").write_text("".join(lines))


def write_cuda_provider(wheel: Path, target: Path, generation: int) -> tuple[int, int]:
    """Write ONNX Runtime's CUDA part with the code of one generation of GPUs (see ``keep_generation``)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    whole = target.with_suffix(".whole")
    with (
        zipfile.ZipFile(wheel) as source,
        source.open(_CUDA_PROVIDER_IN_WHEEL) as library,
        whole.open("wb") as file,
    ):
        shutil.copyfileobj(library, file)
    try:
        return keep_generation(whole, target, generation)
    finally:
        whole.unlink()


def write_tensorrt(cache: Path, target: Path) -> None:
    """Write TensorRT 8.6's libraries, unmodified, and Python 3.11, which its bindings are for.

    Raises:
        PackError: One of them cannot be had here.
    """
    (wheel,) = download(TENSORRT, "3.10", cache / "tensorrt")  # for whose Python does not matter: libraries
    (libraries := target / "libraries").mkdir(parents=True)
    with zipfile.ZipFile(wheel) as source:
        for name in _TENSORRT_LIBRARIES:
            with source.open(f"tensorrt/{name}") as library, (libraries / name).open("wb") as file:
                shutil.copyfileobj(library, file)
        licence = next(name for name in source.namelist() if name.endswith("LICENSE.txt"))
        (target / "TensorRT-LICENSE.txt").write_bytes(source.read(licence))
    _write_plugin_stub(libraries / _PLUGIN)
    _write_interpreter(cache / "debian", target)


def write_wheels_of_tensorrt(cache: Path, target: Path) -> None:
    """Write the wheels for that interpreter, TensorRT's bindings among them."""
    download_for("3.11", cache, target)
    for bindings in download(BINDINGS, "3.11", cache / "tensorrt-bindings"):
        shutil.copyfile(bindings, target / bindings.name)
    write_hashes(target)


def _write_plugin_stub(target: Path) -> None:
    """Build a library in the place of TensorRT's plugins: it has none, and says that all went well."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise PackError("There is no C compiler here.", "Install one, or pack with --without-tensorrt.")
    source = target.with_suffix(".c")
    source.write_text("int initLibNvInferPlugins(void *logger, const char *name) { return 1; }\n")
    command = [compiler, "-shared", "-fPIC", f"-Wl,-soname,{_PLUGIN}", "-o", str(target), str(source)]
    subprocess.run(command, check=True)
    source.unlink()


def _write_interpreter(cache: Path, target: Path) -> None:
    """Unpack Debian's Python 3.11, and apart from it the libraries that a system may lack."""
    cache.mkdir(parents=True, exist_ok=True)
    for names, place in ((_INTERPRETER, target / "python"), (_ITS_LIBRARIES, target / "python-libraries")):
        for name in names:
            if not list(cache.glob(f"{name}_*.deb")):
                _checked(["apt-get", "--quiet", "download", name], cache)
            (package,) = cache.glob(f"{name}_*.deb")
            place.mkdir(parents=True, exist_ok=True)
            _checked(["dpkg", "--extract", str(package), str(place)], cache)
    shutil.rmtree(target / "python" / "usr" / "share", ignore_errors=True)
    shutil.rmtree(target / "python-libraries" / "usr" / "share", ignore_errors=True)


def _checked(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        words = getattr(error, "stderr", None) or error
        raise PackError(
            f"`{' '.join(command)}` failed: {str(words).strip()}.",
            "Pack on Debian 12, whose packages have Python 3.11, after `apt-get update`, or pack with "
            "--without-tensorrt.",
        ) from error
