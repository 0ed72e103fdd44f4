"""Nobody else comes in: no stranger, no other site's page, no path out of the opened folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.app.conftest import ADDRESS, PORT, TOKEN

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def test_without_the_token_nothing_is_shown(stranger: TestClient) -> None:
    for address in ("/", "/log", "/patients", "/?token=guessed", "/nowhere"):
        answer = stranger.get(address)
        assert answer.status_code == 401
        assert "printed in the terminal" in answer.text
        assert "set-cookie" not in answer.headers


def test_the_first_address_gives_a_cookie_and_leaves_the_token_behind(stranger: TestClient) -> None:
    answer = stranger.get(f"/?token={TOKEN}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(f"nnunet_amt_{PORT}=")  # browsers give cookies to every port of a host
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert stranger.get("/").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:1", ""])
def test_a_name_that_was_pointed_at_us_is_refused(client: TestClient, host: str) -> None:
    """DNS rebinding: the page of evil.example asks evil.example, which by now is 127.0.0.1."""
    assert client.get("/", headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", [f"localhost:{PORT}", f"[::1]:{PORT}", f"LOCALHOST:{PORT}"])
def test_our_other_names_are_ours(stranger: TestClient, host: str) -> None:
    assert stranger.get("/", headers={"host": host}).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": f"https://127.0.0.1:{PORT}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_post_of_another_site_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/logout", headers=headers).status_code == 403


@pytest.mark.parametrize("headers", [{"origin": ADDRESS}, {"sec-fetch-site": "same-origin"}, {}])
def test_a_post_of_ours_is_taken(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/logout", headers=headers, follow_redirects=False).status_code == 303


def test_no_answer_allows_what_is_not_ours(client: TestClient, stranger: TestClient) -> None:
    for address in ("/", "/static/app.css", "/nowhere"):
        headers = client.get(address).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["..", "../other", "a/../../b", "/etc/passwd", "link"])
def test_no_path_leads_out_of_the_folder(folder: Path, path: str) -> None:
    from starlette.exceptions import HTTPException

    from nnunet_amt.app.security import inside

    (folder / "link").symlink_to(folder.parent)
    with pytest.raises(HTTPException) as refused:
        inside(folder, path)
    assert refused.value.status_code == 403
    assert path in refused.value.detail and "outside the opened folder" in refused.value.detail


def test_paths_in_the_folder_are_whole(folder: Path) -> None:
    from nnunet_amt.app.security import inside

    assert inside(folder, "a/../b/c.csv") == folder / "b" / "c.csv"
    assert inside(folder, folder / "b") == folder / "b"


@pytest.mark.parametrize(
    "address", ["/studies/..%2F..", "/studies/%2E%2E", "/static/..%2Fserver.py", "/static/../server.py"]
)
def test_no_address_leads_out_of_the_folder(client: TestClient, address: str) -> None:
    assert client.get(address).status_code in (403, 404)


def test_more_than_the_limit_is_not_taken(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnunet_amt.app.security.FORM_BYTES", 100)
    assert client.post("/logout", content=b"x" * 101).status_code == 413
    assert client.post("/logout", content=b"x" * 100, follow_redirects=False).status_code == 303


def test_a_body_without_a_length_ends_at_the_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent in pieces, as browsers do not but others can."""
    from starlette.testclient import TestClient

    from nnunet_amt.app.server import create_app

    monkeypatch.setattr("nnunet_amt.app.security.FORM_BYTES", 100)
    app = create_app(folder, token=TOKEN, host="amt.example", port=443, password="p" * 12, tls=True)
    client = TestClient(app, base_url="https://amt.example")
    sent = client.post(
        "/login",
        content=iter([b"password="] + [b"x" * 60] * 3),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert sent.status_code == 413


def test_a_server_for_others_asks_for_its_password(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.testclient import TestClient

    from nnunet_amt.app.server import create_app

    monkeypatch.setattr("nnunet_amt.app.server._WRONG_PASSWORD_SECONDS", 0.0)
    app = create_app(folder, token=TOKEN, host="amt.example", port=443, password="correct horse", tls=True)
    client = TestClient(app, base_url="https://amt.example")
    assert client.get(f"/?token={TOKEN}", follow_redirects=False).headers["location"] == "/login"
    assert client.post("/login", data={"password": "wrong horse"}).status_code == 401
    entered = client.post("/login", data={"password": "correct horse"}, follow_redirects=False)
    assert entered.status_code == 303 and "secure" in entered.headers["set-cookie"].lower()
    assert client.get("/").status_code == 200
    assert client.get("/", headers={"host": "127.0.0.1:443"}).status_code == 400


def test_a_page_that_a_stage_made_is_kept_apart(folder: Path) -> None:
    """A report from elsewhere must not start jobs with the reader's cookie."""
    from nnunet_amt.app.pages import made_page

    (folder / "report.html").write_text("<p>made</p>")
    policy = made_page(folder / "report.html").headers["content-security-policy"]
    assert policy.startswith("sandbox ") and "allow-same-origin" not in policy and "connect-src data: blob:;" in policy
