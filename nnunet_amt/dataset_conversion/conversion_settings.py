"""What a conversion may be told beyond its manifest."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nnunet_amt.images.resampling import ReadingOptions


@dataclass(frozen=True)
class ConversionSettings:
    """Settings that decide what the dataset holds.

    Attributes
    ----------
    seed
        Of the tuning split, of the choice between institutions of equal size, and of the pseudonyms' order.
    external_cases, tuning_cases
        See `nnunet_amt.cohort.assign_splits`.
    external_institutions
        File with one institution a line, of which all cases go to the external test set.
    reading
        What may be resampled.
    exclude_unreadable
        Count cases that cannot be converted as excluded, in place of an unfinished dataset.
    key_file
        Where the pseudonyms' key and the records' secret are kept; beside the manifest by default.
    keep_case_ids
        Name the cases and institutions as in the manifest, where these are pseudonyms already; the key file
        holds the records' secret only.
    p_values
        Put p-values into Table 1.
    """

    seed: int = 711
    external_cases: int | None = None
    tuning_cases: int | None = None
    external_institutions: Path | None = None
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    exclude_unreadable: bool = False
    key_file: Path | None = None
    keep_case_ids: bool = False
    p_values: bool = False
