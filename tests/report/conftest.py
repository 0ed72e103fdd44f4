"""One small study, evaluated once, and its page: for all tests that only read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.report import write_report
from tests.report.studies import SECRET, TITLE, PageReader, write_study


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp(SECRET) / "study")


@pytest.fixture(scope="session")
def text(study: Path) -> str:
    result = write_report(study, study / "report.html", title=TITLE)
    text = result.path.read_text(encoding="utf-8")
    assert result.size == len(text.encode())
    return text


@pytest.fixture(scope="session")
def page(text: str) -> PageReader:
    return PageReader(text)
