"""The stage of features: tables, second readings, reruns, and cases that cannot be read."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnunet_amt.base.run_record import read_runs
from nnunet_amt.errors import BadInputError, ManifestError, MissingExtraError
from nnunet_amt.risk.radiomics.feature_tables import FeatureFiles, read_features, write_features
from nnunet_amt.risk.radiomics.second_mask import perturbed_mask
from tests.conftest import write_image
from tests.risk.radiomics.phantoms import FEW, ball, noisy_ct

pytest.importorskip("radiomics", reason="pyradiomics is not installed")

SPACING = (1.5, 1.5, 2.5)
SHAPE = (12, 26, 26)


@dataclass(frozen=True)
class Case:
    case_id: str
    image: Path
    mask: Path
    mask_2: Path | None = None
    split: str = "training"


def write_case(folder: Path, case_id: str, *, radius: int = 5, split: str = "training") -> Case:
    mask = ball(SHAPE, (6, 13, 13), (2, radius, radius))
    image = write_image(folder / "imagesTr" / f"{case_id}_0000.nii.gz", noisy_ct(SHAPE, radius), SPACING)
    return Case(case_id, image, write_image(folder / "labelsTr" / f"{case_id}.nii.gz", mask, SPACING), split=split)


def run(cases: list[Case], output: Path, **given: Any) -> FeatureFiles:
    return write_features(cases, output=output, settings=FEW, **given)


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    return [write_case(tmp_path, "a"), write_case(tmp_path, "b", radius=6), write_case(tmp_path, "c", split="external")]


def test_a_row_a_case_and_perturbed_masks_of_development_cases(cases: list[Case], tmp_path: Path) -> None:
    """Without a second reader's mask those of the two development cases are perturbed, and the record says so."""
    files = run(cases, tmp_path / "out", seed=4)
    first, second = read_features(files.features), read_features(files.features_second)
    assert first.case_ids == ("a", "b", "c")
    assert first.names == second.names == tuple(FEW.feature_names())
    assert second.case_ids == ("a", "b")
    assert files.second == "perturbed"
    assert (first.rows(["a"]) != second.rows(["a"])).any()
    assert files.failed == ()
    (record,) = read_runs(tmp_path / "out")
    assert record["stage"] == "risk-features"
    assert (record["settings"]["second"], record["settings"]["second_cases"], record["seed"]) == ("perturbed", 2, 4)
    assert record["counts"] == {"cases": 3, "computed": 5, "failed": 0}


def test_as_many_masks_are_perturbed_as_asked(cases: list[Case], tmp_path: Path) -> None:
    files = run(cases, tmp_path / "out", perturbed_cases=1)
    assert len(read_features(files.features_second).case_ids) == 1


def test_second_readers_masks_are_read_where_there_are_three(cases: list[Case], tmp_path: Path) -> None:
    """The second readers have drawn what the first have: the same features. That of an external case is not read."""
    elsewhere = write_case(tmp_path, "d", split="external")
    cases = [*(replace(case, split="training") for case in cases), elsewhere]
    drawn_twice = [replace(case, mask_2=case.mask) for case in cases]
    files = run(drawn_twice, tmp_path / "out")
    second = read_features(files.features_second)
    assert (second.case_ids, files.second) == (("a", "b", "c"), "second")
    np.testing.assert_array_equal(second.values, read_features(files.features).rows(["a", "b", "c"]))
    files = run([*drawn_twice[:2], *cases[2:]], tmp_path / "out")
    assert (read_features(files.features_second).case_ids, files.second) == (("a", "b", "c"), "perturbed")


def test_a_rerun_computes_nothing_and_a_changed_mask_alone(
    cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(cases, tmp_path / "out").computed == 5
    before = (tmp_path / "out" / "features.csv").read_bytes()
    with monkeypatch.context() as context:
        context.setattr("nnunet_amt.risk.radiomics.case_features.tumour_features", None)
        assert run(cases, tmp_path / "out").computed == 0
    assert (tmp_path / "out" / "features.csv").read_bytes() == before
    write_image(cases[2].mask, ball(SHAPE, (6, 13, 13), (2, 4, 4)), SPACING)
    assert run(cases, tmp_path / "out").computed == 1  # c is not among those perturbed
    assert run(cases[:2], tmp_path / "out").computed == 0
    assert read_features(tmp_path / "out" / "features.csv").case_ids == ("a", "b")


def test_other_settings_and_another_seed_compute_again(cases: list[Case], tmp_path: Path) -> None:
    run(cases[2:], tmp_path / "out")
    assert write_features(cases[2:], output=tmp_path / "out", settings=replace(FEW, bin_width=25)).computed == 1
    run(cases[:1], tmp_path / "out")
    assert run(cases[:1], tmp_path / "out", seed=1).computed == 1  # the perturbed mask, not the first


def test_a_file_of_a_case_that_is_damaged_is_computed_again(cases: list[Case], tmp_path: Path) -> None:
    run(cases[2:], tmp_path / "out")
    kept = tmp_path / "out" / "cases" / "c.json"
    kept.write_text(json.dumps({"key": json.loads(kept.read_text())["key"]})[:-5])
    assert run(cases[2:], tmp_path / "out").computed == 1


def empty(case: Case) -> None:
    write_image(case.mask, np.zeros(SHAPE, np.uint8), SPACING)


def on_another_grid(case: Case) -> None:
    write_image(case.mask, ball(SHAPE, (6, 13, 13), (2, 5, 5)), (1.5, 1.5, 5.0))


def of_one_voxel(case: Case) -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[6, 13, 13] = 1
    write_image(case.mask, mask, SPACING)


def with_another_label(case: Case) -> None:
    write_image(case.mask, 5 * ball(SHAPE, (6, 13, 13), (2, 5, 5)), SPACING)


def without_mask(case: Case) -> None:
    case.mask.unlink()


def cut_off(case: Case) -> None:
    case.image.write_bytes(case.image.read_bytes()[:2000])


BAD: dict[Callable[[Case], None], str] = {
    empty: r"^b\.nii\.gz: is empty, no voxel is tumour",
    on_another_grid: r"^b\.nii\.gz: does not lie on the grid of its CT b_0000\.nii\.gz: spacing \(1\.5, 1\.5, 5\)",
    of_one_voxel: r"^b\.nii\.gz: its tumour of 1 voxel has no extent along two axes at 1 mm",
    with_another_label: r"^b\.nii\.gz: holds \d+ voxels with other values than 0 \(background\) and 1 \(tumour\): 5",
    without_mask: r"^b\.nii\.gz: ",
    cut_off: r"^b_0000\.nii\.gz: ",
}


@pytest.mark.parametrize("spoil", BAD)
def test_a_bad_case_stops_no_other_and_is_listed_in_one_line(
    spoil: Callable[[Case], None], cases: list[Case], tmp_path: Path
) -> None:
    spoil(cases[1])
    files = run(cases, tmp_path / "out", perturbed_cases=0)
    assert read_features(files.features).case_ids == ("a", "c")
    (failed,) = files.failed
    assert (failed.case_id, failed.reading) == ("b", "first")
    assert re.search(BAD[spoil], failed.message)
    assert "\n" not in failed.message
    assert str(tmp_path) not in failed.message
    assert len((tmp_path / "out" / "features_failed.csv").read_text().splitlines()) == 2


def test_no_case_with_features_is_refused_with_the_first_reason(cases: list[Case], tmp_path: Path) -> None:
    empty(cases[0])
    with pytest.raises(BadInputError, match=r"none of 1 case has features, the first: a\.nii\.gz: is empty"):
        run(cases[:1], tmp_path / "out")


def test_no_cases_and_a_case_twice_are_refused(cases: list[Case], tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="there is no case"):
        run([], tmp_path / "out")
    with pytest.raises(BadInputError, match="case 'a' is there 2 times"):
        run([cases[0], cases[0]], tmp_path / "out")


def test_without_the_extra_one_line_names_it(
    cases: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "radiomics", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[risk\]'"):
        run(cases, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_two_processes_give_the_same_table(cases: list[Case], tmp_path: Path) -> None:
    one = run(cases, tmp_path / "one").features.read_bytes()
    assert run(cases, tmp_path / "two", jobs=2).features.read_bytes() == one


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case_id,x\na,nan\n", r"line 2, column 'x': is 'nan', must be a number"),
        ("case_id,x\na,1\na,2\n", r"line 3: case 'a' stands there twice"),
        ("case,x\na,1\n", "has no column 'case_id'"),
    ],
)
def test_a_table_that_was_changed_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "features.csv").write_text(text)
    with pytest.raises(ManifestError, match=message):
        read_features(tmp_path / "features.csv")


def test_a_perturbed_mask_is_shifted_and_a_voxel_larger_or_smaller() -> None:
    """A box of 8 x 8 becomes one of 6 x 6, or a cross of 96 voxels, about a centre that is one voxel off."""
    mask = np.zeros((3, 20, 20), bool)
    mask[1, 6:14, 6:14] = True
    found = [perturbed_mask(mask, case_id=f"case{number}", seed=0) for number in range(20)]
    assert {int(changed.sum()) for changed in found} == {36, 96}
    for changed in found:
        assert not changed[[0, 2]].any()
        centre = np.argwhere(changed).mean(0)[1:]
        assert sorted(np.abs(centre - 9.5)) == pytest.approx([0, 1])
    np.testing.assert_array_equal(found[0], perturbed_mask(mask, case_id="case0", seed=0))


def test_a_thin_mask_is_never_eroded_away() -> None:
    mask = np.zeros((3, 20, 20), bool)
    mask[1, 10:12, 5:15] = True
    assert all(perturbed_mask(mask, case_id=f"case{number}", seed=0).sum() > 20 for number in range(10))
