"""The table of readings of lesions: several questions in one file, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.errors import BadInputError, ManifestError
from nnunet_amt.risk.fusion.reading.lesion_questions import (
    DIAGNOSIS,
    MANAGEMENT,
    class_question,
    questions_of,
    read_lesion_readers,
)
from nnunet_amt.statistics.reader_table import Reading
from tests.risk.fusion.reading.made_up import CLASSES, WITH, WITHOUT

HEAD = "reader,level,condition,case,question,rating,reference\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "readers.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_question_has_its_words(tmp_path: Path) -> None:
    """A decision and a class are places among the answers, whatever the capitals and hyphens."""
    rows = (
        "R1,resident,without,a,diagnosis,Malignant,\n"
        "R1,resident,With CTC,a,diagnosis,0.25,\n"
        "R1,resident,without,a,management,Follow up,surgery\n"
        "R1,resident,with,a,management,Surgery,surgery\n"
        "C1,chief,no CTC,a,class,lymphoma,\n"
    )
    found = read_lesion_readers(write(tmp_path, HEAD + rows), classes=CLASSES)
    assert list(found) == ["diagnosis", "management", "class"]
    assert found["diagnosis"].rows == (Reading("R1", WITHOUT, "a", 1.0), Reading("R1", WITH, "a", 0.25))
    assert found["management"].rows == (Reading("R1", WITHOUT, "a", 1.0), Reading("R1", WITH, "a", 0.0))
    assert found["management"].references == {"a": 0.0}
    assert found["class"].rows == (Reading("C1", WITHOUT, "a", 2.0),)
    assert (found["diagnosis"].levels, found["class"].levels) == ({"R1": "resident"}, {"C1": "chief"})


def test_without_the_column_all_rows_are_of_the_diagnosis(tmp_path: Path) -> None:
    path = write(tmp_path, "reader,level,condition,case,rating\nR1,resident,without,a,benign\n")
    assert list(read_lesion_readers(path, classes=CLASSES)) == ["diagnosis"]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("R1,resident,without,a,outcome,yes,\n", r"line 2, column 'question': is 'outcome'; write one of diagnosis, "),
        ("R1,resident,without,a,,yes,\n", r"line 2, column 'question': is empty"),
        ("R1,resident,with AI,a,diagnosis,yes,\n", r"column 'condition': is 'with AI'; write without or with \(CTC\)"),
        ("R1,resident,with,a,diagnosis,cyst,\n", r"'rating': is 'cyst'; write a number, higher for malignant, or yes"),
        (
            "R1,resident,with,a,management,wait,surgery\n",
            r"'rating': is 'wait'; write one of surgery, follow-up, conserv",
        ),
        ("R1,resident,with,a,management,1,surgery\n", r"'rating': is '1'; write one of surgery, follow-up, conserv"),
        ("R1,resident,with,a,management,surgery,\n", r"line 2, column 'reference': is empty"),
        ("R1,resident,with,a,management,surgery,yes\n", r"column 'reference': is 'yes'; write one of surgery, "),
        (
            "R1,resident,with,a,management,surgery,surgery\nR2,resident,with,a,management,surgery,conservative\n",
            r"line 3, column 'reference': is 'conservative', case a was 'surgery' before; give each case one reference",
        ),
        ("R1,resident,with,a,class,Sarcoma,\n", r"'rating': is 'Sarcoma'; write one of Cyst, Thymoma, Lymphoma"),
        (
            "R1,chief,with,a,class,Cyst,\nR1,chief,with,a,diagnosis,no,\nR1,chief,with ctc,a,class,Cyst,\n",
            r"line 4: reader R1 has rated case a with CTC for the class on line 2 already",
        ),
        ("R1,chief,with,a,class,Cyst,\nR1,resident,with,a,diagnosis,no,\n", r"line 3, column 'level': is 'resident'"),
    ],
)
def test_each_kind_of_bad_row_is_refused_in_one_line(tmp_path: Path, rows: str, complaint: str) -> None:
    """Each would count as an answer that nobody gave."""
    with pytest.raises(ManifestError, match=complaint) as refused:
        read_lesion_readers(write(tmp_path, HEAD + rows), classes=CLASSES)
    assert "\n" not in str(refused.value)


def test_a_decision_needs_its_reference(tmp_path: Path) -> None:
    path = write(tmp_path, "reader,level,condition,case,question,rating\nR1,chief,with,a,management,surgery\n")
    with pytest.raises(ManifestError, match="line 1: has no column 'reference'"):
        read_lesion_readers(path, classes=CLASSES)


def test_classes_of_one_name_are_refused() -> None:
    with pytest.raises(BadInputError, match="class 'Soft tissue' has another one's name"):
        class_question(("Soft tissue", "soft-tissue"))


def test_each_task_has_its_questions() -> None:
    assert questions_of("binary", ("benign", "malignant")) == (DIAGNOSIS, MANAGEMENT)
    assert [question.name for question in questions_of("multiclass", CLASSES)] == ["class"]


def test_the_papers_rows() -> None:
    """Table 3's three groups and DMFN, and what the text has of residents and attendings with CTC; AUC, then rates."""
    rows = {row.title: row.cells for row in DIAGNOSIS.published()}
    assert rows["Chief physicians, published (validation)"][:2] == ("0.802 (0.742–0.863)", "0.830 (0.805–0.856)")
    assert rows["Attending physicians with CTCs, published (test)"] == ("0.805 (0.773–0.840)", *["–"] * 5)
    assert [row.title.partition(" ")[0] for row in MANAGEMENT.published()] == ["Resident", "Attending", "Chief"]
    assert all(row.kind == "published" for row in (*DIAGNOSIS.published(), *MANAGEMENT.published()))
    assert DIAGNOSIS.published_note().startswith("Published")
