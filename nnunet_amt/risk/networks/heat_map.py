"""Grad-CAM: where in a slice a network sees what speaks for its class, and how much of that lies in the tumour.

Selvaraju et al., Int J Comput Vis 2020. A map that stays the same when the weights are drawn anew tells of the layout
of the network and not of what it has learnt (Adebayo et al., NeurIPS 2018); hence the control.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nnunet_amt.base.files import write_csv
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.networks.architectures import HIGH, LOW
from nnunet_amt.risk.networks.images import grey_image, three_channels
from nnunet_amt.risk.networks.model_folder import ModelInfo, load_model
from nnunet_amt.risk.networks.settings import NETWORKS
from nnunet_amt.risk.rois import Roi
from nnunet_amt.risk.selection import probability

RIM_MM = 5.0
_SHARES = ("inside", "rim", "area_inside", "area_rim")
_COLUMNS = ("case_id", "score", "high", *_SHARES, "control_inside", "control_rim", "likeness")


@dataclass(frozen=True)
class HeatShares:
    """How much of a map lies where.

    Attributes
    ----------
    inside
        Share of the heat inside the mask; None of a map without heat.
    rim
        Share of it outside the mask, but within `RIM_MM` of it.
    area_inside, area_rim
        Shares of the crop's area: what a map without any preference would have. The crop ends near the tumour, and its
        rim with it.
    """

    inside: float | None
    rim: float | None
    area_inside: float
    area_rim: float


@dataclass(frozen=True)
class CaseHeat:
    """The map of a case.

    Attributes
    ----------
    case_id
        Name of the case.
    score
        Probability of high risk.
    high
        Whether that is at the model's threshold or above: the map is of what speaks for this class.
    heat : numpy.ndarray of float32, (y, x)
        On the crop, 0..1; zero everywhere if nothing speaks for the class.
    shares
        Of `heat`.
    control
        The shares of a network of the same layout with weights drawn at random.
    likeness
        Spearman's correlation of the two maps; None if one of them is constant. High ones speak against the map.
    """

    case_id: str
    score: float
    high: bool
    heat: np.ndarray
    shares: HeatShares
    control: HeatShares
    likeness: float | None


def heat_map(model_folder: Path, roi: Roi, *, device: str = "cpu") -> np.ndarray:
    """Give the heat map of a ROI's slice with the largest area for the class that the model says, (y, x), 0..1.

    Raises
    ------
    BadInputError
        If the model folder or the ROI cannot be used.
    """
    network, info = load_model(model_folder, device=device)
    return _heat(network, info, roi, device)[0]


def heat_maps(
    model_folder: Path, rois: Iterable[Roi], *, seed: int = 0, device: str = "cpu", progress: Progress = silent
) -> list[CaseHeat]:
    """Give the heat maps of ROIs with their shares and the control's; see `heat_map`.

    Parameters
    ----------
    model_folder
        See `load_model`.
    rois
        Their largest slices are looked at.
    seed
        Of the control's weights.
    device
        ``cpu``, ``cuda``, ...
    progress
        Called after every ROI.
    """
    network, info = load_model(model_folder, device=device)
    other = randomised(network, seed=seed)
    rois = list(rois)
    cases = []
    for roi in rois:
        heat, score, target = _heat(network, info, roi, device)
        control, _, _ = _heat(other, info, roi, device, target=target)
        cases.append(
            CaseHeat(
                roi.case_id,
                score,
                target == HIGH,
                heat,
                heat_shares(heat, roi.mask_largest, spacing=roi.spacing),
                heat_shares(control, roi.mask_largest, spacing=roi.spacing),
                _likeness(heat, control),
            )
        )
        progress(len(cases), len(rois), f"heat maps of {info.network}")
    return cases


def write_heat_shares(path: Path, maps: Iterable[CaseHeat]) -> None:
    """Write the shares of heat maps, and the control's, as a table; a map without heat has empty cells."""
    rows = [
        (one.case_id, one.score, int(one.high), *astuple(one.shares), one.control.inside, one.control.rim, one.likeness)
        for one in maps
    ]
    write_csv(path, _COLUMNS, rows)


def grad_cam(
    network: nn.Module, images: torch.Tensor, *, layer: str, target: int, rectify: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weigh the feature maps of a layer by the mean gradient of a class's logit, add them up, keep what is positive.

    Parameters
    ----------
    network
        In evaluation mode.
    images : torch.Tensor of float, (n, channels, y, x)
        As the network takes them.
    layer
        Name of the part whose outputs (n, maps, y', x') are taken.
    target
        Number of the class.
    rectify
        Take the maps as the rectifier that follows the layer makes them. The network must have one there.

    Returns
    -------
    heat : torch.Tensor of float, (n, y', x')
    logits : torch.Tensor of float, (n, classes)
    """
    kept: list[torch.Tensor] = []

    def keep(module: nn.Module, inputs: object, maps: torch.Tensor) -> torch.Tensor:
        kept.append(functional.relu(maps) if rectify else maps)
        # What goes on is a copy: DenseNet's next step changes it in place. That step is a rectifier, which lets no
        # gradient through where a map is zero: the smallest number there makes no difference but that it does.
        return kept[0] + torch.finfo(maps.dtype).tiny if rectify else kept[0].clone()

    hook = network.get_submodule(layer).register_forward_hook(keep)
    try:
        with torch.enable_grad():
            logits = network(images.detach().clone().requires_grad_())
            (gradient,) = torch.autograd.grad(logits[:, target].sum(), kept[0])
    finally:
        hook.remove()
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return functional.relu((weights * kept[0]).sum(dim=1)).detach(), logits.detach()


def heat_shares(
    heat: np.ndarray, mask: np.ndarray, *, spacing: tuple[float, float], rim_mm: float = RIM_MM
) -> HeatShares:
    """Tell how much of a heat map lies in a mask and in the rim around it.

    Parameters
    ----------
    heat : numpy.ndarray of float, (y, x)
        Zero or more.
    mask : numpy.ndarray of bool, (y, x)
        The tumour.
    spacing
        (y, x) in mm.
    rim_mm
        Width of the rim.

    Raises
    ------
    BadInputError
        If map and mask are of different size, or the mask is empty.
    """
    from scipy.ndimage import distance_transform_edt

    mask = np.asarray(mask, dtype=bool)
    if heat.shape != mask.shape or not mask.any():
        raise BadInputError(
            f"a heat map of {heat.shape} and a mask of {mask.shape} with {int(mask.sum())} pixels; "
            "must be of one size, and the mask not empty; make the ROIs again"
        )
    rim = ~mask & (distance_transform_edt(~mask, sampling=spacing) <= rim_mm)
    total = float(heat.sum(dtype=float))
    inside, around = (float(heat[part].sum(dtype=float)) / total if total else None for part in (mask, rim))
    return HeatShares(inside, around, float(mask.mean()), float(rim.mean()))


def randomised(network: nn.Module, *, seed: int) -> nn.Module:
    """Give a network of the same layout with all weights drawn anew."""
    other = copy.deepcopy(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in other.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
    return other.eval()


def _heat(
    network: nn.Module, info: ModelInfo, roi: Roi, device: str, target: int | None = None
) -> tuple[np.ndarray, float, int]:
    """Give the map on the crop, the score, and the class that the map is of: the model's own unless it is given."""
    grey = grey_image(roi.largest, case_id=roi.case_id, size=info.size, normalisation=info.normalisation)
    image = three_channels(grey[None].to(device), info.normalisation)
    of_network = NETWORKS[info.network]
    if target is None:
        with torch.inference_mode():
            logits = network(image)[0]
        target = HIGH if float(probability((logits[HIGH] - logits[LOW]).cpu().numpy())) >= info.threshold else LOW
    heat, both = grad_cam(
        network, image, layer=of_network.heat_layer, target=target, rectify=of_network.rectified_after
    )
    score = float(probability((both[0, HIGH] - both[0, LOW]).cpu().numpy()))
    on_crop = functional.interpolate(heat[None], roi.largest.shape, mode="bilinear", align_corners=False)[0, 0]
    highest = on_crop.max()
    return (on_crop / highest if highest > 0 else on_crop).cpu().numpy(), score, target


def _likeness(heat: np.ndarray, control: np.ndarray) -> float | None:
    from scipy.stats import spearmanr

    if heat.min() == heat.max() or control.min() == control.max():
        return None
    return float(spearmanr(heat.ravel(), control.ravel()).statistic)
