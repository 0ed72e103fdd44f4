"""What every further analysis of a folder of predictions begins with: the pairs, checked, and read one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from nnunet_amt.base.progress import Progress
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.measure.label_maps import LabelMapPair, check_headers, find_pairs
from nnunet_amt.evaluation.results.result_folder import require_apart
from nnunet_amt.images.foreground import Foreground
from nnunet_amt.images.image_file import itk_warnings_off
from nnunet_amt.images.mask_file import read_foreground

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class MaskPair:
    """Both masks of a case, on one grid."""

    case_id: str
    prediction: Foreground
    reference: Foreground


def checked_pairs(
    predictions: Path, references: Path, output: Path, jobs: int, progress: Progress, missing_as_empty: bool = False
) -> tuple[LabelMapPair, ...]:
    """Find the pairs of two folders and check what can be checked without reading voxels.

    Raises
    ------
    BadInputError
        If `jobs` is not positive, or `output` is one of the two folders or above one; its subclasses if cases do
        not pair up or geometries differ.
    """
    if jobs < 1:
        raise BadInputError(f"jobs is {jobs}; give a whole number, 1 or more")
    for folder in (predictions, references):
        require_apart(output, folder, "the label maps")
    pairs = find_pairs(predictions, references, missing_as_empty)
    with itk_warnings_off():
        check_headers(pairs, progress)
    return pairs


def read_mask_pair(pair: LabelMapPair, tumour: int = 1) -> MaskPair:
    """Read both masks of a case, in which `tumour` stands for tumour; a missing prediction is an empty one.

    Raises
    ------
    ImageReadError, LabelValueError
        If one of the two files is damaged or holds other values than 0 and that of tumour.
    """
    reference = read_foreground(pair.reference, case_id=pair.case_id, foreground=tumour)
    if pair.prediction is None:
        return MaskPair(pair.case_id, Foreground((), reference.spacing), reference)
    return MaskPair(pair.case_id, read_foreground(pair.prediction, case_id=pair.case_id, foreground=tumour), reference)


def for_each_pair(
    work: Callable[[LabelMapPair], Result], pairs: Sequence[LabelMapPair], jobs: int, progress: Progress, what: str
) -> tuple[Result, ...]:
    """Do `work` for every pair, `jobs` at the same time, and tell of each one done; results in the pairs' order."""
    results = []
    executor = ThreadPoolExecutor(jobs)  # reading and labelling release the interpreter's lock
    try:
        with itk_warnings_off():
            for result in executor.map(work, pairs):
                results.append(result)
                progress(len(results), len(pairs), what)
    finally:
        executor.shutdown(cancel_futures=True)
    return tuple(results)
