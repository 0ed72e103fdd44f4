"""The whole failure analysis, on cases whose results are known."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt import paper
from nnunet_amt.base.run_record import RECORD_FILE
from nnunet_amt.errors import BadInputError, GeometryMismatchError, ImageReadError, UnmatchedCasesError
from nnunet_amt.evaluation.failures import FAILURE_FILES, FailureAnalysis, analyse_failures
from nnunet_amt.evaluation.settings import EvaluationSettings
from tests.evaluation.blank_figures import without_figures
from tests.evaluation.builders import row_mask, write_label_map, write_pair

# Of 12 cases two are a tenth: "a" is missed, "b" found in part; "k" and "l" are found whole.
FOUND = {"a": 0, "b": 5, **dict.fromkeys("cdefghij", 15), "k": 20, "l": 20}


def write_cases(tmp_path: Path) -> Path:
    """Tumours of 20 voxels, each with another HU; "m" has neither tumour nor prediction; "c" a false positive too."""
    for number, (case_id, voxels) in enumerate(FOUND.items()):
        extra = [(45, 60)] if case_id == "c" else []
        write_pair(tmp_path, case_id, row_mask(60, (0, voxels), *extra), row_mask(60, (0, 20)))
        write_ct(tmp_path, case_id, 10 * number)
    write_pair(tmp_path, "m", row_mask(60), row_mask(60))
    write_ct(tmp_path, "m", 0)
    (tmp_path / "dataset.json").write_text('{"subjects": "patients"}')
    return tmp_path


@pytest.fixture(scope="module", autouse=True)
def no_figure() -> Iterator[None]:
    with without_figures("nnunet_amt.evaluation.failures.analyse.write_feature_figures"):
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_cases(tmp_path)


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cases and their results, which no test may change."""
    folder = write_cases(tmp_path_factory.mktemp("analysed"))
    run(folder)
    return folder


def write_ct(folder: Path, case_id: str, hu: int) -> None:
    """A CT of -1000 HU outside of the tumour."""
    ct = np.full((1, 1, 60), -1000, np.int16)
    ct[0, 0, :20] = hu
    write_label_map(folder / "images" / f"{case_id}_0000.nii.gz", ct)


def run(folder: Path, images: bool = True, jobs: int = 1) -> FailureAnalysis:
    return analyse_failures(
        folder / "predictions",
        folder / "references",
        folder / "out",
        images=folder / "images" if images else None,
        jobs=jobs,
    )


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "out" / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_writes_what_it_says(analysed: Path) -> None:
    written = list((analysed / "out").iterdir())
    assert {path.name for path in written} == {*FAILURE_FILES, RECORD_FILE}
    assert all(path.stat().st_size for path in written)


def test_groups_and_modes(analysed: Path) -> None:
    table = {row["case_id"]: row for row in rows(analysed, "failure_cases.csv")}
    assert [table[name]["group"] for name in "abcklm"] == ["bottom", "bottom", "", "top", "top", ""]
    shown = {name: (row["segmentation"], row["detection"], row["missed_lesions"]) for name, row in table.items()}
    assert shown["a"] == ("under", "missed", "1")
    assert shown["b"] == ("under", "partial", "0")
    assert shown["c"] == ("over", "found", "0")  # 15 voxels too many, 5 too few
    assert shown["l"] == ("balanced", "found", "0")
    assert shown["m"] == ("", "", "0")
    assert (table["b"]["mean_hu"], table["b"]["volume_cm3"]) == ("10.0", "0.2")
    assert table["m"]["volume_cm3"] == ""


def test_a_case_without_a_tumour_is_in_no_group_and_has_a_row_of_its_own(tmp_path: Path) -> None:
    """In "n" 15 voxels are predicted where nothing is: a Dice of 0, and no tumour to learn anything from."""
    write_cases(tmp_path)
    write_pair(tmp_path, "n", row_mask(60, (10, 25)), row_mask(60))
    write_ct(tmp_path, "n", 0)
    analysis = run(tmp_path)
    assert (analysis.groups.bottom, analysis.groups.undefined) == (("a", "b"), ("m", "n"))
    text = (tmp_path / "out" / "failures.md").read_text()
    assert (
        "Left out: 2 cases without a tumour, whose Dice measures nothing; in 1 of them something is predicted." in text
    )
    # of 2 cases something is added in one, none has a tumour to be found or missed
    assert "| without a tumour | 2 | 1 | 0 | 0 | 0 | 0 | 0 | 0 |" in text
    assert "In cases without tumour, so without a distance: 1." in text


def test_false_positives(analysed: Path) -> None:
    (found,) = rows(analysed, "false_positives.csv")
    assert [found[name] for name in ("case_id", "lesion", "voxels")] == ["c", "2", "15"]
    assert found["overlaps_reference"] == "False"
    assert float(found["distance_mm"]) == pytest.approx(25)


def test_features(analysed: Path) -> None:
    """All tumours are alike in shape; their HU are 0 and 10 in the bottom group, 100 and 110 in the top group."""
    table = {row["feature"]: row for row in rows(analysed, "failure_features.csv")}
    assert (table["mean_hu"]["bottom_median"], table["mean_hu"]["top_median"]) == ("5.0", "105.0")
    assert {row["p"] for row in table.values()} == {""}, (
        "2 of the 6 ways to draw 2 of 4 are as extreme as any: p > 0.05"
    )
    assert table["volume_cm3"]["published_p"] == "0.003", "of patients"
    assert (table["skewness"]["p"], table["skewness"]["bottom_n"]) == ("", "0")
    content = json.loads((analysed / "out" / "failures.json").read_text())
    assert content["settings"] == {
        "connectivity": 26,
        "minimum_predicted_voxels": 10,
        "false_positive_rule": "unmatched",
        "foreground": 1,
        "cluster": "case",
        "false_positive_iou": 0.1,
        "partial_below": 0.5,
    }
    assert content["groups"] == {
        "bottom": ["a", "b"],
        "top": ["l", "k"],
        "undefined": ["m"],
        "without_overlap": 1,
        "ties": [],
    }
    assert len(content["features"]) == 19


def test_summary_says_what_it_rests_on(analysed: Path) -> None:
    text = (analysed / "out" / "failures.md").read_text()
    assert "the 2 cases of lowest Dice, 0.00 to 0.40" in text
    assert (
        "Left out: 1 case without a tumour, whose Dice measures nothing; in 0 of them something is predicted." in text
    )
    assert "Not tested: with 2 cases a group no exact p-value can be below 0.33." in text
    assert "| all | 13 | 1 | 9 | 2 | 10 | 1 | 1 | 1 |" in text


def test_tables_are_ready_text(analysed: Path) -> None:
    """The page shows them from the JSON: as in the Markdown, without its marks of emphasis."""
    tables = json.loads((analysed / "out" / "failures.json").read_text())["tables"]
    assert [(table["title"], len(table["columns"]), len(table["rows"])) for table in tables] == [
        ("Failure analysis of 13 cases", 0, 0),
        ("What sets the tumours of the lowest Dice apart", 6, 19),
        ("What is added and missed", 8, 4),
        ("False positive lesions", 0, 0),
        ("The cases of lowest Dice", 7, 2),
    ]
    assert tables[0]["notes"][0] == "Bottom group: the 2 cases of lowest Dice, 0.00 to 0.40."
    assert tables[2]["rows"][0]["cells"] == ["13", "1", "9", "2", "10", "1", "1", "1"]
    assert tables[3]["notes"][0].endswith("1 in 1 case, listed in false_positives.csv.")
    assert [row["title"] for row in tables[4]["rows"]] == ["a", "b"]
    assert [row["cells"][4:6] for row in tables[4]["rows"]] == [
        ["more missed", "missed completely"],
        ["more missed", "under 50% predicted"],
    ]


def test_the_papers_p_values_stand_beside_those_of_patients_alone(folder: Path) -> None:
    (folder / "dataset.json").write_text('{"subjects": "phantoms"}')
    assert {comparison.published_p for comparison in run(folder).comparisons} == {None}
    assert "ublished" not in (folder / "out" / "failures.md").read_text()


def test_without_images_only_shapes_are_compared(folder: Path) -> None:
    result = run(folder, images=False)
    assert {comparison.feature.kind for comparison in result.comparisons} == {"shape"}
    assert "Intensity features are missing: no CTs were given" in (folder / "out" / "failures.md").read_text()


def test_jobs_and_repetition_change_nothing(folder: Path) -> None:
    run(folder)
    before = {name: (folder / "out" / name).read_bytes() for name in FAILURE_FILES}
    run(folder, jobs=3)
    assert {name: (folder / "out" / name).read_bytes() for name in FAILURE_FILES} == before


def test_bad_images_are_refused_by_name_and_old_results_stay(folder: Path) -> None:
    run(folder)
    before = (folder / "out" / "failures.md").read_bytes()
    path = folder / "images" / "b_0000.nii.gz"
    whole = path.read_bytes()

    def refuse(error: type[BadInputError], message: str) -> None:
        with pytest.raises(error, match=message) as caught:
            run(folder)
        assert "\n" not in str(caught.value)
        assert (folder / "out" / "failures.md").read_bytes() == before

    path.unlink()
    refuse(UnmatchedCasesError, r"images: no image for 1 case \(b\); they are named <case id>_0000")
    path.write_bytes(whole[:-9])
    refuse(ImageReadError, "b_0000.nii.gz")
    write_label_map(path, np.zeros((1, 1, 60), np.int16), origin=(50.0, 0.0, 0.0))
    refuse(GeometryMismatchError, r"case b: .*b_0000.nii.gz against .*b.nii.gz: origin \(50, 0, 0\) against")
    ct = np.zeros((1, 1, 60), np.float32)
    ct[0, 0, 3] = np.nan
    write_label_map(path, ct)
    refuse(ImageReadError, "b_0000.nii.gz: .*NaN")
    with pytest.raises(BadInputError, match="nowhere: no such folder; give the folder of <case id>_0000"):
        analyse_failures(folder / "predictions", folder / "references", folder / "out", images=folder / "nowhere")


def test_cases_of_one_patient_are_not_tested_as_independent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bottom group is a to d, the top i to l; where two of them are of one patient no p-value is given.

    With four cases a group 2 of 70 draws are as extreme as any, so one may be small; of Holm's, for 7
    features, none: 7 x 2 / 70.
    """
    monkeypatch.setattr(paper, "FAILURE_GROUP_PERCENT", 30)  # of 12 cases with a tumour, rounded up
    cohort = folder / "cohort.csv"
    settings = EvaluationSettings(cluster="patient")

    def p_values(patients: dict[str, str]) -> tuple[set[str], str]:
        lines = [f"{case_id},{patients.get(case_id, case_id)}\n" for case_id in "abcdefghijklm"]
        cohort.write_text("case_id,patient\n" + "".join(lines))
        folders = folder / "predictions", folder / "references", folder / "out"
        analyse_failures(*folders, cohort=cohort, settings=settings)
        return {row["p"] for row in rows(folder, "failure_features.csv")}, (folder / "out" / "failures.md").read_text()

    found, text = p_values({"a": "one", "l": "one"})
    assert found == {""}
    assert (
        "Not tested: the Mann-Whitney U test takes cases for independent, and several of these are of one patient."
        in text
    )
    assert "after Holm's correction: that none" not in text
    found, text = p_values({"e": "one", "f": "one"})
    assert "" not in found, "these two are in neither group"
    assert "Not tested" not in text
    assert "With 4 cases a group no exact p-value can be below 0.2 after Holm's correction" in text
    with pytest.raises(BadInputError, match="cluster patient: needs to know the patients"):
        analyse_failures(folder / "predictions", folder / "references", folder / "out", settings=settings)


def test_ties_are_told(folder: Path) -> None:
    """Of 12 cases a, c and d are missed: two of them make the bottom group, by their ids."""
    for case_id in "cd":
        write_pair(folder, case_id, row_mask(60), row_mask(60, (0, 20)))
    run(folder, images=False)
    content = json.loads((folder / "out" / "failures.json").read_text())
    assert content["groups"]["ties"][0] == {"group": "bottom", "dice": 0.0, "cases": 3, "in_group": 2}
    assert (
        "Ties: 3 cases have a Dice of 0, 2 of them in the bottom group." in (folder / "out" / "failures.md").read_text()
    )
    assert "Ties: 3 cases have a Dice of 0" in json.dumps(content["tables"])
