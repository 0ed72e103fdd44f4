"""The grid that the header of a NIfTI, NRRD or MHA file states; what it contradicts or leaves open is refused.

SimpleITK decides such things for us: it takes one of two orientations that differ, lets axes that nobody has named run
from right to left, makes voxels of 1 mm where no size is stated, and adds an intercept that does not count. Other
programs decide otherwise, and then a mask lies mirrored on its CT. So there is one rule for CTs, masks, predictions and
references, whoever reads them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, takewhile
from math import acos, degrees, isfinite, prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.errors import ImageReadError
from nnunet_amt.images.geometry import GEOMETRY_TOLERANCE, Geometry, axis_code, geometry_difference, listed
from nnunet_amt.images.integrity import is_nifti_name, is_packed, nifti_header
from nnunet_amt.images.nifti import MILLIMETRES, NiftiHeader, quaternion_axes

_NRRD_ENDINGS = (".nrrd", ".nhdr")
_UNORIENTED = "left and right may be swapped; export it again with its orientation"
_ROUNDING = 1e-6  # of cosines between axes; beyond it, up to `GEOMETRY_TOLERANCE`, they are put at right angles
_LONGEST_LINE = 1 << 20
_NIFTI_UNITS = {1: "metres", 3: "micrometres"}
# Texts of headers that messages may show: others may name a patient.
_HARMLESS = re.compile(
    r"(scanner-xyz|3d-(right|left)-handed)(-time)?|u|µ|[uµnckm]?m|micro(n|met(er|re))s?|(centi)?met(er|re)s?|in(ch)?|"
    r"pixels?|voxels?",
    re.IGNORECASE,
)
_MILLIMETRE_NAMES = ("", "mm", "millimeter", "millimeters", "millimetre", "millimetres", "???")
# Which way the first two axes of a NRRD file's space run along LPS; in space and time too.
_NRRD_SPACES = {
    name + time: signs
    for names, signs in (
        (("left-posterior-superior", "lps"), (1, 1, 1)),
        (("right-anterior-superior", "ras"), (-1, -1, 1)),
        (("left-anterior-superior", "las"), (1, -1, 1)),
    )
    for name, time in zip((*names, *names), ("", "", "-time", "t"), strict=True)
}
_NRRD_FIELD = re.compile(r"([^:]+):(?!=)\s*(.*)")
_NRRD_VECTOR = re.compile(r"none|\([^)]*\)")
_META_FIELD = re.compile(r"(\w+)\s*[=:]\s*(.*)")
_META_AXES, _META_ORIGINS = ("TransformMatrix", "Rotation", "Orientation"), ("Offset", "Position", "Origin")

_ANATOMY_OF_ALL = "RAI"
_TO_LPS, _OPPOSITE = str.maketrans("RAI", "LPS"), str.maketrans("RAILPS", "LPSRAI")

Numbers = list[float]


class _UnclearError(Exception):
    """A header contradicts itself or leaves something open: what, and what to do."""


def stated_grid(path: Path, *, name: str) -> Geometry | None:
    """Read the grid of the one volume in a file, its axes as they are stored; LPS.

    None if numbers are missing or make no sense: SimpleITK says what of.

    Parameters
    ----------
    path
        A NIfTI, NRRD or MHA file whose header is whole.
    name
        What messages call the file.

    Raises
    ------
    ImageReadError
        If the header states no spacing, orientation or origin, or two that differ, lengths in another unit than mm,
        axes that are not at right angles, an intercept without a slope, or anything but one volume.
    """
    grid_of: Callable[[Path], Geometry] = _metaimage_grid
    if is_nifti_name(path):
        grid_of = _nifti_grid
    elif path.name.lower().endswith(_NRRD_ENDINGS):
        grid_of = _nrrd_grid
    try:
        return grid_of(path)
    except _UnclearError as unclear:
        raise ImageReadError(f"{name}: {unclear}") from unclear
    except (ValueError, KeyError, IndexError):
        return None


def _nifti_grid(path: Path) -> Geometry:
    if path.name.lower().endswith(".nii") and is_packed(path):
        raise _UnclearError("is compressed with gzip, but its name ends with .nii; name it .nii.gz, or unpack it")
    header = nifti_header(path)
    if header.dtype is None:
        raise _UnclearError(
            f"has voxels of type {header.voxel_type} (colours, complex or longer numbers), must have one number each"
        )
    _require_one_scale(header)
    size, spacing = _volume(header.size), header.spacings[:3]
    if unit := _NIFTI_UNITS.get(header.units & 7):
        raise _UnclearError(
            f"states its lengths in {unit} (xyzt_units {header.units & 7}) and the spacing {_by(spacing)}; export it "
            f"again in mm (xyzt_units {MILLIMETRES})"
        )
    _require_lengths(spacing)
    if header.qform is None and header.sform is None:
        raise _UnclearError(f"does not say which way its axes run (qform_code and sform_code are 0): {_UNORIENTED}")
    grids = []
    if header.sform is not None:
        rows = np.reshape(header.sform, (3, 4)) * [[-1], [-1], [1]]  # NIfTI's x and y run against LPS
        lengths = np.linalg.norm(rows[:, :3], axis=0)
        if not np.allclose(lengths, spacing, rtol=0.0, atol=GEOMETRY_TOLERANCE):
            raise _UnclearError(
                f"states two spacings, {_by(spacing)} (pixdim) and {_by(lengths)} mm (sform); export it again with one"
            )
        grids.append(_grid(size, spacing, rows[:, 3], rows[:, :3] / lengths))
    if header.qform is not None:
        axes = np.reshape(quaternion_axes(header.qform[:3], header.handedness), (3, 3)) * [[-1], [-1], [1]]
        grids.append(_grid(size, spacing, np.array(header.qform[3:]) * (-1, -1, 1), axes))
    if difference := geometry_difference(grids[-1], grids[0]):
        raise _UnclearError(
            f"its qform and sform disagree, {difference} (qform against sform, LPS): which one holds nobody can tell; "
            "export it again, or keep the right one alone (code 0 for the other), in the CT and in its mask"
        )
    return grids[0]


def _require_one_scale(header: NiftiHeader) -> None:
    """Refuse a slope or an intercept that some programs apply and others do not."""
    slope, intercept = header.slope, header.intercept
    if not header.is_scaled and isfinite(intercept) and intercept != 0:
        raise _UnclearError(
            f"states scl_slope {slope:g} (not scaled) and scl_inter {intercept:g}: some programs add that to every "
            f"value, others do not; export it again, with scl_slope 1 if {intercept:g} is to be added, else scl_inter 0"
        )
    if header.is_scaled and not isfinite(intercept):
        raise _UnclearError(f"states scl_slope {slope:g} and scl_inter {intercept:g}; export it again with numbers")


def _nrrd_grid(path: Path) -> Geometry:
    fields: dict[str, str] = {}
    for line in takewhile(bool, _header_lines(path)):
        if found := _NRRD_FIELD.fullmatch(line):
            fields.setdefault(found[1].lower().replace(" ", ""), found[2])
    size = [int(length) for length in fields["sizes"].split()]
    if len(size) < 3:
        _volume(size)
    if "spacedirections" not in fields:
        spacings = "neither spacings nor"
        if "spacings" in fields:
            spacings = f"spacings ({_by(_numbers(fields['spacings']))}) but no"
        raise _UnclearError(f"has {spacings} 'space directions': {_UNORIENTED}")
    vectors = [_numbers(vector.strip("()")) for vector in _NRRD_VECTOR.findall(fields["spacedirections"].lower())]
    values = prod(length for length, vector in zip(size, vectors, strict=True) if not vector)  # along "none"
    if values != 1:
        raise _UnclearError(f"has {values} values a voxel, must have one")
    along = [axis for axis, vector in enumerate(vectors) if vector]
    size = _volume([size[axis] for axis in along])
    space = fields.get("space", "").lower()
    if space not in _NRRD_SPACES:
        found_space = _shown(fields["space"]) if space else "not stated"
        raise _UnclearError(
            f"its 'space' is {found_space}, must be left-posterior-superior, right-anterior-superior or "
            f"left-anterior-superior: {_UNORIENTED}"
        )
    for unit in re.findall(r'"([^"]*)"', fields.get("spaceunits", ""))[:3]:
        _require_millimetres(unit, "space units")
    rows = np.array([vectors[axis][:3] for axis in along[:3]], float)  # of the axes, in the file's space
    if "spaceorigin" not in fields:
        raise _UnclearError("has no 'space origin': it may lie anywhere; export it again with its position")
    origin = _numbers(fields["spaceorigin"].strip("() "))[:3]
    signs = _NRRD_SPACES[space]
    lengths = np.linalg.norm(rows, axis=1)
    _require_lengths(lengths)
    return _grid(size, lengths, np.array(origin) * signs, (rows / lengths[:, None] * signs).T)


def _metaimage_grid(path: Path) -> Geometry:
    fields: dict[str, str] = {}
    for line in _header_lines(path):
        if found := _META_FIELD.fullmatch(line):
            fields[found[1]] = found[2]
            if found[1] == "ElementDataFile":
                break
    size = _volume([int(length) for length in fields["DimSize"].split()])
    count = len(fields["DimSize"].split())
    _require_millimetres(fields.get("DistanceUnits", ""), "DistanceUnits")
    for name, neutral in (("ElementToIntensityFunctionSlope", 1.0), ("ElementToIntensityFunctionOffset", 0.0)):
        if name in fields and _numbers(fields[name]) != [neutral]:
            raise _UnclearError(
                f"has {name} {fields[name].strip()}, which some programs apply; export it again with the values applied"
            )
    if "ElementSpacing" not in fields:
        raise _UnclearError("has no ElementSpacing: the size of its voxels is unknown; export it again with it")
    spacing = _numbers(fields["ElementSpacing"])[:3]
    _require_lengths(spacing)
    axes = _one_of(fields, _META_AXES, _UNORIENTED)
    origin = _one_of(fields, _META_ORIGINS, "it may lie anywhere; export it again with its position")
    rows = np.reshape(axes, (count, count))[:3, :3]
    lengths = np.linalg.norm(rows, axis=1)
    if not np.allclose(lengths, 1.0, rtol=0.0, atol=GEOMETRY_TOLERANCE):
        raise _UnclearError(f"has axes of lengths {_by(lengths)} (TransformMatrix), must be 1; export it again")
    grid = _grid(size, spacing, origin[:3], (rows / lengths[:, None]).T)
    _require_anatomy(fields.get("AnatomicalOrientation", _ANATOMY_OF_ALL).upper(), axis_code(grid))
    return grid


def _require_anatomy(stated: str, code: str) -> None:
    """Refuse a MetaImage's name of its axes that its matrix contradicts.

    ITK names axes by where they come from, others by where they lead to; and many write RAI whatever the matrix is.
    """
    is_code = sorted(stated.translate(_TO_LPS)) == ["L", "P", "S"]
    if is_code and stated not in (code, code.translate(_OPPOSITE), _ANATOMY_OF_ALL):
        raise _UnclearError(
            f"states the AnatomicalOrientation {stated}, and by its TransformMatrix axes that come from "
            f"{code.translate(_OPPOSITE)}: left and right may be swapped; export it again"
        )


def _one_of(fields: dict[str, str], names: Sequence[str], unless: str) -> Numbers:
    """Read what may have several names in a MetaImage header; none, or two with other numbers, is unclear."""
    found = {name: _numbers(fields[name]) for name in names if name in fields}
    if not found:
        raise _UnclearError(f"has no {names[0]}: {unless}")
    (first, numbers), *others = found.items()
    for other, others_numbers in others:
        if others_numbers != numbers:
            raise _UnclearError(
                f"states {first} {listed(numbers)} and {other} {listed(others_numbers)}; export it again with one"
            )
    return numbers


def _grid(
    size: Sequence[int], spacing: Sequence[float] | NDArray, origin: Sequence[float] | NDArray, axes: NDArray
) -> Geometry:
    """Make a grid of its axes, unit vectors as columns, and see that they are at right angles."""
    if not np.isfinite(origin).all():
        raise ValueError(origin)
    for one, other in combinations(range(3), 2):
        cosine = float(axes[:, one] @ axes[:, other])
        if not abs(cosine) <= GEOMETRY_TOLERANCE:
            angle = degrees(acos(max(-1.0, min(1.0, cosine))))
            raise _UnclearError(
                f"is sheared: its axes {'xyz'[one]} and {'xyz'[other]} meet at {angle:.2f} degrees, must be at right "
                "angles (90.00, within 0.06); export it again, or resample it onto an upright grid, the CT and its "
                "mask alike"
            )
    if np.abs(axes.T @ axes - np.eye(3)).max() > _ROUNDING:
        left, _, right = np.linalg.svd(axes)
        axes = left @ right
    size3 = tuple(int(length) for length in size)
    return Geometry(size3, tuple(map(float, spacing)), tuple(map(float, origin)), tuple(axes.ravel().tolist()))


def _volume(size: Sequence[int]) -> list[int]:
    """Leave out what is no dimension; anything but three, or several volumes, is unclear."""
    lengths = list(size)
    while len(lengths) > 3 and lengths[-1] <= 1:
        lengths.pop()
    if len(lengths) != 3:
        raise _UnclearError(f"has size ({listed(lengths)}), must be one three-dimensional volume")
    return lengths


def _require_lengths(spacing: Sequence[float]) -> None:
    if not all(0 < length < float("inf") for length in spacing):
        raise _UnclearError(f"has the spacing {_by(spacing)} mm, all must be above 0; export it again")


def _require_millimetres(unit: str, field: str) -> None:
    if unit.strip().lower() not in _MILLIMETRE_NAMES:
        raise _UnclearError(f"states its lengths in {_shown(unit)} ({field}), must be in mm; export it again in mm")


def _header_lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        while line := file.readline(_LONGEST_LINE):
            yield line.decode(errors="replace").strip()


def _numbers(text: str) -> Numbers:
    """Read numbers between spaces or commas; there are none in ``none``."""
    return [float(word) for word in text.replace(",", " ").split() if word != "none"]


def _shown(text: str) -> str:
    return repr(text) if _HARMLESS.fullmatch(text) else "a text that is not shown"


def _by(lengths: Sequence[float]) -> str:
    return listed(lengths, " x ")
