"""The CTs that a model has learnt from, by hash: no test set of another hospital may hold one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_amt.base.files import read_record, read_rows
from nnunet_amt.cohort import CohortCase
from nnunet_amt.cohort.case import place_in_manifest
from nnunet_amt.dataset_conversion.convert_case import CONVERSION_VERSION, CaseRecord
from nnunet_amt.dataset_conversion.raw_dataset import RawDataset
from nnunet_amt.errors import BadInputError, SplitLeakageError

# In ``dataset.json``, which nnU-Net copies into the folder of every model: hashes of voxels, sorted, without a name.
TRAINING_KEY = "training_cts"


@dataclass(frozen=True)
class TrainingList:
    """Digests of the CTs of training and tuning, see `voxel_digests`.

    Attributes
    ----------
    name
        What messages call it, such as ``dataset.json of Dataset711_AMT``.
    pixels
        Of whole CTs.
    slices
        Of their slices; only the dataset that the model was trained on has them.
    """

    name: str
    pixels: frozenset[str]
    slices: frozenset[str] = frozenset()

    def require_none_of(self, records: Mapping[str, CaseRecord], cases: Sequence[CohortCase], manifest: str) -> None:
        """Refuse cases whose CT, or a slice of it, is in the list; `records` are by case id.

        Raises
        ------
        SplitLeakageError
            The first of them, and how many more there are.
        """
        found = [(case, record) for case in cases if (record := records.get(case.case_id)) and self._knows(record)]
        if not found:
            return
        case, record = found[0]
        shared = len(self.slices.intersection(record.slices))
        what = "is" if record.pixels in self.pixels else f"has {shared} of {len(record.slices)} slices of a CT that is"
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise SplitLeakageError(
            f"{place_in_manifest(manifest, case.line, 'image', case.case_id)}: {what} in the training list of the "
            f"model ({self.name}), voxel for voxel; a model is not tested on what it has learnt: remove the row{more}"
        )

    def _knows(self, record: CaseRecord) -> bool:
        return record.pixels in self.pixels or not self.slices.isdisjoint(record.slices)


def training_list(model_folder: Path, raw_datasets: Sequence[Path]) -> TrainingList | None:
    """Gather what is at hand of a model's training list; None if nothing is.

    Parameters
    ----------
    model_folder
        With the ``dataset.json`` of the model.
    raw_datasets
        Folders where the dataset that it was trained on may stand, whose conversion keeps digests of slices too.
    """
    pixels: set[str] = set()
    slices: set[str] = set()
    names = []
    own = _hashes_in(model_folder)
    for folder in (model_folder, *raw_datasets):
        hashes = _hashes_in(folder)
        if hashes and (hashes == own or not own):  # another dataset may have the same name
            names.append("its dataset.json" if folder == model_folder else folder.name)
            pixels |= hashes
            slices |= {one for record in _records_of(folder) for one in map(str, record.get("slices", ()))}
    return TrainingList(" and ".join(names), frozenset(pixels), frozenset(slices)) if names else None


def described_list(records: Iterable[CaseRecord]) -> dict[str, object]:
    """Lay out the list for ``dataset.json``: of which version of the conversion, and the hashes of its CTs."""
    return {"conversion": CONVERSION_VERSION, "sha256": sorted(record.pixels for record in records)}


def _hashes_in(folder: Path) -> set[str]:
    """Read the list in a folder's ``dataset.json``; nothing where it is of a version whose hashes are others."""
    listed = read_record(folder / "dataset.json").get(TRAINING_KEY)
    if not isinstance(listed, dict) or listed.get("conversion") != CONVERSION_VERSION:
        return set()
    hashes = listed.get("sha256")
    return set(map(str, hashes)) if isinstance(hashes, list) else set()


def _records_of(raw: Path) -> list[dict[str, Any]]:
    """Read the conversion's notes on the cases of training and tuning of a dataset."""
    try:
        rows = read_rows(raw / "cohort.csv")
    except BadInputError:
        return []
    found = []
    for row in rows:
        if row.get("split") == "external":
            continue
        found.append(read_record(RawDataset(raw).record(row["case_id"])))
    return found
