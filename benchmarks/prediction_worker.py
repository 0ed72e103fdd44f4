"""Predict one CT in this process, part by part, with nnU-Net's own functions; spoken to by `bench_prediction`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from benchmarks.network_cost import forward_flops, peak_flops_per_second, synchronise
from benchmarks.worker_pipe import answer_requests

__all__ = ["PARTS"]

PARTS = ("read", "preprocess", "network", "resample", "write")


class PredictionWorker:
    """A predictor set up as ``nnUNetv2_predict`` does."""

    def __init__(self, model: str, device: str) -> None:
        self.device = torch.device(device)
        on_gpu = device == "cuda"
        self.predictor = nnUNetPredictor(device=self.device, perform_everything_on_device=on_gpu, allow_tqdm=False)
        self.predictor.initialize_from_trained_model_folder(model, (0,), "checkpoint_final.pth")

    def case(self, image: str, output: str) -> dict[str, float]:
        """Seconds of each part of one CT, from file to file."""
        predictor, seconds = self.predictor, dict.fromkeys(PARTS, 0.0)

        @contextmanager
        def timed(part: str) -> Iterator[None]:
            started = perf_counter()
            yield
            synchronise(self.device)
            seconds[part] = perf_counter() - started

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
        return seconds

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
    model, device = sys.argv[1:]
    worker: list[PredictionWorker] = []

    def start() -> bool:
        worker.append(PredictionWorker(str(Path(model)), device))
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
