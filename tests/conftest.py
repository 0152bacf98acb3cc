"""What tests of several parts share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def clips() -> Path:
    """The folder of real clips beside the repository; tests that need it are skipped without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data" / "clips"
    if not folder.is_dir():
        pytest.skip(f"needs the real clips in {folder}")
    return folder
