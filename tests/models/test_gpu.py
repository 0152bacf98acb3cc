"""What this machine says of its GPU and of TensorRT, and what is said where there is none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from reel.errors import BackendError
from reel.models.gpu import Gpu, find_gpu

# The driver's calls that are used, with the values of an H200; each can be told to fail.
CUDA = """
#include <string.h>
#ifndef FAILS
#define FAILS ""
#endif
#ifndef COUNT
#define COUNT 1
#endif
static int code(const char *name) { return strcmp(name, FAILS) ? 0 : 999; }
int cuInit(unsigned flags) { return flags ? 1 : code("cuInit"); }
int cuDeviceGetCount(int *count) { *count = COUNT; return code("cuDeviceGetCount"); }
int cuDeviceGet(int *device, int ordinal) { *device = 7; return ordinal ? 1 : code("cuDeviceGet"); }
int cuDeviceGetName(char *name, int length, int device) {
    if (device != 7 || length < 12) return 1;
    strcpy(name, "NVIDIA H200");
    return code("cuDeviceGetName");
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    if (device != 7) return 1;
    *value = attribute == 75 ? 9 : attribute == 76 ? 4 : -1;
    return code("cuDeviceGetAttribute");
}
int cuDriverGetVersion(int *version) { *version = 13020; return code("cuDriverGetVersion"); }
int cuGetErrorString(int code, const char **text) { *text = code == 999 ? "unknown error" : 0; return 0; }
"""
MANAGEMENT = """
#include <string.h>
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *version, unsigned length) {
    if (length < 10) return 7;
    strcpy(version, "580.65.06");
    return 0;
}
"""


def library(folder: Path, name: str, source: str, *options: str) -> str:
    """Compile a library, or skip the test without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler, to build libraries that take the place of a driver's")
    (folder / f"{name}.c").write_text(source)
    target = folder / f"lib{name}.so"
    command = [compiler, "-shared", "-fPIC", *options, "-o", target, folder / f"{name}.c"]
    subprocess.run(command, check=True)
    return str(target)


def test_a_gpu_is_named_with_its_capability_and_its_driver(tmp_path: Path) -> None:
    libraries = library(tmp_path, "cuda", CUDA), library(tmp_path, "nvml", MANAGEMENT)
    assert find_gpu(libraries) == Gpu("NVIDIA H200", "9.4", "580.65.06")


def test_without_the_management_library_the_driver_is_known_by_its_cuda(tmp_path: Path) -> None:
    cuda = library(tmp_path, "cuda", CUDA)
    assert find_gpu((cuda, str(tmp_path / "none.so"))).driver == "CUDA 13.2"


@pytest.mark.parametrize(
    "call",
    [
        "cuInit",
        "cuDeviceGetCount",
        "cuDeviceGet",
        "cuDeviceGetName",
        "cuDeviceGetAttribute",
        "cuDriverGetVersion",
    ],
)
def test_no_error_of_the_driver_is_passed_over(tmp_path: Path, call: str) -> None:
    cuda = library(tmp_path, "cuda", CUDA, f'-DFAILS="{call}"')
    with pytest.raises(BackendError) as caught:
        find_gpu((cuda, "none"))
    assert caught.value.message == f"The NVIDIA driver failed in {call}: unknown error (error 999)."


def test_a_machine_without_a_driver_or_without_a_gpu_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="There is no NVIDIA driver here"):
        find_gpu((str(tmp_path / "none.so"), "none"))
    with pytest.raises(BackendError, match="shows no GPU"):
        find_gpu((library(tmp_path, "cuda", CUDA, "-DCOUNT=0"), "none"))
