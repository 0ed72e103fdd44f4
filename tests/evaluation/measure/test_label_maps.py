"""Finding, comparing and reading label maps, and what is refused."""

from __future__ import annotations

import errno
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.errors import (
    BadInputError,
    GeometryMismatchError,
    ImageReadError,
    UnmatchedCasesError,
)
from nnunet_amt.evaluation import evaluate
from nnunet_amt.evaluation.measure.label_maps import LabelMapPair, check_ct_headers, check_headers, find_pairs
from nnunet_amt.images.mask_file import read_foreground
from tests.evaluation.builders import row_mask, write_label_map, write_pair

MASK = np.pad(np.ones((2, 3, 4), dtype=np.uint8), 2)
NOISE = (np.random.default_rng(0).random((8, 32, 32)) < 0.5).astype(np.uint8)  # hardly to be compressed


def folders(tmp_path: Path, predictions: str, references: str) -> tuple[Path, Path]:
    """Folders with a small label map for each of the space-separated case ids."""
    for folder, names in (("predictions", predictions), ("references", references)):
        (tmp_path / folder).mkdir()
        for name in names.split():
            write_label_map(tmp_path / folder / f"{name}.nii.gz", MASK)
    return tmp_path / "predictions", tmp_path / "references"


def test_pairs_are_found_among_the_other_files_of_a_prediction_folder(tmp_path: Path) -> None:
    predictions, references = folders(tmp_path, "b a.1", "a.1 b")
    for name in ("plans.json", "dataset.json", "predict_from_raw_data_args.json", "b.npz", "b.pkl", "._b.nii.gz"):
        (predictions / name).write_bytes(b"-")
    pairs = find_pairs(predictions, references)
    assert [pair.case_id for pair in pairs] == ["a.1", "b"]
    assert pairs[1] == LabelMapPair("b", predictions / "b.nii.gz", references / "b.nii.gz")


def test_names_that_look_alike_are_shown_as_they_are_written(tmp_path: Path) -> None:
    """macOS takes an umlaut apart; both names look the same on the screen."""
    with pytest.raises(UnmatchedCasesError) as error:
        find_pairs(*folders(tmp_path, "Mu\u0308ller b", "M\u00fcller b"))
    assert (
        "; 'M\\xfcller' and 'Mu\\u0308ller' differ in the form of their characters only, rename one of them; every case"
        in str(error.value)
    )


def test_formats_of_a_pair_may_differ(tmp_path: Path) -> None:
    write_label_map(tmp_path / "predictions" / "a.nrrd", MASK)
    write_label_map(tmp_path / "references" / "a.mha", MASK)
    (pair,) = find_pairs(tmp_path / "predictions", tmp_path / "references")
    check_headers([pair])
    assert pair.prediction is not None
    for path in (pair.prediction, pair.reference):
        assert read_foreground(path, case_id="a").boxes[0].mask.sum() == MASK.sum()


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        ("a b", "a b c", "no prediction for 1 case (c) of"),
        ("a", "a b c d e", "no prediction for 4 cases (b, c, d, ...) of"),
        ("a b c", "a", "no reference for 2 cases (b, c) of"),
        ("a b", "b c", "no prediction for 1 case (c)"),
        ("", "a", "no label map found"),
        ("a", "", "no label map found"),
    ],
)
def test_missing_and_extra_cases(tmp_path: Path, predictions: str, references: str, message: str) -> None:
    with pytest.raises(UnmatchedCasesError, match=re.escape(message)) as raised:
        find_pairs(*folders(tmp_path, predictions, references))
    assert "\n" not in str(raised.value)


def test_missing_and_extra_cases_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(
        UnmatchedCasesError, match=r"no prediction for 1 case \(c\).* and no reference for 1 case \(a\)"
    ):
        find_pairs(*folders(tmp_path, "a b", "b c"))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="nowhere: no such folder"):
        find_pairs(tmp_path / "nowhere", tmp_path)


def test_a_case_in_two_formats(tmp_path: Path) -> None:
    predictions, references = folders(tmp_path, "a", "a")
    write_label_map(predictions / "a.nrrd", MASK)
    with pytest.raises(BadInputError, match=r"case a stands there twice, as a\.nii\.gz and a\.nrrd"):
        find_pairs(predictions, references)


def link_to_nothing(path: Path) -> None:
    path.symlink_to(".git/annex/objects/aa/bb/SHA256E-s600--c0ffee.nii.gz")


def pointer(path: Path) -> None:
    path.write_text("/annex/objects/SHA256E-s600--c0ffee.nii.gz\n")


@pytest.mark.parametrize("side", ["predictions", "references"])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (link_to_nothing, "is a link to nothing; fetch the file"),
        (pointer, "is a pointer in place of the file; fetch the file"),
        (Path.mkdir, "is a folder where a file should be; rename or remove it"),
        (os.mkfifo, "is no ordinary file; remove it"),
    ],
)
def test_what_is_called_a_label_map_is_never_passed_over(
    tmp_path: Path, side: str, make: Callable[[Path], object], message: str
) -> None:
    """With the same case missing on the other side, the evaluation would be of fewer cases and say nothing."""
    folders(tmp_path, "a b", "a b")
    make(tmp_path / side / "c.nii.gz")
    with pytest.raises(BadInputError, match=rf"{side}/c\.nii\.gz: {message}"):
        find_pairs(tmp_path / "predictions", tmp_path / "references", missing_as_empty=True)


def test_links_that_lead_to_label_maps_are_followed(tmp_path: Path) -> None:
    predictions, references = folders(tmp_path, "a", "a b")
    write_label_map(tmp_path / "elsewhere.nii.gz", MASK)
    (predictions / "b.nii.gz").symlink_to(tmp_path / "elsewhere.nii.gz")
    assert len(find_pairs(predictions, references)) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"voxels": MASK[:-1]}, "size (8, 7, 6) against (8, 7, 5)"),
        ({"spacing": (1.0, 2.0, 5.01)}, "spacing (1, 2, 5) against (1, 2, 5.01)"),
        ({"origin": (0.0, 50.0, 0.0)}, "origin (0, 0, 0) against (0, 50, 0)"),
        ({"direction": (1, 0, 0, 0, -1, 0, 0, 0, -1)}, "direction (1, "),
    ],
)
def test_another_grid_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    write_pair(tmp_path, "a", MASK, MASK)
    write_pair(tmp_path, "b", MASK, MASK)
    write_label_map(tmp_path / "references" / "b.nii.gz", **({"voxels": MASK} | change))  # type: ignore[arg-type]
    with pytest.raises(GeometryMismatchError, match=re.escape(message)) as raised:
        check_headers(find_pairs(tmp_path / "predictions", tmp_path / "references"))
    line = str(raised.value)
    assert line.startswith("case b: ")
    assert "predictions/b.nii.gz" in line
    assert "references/b.nii.gz" in line
    assert "\n" not in line


def test_a_hair_of_difference_is_no_difference(tmp_path: Path) -> None:
    write_label_map(tmp_path / "predictions" / "a.nii.gz", MASK, origin=(0.0, 0.0, 0.0))
    write_label_map(tmp_path / "references" / "a.nii.gz", MASK, origin=(0.0005, 0.0, 0.0))
    check_headers(find_pairs(tmp_path / "predictions", tmp_path / "references"))


def test_two_dimensions_and_colour_are_refused(tmp_path: Path) -> None:
    flat = tmp_path / "flat.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(MASK[0]), str(flat))
    with pytest.raises(ImageReadError, match=r"has size \(8, 7\), must be one three-dimensional volume"):
        check_headers([LabelMapPair("flat", flat, flat)])
    colour = tmp_path / "colour.mha"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 2, 2, 3), np.uint8), isVector=True), str(colour))
    with pytest.raises(ImageReadError, match="has 3 values a voxel, must have one"):
        check_headers([LabelMapPair("colour", colour, colour)])


@pytest.mark.parametrize(
    ("place", "form", "value", "message"),
    [
        (40, "<h", 9, "is damaged (its header states 9 dimensions)"),
        (42, "<h", -8, "is damaged (its header states the size -8 x 7 x 6)"),
        (70, "<h", 77, "is damaged (its header states the voxel type 77)"),
        (80, "<f", -1.0, "has the spacing -1 x 2 x 5 mm, all must be above 0"),
        (108, "<f", np.nan, "is damaged (its header states that the voxels begin at byte nan)"),
        (280, "<f", np.nan, "is damaged (its header holds a NaN or infinite orientation)"),
        (344, "4s", b"abcd", "is damaged (its header is not NIfTI's)"),
    ],
)
def test_an_odd_header_is_told_in_one_line_and_nothing_beside_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], place: int, form: str, value: float | bytes, message: str
) -> None:
    # ITK would write warnings and "** ERROR" to standard error, past Python.
    content = bytearray(write_label_map(tmp_path / "good.nii", MASK).read_bytes())
    struct.pack_into(form, content, place, value)
    for folder in ("predictions", "references"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.nii").write_bytes(content)
    with pytest.raises(ImageReadError, match=re.escape(message)) as raised:
        evaluate(tmp_path / "predictions", tmp_path / "references", tmp_path / "out")
    assert str(raised.value).startswith(f"{tmp_path}/predictions/a.nii: ")
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("place", "form", "values", "message"),
    [
        (
            280,
            "<f",
            [1.0],
            "its qform and sform disagree, direction (1, 0, 0, 0, 1, 0, 0, 0, 1) against (-1, 0, 0, 0, 1",
        ),
        (252, "<2h", [0, 0], "does not say which way its axes run (qform_code and sform_code are 0)"),
        (123, "B", [3], "states its lengths in micrometres (xyzt_units 3) and the spacing 1 x 2 x 5"),
        (112, "<2f", [0.0, -1024.0], "states scl_slope 0 (not scaled) and scl_inter -1024"),
    ],
)
@pytest.mark.parametrize("folder", ["predictions", "references"])
def test_a_header_that_programs_understand_in_two_ways_is_refused(
    tmp_path: Path, folder: str, place: int, form: str, values: list[float], message: str
) -> None:
    """As in the conversion: otherwise one of the two masks may lie mirrored on the other."""
    for name in ("predictions", "references"):
        content = bytearray(write_label_map(tmp_path / name / "a.nii", MASK).read_bytes())
        if name == folder:
            struct.pack_into(form, content, place, *values)
        (tmp_path / name / "a.nii").write_bytes(content)
    with pytest.raises(ImageReadError, match=re.escape(message)) as raised:
        check_headers(find_pairs(tmp_path / "predictions", tmp_path / "references"))
    assert str(raised.value).startswith(f"{tmp_path}/{folder}/a.nii: ")
    with pytest.raises(ImageReadError, match=re.escape(message)):
        check_ct_headers({"a": tmp_path / folder / "a.nii"}, [LabelMapPair("a", None, tmp_path / folder / "a.nii")])


def test_what_may_not_be_read_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pair(tmp_path, "a", MASK, MASK)
    pairs = find_pairs(tmp_path / "predictions", tmp_path / "references")

    def refuse(self: Path, *_: object) -> None:  # the administrator may read any file, so chmod is no test
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageReadError, match=r"predictions/a\.nii\.gz: cannot be read \(Permission denied\); check"):
        check_headers(pairs)
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(BadInputError, match=r"predictions: cannot be read \(Permission denied\); check"):
        find_pairs(tmp_path / "predictions", tmp_path / "references")


@pytest.mark.parametrize("name", [b"a\xff", b"a\nerror: b", b"a\x1b[2J", "a\u202eb".encode(), b"a\tb"])
def test_names_that_are_no_text_are_refused_in_one_line(tmp_path: Path, name: bytes) -> None:
    """They could be written to no table, or would write over the line that tells of them."""
    write_pair(tmp_path, "a", row_mask(60, (0, 20)), row_mask(60, (0, 20)))
    for folder in (tmp_path / "predictions", tmp_path / "references"):
        (folder / "a.nii.gz").rename(folder / f"{os.fsdecode(name)}.nii.gz")
    with pytest.raises(BadInputError) as raised:
        find_pairs(tmp_path / "predictions", tmp_path / "references")
    assert "rename the file in both folders" in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("linked", [False, True])
def test_a_reference_is_no_prediction_of_itself(tmp_path: Path, linked: bool) -> None:
    """One folder given twice, or links to the references, would have a Dice of 1."""
    predictions, references = folders(tmp_path, "a", "a")
    if linked:
        (predictions / "a.nii.gz").unlink()
        (predictions / "a.nii.gz").symlink_to(references / "a.nii.gz")
    with pytest.raises(BadInputError, match=r"the prediction of 1 case \(a\) is the reference itself, the same file"):
        find_pairs(predictions if linked else references, references)
