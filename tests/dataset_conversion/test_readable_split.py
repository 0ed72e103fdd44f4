"""The split is that of the cases which can be converted: drawn of these, or given and then never changed in silence."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from nnunet_amt.base.run_record import read_runs
from nnunet_amt.dataset_conversion.readable_split import SplitRule, moved_cases
from nnunet_amt.errors import BadInputError, ManifestError, WorkFailedError
from tests.cohort.cases import cohort_of, make_case
from tests.dataset_conversion.cohort_fixtures import make_ct, make_mask, write_cohort, write_image, write_manifest
from tests.dataset_conversion.test_manifest2nnunet import contents, results, run

pytestmark = pytest.mark.usefixtures("without_figure")

RULE = SplitRule("manifest.csv", None, None, None, 711)


def write_drawn_cohort(folder: Path, cases: int = 8) -> Path:
    """Write cases c0, c1, ... without a split: the last of East, which is the test set, the others of North."""
    rows = []
    for number in range(cases):
        write_image(folder / "ct" / f"{number}.nii.gz", make_ct(number))
        write_image(folder / "masks" / f"{number}.nii.gz", make_mask())
        row = {"case_id": f"c{number}", "patient_id": f"Patient-{number}"}
        row |= {"institution": "East" if number == cases - 1 else "North"}
        rows.append(row | {"image": f"ct/{number}.nii.gz", "mask": f"masks/{number}.nii.gz"})
    return write_manifest(folder / "manifest.csv", rows)


def splits(dataset: Path) -> dict[str, str]:
    with (dataset / "cohort.csv").open(encoding="utf-8", newline="") as file:
        return {row["case_id"]: row["split"] for row in csv.DictReader(file)}


def only_tuning_case(folder: Path) -> str:
    """Draw the split of the whole cohort, and name its tuning case."""
    drawn = splits(run(folder, raw="whole").dataset_folder)
    [case_id] = [case_id for case_id, split in drawn.items() if split == "tuning"]
    return case_id


def make_unreadable(folder: Path, case_id: str, when: str) -> None:
    """Make a case fail when its headers are read, or not before its voxels are."""
    number = case_id[1:]
    if when == "voxels":
        write_image(folder / "masks" / f"{number}.nii.gz", make_mask() * 0)
    elif when == "headers":
        (folder / "ct" / f"{number}.nii.gz").write_bytes(b"no image")
    else:
        (folder / "ct" / f"{number}.nii.gz").unlink()


@pytest.mark.parametrize("when", ["files", "headers", "voxels"])
def test_the_split_is_drawn_of_what_is_readable(tmp_path: Path, when: str) -> None:
    """The only tuning case is lost: another takes its place, as in a manifest that never had the lost one."""
    write_drawn_cohort(tmp_path)
    lost = only_tuning_case(tmp_path)
    make_unreadable(tmp_path, lost, when)
    summary = run(tmp_path, exclude_unreadable=True)
    dataset = summary.dataset_folder
    assert ([split.cases for split in summary.audit.splits], summary.split_drawn_without) == ([5, 1, 1], 1)
    assert json.loads((dataset / "audit.json").read_text())["split_drawn_without_unreadable"] == 1
    assert read_runs(dataset)[-1]["counts"]["split_drawn_without"] == 1
    rows = list(csv.DictReader((tmp_path / "manifest.csv").open(encoding="utf-8")))
    write_manifest(tmp_path / "manifest.csv", [row for row in rows if row["case_id"] != lost])
    without = run(tmp_path, raw="without").dataset_folder
    assert splits(dataset) == splits(without)
    same = {name for name in results(without) if name.startswith(("images", "labels", "splits_final"))}
    assert {name: results(dataset)[name] for name in same} == {name: results(without)[name] for name in same}


@pytest.mark.parametrize("when", ["files", "headers", "voxels"])
def test_the_test_set_is_drawn_anew_and_files_go_where_they_belong(tmp_path: Path, when: str) -> None:
    """East's only case is lost; of North, West and South the smallest, West, becomes the test set."""
    rows = list(csv.DictReader(write_drawn_cohort(tmp_path).open(encoding="utf-8")))
    for number, institution in ((6, "West"), (5, "South"), (4, "South")):
        rows[number]["institution"] = institution
    write_manifest(tmp_path / "manifest.csv", rows)
    first = run(tmp_path, external_cases=1)
    [external] = [case_id for case_id, split in splits(first.dataset_folder).items() if split == "external"]
    make_unreadable(tmp_path, external, when)
    again = run(tmp_path, external_cases=1, exclude_unreadable=True)
    now = splits(again.dataset_folder)
    [moved] = [case_id for case_id, split in now.items() if split == "external"]
    assert {external, moved} == {"c6", "c7"}
    files = set(contents(again.dataset_folder))
    assert {f"imagesTs/{moved}_0000.nii.gz", f"labelsTs/{moved}.nii.gz"} <= files
    assert not {name for name in files if external in name}
    assert {name for name in files if name.startswith(("imagesTr", "imagesTs"))} == {
        f"images{'Ts' if split == 'external' else 'Tr'}/{case_id}_0000.nii.gz" for case_id, split in now.items()
    }
    assert (again.converted, again.already_done) == (0, 7)  # files of cases that moved are renamed


def test_a_rerun_keeps_the_drawn_split(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What fails at its voxels is drawn for at first, in every run: the end must be the same."""
    write_drawn_cohort(tmp_path)
    make_unreadable(tmp_path, only_tuning_case(tmp_path), "voxels")
    dataset = run(tmp_path, exclude_unreadable=True).dataset_folder
    before = results(dataset)
    caplog.clear()
    again = run(tmp_path, exclude_unreadable=True)
    assert (again.converted, again.moved) == (0, ())
    assert results(dataset) == before
    assert "in another set now" not in caplog.text


def test_a_case_that_moves_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A model of the first dataset has learnt from c6, which is to test the second."""
    write_drawn_cohort(tmp_path)
    run(tmp_path)
    rows = list(csv.DictReader((tmp_path / "manifest.csv").open(encoding="utf-8")))
    rows[6]["institution"], rows[7]["institution"] = "West", "North"
    write_manifest(tmp_path / "manifest.csv", rows)
    caplog.clear()
    summary = run(tmp_path)
    moved = {case.name: (case.before, case.now) for case in summary.moved}
    assert moved["c6"][1] == "external"
    assert moved["c7"][0] == "external"
    assert "c6 from " in caplog.text
    assert "train again before you test: an earlier model may know cases of the test set" in caplog.text
    audit = json.loads((summary.dataset_folder / "audit.json").read_text())
    assert {case["name"] for case in audit["moved_since_the_last_run"]} == set(moved)
    assert read_runs(summary.dataset_folder)[-1]["counts"]["moved"] == len(moved)
    assert run(tmp_path).moved == ()
    assert "moved_since_the_last_run" not in json.loads((summary.dataset_folder / "audit.json").read_text())


def test_a_case_of_an_unfinished_run_that_moves_is_named_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The first run ends with a failed case; where the others stood then tells the side they were on."""
    write_drawn_cohort(tmp_path)
    make_unreadable(tmp_path, "c7", "headers")
    with pytest.raises(WorkFailedError, match="or leave it out with --exclude-unreadable"):
        run(tmp_path)
    rows = list(csv.DictReader((tmp_path / "manifest.csv").open(encoding="utf-8")))
    rows[6]["institution"] = "West"
    write_manifest(tmp_path / "manifest.csv", rows)
    caplog.clear()
    summary = run(tmp_path, exclude_unreadable=True)
    assert [(case.name, case.before, case.now) for case in summary.moved] == [("c6", "imagesTr", "external")]
    assert "1 case converted before is in another set now: c6 from imagesTr to external" in caplog.text


def test_a_case_that_stays_is_not_named() -> None:
    earlier = {"a": "training", "b": "imagesTr", "c": "imagesTs", "d": "external"}
    assert moved_cases(earlier, {"a": "training", "b": "tuning", "c": "external", "e": "tuning"}) == ()


@pytest.mark.parametrize("when", ["files", "headers", "voxels"])
def test_a_given_split_is_not_drawn_anew_and_the_message_says_what_to_type(tmp_path: Path, when: str) -> None:
    write_cohort(tmp_path)
    make_unreadable(tmp_path, "c1", when)  # the only tuning case
    with pytest.raises(ManifestError) as error:
        run(tmp_path, exclude_unreadable=True)
    assert str(error.value) == (
        "manifest.csv: without the cases that could not be converted, column 'split': no case is in 'tuning'; each of "
        f"training, tuning, external needs one; mend those cases ({tmp_path / 'manifest_failures.csv'} lists them), "
        "write tuning into column 'split' of line 2, or empty column 'split' in every row to have the split drawn"
    )
    assert "c1" in (tmp_path / "manifest_failures.csv").read_text()
    rows = list(csv.DictReader((tmp_path / "manifest.csv").open(encoding="utf-8")))
    write_manifest(
        tmp_path / "manifest.csv", [row | {"split": "tuning"} if n == 0 else row for n, row in enumerate(rows)]
    )
    summary = run(tmp_path, exclude_unreadable=True)
    assert splits(summary.dataset_folder) == {"c0": "tuning", "c2": "external", "c3": "training"}
    assert summary.split_drawn_without == 0


def remedy(cases: list, readable: set[str]) -> str:
    with pytest.raises(BadInputError) as error:
        RULE.of_readable(cases, readable, listed_in=Path("failures.csv"))
    return str(error.value).partition("(failures.csv lists them)")[2]


def test_the_line_to_type_into_is_of_a_patient_who_can_be_spared() -> None:
    """p has two CTs, in lines 2 and 3, q one; of two patients with one CT each the first stands first."""
    cases = [
        make_case("a", "A", "p", "training", line=2),
        make_case("b", "A", "p", "training", line=3),
        make_case("c", "A", "q", "training", line=4),
        make_case("d", "A", "r", "training", line=5, no_tumour=True),
        make_case("e", "A", "s", "tuning", line=6),
        make_case("f", "B", "t", "external", line=7),
    ]
    drawn = ", or empty column 'split' in every row to have the split drawn"
    assert remedy(cases, set("abcdf")) == f", write tuning into column 'split' of line 4{drawn}"
    assert remedy(cases, set("abdf")) == drawn  # training would be left with a healthy patient
    assert remedy(cases, set("abcde")) == drawn  # no institution is in no other set
    assert remedy(cases, set("def")) == drawn


def test_a_drawn_split_that_cannot_be_drawn_any_more_says_why() -> None:
    cases = cohort_of({"A": 3, "B": 1})
    with pytest.raises(
        ManifestError, match=r"without the cases that .* 1 institution \(or group .*; mend those cases \("
    ):
        RULE.of_readable(cases, {"A-0", "A-1", "A-2"}, listed_in=Path("failures.csv"))


def test_a_list_of_institutions_holds_for_those_that_are_left(tmp_path: Path) -> None:
    """East is listed with West; West's only case is lost, East is the test set then, and nobody asks for West."""
    rows = list(csv.DictReader(write_drawn_cohort(tmp_path).open(encoding="utf-8")))
    rows[6]["institution"] = "West"
    write_manifest(tmp_path / "manifest.csv", rows)
    (tmp_path / "external.txt").write_text("East\nWest\n")
    make_unreadable(tmp_path, "c6", "headers")
    listed: dict[str, Any] = {"external_institutions": tmp_path / "external.txt", "exclude_unreadable": True}
    assert [
        case_id for case_id, split in splits(run(tmp_path, **listed).dataset_folder).items() if split == "external"
    ] == ["c7"]
    make_unreadable(tmp_path, "c7", "headers")
    with pytest.raises(
        BadInputError, match=r"no case is in 'external'.*, or write a further institution into external\.txt"
    ):
        run(tmp_path, **listed)


def test_nothing_readable_is_told_as_such(tmp_path: Path) -> None:
    write_drawn_cohort(tmp_path, cases=4)
    for number in range(4):
        make_unreadable(tmp_path, f"c{number}", "files")
    with pytest.raises(WorkFailedError, match="0 of 4 cases are converted, 4 failed"):
        run(tmp_path, exclude_unreadable=True)
