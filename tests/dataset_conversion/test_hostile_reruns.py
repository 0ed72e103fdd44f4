"""Reruns beside files that are not ours, and inputs of two files."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk

from nnunet_amt.base.files import machine_mark
from nnunet_amt.errors import BadInputError, WorkFailedError
from tests.dataset_conversion.cohort_fixtures import make_ct, make_mask, write_cohort, write_image
from tests.dataset_conversion.test_manifest2nnunet import contents, run

pytestmark = pytest.mark.usefixtures("without_figure")


@pytest.mark.parametrize("ending", ["mhd", "nhdr"])
def test_a_changed_pixel_file_is_read_again(tmp_path: Path, ending: str) -> None:
    """The header, which the manifest names, stays the same to the byte and to the nanosecond."""
    write_cohort(tmp_path, {1: {"image": f"ct.{ending}"}})
    write_image(tmp_path / f"ct.{ending}", make_ct(8))
    assert run(tmp_path).converted == 4
    other = make_ct(9)
    (tmp_path / "ct.raw").write_bytes(other.tobytes())
    summary = run(tmp_path)
    assert (summary.converted, summary.already_done) == (1, 3)
    written = sitk.ReadImage(str(summary.dataset_folder / "imagesTr" / "c1_0000.nii.gz"))
    assert (sitk.GetArrayFromImage(written) == other).all()


def test_a_header_that_may_not_be_read_any_more_stops_its_own_case_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cohort(tmp_path, {1: {"image": "ct.mhd"}})
    write_image(tmp_path / "ct.mhd", make_ct(8))
    run(tmp_path)
    opened = Path.open

    def refuse(self: Path, *arguments: Any, **options: Any) -> Any:
        if self.name == "ct.mhd":
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(WorkFailedError, match=r"\(case 'c1'\): the file cannot be read \(Permission denied\)"):
        run(tmp_path)


def test_pixels_in_one_file_a_slice_are_looked_at_too(tmp_path: Path) -> None:
    """An MHD header may list its slices, or give a pattern of their names: then all files beside it count."""
    write_cohort(tmp_path, {1: {"image": "scan/ct.mhd"}})
    write_image(tmp_path / "scan" / "ct.mhd", make_ct(8))
    pixels = make_ct(8)
    for z in range(4):
        (tmp_path / "scan" / f"slice{z}.raw").write_bytes(pixels[z].tobytes())
    header = (tmp_path / "scan" / "ct.mhd").read_text()
    pattern = header.replace("ElementDataFile = ct.raw", "ElementDataFile = slice%d.raw 0 3 1")
    (tmp_path / "scan" / "ct.mhd").write_text(pattern)
    run(tmp_path)
    (tmp_path / "scan" / "slice2.raw").write_bytes(make_ct(9)[2].tobytes())
    assert run(tmp_path).converted == 1


@pytest.mark.parametrize("name", ["imagesTr/c0_0000.nii.gz", "labelsTs/c2.nii.gz"])
def test_a_foreign_file_with_the_name_of_a_case_is_not_overwritten(tmp_path: Path, name: str) -> None:
    write_cohort(tmp_path)
    foreign = tmp_path / "raw" / "Dataset711_AMT" / name
    write_image(foreign, make_mask())
    before = foreign.read_bytes()
    with pytest.raises(BadInputError, match=f"holds {name}, which this conversion did not make"):
        run(tmp_path)
    assert foreign.read_bytes() == before


def test_files_of_a_case_that_was_begun_and_killed_are_ours(tmp_path: Path) -> None:
    """The record is written, empty, before the first file: after kill -9 it tells our file from a foreign one."""
    write_cohort(tmp_path)
    dataset = run(tmp_path).dataset_folder
    whole = contents(dataset)
    (dataset / ".conversion" / "c0.json").write_text("{}\n")
    (dataset / "labelsTr" / "c0.nii.gz").unlink()
    assert run(tmp_path).converted == 1
    assert contents(dataset) == whole


@pytest.mark.parametrize("content", ["null", "[]", "3", '{"spacing": null}', "\xff"])
def test_a_record_that_is_none_is_made_again(tmp_path: Path, content: str) -> None:
    write_cohort(tmp_path)
    dataset = run(tmp_path).dataset_folder
    record = (dataset / ".conversion" / "c0.json").read_text()
    (dataset / ".conversion" / "c0.json").write_text(content, encoding="latin-1")
    assert run(tmp_path).converted == 1
    assert json.loads((dataset / ".conversion" / "c0.json").read_text()) == json.loads(record)


@pytest.mark.parametrize("name", ["imagesTr/c0_0000.nii.gz", "labelsTr/c0.nii.gz", ".conversion/c0.json"])
def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path, name: str) -> None:
    write_cohort(tmp_path)
    dataset = run(tmp_path).dataset_folder
    (dataset / name).unlink()
    (dataset / name).mkdir()
    with pytest.raises(BadInputError, match=f"holds {name}, which this conversion did not make") as error:
        run(tmp_path)
    assert "\n" not in str(error.value)


def test_a_leftover_of_an_impossible_process_is_removed(tmp_path: Path) -> None:
    """No system has a process of that number; asking for it is an overflow."""
    write_cohort(tmp_path)
    dataset = run(tmp_path).dataset_folder
    left = dataset / "labelsTr" / f".partial-{10**30}-{machine_mark()}-c0.nii.gz"
    left.write_bytes(b"half")
    run(tmp_path)
    assert not left.exists()


def test_a_place_that_takes_no_file_is_not_called_full(tmp_path: Path) -> None:
    """/proc has no space and no files: freeing some is no help."""
    if not Path("/proc/self").exists():
        pytest.skip("needs Linux")
    write_cohort(tmp_path)
    (tmp_path / "raw").symlink_to("/proc")
    with pytest.raises(BadInputError, match="Dataset711_AMT: cannot be written; choose another folder"):
        run(tmp_path)
