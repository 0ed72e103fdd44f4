"""Findings that are no tumour and look a little like one: they change the image and never the mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from nnunet_amt.errors import BadInputError
from nnunet_amt.phantom.mediastinum import Findings, Push, VesselPath
from nnunet_amt.phantom.shapes import Block, Capsule, Ellipsoid, Point, Shape, tube

Distractor = Literal["pericardial effusion", "ectatic aorta", "enlarged nodes", "thymic remnant", "pacemaker"]
DISTRACTORS: tuple[Distractor, ...] = get_args(Distractor)

# Share of the ectasia that each point of the aorta takes, root to diaphragm: most where it ascends
_ECTASIA = (0.35, 0.8, 1.0, 1.0, 0.85, 0.6, 0.45, 0.35, 0.25, 0.15, 0.1, 0.0, 0.0)
# Stations behind the great vessels, none prevascular: paratracheal, aortopulmonary, subcarinal, hilar
_STATIONS: tuple[Point, ...] = (
    (-17, -13, 22), (-15, -14, 42), (30, -13, 1), (1, 11, -29), (-43, 3, -24), (45, 4, -24),
)  # fmt: skip


@dataclass(frozen=True)
class DrawnFindings(Findings):
    """What the patient has besides tumours; nothing by default.

    Attributes
    ----------
    effusion
        Thickness of a pericardial effusion in mm, 0 for none.
    effusion_hu
        Its HU.
    aorta
        Widening of the ascending aorta, 1 for none.
    nodes
        (station, radius in mm) of enlarged lymph nodes.
    remnant
        Size of a thymic remnant against that of a young adult, 0 for none.
    remnant_hu
        Its HU.
    pacemaker
        Whether there is one: a can in front of the left upper ribs, and its lead into the right heart.
    """

    effusion: float = 0.0
    effusion_hu: float = 10.0
    aorta: float = 1.0
    nodes: tuple[tuple[int, float], ...] = ()
    remnant: float = 0.0
    remnant_hu: float = 40.0
    pacemaker: bool = False

    def widened_aorta(self, path: VesselPath) -> VesselPath:
        """Widen the ascending aorta of a `path` of (x, y, z, radius); it grows forwards and to the right."""
        if self.aorta == 1.0:
            return path
        widened = []
        for (x, y, z, radius), share in zip(path, _ECTASIA, strict=True):
            more = radius * (self.aorta - 1.0) * share
            widened.append((x - 0.45 * more, y - 0.1 * more, z + 0.35 * more * (z > 20), radius + more))
        return widened

    def beside_aorta(self, aorta: Sequence[Shape], push: Push) -> Push:
        """Give a `push` that also moves points out of the `aorta`, at their own height."""
        if self.aorta == 1.0:
            return push
        capsules = [shape for shape in aorta if isinstance(shape, Capsule)]

        def move(point: Point, radius: float) -> Point:
            place = np.array(push(point, radius))
            for capsule in capsules:
                start, along = np.array(capsule.start), np.array(capsule.end) - np.array(capsule.start)
                t = float(np.clip((place - start) @ along / max(float(along @ along), 1e-6), 0.0, 1.0))
                wall = radius + 1.5 + capsule.start_radius + t * (capsule.end_radius - capsule.start_radius)
                away = place - start - t * along
                level, height = float(np.hypot(away[0], away[1])), abs(float(away[2]))
                if height < wall and (overlap := float(np.sqrt(wall**2 - height**2)) - level) > 0:
                    away[1] *= 0.5  # rather to the side than into the airways behind
                    place[:2] += overlap * away[:2] / max(float(np.hypot(away[0], away[1])), 1e-6)
            return float(place[0]), float(place[1]), float(place[2])

        return move

    def pericardial_sac(self, heart: Sequence[Shape]) -> list[Shape]:
        """Give the outside of an effusion about the `heart`: thickest behind and below, where fluid settles."""
        thickness = self.effusion
        if thickness <= 0:
            return []
        sac: list[Shape] = []
        for part in heart:
            if isinstance(part, Ellipsoid):
                x, y, z = part.centre
                a, b, c = part.radii
                centre = (x + 0.1 * thickness, y + 0.22 * thickness, z - 0.12 * thickness)
                sac.append(
                    Ellipsoid(centre, (a + 0.85 * thickness, b + 0.8 * thickness, c + 0.8 * thickness), part.direction)
                )
        # the recess about the roots of the great vessels
        recess = 0.45 * thickness
        sac.append(Ellipsoid((3.0, -43.0, -38.0), (27.0 + recess, 16.0 + recess, 22.0 + recess)))
        return sac

    def open_airways(self, sac: Sequence[Shape], airways: Sequence[Shape]) -> list[Shape]:
        """Leave out the parts of `airways` that the effusion has squeezed shut."""
        grown = 6.0  # mm by which the parts of the sac melt into more than their union

        def is_open(airway: Shape) -> bool:
            low, high = airway.bounds(grown)
            middle = [np.full((1, 1, 1), (a + b) / 2, np.float32) for a, b in zip(low, high, strict=True)]
            block = Block(z=middle[2], y=middle[1], x=middle[0], pixel=1.0)
            return all(part.distance(block).item() > grown for part in sac)

        return [airway for airway in airways if is_open(airway)]

    def enlarged_nodes(self, rng: np.random.Generator, push: Push) -> list[Shape]:
        """Give the enlarged nodes, each two or three that have grown together."""
        nodes: list[Shape] = []
        for station, radius in self.nodes:
            for part in range(int(rng.integers(2, 4))):
                size = radius * (1.0 if part == 0 else float(rng.uniform(0.55, 0.8)))
                away = rng.normal(0.0, 0.5 * radius, 3) * (part > 0)
                x, y, z = (np.array(_STATIONS[station]) + away).tolist()
                direction = (float(rng.normal()), float(rng.normal()), 0.2)
                nodes.append(Ellipsoid(push((x, y, z), size), (1.2 * size, 0.9 * size, 1.25 * size), direction))
        return nodes

    def thymic_remnant(self, push: Push) -> list[Shape]:
        """Give the two lobes of a thymus that age has left, an arrowhead behind the sternum."""
        size = self.remnant
        if size <= 0:
            return []
        poles = (((7.0, -59.0, 14.0), (10.0, 5.5, 22.0)), ((12.0, -62.0, -6.0), (15.0, 6.5, 24.0)))
        return [
            Ellipsoid(push((side * x, y, z), 6.0), (across * size, deep * size, tall * size), (0.8, side * 0.6, 0.0))
            for side in (-1.0, 1.0)
            for (x, y, z), (across, deep, tall) in poles
        ]

    def metal(self) -> list[Shape]:
        """Give the pacemaker's can and lead."""
        if not self.pacemaker:
            return []
        way = ((62, -69, 62, 1.3), (38, -28, 76, 1.3), (-20, -38, 56, 1.3), (-29, -27, 10, 1.3), (-24, -40, -62, 1.6),
               (4, -58, -84, 1.6))  # fmt: skip
        return [
            Ellipsoid((70.0, -70.0, 55.0), (22.0, 5.0, 18.0)),
            *tube([part[:3] for part in way], [p[3] for p in way]),
        ]


@dataclass(frozen=True)
class Distractors:
    """Which findings a patient has, for `nnunet_amt.phantom.PhantomRequest`."""

    names: tuple[Distractor, ...] = ()

    def __post_init__(self) -> None:
        if unknown := set(self.names).difference(DISTRACTORS):
            raise BadInputError(f"phantom: distractor {min(unknown)!r} must be one of {', '.join(DISTRACTORS)}")

    def __call__(self, strength: float, rng: np.random.Generator) -> DrawnFindings:
        """Draw how marked each is; `strength` of the contrast medium brightens what takes it up."""
        effusion, effusion_hu = float(rng.uniform(9.0, 24.0)), float(rng.uniform(3.0, 26.0))
        aorta = float(rng.uniform(1.28, 1.55))
        stations = rng.permutation(len(_STATIONS))[: int(rng.integers(1, 5))].tolist()
        nodes = tuple((station, float(rng.uniform(8.0, 14.0))) for station in stations)
        remnant, remnant_hu = float(rng.uniform(0.8, 1.2)), float(rng.uniform(25.0, 48.0)) + 18.0 * strength
        return DrawnFindings(
            effusion=effusion if "pericardial effusion" in self.names else 0.0,
            effusion_hu=effusion_hu,
            aorta=aorta if "ectatic aorta" in self.names else 1.0,
            nodes=nodes if "enlarged nodes" in self.names else (),
            remnant=remnant if "thymic remnant" in self.names else 0.0,
            remnant_hu=remnant_hu,
            pacemaker="pacemaker" in self.names,
        )
