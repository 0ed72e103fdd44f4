"""Starting the server: on this machine only, or with TLS and a password; again after a kill, for the tabs of before."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app

httpx = pytest.importorskip("httpx2")  # as starlette's own test client does

Start = Callable[..., tuple[subprocess.Popen[str], str]]
PASSWORD = "correct horse battery"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a server; give its process and the address that it prints."""
    running: list[subprocess.Popen[str]] = []

    def start_(folder: Path, *options: str) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "nnunet_amt", "app", str(folder), "--no-browser", *options]
        root = str(Path(__file__).parents[2])
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root, "PYTHONUNBUFFERED": "1"}
        )
        running.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process, process.stdout.readline().strip()

    yield start_
    for process in running:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_a_server_that_was_killed_goes_on_for_the_open_tabs(start: Start, tmp_path: Path) -> None:
    process, address = start(tmp_path / "new" / "opened")
    assert address.startswith("http://127.0.0.1:")
    with httpx.Client(follow_redirects=True) as tab:
        assert tab.get(address).status_code == 200
        process.kill()
        process.wait()
        _, again = start(tmp_path / "new" / "opened")
        assert again == address
        assert tab.get(address.partition("?")[0]).status_code == 200
    assert httpx.get(address.partition("?")[0]).status_code == 401
    memory = tmp_path / "new" / "opened" / ".nnunet_amt_app" / "server.json"
    assert memory.stat().st_mode & 0o077 == 0  # it holds the token


def test_two_servers_take_two_ports(start: Start, tmp_path: Path) -> None:
    _, first = start(tmp_path / "a")
    _, second = start(tmp_path / "a")
    assert first.partition("?")[0] != second.partition("?")[0]


def test_others_reach_it_by_tls_and_password(start: Start, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate of this test")
    cert, key, password = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "password"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {cert} -days 1 -subj /CN=127.0.0.2".split(),
        check=True, capture_output=True,
    )  # fmt: skip
    password.write_text(PASSWORD + "\n")
    password.chmod(0o600)
    files = ("--tls-cert", str(cert), "--tls-key", str(key), "--password-file", str(password))
    _, address = start(tmp_path / "a", "--host", "127.0.0.2", *files)
    assert address.startswith("https://127.0.0.2:") and "token" not in address
    with httpx.Client(verify=False, follow_redirects=True) as other:
        assert "Sign in" in other.get(address).text
        answer = other.post(address + "login", data={"password": PASSWORD})
        assert answer.status_code == 200 and "Studies" in answer.text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "192.0.2.1"], "others on the network would reach the page"),
        (["--host", "0.0.0.0"], "name the one address"),
        (["--host", "::"], "name the one address"),
        (["--tls-cert", "cert.pem"], "--tls-cert: is for a --host that others reach"),
        (["--host", "192.0.2.1", "--tls-cert", "c", "--tls-key", "k", "--password-file", "p"], "c: no such file"),
    ],
)
def test_a_server_open_to_strangers_is_refused(tmp_path: Path, options: list[str], said: str) -> None:
    answer = CliRunner().invoke(app, ["app", str(tmp_path / "a"), "--no-browser", *options])
    assert answer.exit_code == 2 and said in answer.output
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("short\n", 0o600, "at least 12 letters"),
        (f"{PASSWORD}\n{PASSWORD}\n", 0o600, "one line"),
        (PASSWORD, 0o644, "others on this machine may read it"),
    ],
)
def test_a_weak_password_file_is_refused(tmp_path: Path, text: str, mode: int, said: str) -> None:
    from nnunet_amt.app.start import serve
    from nnunet_amt.errors import BadInputError

    for name in ("cert", "key"):
        (tmp_path / name).touch()
    (tmp_path / "password").write_text(text)
    (tmp_path / "password").chmod(mode)
    with pytest.raises(BadInputError, match=said):
        serve(
            tmp_path / "a", host="192.0.2.1", tls_cert=tmp_path / "cert", tls_key=tmp_path / "key",
            password_file=tmp_path / "password",
        )  # fmt: skip


def test_a_study_is_not_a_folder_of_studies(tmp_path: Path) -> None:
    (tmp_path / "study.toml").touch()
    answer = CliRunner().invoke(app, ["app", str(tmp_path)])
    assert answer.exit_code == 2 and f"nnunet_amt app {tmp_path.parent}" in answer.output


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = CliRunner().invoke(app, ["app", str(tmp_path), "--port", str(port)])
    assert answer.exit_code == 2 and "cannot listen there" in answer.output


def test_without_the_extra_one_line_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    there = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, package=None: None if name == "starlette" else there(name, package)
    )
    answer = CliRunner().invoke(app, ["app", str(tmp_path)])
    assert answer.exit_code == 2 and "pip install '.[app]'" in answer.output


def test_the_first_address_may_be_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of the demo's study; its token lets in there too."""
    from nnunet_amt.app.start import Listening, serve

    told: list[Listening] = []
    monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
    serve(tmp_path / "a", open_browser=False, page="/studies/x/results", on_start=told.append)
    [listening] = told
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/studies/x/results\?token=[\w-]+", listening.address)
