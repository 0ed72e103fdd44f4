"""Which RTSTRUCT or DICOM SEG belongs to which CT series: the one that refers to it."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunet_amt.dataset_conversion.pairing.found import FoundCase, NotPaired
from nnunet_amt.errors import AMTError
from nnunet_amt.images.dicom.files import DicomFolder, DicomMask, quiet_readers
from nnunet_amt.images.dicom.headers import CT_IMAGE, DicomHeader
from nnunet_amt.images.dicom.rtstruct import RtStruct
from nnunet_amt.images.dicom.seg import DicomSeg

_KINDS: tuple[type[DicomMask], ...] = (RtStruct, DicomSeg)
_YEARS = re.compile(r"(\d{3})Y")


@dataclass
class DicomFound:
    """CT series by SeriesInstanceUID, and masks with the files that they stand in."""

    series: dict[str, list[tuple[Path, DicomHeader]]] = field(default_factory=lambda: defaultdict(list))
    masks: list[tuple[Path, DicomMask]] = field(default_factory=list)
    digests: set[str] = field(default_factory=set)  # of the masks: a copy, byte for byte, is no second one

    def take(self, path: Path, headers: Sequence[DicomHeader]) -> None:
        """Sort in what a file or a zip holds; AMTError if a mask in it is damaged."""
        for header in headers:
            if header.sop_class == CT_IMAGE and "LOCALIZER" not in header.image_type:
                self.series[header.series_uid].append((path, header))
            kind = next((kind for kind in _KINDS if header.sop_class in kind.sop_classes), None)
            if kind is None:
                continue
            folder = DicomFolder(path)
            digest = folder.content_digest(header.member)
            if digest not in self.digests:
                self.digests.add(digest)
                self.masks.append((path, kind.of(folder, header.member)))


def pairs_by_reference(found: DicomFound, root: Path) -> tuple[list[FoundCase], list[NotPaired]]:
    """Give a case for each CT series of more than one slice, with the mask that refers to it, if just one does."""
    series = {uid: slices for uid, slices in found.series.items() if len(slices) > 1}
    places = {uid: _place_of(slices) for uid, slices in series.items()}
    of_series, others = _masks_of_series(found, series)
    others += [
        NotPaired(slices[0][0], "is a CT image alone in its series; copy the whole series here")
        for slices in found.series.values()
        if len(slices) == 1
    ]
    cases: list[FoundCase] = []
    for uid, slices in series.items():
        place, masks = places[uid], of_series[uid]
        if len(masks) > 1:
            words = f"is one of {len(masks)} masks of one CT; put the one that is meant into column 'mask'"
            others += [NotPaired(path, words) for path in masks]
        mask = masks[0] if len(masks) == 1 else None
        beside = sum(other == place or place in other.parents for other in places.values())
        if beside > 1 and mask is None:
            words = f"holds {beside} CT series, of which no mask tells the one that is meant; keep one in a folder"
            others.append(NotPaired(place, words))
            continue
        cases.append(FoundCase(_name_of(place, root), place, mask, _cells_of(*slices[0])))
    return cases, list(dict.fromkeys(others))


def _masks_of_series(
    found: DicomFound, series: Mapping[str, Sequence[tuple[Path, DicomHeader]]]
) -> tuple[dict[str, list[Path]], list[NotPaired]]:
    sops = {header.sop_uid: uid for uid, slices in series.items() for _, header in slices}
    masks: dict[str, list[Path]] = defaultdict(list)
    others: list[NotPaired] = []
    for path, mask in found.masks:
        named = {uid for uid in mask.series_uids if uid in series} or {
            sops[uid] for uid in mask.sop_uids if uid in sops
        }
        if len(named) != 1:
            which = "none" if not named else f"{len(named)}"
            words = f"is a {mask.kind} that refers to {which} of the CT series here; put it into the row of its CT"
            others.append(NotPaired(path, words))
            continue
        (uid,) = named
        patient = next((header.patient_digest for _, header in series[uid] if header.patient_digest), "")
        if mask.patient_digest and patient not in ("", mask.patient_digest):
            words = (
                f"is a {mask.kind} of another patient than the CT that it refers to (PatientID differs); look at both"
            )
            others.append(NotPaired(path, words))
            continue
        masks[uid].append(path)
    return masks, others


def _place_of(slices: Sequence[tuple[Path, DicomHeader]]) -> Path:
    """Give what the manifest names: the file itself if it holds all slices, else the folder that holds them."""
    files = {path for path, _ in slices}
    if len(files) == 1:
        return next(iter(files))
    return Path(os.path.commonpath([path.parent for path in files]))


def _name_of(place: Path, root: Path) -> str:
    """Name a case by the topmost of its folders, as cohorts have one for each patient."""
    inside = place.relative_to(root).parts
    return inside[0].removesuffix(".zip") if inside else root.name


def _cells_of(path: Path, header: DicomHeader) -> dict[str, str]:
    """Read of one slice what other columns of the manifest may be filled with."""
    try:
        with quiet_readers():
            (dataset,) = DicomFolder(path).datasets([header.member])
            return {column: text for column, text in _columns(dataset) if text}
    except AMTError:
        return {}


def _columns(dataset: Any) -> Iterator[tuple[str, str]]:
    for column, keyword in (("patient_id", "PatientID"), ("institution", "InstitutionName")):
        yield column, " ".join(str(dataset.get(keyword) or "").split())
    sex = str(dataset.get("PatientSex") or "").strip()
    yield "sex", sex if sex in ("F", "M", "O") else ""
    age = _YEARS.fullmatch(str(dataset.get("PatientAge") or "").strip())
    yield "age", str(int(age[1])) if age else ""


def structure_names(path: Path) -> tuple[str, ...]:
    """Name the ROIs or segments of the masks in a file, folder or zip; none where there are none, or none is read.

    People write anything into these names: show them to whom asks for them only.
    """
    try:
        with quiet_readers():
            folder = DicomFolder(path)
            masks = masks_in(folder, folder.headers())
    except (AMTError, OSError):
        return ()
    return tuple(dict.fromkeys(name for mask in masks for name in mask.names))


def masks_in(folder: DicomFolder, headers: Sequence[DicomHeader]) -> list[DicomMask]:
    """Open the RTSTRUCTs and DICOM SEGs among files; AMTError if one is damaged."""
    return [
        kind.of(folder, header.member) for header in headers for kind in _KINDS if header.sop_class in kind.sop_classes
    ]
