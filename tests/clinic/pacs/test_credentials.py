"""A password comes from a private file or the environment, and is shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.clinic.pacs.credentials import PASSWORD, TOKEN, USER, Credentials, find_credentials
from nnunet_amt.errors import BadInputError


def _file(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "credentials"
    file.write_text(text)
    file.chmod(mode)
    return file


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user:pass:word\n", Credentials("user", "pass:word")),
        ("Bearer a.b.c\n", Credentials(token="a.b.c")),
    ],
)
def test_a_file_of_one_line(tmp_path: Path, text: str, expected: Credentials) -> None:
    assert find_credentials(_file(tmp_path, text), {}) == expected


@pytest.mark.parametrize("text", ["", "secret", ":secret", "secret:", "secret:a\nsecret:b", "sec\x07ret:secret"])
def test_what_else_a_file_may_hold_is_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInputError) as caught:
        find_credentials(_file(tmp_path, text), {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(BadInputError, match="chmod 600"):
        find_credentials(_file(tmp_path, "user:password", mode), {})


def test_the_environment() -> None:
    assert find_credentials(None, {}) is None
    assert find_credentials(None, {USER: "u", PASSWORD: "p"}) == Credentials("u", "p")
    assert find_credentials(None, {TOKEN: "t"}) == Credentials(token="t")
    for half in ({USER: "u"}, {PASSWORD: "secret"}, {TOKEN: "secret", USER: "u"}, {USER: "a:b", PASSWORD: "secret"}):
        with pytest.raises(BadInputError) as caught:
            find_credentials(None, half)
        assert "secret" not in str(caught.value)


def test_their_text_shows_nothing() -> None:
    assert "secret" not in repr(Credentials("secret-user", "secret", "secret-token"))
