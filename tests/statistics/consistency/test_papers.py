"""What the check finds in three papers: each finding redone on paper, and nothing else found."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from nnunet_amt import paper
from nnunet_amt.statistics.consistency.check import check_tables
from nnunet_amt.statistics.consistency.papers import publication, takemura_tables
from nnunet_amt.statistics.consistency.printed import Finding

# certainty, table, row, column, value; above each, the reason in figures
TAKEMURA = [
    # (80 * 0.89 + 37 * 0.81 + 35 * 0.82 + 6 * 0.88 + 6 * 0.85) / 164 = 140.25 / 164 = 0.855, and so on for the others
    ("cannot be", "Table 3", "manufacturer rows", "Dice", "0.82"),
    ("cannot be", "Table 3", "manufacturer rows", "IoU", "0.72"),
    ("cannot be", "Table 3", "manufacturer rows", "precision", "0.85"),
    ("cannot be", "Table 3", "manufacturer rows", "recall", "0.82"),
    # 2 * 1.96 * 0.04 / sqrt(80) = 0.018, printed 0.07; 0.031 and 0.11; 0.035 and 0.11: the row that does not average
    ("doubtful", "Table 3", "Canon Medical Systems", "Dice", "0.89 (0.86–0.93)"),
    ("doubtful", "Table 3", "Canon Medical Systems", "IoU", "0.82 (0.76–0.87)"),
    ("doubtful", "Table 3", "Canon Medical Systems", "recall", "0.89 (0.83–0.94)"),
]
_TESTING = "p, testing LRT against testing HRT"
_ALL = "AUC, accuracy, sensitivity, specificity, PPV, NPV"
TET_RISK = [
    # 8, 8, 4 of 20 and 18, 14, 9 of 41: 40%, 40%, 20% and 44%, 34%, 22%: chi-square 0.20 with 2 degrees of freedom
    ("cannot be", "Table 1", "contour", _TESTING, "0.266"),
    # 7 of 20 (35%) and 15 of 41 (37%): chi-square 0.015, p 0.90; the printed p is chi-square itself
    ("cannot be", "Table 1", "enhancement pattern", _TESTING, "0.015"),
    # 15, 4, 1 of 20 and 33, 6, 2 of 41: chi-square 0.29 with 2 degrees of freedom, p 0.87
    ("cannot be", "Table 1", "enhancement degree", _TESTING, "0.690"),
    # (0.826 + 0.838 + 0.838) / 3 = 0.834; with AI (0.851 + 0.863 + 0.863) / 3 = 0.859
    ("cannot be", "Table 3", "senior rows", "AUC", "0.859"),
    # 187 of 205 right in the text, 184 of 205 in the table; 44 of 61 and 45 of 61
    ("doubtful", "Text", "Rad_SVM (training)", _ALL[5:], "0.912 / 0.910 / 0.918 / 0.963 / 0.812"),
    ("doubtful", "Text", "Rad_SVM (testing)", _ALL[5:], "0.721 / 0.683 / 0.800 / 0.875 / 0.552"),
    ("notice", "Table 3", "Senior 3 (testing)", _ALL, "0.838 (0.7330–0.9438)"),
    ("notice", "Table 3", "AI-assisted Junior 3 (testing)", _ALL, "0.814 (0.7043–0.9238)"),
    ("notice", "Table 3", "AI-assisted Senior 3 (testing)", _ALL, "0.863 (0.7648–0.9620)"),
    # 410 images of 205 patients, two of each
    ("notice", "Table 2", "ResNet 101 (training) and 5 more", "n", "410"),
]
_BINARY, _DECISION = "benign or malignant (validation)", "management decision (validation)"
_ACCURACY = {
    # accuracy, and the sensitivity and specificity that it must lie between
    f"Monomodal CNN model, {_BINARY}": "0.779",  # 0.702, 0.738
    f"Resident physicians, {_BINARY}": "0.69",  # 0.513, 0.558
    f"Attending physicians, {_BINARY}": "0.737",  # 0.607, 0.72
    f"Chief physicians, {_BINARY}": "0.830",  # 0.761, 0.813
    f"Resident physicians, {_DECISION}": "0.711",  # 0.627, 0.684
    f"Attending physicians, {_DECISION}": "0.839",  # 0.705, 0.768
    f"Chief physicians, {_DECISION}": "0.907",  # 0.916, 0.928
}
_SHARES = {
    # p / (1 - p) is PPV (1 - spec.) / (sens. (1 - PPV)) by the PPV, and spec. (1 - NPV) / ((1 - sens.) NPV) by the NPV
    f"Monomodal CNN model, {_BINARY}": "0.692 / 0.723",  # 0.46, 0.49; the set has 93 or 195 of 288: 0.32 or 0.68
    f"Resident physicians, {_BINARY}": "0.573 / 0.538",  # 0.54, 0.50
    f"Attending physicians, {_BINARY}": "0.693 / 0.704",  # 0.51, 0.44
    f"Chief physicians, {_BINARY}": "0.822 / 0.811",  # 0.53, 0.44
    f"Chief physicians, {_DECISION}": "0.919 / 0.882",  # 0.47, 0.60: 0.13 apart
}
WANG = [
    ("cannot be", "Text", "male patients", "number", "501"),  # 197 + 127 + 162 = 486
    ("cannot be", "Text", "thymoma", "number", "373"),  # 45 + 112 + 70 + 65 + 36 + 49 = 377
    # (434 * 53.81 + 288 * 52.41 + 352 * 53.76) / 1074 = 57371.14 / 1074 = 53.42
    ("cannot be", "Table 1", "set rows", "age", "53.18"),
    # 13770.12 / 1074 = 12.82 by diagnosis, (434 * 12.48 + 288 * 11.02 + 352 * 15.19) / 1074 = 12.98 by set
    ("cannot be", "Table 2", "diagnosis rows", "CTCs", "12.977"),
    *(("cannot be", "Table 3", row, "accuracy", value) for row, value in _ACCURACY.items()),
    # (0.927 - 0.929) / (0.809 - 0.929) = 0.02 by the accuracy, 0.40 by the PPV, 0.24 by the NPV
    ("cannot be", "Table 3", f"DMFN model, {_BINARY}", "accuracy, PPV, NPV", "0.927 / 0.885 / 0.939"),
    *(("doubtful", "Table 3", row, "PPV, NPV", value) for row, value in _SHARES.items()),
    # two readings of 288: 2 * 1.96 * sqrt(0.25 / 576) = 0.082, printed 0.022
    ("doubtful", "Table 3", f"Resident physicians, {_BINARY}", "sensitivity", "0.513 (0.502–0.524)"),
    ("cannot be", "Table 3", f"Resident physicians, {_BINARY}", "NPV", "0.538 (0.818–0.561)"),
    ("cannot be", "Table 3", f"Resident physicians, {_DECISION}", "PPV", "0.643 (0.626–0.630)"),
    ("doubtful", "Text", "DMFN model, malignant lesions (test)", "AUC", "0.843 (0.779–0.844)"),  # 0.064 and 0.001
    ("doubtful", "Text", "Chief physicians, benign or malignant (test)", "AUC", "0.767 (0.695–0.839)"),  # and 0.802
    ("doubtful", "Text", "DMFN model, 14 classes (training)", "AUC", "0.884 (0.836–0.932)"),  # and 0.837–0.931
    ("doubtful", "Text", "Monomodal CNN model, 14 classes (training)", "AUC", "0.722 (0.681–0.763)"),  # and 0.705–0.739
    ("notice", "Text", "Resident physicians, benign or malignant (test)", "AUC", "0.52 (0.475–0.566)"),
    ("notice", "Text", "Attending physicians, benign or malignant (test)", "AUC", "0.688 (0.649–0.714)"),
]


def found(findings: tuple[Finding, ...]) -> list[tuple[str, ...]]:
    return sorted((f.certainty, f.table, f.row, f.column, f.value) for f in findings)


def test_takemura() -> None:
    assert found(check_tables(takemura_tables())) == sorted(TAKEMURA)


def test_tet_risk() -> None:
    """Tables 2 and 3 are sound: every row has the whole numbers that give all its rates."""
    assert found(check_tables(publication("tet-risk").tables)) == sorted(TET_RISK)


def test_wang() -> None:
    assert found(check_tables(publication("wang").tables)) == sorted(WANG)


def test_the_reasons_are_told() -> None:
    findings = [*check_tables(publication("wang").tables), *check_tables(publication("tet-risk").tables)]
    reasons = "\n".join(map(str, findings))
    assert "accuracy 0.779: the accuracy is an average of sensitivity and specificity" in reasons
    assert "positive patients would be 2% by the accuracy, 40% by the PPV, 24% by the NPV; the set has 32%" in reasons
    assert "number 501: 197 + 127 + 162 is 486" in reasons
    assert "0.266: no usual test of these counts gives it: chi-square 0.905, Fisher 0.939" in reasons


def test_the_tables_were_read_whole() -> None:
    """Table 2 of the second paper has 14 rows, Table 3 13, its text 3; the third has 8 rows and 26 sets of figures."""
    rows = Counter(row.table for row in publication("tet-risk").tables.rates)
    assert rows == {"Table 2": 14, "Table 3": 13, "Text": 3}
    assert Counter(row.table for row in publication("wang").tables.rates) == {"Table 3": 8, "Text": 26}
    diagnoses = next(v for v in publication("wang").tables.variables if v.name == "diagnosis")
    assert len(diagnoses.counts) == 20
    by_set = [sum(counts[number] for counts in diagnoses.counts.values()) for number in range(3)]
    assert by_set == [434, 288, 352]


@pytest.mark.parametrize("name", ["tet_risk", "wang"])
def test_the_files_are_small_and_name_their_source(name: str) -> None:
    file = Path(paper.__file__).with_name(f"published_tables_{name}.json")
    assert file.stat().st_size < 100_000
    content = json.loads(file.read_text(encoding="utf-8"))
    assert content["citation"] and content["doi"].startswith("10.")
