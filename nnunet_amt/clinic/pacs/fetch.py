"""Fetch series from an archive into a folder each; what is there already does not come again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.base.files import require_no_file, write_csv
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RECORD_FILE, recorded_run
from nnunet_amt.clinic.pacs.arrivals import Arrivals
from nnunet_amt.clinic.pacs.found_series import Archive, FoundSeries
from nnunet_amt.clinic.pacs.wanted import Query
from nnunet_amt.images.dicom.files import quiet_readers

SERIES_FILE = "series.csv"
_COLUMNS = ("case_id", "study", "modality", "expected", "received", "complete")
RETRIES = 3
PAUSE_SECONDS = 2.0
MOST_STUDIES = 50


@dataclass(frozen=True)
class FetchOptions:
    """What to fetch of the studies found, and how patiently.

    Attributes
    ----------
    modalities
        Of the series, among `wanted.MODALITIES`.
    most_studies
        Refuse a query that finds more.
    retries
        How often a series is asked for again while objects of it are missing.
    pause_seconds
        Before the first of them; it doubles.
    """

    modalities: tuple[str, ...] = ("CT",)
    most_studies: int = MOST_STUDIES
    retries: int = RETRIES
    pause_seconds: float = PAUSE_SECONDS


@dataclass(frozen=True)
class SeriesFetched:
    """What became of a series.

    Attributes
    ----------
    series
        As the archive said.
    received
        How many of its objects are in its folder, also from earlier runs.
    new
        How many of them came now.
    is_complete
        Whether these are all that the archive says it has; where it does not say, whether it reported no failure.
    trouble
        What went wrong, empty where nothing did.
    """

    series: FoundSeries
    received: int
    new: int
    is_complete: bool
    trouble: str = ""


@dataclass(frozen=True)
class Fetched:
    """What became of all.

    Attributes
    ----------
    series
        Each that was found.
    without
        Numbers, from 1 on, of the queries that found nothing.
    not_asked_for
        How many objects the archive sent that nobody had asked for; they were refused.
    files
        What was written beside the folders of series.
    """

    series: tuple[SeriesFetched, ...]
    without: tuple[int, ...]
    not_asked_for: int
    files: tuple[Path, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every query found something and every series is whole."""
        return not self.without and all(one.is_complete for one in self.series)


def find(
    archive: Archive, queries: Sequence[Query], *, options: FetchOptions | None = None
) -> tuple[list[FoundSeries], tuple[int, ...]]:
    """Find series, each once; give them, and the numbers of the queries that found none.

    Raises
    ------
    WorkFailedError
        If the archive cannot be asked.
    """
    options = options or FetchOptions()
    found: dict[str, FoundSeries] = {}
    without = []
    for number, query in enumerate(queries, start=1):
        with quiet_readers():
            series = archive.find(query, options.modalities, most_studies=options.most_studies)
        found |= {one.series_uid: one for one in series}
        without += [] if series else [number]
    return list(found.values()), tuple(without)


def fetch(
    archive: Archive,
    queries: Sequence[Query],
    output: Path,
    *,
    options: FetchOptions | None = None,
    progress: Progress = silent,
) -> Fetched:
    """Fetch the series that queries find, a folder each; run again, only what is missing comes.

    Parameters
    ----------
    archive
        A `DicomArchive` or a `WebArchive`.
    output
        Folder for the folders of series, ``series.csv`` and the record of the run.

    Raises
    ------
    WorkFailedError
        If the archive cannot be asked; DiskFullError if there is no room.
    BadInputError
        If the output is a file, or a certificate or port cannot be used.
    """
    options = options or FetchOptions()
    require_no_file(output)
    settings = {"modalities": options.modalities, "by": type(archive).__name__, "queries": len(queries)}
    with recorded_run(output, "fetch", settings=settings, outputs=[SERIES_FILE], files_named=False) as notes:
        found, without = find(archive, queries, options=options)
        arrivals = Arrivals(output)
        outcomes = []
        for done, series in enumerate(found):
            progress(done, len(found), "fetching series")
            outcomes.append(_fetch_one(archive, series, arrivals, options))
        progress(len(found), len(found), "fetching series")
        write_csv(output / SERIES_FILE, _COLUMNS, [_row(one) for one in outcomes])
        notes.counts |= {
            "series": len(outcomes),
            "incomplete": sum(not one.is_complete for one in outcomes),
            "objects": sum(one.received for one in outcomes),
            "new": sum(one.new for one in outcomes),
        }
    return Fetched(tuple(outcomes), without, arrivals.not_asked_for, (output / SERIES_FILE, output / RECORD_FILE))


def _fetch_one(archive: Archive, series: FoundSeries, arrivals: Arrivals, options: FetchOptions) -> SeriesFetched:
    before, trouble, is_complete = arrivals.count(series), "", arrivals.is_complete(series)
    for attempt in range(options.retries + 1):
        if is_complete:
            break
        if attempt:
            time.sleep(options.pause_seconds * 2 ** (attempt - 1))
        with quiet_readers():
            trouble = archive.fetch(series, arrivals)
        if arrivals.trouble is not None:
            raise arrivals.trouble
        unstated = series.expected is None and not trouble and arrivals.count(series) > 0
        is_complete = arrivals.is_complete(series) or unstated
    received = arrivals.count(series)
    if not is_complete and not trouble:
        trouble = "the archive reports no failure, and sent less than it says it has"
    return SeriesFetched(series, received, received - before, is_complete, "" if is_complete else trouble)


def _row(one: SeriesFetched) -> tuple[object, ...]:
    series = one.series
    return series.name, series.study, series.modality, series.expected, one.received, "yes" if one.is_complete else "no"
