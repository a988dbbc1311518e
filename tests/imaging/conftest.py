"""The coordinates of imaged silica, where a test finds them."""

import os
from pathlib import Path

import pytest

from listi.imaging import experimental

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "experimental"  # beside the checkout


@pytest.fixture
def imaged_files(monkeypatch):
    """Folder of the imaged coordinates; tests that need them are skipped without it."""
    folder = Path(os.environ.get(experimental.FOLDER, BESIDE))
    if not folder.is_dir():
        pytest.skip(
            f"no coordinates of imaged silica: neither {experimental.FOLDER} nor ../shared/experimental is there"
        )
    monkeypatch.setenv(experimental.FOLDER, str(folder))
    return folder
