"""One CT of a new patient: read and brought to the network's grid, and all that is made of it written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nnunet_amt.base.files import atomic_path, write_json
from nnunet_amt.clinic.case_objects import CaseObjects, NoiseError, ObjectOptions, remove_objects
from nnunet_amt.clinic.case_results import (
    CT_CROP,
    LABEL_MAP,
    OVERVIEW,
    PROBABILITIES,
    RESULT,
    SCHEMA_VERSION,
    SHARE_ASKED,
    read_result,
)
from nnunet_amt.clinic.dicom_object import Maker
from nnunet_amt.clinic.lesions import Lesion, find_lesions, lesion_row
from nnunet_amt.clinic.new_cases import NewCase
from nnunet_amt.clinic.overview import overview_png
from nnunet_amt.clinic.page_viewer import worth_seeing, write_ct_crop
from nnunet_amt.clinic.source_series import SourceSeries
from nnunet_amt.errors import AMTError, ImageReadError
from nnunet_amt.evaluation.operating_points.point import OperatingPoint, apply_point
from nnunet_amt.evaluation.operating_points.point_file import point_record
from nnunet_amt.images.dicom.series import DicomSeries
from nnunet_amt.images.geometry import array_to_lps, from_lps
from nnunet_amt.images.image_file import ReadingOptions
from nnunet_amt.images.nifti import write_nifti
from nnunet_amt.images.probability_file import LOWEST_OF_TUMOUR, read_probabilities, write_probabilities
from nnunet_amt.nnunet.loaded_model import LoadedModel
from nnunet_amt.nnunet.network_grid import NetworkInput, Prediction
from nnunet_amt.writing.numbers import share_text


@dataclass(frozen=True)
class SegmentOptions:
    """What is written of each case, and what a CT may be; see `ObjectOptions` and `ReadingOptions`."""

    objects: ObjectOptions = field(default_factory=lambda: ObjectOptions(kinds=()))
    reading: ReadingOptions = field(default_factory=ReadingOptions)


@dataclass(frozen=True, eq=False)
class ReadCT:
    """A CT with what the network is given of it, and then says; or with what it said in an earlier run."""

    values: NDArray[np.signedinteger]  # (z, y, x), HU, LPS axes
    saved: Prediction | None
    prepared: NetworkInput | None
    logits: torch.Tensor | None = None


def run_network(ct: ReadCT, model: Callable[[], LoadedModel]) -> ReadCT:
    """Give the CT with what the network says of it; the model is loaded where it is first needed."""
    return ct if ct.prepared is None else replace(ct, logits=model().logits(ct.prepared))


@dataclass(frozen=True)
class CaseRun:
    """What is the same for all cases of a run: where to, the model, the options, and the operating point, if any.

    `revision` is that of the objects, see `Maker`; `trained_on` what the model has learnt from if not from patients.
    """

    output: Path
    model_sha256: str
    trainer: str
    options: SegmentOptions
    point: OperatingPoint | None = None
    revision: int = 1
    trained_on: str = ""

    @property
    def made_by(self) -> dict[str, Any]:
        """What of a result tells the operating point; nothing for the argmax."""
        return {} if self.point is None else {"operating_point": point_record(self.point)}

    def finished(self, case: NewCase) -> dict[str, Any] | None:
        """Give the result of an earlier run of the same CT, model and options, if all of its files are there."""
        path = self.output / case.case_id / RESULT
        result = read_result(path)
        if result is None or not self._of_same_network(result, case):
            return None
        same = result["options"] == _plain(self.options)
        same = same and result.get("operating_point") == self.made_by.get("operating_point")
        return result if same and all((path.parent / name).is_file() for name in result["files"]) else None

    def _of_same_network(self, result: dict[str, Any], case: NewCase) -> bool:
        """Whether the network would say the same again: of the same CT, read alike."""
        return bool(
            result["input_sha256"] == case.digest
            and result["model_sha256"] == self.model_sha256
            and result["options"].get("reading") == _plain(self.options)["reading"]
        )

    def _saved(self, case: NewCase) -> Prediction | None:
        """Take what the network said of a case in an earlier run from the probabilities that were saved."""
        folder = self.output / case.case_id
        result = read_result(folder / RESULT)
        if result is None or not self._of_same_network(result, case) or not (folder / PROBABILITIES).is_file():
            return None
        if self.point is None and "operating_point" not in result:
            return None  # the argmax again, with another option: done anew
        try:
            stored = read_probabilities(folder / PROBABILITIES, case.own_grid)
        except AMTError:
            return None  # damaged: done anew
        levels = stored if case.own_grid == case.grid else np.ascontiguousarray(array_to_lps(stored, case.own_grid))
        return Prediction((levels >= LOWEST_OF_TUMOUR).astype(np.uint8), levels)

    def read(self, case: NewCase, model: Callable[[], LoadedModel]) -> ReadCT:
        """Read a CT, and bring it to the network's grid, or take what the network said of it before."""
        values = case.read(keep_intensities=self.options.reading.keep_intensities)
        saved = self._saved(case)
        return ReadCT(values, saved, None if saved else model().prepare(values, case.network_spacing))

    def write(self, case: NewCase, ct: ReadCT, model: Callable[[], LoadedModel]) -> dict[str, Any]:
        """Write all of a case; the file that says so comes last."""
        folder, values, predicted = self.output / case.case_id, ct.values, self._predicted(case, ct, model)
        share = self._share_asked(case, ct, model)
        (folder / RESULT).unlink(missing_ok=True)  # what is there is no longer the result of one run
        remove_objects(folder)
        mask = predicted.labels == 1
        lesions = find_lesions(
            mask, case.grid, image=values, probability_levels=predicted.levels,
            minimum_voxels=self.options.objects.minimum_voxels,
        )  # fmt: skip
        own = case.own_grid if case.own_grid != case.grid else None
        files = [LABEL_MAP, OVERVIEW, CT_CROP]
        labels = predicted.labels if own is None else from_lps(predicted.labels, own)
        write_nifti(folder / LABEL_MAP, labels, geometry=case.own_grid)
        if predicted.levels is not None:
            levels = predicted.levels if own is None else from_lps(predicted.levels, own)
            write_probabilities(folder / PROBABILITIES, levels, geometry=case.own_grid)
            files.append(PROBABILITIES)
        point = "" if self.point is None else self.point.name
        maker = Maker(self.trainer, self.model_sha256, point, self.revision, self.trained_on)
        with atomic_path(folder / OVERVIEW) as partial:
            partial.write_bytes(overview_png(values, mask, lesions, spacing=case.grid.spacing))
        shown = worth_seeing(mask, predicted.levels, minimum_voxels=self.options.objects.minimum_voxels)
        write_ct_crop(folder / CT_CROP, values, shown, case.grid)
        objects, names, note = self._objects(case, values, mask, lesions, maker)
        decided = f"operating point {self.point.name}" if self.point is not None else ""
        result = {
            "schema_version": SCHEMA_VERSION,
            "case_id": case.case_id,
            "source": case.source,
            "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "input_sha256": case.digest,
            "model_sha256": self.model_sha256,
            "trainer": self.trainer,
            "options": _plain(self.options),
            "files": [*files, *(path.name for path in objects)],
            "lesions": [
                lesion_row(case.case_id, one, slice_name=name) for one, name in zip(lesions, names, strict=True)
            ],
            "note": "; ".join(filter(None, (maker.warning, decided, note, asked_note(share)))),
            "trained_on": self.trained_on,
            **({} if share is None else {SHARE_ASKED: share}),
            **self.made_by,
        }
        write_json(folder / RESULT, result)
        return result

    def _share_asked(self, case: NewCase, ct: ReadCT, model: Callable[[], LoadedModel]) -> float | None:
        """Give the share of the CT that the network was asked about, or was in the run whose levels are taken."""
        if ct.logits is not None:
            return model().share_asked(ct.logits)
        earlier = read_result(self.output / case.case_id / RESULT)
        return None if earlier is None else earlier.get(SHARE_ASKED)

    def _predicted(self, case: NewCase, ct: ReadCT, model: Callable[[], LoadedModel]) -> Prediction:
        """Make labels of what the network says, and let the operating point decide, if there is one."""
        predicted = ct.saved
        if predicted is None:
            assert ct.prepared is not None and ct.logits is not None
            predicted = model().finish(ct.logits, ct.prepared, probabilities=True)
        if self.point is None or predicted.levels is None:
            return predicted
        return Prediction(apply_point(predicted.levels, case.grid.spacing, self.point), predicted.levels)

    def _objects(
        self,
        case: NewCase,
        values: NDArray[np.signedinteger],
        mask: NDArray[np.bool_],
        lesions: list[Lesion],
        maker: Maker,
    ) -> tuple[list[Path], list[object], str]:
        """Write the DICOM objects that are asked for; give them, the names of the lesions' slices, and what to know."""
        if not isinstance(case.ct, DicomSeries) or case.ct.is_enhanced:
            why = "all of its slices are in one file" if isinstance(case.ct, DicomSeries) else "it is no DICOM series"
            note = f"no DICOM objects of this CT: {why}" if self.options.objects.kinds else ""
            return [], [lesion.axial_slice + 1 for lesion in lesions], note
        try:
            source = SourceSeries.of(case.ct)
        except ImageReadError as error:  # it can be segmented all the same
            note = f"no DICOM objects: {error}" if self.options.objects.kinds else ""
            return [], [lesion.axial_slice + 1 for lesion in lesions], note
        objects = CaseObjects(source, values, mask, lesions)
        names = [objects.slice_name(lesion) for lesion in lesions]
        if not self.options.objects.kinds:
            return [], names, ""
        try:
            files = objects.write(self.output / case.case_id, maker=maker, options=self.options.objects)
        except NoiseError as error:  # to be seen on the page
            return [], names, f"no DICOM objects: {error}"
        return files, names, source.note if files else "no DICOM objects: nothing was found"


def asked_note(share: float | None) -> str:
    """Say where the network was asked; nothing of a model that is asked everywhere."""
    if share is None:
        return ""
    where = f"{share_text(share)} of the CT, between the lungs, and nowhere else" if share < 1 else "the whole CT"
    return f"the network was asked in {where}"


def _plain(options: SegmentOptions) -> dict[str, Any]:
    """Give options as they come back from JSON."""
    plain = asdict(options)
    plain["objects"]["kinds"] = list(options.objects.kinds)
    return plain
