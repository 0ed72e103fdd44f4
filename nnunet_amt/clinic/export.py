"""Write label maps back to where their CTs came from: as DICOM objects in the patients' studies."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.base.files import require_no_file, write_json
from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.base.run_record import RECORD_FILE, RunInput, newest_run, recorded_run
from nnunet_amt.clinic.case_objects import CaseObjects, ObjectOptions, remove_objects
from nnunet_amt.clinic.case_results import LABEL_MAP, PROBABILITIES, RESULT, results_in, unreadable_results_in
from nnunet_amt.clinic.dicom_object import Maker
from nnunet_amt.clinic.lesions import find_lesions, lesion_row, write_lesions
from nnunet_amt.clinic.new_cases import series_digest
from nnunet_amt.clinic.source_series import NoCtError, SourceSeries, ct_series_in, require_whole
from nnunet_amt.dataset_conversion.convert_case import voxel_digests
from nnunet_amt.errors import AMTError, BadInputError, GeometryMismatchError
from nnunet_amt.evaluation.measure.label_maps import find_label_maps
from nnunet_amt.evaluation.operating_points.point_file import point_of_predictions
from nnunet_amt.images.geometry import array_to_lps, described, geometry_difference, lps_geometry, to_lps
from nnunet_amt.images.image_file import ReadingOptions, is_image_file_name, read_image, to_hounsfield
from nnunet_amt.images.mask_file import read_geometry, tumour_mask
from nnunet_amt.images.mask_on_grid import EmptyMaskError
from nnunet_amt.images.probability_file import probability_file, read_probabilities

EXPORT_FILES = ("lesions.csv", "refused.json")
# A label map of a tilted gantry's CT lies on the straightened grid, or on none that is found.
_STRAIGHTENED_TOO = ReadingOptions(resample_tilt=True)
_UNKNOWN_MODEL = "unknown model"


@dataclass(frozen=True)
class Exported:
    """What an export wrote: the files, the cases that nothing was found in, and why others could not be written."""

    files: tuple[Path, ...]
    without_lesion: tuple[str, ...]
    refused: dict[str, str]
    notes: dict[str, str]  # what to know of a case's objects, by case


def export_predictions(
    predictions: Path,
    series: Sequence[Path],
    output: Path,
    *,
    options: ObjectOptions | None = None,
    progress: Progress = silent,
) -> Exported:
    """Write each label map of a folder as DICOM objects of the CT series whose grid it lies on.

    Label maps may be those of `nnunet_amt segment` or `predict`, or what plain ``nnUNetv2_predict`` made of converted
    series. A case that cannot be written stops no other; why stands in ``refused.json``.

    Parameters
    ----------
    predictions
        Folder of label maps of 0 and 1, or what `segment` wrote, which knows the series of each case.
    series
        Folders or zips that hold the CT series, one or many in each; of what `segment` wrote those that it was given,
        where none are named.
    output
        Gets a folder a case with its objects, and ``lesions.csv`` of all.
    options
        What is written, and how.

    Raises
    ------
    BadInputError
        If there are no label maps, or no readable CT series at all.
    """
    options = options or ObjectOptions()
    require_no_file(output)
    if output.resolve() == predictions.resolve():
        raise BadInputError(f"{output}: holds the label maps; give another folder for the objects")
    segmented = results_in(predictions)
    refused = dict.fromkeys(unreadable_results_in(predictions), f"its {RESULT} is missing or damaged; segment it again")
    label_maps = {case_id: predictions / case_id / LABEL_MAP for case_id in segmented}
    if not label_maps:
        twice: dict[str, str] = {}
        label_maps = find_label_maps(predictions, twice=twice)
        refused |= twice
    series = series or _sources_of(segmented)
    sources, unusable = _open_series([path for path in series if not is_image_file_name(path)], progress)
    predicted_by = _maker_of(predictions)
    files: list[Path] = []
    rows: list[Sequence[object]] = []
    without: list[str] = []
    cts: dict[str, dict[str, str]] = {}
    told: dict[str, str] = {}
    inputs: dict[str, Path | RunInput] = {"predictions": predictions}
    with recorded_run(output, "export", settings=options, inputs=inputs, outputs=EXPORT_FILES) as notes:
        for done, (case_id, path) in enumerate(label_maps.items(), start=1):
            result = segmented.get(case_id)
            maker = predicted_by if result is None else _maker_of_result(result)
            remove_objects(output / case_id)  # also where the case is refused now
            try:
                case = _case_of(path, _series_of(result, sources), unusable, options=options)
                written = case.write(output / case_id, maker=maker, options=options)
            except AMTError as error:
                refused[case_id] = str(error)
            else:
                rows += [lesion_row(case_id, one, slice_name=case.slice_name(one)) for one in case.lesions]
                without += [] if case.lesions else [case_id]
                files += written
                cts[case_id] = {"series": series_digest(case.source.series), "voxels": voxel_digests(case.image)[0]}
                notes.outputs += [f"{case_id}/{one.name}" for one in written]
                told |= {case_id: case.source.note} if case.source.note and case.lesions else {}
            progress(done, len(label_maps), "writing DICOM objects")
        write_lesions(output / "lesions.csv", rows)
        write_json(output / "refused.json", refused)
        notes.counts |= {"cases": len(label_maps), "refused": len(refused), "lesions": len(rows)}
        notes.settings["ct_sha256"] = cts
    files += [output / "lesions.csv", *([output / "refused.json"] if refused else []), output / RECORD_FILE]
    return Exported(tuple(files), tuple(without), refused, told)


def _sources_of(segmented: Mapping[str, Mapping[str, Any]]) -> list[Path]:
    """Give what was segmented, if it still lies there: a case without its series is refused by itself."""
    paths = [Path(path) for path in dict.fromkeys(result["source"] for result in segmented.values())]
    there = [path for path in paths if path.exists()]
    if paths and not there:
        raise BadInputError(
            f"{paths[0]}: nothing of what was segmented lies where it lay; give the series with --dicom"
        )
    return there


def _open_series(paths: Sequence[Path], progress: Progress) -> tuple[list[SourceSeries], list[AMTError]]:
    """Open the CT series that can be used; give them, and why others cannot."""
    found: list[SourceSeries] = []
    reasons: list[AMTError] = []
    for done, path in enumerate(paths, start=1):
        require_whole(path)
        for one in ct_series_in(path, options=_STRAIGHTENED_TOO):
            try:
                if isinstance(one, AMTError):
                    raise one
                found.append(SourceSeries.of(one))
            except AMTError as error:
                reasons.append(error)
        progress(done, len(paths), "reading the CT series")
    if not found:
        raise BadInputError(f"no CT series can be used: {reasons[0]}" if reasons else "no CT series was given; --dicom")
    return found, [reason for reason in reasons if not isinstance(reason, NoCtError)]


def _maker_of(predictions: Path) -> Maker:
    """Name the trainer, the hash of the checkpoint and the operating point that the folder's records tell of."""
    run: dict[str, Any] = newest_run(predictions, "predict") or {}
    trainer = str(run.get("settings", {}).get("trainer") or _UNKNOWN_MODEL)
    digest = str(run.get("inputs", {}).get("checkpoint", {}).get("sha256") or "")
    return Maker(trainer, digest, point_of_predictions(predictions).get("name", ""))


def _maker_of_result(result: Mapping[str, Any]) -> Maker:
    """Name what a case was segmented by, as `segment` does."""
    point = result.get("operating_point")
    name = str(point.get("name", "")) if isinstance(point, Mapping) else ""
    trainer, trained_on = str(result.get("trainer") or _UNKNOWN_MODEL), str(result.get("trained_on") or "")
    return Maker(trainer, result["model_sha256"], name, trained_on=trained_on)


def _series_of(result: Mapping[str, Any] | None, sources: Sequence[SourceSeries]) -> Sequence[SourceSeries]:
    """Give the series that a case can be of: the one that was segmented, where that is known."""
    if result is None or is_image_file_name(Path(result["source"])):
        return sources
    found = [source for source in sources if series_digest(source.series) == result["input_sha256"]]
    if not found:
        raise BadInputError(
            f"none of the {len(sources)} CT series given is the one that was segmented; give it with --dicom"
        )
    return found


def _case_of(
    path: Path, sources: Sequence[SourceSeries], unusable: Sequence[AMTError], *, options: ObjectOptions
) -> CaseObjects:
    import SimpleITK as sitk

    source, mask = _source_of(path, sources, unusable), _read_mask(path)
    with tempfile.TemporaryDirectory() as scratch:
        values = source.series.read(Path(scratch))
    # what a CT may be is for the prediction to ask
    image = to_hounsfield(sitk.GetArrayViewFromImage(values), keep_intensities=True)
    lesions = find_lesions(
        mask, source.series.geometry, image=image, probability_levels=_levels_beside(path),
        minimum_voxels=options.minimum_voxels,
    )  # fmt: skip
    return CaseObjects(source, image, mask, lesions)


def _levels_beside(label_map: Path) -> NDArray[np.uint8] | None:
    """Read the probabilities that were kept of a case, (z, y, x), LPS axes; None without any."""
    beside = label_map.with_name(PROBABILITIES)  # as `segment` keeps them
    if label_map.name != LABEL_MAP:
        beside = probability_file(label_map.parent, label_map.name.partition(".nii")[0])
    if not beside.is_file():
        return None
    geometry = read_geometry(label_map)
    return array_to_lps(read_probabilities(beside, geometry), geometry)


def _source_of(path: Path, sources: Sequence[SourceSeries], unusable: Sequence[AMTError]) -> SourceSeries:
    grid = lps_geometry(read_geometry(path))
    fitting = [source for source in sources if geometry_difference(grid, source.series.geometry) is None]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise GeometryMismatchError(
            f"{path.name}: {len(fitting)} CT series have its grid, {described(grid)}; give the one that it was made of"
        )
    others = f"; {len(unusable)} cannot be used, such as {unusable[0]}" if unusable else ""
    only = f"; the series given has {described(sources[0].series.geometry)}" if len(sources) == 1 else ""
    raise GeometryMismatchError(
        f"{path.name}: none of {len(sources)} CT series has its grid, {described(grid)}{only}{others}; "
        "give the series that it was made of"
    )


def _read_mask(path: Path) -> NDArray[np.bool_]:
    """Read a label map of 0 and 1, which may be empty: (z, y, x), LPS axes."""
    import SimpleITK as sitk

    values = sitk.GetArrayFromImage(to_lps(read_image(path)))
    try:
        return tumour_mask(values, name=path.name) == 1
    except EmptyMaskError:
        return np.zeros(values.shape, dtype=bool)
