"""What tumours are made of, and the looks that lesions of one kind are drawn from: ranges of densities and outlines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Range = tuple[float, float]  # lowest and highest
Lobes = tuple[tuple[int, int], float, float]  # lowest and highest number, height as a share of the radius, sharpness


@dataclass(frozen=True)
class Tissue:
    """What a tumour is made of."""

    hu: float  # HU of the solid part; of what is inside of a wall
    mottle: float  # amplitude in HU of slow irregularities
    necrosis: float = 0.0  # share, 0 to 1, of the inside that is necrotic or cystic, near 18 HU
    fat: float = 0.0  # share, 0 to 1, that is fat, on one side; roughly: of 0.35 a fourth, of 0.65 three fourths
    calcified: bool = False  # whether there is a coarse calcification
    wall: float = 0.0  # HU by which a wall of 2 mm is above the fluid or fat inside; 0 if there is none


_ENHANCEMENT_HU = {"minimal": 10.0, "moderate": 30.0, "severe": 55.0}  # above tissue without contrast medium


@dataclass(frozen=True)
class Appearance:
    """What a reader is to find of a tumour, in the words of `nnunet_amt.cohort.thymic_findings.FINDINGS`."""

    margin: str = "clear"
    enhancement: str = "homogeneous"
    enhancement_degree: str = "moderate"
    contour: str = "smooth"
    calcification: str = "no"

    def draw_tissue(self, rng: np.random.Generator) -> Tissue:
        """Draw the densities that readers are to find; what is heterogeneous has necrosis and coarse mottle."""
        hu = rng.uniform(38.0, 46.0) + _ENHANCEMENT_HU[self.enhancement_degree]
        mottle, necrosis = rng.uniform(20.0, 30.0), rng.uniform(0.15, 0.35)
        calcified = self.calcification == "yes"
        if self.enhancement == "heterogeneous":
            return Tissue(hu, mottle, necrosis=necrosis, calcified=calcified)
        return Tissue(hu, 2.5, calcified=calcified)


@dataclass(frozen=True)
class Look:
    """What lesions of one kind look like: each draws within these ranges."""

    hu: Range  # without contrast medium
    uptake: Range  # HU that a strong bolus of contrast medium adds
    lobes: Lobes
    mottle: Range = (3.0, 6.0)  # as of `Tissue`, as are necrosis, fat and wall
    necrosis: Range = (0.0, 0.0)
    fat: Range = (0.0, 0.0)
    calcified: float = 0.0  # share of lesions, 0 to 1, with a calcification
    unclear: float = 0.0  # share of lesions, 0 to 1, whose margin fades
    wall: float = 0.0
    pliable: float = 1.0  # as of `Tumour`

    def draw_tissue(self, strength: float, rng: np.random.Generator) -> Tissue:
        """Draw what one lesion is made of; `strength` is that of the contrast medium, 0 to 1."""
        return Tissue(
            hu=float(rng.uniform(*self.hu) + strength * rng.uniform(*self.uptake)),
            mottle=float(rng.uniform(*self.mottle)),
            necrosis=float(rng.uniform(*self.necrosis)),
            fat=float(rng.uniform(*self.fat)),
            calcified=bool(rng.random() < self.calcified),
            wall=self.wall,
        )
