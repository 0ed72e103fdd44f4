"""What of nnU-Net's internals we change or stand on is as in the release that it was written for.

Written and run with nnunetv2 2.8.1, batchgenerators 0.25.5 and batchgeneratorsv2 0.3.6. None of these is promised by
nnU-Net; a test that fails with another release names what that release has broken.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import multiprocessing
import signal
import types

import pytest
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from nnunetv2.experiment_planning.dataset_fingerprint import fingerprint_extractor
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.training.logging.nnunet_logger import LocalLogger, MetaLogger
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunet_amt.nnunet.patches import fingerprint_progress, pools_that_end_with_parent, quiet_nnunet

VERSION = f"nnunetv2 {importlib.metadata.version('nnunetv2')}"


def _heeds_interrupt(_: int) -> bool:
    return signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


@pytest.mark.slow
def test_pools_of_another_library_ignore_interrupts() -> None:
    """Ctrl-C goes to the whole process group; each worker would print a traceback."""
    library = types.ModuleType("library")
    library.multiprocessing = multiprocessing  # type: ignore[attr-defined]
    with pools_that_end_with_parent(library), library.multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(_heeds_interrupt, [0]) == [False]
    assert library.multiprocessing is multiprocessing


def test_fingerprint_makes_its_pool_and_its_bar_by_names_of_its_module() -> None:
    """A release that imports `Pool` or another bar by itself would ignore `pools_that_end_with_parent` and the bar."""
    run = inspect.getsource(fingerprint_extractor.DatasetFingerprintExtractor.run)
    assert 'multiprocessing.get_context("spawn").Pool(' in run, VERSION
    assert fingerprint_extractor.multiprocessing is multiprocessing, VERSION
    assert "with tqdm(desc=" in run and "pbar.update()" in run, VERSION


def test_bar_of_the_fingerprint_is_ours_for_the_block_only() -> None:
    steps: list[tuple[int, int, str]] = []
    original = fingerprint_extractor.tqdm
    with (
        fingerprint_progress(2, lambda *step: steps.append(step)),
        fingerprint_extractor.tqdm(desc="Extracting", total=2, disable=False) as bar,
    ):
        bar.update()
        bar.update()
    assert steps == [(0, 2, "fingerprint"), (1, 2, "fingerprint"), (2, 2, "fingerprint")]
    assert fingerprint_extractor.tqdm is original


def test_what_nnunet_prints_is_kept_off_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    with quiet_nnunet():
        print("Using <class ...> as reader/writer")
    assert capsys.readouterr().out == ""


def test_log_of_a_training_can_be_exchanged() -> None:
    """`nnUNetTrainerAMT` puts its log where nnU-Net's local one is; 2.6 had one class, `nnUNetLogger`."""
    assert "self.local_logger = LocalLogger(" in inspect.getsource(MetaLogger.__init__), VERSION
    assert "mean_fg_dice" in LocalLogger().my_fantastic_logging, VERSION


def test_weights_of_the_sliding_window_are_cached_and_can_be_let_go() -> None:
    """They stay on the GPU after an evaluation of the tuning set otherwise."""
    assert callable(getattr(compute_gaussian, "cache_clear", None)), VERSION


@pytest.mark.parametrize(
    ("kind", "method", "words"),
    [
        (nnUNetDataLoader, "generate_train_batch", ["self.get_indices()", "self.get_do_oversample(", "self.get_bbox("]),
        (nnUNetDataLoader, "__init__", ["self.has_ignore", "self.patch_size", "self._data"]),
        (DefaultPreprocessor, "run_case_save", ["self.run_case(", "np.float32", "np.int16", "comp_blosc2_params("]),
        (nnUNetDatasetBlosc2, "save_case", ["clevel: int = 5", "Codec.LZ4HC", "filters=None", "blocks_seg=None"]),
        (SpatialTransform, "_apply_to_segmentation", ["_may_reach_outside(", "scale_factor = 1000", "torch.float16"]),
        (nnUNetTrainer, "__init__", ["self.my_init_kwargs", "self._best_ema", "self.is_ddp"]),
        (nnUNetTrainer, "initialize", ["self.build_network_architecture("]),
        (nnUNetTrainer, "load_checkpoint", ["self.initialize()"]),
        (nnUNetTrainer, "run_training", ["self.on_train_epoch_start()", "self.train_step("]),
        (nnUNetTrainer, "print_plans", ["self.print_to_log_file("]),
        (nnUNetTrainer, "_set_batch_size_and_oversample", ["self.oversample_foreground_percent"]),
        (nnUNetTrainer, "save_checkpoint", ["'_best_ema'", "'init_args'", "'trainer_name'", "'logging'"]),
        (
            ExperimentPlanner,
            "__init__",
            ["self.dataset_fingerprint", "raw_dataset_folder", "plans_identifier"],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_classes_that_we_extend_have_what_we_override(kind: type, method: str, words: list[str]) -> None:
    """Renamed, our override would be no more called, or an attribute be missing in the middle of a training."""
    sources = [
        inspect.getsource(getattr(base, method)) for base in kind.__mro__ if method in vars(base) and base is not object
    ]
    missing = [word for word in words if not any(word in source for source in sources)]
    assert not missing, f"{VERSION}: {kind.__name__}.{method} lacks {missing}"


def test_release_is_one_that_was_looked_at() -> None:
    """setup.cfg allows 2.8 only; look at the tests above before it allows another."""
    assert importlib.metadata.version("nnunetv2").split(".")[:2] == ["2", "8"]
