"""A server of a temporary folder that is asked without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

for _needed in ("starlette", "jinja2", "python_multipart", "httpx2"):
    pytest.importorskip(_needed, reason="use: pip install '.[app]' httpx2")

if TYPE_CHECKING:
    from starlette.testclient import TestClient

TOKEN = "a-token-of-the-tests"
PORT = 8123
ADDRESS = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    opened = tmp_path / "opened"
    opened.mkdir()
    return opened


@pytest.fixture
def stranger(folder: Path) -> Iterator[TestClient]:
    """One who has not been let in: no token, no cookie."""
    from starlette.testclient import TestClient

    from nnunet_amt.app.server import create_app

    app = create_app(folder, token=TOKEN, host="127.0.0.1", port=PORT)
    with TestClient(app, base_url=ADDRESS, headers={"accept-language": "en"}) as client:
        yield client


@pytest.fixture
def client(stranger: TestClient) -> TestClient:
    """One who opened the first address."""
    assert stranger.get(f"/?token={TOKEN}").status_code == 200
    return stranger
