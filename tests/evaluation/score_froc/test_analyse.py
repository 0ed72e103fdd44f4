"""The whole stage, on probabilities as nnU-Net writes them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.base.run_record import RECORD_FILE
from nnunet_amt.errors import BadInputError, GeometryMismatchError, ImageReadError, LabelValueError, UnmatchedCasesError
from nnunet_amt.evaluation.score_froc import SCORE_FROC_FILES, ScoreFrocResult, analyse_scores
from nnunet_amt.images.mask_file import read_geometry
from nnunet_amt.images.probability_file import probability_file
from nnunet_amt.images.probability_file import write_probabilities as write_crop
from tests.evaluation.blank_figures import without_figures
from tests.evaluation.builders import row_mask, write_pair


@pytest.fixture(autouse=True)
def no_figure() -> Iterator[None]:
    with without_figures("nnunet_amt.evaluation.score_froc.analyse.write_score_froc_figures"):
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tumour found at 0.7 to 0.9 and a false positive at 0.6; a missed tumour; 3 voxels that are too few."""
    write_pair(tmp_path, "a", row_mask(60, (0, 20), (30, 40), (50, 53)), row_mask(60, (0, 20)))
    write_pair(tmp_path, "b", row_mask(60), row_mask(60, (0, 20)))
    tumour = np.zeros((1, 1, 60), np.float32)
    tumour[0, 0, :20] = [0.7, 0.9] * 10
    tumour[0, 0, 30:40] = 0.6
    tumour[0, 0, 50:53] = 0.99
    write_probabilities(tmp_path, "a", tumour)
    write_probabilities(tmp_path, "b", np.zeros((1, 1, 60), np.float32))
    return tmp_path


def write_probabilities(folder: Path, case_id: str, tumour: np.ndarray) -> None:
    """Write both classes, (2, z, y, x), beside the prediction, as nnUNetv2_predict --save_probabilities does."""
    np.savez_compressed(folder / "predictions" / f"{case_id}.npz", probabilities=np.stack([1 - tumour, tumour]))


def run(folder: Path, jobs: int = 1) -> ScoreFrocResult:
    return analyse_scores(folder / "predictions", folder / "references", folder / "out", jobs=jobs)


def test_confidences_and_curve(folder: Path) -> None:
    result = run(folder)
    assert {path.name for path in (folder / "out").iterdir()} == {path.name for path in result.files}
    assert {path.name for path in result.files} == {*SCORE_FROC_FILES, RECORD_FILE}
    with (folder / "out" / "score_froc_lesions.csv").open(newline="") as file:
        found, false = csv.DictReader(file)
    assert (found["case_id"], found["lesion"], found["voxels"], found["mean_hit"]) == ("a", "1", "20", "True")
    assert float(found["mean_probability"]) == pytest.approx(0.8)
    assert float(found["max_probability"]) == pytest.approx(0.9)
    assert (false["voxels"], false["max_hit"]) == ("10", "False")
    assert float(false["max_probability"]) == pytest.approx(0.6)
    for curve in result.curves:
        assert (curve.tp, curve.fp) == ((1, 1), (0, 1))


def test_crops_of_eight_bits_give_the_same_curve(folder: Path) -> None:
    """As predict --probabilities writes them; confidences are right to half of 1/255, and 0.9 x 255 is 229.5."""
    expected = run(folder)
    for case_id in "ab":
        npz, label_map = (folder / "predictions" / f"{case_id}{ending}" for ending in (".npz", ".nii.gz"))
        with np.load(npz) as file:
            levels = np.rint(file["probabilities"][1] * 255).astype(np.uint8)
        npz.unlink()
        write_crop(probability_file(label_map.parent, case_id), levels, geometry=read_geometry(label_map))
    found = run(folder)
    for one, other in zip(expected.curves, found.curves, strict=True):
        assert (one.tp, one.fp) == (other.tp, other.fp)
        assert one.threshold == pytest.approx(other.threshold, abs=0.501 / 255)
    assert found.sweep == expected.sweep
    crop = probability_file(folder / "predictions", "a")
    crop.write_bytes(crop.read_bytes()[:-9])
    with pytest.raises(ImageReadError, match=r"probabilities/a.nii.gz: is damaged"):
        run(folder)


def test_both_kinds_of_froc_are_told_apart(folder: Path) -> None:
    run(folder)
    content = json.loads((folder / "out" / "score_froc.json").read_text())
    assert set(content["score_froc"]) == {"mean", "max"}
    assert content["score_froc"]["mean"]["cpm"] == pytest.approx(0.5)
    assert [point["reached"] for point in content["score_froc"]["mean"]["at_fp_per_scan"]] == [True] * 3 + [False] * 4
    assert set(content["iou_sweep"]) == {"iou_threshold", "sensitivity", "fp_per_scan"}
    text = (folder / "out" / "score_froc.md").read_text()
    # Wilson's interval of 1 of 2 lesions; two cases are too few for the bootstrap
    at_rates = [f"0.50 (0.09–0.91){mark}" for mark in ("", "", "", *"****")]
    assert f"| mean | {' | '.join(at_rates)} | 0.50 | 0.50 |" in text
    assert "withheld (–) under 20 cases" in text
    assert content["score_froc"]["mean"]["cpm_ci95"] is None
    assert content["score_froc"]["mean"]["at_fp_per_scan"][0]["ci95"] == pytest.approx([0.0945, 0.9055], abs=1e-4)
    assert "It has no CPM." in text


def test_jobs_and_repetition_change_nothing(folder: Path) -> None:
    run(folder)
    before = {name: (folder / "out" / name).read_bytes() for name in SCORE_FROC_FILES}
    run(folder, jobs=2)
    assert {name: (folder / "out" / name).read_bytes() for name in SCORE_FROC_FILES} == before


def test_half_precision_at_the_border_is_accepted(folder: Path) -> None:
    """0.50001 is a tumour voxel, and 0.5 in half precision."""
    tumour = np.full((1, 1, 60), 0.50001, np.float16)
    write_probabilities(folder, "a", tumour)
    assert run(folder).curves[0].threshold == (0.5,)


def test_probabilities_that_do_not_fit_are_refused_in_one_line(folder: Path) -> None:
    def refuse(error: type[BadInputError], message: str) -> None:
        with pytest.raises(error, match=message) as caught:
            run(folder)
        assert "\n" not in str(caught.value)
        assert not (folder / "out").exists()

    path = folder / "predictions" / "a.npz"
    write_probabilities(folder, "a", np.full((1, 1, 60), 0.02, np.float32))
    refuse(LabelValueError, r"case a: .*a.npz against .*a.nii.gz: the tumour probability is 0.02 at a voxel predicted")
    write_probabilities(folder, "a", np.full((60, 1, 1), 0.9, np.float32))
    refuse(GeometryMismatchError, r"case a: .*: size \(1, 1, 60\) against \(60, 1, 1\) \(x, y, z\)")
    write_probabilities(folder, "a", np.full((1, 1, 60), np.nan, np.float32))
    refuse(LabelValueError, "a.npz: holds values from nan to nan; a probability is from 0 to 1")
    write_probabilities(folder, "a", np.full((1, 1, 60), 1.2, np.float32))
    refuse(LabelValueError, "a.npz: holds values from 1.2 to 1.2")
    np.savez_compressed(path, probabilities=np.full((3, 1, 1, 60), 0.5, np.float32))
    refuse(LabelValueError, "a.npz: holds 3 classes; background and tumour are 2")
    np.savez_compressed(path, probabilities=np.full((1, 1, 60), 1, np.uint8))
    refuse(ImageReadError, "a.npz: holds an array of 3 dimensions and type uint8")
    np.savez_compressed(path, softmax=np.zeros(3))
    refuse(ImageReadError, r"a.npz: has no array 'probabilities' \(it holds: softmax\)")
    path.write_bytes(path.read_bytes()[:-30])
    refuse(ImageReadError, "a.npz: is damaged or no file of nnU-Net's; predict this case again")
    path.unlink()
    refuse(UnmatchedCasesError, r"no probabilities for 1 case \(a\); predict with --probabilities")


def test_a_pickle_is_never_opened(folder: Path) -> None:
    """A pickled object would run its code; the file is refused as one that is not nnU-Net's."""
    np.savez_compressed(folder / "predictions" / "a.npz", probabilities=np.array([{}], dtype=object))
    with pytest.raises(ImageReadError, match=r"a\.npz: holds an array of 1 dimensions and type object"):
        run(folder)


def test_the_results_must_not_go_among_the_probabilities(folder: Path) -> None:
    with pytest.raises(BadInputError, match="other: holds the probabilities; give another folder"):
        analyse_scores(folder / "predictions", folder / "references", folder / "other", probabilities=folder / "other")
