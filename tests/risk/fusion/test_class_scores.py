"""The table of classes' probabilities: what is read is what was written, and no row contradicts another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.fusion.class_scores import ClassScore, ClassScoreTable, read_class_scores, write_class_scores

CLASSES = ("benign", "malignant")
ROWS = (
    ClassScore("dmfn", 0, "external", "AMT_1", "benign", (0.75, 0.25)),
    ClassScore("dmfn", 1, "external", "AMT_1", "benign", (0.25, 0.75)),
    ClassScore("dmfn", 0, "tuning", "AMT_2", "malignant", (0.5, 0.5)),
    ClassScore("dmfn", 1, "tuning", "AMT_2", "malignant", (0.0, 1.0)),
)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    """A later stage reads the very same numbers, and another model stands beside them."""
    other = tuple(replace(row, model="regnet") for row in ROWS)
    write_class_scores(tmp_path, ClassScoreTable(CLASSES, ROWS))
    write_class_scores(tmp_path, ClassScoreTable(CLASSES, other))
    found = read_class_scores(tmp_path)
    assert found.classes == CLASSES
    assert set(found.rows) == {*ROWS, *other}
    assert found.models == ("dmfn", "regnet")


def test_a_table_can_take_the_place_of_all_that_stands_there(tmp_path: Path) -> None:
    """Whoever has looked at the earlier table knows which rows of it stay, even of one that cannot be read."""
    other = tuple(replace(row, model="regnet") for row in ROWS)
    write_class_scores(tmp_path, ClassScoreTable(CLASSES, ROWS))
    (tmp_path / "class_scores.csv").write_text("case_id\n")
    write_class_scores(tmp_path, ClassScoreTable(CLASSES, other), alone=True)
    assert read_class_scores(tmp_path).models == ("regnet",)


def test_the_ensemble_is_the_mean_of_the_seeds() -> None:
    """(.75 + .25) / 2 = .5 and (.5 + 0) / 2 = .25."""
    table = ClassScoreTable(CLASSES, ROWS)
    assert table.seeds("dmfn") == (0, 1)
    assert [row.probabilities for row in table.of("dmfn", "external")] == [(0.5, 0.5)]
    assert [row.probabilities for row in table.of("dmfn", "tuning")] == [(0.25, 0.75)]
    assert [row.probabilities for row in table.of("dmfn", "tuning", seed=1)] == [(0.0, 1.0)]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"probabilities": (0.5, 0.6)}, "sum to 1"),
        ({"probabilities": (1.5, -0.5)}, "0 to 1"),
        ({"reference": "cyst"}, "is of class 'cyst'"),
        ({"split": "tuning"}, "class or split is another"),
        ({"case_id": "AMT_3"}, "scored other cases"),
        ({"model": ""}, "must have a model"),
    ],
)
def test_a_row_that_cannot_be_is_refused(tmp_path: Path, changed: dict[str, object], said: str) -> None:
    """Each would make a table of results false without a word."""
    rows = (*ROWS[:1], replace(ROWS[1], **changed), *ROWS[2:])  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match=said):
        write_class_scores(tmp_path, ClassScoreTable(CLASSES, rows))
    assert not list(tmp_path.iterdir())


def test_scores_of_other_classes_are_not_mixed(tmp_path: Path) -> None:
    """A class map that was edited between two trainings gives two tables, never one."""
    write_class_scores(tmp_path, ClassScoreTable(CLASSES, ROWS))
    others = ClassScoreTable(("cyst", "malignant"), (ClassScore("regnet", 0, "tuning", "AMT_2", "cyst", (1.0, 0.0)),))
    with pytest.raises(BadInputError, match="has the classes benign, malignant, not cyst, malignant"):
        write_class_scores(tmp_path, others)


def test_a_folder_without_scores_names_the_command(tmp_path: Path) -> None:
    """Whoever evaluates before training is told what to run."""
    with pytest.raises(BadInputError, match="run nnunet_amt risk train"):
        read_class_scores(tmp_path)


@pytest.mark.parametrize(("old", "new"), [("0.75", "x"), (",0,external", ",-1,external"), ("external", "test")])
def test_an_edited_table_is_refused(tmp_path: Path, old: str, new: str) -> None:
    """A cell that is no seed, split or number is told with its row."""
    write_class_scores(tmp_path, ClassScoreTable(CLASSES, ROWS))
    path = tmp_path / "class_scores.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(BadInputError, match=r"class_scores\.csv row [123]: "):
        read_class_scores(tmp_path)
