"""What cases and institutions are called in the dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nnunet_amt.cohort import CohortCase
from nnunet_amt.dataset_conversion.conversion_settings import ConversionSettings
from nnunet_amt.dataset_conversion.pseudonyms import (
    default_key_file,
    institution_codes,
    pseudonymise,
    record_secret,
    require_outside,
)


@dataclass(frozen=True)
class DatasetNames:
    """The way from the manifest's names to the dataset's.

    Attributes
    ----------
    cases, institutions
        Name in the dataset by name in the manifest.
    key_file
        What leads back, and holds the secret.
    secret
        Keys the digests in the case records.
    pseudonymous
        Whether the dataset's names are not the manifest's.
    """

    cases: Mapping[str, str]
    institutions: Mapping[str, str]
    key_file: Path
    secret: bytes = field(repr=False)
    pseudonymous: bool = True

    def in_dataset(self, cases: Sequence[CohortCase]) -> list[CohortCase]:
        """Give the cases with the dataset's names, sorted by them: the manifest's order may tell who they are."""
        renamed = [
            replace(case, case_id=self.cases[case.case_id], institution=self.institutions[case.institution])
            for case in cases
        ]
        return sorted(renamed, key=lambda case: case.case_id) if self.pseudonymous else renamed


def name_for_dataset(
    cases: Sequence[CohortCase], manifest: Path, dataset_folder: Path, settings: ConversionSettings
) -> DatasetNames:
    """Give pseudonyms to cases and institutions, or keep the manifest's names where the settings say so.

    Parameters
    ----------
    cases
        Included cases.
    manifest
        The key file lies beside it, unless the settings name another place.
    dataset_folder
        Which must not hold the key file.
    settings
        Of the conversion.

    Raises
    ------
    BadInputError
        If the key file is damaged, or lies in the dataset's folder.
    """
    key_file = settings.key_file or default_key_file(manifest)
    require_outside(key_file, dataset_folder)
    if settings.keep_case_ids:
        names = {case.case_id: case.case_id for case in cases}
        institutions = {case.institution: case.institution for case in cases}
    else:
        names = pseudonymise(cases, key_file, seed=settings.seed)
        institutions = institution_codes(cases, key_file, seed=settings.seed)
    return DatasetNames(names, institutions, key_file, record_secret(key_file), not settings.keep_case_ids)
