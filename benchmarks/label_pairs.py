"""Pairs of tumour-like label maps for benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk

__all__ = ["write_label_pairs"]

SHAPE = (60, 512, 512)  # (z, y, x)
SPACING = (0.7, 0.7, 5.0)  # mm, (x, y, z)
_HEIGHT_MM, _DEPTH_MM, _WIDTH_MM = (size * step for size, step in zip(SHAPE, SPACING[::-1], strict=True))

Box = tuple[slice, slice, slice]


def write_label_pairs(folder: Path, cases: int, seed: int = 711) -> Iterator[int]:
    """Write `cases` predictions and references of 512 x 512 x 60 voxels; yields the number written so far.

    A reference holds one or two bumpy ellipsoids of 2 to 12 cm; its prediction follows them with an error,
    misses one in twelve, and adds up to three small blobs and a few specks that are too small to count.
    """
    for name in ("predictions", "references"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(cases):
        generator = np.random.default_rng((seed, number))
        prediction, reference = _pair(generator)
        _write(folder / "predictions" / f"case_{number:04d}.nii.gz", prediction)
        _write(folder / "references" / f"case_{number:04d}.nii.gz", reference)
        yield number + 1


def _pair(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    prediction, reference = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    for _ in range(1 + (generator.random() < 0.1)):
        centre = generator.uniform((0.3, 0.35, 0.35), (0.7, 0.6, 0.65)) * (_HEIGHT_MM, _DEPTH_MM, _WIDTH_MM)
        radii = generator.uniform(10.0, 60.0) * generator.uniform(0.7, 1.0, size=3)
        bumps = generator.uniform(0.0, 0.15, size=3)
        _draw(reference, centre, radii, bumps)
        if generator.random() > 1 / 12:
            error = generator.normal(0.0, generator.uniform(0.02, 0.45), size=3) * radii
            _draw(prediction, centre + error, radii * generator.uniform(0.8, 1.1, size=3), bumps[::-1])
    for _ in range(generator.integers(0, 4)):
        centre = generator.uniform(0.2, 0.8, size=3) * (_HEIGHT_MM, _DEPTH_MM, _WIDTH_MM)
        _draw(prediction, centre, generator.uniform(4.0, 9.0, size=3), np.zeros(3))
    for z, y, x in generator.integers(0, SHAPE, size=(5, 3)):
        prediction[z, y, x : x + 4] = 1
    return prediction, reference


def _draw(mask: np.ndarray, centre_mm: np.ndarray, radii_mm: np.ndarray, bumps: np.ndarray) -> None:
    """Set an ellipsoid with a wavy surface; everything in (z, y, x)."""
    steps = np.array(SPACING[::-1])
    low = np.maximum(0, np.floor((centre_mm - 1.3 * radii_mm) / steps)).astype(int)
    high = np.minimum(SHAPE, np.ceil((centre_mm + 1.3 * radii_mm) / steps) + 1).astype(int)
    axes = [
        (np.arange(a, b) * step - c) / r for a, b, step, c, r in zip(low, high, steps, centre_mm, radii_mm, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    wave = bumps[0] * np.sin(5 * x) + bumps[1] * np.sin(5 * y) + bumps[2] * np.sin(5 * z)
    box: Box = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
    mask[box] |= (z**2 + y**2 + x**2 < 1 + wave).astype(np.uint8)


def _write(path: Path, mask: np.ndarray) -> None:
    image = sitk.GetImageFromArray(mask)
    image.SetSpacing(SPACING)
    sitk.WriteImage(image, str(path), useCompression=True)
