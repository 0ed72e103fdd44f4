"""Predict one CT in this process, part by part; spoken to by `bench_prediction`.

By nnU-Net's own functions, as ``nnUNetv2_predict`` calls them, or by ours, as ``nnunet_amt predict`` does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from benchmarks.network_cost import forward_flops, peak_flops_per_second, synchronise
from benchmarks.worker_pipe import answer_requests
from nnunet_amt.images.image_file import read_ct_file
from nnunet_amt.images.nifti import write_nifti
from nnunet_amt.nnunet.loaded_model import load_model

__all__ = ["PARTS"]

PARTS = ("read", "preprocess", "network", "resample", "write")


class PredictionWorker:
    """What both kinds have: a device, and a clock a part."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.seconds = dict.fromkeys(PARTS, 0.0)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Time a part: processor time on a CPU, where other work may run, else the time that passes."""
        clock = process_time if self.device.type == "cpu" else perf_counter
        started = clock()
        yield
        synchronise(self.device)
        self.seconds[part] = clock() - started


class OurWorker(PredictionWorker):
    """A model in memory, as ``nnunet_amt predict`` has it."""

    def __init__(self, model: str, device: str) -> None:
        super().__init__(device)
        self.model = load_model(Path(model) / "fold_0" / "checkpoint_final.pth", device=device)

    def case(self, image: str, output: str) -> dict[str, float]:
        """Seconds of each part of one CT, from file to file."""
        with self.timed("read"):
            values, file = read_ct_file(Path(image))
        with self.timed("preprocess"):
            prepared = self.model.prepare(values, file.geometry.spacing[::-1])
        with self.timed("network"):
            logits = self.model.logits(prepared)
        with self.timed("resample"):
            labels = self.model.finish(logits, prepared).labels
        with self.timed("write"):
            write_nifti(Path(output), labels, geometry=file.geometry)
        return self.seconds


class NNUNetWorker(PredictionWorker):
    """A predictor set up as ``nnUNetv2_predict`` does."""

    def __init__(self, model: str, device: str) -> None:
        super().__init__(device)
        on_gpu = device == "cuda"
        self.predictor = nnUNetPredictor(device=self.device, perform_everything_on_device=on_gpu, allow_tqdm=False)
        self.predictor.initialize_from_trained_model_folder(model, (0,), "checkpoint_final.pth")

    def case(self, image: str, output: str) -> dict[str, float]:
        """Seconds of each part of one CT, from file to file."""
        predictor, timed = self.predictor, self.timed
        plans, configuration = predictor.plans_manager, predictor.configuration_manager
        with timed("read"):
            files = plans.image_reader_writer_class()
            voxels, properties = files.read_images([image])
        with timed("preprocess"):
            preprocessor = configuration.preprocessor_class(verbose=False)
            data, _, properties = preprocessor.run_case_npy(
                voxels, None, properties, plans, configuration, predictor.dataset_json
            )
        with timed("network"):
            logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data)).cpu().numpy()
        with timed("resample"):
            labels = convert_predicted_logits_to_segmentation_with_correct_shape(
                logits, plans, configuration, predictor.label_manager, properties
            )
        with timed("write"):
            files.write_seg(labels, output, properties)
        self.shape = data.shape[1:]
        return self.seconds

    def describe(self) -> dict[str, Any]:
        """Patch (z, y, x), windows and passes of the network for the last CT, their operations, the peak rate."""
        predictor = self.predictor
        patch = tuple(predictor.configuration_manager.patch_size)
        padded = tuple(max(edges) for edges in zip(self.shape, patch, strict=True))
        windows = len(predictor._internal_get_sliding_window_slicers(padded))
        passes = 2 ** len(predictor.allowed_mirroring_axes or ())
        network = getattr(predictor.network, "_orig_mod", predictor.network)
        flops = forward_flops(network, (1, 1, *patch)) * windows * passes
        peak = peak_flops_per_second(self.device)
        return {"patch": list(patch), "windows": windows, "passes": passes, "flops": flops, "peak": peak}


def main() -> None:
    kind, model, device = sys.argv[1:]
    worker: list[Any] = []

    def start() -> bool:
        worker.append((OurWorker if kind == "ours" else NNUNetWorker)(model, device))
        return True

    answer_requests(
        {
            "start": start,
            "case": lambda **options: worker[0].case(**options),
            "describe": lambda: worker[0].describe(),
        }
    )


if __name__ == "__main__":
    main()
