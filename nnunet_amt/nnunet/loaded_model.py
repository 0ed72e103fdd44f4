"""A trained model in memory: loaded once, it predicts any number of CTs.

    model = load_model(checkpoint, device="cuda")
    labels = model.predict(values, spacing).labels

The labels are those of ``nnUNetv2_predict``. `why_not_here` is the one place that says which models and options are
predicted so; all others are nnU-Net's own command's.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from nnunet_amt.base.json_file import NUMBER, misfit, read_json
from nnunet_amt.base.processes import keep_freed_memory
from nnunet_amt.errors import BadInputError, WorkFailedError
from nnunet_amt.images.geometry import LARGEST_SPACING_MM, SMALLEST_SPACING_MM
from nnunet_amt.images.mediastinum import RegionOfArrays
from nnunet_amt.models.checkpoint_safety import read_checkpoint
from nnunet_amt.models.plans import CONFIGURATION, read_plans, recipe_of
from nnunet_amt.nnunet.environment import our_trainers
from nnunet_amt.nnunet.network_grid import NetworkGrid, NetworkInput, Prediction
from nnunet_amt.nnunet.sliding_window import window_logits
from nnunet_amt.trainers.networks import network_of_plans
from nnunet_amt.trainers.within_region import logits_within, share_asked

_RESAMPLING = "resample_torch_fornnunet"
# Of the plans, each with the one value that is done here.
_OF_PLANS = {"image_reader_writer": "SimpleITKIO", "transpose_forward": [0, 1, 2], "label_manager": "LabelManager"}
_OF_CONFIGURATION = {
    "preprocessor_name": "DefaultPreprocessor",
    "normalization_schemes": ["CTNormalization"],
    "use_mask_for_norm": [False],
    "resampling_fn_data": _RESAMPLING,
    "resampling_fn_probabilities": _RESAMPLING,
}
_FORM = {
    "patch_size": [int],
    "spacing": [NUMBER],
    "architecture": dict,
    "resampling_fn_data_kwargs": dict,
    "resampling_fn_probabilities_kwargs": dict,
}
_RESAMPLING_OPTIONS = {"is_seg": (False,), "force_separate_z": (None, True, False), "memefficient_seg_resampling": None}
_COMPILE_VARIABLE, _YES = "nnUNet_compile", ("true", "1", "t")  # as nnU-Net reads it


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network with its weights on a device, and what its plans say; see `load_model`.

    `predict` does one CT. A program that has many can read and write beside the network: `prepare` and `finish` may run
    in other threads than `logits`.

    Attributes
    ----------
    network, device, parameters
        The network, in evaluation mode, where it is, and how many weights it has.
    grid, patch
        How a CT is brought to it, and the voxels (z, y, x) of a window.
    region
        Where in a chest the network is asked; None: everywhere.
    step_size, mirror_axes, on_device
        As in `window_logits`.
    """

    network: nn.Module
    device: torch.device
    parameters: int
    grid: NetworkGrid
    patch: tuple[int, ...]
    region: RegionOfArrays | None = None
    step_size: float = 0.5
    mirror_axes: tuple[int, ...] = ()
    on_device: bool = True

    def predict(self, values: NDArray, spacing: Sequence[float], *, probabilities: bool = False) -> Prediction:
        """Predict a CT.

        Parameters
        ----------
        values
            Whole HU, (z, y, x), LPS axes, none below -1024: as `nnunet_amt.images.image_file.read_ct_file` reads them.
        spacing
            (z, y, x) in mm.
        probabilities
            Give levels of probability too.
        """
        prepared = self.prepare(values, spacing)
        return self.finish(self.logits(prepared), prepared, probabilities=probabilities)

    def prepare(self, values: NDArray, spacing: Sequence[float]) -> NetworkInput:
        """Bring a CT to the network's grid; parameters as in `predict`."""
        with _told_in_one_line("resampling", values.shape):
            return self.grid.to_network(values, spacing)

    def logits(self, ct: NetworkInput) -> torch.Tensor:
        """Run the network over a CT; (background and tumour, z, y, x), float16, on the network's grid and the CPU."""
        with _told_in_one_line(f"the network on {self.device}", ct.array.shape[1:]):
            box = None if self.region is None else self.region.box(ct.array[0].numpy())
            return logits_within(box, ct.array, self._window_logits)

    def share_asked(self, logits: torch.Tensor) -> float | None:
        """Give the share of a CT that the network was asked about; None for a model that is asked everywhere."""
        return None if self.region is None else share_asked(logits)

    def _window_logits(self, image: torch.Tensor) -> torch.Tensor:
        return window_logits(
            self.network, image, patch=self.patch, step_size=self.step_size, mirror_axes=self.mirror_axes,
            device=self.device, on_device=self.on_device,
        )  # fmt: skip

    def finish(self, logits: torch.Tensor, ct: NetworkInput, *, probabilities: bool = False) -> Prediction:
        """Bring the logits back to the voxels of the CT."""
        with _told_in_one_line("resampling", ct.shape):
            return self.grid.to_ct(logits, ct, probabilities=probabilities)


@contextmanager
def _told_in_one_line(what: str, shape: Sequence[int]) -> Iterator[None]:
    """Turn torch's errors, of whatever goes wrong on a device, into one of ours; `shape` is (z, y, x)."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        first = str(error).partition("\n")[0] or "memory ran out"
        raise WorkFailedError(
            f"{what} failed on {' x '.join(map(str, shape))} voxels (z, y, x): {first}; where memory ran out, close "
            "what else uses it, or take another --device"
        ) from error


def load_model(
    checkpoint: Path,
    *,
    device: str = "cpu",
    step_size: float = 0.5,
    mirroring: bool = True,
    on_device: bool = True,
) -> LoadedModel:
    """Load a model of ours.

    Parameters
    ----------
    checkpoint
        In its fold's folder, with the model's ``plans.json`` and ``dataset.json`` one up. `find_model` and
        `require_model` say whether the parts belong together.
    device
        ``cpu``, ``cuda`` or ``mps``.
    step_size, on_device
        As in `window_logits`.
    mirroring
        Mirror along the axes that the checkpoint names; the paper's recipe names none.

    Raises
    ------
    BadInputError
        If a file is damaged, the checkpoint would run code, or `why_not_here` has a reason.
    """
    folder = checkpoint.parents[1]
    plans = read_plans(folder / "plans.json")
    description: dict[str, Any] = read_json(folder / "dataset.json", advice="copy the whole model folder again")
    content = read_checkpoint(checkpoint)
    if reason := why_not_here(plans, description, content.get("trainer_name", "that is not named")):
        raise BadInputError(f"{checkpoint}: {reason}; predict it with nnUNetv2_predict")
    try:
        network = network_of_plans(plans, 1, 2)
        weights = content["network_weights"]
        network.load_state_dict({name.removeprefix("module."): tensor for name, tensor in weights.items()})
    except (KeyError, AttributeError, RuntimeError) as error:
        raise BadInputError(f"{checkpoint}: does not hold the weights of its plans' network; train anew") from error
    parameters = sum(parameter.numel() for parameter in network.parameters())
    where = torch.device(device)
    network = network.to(where).eval()
    if where.type == "cpu":
        keep_freed_memory()
    if where.type == "cuda":
        torch.backends.cudnn.benchmark = True  # windows are of one size
    if os.environ.get(_COMPILE_VARIABLE, "").lower() in _YES:
        network = torch.compile(network)  # type: ignore[assignment]
    axes = content.get("inference_allowed_mirroring_axes") if mirroring else None
    return LoadedModel(
        network=network,
        device=where,
        parameters=parameters,
        grid=NetworkGrid.of_plans(plans),
        region=RegionOfArrays.of_plans(plans, CONFIGURATION),
        patch=tuple(plans["configurations"][CONFIGURATION]["patch_size"]),
        step_size=step_size,
        mirror_axes=tuple(axes or ()),
        on_device=on_device,
    )


def why_not_here(
    plans: Mapping[str, Any], description: Mapping[str, Any], trainer: str, asked: argparse.Namespace | None = None
) -> str | None:
    """Say what of a model, or of the options `asked` for, only nnU-Net's own command does; None if nothing is.

    `plans` and `description` are the model's ``plans.json`` and ``dataset.json``, `asked` is what `predict_options`
    gives.
    """
    if asked is not None and asked.save_probabilities:
        return "--save_probabilities writes nnU-Net's .npz"
    if asked is not None and asked.prev_stage_predictions is not None:
        return "-prev_stage_predictions is a cascade's"
    if trainer not in our_trainers():
        return f"the trainer {trainer} is none of ours"
    settings = plans["configurations"].get(CONFIGURATION, {})
    for part, known in ((plans, _OF_PLANS), (settings, _OF_CONFIGURATION)):
        for key, value in known.items():
            if part.get(key) != value:
                return f"its plans have {key} {part.get(key)!r}, not {value!r}"
    if reason := misfit(settings, _FORM):
        return f"its plans are of another form ({reason})"
    network = recipe_of(trainer).network
    if settings["architecture"].get("network_class_name") != network:
        return f"its network is not {network}"
    if "inherits_from" in settings or settings.get("previous_stage") is not None:
        return "its configuration stands on another one"
    if len(settings["spacing"]) != 3 or len(settings["patch_size"]) != 3 or min(settings["patch_size"]) < 1:
        return "its windows are not three-dimensional"
    if not all(SMALLEST_SPACING_MM <= edge <= LARGEST_SPACING_MM for edge in settings["spacing"]):
        return f"its spacing {settings['spacing']} is none of a CT"
    for key in ("resampling_fn_data_kwargs", "resampling_fn_probabilities_kwargs"):
        for name, value in settings[key].items():
            allowed = _RESAMPLING_OPTIONS.get(name, ())
            if allowed is not None and value not in allowed:
                return f"its plans have {name}={value!r} in {key}"
    labels = {name: value for name, value in description["labels"].items() if name != "ignore"}
    if labels.get("background") != 0 or list(labels.values()).count(1) != 1 or len(labels) != 2:
        return "it has other labels than background and tumour"
    if len(description["channel_names"]) != 1:
        return "it has other channels than the CT"
    return None
