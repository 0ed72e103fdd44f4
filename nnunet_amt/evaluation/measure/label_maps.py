"""Pairs of label maps, and the CTs behind them: found by name, compared by header, read and analysed one by one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from unicodedata import category, normalize

from nnunet_amt.base.files import require_folder, why_unreadable
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RunInput
from nnunet_amt.errors import BadInputError, GeometryMismatchError, UnmatchedCasesError
from nnunet_amt.evaluation.results.result_folder import recorded_results, require_apart
from nnunet_amt.evaluation.settings import EvaluationSettings
from nnunet_amt.images.foreground import Foreground
from nnunet_amt.images.geometry import GEOMETRY_TOLERANCE, geometry_difference
from nnunet_amt.images.image_file import itk_warnings_off
from nnunet_amt.images.mask_file import read_foreground, read_geometry

LABEL_MAP_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
_NAMED_AT_MOST = 3
_CHANNEL = "_0000"
Result = TypeVar("Result")


@dataclass(frozen=True)
class LabelMapPair:
    """The predicted and the reference label map of one case; no prediction stands for an empty one.

    `read_prediction` gives the predicted mask, where that is not the label map but made of what stands beside it.
    """

    case_id: str
    prediction: Path | None
    reference: Path
    read_prediction: Callable[[], Foreground] | None = None


@dataclass(frozen=True, eq=False)
class MaskPair:
    """Both masks of a case, on one grid."""

    case_id: str
    prediction: Foreground
    reference: Foreground


def paired_cases(
    predictions: Path,
    references: Path,
    output: Path,
    *,
    apart: Mapping[str, Path | None] | None = None,
    missing_as_empty: bool = False,
    jobs: int = 1,
) -> tuple[LabelMapPair, ...]:
    """Find the pairs of two folders, see `find_pairs`, and refuse an output that would write over what is read.

    Parameters
    ----------
    predictions, references
        Folders with one label map a case.
    output
        Folder of the results.
    apart
        Further folders that are read, by what is in them.
    missing_as_empty
        As for `find_pairs`.
    jobs
        How many cases are to be read at the same time.

    Raises
    ------
    BadInputError
        If `jobs` is not positive, or `output` is one of the folders or above one; its subclasses if cases do not
        pair up.
    """
    if jobs < 1:
        raise BadInputError(f"jobs is {jobs}; give a whole number, 1 or more")
    for what, further in (apart or {}).items():
        if further is not None and further not in (predictions, references):
            require_apart(output, further, what)
    for folder in (predictions, references):
        require_apart(output, folder, "the label maps")
    return find_pairs(predictions, references, missing_as_empty=missing_as_empty)


def checked_pairs(
    predictions: Path,
    references: Path,
    output: Path,
    *,
    apart: Mapping[str, Path | None] | None = None,
    missing_as_empty: bool = False,
    jobs: int = 1,
    progress: Progress = silent,
) -> tuple[LabelMapPair, ...]:
    """Find pairs as `paired_cases` does, and check what can be checked without reading voxels.

    Raises
    ------
    BadInputError
        As `paired_cases`; its subclasses also if geometries differ.
    """
    pairs = paired_cases(predictions, references, output, apart=apart, missing_as_empty=missing_as_empty, jobs=jobs)
    check_headers(pairs, progress=progress)
    return pairs


@contextmanager
def pair_results(
    output: Path,
    *,
    pairs: Sequence[LabelMapPair],
    stage: str,
    file_names: Collection[str],
    settings: Mapping[str, Any] | EvaluationSettings,
    inputs: Mapping[str, Path | RunInput | None],
    missing_as_empty: bool,
    seed: int | None = None,
) -> Iterator[Path]:
    """Give a folder to write the results of pairs to, see `recorded_results`; the record counts and tells of them."""
    recorded = recorded_results(output, file_names=file_names, stage=stage, settings=settings, inputs=inputs, seed=seed)
    with itk_warnings_off(), recorded as (folder, notes):
        notes.counts["cases"] = len(pairs)
        notes.settings["missing_as_empty"] = missing_as_empty
        yield folder


def read_mask_pair(pair: LabelMapPair, *, tumour: int = 1) -> MaskPair:
    """Read both masks of a case, in which `tumour` stands for tumour; a missing prediction is an empty one.

    Raises
    ------
    ImageReadError, LabelValueError
        If one of the two files is damaged or holds other values than 0 and that of tumour.
    """
    reference = read_foreground(pair.reference, case_id=pair.case_id, foreground=tumour)
    if pair.prediction is None:
        return MaskPair(pair.case_id, Foreground((), reference.spacing), reference)
    if pair.read_prediction is not None:
        return MaskPair(pair.case_id, pair.read_prediction(), reference)
    return MaskPair(pair.case_id, read_foreground(pair.prediction, case_id=pair.case_id, foreground=tumour), reference)


def for_each_pair(
    work: Callable[[LabelMapPair], Result],
    pairs: Sequence[LabelMapPair],
    *,
    what: str,
    jobs: int = 1,
    progress: Progress = silent,
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


def find_pairs(predictions: Path, references: Path, *, missing_as_empty: bool = False) -> tuple[LabelMapPair, ...]:
    """Pair the label maps of two folders by case id, the file name without its ending; sorted by it.

    Whatever else lies in a prediction folder of nnU-Net (JSON, ``.npz``, ``.pkl``) is passed over.

    Parameters
    ----------
    predictions, references
        Folders with one label map a case.
    missing_as_empty
        Whether a case without a prediction is one in which nothing was found, and no mistake.

    Raises
    ------
    BadInputError
        If a folder does not exist, or holds one case twice, or a prediction is the file of its reference.
    UnmatchedCasesError
        If a folder holds no label map, or a case stands in one folder only.
    """
    predicted, referenced = find_label_maps(predictions), find_label_maps(references)
    missing = sorted(referenced.keys() - predicted.keys())
    extra = sorted(predicted.keys() - referenced.keys())
    complaints = []
    if missing and not missing_as_empty:
        hint = "" if extra else " (--missing-as-empty counts them as empty)"
        complaints.append(f"no prediction for {named_cases(missing)} of {references}{hint}")
    if extra:
        complaints.append(f"no reference for {named_cases(extra)} of {predictions}")
    if complaints:
        rule = "every case needs one label map in both folders, named <case id> + one of "
        alike = alike_names(missing, extra)
        raise UnmatchedCasesError(f"{' and '.join(complaints)}; {alike}{rule}{', '.join(LABEL_MAP_ENDINGS)}")
    pairs = tuple(LabelMapPair(name, predicted.get(name), referenced[name]) for name in sorted(referenced))
    same = [pair.case_id for pair in pairs if pair.prediction is not None and pair.prediction.samefile(pair.reference)]
    if same:
        raise BadInputError(
            f"{predictions}: the prediction of {named_cases(same)} is the reference itself, the same file; give the "
            "folder that the model has written"
        )
    return pairs


def find_label_maps(folder: Path, *, twice: dict[str, str] | None = None) -> dict[str, Path]:
    """Find the label maps of a folder by their case ids; cases that stand there twice go into `twice`, if given.

    Raises BadInputError if the folder or one of them cannot be read, or a case stands there twice; UnmatchedCasesError
    if there is none.
    """
    try:
        require_folder(folder, "give the folder that holds the label maps")
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise BadInputError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error
    found: dict[str, Path] = {}
    for path in paths:
        ending = next((ending for ending in LABEL_MAP_ENDINGS if path.name.endswith(ending)), None)
        if ending is None or path.name.startswith("."):
            continue
        if reason := why_unreadable(path):
            raise BadInputError(f"{path}: {reason}")
        case_id = path.name[: -len(ending)]
        if any(not c.isprintable() and category(c) != "Zs" for c in case_id):
            raise BadInputError(
                f"{folder}: the name {path.name!r} holds bytes that are no text, or signs that move the line; rename "
                "the file in both folders"
            )
        if case_id in found:
            reason = f"{folder}: case {case_id} stands there twice, as {found[case_id].name} and {path.name}"
            if twice is None:
                raise BadInputError(reason)
            twice[case_id] = f"{reason}; remove one"
        found.setdefault(case_id, path)
    for case_id in twice or ():
        del found[case_id]
    if not found and not twice:
        raise UnmatchedCasesError(f"{folder}: no label map found; their names end with {', '.join(LABEL_MAP_ENDINGS)}")
    return found


def named_cases(case_ids: Sequence[str]) -> str:
    """Name up to three cases and count them, for a message: ``5 cases (a, b, c, ...)``."""
    names = ", ".join(case_ids[:_NAMED_AT_MOST])
    ellipsis = ", ..." if len(case_ids) > _NAMED_AT_MOST else ""
    return f"{len(case_ids)} case{'s' if len(case_ids) > 1 else ''} ({names}{ellipsis})"


def alike_names(missing: Collection[str], there: Collection[str]) -> str:
    """Say of the first two names that look alike, and are not, how each is written; nothing where there are none.

    Letters may be composed or not (as macOS writes them), full width, or capitals.
    """
    forms = {_form(name): name for name in sorted(there)}
    for name in missing:
        if (other := forms.get(_form(name), name)) != name:
            return f"{name!a} and {other!a} differ in the form of their characters only, rename one of them; "
    return ""


def _form(name: str) -> str:
    return normalize("NFKC", normalize("NFKC", name).casefold())


def check_headers(pairs: Sequence[LabelMapPair], *, progress: Progress = silent) -> None:
    """Read every header, before any voxel, and refuse pairs that do not lie on one grid.

    Raises
    ------
    ImageReadError
        If a file is no image, or not a three-dimensional one with a single value a voxel.
    GeometryMismatchError
        If size, spacing, origin or direction of a pair differ by more than 0.001.
    """
    mismatches: list[str] = []
    with itk_warnings_off():
        for done, pair in enumerate(pairs, start=1):
            predicted = None if pair.prediction is None else read_geometry(pair.prediction)
            reference = read_geometry(pair.reference)
            difference = None if predicted is None else geometry_difference(predicted, reference)
            if difference is not None:
                mismatches.append(
                    f"case {pair.case_id}: {pair.prediction} against {pair.reference}: {difference} "
                    f"(x, y, z; tolerance {GEOMETRY_TOLERANCE:g})"
                )
            progress(done, len(pairs), "checking headers")
    if mismatches:
        others = f"; {len(mismatches) - 1} more cases differ" if len(mismatches) > 1 else ""
        advice = "predictions must be made on the grid of their reference"
        raise GeometryMismatchError(f"{mismatches[0]}{others}; {advice}")


def find_cts(images: Path, case_ids: Sequence[str]) -> dict[str, Path]:
    """Find the CT of each case in a folder of nnU-Net's, ``<case id>_0000.nii.gz``.

    Raises
    ------
    BadInputError
        If the folder does not exist.
    UnmatchedCasesError
        If a case has no image.
    """
    require_folder(images, f"give the folder of <case id>{_CHANNEL}.nii.gz, as imagesTs")
    found: dict[str, Path] = {}
    for case_id in case_ids:
        names = (f"{case_id}{_CHANNEL}{ending}" for ending in LABEL_MAP_ENDINGS)
        path = next((images / name for name in names if (images / name).is_file()), None)
        if path is not None:
            found[case_id] = path
    missing = [case_id for case_id in case_ids if case_id not in found]
    if missing:
        there = [path.name.partition(_CHANNEL)[0] for path in images.iterdir()]
        raise UnmatchedCasesError(
            f"{images}: no image for {named_cases(missing)}; {alike_names(missing, there)}"
            f"they are named <case id>{_CHANNEL} + one of {', '.join(LABEL_MAP_ENDINGS)}"
        )
    return found


def check_ct_headers(cts: Mapping[str, Path], pairs: Sequence[LabelMapPair], *, progress: Progress = silent) -> None:
    """Refuse CTs that do not lie on the grid of their reference, before any voxel is read.

    Raises
    ------
    ImageReadError
        If a file is no image.
    GeometryMismatchError
        If size, spacing, origin or direction differ by more than 0.001.
    """
    for done, pair in enumerate(pairs, start=1):
        ct = cts[pair.case_id]
        difference = geometry_difference(read_geometry(ct), read_geometry(pair.reference))
        if difference is not None:
            raise GeometryMismatchError(
                f"case {pair.case_id}: {ct} against {pair.reference}: {difference} (x, y, z; tolerance "
                f"{GEOMETRY_TOLERANCE:g}); the reference must be drawn on the CT's own grid"
            )
        progress(done, len(pairs), "checking CT headers")
