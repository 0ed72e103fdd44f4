"""Refuse CT series whose slices do not form an even, straight grid.

SimpleITK reads such series without an exception and declares a wrong spacing (missing, doubled or uneven slices) or
an upright grid (gantry tilt).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.dicom.headers import DicomHeader
from nnunet_amt.images.geometry import Geometry, require_plausible_spacing

_COSINE_TOLERANCE = 1e-3
# Cosines written with three digits are off by up to half of the last: so far may two axes seem to lean, in radians.
ROUNDED_COSINES = 2e-3
_PIXEL_SPACING_TOLERANCE = 1e-3  # mm
# Headers round positions: a distance may differ from the usual one by 0.02 mm and 2% of it.
_DISTANCE_TOLERANCE_MM = 0.02
_DISTANCE_TOLERANCE_SHARE = 0.02
LARGEST_DRIFT_PIXELS = 0.5


def checked_slices(slices: Sequence[DicomHeader], *, name: str) -> list[DicomHeader]:
    """Check what every slice of a series must say and share, and sort the slices along their normal.

    What does not hold is an ImageReadError with the folder's `name`.
    """
    for holds, reason in _rules_of_all(slices):
        if not holds:
            raise ImageReadError(f"{name}: {reason}")
    normal = np.cross(*_axes(slices[0]))
    return sorted(slices, key=lambda header: float(normal @ _position(header)))


def series_geometry(slices: Sequence[DicomHeader], *, name: str, tilt_allowed: bool = False) -> Geometry:
    """Check that sorted slices are evenly stacked, and compute their grid.

    Its z runs along the normal of the slices. Where `tilt_allowed`, they may be shifted against each other by the same
    step, as with a tilted gantry; then it is the grid that they would form if each lay above the first.

    Raises
    ------
    ImageReadError
        Naming doubled, missing or uneven slices or the gantry tilt, with the numbers.
    """
    positions = np.array([_position(header) for header in slices])  # (slice, xyz)
    row, column, normal = _upright_axes(slices[0], positions)
    along = positions @ normal
    distances = np.diff(along)
    _check_distances(distances, along, name)
    _check_drift(positions, normal, slices[0], name, tilt_allowed)
    between_rows, between_columns = slices[0].pixel_spacing or (0.0, 0.0)
    spacing = (between_columns, between_rows, float(distances.mean()))
    require_plausible_spacing(spacing, name=name)
    direction = np.stack([row, column, normal], axis=1)  # columns are the axes
    return Geometry(
        (slices[0].columns, slices[0].rows, len(slices)),
        spacing,
        tuple(positions[0].tolist()),
        tuple(direction.ravel().tolist()),
    )


def _upright_axes(header: DicomHeader, positions: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Give row, column and normal of a stack at right angles and of length 1, which rounded cosines are not quite.

    Where the slices drift by no more than such rounding explains, the normal is the line that they lie on: over a
    whole thorax positions tell it better than cosines do. All else that drifts is for `_check_drift`.
    """
    row, column = _axes(header)
    normal = _unit(np.cross(row, column))
    line = positions[-1] - positions[0]
    off = line - (line @ normal) * normal
    lean = float(np.linalg.norm(off))
    allowed = LARGEST_DRIFT_PIXELS * min(header.pixel_spacing or (0.0,))
    if allowed < lean <= ROUNDED_COSINES * abs(float(line @ normal)):
        normal = _unit(line) * np.sign(line @ normal)
    row = _unit(row - (row @ normal) * normal)
    return row, np.cross(normal, row), normal


def _unit(vector: NDArray) -> NDArray:
    return vector / np.linalg.norm(vector)


# Each rule is looked at only where those before it hold.
Rules = Iterator[tuple[bool, str]]


def _rules_of_all(slices: Sequence[DicomHeader]) -> Rules:
    yield len(slices) > 1, "the CT series has one image; give the folder that holds all of its images"
    localisers = sum("LOCALIZER" in header.image_type for header in slices)
    yield localisers == 0, f"{localisers} of {len(slices)} images of the CT series are localisers"
    for header in slices:
        for rules in (_rules_of_place, _rules_of_values):
            for holds, reason in rules(header):
                yield holds, f"{header.shown} {reason}"
    patients = len({header.patient_digest for header in slices if header.patient_digest})
    yield (
        patients < 2,
        f"the CT series mixes images of {patients} patients (PatientID); export one patient's alone",
    )
    yield _in_common([(header.columns, header.rows) for header in slices], 0.0, "sizes")
    yield _in_common([header.pixel_spacing for header in slices], _PIXEL_SPACING_TOLERANCE, "pixel spacings")
    yield _in_common([header.orientation for header in slices], _COSINE_TOLERANCE, "orientations")
    row, column = _axes(slices[0])
    yield abs(row @ column) < ROUNDED_COSINES, "rows and columns of the slices are not at right angles"


# Elements that neither the grid nor the values need.
_NOT_NEEDED = ("SliceThickness", "ImageType", "Manufacturer", "PatientID", "SOPInstanceUID", "RescaleType", "Modality")


def _rules_of_place(header: DicomHeader) -> Rules:
    """Say of a slice whether it tells where it lies, in numbers that can be true."""
    for element in header.unreadable:
        yield element.split()[0] in _NOT_NEEDED, f"has {element}, which is not what DICOM has there; export it again"
    place = (header.position, header.orientation, header.pixel_spacing)
    yield (
        all(numbers is not None for numbers in place),
        "does not say where it lies (ImagePositionPatient, ImageOrientationPatient, PixelSpacing)",
    )
    lengths = [len(numbers or ()) for numbers in place]
    yield (
        lengths == [3, 6, 2] and bool(np.isfinite(np.concatenate([np.array(numbers) for numbers in place])).all()),
        "has a position, orientation or pixel spacing that is not 3, 6 and 2 numbers",
    )
    spacing = header.pixel_spacing or ()
    yield min(spacing) > 0, f"has PixelSpacing {_shown(spacing)}, must be above 0 mm"
    norms = [float(np.linalg.norm(axis)) for axis in _axes(header)]
    yield (
        bool(np.allclose(norms, 1.0, rtol=0.0, atol=10 * _COSINE_TOLERANCE)),
        f"has an ImageOrientationPatient of lengths {_shown(norms)}, must be unit vectors",
    )


def _rules_of_values(header: DicomHeader) -> Rules:
    """Say of a slice whether its pixels are whole, and HU after the rescaling."""
    yield header.modality in ("CT", ""), f"has Modality {header.modality!r}, must be CT"
    yield header.frames == 1, f"holds {header.frames} frames, a CT slice has one"
    yield header.samples == 1, f"has {header.samples} values a pixel (colours), must have one"
    yield header.rows > 1 and header.columns > 1, "holds no image of rows and columns"
    yield header.intercept is not None, "has no RescaleIntercept: HU are unknown"
    yield header.slope is not None, "has no RescaleSlope: HU are unknown"
    yield header.slope != 0, "has RescaleSlope 0: HU are unknown"
    rescaling = (header.slope or 0.0, header.intercept or 0.0)
    yield (
        bool(np.isfinite(rescaling).all()),
        f"has RescaleSlope and RescaleIntercept {_shown(rescaling)}, must be finite: HU are unknown",
    )
    yield (
        header.rescale_type in ("HU", "US", ""),  # US is unspecified: some scanners write it for HU
        f"has RescaleType {header.rescale_type!r}: its values are not HU; take the series in HU",
    )
    yield not header.has_table, "has a ModalityLUTSequence, which is not read: HU are unknown; take the series in HU"
    _, stored, high_bit = header.bits
    yield (
        high_bit in (stored - 1, 0),  # 0 where the header is silent
        f"has BitsStored {stored} and HighBit {high_bit}, must be one less than the bits stored: its values are not in "
        "the low bits; export it again",
    )
    yield header.missing_bytes == 0, f"is truncated, {header.missing_bytes} bytes are missing"


def _in_common(values: Sequence[tuple[float, ...] | None], tolerance: float, what: str) -> tuple[bool, str]:
    """All slices agree with the most frequent value."""
    usual, _ = Counter(values).most_common(1)[0]
    odd = [value for value in values if not np.allclose(value, usual, rtol=0.0, atol=tolerance)]  # type: ignore[arg-type]
    return not odd, f"the CT series mixes {what}: {usual} and, in {len(odd)} of {len(values)} images, {odd[:1]}"


def _check_distances(distances: NDArray, along: NDArray, name: str) -> None:
    doubled = np.flatnonzero(distances <= _DISTANCE_TOLERANCE_MM)
    places = len(along) - doubled.size
    if doubled.size and len(along) % places == 0:
        raise ImageReadError(
            f"{name}: {len(along)} images lie at {places} places, {len(along) // places} at each: several phases or "
            "copies in one series; export one of them"
        )
    if doubled.size:
        raise ImageReadError(
            f"{name}: slices are there twice ({doubled.size}), the first at {along[doubled[0]]:.2f} mm; "
            "remove the copies"
        )
    usual = float(np.median(distances))
    tolerance = _DISTANCE_TOLERANCE_MM + _DISTANCE_TOLERANCE_SHARE * usual
    odd = np.flatnonzero(np.abs(distances - usual) > tolerance)
    if not odd.size:
        return
    steps = np.rint(distances[odd] / usual)
    if (steps >= 2).all() and (np.abs(distances[odd] - steps * usual) <= tolerance * steps).all():
        raise ImageReadError(
            f"{name}: slices are missing ({int(steps.sum()) - odd.size}), the first between {along[odd[0]]:.2f} and "
            f"{along[odd[0] + 1]:.2f} mm, where slices are {usual:.3g} mm apart; export the series again"
        )
    raise ImageReadError(
        f"{name}: slices are unevenly spaced, {distances.min():.3f} to {distances.max():.3f} mm (usually {usual:.3f}); "
        "take a series with one slice distance"
    )


def _check_drift(positions: NDArray, normal: NDArray, header: DicomHeader, name: str, tilt_allowed: bool) -> None:
    """Check that slices lie one above the other: with a tilted gantry each one is shifted against the last."""
    steps = positions - positions[0]
    heights = steps @ normal
    across = steps - np.outer(heights, normal)
    drift = np.linalg.norm(across, axis=1)
    largest = LARGEST_DRIFT_PIXELS * min(header.pixel_spacing or (0.0,))
    if drift.max() <= largest:
        return
    off_the_line = np.linalg.norm(across - np.outer(heights / heights[-1], across[-1]), axis=1)
    if off_the_line.max() > largest:
        raise ImageReadError(
            f"{name}: slices are shifted sideways by up to {drift.max():.1f} mm; take a series of one field of view"
        )
    if not tilt_allowed:
        degrees = np.degrees(np.arctan2(drift[-1], heights[-1]))
        raise ImageReadError(
            f"{name}: the gantry was tilted by {degrees:.1f} degrees, slices drift by {drift.max():.1f} mm; "
            "take an upright reconstruction, or have it straightened (--resample-tilt)"
        )


def _axes(header: DicomHeader) -> tuple[NDArray, NDArray]:
    cosines = np.array(header.orientation)
    return cosines[:3], cosines[3:]


def _position(header: DicomHeader) -> NDArray:
    return np.array(header.position)


def _shown(numbers: Sequence[float]) -> str:
    return "(" + ", ".join(f"{number:.6g}" for number in numbers) + ")"
