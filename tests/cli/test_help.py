"""`--help` answers at once: it waits for no heavy library."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("paddle", "onnx", "onnxruntime", "av")


@pytest.mark.parametrize("command", ["run", "export"])
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_no_heavy_library(command: str, option: str) -> None:
    program = (
        f"import sys; from reel.cli.{command} import main\n"
        f"try: main([{option!r}])\n"
        f"except SystemExit as stop: print(stop.code, [name for name in {HEAVY} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"reel-{command}" in result.stdout
    assert result.stdout.splitlines()[-1] == "0 []"


@pytest.mark.parametrize("command", ["run", "export"])
def test_help_has_examples(command: str) -> None:
    program = [sys.executable, "-m", f"reel.cli.{command}", "--help"]
    assert "examples:" in subprocess.run(program, capture_output=True, text=True, check=True).stdout
