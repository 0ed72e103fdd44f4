"""A raw dataset is what its description and its split say, and every case of it can be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.errors import BadInputError
from nnunet_amt.nnunet.raw_cases import check_case, list_cases
from tests.conftest import tiny_case, write_image, write_tiny_dataset

SPACING = (2.0, 2.0, 5.0)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_tiny_dataset(tmp_path)


def test_cases_of_a_whole_dataset(dataset: Path) -> None:
    cases = list_cases(dataset)
    assert [case.case_id for case in cases.training] == ["a", "b", "c", "d", "e"]
    assert [case.case_id for case in cases.external] == ["f"]
    assert check_case(cases.training[0], cases.labels) == (-1000, 1500)


def edit_json(name: str, **changes: object) -> Callable[[Path], None]:
    def edit(dataset: Path) -> None:
        path = dataset / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return edit


def write(name: str, content: str) -> Callable[[Path], None]:
    def edit(dataset: Path) -> None:
        (dataset / name).write_text(content)

    return edit


def remove(name: str) -> Callable[[Path], None]:
    return lambda dataset: (dataset / name).unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove("dataset.json"), "dataset.json: missing; finish the conversion"),
        (remove("splits_final.json"), "splits_final.json: missing"),
        (write("dataset.json", "{"), "dataset.json: is damaged (no JSON"),
        (write("dataset.json", "{}"), "lacks what it must hold"),
        (write("splits_final.json", "xx"), "splits_final.json: is damaged (no JSON"),
        (write("splits_final.json", "[{}]"), "splits_final.json: is damaged ([0].train is missing)"),
        (write("splits_final.json", '[{"train": ["a", "b", "c", "zz"], "val": ["d", "e"]}]'), "the first is 'zz'"),
        (edit_json("dataset.json", numTraining=9), "says 9 training cases, there are 5"),
        (edit_json("dataset.json", file_ending=".nrrd"), "file_ending '.nrrd' of dataset.json must be '.nii.gz'"),
        (remove("imagesTr/a_0000.nii.gz"), "case 'a' has no image in imagesTr"),
        (remove("labelsTs/f.nii.gz"), "case 'f' has no label in labelsTs"),
    ],
)
def test_dataset_that_contradicts_itself(dataset: Path, change: Callable[[Path], None], message: str) -> None:
    change(dataset)
    with pytest.raises(BadInputError) as raised:
        list_cases(dataset)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def damaged(dataset: Path, name: str) -> None:
    path = dataset / name
    path.write_bytes(path.read_bytes()[:-10])


def store_as_las(dataset: Path) -> None:
    """As dcm2niix writes it: what `predict` brings to LPS would not be what the model was trained on."""
    for name in ("imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz"):
        sitk.WriteImage(sitk.Flip(sitk.ReadImage(str(dataset / name)), [False, True, False]), str(dataset / name))


def with_padding(array: np.ndarray) -> np.ndarray:
    """Fill the outside of the field of view as some scanners do; `predict` would raise it to the floor."""
    return np.where(array < -950, -3024, array).astype(np.int16)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda dataset: damaged(dataset, "imagesTr/a_0000.nii.gz"), "is damaged or no image"),
        (lambda dataset: damaged(dataset, "labelsTr/a.nii.gz"), "is damaged or no image"),
        (lambda dataset: write_image(dataset / "labelsTr/a.nii.gz", tiny_case(0)[1] * 3, SPACING), "holds 3; allowed"),
        (lambda dataset: write_image(dataset / "labelsTr/a.nii.gz", tiny_case(0)[1] * 0, SPACING), "holds no tumour"),
        (
            lambda dataset: write_image(dataset / "labelsTr/a.nii.gz", tiny_case(0)[1], (2.0, 2.0, 4.0)),
            "differ: spacing",
        ),
        (lambda dataset: write_image(dataset / "labelsTr/a.nii.gz", tiny_case(0)[1][1:], SPACING), "differ: size"),
        (lambda dataset: store_as_las(dataset), "a_0000.nii.gz has axes that run LAS, must be LPS; convert it again"),
        (
            lambda dataset: write_image(dataset / "imagesTr/a_0000.nii.gz", with_padding(tiny_case(0)[0]), SPACING),
            "a_0000.nii.gz holds -3024 HU, must be -1024 or more; convert it again",
        ),
    ],
)
def test_case_that_cannot_be_used(dataset: Path, change: Callable[[Path], object], message: str) -> None:
    """What could happen to a converted dataset, by hand or in a copy; planning read on before."""
    change(dataset)
    cases = list_cases(dataset)
    with pytest.raises(BadInputError) as raised:
        check_case(cases.training[0], cases.labels)
    assert str(raised.value).startswith("case a: ")
    assert message in str(raised.value)


def test_a_training_case_that_the_cohort_file_calls_healthy_may_be_empty_and_must_be(dataset: Path) -> None:
    (dataset / "cohort.csv").write_text("case_id,split,no_tumour\na,training,yes\nb,training,no\n")
    a, b, *_ = list_cases(dataset).training
    assert (a.no_tumour, b.no_tumour) == (True, False)
    with pytest.raises(
        BadInputError, match=r"case a: a\.nii\.gz holds a tumour, though no_tumour in cohort\.csv is yes"
    ):
        check_case(a, frozenset({0, 1}))
    for case in (a, b):
        write_image(case.label, tiny_case(0)[1] * 0, SPACING)
    assert check_case(a, frozenset({0, 1})) == (-1000, 1500)
    with pytest.raises(BadInputError, match=r"case b: .* holds no tumour"):
        check_case(b, frozenset({0, 1}))


def test_external_case_without_tumour_will_do(dataset: Path) -> None:
    label = dataset / "labelsTs" / "f.nii.gz"
    write_image(label, np.zeros_like(sitk.GetArrayFromImage(sitk.ReadImage(str(label)))), SPACING)
    cases = list_cases(dataset)
    assert check_case(cases.external[0], cases.labels, may_be_empty=True) == (-1000, 1500)
