"""Who lies in the scanner, drawn within the range of adults, and how it makes an image of what is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nnunet_amt.phantom.shapes import Floats

Sex = Literal["F", "M"]
ContrastPhase = Literal["any", "native", "venous", "arterial", "delayed"]
# Strength, and HU above unenhanced blood in arteries, pulmonary arteries and veins, each lowest and highest
_Ranges = tuple[float, float]
_PHASES: dict[str, tuple[_Ranges, _Ranges, _Ranges, _Ranges]] = {
    "native": ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)),
    "venous": ((0.45, 1.0), (60.0, 180.0), (60.0, 180.0), (60.0, 180.0)),
    "arterial": ((0.35, 0.6), (210.0, 320.0), (130.0, 260.0), (20.0, 330.0)),
    "delayed": ((0.4, 0.6), (45.0, 70.0), (45.0, 70.0), (50.0, 75.0)),
}


@dataclass(frozen=True)
class Contrast:
    """HU of what takes up contrast medium."""

    strength: float  # 0 for a native scan, 1 for a strong bolus
    arteries: float  # blood in the aorta and left heart
    pulmonary: float  # blood in the pulmonary arteries and right heart
    veins: float
    myocardium: float
    muscle: float
    liver: float
    spleen: float
    thyroid: float


@dataclass(frozen=True)
class Patient:
    """One body; all lengths below are multiples of, or additions to, the standard thorax."""

    age: int  # years
    sex: Sex
    scale: tuple[float, float, float]  # (x, y, z) size of the thorax against the standard one
    fat: float  # thickness of the subcutaneous fat in mm, at the side
    heart: float  # size of the heart against the standard one
    muscle: float  # thickness of the muscles against the standard ones
    diaphragm: float  # height of the diaphragm above the standard one in mm
    contrast: Contrast  # HU of blood and tissue


def draw_patient(rng: np.random.Generator, age: int, sex: Sex, phase: ContrastPhase = "any") -> Patient:
    """Draw a body for a person of this age (years) and sex."""
    stature = rng.normal(1.0 if sex == "M" else 0.92, 0.035)
    fat = float(np.clip(rng.gamma(6.0, 2.0 if sex == "M" else 2.5), 5.0, 28.0))
    broad = float(np.clip(rng.normal(stature, 0.03), 0.84, 1.1))
    deep = float(np.clip(rng.normal(stature + 0.001 * (age - 55), 0.04), 0.82, 1.12))
    tall = float(np.clip(rng.normal(stature, 0.02), 0.88, 1.06))
    return Patient(
        age=age,
        sex=sex,
        scale=(broad, deep, tall),
        fat=fat,
        heart=float(np.clip(rng.normal(0.97 + 0.0015 * (age - 55), 0.06), 0.84, 1.12)),
        muscle=float(np.clip(rng.normal(1.05 if sex == "M" else 0.85, 0.12) - 0.003 * (age - 55), 0.6, 1.35)),
        diaphragm=float(np.clip(rng.normal(1.0, 5.0), -6.0, 12.0)),
        contrast=_draw_contrast(rng, phase),
    )


def _draw_contrast(rng: np.random.Generator, phase: ContrastPhase) -> Contrast:
    if phase == "any":
        strength = gain = 0.0 if rng.random() < 0.3 else float(rng.uniform(0.45, 1.0))
        arterial, pulmonary, venous = (120.0, 190.0), (100.0, 190.0), (90.0, 210.0)
    else:
        strengths, arterial, pulmonary, venous = _PHASES[phase]
        strength, gain = float(rng.uniform(*strengths)), 1.0
    blood = float(rng.uniform(36.0, 48.0))
    arteries = blood + gain * rng.uniform(*arterial)
    return Contrast(
        strength=strength,
        arteries=float(arteries),
        pulmonary=float(blood + gain * rng.uniform(*pulmonary)),
        veins=float(blood + gain * rng.uniform(*venous)),
        myocardium=float(blood + 5.0 + strength * rng.uniform(45.0, 65.0)),
        muscle=float(rng.uniform(48.0, 58.0) + 8.0 * strength),
        liver=float(rng.uniform(48.0, 64.0) + strength * rng.uniform(30.0, 55.0)),
        spleen=float(rng.uniform(44.0, 52.0) + strength * rng.uniform(50.0, 75.0)),
        thyroid=float(rng.uniform(90.0, 115.0) + 40.0 * strength),
    )


AIR_FLOOR = -1024

TableShape = Literal["curved", "flat"]
Kernel = Literal["standard", "soft", "sharp"]
# Factors of blur and noise, and what is added to the edge enhancement
_KERNELS: dict[Kernel, tuple[float, float, float]] = {
    "standard": (1.0, 1.0, 0.0),
    "soft": (1.5, 0.7, -0.1),
    "sharp": (0.7, 1.5, 0.2),
}


@dataclass(frozen=True)
class Vendor:
    """What the scanners of one manufacturer have in common."""

    blur: tuple[float, float]  # standard deviations in mm of the point spread of the usual kernel, lowest and highest
    edge: float  # edge enhancement of the kernel, 0 for none
    noise: tuple[float, float]  # standard deviation in HU of a 5 mm slice at 0.7 mm pixels, lowest and highest
    bias: float  # HU added to everything
    table: TableShape  # shape of the patient's table
    circular: bool  # whether pixels outside the circle of reconstruction are blanked


VENDORS: dict[str, Vendor] = {
    "Canon Medical Systems": Vendor((0.55, 0.75), 0.15, (9.0, 14.0), 1.0, "curved", False),
    "GE Healthcare": Vendor((0.60, 0.80), 0.05, (10.0, 16.0), -2.0, "curved", True),
    "Siemens": Vendor((0.50, 0.70), 0.30, (8.0, 13.0), 0.0, "flat", False),
    "Fujifilm": Vendor((0.65, 0.85), 0.10, (12.0, 18.0), 3.0, "flat", True),
    "Philips Healthcare": Vendor((0.55, 0.70), 0.45, (9.0, 14.0), 2.0, "curved", True),
}


@dataclass(frozen=True)
class Scanner:
    """One scan protocol."""

    manufacturer: str  # one of paper.MANUFACTURERS
    # these and table and circular: see Vendor; one value each
    blur: float
    edge: float
    noise: float
    bias: float
    field_of_view: float  # width of the image in mm
    off_centre: tuple[float, float]  # (x, y) in mm by which the patient lies beside the middle of the image
    slice_thickness: float  # thickness and distance of the slices in mm
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
    """Give the image (z, y, x), not below -1024 HU, that the scanner makes of true HU averaged over each voxel.

    `heights` (z,) are those of the slices above the carina in mm: between the shoulders the image is noisier and
    streaked. `pixel` is the in-plane spacing in mm.
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
