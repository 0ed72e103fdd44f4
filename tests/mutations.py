"""Files as an accident or an enemy leaves them: the same ones at every run."""

from __future__ import annotations

import copy
import csv
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# In place of a value: of every type, at both ends of what a number can be, and texts that are not what they seem.
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**17,
    1e308,
    "",
    "x",
    "../../x",
    "=1+1",
    "</script>",
    [],
    [[]],
    {},
    {"x": 1},
)
CELLS = ("", "x", "nan", "-1", "1e999", "9" * 400, "1.5", "=1+1", "'", "ä\u0308", "../../x", "\ufeff", " ")


def damaged_bytes(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Give a file's content damaged in ways that ask for no knowledge of what is in it."""
    half = len(content) // 2
    yield "empty", b""
    yield "cut off", content[:half]
    yield "not UTF-8", content[:half] + b"\xff\xfe" + content[half:]
    yield "zeros", bytes(len(content))
    yield "NUL", content[:half] + b"\0" + content[half:]
    yield "a list", b"[1, 2]"
    yield "text", b"hello\n"
    yield "deep", b"[" * 50_000 + b"]" * 50_000


def mutations(path: Path, number: int, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """Give the content of a JSON, CSV or other file, damaged in `number` places chosen by the seed, and as a whole."""
    content = path.read_bytes()
    yield from damaged_bytes(content)
    chance = random.Random(f"{seed}/{path.name}")
    if path.suffix == ".json":
        yield from _changed_json(json.loads(content), number, chance)
    elif path.suffix == ".csv":
        yield from _changed_csv(content.decode("utf-8-sig"), number, chance)
    else:
        yield from _changed_bytes(content, number, chance)


def _changed_json(content: Any, number: int, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    text = json.dumps(content)
    yield "twice", b'{"a": 1, "a": 2, ' + text[1:].encode() if text.startswith("{") else b"{}"
    yield "NaN", text.replace("1", "NaN", 1).encode()
    yield "huge", text.replace("1", "1e999", 1).encode()
    yield "digits", text.replace("1", "1" * 5000, 1).encode()
    yield "half a character", text.replace('": "', '": "\\ud800', 1).encode()
    places = list(_places(content))
    for where in chance.sample(places, min(number, len(places))):
        changed = copy.deepcopy(content)
        inner, (*way, last) = changed, where
        for name in way:
            inner = inner[name]
        if chance.random() < 0.2:
            del inner[last]
            yield f"{'.'.join(map(str, where))} gone", json.dumps(changed).encode()
        else:
            inner[last] = value = chance.choice(VALUES)
            yield f"{'.'.join(map(str, where))} = {value!r}", json.dumps(changed).encode()


def _places(content: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for name, value in inside:
        yield (*where, name)
        yield from _places(value, (*where, name))


def _changed_bytes(content: bytes, number: int, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Change bytes, half of them where a file's header is."""
    for turn in range(number if content else 0):
        at, byte = chance.randrange(len(content) if turn % 2 else min(len(content), 512)), chance.randrange(256)
        yield f"byte {at} = {byte}", content[:at] + bytes([byte]) + content[at + 1 :]


def _changed_csv(text: str, number: int, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    rows = list(csv.reader(io.StringIO(text, newline="")))
    yield "header only", _as_csv(rows[:1])
    yield "no header", _as_csv(rows[1:])
    yield "rows twice", _as_csv([*rows, *rows[1:]])
    yield "semicolons", text.replace(",", ";").encode()
    yield "open quotation", text.encode() + b'"'
    yield "column twice", _as_csv([[*row, row[0]] for row in rows])
    yield "last column gone", _as_csv([row[:-1] for row in rows])
    yield "short row", _as_csv([*rows[:-1], rows[-1][:1]])
    yield "long row", _as_csv([*rows[:-1], [*rows[-1], "x"]])
    for _ in range(number):
        at = chance.randrange(len(rows)), chance.randrange(len(rows[0]))
        changed = [list(row) for row in rows]
        changed[at[0]][at[1]] = value = chance.choice(CELLS)
        yield f"row {at[0]} column {rows[0][at[1]]} = {value!r}"[:80], _as_csv(changed)


def _as_csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
