"""A folder of CTs is predicted in this process: the checks, axes and reruns are those of nnU-Net's command.

The model is played by one that takes everything above 0 HU for tumour, on the voxels that it is given.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_amt.base.run_record import newest_run, read_runs
from nnunet_amt.dataset_conversion import convert
from nnunet_amt.errors import BadInputError, DiskFullError, WorkFailedError
from nnunet_amt.images.geometry import Geometry, geometry_difference
from nnunet_amt.images.probability_file import read_probabilities
from nnunet_amt.nnunet.network_grid import Prediction
from nnunet_amt.nnunet.predict import PredictionResult, PredictionSettings, predict
from tests.conftest import set_nnunet_folders
from tests.dataset_conversion.cohort_fixtures import write_cohort
from tests.models.model_fixtures import write_model
from tests.nnunet.test_input_images import AXES, OBLIQUE, REFUSED, TURNS, chest, read, with_nan, write_ct


@dataclass
class FakeModel:
    """What it was given, one after the other, and on which one it fails."""

    parameters: int = 7
    seen: list[NDArray] = field(default_factory=list)
    spacings: list[tuple[float, ...]] = field(default_factory=list)
    fail_at: int | None = None
    error: BaseException = field(default_factory=KeyboardInterrupt)
    threads: set[str] = field(default_factory=set)
    region: object | None = None
    share: float | None = None

    def prepare(self, values: NDArray, spacing: tuple[float, ...]) -> NDArray:
        self.threads.add(threading.current_thread().name)
        self.spacings.append(spacing)
        return values

    def logits(self, values: NDArray) -> NDArray:
        if len(self.seen) == self.fail_at:
            raise self.error
        self.threads.add(threading.current_thread().name)
        self.seen.append(values)
        return values

    def share_asked(self, logits: NDArray) -> float | None:
        return self.share

    def finish(self, logits: NDArray, values: NDArray, *, probabilities: bool) -> Prediction:
        self.threads.add(threading.current_thread().name)
        above = (logits > 0).astype(np.uint8)
        return Prediction(above, above * np.uint8(200) if probabilities else None)


@pytest.fixture
def model(planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeModel:
    set_nnunet_folders(monkeypatch, planned_base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    write_model(tmp_path / "results", planned_base)
    fake = FakeModel()
    monkeypatch.setattr("nnunet_amt.nnunet.loaded_model.load_model", lambda *_, **__: fake)

    def no_command(*_: object, **__: object) -> None:
        raise AssertionError("nnU-Net's command must not run")

    monkeypatch.setattr("nnunet_amt.nnunet.process.run_stock_command", no_command)
    return fake


def predicted(folder: Path, *options: str, probabilities: bool = False) -> PredictionResult:
    settings = PredictionSettings(711, device="cpu", options=options, probabilities=probabilities)
    return predict(folder / "in", folder / "out", settings)


@pytest.mark.parametrize("oblique", [False, True])
def test_the_same_ct_along_any_axes_gives_the_same_voxels_in_space(
    tmp_path: Path, model: FakeModel, oblique: bool
) -> None:
    """48 times one CT: the network is given one and the same array, and each result lies as its image does."""
    for number, turn in enumerate(TURNS):
        write_ct(tmp_path / "in" / f"{number:02}_0000.nii.gz", turn, scanner=OBLIQUE if oblique else AXES)
    predicted(tmp_path, probabilities=True)
    assert len(model.seen) == 48
    assert all(np.array_equal(seen, model.seen[0]) for seen in model.seen)
    assert np.allclose(model.spacings, (5.0, 1.5, 2.0))  # (z, y, x)
    for number in range(len(TURNS)):
        image, grid = read(tmp_path / "in" / f"{number:02}_0000.nii.gz")
        mask, where = read(tmp_path / "out" / f"{number:02}.nii.gz")
        assert geometry_difference(where, grid) is None
        assert mask.dtype == np.uint8
        assert np.array_equal(mask, image > 0)
        levels = read_probabilities(tmp_path / "out" / "probabilities" / f"{number:02}.nii.gz", grid)
        assert np.array_equal(levels, (image > 0) * 200)


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_conversion_refuses_is_refused_before_any_is_predicted(
    tmp_path: Path, model: FakeModel, what: str
) -> None:
    write, message = REFUSED[what]
    write_ct(tmp_path / "in" / "a_0000.nii.gz", AXES)
    write(tmp_path / "in" / "b_0000.nii.gz")
    with pytest.raises(BadInputError) as raised:
        predicted(tmp_path)
    assert "1 of 2 images cannot be predicted: b_0000.nii.gz: " in str(raised.value)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert model.seen == []


def test_all_images_that_are_refused_are_named_and_earlier_predictions_stay(
    tmp_path: Path, model: FakeModel, caplog: pytest.LogCaptureFixture
) -> None:
    for case in "abc":
        write_ct(tmp_path / "in" / f"{case}_0000.nii.gz", AXES)
    predicted(tmp_path)
    before = (tmp_path / "out" / "b.nii.gz").read_bytes()
    for case in "ac":
        write_ct(tmp_path / "in" / f"{case}_0000.nii.gz", AXES, with_nan(chest()))
    with pytest.raises(BadInputError, match=r"2 of 3 images .* a_0000.nii.gz: holds NaN .* \(and 1 more, named above"):
        predicted(tmp_path, "-step_size", "0.7")
    assert [record.message.partition(":")[0] for record in caplog.records] == ["c_0000.nii.gz"]
    assert (tmp_path / "out" / "b.nii.gz").read_bytes() == before


def test_what_does_not_fit_into_memory_is_read_again(
    tmp_path: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three CTs two are kept from the check; the third one is predicted all the same."""
    monkeypatch.setattr("nnunet_amt.nnunet.input_images._KEPT_BYTES", 2 * chest().nbytes)
    for case in "abc":
        write_ct(tmp_path / "in" / f"{case}_0000.nii.gz", AXES, chest(ord(case)))
    predict(tmp_path / "in", tmp_path / "out", PredictionSettings(711, device="cpu"), jobs=1)
    assert [np.array_equal(seen, chest(ord(case))) for seen, case in zip(model.seen, "abc", strict=True)] == [True] * 3


def test_what_the_conversion_wrote_is_taken_as_it_is(tmp_path: Path, model: FakeModel) -> None:
    write_cohort(tmp_path)
    images = convert(tmp_path / "manifest.csv", tmp_path / "raw", dataset_id=712).dataset_folder / "imagesTs"
    predict(images, tmp_path / "out", PredictionSettings(711, device="cpu"))
    cases = sorted(images.glob("*.nii.gz"))
    assert len(model.seen) == len(cases) > 0
    for path, seen in zip(cases, model.seen, strict=True):
        assert np.array_equal(seen, read(path)[0])


def test_rerun_keeps_what_is_done(tmp_path: Path, model: FakeModel) -> None:
    for case in "abc":
        write_ct(tmp_path / "in" / f"{case}_0000.nii.gz", TURNS[3])
    assert predicted(tmp_path) == PredictionResult(0, 3)
    assert predicted(tmp_path) == PredictionResult(3, 0)
    (tmp_path / "out" / "b.nii.gz").unlink()
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("[ac].nii.gz")}
    assert predicted(tmp_path) == PredictionResult(2, 1)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    first = read_runs(tmp_path / "out")[0]
    assert first["counts"] == {"cases": 3, "cases_in_all": 3, "images_brought_to_lps": 3}
    assert first["cost"]["parameters"] == 7
    for name in ("plans.json", "dataset.json"):  # for nnU-Net's tools
        assert (tmp_path / "out" / name).is_file()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), WorkFailedError("it broke")], ids=["killed", "failed"])
def test_run_that_ended_early_is_gone_on_with(tmp_path: Path, model: FakeModel, error: BaseException) -> None:
    """The network was at the second of three: the first is written, and stays."""
    for case in "abc":
        write_ct(tmp_path / "in" / f"{case}_0000.nii.gz", TURNS[9])
    model.fail_at, model.error = 1, error
    with pytest.raises(type(error)):
        predicted(tmp_path)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.nii.gz")) == ["a.nii.gz"]
    assert not list((tmp_path / "out").glob(".partial-*"))
    model.fail_at = None
    assert predicted(tmp_path) == PredictionResult(1, 2)
    for case in "abc":
        assert np.array_equal(
            read(tmp_path / "out" / f"{case}.nii.gz")[0], read(tmp_path / "in" / f"{case}_0000.nii.gz")[0] > 0
        )


def test_full_disk_ends_the_run(tmp_path: Path, model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    for case in "ab":
        write_ct(tmp_path / "in" / f"{case}_0000.nii.gz", AXES)

    def full(*_: object, **__: object) -> None:
        raise DiskFullError("the disk is full")

    monkeypatch.setattr("nnunet_amt.nnunet.predict_cases.write_nifti", full)
    with pytest.raises(DiskFullError):
        predicted(tmp_path)
    assert read_runs(tmp_path / "out") == []


def test_parts_predict_their_own(tmp_path: Path, model: FakeModel) -> None:
    for case in "abc":
        write_ct(tmp_path / "in" / f"{case}_0000.nii.gz", TURNS[3])
    counts = [predicted(tmp_path, "-num_parts", "2", "-part_id", part).predicted for part in "01"]
    assert counts == [2, 1]
    assert predicted(tmp_path, "-num_parts", "4", "-part_id", "3") == PredictionResult(0, 0)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.nii.gz")) == ["a.nii.gz", "b.nii.gz", "c.nii.gz"]


def test_probabilities_are_made_where_they_are_missing_and_go_with_their_label_map(
    tmp_path: Path, model: FakeModel
) -> None:
    write_ct(tmp_path / "in" / "a_0000.nii.gz", TURNS[11])
    crop = tmp_path / "out" / "probabilities" / "a.nii.gz"
    assert predicted(tmp_path) == PredictionResult(0, 1)
    assert not crop.exists()
    assert predicted(tmp_path, probabilities=True) == PredictionResult(0, 1)
    assert predicted(tmp_path, probabilities=True) == predicted(tmp_path) == PredictionResult(1, 0)
    (tmp_path / "out" / "a.npz").touch()  # of nnU-Net's command, from before
    # another step size: what is of the old prediction must not stand beside the new one
    assert predicted(tmp_path, "-step_size", "0.7") == PredictionResult(0, 1)
    assert not crop.exists()
    assert not (tmp_path / "out" / "a.npz").exists()


def test_probabilities_of_what_only_nnunet_predicts_are_refused(tmp_path: Path, model: FakeModel) -> None:
    write_ct(tmp_path / "in" / "a_0000.nii.gz", AXES)
    with pytest.raises(BadInputError, match=r"--probabilities: is not written by nnUNetv2_predict, .*--save_prob"):
        predicted(tmp_path, "--save_probabilities", probabilities=True)


def test_log_file_names_each_case(tmp_path: Path, model: FakeModel) -> None:
    for case in "ab":
        write_ct(tmp_path / "in" / f"{case}_0000.nii.gz", AXES)
    steps: list[tuple[int, int, str]] = []
    predict(
        tmp_path / "in", tmp_path / "out", PredictionSettings(711, device="cpu"), log_file=tmp_path / "predict.log",
        progress=lambda *step: steps.append(step),
    )  # fmt: skip
    assert (tmp_path / "predict.log").read_text().splitlines() == ["done with a", "done with b"]
    checked = [(done, 2, "checking images") for done in range(3)]
    assert steps == [(0, 2, "prediction"), *checked, (1, 2, "prediction"), (2, 2, "prediction")]


@pytest.mark.parametrize(("share", "percent", "in_part"), [(0.214, "21%", 1), (1.0, "all", 0), (0.996, "over 99%", 1)])
def test_the_log_and_the_record_say_where_the_network_was_asked(
    tmp_path: Path, model: FakeModel, share: float, percent: str, in_part: int
) -> None:
    """A model that is asked between the lungs alone finds nothing elsewhere, which nobody could see by its masks."""
    model.region, model.share = object(), share
    write_ct(tmp_path / "in" / "a_0000.nii.gz", AXES)
    log = tmp_path / "predict.log"
    predict(tmp_path / "in", tmp_path / "out", PredictionSettings(711, device="cpu"), log_file=log)
    assert log.read_text() == f"done with a, the network asked in {percent} of the CT\n"
    record = newest_run(tmp_path / "out", "predict")
    assert record is not None
    assert record["counts"]["cases_asked_in_part"] == in_part


def test_reading_and_writing_do_not_hold_up_the_network(tmp_path: Path, model: FakeModel) -> None:
    """Three threads; the label maps are none the worse for it."""
    for case in "abcd":
        write_ct(tmp_path / "in" / f"{case}_0000.nii.gz", AXES, chest(ord(case)))
    predicted(tmp_path)
    assert len(model.threads) == 3
    for case in "abcd":
        image = sitk.ReadImage(str(tmp_path / "in" / f"{case}_0000.nii.gz"))
        mask, where = read(tmp_path / "out" / f"{case}.nii.gz")
        assert geometry_difference(where, Geometry.of(image)) is None
        assert np.array_equal(mask, sitk.GetArrayFromImage(image) > 0)
