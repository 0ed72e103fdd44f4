"""JSON that somebody has changed is told of in one line, whatever is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nnunet_amt.base.files import read_record, read_toml
from nnunet_amt.base.json_file import NUMBER, misfit, read_json
from nnunet_amt.errors import BadInputError

DAMAGE = {
    "empty": (b"", "no JSON"),
    "cut off": (b'{"a": [1, 2', "no JSON"),
    "two": (b"{} {}", "no JSON"),
    "no UTF-8": (b'{"a": "\xe4"}', "no UTF-8 text: byte 0xe4 at 7"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "no UTF-8 text"),
    "not a number": (b'{"a": NaN}', "NaN is not JSON"),
    "infinite": (b'{"a": -Infinity}', "-Infinity is not JSON"),
    "beyond any number": (b'{"a": 1e999}', "1e999 is larger than any number"),
    "thousands of digits": (b'{"a": ' + b"9" * 5000 + b"}", "an integer of 5000 digits"),
    "too deep": (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deep"),
    "a name twice": (b'{"a": 1, "b": {"c": 1, "c": 2}}', '"c" stands twice in an object'),
    "half a character": (b'{"a": "\\ud800"}', "half of a character"),
    "a list": (b"[1]", "it is a list"),
    "a number": (b"3", "it is 3"),
}


@pytest.mark.parametrize(("content", "said"), DAMAGE.values(), ids=list(DAMAGE))
def test_damage_is_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "summary.json"
    path.write_bytes(content)
    with pytest.raises(BadInputError) as raised:
        read_json(path, advice="run it again")
    message = str(raised.value)
    assert message.startswith(f"{path}: is damaged (") and message.endswith("); run it again")
    assert said in message and "\n" not in message
    assert read_record(path) == {}  # the work is done again


def test_what_is_not_there_or_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "a.json", tmp_path):
        with pytest.raises(BadInputError, match=r"cannot be read \(.*\); run it again"):
            read_json(path, advice="run it again")


FORM = {"name": str, "size?": NUMBER, "cases": [{"id": str, "dice": (float, None)}], "counts?": {str: int}}
WHOLE: dict[str, Any] = {"name": "x", "cases": [{"id": "a", "dice": None}, {"id": "b", "dice": 0.5}], "more": []}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"size": 1, "counts": {"a": 1}}, None),
        ({"name": ["x"]}, "name is a list"),
        ({"name": None}, "name is null"),
        ({"size": True}, "size is true"),
        ({"size": "y" * 50}, f'size is "{"y" * 39}...'),
        ({"cases": {}}, "cases is an object"),
        ({"cases": [{"id": "a"}]}, "cases[0].dice is missing"),
        ({"cases": [WHOLE["cases"][0], {"id": "b", "dice": "0.5"}]}, 'cases[1].dice is "0.5"'),
        ({"counts": {"a": 1.5}}, "counts.a is 1.5"),
    ],
)
def test_form(change: dict[str, Any], said: str | None) -> None:
    assert misfit({**WHOLE, **change}, FORM) == said


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(WHOLE))
    assert read_json(path, form=FORM, advice="") == WHOLE
    path.write_text('{"time": 1795876800123456789}')  # in nanoseconds
    assert read_record(path) == {"time": 1795876800123456789}


def test_toml_that_is_nested_too_deep_is_no_toml(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text("a = " + "[" * 5000 + "]" * 5000)
    with pytest.raises(ValueError):
        read_toml(path)
