"""Tables of cohorts that are divided on the page: a small one, and one of the paper's counts; no image is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nnunet_amt import paper
from nnunet_amt.base.files import write_csv
from nnunet_amt.study.run_study import open_study

COLUMNS = (
    *("case_id", "patient_id", "institution", "image", "mask", "split", "age", "sex", "histology"),
    *("manufacturer", "slice_thickness_mm", "exclusion_reason"),
)


def row(number: int, institution: str, split: str = "", *, patient: str = "", **cells: str) -> list[str]:
    """Make a row; an image and a mask of its own are named."""
    known = {
        "case_id": f"c{number}",
        "patient_id": patient or f"MRN-{number}",
        "institution": institution,
        "image": f"c{number}.nii.gz",
        "mask": f"m{number}.nii.gz",
        "split": split,
        **cells,
    }
    return [known.get(column, "") for column in COLUMNS]


def write_study(folder: Path, rows: Sequence[Sequence[str]], *, columns: Sequence[str] = COLUMNS) -> Path:
    """Begin a study with a table of these rows."""
    folder.mkdir(parents=True)
    write_csv(folder / "manifest.csv", columns, rows)
    open_study(folder, manifest=folder / "manifest.csv")
    return folder


def small_rows(*, divided: bool) -> list[list[str]]:
    """Make North (6 cases), South (3), East (2) and West (1), and an excluded case; North learns and tunes."""
    names = ["North"] * 6 + ["South"] * 3 + ["East"] * 2 + ["West"]
    splits = ["training"] * 4 + ["tuning"] * 2 + ["training"] * 3 + ["external"] * 3
    cells = [(name, split if divided else "") for name, split in zip(names, splits, strict=True)]
    rows = [
        row(number, name, split, age=str(50 + number), sex="FM"[number % 2])
        for number, (name, split) in enumerate(cells)
    ]
    return [*rows, row(90, "East", "external", exclusion_reason="no CT")]


def paper_rows(*, divided: bool) -> list[list[str]]:
    """Make 711 cases of 136 institutions: 121 test, 11 learn, 2 tune, and 2 do both, as 13 + 4 + 121 are 138."""
    small = [(f"Hospital {number:03d}", 1 if number < 78 else 2) for number in range(paper.EXTERNAL_INSTITUTIONS)]
    external = [name for name, size in small for _ in range(size)]
    training = [f"Centre {number % paper.TRAINING_INSTITUTIONS:02d}" for number in range(paper.TRAINING_CASES)]
    tuning = [f"Centre {11 + number % paper.TUNING_INSTITUTIONS:02d}" for number in range(paper.TUNING_CASES)]
    names = [*training, *tuning, *external]
    splits = ["training"] * len(training) + ["tuning"] * len(tuning) + ["external"] * len(external)
    return [
        row(
            number,
            name,
            split if divided else "",
            age=str(20 + number % 60),
            sex="FM"[number % 2],
            histology=list(paper.DIAGNOSES)[number % 5],
            manufacturer=list(paper.MANUFACTURERS)[number % 5],
            slice_thickness_mm="5",
        )
        for number, (name, split) in enumerate(zip(names, splits, strict=True))
    ]
