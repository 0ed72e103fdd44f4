"""The risk of new patients' tumours, of which nothing is known but CT and mask."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from nnunet_amt.base.files import require_no_file, write_csv
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput, recorded_run
from nnunet_amt.errors import AMTError, BadInputError
from nnunet_amt.images.geometry import array_to_lps, lps_geometry, slices_in
from nnunet_amt.images.image_file import read_grid, read_image
from nnunet_amt.images.nifti import write_nifti
from nnunet_amt.risk.cut_roi import Roi, cut_roi
from nnunet_amt.risk.networks.model_folder import MODEL_FILES
from nnunet_amt.risk.networks.settings import architecture_of

if TYPE_CHECKING:  # brings torch
    from nnunet_amt.risk.networks.heat_map import CaseHeat

RISK_FILE, HEAT_FIGURE = "risk.csv", "heat_maps"
STAGE = "risk-predict"
NOTHING_FOUND = "no lesion that is large enough was found"
_COLUMNS = ("case_id", "model", "score", "threshold", "called", "note")
# Of a segmented case, see `nnunet_amt.clinic.case_results`; the last is written when all is there.
_CROP, _LABEL_MAP, _RESULT = "ct_crop.nii.gz", "segmentation.nii.gz", "result.json"
_Part = TypeVar("_Part")
_Part_co = TypeVar("_Part_co", covariant=True)


@dataclass(frozen=True)
class NewTumour:
    """CT and mask of a patient, on one grid; of a segmented case a crop of the CT, and a label map of the whole."""

    case_id: str
    image: Path
    mask: Path
    is_crop: bool = False

    @classmethod
    def of_files(cls, image: Path, mask: Path) -> NewTumour:
        """Take a CT and its mask, named as the CT; BadInputError if one is no file."""
        for path in (image, mask):
            if not path.is_file():
                raise BadInputError(f"{path}: no such file; give a CT as an image file, and its mask with --mask")
        return cls(image.name.removesuffix(".gz").removesuffix(".nii").removesuffix("_0000"), image, mask)

    @classmethod
    def of_segmented(cls, folder: Path) -> NewTumour:
        """Take the crop of the CT, in which every lesion is whole, and the label map."""
        return cls(folder.name, folder / _CROP, folder / _LABEL_MAP, is_crop=True)

    @contextmanager
    def mask_on_grid(self) -> Iterator[Path | None]:
        """Give the mask on the grid of `image`, as long as it is needed; None where it holds no tumour there."""
        if not self.is_crop:
            yield self.mask
            return
        with tempfile.TemporaryDirectory() as folder:
            mask = Path(folder) / "mask.nii.gz"
            yield mask if self._write_mask_in_crop(mask) else None

    def _write_mask_in_crop(self, path: Path) -> bool:
        """Write the label map on the grid of the crop; give whether it holds a voxel of tumour there."""
        import SimpleITK as sitk

        own, crop = (read_grid(file, name=f"{self.case_id}/{file.name}") for file in (self.mask, self.image))
        labels = array_to_lps(sitk.GetArrayFromImage(read_image(self.mask)), own)
        inside = labels[slices_in(lps_geometry(own), crop)] == 1
        write_nifti(path, inside.astype("uint8"), geometry=crop)
        return bool(inside.any())


@dataclass(frozen=True)
class NewRisk:
    """What a model says of a tumour; `score` and `called_high` are None where it has no ROI, and `note` says why."""

    case_id: str
    score: float | None
    called_high: bool | None
    note: str


def segmented_tumours(folder: Path) -> list[NewTumour]:
    """List the cases of a folder that ``nnunet_amt segment`` wrote; BadInputError if there is none."""
    cases = sorted(path.parent for path in folder.glob(f"*/{_LABEL_MAP}"))
    if not cases:
        raise BadInputError(f"{folder}: holds no segmented case; give CTs with --segment-with, or one CT and --mask")
    for case in cases:
        if missing := [name for name in (_CROP, _RESULT) if not (case / name).is_file()]:
            raise BadInputError(f"{folder}: case {case.name} has no {missing[0]}; segment it again")
    return [NewTumour.of_segmented(case) for case in cases]


class _Cut(Protocol[_Part_co]):
    """Cuts what a network looks at out of CT and mask; None, and why, where there is nothing to cut."""

    def __call__(self, image: Path, mask: Path, *, case_id: str) -> tuple[_Part_co | None, str]: ...


def cut_tumours(
    tumours: Sequence[NewTumour], cut: _Cut[_Part], *, progress: Progress = silent
) -> tuple[dict[str, _Part], dict[str, str]]:
    """Cut what a network looks at of each tumour; one that cannot be cut stops no other.

    Returns
    -------
    dict
        What was cut, by case.
    dict
        Why nothing was, by case; empty where something was.
    """
    parts: dict[str, _Part] = {}
    reasons: dict[str, str] = {}
    for done, tumour in enumerate(tumours, start=1):
        try:
            with tumour.mask_on_grid() as mask:
                found = (None, NOTHING_FOUND) if mask is None else cut(tumour.image, mask, case_id=tumour.case_id)
        except AMTError as error:
            found = None, str(error)
        part, reasons[tumour.case_id] = found
        if part is not None:
            parts[tumour.case_id] = part
        progress(done, len(tumours), "cutting ROIs")
    return parts, reasons


def _cut_roi(image: Path, mask: Path, *, case_id: str) -> tuple[Roi | None, str]:
    roi, note = cut_roi(image, mask, case_id=case_id)
    return roi, note.reason


def predict_risk(
    model_folder: Path,
    tumours: Sequence[NewTumour],
    output: Path,
    *,
    device: str = "cpu",
    progress: Progress = silent,
) -> tuple[NewRisk, ...]:
    """Score tumours, and write ``risk.csv`` and heat maps; a tumour that cannot be scored stops no other.

    Parameters
    ----------
    model_folder
        Of a trained network, see `nnunet_amt.risk.networks.predict.predict_roi`.
    tumours
        In the order of the table.

    Raises
    ------
    BadInputError
        If the model cannot be used.
    """
    from nnunet_amt.risk.networks.heat_map import heat_maps
    from nnunet_amt.risk.networks.model_folder import read_model_info

    require_no_file(output)
    info = read_model_info(model_folder)
    rois, notes = cut_tumours(tumours, _cut_roi, progress=progress)
    inputs = {"model": RunInput(model_folder, names=MODEL_FILES)}
    with recorded_run(output, STAGE, inputs=inputs, outputs=(RISK_FILE,), device=device) as run:
        heats = heat_maps(model_folder, rois.values(), device=device, progress=progress)
        scores = {heat.case_id: heat.score for heat in heats}
        found = tuple(_new_risk(tumour.case_id, scores, notes, info.threshold) for tumour in tumours)
        rows = ((one.case_id, info.network, one.score, info.threshold, _called(one), one.note) for one in found)
        write_csv(output / RISK_FILE, _COLUMNS, rows)
        _draw(output, heats, rois, info.network)
        run.counts |= {"cases": len(found), "scored": len(scores)}
    return found


def _new_risk(case_id: str, scores: Mapping[str, float], notes: Mapping[str, str], threshold: float) -> NewRisk:
    score = scores.get(case_id)
    return NewRisk(case_id, score, None if score is None else score >= threshold, notes[case_id])


def _called(one: NewRisk) -> str:
    return "" if one.called_high is None else "high" if one.called_high else "low"


def _draw(output: Path, heats: Sequence[CaseHeat], rois: Mapping[str, Roi], network: str) -> None:
    from nnunet_amt.risk.evaluation.heat_panel import heat_figure, read_heat_maps, write_heat_maps
    from nnunet_amt.writing.figure_style import save_figure

    for earlier in (*(output / "heat_maps").glob("*.heat.npz"), *output.glob(f"{HEAT_FIGURE}.*")):
        earlier.unlink()  # of other tumours, or of another model
    if not heats:
        return
    write_heat_maps(output / "heat_maps", list(heats), rois, model=network)
    figure = heat_figure(read_heat_maps(output / "heat_maps"), high={}, title=architecture_of(network).title)
    save_figure(figure, output, HEAT_FIGURE)
