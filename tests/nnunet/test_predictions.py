"""A folder of predictions holds only what is finished and belongs together."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError, DiskFullError, WorkFailedError
from nnunet_amt.nnunet.predictions import (
    keep_finished_predictions,
    left_out,
    require_images,
    require_output,
    require_predictions,
    require_room,
)
from tests.conftest import write_image


def test_images_must_have_nnunets_names(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such folder"):
        require_images(tmp_path / "nothing")
    for name in ("a.nii.gz", "b.nii.gz", "c.mha", "readme"):
        (tmp_path / name).touch()
    told = r"holds no image named <case>_0000.nii.gz, .* \(there are: 2 .nii.gz, 1 .mha, 1 other\); rename or convert"
    with pytest.raises(BadInputError, match=told):
        require_images(tmp_path)
    with pytest.raises(BadInputError, match="is a file; give a folder of images"):
        require_images(tmp_path / "c.mha")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["b.nii.gz"], r"holds b.nii.gz \(no _0000\); nnU-Net takes one file a case, named <case>_0000.nii.gz"),
        (["b_0001.nii.gz"], r"b_0001.nii.gz \(channel 0001: the model takes one, _0000\)"),
        (["a_0001.nii.gz"], r"a_0001.nii.gz \(channel 0001"),
        (["b_0000.NII.GZ", "c_0000.Nii.gz"], r"b_0000.NII.GZ \(_0000.nii.gz must be in small letters\), c_0000.Nii.gz"),
        (["b_0000.nii"], r"b_0000.nii \(not _0000.nii.gz\)"),
        (["b_0000.nrrd", "c_0000.mha", "d.dcm"], r"b_0000.nrrd \(not .*, c_0000.mha \(not .*, d.dcm \(not "),
        (["b_000.nii.gz"], r"b_000.nii.gz \(no _0000\)"),
        (["b-0000.nii.gz"], r"b-0000.nii.gz \(no _0000\)"),
        (["_0000.nii.gz"], r"_0000.nii.gz \(no case before _0000\)"),
        (["A_0000.nii.gz"], r"a_0000.nii.gz \(the same name as A_0000.nii.gz to some disks\)"),
        (["\u00fc_0000.nii.gz", "u\u0308_0000.nii.gz"], r"\(the same name as .* to some disks\)"),
        ([f"{i}.nii.gz" for i in range(9)], r"4.nii.gz \(no _0000\) and 4 more; nnU-Net"),
    ],
)
def test_one_name_that_nnunet_does_not_take_is_told_before_it_stumbles(
    tmp_path: Path, names: list[str], told: str
) -> None:
    """nnU-Net cuts as many letters off every name: with b.nii.gz it ends in an IndexError, after loading the model."""
    for name in ("a_0000.nii.gz", *names):
        (tmp_path / name).touch()
    with pytest.raises(BadInputError, match=told) as raised:
        require_images(tmp_path)
    assert "\n" not in str(raised.value)


def test_image_that_is_a_link_to_nothing_is_not_passed_over(tmp_path: Path) -> None:
    """As git-annex leaves files that it has not fetched; nnU-Net predicts the others without a word."""
    (tmp_path / "a_0000.nii.gz").touch()
    (tmp_path / "b_0000.nii.gz").symlink_to(tmp_path / "annex" / "b")
    with pytest.raises(BadInputError, match=r"b_0000.nii.gz \(is a link to nothing; fetch the file"):
        require_images(tmp_path)


def test_what_is_no_image_does_not_count(tmp_path: Path) -> None:
    """macOS leaves files that begin with ._ on foreign disks, one for every file."""
    for name in ("b_0000.nii.gz", "a_0000.nii.gz", "._a_0000.nii.gz", ".DS_Store", "dataset.json", "list.csv"):
        (tmp_path / name).touch()
    (tmp_path / "c_0000.nii.gz").mkdir()
    assert require_images(tmp_path) == ["a", "b"]
    assert left_out(tmp_path) == "1 folder, 2 hidden files, 2 other files"


def test_output_that_cannot_take_predictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInputError, match="is the folder of the images"):
        require_output(tmp_path / "images" / ".." / "images", tmp_path / "images")

    def refuse(**arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(BadInputError, match=r"cannot be written \(Permission denied\); give a folder that you may"):
        require_output(tmp_path / "out", tmp_path / "images")


def test_predictions_that_are_whole_and_of_this_model_stay(tmp_path: Path) -> None:
    """One finished, one cut off by a kill, one not begun: one stays. With another checkpoint none does."""
    images, output = tmp_path / "images", tmp_path / "output"
    checkpoint = tmp_path / "model" / "fold_0" / "checkpoint_best.pth"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"one")
    noise = np.random.default_rng(0).integers(0, 2, (9, 9, 9)).astype(np.uint8)
    for case in "abc":
        write_image(images / f"{case}_0000.nii.gz", noise)
    assert keep_finished_predictions(images, output, checkpoint) == 0
    write_image(output / "a.nii.gz", noise)
    whole = write_image(output / "b.nii.gz", noise).read_bytes()
    (output / "b.nii.gz").write_bytes(whole[: len(whole) // 2])
    assert keep_finished_predictions(images, output, checkpoint) == 1
    assert sorted(path.name for path in output.glob("*.nii.gz")) == ["a.nii.gz"]
    checkpoint.write_bytes(b"another")
    assert keep_finished_predictions(images, output, checkpoint) == 0


def test_label_maps_of_another_hand_are_not_touched(tmp_path: Path) -> None:
    """The reference labels, or predictions of plain nnU-Net: refused, even with a damaged record beside them."""
    checkpoint, images, output = tmp_path / "m" / "fold_0" / "c.pth", tmp_path / "imagesTs", tmp_path / "labelsTs"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    mask = np.zeros((3, 3, 3), np.uint8)
    write_image(images / "a_0000.nii.gz", mask)
    reference = write_image(output / "a.nii.gz", mask).read_bytes()
    for record in (None, "xx"):
        if record:
            (output / "prediction_records").mkdir()
            (output / "prediction_records" / "a.json").write_text(record)
        with pytest.raises(BadInputError, match=r"holds 1 label maps that this command did not make \(a.nii.gz\)"):
            keep_finished_predictions(images, output, checkpoint)
        assert (output / "a.nii.gz").read_bytes() == reference
    with pytest.raises(BadInputError, match="is a file; give a folder"):
        keep_finished_predictions(images, output / "a.nii.gz", checkpoint)


def test_training_again_without_change_keeps_the_predictions(tmp_path: Path) -> None:
    """A finished training that is run again rewrites its files with the same content."""
    checkpoint = tmp_path / "model" / "fold_0" / "checkpoint_best.pth"
    checkpoint.parent.mkdir(parents=True)
    plans = tmp_path / "model" / "plans.json"
    for path in (checkpoint, plans):
        path.write_text("{}")
    images, output = tmp_path / "images", tmp_path / "output"
    mask = np.zeros((3, 3, 3), np.uint8)
    write_image(images / "a_0000.nii.gz", mask)
    keep_finished_predictions(images, output, checkpoint)
    write_image(output / "a.nii.gz", mask)
    for path in (checkpoint, plans):
        path.unlink()
        path.write_text("{}")
        os.utime(path, (1, 1))
    assert keep_finished_predictions(images, output, checkpoint) == 1


@pytest.mark.parametrize("change", ["image", "plans", "options", "folder"])
def test_predictions_of_something_else_do_not_stay(tmp_path: Path, change: str) -> None:
    """The same case name in another folder, an image converted anew, other plans or another step size."""
    checkpoint = tmp_path / "model" / "fold_0" / "checkpoint_best.pth"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    (tmp_path / "model" / "plans.json").write_text("{}")
    images, output, options = tmp_path / "images", tmp_path / "output", ["-step_size", "0.5"]
    mask = np.zeros((3, 3, 3), np.uint8)
    write_image(images / "a_0000.nii.gz", mask)
    keep_finished_predictions(images, output, checkpoint, options=options)
    write_image(output / "a.nii.gz", mask)
    assert keep_finished_predictions(images, output, checkpoint, options=options) == 1
    if change == "image":
        write_image(images / "a_0000.nii.gz", mask + 1)
    elif change == "plans":
        (tmp_path / "model" / "plans.json").write_text('{"spacing": 1}')
    elif change == "options":
        options = ["-step_size", "1"]
    else:
        images = images.rename(tmp_path / "others")
    assert keep_finished_predictions(images, output, checkpoint, options=options) == 0
    assert not (output / "a.nii.gz").exists()


def model_images_and_output(folder: Path, cases: str) -> tuple[Path, Path, Path]:
    checkpoint = folder / "model" / "fold_0" / "checkpoint_best.pth"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    for case in cases:
        write_image(folder / "images" / f"{case}_0000.nii.gz", np.zeros((3, 3, 3), np.uint8))
    return checkpoint, folder / "images", folder / "output"


def test_parts_leave_each_other_alone(tmp_path: Path) -> None:
    """Part 0 of 2 has a, c and e. It begins, ends, and begins again beside part 1, whose b is being written."""
    checkpoint, images, output = model_images_and_output(tmp_path, "abcde")
    mask = np.zeros((3, 3, 3), np.uint8)
    for part in (0, 1):
        assert keep_finished_predictions(images, output, checkpoint, part=(part, 2)) == 0
    for case in "ac":
        write_image(output / f"{case}.nii.gz", mask)
    (output / "b.nii.gz").write_bytes(b"half")
    assert keep_finished_predictions(images, output, checkpoint, part=(0, 2)) == 2
    assert (output / "b.nii.gz").read_bytes() == b"half"
    assert keep_finished_predictions(images, output, checkpoint, part=(1, 2)) == 0
    assert not (output / "b.nii.gz").exists()
    # divided otherwise, or not at all, what is finished stays too
    assert keep_finished_predictions(images, output, checkpoint, part=(0, 3)) == 1
    assert keep_finished_predictions(images, output, checkpoint) == 2


def test_part_of_another_model_forgets_the_whole_only_for_its_cases(tmp_path: Path) -> None:
    """The last one to predict a case is the one whose model counts."""
    checkpoint, images, output = model_images_and_output(tmp_path, "ab")
    keep_finished_predictions(images, output, checkpoint)
    for case in "ab":
        write_image(output / f"{case}.nii.gz", np.zeros((3, 3, 3), np.uint8))
    first = checkpoint.read_bytes()
    checkpoint.write_bytes(b"another model")
    assert keep_finished_predictions(images, output, checkpoint, part=(0, 2)) == 0
    write_image(output / "a.nii.gz", np.zeros((3, 3, 3), np.uint8))
    checkpoint.write_bytes(first)
    assert keep_finished_predictions(images, output, checkpoint) == 1
    assert sorted(path.name for path in output.glob("*.nii.gz")) == ["b.nii.gz"]


def test_prediction_that_left_half_a_file_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer of images does not always tell of a full disk; nnU-Net then ends well."""
    _, images, output = model_images_and_output(tmp_path, "ab")
    noise = np.random.default_rng(0).integers(0, 2, (9, 9, 9)).astype(np.uint8)
    for case in "ab":
        write_image(output / f"{case}.nii.gz", noise)
    require_predictions(images, output)
    whole = (output / "b.nii.gz").read_bytes()
    (output / "b.nii.gz").write_bytes(whole[: len(whole) // 2])
    require_predictions(images, output, part=(0, 2))  # another part's
    with pytest.raises(WorkFailedError, match="1 of 2 predictions are missing or cut off; run the same command again"):
        require_predictions(images, output)
    monkeypatch.setattr("nnunet_amt.nnunet.predictions.is_nearly_full", lambda folder: True)
    with pytest.raises(DiskFullError, match="the disk is full; free some space"):
        require_predictions(images, output)
    with pytest.raises(DiskFullError, match="the disk is full"):
        require_room(output)
