"""The features of one reading of a case, computed once and kept in a file beside what they were computed of."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from nnunet_amt.base.files import read_record, write_json
from nnunet_amt.base.run_record import file_sha256
from nnunet_amt.errors import GeometryMismatchError, LabelValueError
from nnunet_amt.images.geometry import Geometry, geometry_difference
from nnunet_amt.images.image_file import read_image
from nnunet_amt.images.mask_file import tumour_mask
from nnunet_amt.risk.radiomics.extract import tumour_features
from nnunet_amt.risk.radiomics.feature_settings import FeatureSettings, radiomics_module
from nnunet_amt.risk.radiomics.second_mask import perturbed_mask

if TYPE_CHECKING:
    import SimpleITK as sitk

Kind = Literal["first", "second", "perturbed"]
_SCHEMA = 1  # goes up where our own code gives other values


@dataclass(frozen=True)
class Reading:
    """What is read of a case: its CT with the mask of the first or the second reader, or with the first one perturbed.

    `seed` is that of the perturbation, `folder` where the results of all readings are kept.
    """

    case_id: str
    image: Path
    mask: Path
    kind: Kind
    seed: int
    settings: FeatureSettings
    folder: Path

    @property
    def file(self) -> Path:
        """Where the features are kept."""
        return self.folder / (f"{self.case_id}.json" if self.kind == "first" else f"{self.case_id}.{self.kind}.json")


@dataclass(frozen=True)
class CaseFeatures:
    """Features by name, and whether they were computed now."""

    values: dict[str, float]
    computed: bool


def case_features(reading: Reading) -> CaseFeatures:
    """Give the features of a reading: those kept, if CT, mask, settings and pyradiomics are the same; computed, else.

    Raises
    ------
    ImageReadError, GeometryMismatchError, LabelValueError
        If CT or mask cannot be read, they lie on different grids, or the mask has no tumour or one too small.
    """
    key = _key(reading)
    kept = read_record(reading.file)
    if kept.get("key") == key and isinstance(kept.get("features"), dict):
        return CaseFeatures(kept["features"], computed=False)
    image, mask = _read(reading)
    try:
        values = tumour_features(image, mask, settings=reading.settings)
    except LabelValueError as error:
        raise LabelValueError(f"{reading.mask.name}: {error}") from error
    write_json(reading.file, {"key": key, "features": values})
    return CaseFeatures(values, computed=True)


def _key(reading: Reading) -> str:
    made_of = {
        "schema": _SCHEMA,
        "image": file_sha256(reading.image),
        "mask": file_sha256(reading.mask),
        "kind": reading.kind,
        "seed": [reading.case_id, reading.seed] if reading.kind == "perturbed" else None,
        "settings": asdict(reading.settings),
        "pyradiomics": radiomics_module().__version__,
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def _read(reading: Reading) -> tuple[sitk.Image, sitk.Image]:
    """Read the CT, and the mask of 0 and 1 on its grid."""
    import SimpleITK as sitk

    image, stored = read_image(reading.image), read_image(reading.mask)
    if difference := geometry_difference(Geometry.of(stored), Geometry.of(image)):
        raise GeometryMismatchError(
            f"{reading.mask.name}: does not lie on the grid of its CT {reading.image.name}: {difference} of the CT; "
            "resample it"
        )
    labels = tumour_mask(sitk.GetArrayViewFromImage(stored), name=reading.mask.name, has_ignore_label=True)
    tumour = labels == 1
    if reading.kind == "perturbed":
        tumour = perturbed_mask(tumour, case_id=reading.case_id, seed=reading.seed)
    mask = sitk.GetImageFromArray(tumour.astype(np.uint8))
    mask.CopyInformation(image)
    return image, mask
