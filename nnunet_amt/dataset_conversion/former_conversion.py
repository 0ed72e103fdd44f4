"""What an earlier conversion of a manifest has left: in which set each case was, and the digests of its voxels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.files import read_record
from nnunet_amt.cohort import CohortCase, audit_voxels
from nnunet_amt.dataset_conversion.pseudonyms import known_pseudonyms
from nnunet_amt.dataset_conversion.raw_dataset import RawDataset
from nnunet_amt.dataset_conversion.readable_split import MovedCase, earlier_places, find_moved


@dataclass(frozen=True)
class FormerConversion:
    """An earlier conversion, finished or not.

    Attributes
    ----------
    names
        Of the cases in the dataset, by their ids in the manifest.
    places
        Where they were, by their names in the dataset; see `earlier_places`.
    pixels, slices
        Digests of the voxels, by the ids in the manifest; see `voxel_digests`.
    """

    names: Mapping[str, str]
    places: Mapping[str, str]
    pixels: Mapping[str, str]
    slices: Mapping[str, tuple[str, ...]]

    def moved(self, cases: Sequence[CohortCase]) -> tuple[MovedCase, ...]:
        """Find the cases that are in another set now."""
        return find_moved(
            self.places, {self.names[one.case_id]: one.split for one in cases if one.case_id in self.names}
        )

    def require_unlike(self, cases: Sequence[CohortCase]) -> int:
        """Hold the CTs that were read against each other; give how many of the cases these are.

        Raises
        ------
        SplitLeakageError
            If one stands under two cases, as a whole or in part; see `audit_voxels`.
        """
        audit_voxels(self.pixels, cases, slices=self.slices)
        return sum(case.case_id in self.pixels for case in cases)


def read_former_conversion(
    dataset: RawDataset, cases: Sequence[CohortCase], *, key_file: Path, keep_case_ids: bool = False
) -> FormerConversion | None:
    """Look what is there of an earlier conversion of these cases; None if there is nothing.

    Parameters
    ----------
    dataset
        It need not be there.
    cases
        Of the manifest.
    key_file
        Of its pseudonyms; without it no case is known again.
    keep_case_ids
        Whether the dataset's names are the manifest's.

    Raises
    ------
    BadInputError
        If the key file is damaged.
    """
    if not dataset.folder.is_dir():
        return None
    known = {} if keep_case_ids else known_pseudonyms(key_file, "case")
    names = {one.case_id: one.case_id if keep_case_ids else known.get(one.case_id, "") for one in cases}
    names = {case_id: name for case_id, name in names.items() if name}
    places = earlier_places(dataset, names.values())
    if not places:
        return None
    records = {case_id: read_record(dataset.record(name)) for case_id, name in names.items() if name in places}
    read = {case_id: record for case_id, record in records.items() if record.get("pixels")}
    return FormerConversion(
        names=names,
        places=places,
        pixels={case_id: str(record["pixels"]) for case_id, record in read.items()},
        slices={case_id: tuple(map(str, record.get("slices", ()))) for case_id, record in read.items()},
    )
