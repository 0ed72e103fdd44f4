"""What a page says when there is none: in the reader's language, without a traceback and this machine's paths."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from nnunet_amt.app.server import create_app
from tests.app.conftest import ADDRESS, PORT, TOKEN


def test_an_input_that_cannot_be_used_is_told_in_its_line(client: TestClient, folder: Path) -> None:
    (folder / "broken").mkdir()
    (folder / "broken" / "study.toml").write_text("[train]\ntrainer = 3\n")
    answer = client.get("/studies/broken")
    assert answer.status_code == 400
    assert "broken/study.toml: [train] trainer = 3" in answer.text and str(folder) not in answer.text


def test_what_is_not_there_is_told_in_both_languages(client: TestClient) -> None:
    assert "No such page" in client.get("/nowhere").text
    japanese = client.get("/studies/nowhere?lang=ja")
    assert japanese.status_code == 404 and "ページがありません" in japanese.text


def test_a_fault_of_ours_shows_nothing_of_its_insides(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> list[Path]:
        raise RuntimeError("a secret of the machine")

    monkeypatch.setattr("nnunet_amt.app.studies.studies_below", fail)
    app = create_app(folder, token=TOKEN, host="127.0.0.1", port=PORT)
    client = TestClient(app, base_url=ADDRESS, raise_server_exceptions=False, headers={"accept-language": "en"})
    answer = client.get(f"/?token={TOKEN}")
    assert answer.status_code == 500
    assert "a fault of the program" in answer.text and "secret" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_every_address_of_the_navigation_is_there(client: TestClient) -> None:
    from nnunet_amt.app.pages import NAVIGATION

    for address, _ in NAVIGATION:
        page = client.get(address)
        assert page.status_code == 200
        assert page.text.count('aria-current="page"') == 1
