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

    def known_of(self, records: Mapping[str, CaseRecord]) -> list[str]:
        """Name the cases whose CT, or a slice of it, is in the list; `records` are by case id."""
        return [case_id for case_id, record in records.items() if self._knows(record)]

    def require_none_of(self, records: Mapping[str, CaseRecord], cases: Sequence[CohortCase], manifest: str) -> None:
        """Refuse cases whose CT, or a slice of it, is in the list; `records` are by case id.

        Raises
        ------
        SplitLeakageError
            The first of them, and how many more there are.
        """
        known = set(self.known_of(records))
        found = [case for case in cases if case.case_id in known]
        if not found:
            return
        case, record = found[0], records[found[0].case_id]
        shared = len(self.slices.intersection(record.slices))
        what = "is" if record.pixels in self.pixels else f"has {shared} of {len(record.slices)} slices of a CT that is"
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise SplitLeakageError(
            f"{place_in_manifest(manifest, case.line, 'image', case.case_id)}: {what} in the training list of the "
            f"model ({self.name}), voxel for voxel; a model is not tested on what it has learnt: remove the row{more}"
        )

    def _knows(self, record: CaseRecord) -> bool:
        return record.pixels in self.pixels or not self.slices.isdisjoint(record.slices)


def training_list(model_folders: Sequence[Path], raw_datasets: Sequence[Path]) -> TrainingList | None:
    """Gather what is at hand of a model's training list; None if nothing is.

    Parameters
    ----------
    model_folders
        With the ``dataset.json`` of the model; several where any of a dataset's models may be meant.
    raw_datasets
        Folders where the dataset that it was trained on may stand, whose conversion keeps digests of slices too.
    """
    pixels: set[str] = set()
    slices: set[str] = set()
    names = []
    own = [hashes for folder in model_folders if (hashes := _hashes_in(folder))]
    for folder in (*model_folders, *raw_datasets):
        hashes = _hashes_in(folder)
        if hashes and (hashes in own or not own):  # another dataset may have the same name
            names.append("its dataset.json" if folder in model_folders else folder.name)
            pixels |= hashes
            slices |= {one for record in _records_of(folder) for one in map(str, record.get("slices", ()))}
    return TrainingList(" and ".join(dict.fromkeys(names)), frozenset(pixels), frozenset(slices)) if names else None


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
