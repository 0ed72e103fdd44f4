"""A conversion may be killed, repeated and changed; in the end the dataset is the one that a single run makes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nnunet_amt.base.files import machine_mark
from nnunet_amt.dataset_conversion import convert
from nnunet_amt.errors import BadInputError, WorkFailedError
from tests.dataset_conversion.cohort_fixtures import make_mask, write_cohort, write_image
from tests.dataset_conversion.test_manifest2nnunet import CASE_FILES, contents, results, run, times
from tests.images.dicom.dicom_fixtures import square, write_ct_series, write_rtstruct

pytestmark = pytest.mark.usefixtures("without_figure")


def test_a_rerun_touches_no_finished_case(converted_copy: Path) -> None:
    dataset = converted_copy / "raw" / "Dataset711_AMT"
    before, files = times(dataset), contents(dataset)
    summary = run(converted_copy)
    assert (summary.converted, summary.already_done) == (0, 4)
    assert times(dataset) == before
    assert contents(dataset) == files


@pytest.mark.parametrize("version", ["of another secret", "of an older program"])
def test_records_that_the_key_file_does_not_fit_are_made_again(tmp_path: Path, version: str) -> None:
    """Without the key file nobody can tell whether the input is the same; older records were not keyed."""
    write_cohort(tmp_path)
    dataset = run(tmp_path).dataset_folder
    records = sorted((dataset / ".conversion").glob("*.json"))
    before = [json.loads(path.read_text()) for path in records]
    if version == "of another secret":
        (tmp_path / "manifest_key.csv").unlink()
    else:
        for path, record in zip(records, before, strict=True):
            path.write_text(json.dumps(record | {"fingerprint": "0" * 64, "source": "0" * 64}))
    assert run(tmp_path).converted == 4
    after = [json.loads(path.read_text()) for path in records]
    same = version == "of an older program"
    assert [old["source"] == new["source"] for old, new in zip(before, after, strict=True)] == [same] * 4
    assert [old["pixels"] for old in before] == [new["pixels"] for new in after]


def test_only_the_case_whose_mask_changed_is_converted_again(converted_copy: Path) -> None:
    dataset = converted_copy / "raw" / "Dataset711_AMT"
    before = times(dataset)
    mask = make_mask()
    mask[3, 8, 10] = 1
    write_image(converted_copy / "masks" / "1.nii.gz", mask)
    assert run(converted_copy).converted == 1
    after = times(dataset)
    assert {name for name in CASE_FILES if after[name] != before[name]} == {
        "imagesTr/c1_0000.nii.gz",
        "labelsTr/c1.nii.gz",
    }


def test_another_roi_makes_another_mask(tmp_path: Path) -> None:
    """The files are the same, the cell is not: 12 voxels become 6."""
    write_ct_series(tmp_path / "scan")
    areas = {"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))], "Node": [square(1, (2.5, 5.5), (1.5, 3.5))]}
    write_rtstruct(tmp_path / "rs", areas)
    for roi, voxels in (("GTV", 12), ("Node", 6)):
        write_cohort(tmp_path, {0: {"image": "scan", "mask": "rs", "roi": roi}})
        record = run(tmp_path).dataset_folder / ".conversion" / "c0.json"
        assert json.loads(record.read_text())["tumour_voxels"] == voxels


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("imagesTr/c0_0000.nii.gz", "removed"),
        ("imagesTr/c0_0000.nii.gz", "shortened"),
        ("labelsTr/c0.nii.gz", "removed"),
        ("labelsTr/c0.nii.gz", "shortened"),
        (".conversion/c0.json", "shortened"),  # without its record a case's files would not be ours
    ],
)
def test_a_lost_or_cut_file_is_made_again(tmp_path: Path, name: str, damage: str) -> None:
    write_cohort(tmp_path)
    dataset = run(tmp_path).dataset_folder
    whole = contents(dataset)
    if damage == "removed":
        (dataset / name).unlink()
    else:
        (dataset / name).write_bytes(whole[name][:-5])
    assert run(tmp_path).converted == 1
    assert contents(dataset) == whole


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    write_cohort(tmp_path)
    dataset = run(tmp_path).dataset_folder
    whole = contents(dataset)
    nobody = f".partial-{2**22 + 1}-{machine_mark()}"  # above the largest process id that Linux gives
    (dataset / "imagesTr" / f"{nobody}-c0_0000.nii.gz").write_bytes(b"half")
    (dataset / ".conversion" / f"{nobody}-c0").mkdir()
    (dataset / ".conversion" / f"{nobody}-c0" / "00000.dcm").write_bytes(b"half")
    (dataset / ".conversion" / "c0.json").write_text("{}\n")
    run(tmp_path)
    assert contents(dataset) == whole


def test_what_a_running_process_writes_is_left_alone(converted_copy: Path) -> None:
    dataset = converted_copy / "raw" / "Dataset711_AMT"
    other = dataset / "imagesTr" / f".partial-{os.getppid()}-{machine_mark()}-c0_0000.nii.gz"
    other.write_bytes(b"being written")
    run(converted_copy)
    assert other.exists()


def test_what_another_machine_writes_is_left_alone_until_it_is_old(converted_copy: Path) -> None:
    """Its processes cannot be asked after: a process of the same number here tells nothing."""
    dataset = converted_copy / "raw" / "Dataset711_AMT"
    nobody = 2**22 + 1
    young, old = (dataset / "imagesTr" / f".partial-{pid}-0badcafe-c0_0000.nii.gz" for pid in (nobody, os.getppid()))
    for path in (young, old):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    run(converted_copy)
    assert (young.exists(), old.exists()) == (True, False)


KILLED_AT_RANDOM = """
import os, random, signal, sys, time
from pathlib import Path
from nnunet_amt.dataset_conversion import ConversionSettings, convert

def run(folder, raw):
    convert(folder / "manifest.csv", folder / raw, dataset_id=711, settings=ConversionSettings(exclude_unreadable=True))

def child(folder):
    pid = os.fork()  # nothing is imported anew: the kill falls into the conversion
    if pid == 0:
        run(folder, "raw")
        os._exit(0)
    return pid

if __name__ == "__main__":
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    run(folder, "whole")
    draw = random.Random(711)
    started = time.monotonic()
    os.waitpid(child(folder), 0)
    longest = time.monotonic() - started
    killed = 0
    for _ in range(kills):
        for path in (folder / "raw").rglob("*.json"):
            if draw.random() < 0.7:
                # so that every run has cases to convert; a case without its record would not be ours
                path.write_text("{}") if path.parent.name == ".conversion" else path.unlink()
        pid = child(folder)
        time.sleep(draw.uniform(0, longest))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        killed += os.WIFSIGNALED(status)
    run(folder, "raw")
    print(killed)
"""


@pytest.mark.slow
def test_killed_at_thirty_random_moments_and_started_again_gives_the_same_bytes(tmp_path: Path) -> None:
    """kill -9 anywhere from the reading of the manifest to dataset.json, against one whole run."""
    write_cohort(tmp_path, {3: {"mask": "ct/3.nii.gz"}})  # c3 has no mask of 0 and 1
    write_ct_series(tmp_path / "scan")
    write_rtstruct(tmp_path / "rs", {"GTV": [square(1, (2.5, 6.5), (1.5, 4.5))]})
    shutil.make_archive(str(tmp_path / "scan"), "zip", tmp_path / "scan")
    write_cohort(tmp_path, {0: {"image": "scan.zip", "mask": "rs"}, 3: {"mask": "ct/3.nii.gz"}})
    (tmp_path / "kill.py").write_text(KILLED_AT_RANDOM)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, str(tmp_path / "kill.py"), str(tmp_path), "30"]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert int(shown.stdout) >= 20  # the others had ended before their time came
    whole = results(tmp_path / "whole" / "Dataset711_AMT")
    assert "failures.csv" in whole
    assert results(tmp_path / "raw" / "Dataset711_AMT") == whole


def test_an_unfinished_dataset_does_not_look_finished(converted_copy: Path) -> None:
    """dataset.json goes before the first change; here the second run stops at a bad mask."""
    dataset = converted_copy / "raw" / "Dataset711_AMT"
    write_image(converted_copy / "masks" / "1.nii.gz", make_mask() * 3)
    with pytest.raises(WorkFailedError):
        run(converted_copy)
    assert not (dataset / "dataset.json").exists()


def test_a_case_that_changes_sides_leaves_nothing_behind(converted_copy: Path) -> None:
    """c3 moves from training to external, with an institution of its own: no copy may stay in imagesTr."""
    write_cohort(converted_copy, {3: {"split": "external", "institution": "South"}})
    files = set(contents(run(converted_copy).dataset_folder))
    assert {"imagesTs/c3_0000.nii.gz", "labelsTs/c3.nii.gz"} <= files
    assert files.isdisjoint({"imagesTr/c3_0000.nii.gz", "labelsTr/c3.nii.gz"})


@pytest.mark.parametrize("moved", [("images",), ("labels",), ("images", "labels")])
def test_a_move_that_was_killed_is_taken_back_without_converting_again(
    converted_copy: Path, moved: tuple[str, ...]
) -> None:
    """Files of a case go from side to side one by one: a kill may leave one on each."""
    dataset = converted_copy / "raw" / "Dataset711_AMT"
    whole = contents(dataset)
    for kind in moved:
        [path] = (dataset / f"{kind}Tr").glob("c3*")
        path.rename(dataset / f"{kind}Ts" / path.name)
    summary = run(converted_copy)
    assert (summary.converted, summary.already_done, summary.moved) == (0, 4, ())
    assert contents(dataset) == whole


def test_a_case_that_is_excluded_later_is_removed(converted_copy: Path) -> None:
    write_cohort(converted_copy, {3: {"exclusion_reason": "withdrawn"}})
    dataset = run(converted_copy).dataset_folder
    assert not [name for name in contents(dataset) if "c3" in name]
    assert json.loads((dataset / "dataset.json").read_text())["numTraining"] == 2


def test_more_processes_give_the_same_bytes(tmp_path: Path) -> None:
    write_cohort(tmp_path)
    one = results(run(tmp_path, raw="one").dataset_folder)
    assert results(run(tmp_path, raw="two", jobs=2).dataset_folder) == one


@pytest.mark.parametrize("name", ["imagesTr/other_0000.nii.gz", "labelsTs/other.nii.gz"])
def test_files_that_the_conversion_did_not_make_are_not_touched(converted_copy: Path, name: str) -> None:
    dataset = converted_copy / "raw" / "Dataset711_AMT"
    write_image(dataset / name, make_mask())
    with pytest.raises(BadInputError, match=f"holds {name}, which this conversion did not make"):
        run(converted_copy)
    assert (dataset / name).exists()


def test_a_dataset_made_otherwise_is_not_taken_over(tmp_path: Path) -> None:
    write_cohort(tmp_path)
    dataset = tmp_path / "raw" / "Dataset711_AMT"
    dataset.mkdir(parents=True)
    (dataset / "dataset.json").write_text("{}")
    with pytest.raises(BadInputError, match=r"holds dataset\.json, which this conversion did not make"):
        run(tmp_path)


def test_a_dataset_id_is_used_once(tmp_path: Path) -> None:
    write_cohort(tmp_path)
    (tmp_path / "raw" / "Dataset711_Other").mkdir(parents=True)
    with pytest.raises(BadInputError, match="dataset id 711 is taken by Dataset711_Other"):
        run(tmp_path)


@pytest.mark.parametrize("dataset_id", [0, -3, 1000])
def test_dataset_ids_outside_nnunets_range_are_refused(tmp_path: Path, dataset_id: int) -> None:
    with pytest.raises(BadInputError, match=f"dataset id {dataset_id} is not allowed"):
        convert(tmp_path / "manifest.csv", tmp_path / "raw", dataset_id=dataset_id)


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "_a"])
def test_dataset_names_must_be_safe(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInputError, match="is not allowed"):
        convert(tmp_path / "manifest.csv", tmp_path / "raw", dataset_id=711, dataset_name=name)


def test_a_file_in_place_of_the_raw_folder_is_refused(tmp_path: Path) -> None:
    write_cohort(tmp_path)
    (tmp_path / "raw").write_text("a file")
    with pytest.raises(BadInputError, match="cannot be written"):
        run(tmp_path)
