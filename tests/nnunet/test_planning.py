"""Plans pin the paper's choices, in words that stock nnU-Net understands; a rerun does nothing twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from functools import partial
from pathlib import Path

import blosc2
import numpy as np
import pytest
from nnunetv2.preprocessing.normalization.default_normalization_schemes import CTNormalization
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_amt.base.processes import is_running
from nnunet_amt.errors import BadInputError, DiskFullError, MissingEnvironmentError
from nnunet_amt.models.plans import CONFIGURATION, PLANS_NAME
from nnunet_amt.nnunet.planning import default_patch_size, plan, rescaling_as_ct_normalization
from nnunet_amt.nnunet.preprocessing import smallest_filter
from nnunet_amt.nnunet.raw_cases import IntensityRange, RawCase, RawCases, intensity_range
from tests.conftest import TINY_DATASET, set_nnunet_folders, write_image


def preprocessed(base: Path) -> Path:
    return base / "nnUNet_preprocessed" / TINY_DATASET


def array_times(base: Path) -> dict[str, int]:
    folder = preprocessed(base) / f"{PLANS_NAME}_{CONFIGURATION}"
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.fixture
def base(planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the planned dataset that a test may change."""
    copy = tmp_path / "base"
    shutil.copytree(planned_base, copy)  # keeps the modification times
    set_nnunet_folders(monkeypatch, copy)
    return copy


def test_plans_hold_the_pins(planned_base: Path) -> None:
    plans = json.loads((preprocessed(planned_base) / f"{PLANS_NAME}.json").read_text())
    settings = plans["configurations"][CONFIGURATION]
    assert plans["plans_name"] == PLANS_NAME  # nnU-Net names the results folder by it
    assert settings["batch_size"] == 3
    assert settings["patch_size"] == [8, 16, 16]
    assert settings["spacing"] == [5.0, 2.0, 2.0]
    assert plans["transpose_forward"] == [0, 1, 2]
    assert plans["true_foreground_intensity_properties_per_channel"]["0"]["median"] == 50  # the tiny tumours' HU


def test_stock_nnunet_resolves_every_name_in_the_plans(planned_base: Path) -> None:
    """Normalisation, resampling and the preprocessor are looked up inside nnunetv2 only."""
    manager = PlansManager(str(preprocessed(planned_base) / f"{PLANS_NAME}.json"))
    configuration = manager.get_configuration(CONFIGURATION)
    assert configuration.preprocessor_class.__name__ == "DefaultPreprocessor"
    data = np.ones((1, 2, 4, 4), np.float32)
    for resample in (configuration.resampling_fn_data, configuration.resampling_fn_probabilities):
        assert resample(data, (2, 8, 8), (5, 2, 2), (5, 1, 1)).shape == (1, 2, 8, 8)


def test_rescaling_by_ct_normalization() -> None:
    """nnU-Net's own class, given our figures: (x - minimum) / (maximum - minimum), clipped to [0, 1]."""
    properties = rescaling_as_ct_normalization(IntensityRange(-1000.0, 3000.0))
    hounsfield = np.array([-2000.0, -1000.0, 1000.0, 3000.0, 9000.0])
    assert CTNormalization(False, properties).run(hounsfield).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_a_window_takes_the_place_of_the_range(base: Path) -> None:
    """-160 to 240 HU become 0 to 1, 40 HU the half of it; the plans still tell the dataset's own range."""
    summary = plan(711, patch_size=(8, 16, 16), window=(-160, 240))
    assert summary.intensities == IntensityRange(-160, 240)
    plans = json.loads(summary.plans_file.read_text())
    properties = plans["foreground_intensity_properties_per_channel"]["0"]
    hounsfield = np.array([-1000.0, -160.0, 40.0, 240.0, 1500.0])
    assert CTNormalization(False, properties).run(hounsfield).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert (properties["min"], properties["max"]) == (-1000, 1500)


@pytest.mark.parametrize("window", [(240, -160), (40, 40), (0, float("inf")), (1, 2, 3)])
def test_a_window_that_is_none_is_refused(base: Path, window: tuple[float, ...]) -> None:
    with pytest.raises(BadInputError, match=r"window \[.*\]: must be two numbers in HU, the lower one first"):
        plan(711, window=window)


def test_arrays_are_those_of_nnunet_and_no_larger(planned_base: Path, tmp_path: Path) -> None:
    """Its own preprocessing of the same plans: every voxel, label and property alike, in as much room at most."""
    ours = preprocessed(planned_base)
    manager = PlansManager(str(ours / f"{PLANS_NAME}.json"))
    raw = planned_base / "nnUNet_raw" / TINY_DATASET
    description = json.loads((raw / "dataset.json").read_text())
    DefaultPreprocessor(verbose=False).run_case_save(
        str(tmp_path / "a"), [str(raw / "imagesTr" / "a_0000.nii.gz")], str(raw / "labelsTr" / "a.nii.gz"),
        manager, manager.get_configuration(CONFIGURATION), description,
    )  # fmt: skip
    folder = ours / f"{PLANS_NAME}_{CONFIGURATION}"
    own, theirs = (nnUNetDatasetBlosc2(str(where), ["a"]).load_case("a") for where in (folder, tmp_path))
    for mine, stock in zip(own[:2], theirs[:2], strict=True):
        assert np.array_equal(mine[:], stock[:])
        assert (mine.dtype, mine.chunks, mine.blocks) == (stock.dtype, stock.chunks, stock.blocks)
    assert np.array_equal(own[3]["class_locations"][1], theirs[3]["class_locations"][1])
    assert own[3].keys() == theirs[3].keys()
    assert (folder / "a.b2nd").stat().st_size <= (tmp_path / "a.b2nd").stat().st_size


def test_a_noisy_ct_takes_two_thirds_of_the_room() -> None:
    """HU of a noise of 15, rescaled by a range of 4095: bits in planes leave less than whole numbers or bytes."""
    noise = np.random.default_rng(0).normal(40, 15, (1, 16, 64, 64)).round()
    image = ((noise + 1024) / 4095).astype(np.float32)

    def size(choice: blosc2.Filter) -> int:
        settings = {"codec": blosc2.Codec.LZ4HC, "clevel": 5, "filters": [choice]}
        return blosc2.asarray(image, chunks=image.shape, blocks=(1, 8, 64, 64), cparams=settings).schunk.cbytes

    assert smallest_filter(image, (1, 8, 64, 64), (1, 16, 64, 64)) == blosc2.Filter.BITSHUFFLE
    assert size(blosc2.Filter.BITSHUFFLE) < 0.67 * min(size(blosc2.Filter.NOFILTER), size(blosc2.Filter.SHUFFLE))


# (z, y, x) shapes to resample to, spacings in mm before and after: thick slices, in-plane and through them
RESAMPLINGS = [
    ((8, 56, 56), (5, 1.0, 1.0), (5, 0.714, 0.714)),
    ((8, 28, 28), (5, 0.7, 0.7), (5, 1.0, 1.0)),
    ((16, 40, 40), (5, 0.7, 0.7), (2.5, 0.7, 0.7)),
    ((5, 40, 40), (5, 0.7, 0.7), (8, 0.7, 0.7)),
]


@pytest.mark.parametrize(("shape", "before", "after"), RESAMPLINGS)
def test_torch_resampling_gives_the_labels_of_the_default(
    planned_base: Path, shape: tuple[int, ...], before: tuple[float, ...], after: tuple[float, ...]
) -> None:
    """An ellipsoid in thick slices: predicted labels agree in every voxel, references but for ties at the rim."""
    manager = PlansManager(str(preprocessed(planned_base) / f"{PLANS_NAME}.json"))
    configuration = manager.get_configuration(CONFIGURATION)
    z, y, x = np.ogrid[:8, :40, :40]
    distance = ((z - 4) / 3.0) ** 2 + ((y - 18) / 11.0) ** 2 + ((x - 22) / 9.0) ** 2
    logits = np.stack([0 * distance, 3 * (1 - distance)]).astype(np.float32)
    mask = (distance <= 1).astype(np.int16)[None]

    default = partial(resample_data_or_seg_to_shape, order=1, order_z=0, force_separate_z=None)
    ours = np.asarray(configuration.resampling_fn_probabilities(logits, shape, before, after))
    theirs = default(logits, shape, before, after, is_seg=False)
    assert np.array_equal(ours.argmax(0), theirs.argmax(0))
    own_mask = np.asarray(configuration.resampling_fn_seg(mask, shape, before, after))
    their_mask = default(mask, shape, before, after, is_seg=True)
    assert their_mask.sum() > 500
    assert (own_mask != their_mask).sum() <= 0.005 * their_mask.sum()


def raw_cases(folder: Path, *images: np.ndarray) -> RawCases:
    """Write images with a mask of one voxel each."""
    cases = []
    for number, image in enumerate(images):
        mask = np.zeros(image.shape, np.uint8)
        mask[0, 1, 1] = 1
        paths = [write_image(folder / f"{number}{name}.nii.gz", array) for name, array in (("i", image), ("m", mask))]
        cases.append(RawCase(str(number), paths[0], paths[1]))
    return RawCases(tuple(cases), (), frozenset({0, 1}))


def test_intensity_range_is_that_of_whole_volumes_of_all_images(tmp_path: Path) -> None:
    """Minimum in one image, maximum in another, neither in the tumour."""
    first, second = np.zeros((2, 2, 3, 3), np.int16)
    first[0, 0, 0], second[1, 2, 2] = -1024, 3071
    assert intensity_range(raw_cases(tmp_path, first, second)) == IntensityRange(-1024, 3071)


def test_images_of_one_value_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="hold the one value 0"):
        intensity_range(raw_cases(tmp_path, np.zeros((2, 3, 3), np.int16)))


def test_the_network_is_as_wide_as_asked(base: Path) -> None:
    plan(711, patch_size=(8, 16, 16), features=(4, 8, 8, 16))
    plans = json.loads((preprocessed(base) / f"{PLANS_NAME}.json").read_text())
    design = plans["configurations"][CONFIGURATION]["architecture"]["arch_kwargs"]
    assert design == {"features_per_level": [4, 8, 8, 16], "blocks_per_level": 2}


@pytest.mark.parametrize(
    ("median_shape", "patch"),
    [((60, 512, 512), [32, 192, 192]), ((20, 100, 512), [24, 104, 192]), ((32, 192, 192), [32, 192, 192])],
)
def test_default_patch_is_no_larger_than_the_median_image(median_shape: tuple[int, ...], patch: list[int]) -> None:
    """Edges are rounded up to multiples of 8: 20 becomes 24, 100 becomes 104."""
    assert default_patch_size(median_shape) == patch


@pytest.mark.slow
def test_one_kind_of_progress_and_no_word_of_nnunets(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """nnU-Net's own bars and prints would run through ours."""
    (preprocessed(base) / "nnunet_amt_fingerprint.json").unlink()
    steps: list[tuple[int, int, str]] = []
    plan(711, patch_size=(8, 16, 16), progress=lambda *step: steps.append(step))
    assert steps[:6] == [(done, 5, "intensities") for done in range(1, 6)] + [(0, 5, "fingerprint")]
    assert (5, 5, "fingerprint") in steps
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")


def test_rerun_keeps_fingerprint_and_arrays(base: Path) -> None:
    before, fingerprint = array_times(base), (preprocessed(base) / "dataset_fingerprint.json").stat().st_mtime_ns
    plan(711, patch_size=(8, 16, 16))
    assert array_times(base) == before
    assert (preprocessed(base) / "dataset_fingerprint.json").stat().st_mtime_ns == fingerprint


def test_rerun_after_a_kill_does_only_what_is_missing(base: Path) -> None:
    """As after kill -9: one case without its last file, and a half-written case in the temporary folder."""
    folder = preprocessed(base) / f"{PLANS_NAME}_{CONFIGURATION}"
    (folder / "b.pkl").unlink()
    half = folder.with_name(f".partial-{folder.name}") / "b"
    half.mkdir(parents=True)
    (half / "b.b2nd").write_bytes(b"half")
    before = array_times(base)
    summary = plan(711, patch_size=(8, 16, 16))
    after = array_times(base)
    assert summary.cases == 5
    assert {name for name in after if after[name] != before.get(name)} == {"b.pkl", "b.b2nd", "b_seg.b2nd"}
    assert not half.parent.exists()


def test_case_that_lacks_one_of_its_files_is_done_again(base: Path) -> None:
    folder = preprocessed(base) / f"{PLANS_NAME}_{CONFIGURATION}"
    (folder / "c.b2nd").unlink()
    before = array_times(base)
    plan(711, patch_size=(8, 16, 16))
    changed = {name for name, changed_at in array_times(base).items() if changed_at != before.get(name)}
    assert changed == {"c.pkl", "c.b2nd", "c_seg.b2nd"}


def test_kill_while_old_arrays_are_removed(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state must go before the arrays, or what is left of them would count as done under the old plans."""

    def killed(folder: Path, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("nnunet_amt.nnunet.preprocessing.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            plan(711, spacing=(5, 3, 3), patch_size=(8, 16, 16))
    before = array_times(base)
    plan(711, patch_size=(8, 16, 16))
    assert all(changed_at != before[name] for name, changed_at in array_times(base).items())


def test_no_room_on_the_disk_is_said_before_the_work(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10, 10, 1000))
    with pytest.raises(DiskFullError, match="preprocessing 5 cases needs about"):
        plan(711, spacing=(5, 3, 3), patch_size=(8, 16, 16))


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_workers_end_with_us(tmp_path: Path) -> None:
    """After kill -9 an orphaned worker would write on beside the next run."""
    script = tmp_path / "workers.py"
    script.write_text(
        "import multiprocessing, os, time\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from nnunet_amt.base.processes import end_with_parent\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context('spawn')\n"
        "    with ProcessPoolExecutor(1, context, initializer=end_with_parent) as pool:\n"
        "        print(pool.submit(os.getpid).result(), flush=True); pool.submit(time.sleep, 60).result()\n"
    )
    us = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert us.stdout is not None
    worker = int(us.stdout.readline())
    us.kill()
    us.wait()
    deadline = time.monotonic() + 10
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(worker)


def test_other_spacing_is_preprocessed_anew(base: Path) -> None:
    before = array_times(base)
    summary = plan(711, spacing=(5, 4, 4), patch_size=(8, 16, 16))
    assert list(summary.spacing) == [5, 4, 4]
    assert all(after != before[name] for name, after in array_times(base).items())


@pytest.mark.slow
def test_changed_image_is_preprocessed_again_alone_if_the_intensities_stay(base: Path) -> None:
    image = base / "nnUNet_raw" / TINY_DATASET / "imagesTr" / "c_0000.nii.gz"
    os.utime(image)
    before = array_times(base)
    plan(711, patch_size=(8, 16, 16))
    after = array_times(base)
    assert {name[0] for name in after if after[name] != before[name]} == {"c"}


def test_outdated_split_is_replaced(base: Path) -> None:
    split = preprocessed(base) / "splits_final.json"
    split.write_text(json.dumps([{"train": ["a"], "val": ["b"]}]))
    plan(711, patch_size=(8, 16, 16))
    assert json.loads(split.read_text()) == [{"train": ["a", "b", "c"], "val": ["d", "e"]}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch_size": (8, 16, 20)}, r"patch size \[8, 16, 20\]: z, y and x must be positive multiples of 8, 8 and 8"),
        ({"patch_size": (0, 8, 8)}, "positive multiples of 8"),
        ({"features": (8, 16, 32)}, r"features \[8, 16, 32\]: must be 4 numbers from 1 to 1024"),
        ({"features": (8, 16, 32, 0)}, "finest level first"),
        ({"spacing": (5, 0, 1)}, r"spacing \[5, 0, 1\]: must be three numbers from 0.1 to 20"),
    ],
)
def test_arguments_that_cannot_be_used(base: Path, arguments: dict, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        plan(711, **arguments)


def test_missing_folder_variable_is_asked_for_before_the_work(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nnUNet_results is needed only for training, an hour later."""
    monkeypatch.delenv("nnUNet_results")
    with pytest.raises(MissingEnvironmentError, match="nnUNet_results"):
        plan(711)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["nnunet_amt_fingerprint.json", "dataset_fingerprint.json", f"{PLANS_NAME}_{CONFIGURATION}_state.json"]
)
@pytest.mark.parametrize("content", ["", "[]", "xx"])
def test_broken_records_of_earlier_runs_count_as_not_there(base: Path, name: str, content: str) -> None:
    (preprocessed(base) / name).write_text(content)
    assert plan(711, patch_size=(8, 16, 16)).cases == 5


def test_unfinished_conversion_is_refused(base: Path) -> None:
    (base / "nnUNet_raw" / TINY_DATASET / "splits_final.json").unlink()
    with pytest.raises(BadInputError, match=r"splits_final\.json: missing"):
        plan(711)
