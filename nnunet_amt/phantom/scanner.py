"""How a scanner makes an image of what is there: field of view, slices, kernel, noise, vendor by vendor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.phantom.chest_wall import TableShape
from nnunet_amt.phantom.shapes import Floats

AIR_FLOOR = -1024

Kernel = Literal["standard", "soft", "sharp"]
# Factors of blur and noise, and what is added to the edge enhancement
_KERNELS: dict[Kernel, tuple[float, float, float]] = {
    "standard": (1.0, 1.0, 0.0),
    "soft": (1.5, 0.7, -0.1),
    "sharp": (0.7, 1.5, 0.2),
}


@dataclass(frozen=True)
class Vendor:
    """What the scanners of one manufacturer have in common.

    Attributes
    ----------
    blur
        Standard deviations in mm of the point spread of the usual kernel, lowest and highest.
    edge
        Edge enhancement of the kernel, 0 for none.
    noise
        Standard deviation in HU of a 5 mm slice at 0.7 mm pixels, lowest and highest.
    bias
        HU added to everything.
    table
        Shape of the patient's table.
    circular
        Whether pixels outside the circle of reconstruction are blanked.
    """

    blur: tuple[float, float]
    edge: float
    noise: tuple[float, float]
    bias: float
    table: TableShape
    circular: bool


VENDORS: dict[str, Vendor] = {
    "Canon Medical Systems": Vendor((0.55, 0.75), 0.15, (9.0, 14.0), 1.0, "curved", False),
    "GE Healthcare": Vendor((0.60, 0.80), 0.05, (10.0, 16.0), -2.0, "curved", True),
    "Siemens": Vendor((0.50, 0.70), 0.30, (8.0, 13.0), 0.0, "flat", False),
    "Fujifilm": Vendor((0.65, 0.85), 0.10, (12.0, 18.0), 3.0, "flat", True),
    "Philips Healthcare": Vendor((0.55, 0.70), 0.45, (9.0, 14.0), 2.0, "curved", True),
}


@dataclass(frozen=True)
class Scanner:
    """One scan protocol.

    Attributes
    ----------
    manufacturer
        One of paper.MANUFACTURERS.
    blur, edge, noise, bias
        See Vendor; one value each.
    field_of_view
        Width of the image in mm.
    off_centre
        (x, y) in mm by which the patient lies beside the middle of the image.
    slice_thickness
        Thickness and distance of the slices in mm.
    table, circular
        See Vendor.
    """

    manufacturer: str
    blur: float
    edge: float
    noise: float
    bias: float
    field_of_view: float
    off_centre: tuple[float, float]
    slice_thickness: float
    table: TableShape
    circular: bool


def draw_scanner(
    rng: np.random.Generator,
    manufacturer: str,
    slice_thickness: float,
    body_width: float,
    kernel: Kernel = "standard",
) -> Scanner:
    """Draw a protocol of a manufacturer for a body of this width (mm); thick slices are less noisy."""
    vendor = VENDORS[manufacturer]
    blur, noise, edge = _KERNELS[kernel]
    field_of_view = float(np.clip(body_width * rng.uniform(1.03, 1.14), 320.0, 450.0))
    return Scanner(
        manufacturer=manufacturer,
        blur=blur * float(rng.uniform(*vendor.blur)),
        edge=max(0.0, vendor.edge + edge + float(rng.normal(0.0, 0.05))),
        noise=noise * float(rng.uniform(*vendor.noise)) * (5.0 / slice_thickness) ** 0.5 * (body_width / 350.0) ** 2,
        bias=vendor.bias + float(rng.normal(0.0, 1.5)),
        field_of_view=round(field_of_view),
        off_centre=(float(np.clip(rng.normal(0.0, 4.0), -9.0, 9.0)), float(np.clip(rng.normal(0.0, 6.0), -14.0, 14.0))),
        slice_thickness=slice_thickness,
        table=vendor.table,
        circular=vendor.circular,
    )


def scan(
    hu: Floats, heights: NDArray[np.float64], scanner: Scanner, pixel: float, rng: np.random.Generator
) -> NDArray[np.int16]:
    """Give the image that the scanner makes of true HU.

    Parameters
    ----------
    hu
        (z, y, x) true HU, averaged over each voxel.
    heights
        (z,) height of every slice above the carina in mm: between the shoulders the image is noisier and streaked.
    scanner
        The protocol.
    pixel
        In-plane spacing in mm.
    rng
        Where the noise comes from.

    Returns
    -------
    ndarray
        (z, y, x) int16 HU, not below -1024.
    """
    size = hu.shape[1]
    kernel, texture, streaks = _filters(size, pixel, scanner)
    middle = (np.arange(size) - (size - 1) / 2) / (size / 2)
    radius = np.hypot(middle[:, None], middle[None, :])
    deep: Floats = (0.7 + 0.6 * np.exp(-((radius / 0.45) ** 2))).astype(np.float32)
    # block averages of ramp-filtered noise fall faster than those of white noise
    level = scanner.noise * min(1.0, (0.7 / pixel) ** 0.6)
    image = np.empty(hu.shape, np.int16)
    for index, plane in enumerate(hu):
        shoulder = float(np.clip((heights[index] - 45.0) / 40.0, 0.0, 1.0))
        white = np.fft.rfft2(rng.standard_normal(plane.shape, dtype=np.float32))
        noise = np.fft.irfft2(white * (texture + shoulder * 0.9 * streaks), plane.shape) * deep
        sharp = np.fft.irfft2(np.fft.rfft2(plane) * kernel, plane.shape)
        slice_hu = sharp + scanner.bias + level * (1.0 + 0.5 * shoulder) * noise
        if scanner.circular:
            slice_hu[radius > 1.0] = AIR_FLOOR
        image[index] = np.clip(np.rint(slice_hu), AIR_FLOOR, 3071)
    return image


def _filters(size: int, pixel: float, scanner: Scanner) -> tuple[Floats, Floats, Floats]:
    """Give the transfer function of the kernel, of the noise, and of the streaks, each (y, x) of a half spectrum."""
    fy, fx = np.fft.fftfreq(size, pixel)[:, None], np.fft.rfftfreq(size, pixel)[None, :]
    squared = fx**2 + fy**2  # (cycles/mm)2

    def gauss(sigma: float) -> NDArray[np.float64]:
        result: NDArray[np.float64] = np.exp(-2.0 * (np.pi * sigma) ** 2 * squared)
        return result

    sigma = float(np.hypot(scanner.blur, 0.3 * pixel))
    kernel = gauss(sigma) * (1.0 + scanner.edge * 2.0 * (1.0 - gauss(2.0 * sigma)))
    texture = np.sqrt(squared) ** 0.8 * kernel
    streaks = kernel * np.exp(-2.0 * (np.pi * 9.0 * fx) ** 2) * np.abs(fy) ** 0.5
    return kernel.astype(np.float32), _unit(texture, size), _unit(streaks, size)


def _unit(transfer: NDArray[np.float64], size: int) -> Floats:
    """Scale a transfer function so that white noise of unit variance keeps it."""
    weights = np.full(transfer.shape[1], 2.0)
    weights[0] = 1.0
    if size % 2 == 0:
        weights[-1] = 1.0
    power = (transfer**2 * weights).sum() / size**2
    return (transfer / np.sqrt(power)).astype(np.float32)
