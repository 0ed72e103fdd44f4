"""Every route of the server, whoever adds it: closed to strangers, to other sites, and to paths out of the folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.routing import Mount, Route

from nnunet_amt.app.server import create_app
from nnunet_amt.study.run_study import open_study
from nnunet_amt.study.settings import StudyFolders
from tests.app.conftest import PORT, TOKEN

if TYPE_CHECKING:
    from starlette.testclient import TestClient

_OUTWARDS = (
    "%2E%2E",
    "%2e%2e%2f..",
    "..%2F..%2Foutside",
    "%2e%2e%2foutside",
    "%2Fetc%2Fpasswd",
    "a%00b",
    ".nnunet_amt_app",
)
# Forms that name files: address, and the field with what else the form needs.
PATH_FIELDS = {
    "/new-study": ("table", {"name": "new"}),
    "/patients": ("path", {"study": "one"}),
    "/studies/one/cases/search": ("path", {}),
    "/studies/one/cases/row": ("cell-mask", {"line": "2"}),
}


def routes() -> Iterator[tuple[str, str]]:
    """Give the method and the path of every route but those of our style sheet and script."""
    app = create_app(Path(), token=TOKEN, host="127.0.0.1", port=PORT)
    for route in app.routes:
        if isinstance(route, Mount):
            assert route.path == "/static"
            continue
        assert isinstance(route, Route) and route.methods
        for method in sorted(route.methods - {"HEAD"}):
            yield method, route.path


def filled(path: str, value: str = "1") -> str:
    return re.sub(r"\{\w+(:\w+)?\}", value, path)


ROUTES = tuple(routes())
WITH_PATHS = tuple((method, path) for method, path in ROUTES if "{" in path)


@pytest.fixture
def outside(folder: Path) -> Path:
    """Plant a study beside the opened folder, which no answer may tell of, and one in it."""
    planted = folder.parent / "outside"
    planted.mkdir()
    (planted / "secret.txt").write_text("a planted secret")
    for study in (folder / "one", planted):
        study.mkdir(exist_ok=True)
        (study / "manifest.csv").write_text(f"case_id,patient_id,institution,image,mask\n{study.name},p,North,i,m\n")
        settings = open_study(study, manifest=study / "manifest.csv")
        checkpoint = StudyFolders.of(study, settings).fold_folder / "checkpoint_best.pth"
        checkpoint.parent.mkdir(parents=True)
        checkpoint.write_bytes(b"weights")  # so that new patients may be sent
    return planted


def test_there_are_routes_of_each_kind() -> None:
    assert len(ROUTES) > 20 and len(WITH_PATHS) > 12
    assert sum(method == "POST" for method, _ in ROUTES) > 8


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_stranger_is_shown_nothing(stranger: TestClient, outside: Path, method: str, path: str) -> None:
    answer = stranger.request(method, filled(path, "one"), follow_redirects=False)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_foreign_name_is_refused(client: TestClient, method: str, path: str) -> None:
    """DNS rebinding: the cookie would come along."""
    assert client.request(method, filled(path), headers={"host": f"evil.example:{PORT}"}).status_code == 400


@pytest.mark.parametrize("path", [path for method, path in ROUTES if method == "POST"])
def test_a_post_of_another_site_does_nothing(client: TestClient, outside: Path, folder: Path, path: str) -> None:
    before = sorted(folder.rglob("*"))
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert client.post(filled(path, "one"), headers=headers).status_code == 403
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(("method", "path"), WITH_PATHS)
def test_no_address_leads_out_of_the_folder(client: TestClient, outside: Path, method: str, path: str) -> None:
    for value in _OUTWARDS:
        for address in {filled(path, value), re.sub(r"\{\w+(:\w+)?\}(?=[^{]*$)", value, path).replace("{name}", "one")}:
            answer = client.request(method, re.sub(r"\{\w+(:\w+)?\}", "1", address), follow_redirects=False)
            assert answer.status_code in (400, 403, 404), address
            assert "planted secret" not in answer.text and "outside,p,North" not in answer.text


@pytest.mark.parametrize("address", PATH_FIELDS)
@pytest.mark.parametrize("value", ["../outside/manifest.csv", "/etc/passwd", "link/secret.txt"])
def test_no_field_leads_out_of_the_folder(
    client: TestClient, outside: Path, folder: Path, address: str, value: str
) -> None:
    (folder / "link").symlink_to(outside)
    (folder / "one" / "link").symlink_to(outside)
    name, data = PATH_FIELDS[address]
    found = re.search(r'name="digest" value="(\w+)"', client.get("/studies/one/cases").text)
    assert found
    if name == "cell-mask":
        value = value.replace("../outside", "../../outside")
    answer = client.post(address, data={**data, name: value, "digest": found[1]}, follow_redirects=False)
    assert answer.status_code in (400, 403)
    assert "lies outside the opened folder" in answer.text
    assert "planted secret" not in answer.text and "root:" not in answer.text
