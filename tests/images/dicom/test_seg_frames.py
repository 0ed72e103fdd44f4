"""SEGs as they are found: what the mask does not need may be missing or odd, what it needs is asked for by name."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    generate_uid,
)

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.geometry import Geometry
from tests.images.dicom.dicom_fixtures import ORIGIN, SPACING, save_encoded, series_uid
from tests.images.dicom.seg_fixtures import write_ct_and_seg
from tests.images.dicom.test_seg import GRID, HEART, TUMOUR, open_seg

Change = Callable[[Dataset], None]


def without(*keywords: str) -> Change:
    """Remove elements, wherever in the file they stand."""

    def change(dataset: Dataset) -> None:
        for keyword in keywords:
            if keyword in dataset:
                delattr(dataset, keyword)
        for element in list(dataset):
            for item in element.value if element.VR == "SQ" else ():
                change(item)

    return change


def setting(keyword: str, value: object) -> Change:
    def change(dataset: Dataset) -> None:
        if keyword in dataset:
            setattr(dataset, keyword, value)
        for element in list(dataset):
            for item in element.value if element.VR == "SQ" else ():
                change(item)

    return change


def under_two_series(dataset: Dataset) -> None:
    """The same images once more, under a series of another study."""
    again = deepcopy(dataset.ReferencedSeriesSequence[0])
    again.SeriesInstanceUID = generate_uid()
    study = Dataset()
    study.StudyInstanceUID = generate_uid()
    study.ReferencedSeriesSequence = [again]
    dataset.StudiesContainingOtherReferencedInstancesSequence = [study]


def twice_in_the_list(dataset: Dataset) -> None:
    dataset.ReferencedSeriesSequence.append(deepcopy(dataset.ReferencedSeriesSequence[0]))


def no_image_named(dataset: Dataset) -> None:
    without("DerivationImageSequence", "ReferencedSeriesSequence", "SourceImageSequence")(dataset)


SOUND = {
    "no algorithm type": without("SegmentAlgorithmType"),
    "an unknown algorithm type": setting("SegmentAlgorithmType", "BY HAND"),
    "no slice thickness": without("SliceThickness"),
    "slice thickness 0": setting("SliceThickness", 0),
    "no distance of slices": without("SpacingBetweenSlices", "SliceThickness"),
    "no codes": without("SegmentedPropertyCategoryCodeSequence", "SegmentedPropertyTypeCodeSequence"),
    "no dimensions": without("DimensionIndexSequence", "DimensionOrganizationSequence", "DimensionIndexValues"),
    "no frame content": without("FrameContentSequence"),
    "no frame of reference": without("FrameOfReferenceUID"),
    "no patient": without("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    "no study": without("StudyInstanceUID", "StudyDate", "StudyTime"),
    "no kind, as it has single bits": without("SegmentationType"),
    "no description of the pixels": without(
        "SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation", "BitsStored", "HighBit"
    ),
    "no content": without("ContentLabel", "ContentDescription", "ContentCreatorName", "SoftwareVersions"),
    "images under two series": under_two_series,
    "a series twice": twice_in_the_list,
    "no image named": no_image_named,
    "another modality": setting("Modality", "OT"),
    "small letters": setting("SegmentationType", "binary"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of what is written here
@pytest.mark.parametrize("change", SOUND.values(), ids=SOUND.keys())
def test_what_the_mask_does_not_need_may_be_missing(tmp_path: Path, change: Change) -> None:
    write_ct_and_seg(tmp_path, {"heart": HEART, "tumour": TUMOUR}, change=change)
    seg = open_seg(tmp_path / "seg.dcm")
    seg.require_fit(GRID)
    np.testing.assert_array_equal(seg.read(GRID).labels, TUMOUR)


def test_one_segment_needs_neither_name_nor_number(tmp_path: Path) -> None:
    nameless = without("SegmentLabel", "SegmentNumber", "SegmentIdentificationSequence")
    write_ct_and_seg(tmp_path, {"tumour": TUMOUR}, change=nameless)
    np.testing.assert_array_equal(open_seg(tmp_path / "seg.dcm", None).read(GRID).labels, TUMOUR)


def test_the_series_is_known_by_the_images_too(tmp_path: Path) -> None:
    write_ct_and_seg(tmp_path, {"tumour": TUMOUR}, change=under_two_series)
    seg = open_seg(tmp_path)
    assert series_uid("ct") in seg.series_uids
    assert (len(seg.series_uids), len(seg.sop_uids)) == (2, 6)


ENCODINGS = (ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian)


def odd_box(shape: tuple[int, int, int] = (3, 9, 11)) -> NDArray[np.bool_]:
    """Frames of 99 pixels: in packed bits none but the first begins with a byte."""
    return np.random.default_rng(3).random(shape) > 0.6


@pytest.mark.parametrize("syntax", ENCODINGS)
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_every_encoding_without_compression(tmp_path: Path, kind: str, syntax: str) -> None:
    tumour = odd_box()
    write_ct_and_seg(tmp_path, {"heart": odd_box() & ~tumour, "tumour": tumour}, kind)
    dataset = dcmread(tmp_path / "seg.dcm")
    save_encoded(dataset, tmp_path / "seg.dcm", syntax)
    grid = Geometry((11, 9, 3), SPACING, ORIGIN, GRID.direction)
    np.testing.assert_array_equal(open_seg(tmp_path).read(grid).labels, tumour)


def test_bits_in_words_of_the_other_order(tmp_path: Path) -> None:
    """OW in big endian: the two bytes of each word are swapped (PS3.5, 8.2)."""
    tumour = odd_box()
    write_ct_and_seg(tmp_path, {"tumour": tumour})
    dataset = dcmread(tmp_path / "seg.dcm")
    words = np.frombuffer(dataset.PixelData + bytes(len(dataset.PixelData) % 2), "<u2")
    dataset.PixelData = words.astype(">u2").tobytes()
    dataset["PixelData"].VR = "OW"
    save_encoded(dataset, tmp_path / "seg.dcm", ExplicitVRBigEndian)
    grid = Geometry((11, 9, 3), SPACING, ORIGIN, GRID.direction)
    np.testing.assert_array_equal(open_seg(tmp_path).read(grid).labels, tumour)


def test_frames_that_are_deflated_one_by_one(tmp_path: Path) -> None:
    write_ct_and_seg(tmp_path, {"tumour": TUMOUR})
    dataset = dcmread(tmp_path / "seg.dcm")
    frames = []
    for bits in dataset.pixel_array:
        packer = zlib.compressobj(wbits=-15)
        frames.append(packer.compress(np.packbits(bits, bitorder="little").tobytes()) + packer.flush())
    dataset.PixelData = encapsulate([frame + bytes(len(frame) % 2) for frame in frames])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless  # pydicom writes none that it does not know
    dataset.save_as(tmp_path / "seg.dcm")
    content = (tmp_path / "seg.dcm").read_bytes()
    (tmp_path / "seg.dcm").write_bytes(content.replace(JPEG2000Lossless.encode(), b"1.2.840.10008.1.2.8.1\0"))
    np.testing.assert_array_equal(open_seg(tmp_path).read(GRID).labels, TUMOUR)


def test_a_seg_without_preamble(tmp_path: Path) -> None:
    write_ct_and_seg(tmp_path, {"tumour": TUMOUR})
    content = (tmp_path / "seg.dcm").read_bytes()
    end_of_meta = 144 + int.from_bytes(content[140:144], "little")
    for start in (132, end_of_meta):
        (tmp_path / "seg.dcm").write_bytes(content[start:])
        np.testing.assert_array_equal(open_seg(tmp_path).read(GRID).labels, TUMOUR)


def cut_pixels(dataset: Dataset) -> None:
    dataset.PixelData = dataset.PixelData[:20]


def one_frame_without_a_place(dataset: Dataset) -> None:
    del dataset.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence


def frames_without_groups(dataset: Dataset) -> None:
    dataset.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence[:3]


def two_of_one_number(dataset: Dataset) -> None:
    for item in dataset.SegmentSequence:
        item.SegmentNumber = 1


def labels_without_kind(dataset: Dataset) -> None:
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    del dataset.SegmentationType


NEEDED = {
    "place": (one_frame_without_a_place, "does not say where frame 2 lies (ImagePositionPatient: 3 numbers); export"),
    "orientation": (
        without("PlaneOrientationSequence"),
        "does not say where frame 1 lies (ImageOrientationPatient: 6 numbers); export it again",
    ),
    "pixel spacing": (without("PixelMeasuresSequence"), "does not say where frame 1 lies (PixelSpacing: 2 numbers)"),
    "pixel spacing 0": (setting("PixelSpacing", [0, 0.8]), "has PixelSpacing (0, 0.8) in frame 1, must be above 0 mm"),
    "segment of the frames": (
        without("SegmentIdentificationSequence"),
        "does not say of which segment frame 1 is; export it again",
    ),
    "groups of the frames": (frames_without_groups, "frames, and says of 3 where they lie; export it again"),
    "numbers of the segments": (two_of_one_number, "has two segments of number 1; export it again"),
    "size": (without("Rows"), "lacks Rows; export it again"),
    "pixels": (without("PixelData"), "lacks PixelData; export it again"),
    "all of the pixels": (cut_pixels, "is damaged (it holds 20 of "),
}


@pytest.mark.parametrize(("change", "message"), NEEDED.values(), ids=NEEDED.keys())
def test_what_the_mask_needs_is_named(tmp_path: Path, change: Change, message: str) -> None:
    """What is missing is not called damaged."""
    write_ct_and_seg(tmp_path, {"heart": HEART, "tumour": TUMOUR}, change=change)
    with pytest.raises(ImageReadError) as error:
        open_seg(tmp_path / "seg.dcm", "heart|tumour").read(GRID)
    assert message in str(error.value)
    assert str(error.value).startswith("seg.dcm ")
    assert ("damaged" in str(error.value)) == ("damaged" in message)


def test_labels_of_no_stated_kind_are_refused(tmp_path: Path) -> None:
    """Eight bits may be probabilities."""
    write_ct_and_seg(tmp_path, {"tumour": TUMOUR}, "LABELMAP", change=labels_without_kind)
    with pytest.raises(ImageReadError, match=r"does not say whether it is a mask \(SegmentationType\)"):
        open_seg(tmp_path / "seg.dcm")


def test_a_missing_highdicom_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads what obeys the standard in everything, and many SEGs do not."""
    write_ct_and_seg(tmp_path, {"tumour": TUMOUR})
    for name in ("highdicom", "highdicom.seg"):
        monkeypatch.setitem(sys.modules, name, None)
    np.testing.assert_array_equal(open_seg(tmp_path).read(GRID).labels, TUMOUR)


FINE = Geometry((12, 10, 12), (0.8, 0.7, 1.25), (ORIGIN[0], ORIGIN[1], ORIGIN[2] - 0.625), GRID.direction)


@pytest.mark.parametrize("change", [lambda dataset: None, without("SpacingBetweenSlices", "SliceThickness")])
def test_resampling_leaves_slices_without_a_frame_empty(tmp_path: Path, change: Change) -> None:
    """Frames on slices 0, 1 and 4 of 2.5 mm, none on those between: on slices of 1.25 mm two each."""
    tumour = np.zeros((6, 10, 12), bool)
    tumour[[0, 1, 4], 3:5, 3:5] = True
    write_ct_and_seg(tmp_path, {"tumour": tumour}, change=change)
    mask = open_seg(tmp_path, resample=True).read(FINE).labels
    np.testing.assert_array_equal(mask, tumour.repeat(2, axis=0))


def test_resampling_a_single_frame_needs_its_thickness(tmp_path: Path) -> None:
    tumour = np.zeros((6, 10, 12), bool)
    tumour[2, 3:5, 3:5] = True
    write_ct_and_seg(tmp_path / "a", {"tumour": tumour})
    np.testing.assert_array_equal(open_seg(tmp_path / "a", resample=True).read(FINE).labels, tumour.repeat(2, axis=0))
    write_ct_and_seg(tmp_path / "b", {"tumour": tumour}, change=without("SpacingBetweenSlices", "SliceThickness"))
    with pytest.raises(ImageReadError, match="one that does not say how thick it is"):
        open_seg(tmp_path / "b", resample=True).read(FINE)


def store_again(path: Path, number: int, *, shift: int = 0, add: tuple[slice, slice] | None = None) -> None:
    """Store a frame (from 0) once more, perhaps from a column further right on, or with pixels that it had not."""
    dataset = dcmread(path)
    frames = dataset.pixel_array.copy()
    again = np.roll(frames[number], -shift, axis=1)
    if add is not None:
        again[add] = 1
    groups = deepcopy(dataset.PerFrameFunctionalGroupsSequence[number])
    x, y, z = groups.PlanePositionSequence[0].ImagePositionPatient
    groups.PlanePositionSequence[0].ImagePositionPatient = [x + shift * SPACING[0], y, z]
    dataset.PerFrameFunctionalGroupsSequence.append(groups)
    dataset.NumberOfFrames += 1
    packed = np.packbits(np.concatenate([frames, again[None]]).ravel(), bitorder="little").tobytes()
    dataset.PixelData = packed + bytes(len(packed) % 2)
    dataset.save_as(path)


CORNER = (slice(0, 2), slice(0, 2))


@pytest.mark.parametrize("resample", [False, True])
def test_a_frame_that_is_there_twice_counts_once(tmp_path: Path, resample: bool) -> None:
    write_ct_and_seg(tmp_path, {"heart": HEART, "tumour": TUMOUR})
    store_again(tmp_path / "seg.dcm", 4)
    mask = open_seg(tmp_path / "seg.dcm", resample=resample).read(FINE if resample else GRID).labels
    np.testing.assert_array_equal(mask, TUMOUR.repeat(1 + resample, axis=0))


@pytest.mark.parametrize("resample", [False, True])
def test_two_frames_of_one_place_that_differ_are_refused(tmp_path: Path, resample: bool) -> None:
    """Frames 0 and 1 are of the heart, 2 to 6 of the tumour; of two that contradict each other, neither is right."""
    write_ct_and_seg(tmp_path, {"heart": HEART, "tumour": TUMOUR})
    store_again(tmp_path / "seg.dcm", 4, add=CORNER)
    with pytest.raises(ImageReadError) as error:
        open_seg(tmp_path / "seg.dcm", resample=resample).read(FINE if resample else GRID)
    assert str(error.value) == (
        "seg.dcm has two frames (5 and 8) of segment number 2 at one position, (-10, -20, 107.5) mm, that differ; "
        "export it again with one of them"
    )
    heart = open_seg(tmp_path / "seg.dcm", "heart", resample=resample).read(FINE if resample else GRID)
    assert heart.labels.any()


def test_parts_that_overlap_must_agree(tmp_path: Path) -> None:
    """The frame once more, from a column further right on: its last column lies beyond the edge of the other."""
    write_ct_and_seg(tmp_path, {"tumour": TUMOUR})
    wide = Geometry((14, 10, 6), SPACING, ORIGIN, GRID.direction)
    whole = (tmp_path / "seg.dcm").read_bytes()
    store_again(tmp_path / "seg.dcm", 2, shift=1)
    assert open_seg(tmp_path / "seg.dcm").read(wide).labels.sum() == TUMOUR.sum()
    (tmp_path / "seg.dcm").write_bytes(whole)
    store_again(tmp_path / "seg.dcm", 2, shift=1, add=CORNER)
    with pytest.raises(ImageReadError, match=r"two frames \(3 and 6\) of segment number 1 at one position"):
        open_seg(tmp_path / "seg.dcm").read(wide)


def of_segment(number: int) -> Change:
    def change(dataset: Dataset) -> None:
        dataset.PerFrameFunctionalGroupsSequence[2].SegmentIdentificationSequence[0].ReferencedSegmentNumber = number

    return change


def test_a_frame_of_a_segment_that_is_not_described_is_refused(tmp_path: Path) -> None:
    """It may be tumour: in this file it was."""
    write_ct_and_seg(tmp_path, {"heart": HEART, "tumour": TUMOUR}, change=of_segment(7))
    with pytest.raises(ImageReadError) as error:
        open_seg(tmp_path / "seg.dcm").require_fit(GRID)
    assert str(error.value) == (
        "seg.dcm has pixels of segment number 7 in frame 3, and describes only number 1, 2 (SegmentSequence); export "
        "it again"
    )


def test_a_label_of_a_segment_that_is_not_described_is_refused(tmp_path: Path) -> None:
    def relabel(dataset: Dataset) -> None:
        dataset.PixelData = bytes(7 if value == 1 else value for value in dataset.PixelData)

    write_ct_and_seg(tmp_path, {"heart": HEART, "tumour": TUMOUR}, "LABELMAP", change=relabel)
    with pytest.raises(ImageReadError, match=r"has pixels of segment number 7 in frame \d, and describes only number"):
        open_seg(tmp_path / "seg.dcm").read(GRID)


@pytest.mark.parametrize(("value", "shown"), [(255, "0, 255"), (2, "0, 2")])
def test_eight_bits_that_are_no_mask_are_shown(tmp_path: Path, value: int, shown: str) -> None:
    """Called BINARY, and stored as pictures are: not empty, but not 0 and 1 either."""

    def as_bytes(dataset: Dataset) -> None:
        dataset.SegmentationType = "BINARY"
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.66.4")
        dataset.PixelData = bytes(value * (pixel == 1) for pixel in dataset.PixelData)
        dataset.SegmentSequence = [item for item in dataset.SegmentSequence if item.SegmentNumber == 1]

    write_ct_and_seg(tmp_path, {"tumour": TUMOUR}, "LABELMAP", change=as_bytes)
    with pytest.raises(ImageReadError) as error:
        open_seg(tmp_path / "seg.dcm", None).read(GRID)
    assert f"has pixels of value {shown} in frame " in str(error.value)
    assert str(error.value).endswith(", a BINARY segmentation holds 0 and 1; store it so")
