"""Simulated surgeons have the published AUCs."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_amt.risk.fusion.evaluation.multiclass import judged_classes
from nnunet_amt.risk.fusion.reading.lesion_questions import CLASSIFIED, DIAGNOSED, MANAGED
from nnunet_amt.risk.fusion.reading.macro_points import macro_point
from nnunet_amt.risk.fusion.reading.simulated_surgeons import published_aucs, share_right, simulate_surgeons
from nnunet_amt.risk.reading.reader_file import ReaderTable
from nnunet_amt.statistics.roc import auc
from tests.risk.fusion.reading.made_up import CLASSES, WITH, WITHOUT, lesion

CASES = [lesion(f"c{place:04}", place % 2 == 1) for place in range(4000)]


def ratings_of(table: ReaderTable, reader: str, condition: str) -> np.ndarray:
    rows = (row for row in table.rows if (row.reader, row.condition) == (reader, condition))
    return np.array([row.rating for row in sorted(rows, key=lambda row: row.case_id)])


def test_the_published_aucs() -> None:
    """Residents' pair is that of the text; of chiefs with CTC, and of decisions and classes with CTC, none is given."""
    diagnosis = published_aucs(DIAGNOSED)
    assert diagnosis["Resident 1"] == diagnosis["Resident 2"] == (0.636, 0.711)
    assert (diagnosis["Attending 1"], diagnosis["Chief 1"]) == ((0.688, 0.805), (0.802, 0.802))
    assert published_aucs(MANAGED)["Chief 2"] == (0.921, 0.921)
    assert published_aucs(CLASSIFIED)["Resident 1"] == (0.541, 0.541)
    assert len(diagnosis) == 6


def test_diagnoses_and_decisions_have_them() -> None:
    """Of 4000 cases an AUC is near the one that was drawn for; what is right is surgery of what is malignant."""
    found = simulate_surgeons(CASES, task="binary", classes=("benign", "malignant"), seed=1)
    malignant = np.array([case.malignant for case in CASES])
    assert found["diagnosis"].levels["Chief 2"] == "chief"
    for name, (without, helped) in published_aucs(DIAGNOSED).items():
        assert auc(ratings_of(found["diagnosis"], name, WITHOUT), malignant) == pytest.approx(without, abs=0.03)
        assert auc(ratings_of(found["diagnosis"], name, WITH), malignant) == pytest.approx(helped, abs=0.03)
    management = found["management"]
    assert {management.references[case.case_id] for case in CASES if case.malignant} == {0.0}
    chief = ratings_of(management, "Chief 1", WITH)
    assert set(chief) == {0.0, 1.0}
    assert auc(chief == 0, malignant) == pytest.approx(0.921, abs=0.03)


def test_classes_have_the_macro_auc() -> None:
    """Right in a share of .4 of three classes: AUC (.4 + 1 - .3) / 2 = .55; a case without a class is not read."""
    assert share_right(0.55, 3) == pytest.approx(0.4)
    thirds = [
        lesion(f"c{place:04}", False, lesion_class=None if place == 0 else CLASSES[place % 3]) for place in range(3000)
    ]
    table = simulate_surgeons(thirds, task="multiclass", classes=CLASSES)["class"]
    assert "c0000" not in table.references
    reference = np.array([table.references[case] for case in sorted(table.references)])
    for name, (area, _) in published_aucs(CLASSIFIED).items():
        answers = ratings_of(table, name, WITH)
        point = macro_point(answers, reference, judged_classes(reference))
        assert (point[1] + 1 - point[0]) / 2 == pytest.approx(area, abs=0.03)
