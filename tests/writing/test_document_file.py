"""Reading the document of a results file: whole, of another version, damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.writing.document_file import DocumentFile
from nnunet_amt.writing.table import Document, Picture, Row, Table

SCORES = DocumentFile("scores.json", 2, "score", "scores.html")
DOCUMENT = Document("Scores", (Table("T", "Model", ("AUC",), (Row("A", ("0.5",)),)),), notes=("Of phantoms.",))
CONTENT: dict[str, Any] = {
    "schema_version": 2,
    "sentences": ["A has an AUC of 0.5."],
    "pictures": [{"file": "../roc.png", "text": "ROC"}, {"file": "gone.png", "text": "Another"}],
    "document": DOCUMENT.as_json(),
    "models": [],
}


def test_sentences_tables_and_the_pictures_that_are_there_are_read(tmp_path: Path) -> None:
    """A picture stands beside the file, whatever way to it was written."""
    (tmp_path / "scores.json").write_text(json.dumps(CONTENT))
    (tmp_path / "roc.png").touch()
    found = SCORES.read(tmp_path)
    assert (found.title, found.tables, found.notes) == (DOCUMENT.title, DOCUMENT.tables, DOCUMENT.notes)
    assert found.sentences == ("A has an AUC of 0.5.",)
    assert found.pictures == (Picture(tmp_path / "roc.png", "ROC", wide=True),)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"schema_version": 1, "document": None}, r"is of version 1, not 2"),
        ({"schema_version": "2"}, r'is damaged \(schema_version is "2"\)'),
        ({"sentences": [3]}, r"is damaged \(sentences\[0\] is 3\)"),
        ({"pictures": [{"file": "roc.png"}]}, r"is damaged \(pictures\[0\].text is missing\)"),
        ({"document": {"title": "Scores"}}, r"is damaged \(no tables: tables is missing\)"),
    ],
)
def test_another_version_and_a_damaged_file_are_refused_in_one_line(
    tmp_path: Path, changed: dict[str, Any], why: str
) -> None:
    (tmp_path / "scores.json").write_text(json.dumps(CONTENT | changed))
    with pytest.raises(BadInputError, match=rf"scores.json: {why}; run nnunet_amt score again$"):
        SCORES.read(tmp_path)


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"scores.json: cannot be read .*; run nnunet_amt score again$"):
        SCORES.read(tmp_path)
