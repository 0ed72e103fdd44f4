"""Images to predict are looked at as the conversion looks at a CT, and label maps lie as the images do.

nnU-Net's command, where it is the one that predicts, is played by a function that takes everything above 0 HU for
tumour, on the grid that it is given. `test_predict_cases` is about predictions in this process.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.base.files import machine_mark
from nnunet_amt.base.run_record import read_runs
from nnunet_amt.dataset_conversion import convert
from nnunet_amt.errors import BadInputError, WorkFailedError
from nnunet_amt.images.geometry import Geometry, axis_code, geometry_difference
from nnunet_amt.nnunet.input_images import open_images
from nnunet_amt.nnunet.predict import PredictionResult, PredictionSettings, predict
from tests.conftest import set_nnunet_folders, tiny_case, write_image
from tests.dataset_conversion.cohort_fixtures import write_cohort
from tests.models.model_fixtures import write_model

SPACING = (2.0, 1.5, 5.0)
AXES = np.eye(3)  # of the patient, LPS, as columns
OBLIQUE = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])  # as a scanner that stands askew has them
TURNS = [AXES[:, order] * signs for order in permutations(range(3)) for signs in product((1.0, -1.0), repeat=3)]


def chest(seed: int = 0) -> np.ndarray:
    """A CT (z, y, x) whose three edges differ, noise of air with a tumour in one corner."""
    image = tiny_case(seed)[0][:6, :14, :18].copy()
    image[image > 0] = -900
    image[1:3, 2:7, 3:5] = 50
    return image


@dataclass
class FakeNNUNet:
    """What it was asked, which images it found, and what it does besides."""

    commands: list[list[str]] = field(default_factory=list)
    seen: dict[str, sitk.Image] = field(default_factory=dict)
    after_case: Callable[[str], object] = lambda case: None

    def __call__(self, command: list[str], environment: object, **_: object) -> None:
        self.commands.append(command)
        images, output = (Path(command[command.index(word) + 1]) for word in ("-i", "-o"))
        for path in sorted(images.glob("*_0000.nii.gz")):
            case = path.name.removesuffix("_0000.nii.gz")
            if (output / f"{case}.nii.gz").exists():
                continue
            if path.stat().st_size == 0:  # another part's
                continue
            image = self.seen[case] = sitk.ReadImage(str(path))
            if "--save_probabilities" in command:
                above = (sitk.GetArrayFromImage(image) > 0).astype(np.float32)
                np.savez_compressed(output / f"{case}.npz", probabilities=np.stack([1 - above, above]))
                (output / f"{case}.pkl").write_bytes(b"never to be read")
            sitk.WriteImage(sitk.Cast(image > 0, sitk.sitkUInt8), str(output / f"{case}.nii.gz"))
            self.after_case(case)


@pytest.fixture
def nnunet(planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNNUNet:
    set_nnunet_folders(monkeypatch, planned_base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    write_model(tmp_path / "results", planned_base)
    fake = FakeNNUNet()
    monkeypatch.setattr("nnunet_amt.nnunet.process.run_stock_command", fake)
    monkeypatch.setattr("nnunet_amt.nnunet.loaded_model.why_not_here", lambda *_: "this is a test of the command")
    return fake


def predicted(folder: Path, *options: str) -> PredictionResult:
    return predict(folder / "in", folder / "out", PredictionSettings(711, device="cpu", options=options), jobs=1)


def write_ct(path: Path, turn: np.ndarray, array: np.ndarray | None = None, *, scanner: np.ndarray = AXES) -> Path:
    """Write one CT of the axes of the `scanner`, its voxels stored along these as the columns of `turn` say."""
    image = sitk.GetImageFromArray(chest() if array is None else array)
    image.SetSpacing(SPACING)
    image.SetOrigin((-12.0, -30.0, 100.0))
    image.SetDirection(scanner.ravel().tolist())
    order = [int(np.argmax(np.abs(column))) for column in turn.T]
    image = sitk.Flip(sitk.PermuteAxes(image, order), [bool(turn[order[i], i] < 0) for i in range(3)])
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


def read(path: Path) -> tuple[np.ndarray, Geometry]:
    image = sitk.ReadImage(str(path))
    return sitk.GetArrayFromImage(image), Geometry.of(image)


@pytest.mark.parametrize("oblique", [False, True])
def test_the_same_ct_along_any_axes_gives_the_same_voxels_in_space(
    tmp_path: Path, nnunet: FakeNNUNet, oblique: bool
) -> None:
    """48 times one CT: nnU-Net is given one and the same array, and each result lies as its image does."""
    for number, turn in enumerate(TURNS):
        write_ct(tmp_path / "in" / f"{number:02}_0000.nii.gz", turn, scanner=OBLIQUE if oblique else AXES)
    codes = {axis_code(read(path)[1]) for path in (tmp_path / "in").iterdir()}
    assert len(codes) == 48
    predicted(tmp_path)
    first = sitk.GetArrayFromImage(nnunet.seen["00"])
    for number in range(len(TURNS)):
        seen = nnunet.seen[f"{number:02}"]
        assert axis_code(Geometry.of(seen)) == "LPS"
        assert np.array_equal(sitk.GetArrayFromImage(seen), first)
        image, grid = read(tmp_path / "in" / f"{number:02}_0000.nii.gz")
        mask, where = read(tmp_path / "out" / f"{number:02}.nii.gz")
        assert geometry_difference(where, grid) is None
        assert mask.dtype == np.uint8
        assert np.array_equal(mask, image > 0)


@pytest.mark.parametrize("code", ["LAS", "PSR", "RAI", "SLP"])
def test_an_image_that_nibabel_wrote_and_nibabel_reads_again(tmp_path: Path, nnunet: FakeNNUNet, code: str) -> None:
    """No code of ours or SimpleITK's in the test: neither writes the image nor reads the result."""
    (tmp_path / "in").mkdir()
    ct = nib.Nifti1Image(np.ascontiguousarray(chest().T), np.diag([-2.0, -1.5, 5.0, 1.0]))  # LPS
    turn = nib.orientations.ornt_transform(nib.io_orientation(ct.affine), nib.orientations.axcodes2ornt(code))
    image = ct.as_reoriented(turn)
    image.header.set_xyzt_units("mm")
    image.set_qform(image.affine, 1)
    image.set_sform(image.affine, 1)
    nib.save(image, tmp_path / "in" / "a_0000.nii.gz")
    predicted(tmp_path)
    mask = nib.load(tmp_path / "out" / "a.nii.gz")
    assert isinstance(mask, nib.Nifti1Image)
    assert nib.aff2axcodes(mask.affine) == tuple(code)
    assert np.allclose(mask.affine, image.affine, atol=1e-3)
    assert np.array_equal(np.asarray(mask.dataobj), np.asarray(image.dataobj) > 0)


def test_intensities_are_those_of_the_conversion(tmp_path: Path, nnunet: FakeNNUNet) -> None:
    """What lies outside of the field of view is raised to the floor, fractions become whole HU."""
    image = chest().astype(np.float32)
    image[0], image[1, 0, 0] = -3024, 20.4
    write_ct(tmp_path / "in" / "a_0000.nii.gz", AXES, image)
    predicted(tmp_path)
    seen = sitk.GetArrayFromImage(nnunet.seen["a"])
    assert (seen.dtype, seen[0].min(), seen[0].max(), seen[1, 0, 0]) == (np.int16, -1024, -1024, 20)


def with_nan(array: np.ndarray) -> np.ndarray:
    array = array.astype(np.float32)
    array[0, 0, 0] = np.nan
    return array


def write_without_orientation(path: Path) -> None:
    image = nib.Nifti1Image(np.ascontiguousarray(chest().T), None)
    image.set_qform(None, 0)
    image.set_sform(None, 0)
    nib.save(image, path)


def cut_off(path: Path) -> None:
    whole = write_ct(path, AXES).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "NaN": (lambda path: write_ct(path, AXES, with_nan(chest())), "holds NaN or infinite values (1 of 1512"),
    "8 bits": (lambda path: write_ct(path, AXES, (chest() > 0).astype(np.uint8) * 255), "8 bits (0 to 255)"),
    "rescaled": (lambda path: write_ct(path, AXES, chest() / 2048.0), "the image is rescaled, not in HU"),
    "a mask": (lambda path: write_ct(path, AXES, (chest() > 0).astype(np.int16)), "a picture or a label file"),
    "one value": (lambda path: write_ct(path, AXES, np.zeros((4, 5, 6), np.int16)), "all voxels are 0"),
    "no orientation": (write_without_orientation, "does not say which way its axes run"),
    "one slice": (lambda path: write_image(path, chest()[0]), "must be one three-dimensional volume"),
    "cut off": (cut_off, "is damaged"),
    "a text": (lambda path: path.write_text("no image"), "is damaged"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_conversion_refuses_is_refused_before_nnunet_starts(
    tmp_path: Path, nnunet: FakeNNUNet, what: str
) -> None:
    write, message = REFUSED[what]
    write_ct(tmp_path / "in" / "a_0000.nii.gz", AXES)
    write(tmp_path / "in" / "b_0000.nii.gz")
    with pytest.raises(BadInputError) as raised:
        predicted(tmp_path)
    assert "1 of 2 images cannot be predicted: b_0000.nii.gz: " in str(raised.value)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert nnunet.commands == []
    assert not list(tmp_path.glob("out/.partial-*"))


def test_all_images_that_are_refused_are_named(
    tmp_path: Path, nnunet: FakeNNUNet, caplog: pytest.LogCaptureFixture
) -> None:
    for case in "abc":
        write_ct(tmp_path / "in" / f"{case}_0000.nii.gz", AXES, chest() / 2048.0 if case != "b" else None)
    with pytest.raises(BadInputError, match=r"2 of 3 images .* a_0000.nii.gz: values run .* \(and 1 more, named above"):
        predicted(tmp_path)
    assert [record.message.partition(":")[0] for record in caplog.records] == ["c_0000.nii.gz"]


def test_headers_and_voxels_are_told_of_in_one_run(
    tmp_path: Path, nnunet: FakeNNUNet, caplog: pytest.LogCaptureFixture
) -> None:
    """The header of one shows at once, the voxels of another only when they are read."""
    write_ct(tmp_path / "in" / "a_0000.nii.gz", AXES)
    write_without_orientation(tmp_path / "in" / "b_0000.nii.gz")
    write_ct(tmp_path / "in" / "c_0000.nii.gz", AXES, with_nan(chest()))
    with pytest.raises(BadInputError, match=r"2 of 3 images .*: b_0000\.nii\.gz: .*\(and 1 more, named"):
        predicted(tmp_path)
    assert "c_0000.nii.gz: holds NaN or infinite values (1 of 1512" in caplog.text
    assert nnunet.commands == []


def test_earlier_predictions_stay_where_an_image_is_refused(tmp_path: Path, nnunet: FakeNNUNet) -> None:
    """Of another step size they would be made anew; they are not removed for what then cannot be done."""
    for case in "ab":
        write_ct(tmp_path / "in" / f"{case}_0000.nii.gz", AXES)
    predicted(tmp_path)
    before = (tmp_path / "out" / "a.nii.gz").read_bytes()
    write_ct(tmp_path / "in" / "b_0000.nii.gz", AXES, with_nan(chest()))
    with pytest.raises(BadInputError, match=r"b_0000.nii.gz: holds NaN"):
        predicted(tmp_path, "-step_size", "0.7")
    assert (tmp_path / "out" / "a.nii.gz").read_bytes() == before


def test_what_the_conversion_wrote_is_taken_as_it_is(tmp_path: Path, nnunet: FakeNNUNet) -> None:
    """The dataset's own cases: nnU-Net gets the folder itself, and nothing is read before."""
    write_cohort(tmp_path)
    dataset = convert(tmp_path / "manifest.csv", tmp_path / "raw", dataset_id=712).dataset_folder
    images = dataset / "imagesTs"
    predict(images, tmp_path / "out", PredictionSettings(711, device="cpu"))
    assert [command[1:5] for command in nnunet.commands] == [["-i", str(images), "-o", str(tmp_path / "out")]]
    assert open_images(images).files is None
    # nnU-Net would take these for an image too
    (images / "._x_0000.nii.gz").touch()
    assert open_images(images).files is not None
    (images / "._x_0000.nii.gz").unlink()
    # put in its place by hand
    [image] = images.iterdir()
    write_ct(image, TURNS[5])
    assert [axis_code(file.stored) != "LPS" for file in open_images(images).files or ()] == [True]


def test_rerun_keeps_what_is_done_and_prepares_only_what_is_not(tmp_path: Path, nnunet: FakeNNUNet) -> None:
    for case in "abc":
        write_ct(tmp_path / "in" / f"{case}_0000.nii.gz", TURNS[3])
    assert predicted(tmp_path) == PredictionResult(0, 3)
    assert predicted(tmp_path) == PredictionResult(3, 0)
    assert len(nnunet.commands) == 1
    (tmp_path / "out" / "b.nii.gz").unlink()
    nnunet.seen.clear()
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("[ac].nii.gz")}
    assert predicted(tmp_path) == PredictionResult(2, 1)
    assert list(nnunet.seen) == ["b"]
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert read_runs(tmp_path / "out")[0]["counts"]["images_brought_to_lps"] == 3


def test_run_that_was_killed_before_it_laid_back_is_gone_on_with(tmp_path: Path, nnunet: FakeNNUNet) -> None:
    """nnU-Net was done with the first of two: it is not predicted again, and lies right in the end."""
    for case in "ab":
        write_ct(tmp_path / "in" / f"{case}_0000.nii.gz", TURNS[9])

    def kill(case: str) -> None:
        raise KeyboardInterrupt

    nnunet.after_case = kill
    with pytest.raises(KeyboardInterrupt):
        predicted(tmp_path)
    nnunet.seen.clear()
    nnunet.after_case = lambda case: None
    assert predicted(tmp_path) == PredictionResult(1, 1)
    assert list(nnunet.seen) == ["b"]
    for case in "ab":
        image, grid = read(tmp_path / "in" / f"{case}_0000.nii.gz")
        mask, where = read(tmp_path / "out" / f"{case}.nii.gz")
        assert geometry_difference(where, grid) is None
        assert np.array_equal(mask, image > 0)


def test_what_a_kill_left_is_removed_and_what_another_task_needs_is_not(tmp_path: Path, nnunet: FakeNNUNet) -> None:
    write_ct(tmp_path / "in" / "a_0000.nii.gz", TURNS[3])
    here = machine_mark()
    names = [f".partial-{pid}-{here}-images" for pid in (2**22 + 1, os.getppid())] + [".partial-1-0badcafe-images"]
    for name in names:
        (tmp_path / "out" / name).mkdir(parents=True)
        (tmp_path / "out" / name / "a_0000.nii.gz").touch()
    (tmp_path / "out" / f".partial-{2**22 + 1}-{here}-a.nii.gz").touch()
    predicted(tmp_path)
    assert sorted(path.name for path in (tmp_path / "out").glob(".partial-*")) == sorted(names[1:])


def test_parts_prepare_their_own_and_keep_the_names_of_all(tmp_path: Path, nnunet: FakeNNUNet) -> None:
    """nnU-Net divides the sorted names itself; the others' images need not be there."""
    names: list[list[str]] = []
    for case in "abc":
        write_ct(tmp_path / "in" / f"{case}_0000.nii.gz", TURNS[3])

    nnunet.after_case = lambda case: names.append(
        sorted(path.name for path in Path(nnunet.commands[-1][2]).iterdir() if path.stat().st_size == 0)
    )
    for part in "01":
        predicted(tmp_path, "-num_parts", "2", "-part_id", part)
    assert sorted(nnunet.seen) == ["a", "b", "c"]
    assert names == [["b_0000.nii.gz"], ["b_0000.nii.gz"], ["a_0000.nii.gz", "c_0000.nii.gz"]]


def test_probabilities_lie_as_the_label_maps_do(tmp_path: Path, nnunet: FakeNNUNet) -> None:
    write_ct(tmp_path / "in" / "a_0000.nii.gz", TURNS[11])
    for _ in range(2):  # what lies right is not turned once more
        predicted(tmp_path, "--save_probabilities")
        image, grid = read(tmp_path / "in" / "a_0000.nii.gz")
        with np.load(tmp_path / "out" / "a.npz") as file:
            assert np.array_equal(file["probabilities"][1], image > 0)
    assert len(nnunet.commands) == 1
    properties = pickle.loads((tmp_path / "out" / "a.pkl").read_bytes())
    assert properties["sitk_stuff"] == {"spacing": grid.spacing, "origin": grid.origin, "direction": grid.direction}
    assert properties["spacing"] == list(grid.spacing[::-1])
    (tmp_path / "out" / "a.npz").unlink()
    assert predicted(tmp_path, "--save_probabilities") == PredictionResult(0, 1)
    assert np.array_equal(read(tmp_path / "out" / "a.nii.gz")[0], image > 0)


def test_label_map_of_another_grid_is_not_laid_anywhere(tmp_path: Path, nnunet: FakeNNUNet) -> None:
    write_ct(tmp_path / "in" / "a_0000.nii.gz", TURNS[3])
    nnunet.after_case = lambda case: write_image(tmp_path / "out" / "a.nii.gz", np.zeros((2, 3, 4), np.uint8))
    with pytest.raises(WorkFailedError, match=r"a.nii.gz: does not lie on the grid of its image: size \(4, 3, 2\)"):
        predicted(tmp_path)


def test_predictions_of_before_images_were_looked_at_are_made_anew(tmp_path: Path, nnunet: FakeNNUNet) -> None:
    """They may be of a mirrored CT."""
    write_ct(tmp_path / "in" / "a_0000.nii.gz", AXES)
    with pytest.MonkeyPatch.context() as before:
        before.setattr("nnunet_amt.nnunet.input_images.InputImages.preparation", [])
        predicted(tmp_path)
        assert predicted(tmp_path) == PredictionResult(1, 0)
    assert predicted(tmp_path) == PredictionResult(0, 1)


def test_what_is_left_out_is_told(tmp_path: Path, nnunet: FakeNNUNet, caplog: pytest.LogCaptureFixture) -> None:
    write_ct(tmp_path / "in" / "a_0000.nii.gz", AXES)
    write_ct(tmp_path / "in" / "._b_0000.nii.gz", AXES)
    (tmp_path / "in" / "notes.txt").touch()
    (tmp_path / "in" / "more").mkdir()
    with caplog.at_level(logging.WARNING):
        predicted(tmp_path)
    assert [record.message for record in caplog.records] == [
        f"{tmp_path / 'in'}: 1 folder, 1 hidden file, 1 other file left out; only <case>_0000.nii.gz are predicted"
    ]
    assert list(nnunet.seen) == ["a"]
