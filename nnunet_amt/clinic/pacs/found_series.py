"""Series that an archive has, by what it says of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from nnunet_amt.clinic.pacs.arrivals import Arrivals
from nnunet_amt.clinic.pacs.wanted import STUDY_KEYS, Query, fits
from nnunet_amt.errors import WorkFailedError

_MARK = 12  # letters of a digest: no two of a million series share one by chance
SHOWN_KEYS = ("StudyInstanceUID", "PatientID", "AccessionNumber", "StudyDate", "StudyDescription")


@dataclass(frozen=True)
class FoundSeries:
    """A series in an archive.

    Attributes
    ----------
    study_uid, series_uid, modality
        As the archive says.
    stated
        How many objects it says that the series has; None where it is silent.
    instances
        SOPClassUID by SOPInstanceUID of each; empty where the archive does not list them.
    identifiers
        `SHOWN_KEYS` of the study, which are shown on request only.
    """

    study_uid: str
    series_uid: str
    modality: str
    stated: int | None
    instances: Mapping[str, str] = field(default_factory=dict)
    identifiers: Mapping[str, str] = field(default_factory=dict)

    @property
    def expected(self) -> int | None:
        """How many objects are to come; None where nobody knows."""
        known = [*([] if self.stated is None else [self.stated]), *([len(self.instances)] if self.instances else [])]
        return max(known, default=None)

    @property
    def study(self) -> str:
        """The study's short mark."""
        return _marked(self.study_uid)

    @property
    def name(self) -> str:
        """What its folder is called: by study, modality and series, without a word of the patient."""
        return f"{self.study}_{self.modality}_{_marked(self.series_uid)}"


class Archive(Protocol):
    """An archive that can be asked and fetched from, whichever way."""

    def find(self, query: Query, modalities: Iterable[str], *, most_studies: int) -> list[FoundSeries]:
        """Find the series that a query means."""

    def fetch(self, series: FoundSeries, arrivals: Arrivals) -> str:
        """Bring what is missing of a series; say what went wrong, nothing if nothing did."""


def collected(
    query: Query,
    modalities: Iterable[str],
    *,
    most_studies: int,
    ask: Callable[[str, Mapping[str, str]], list[Any]],
) -> list[FoundSeries]:
    """Ask for studies, their series, and the objects of these, and hold each answer against what was asked.

    An archive that knows nothing of a key gives everything it has: such an answer is refused.

    Parameters
    ----------
    ask
        Takes a level (STUDY, SERIES, IMAGE) and keys, empty ones for what is to be answered; gives datasets.

    Raises
    ------
    WorkFailedError
        If the archive does not answer a key, or more studies match than `most_studies`.
    """
    studies = _fitting(ask("STUDY", {**dict.fromkeys(SHOWN_KEYS, ""), **query.study}), query.study)
    if len(studies) > most_studies:
        raise WorkFailedError(
            f"{len(studies)} studies match, more than {most_studies}; ask more narrowly, or raise --most-studies"
        )
    found: dict[str, FoundSeries] = {}
    for study in studies:
        uid = _text(study, "StudyInstanceUID")
        shown = {key: _text(study, key) for key in SHOWN_KEYS}
        asked = dict.fromkeys(("SeriesInstanceUID", "Modality", "NumberOfSeriesRelatedInstances"), "")
        for series in _fitting(ask("SERIES", {"StudyInstanceUID": uid, **asked, **query.series}), query.series):
            modality, series_uid = _text(series, "Modality"), _text(series, "SeriesInstanceUID")
            if modality in modalities and series_uid:
                stated = _text(series, "NumberOfSeriesRelatedInstances")
                above = {"StudyInstanceUID": uid, "SeriesInstanceUID": series_uid}
                images = ask("IMAGE", {**above, "SOPInstanceUID": "", "SOPClassUID": ""})
                instances = {
                    sop_uid: _text(image, "SOPClassUID")
                    for image in images
                    if (sop_uid := _text(image, "SOPInstanceUID"))
                }
                found[series_uid] = FoundSeries(
                    uid, series_uid, modality, int(stated) if stated.isdigit() else None, instances, shown
                )
    return list(found.values())


def _fitting(answers: Iterable[Any], asked: Mapping[str, str]) -> list[Any]:
    found = []
    for answer in answers:
        for key in asked:
            if not _text(answer, key):
                raise WorkFailedError(
                    f"the archive does not say {key} of what it has found, so it may be of others; ask by another key, "
                    f"such as {STUDY_KEYS[0]}"
                )
        if all(fits(key, value, _text(answer, key)) for key, value in asked.items()):
            found.append(answer)
    return found


def _text(dataset: Any, key: str) -> str:
    value = dataset.get(key)
    return "" if value is None else str(value).strip("\0 ")


def _marked(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()[:_MARK]
