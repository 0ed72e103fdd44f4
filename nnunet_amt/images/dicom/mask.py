"""Find the one RTSTRUCT or DICOM SEG that a case's mask is stored in, and in it what column ``roi`` names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nnunet_amt.errors import GeometryMismatchError, ImageReadError, RoiNotFoundError
from nnunet_amt.images.dicom.files import DicomFolder, DicomMask, quiet_readers
from nnunet_amt.images.dicom.headers import CT_IMAGE, DicomHeader
from nnunet_amt.images.dicom.rtstruct import RtStruct
from nnunet_amt.images.dicom.seg import DicomSeg
from nnunet_amt.images.dicom.series import DicomSeries
from nnunet_amt.images.mask_on_grid import CT_FOR_MASK


def open_dicom_mask(
    folder: DicomFolder,
    headers: Sequence[DicomHeader],
    *,
    roi: str | None,
    resample: bool = False,
    interpolate: bool = False,
) -> DicomMask:
    """Find the one file that has structures or segments which `roi` names.

    Parameters
    ----------
    roi
        Regular expression that must match a whole name, or the name itself; where none does, in no file, capitals do
        not count, provided that a single structure is meant then. If it is None, the file must have one structure with
        an area, or one segment.
    resample
        Whether a DICOM SEG may lie on another grid than the CT.
    interpolate
        Whether contours that are missing in an RTSTRUCT are made up of those below and above.

    Raises
    ------
    RoiNotFoundError
        If no structure or segment is so named.
    ImageReadError
        If there is neither RTSTRUCT nor SEG, or more than one that has such a name.
    """
    if not any(header.sop_class in RtStruct.sop_classes | DicomSeg.sop_classes for header in headers):
        if headers and all(header.sop_class == CT_IMAGE for header in headers):
            raise ImageReadError(f"{folder.path.name}: {CT_FOR_MASK}")
        kinds = ", ".join(sorted({header.modality or "unknown" for header in headers}))
        raise ImageReadError(
            f"{folder.path.name}: holds no RTSTRUCT and no DICOM SEG (it has {kinds}); give one, or a label file"
        )
    found = masks_named(folder, headers, roi=roi)
    if len(found) > 1:
        kinds = " and ".join(sorted({mask.kind for mask in found}))
        raise ImageReadError(
            f"{folder.path.name}: {len(found)} files ({kinds}) have such an ROI; give the file of one of them"
        )
    mask = found[0]
    if isinstance(mask, RtStruct):
        return replace(mask, interpolate=interpolate)
    return replace(mask, resample=resample) if isinstance(mask, DicomSeg) else mask


def masks_named(
    folder: DicomFolder,
    headers: Sequence[DicomHeader],
    *,
    roi: str | None,
    kinds: Sequence[type[DicomMask]] = (RtStruct, DicomSeg),
) -> list[DicomMask]:
    """Find the RTSTRUCTs and DICOM SEGs that have structures which `roi` names; see `open_dicom_mask`.

    Of a file that is there more than once the first is given. That there are such files, but none with a structure of
    that name, is a RoiNotFoundError.
    """
    found: list[DicomMask] = []
    problems: list[RoiNotFoundError] = []
    for kind in kinds:
        try:
            found += _masks_among(folder, headers, kind=kind, roi=roi)
        except RoiNotFoundError as error:
            problems.append(error)
    if not found and roi is not None:
        alike = [mask for kind in kinds for mask in _masks_among(folder, headers, kind=kind, roi=roi, any_case=True)]
        found = alike if sum(len(mask.numbers) for mask in alike) == 1 else []
    if not found and problems:
        raise problems[0] if len(problems) == 1 else RoiNotFoundError("; ".join(map(str, problems)))
    return found


def _masks_among(
    folder: DicomFolder,
    headers: Sequence[DicomHeader],
    *,
    kind: type[DicomMask],
    roi: str | None,
    any_case: bool = False,
) -> list[DicomMask]:
    """Find the files of a kind; where capitals do not count, that there is none is nothing to tell."""
    found: list[DicomMask] = []
    names: list[str] = []
    members = [header.member for header in headers if header.sop_class in kind.sop_classes]
    for member in members:
        whole = kind.of(folder, member)
        named = dict(zip(whole.numbers, whole.names, strict=True))
        names += whole.names
        if chosen := chosen_by_name(named, roi=roi, any_case=any_case):
            found.append(replace(whole, numbers=tuple(chosen), names=tuple(chosen.values())))
    if members and not found and not any_case:
        raise RoiNotFoundError(none_chosen(kind.kind, kind.structure, roi=roi, names=names))
    return _without_copies(folder, found) if len(found) > 1 else found


def _without_copies(folder: DicomFolder, masks: Sequence[DicomMask]) -> list[DicomMask]:
    """Leave out files that say the same, element by element, as one before them, whatever they are called."""
    kept: list[tuple[DicomMask, Any]] = []
    for mask in masks:
        dataset = folder.dataset(mask.member)
        if not any(_say_the_same(dataset, other) for _, other in kept):
            kept.append((mask, dataset))
    return [mask for mask, _ in kept]


def _say_the_same(dataset: Any, other: Any) -> bool:
    try:
        with quiet_readers():
            return bool(dataset == other)
    except Exception:  # an element that pydicom cannot decode, which may have nothing to do with the mask
        return False


_TRUST = "with new UIDs, take it by where it lies (--trust-geometry)"


def require_same_series(mask: DicomMask, series: DicomSeries, *, trust_geometry: bool = False) -> str | None:
    """Refuse a mask of another patient, or one drawn on another CT; one that names no CT is believed to fit.

    Parameters
    ----------
    trust_geometry
        Take a mask of the same patient whatever UIDs it names, as those of a CT that was anonymised twice are new ones.
        That it lies on the grid of the CT is for its reader to see.

    Returns
    -------
    str or None
        What was trusted in place of UIDs that differ: ``"FrameOfReferenceUID"``, if both files name the same, or else
        ``"geometry"``. None where nothing had to be.

    Raises
    ------
    GeometryMismatchError
        Without the ids: they are of patients.
    """
    if mask.patient_digest and series.patient_digest not in ("", mask.patient_digest):
        raise GeometryMismatchError(
            f"the {mask.kind} is of another patient than the CT (PatientID differs); give the one that was drawn on "
            "this CT"
        )
    series_uid, frame = series.slices[0].series_uid, series.frame_of_reference
    says = mask.series_uids or mask.sop_uids
    named = not says or series_uid in mask.series_uids or bool(series.sop_uids & mask.sop_uids)
    same_frame = mask.lies_in(frame)
    fits = same_frame or not frame or not mask.frames_of_reference
    missing, images = mask.missing_images(series_uid, series.sop_uids)
    if named and fits and not missing:
        return None
    if trust_geometry and not (named and 0 < missing < images):
        return "FrameOfReferenceUID" if same_frame else "geometry"
    if named and fits:
        raise GeometryMismatchError(
            f"the {mask.kind} names {images} images of the CT series, {missing} of them are not among the "
            f"{len(series.sop_uids)} that there are; give the whole series"
            + (f", or, if this is it {_TRUST}" if missing == images else "")
        )
    what = (
        "in another frame of reference than the CT's (FrameOfReferenceUID differs)" if named else "on another CT series"
    )
    raise GeometryMismatchError(
        f"the {mask.kind} was drawn {what}; give the series that it refers to, or, if this is that series {_TRUST}"
    )


def chosen_by_name(names: Mapping[int, str], *, roi: str | None, any_case: bool = False) -> dict[int, str]:
    """Choose structures, number to name; if `roi` is None, the only one, and none where there are several."""
    if roi is None:
        return dict(names) if len(names) == 1 else {}
    flags = re.IGNORECASE if any_case else 0
    return {number: name for number, name in names.items() if name == roi or re.fullmatch(roi, name, flags)}


def none_chosen(file: str, structure: str, *, roi: str | None, names: Collection[str]) -> str:
    """Say why no structure was chosen.

    The names that there are are not shown, as people write anything into them, patients' names too; but one that is the
    name asked for, up to spaces, capitals and the form of its letters, tells nothing new. A file is for example an
    ``"RTSTRUCT"``, its structure a ``"closed ROI"``: points and lines are ROIs too, and no tumours.
    """
    if not names:
        return f"the {file} has no {structure}; draw the tumour or give the case an exclusion_reason"
    found = f"the {file} has {len(names)} {structure}{'s' if len(names) > 1 else ''}"
    if roi is None:
        return f"{found} and column 'roi' is empty; name there what is tumour"
    if alike := sum(bool(re.fullmatch(roi, name, re.IGNORECASE)) for name in names):
        return f"{found}, {alike} named {roi!r} if capitals do not count; write '(?i){roi}'"
    if near := sorted({name for name in names if _plain(name) == _plain(roi)}):
        offered = " or ".join(map(_to_be_copied, near))
        return (
            f"{found}, none named {roi!r}, but {offered}, which differs in spaces, capitals or the form of its letters "
            "only; write it so"
        )
    if alike := sum(_matches_plainly(roi, name) for name in names):
        return (
            f"{found}, none named {roi!r}, {alike} if spaces, capitals and the form of letters did not count; "
            "write it as in the program that wrote the file"
        )
    return (
        f"{found}, none named {roi!r}; look the names up in the program that wrote it (not shown: they may name people)"
    )


def _plain(name: str) -> str:
    """Take the spaces, capitals and forms of letters (composed or not, full width) out of a name."""
    letters = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(letter for letter in letters if not letter.isspace() and unicodedata.category(letter) != "Cf")


def _to_be_copied(name: str) -> str:
    """Write a name so that it is found as it is shown: a pattern stands for odd spaces, which messages do not keep."""
    words = name.split()
    return repr(name) if name == " ".join(words) else "'" + r"\s+".join(map(re.escape, words)) + "'"


def _matches_plainly(roi: str, name: str) -> bool:
    try:
        return bool(re.fullmatch(_plain(roi), _plain(name), re.IGNORECASE))
    except re.error:
        return False  # without its spaces or capitals it is no pattern
