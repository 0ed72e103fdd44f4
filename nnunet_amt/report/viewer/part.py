"""The viewer and the triage as a part of the page."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nnunet_amt.base.progress import Progress, silent
from nnunet_amt.errors import BadInputError
from nnunet_amt.evaluation.summary.triage import CANDIDATE_THRESHOLD
from nnunet_amt.pictures import shown_voxel
from nnunet_amt.report.page_parts import Picture
from nnunet_amt.report.viewer.cases import FalsePositive, Point, ViewerCase
from nnunet_amt.report.viewer.crop_data import HU_RANGE, LEAST_BUDGET, CropData, encode_crop, encode_strip
from nnunet_amt.report.viewer.dial import THRESHOLDS, DialStep
from nnunet_amt.writing.figure_style import BLUE, ORANGE

PAGE_BUDGET = 45_000_000  # characters of all cases together
WINDOWS = (("mediastinum", 40, 400), ("lung", -600, 1500), ("wide", -200, 1600))  # level and width in HU

# NiiVue, the library that draws the planes, is not part of this repository: ``make viewer`` puts it beside
NIIVUE_VERSION = "0.69.0"
NIIVUE_SHA256 = "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"  # of dist/niivue.umd.js
NIIVUE_FILE = Path(__file__).parent / "vendor" / "niivue.umd.js"

_ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = ("decode", "contours", "overlay", "planes", "dial", "triage_csv", "triage_store", "triage", "viewer")
_STRIPS_SHARE = 0.25, 0.4  # of a case's budget: for the still picture of the case; for those of its findings too
_CASE_OVERHEAD, _FINDING_OVERHEAD = 1_200, 1_300  # characters in lists and tables and around pictures and blocks
_MOST_JOBS = 4
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataBlock:
    """Text for ``<script type="media_type" id="id">``: data, which no browser runs; it holds no ``<``."""

    id: str
    media_type: str
    text: str


@dataclass(frozen=True)
class ViewerPart:
    """What the page takes in.

    Attributes
    ----------
    html
        Content of a section whose heading is of the second level; escaped.
    styles
        Text of a style element.
    scripts
        Texts of script elements, to stand in this order behind `html` and `data`.
    data
        Blocks that the scripts read.
    csp
        Directives of the page's Content-Security-Policy, and the sources that they need besides the hashes of
        `styles` and `scripts`.
    """

    html: str
    styles: str
    scripts: tuple[str, ...]
    data: tuple[DataBlock, ...]
    csp: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class _Encoded:
    """A case as it stands in the page."""

    case: ViewerCase
    data: CropData
    strip: Picture | None
    focus: Point
    false_positives: tuple[FalsePositive, ...]
    finding_strips: tuple[Picture | None, ...]
    has_ct: bool
    coarser_image: bool
    coarser_masks: bool
    dial: tuple[DialStep, ...] = ()


def viewer_part(
    cases: Sequence[ViewerCase],
    *,
    references: bool = True,
    order: str = ", lowest Dice first",
    triage_commands: Sequence[str] = (),
    budget: int = PAGE_BUDGET,
    jobs: int | None = None,
    progress: Progress = silent,
) -> ViewerPart:
    """Make the viewer of all cases, in their order, in no more than `budget` characters beside scripts and controls.

    Without NiiVue (see ``make viewer``) the page shows still pictures, as it does in a browser without WebGL.

    Parameters
    ----------
    references
        Whether the cases have any, and so false positives to be asked about.
    order
        In which the cases stand, behind "1 of 8".
    triage_commands
        What counts the reader's decisions, to be typed in the study's folder where ``decisions.csv`` lies.
    budget
        Characters; each case has an equal share. It is exceeded only where a case has so many findings that their
        lines in the table take more than its share: some 200 of them among 164 cases.
    jobs
        Cases that are read and packed at the same time; None for as many as there are cores, four at most.

    Raises
    ------
    BadInputError
        What the loading of a case raises.
    ValueError
        If there is no case, or so many that the budget gives none of them room.
    """
    if not cases:
        raise ValueError("a viewer needs at least one case")
    library = niivue_script()
    if library is None:
        _logger.warning("NiiVue is not installed: the page shows still pictures; make viewer fetches it")
    encoded = list(_encode_all(cases, budget // len(cases) - _CASE_OVERHEAD, progress, jobs))
    found = _candidates(encoded)
    scripts = [*([] if library is None else [library]), *(_asset(f"{name}.js") for name in _SCRIPTS)]
    return ViewerPart(
        html=_html(encoded, found, triage_commands, references=references),
        styles=_asset("viewer.css"),
        # what would end a script element, or begin a comment in it, is broken up; in JavaScript it stays the same
        scripts=tuple(script.replace("</script", "<\\/script").replace("<!--", "<\\!--") for script in scripts),
        data=tuple(_data_blocks(encoded, found, order)),
        csp={"img-src": ("data:",)},
    )


def view_link(case_id: str, at: Point | None = None) -> str:
    """Give the link that shows a case in the viewer of its page, where its tumour is largest or at a point."""
    place = "" if at is None else f"@{','.join(f'{share:.4f}' for share in at)}"
    return f"#view-{quote(case_id, safe='')}{place}"


def niivue_script(path: Path = NIIVUE_FILE) -> str | None:
    """Read NiiVue, under its licence, which every copy must carry; None where it was not fetched.

    Raises
    ------
    BadInputError
        If the file is another than the one that the page was tried with.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    if sha256(content).hexdigest() != NIIVUE_SHA256:
        raise BadInputError(f"{path}: is not NiiVue {NIIVUE_VERSION}, or damaged; remove it and run make viewer again")
    licence = _asset("niivue_licence.txt").strip()
    return f"/*! NiiVue {NIIVUE_VERSION}\n\n{licence}\n*/\n{content.decode('utf-8')}"


def _encode_all(cases: Sequence[ViewerCase], budget: int, progress: Progress, jobs: int | None) -> Iterator[_Encoded]:
    if budget < 2 * LEAST_BUDGET:
        raise ValueError(f"{len(cases)} cases have {budget} characters each; the least is {2 * LEAST_BUDGET}")
    executor = ThreadPoolExecutor(jobs or min(_MOST_JOBS, os.cpu_count() or 1))  # numpy and zlib release the lock
    try:
        for done, encoded in enumerate(executor.map(lambda case: _encode(case, budget), cases), start=1):
            progress(done, len(cases), "packing cases for the viewer")
            yield encoded
    finally:
        executor.shutdown(cancel_futures=True)


def _encode(case: ViewerCase, budget: int) -> _Encoded:
    loaded = case.load()
    crop, findings = loaded.crop, loaded.false_positives
    budget = max(budget - _FINDING_OVERHEAD * len(findings), 2 * LEAST_BUDGET)
    each = int(budget * _STRIPS_SHARE[bool(findings)] / (1 + len(findings)))
    places = (None, *(loaded.voxel_at(found.where) for found in findings))
    strips = [encode_strip(crop, budget=each, at=place) for place in places]
    data = encode_crop(
        crop, budget=budget - sum(len(strip.source) for strip in strips if strip is not None),
        levels=None if loaded.dial is None else loaded.dial.levels,
    )  # fmt: skip
    z, y, x = ((at + 0.5) / size for at, size in zip(shown_voxel(crop), crop.reference.shape, strict=True))
    return _Encoded(
        case=case,
        data=data,
        strip=strips[0],
        focus=(x, y, z),
        false_positives=findings,
        finding_strips=tuple(strips[1:]),
        has_ct=crop.image is not None,
        coarser_image=crop.image is not None and _is_coarser(data.image_spacing, crop.spacing),
        coarser_masks=_is_coarser(data.labels_spacing, crop.spacing),
        dial=() if loaded.dial is None else loaded.dial.steps,
    )


def _is_coarser(new: Sequence[float], old: Sequence[float]) -> bool:
    return any(after > 1.001 * before for after, before in zip(new, old, strict=True))


def _candidates(encoded: Sequence[_Encoded]) -> list[dict[str, Any]]:
    return [
        {
            "case": number,
            "case_id": one.case.case_id,
            "lesion": found.lesion,
            "voxels": found.voxels,
            "volume_cm3": found.volume_cm3,
            "diameter_mm": found.diameter_mm,
            "overlaps": found.overlaps,
            "decision": found.decision,
            "at": [round(share, 4) for share in found.where],
        }
        for number, one in enumerate(encoded)
        for found in one.false_positives
    ]


def _data_blocks(
    encoded: Sequence[_Encoded], candidates: Sequence[Mapping[str, Any]], order: str
) -> Iterator[DataBlock]:
    """Give the voxels of every case, then the list of cases and candidates that names their blocks."""
    cases = []
    for number, one in enumerate(encoded):
        kept = ("image", "labels", "probabilities") if one.dial else ("image", "labels")
        ids = {name: f"amt-{name}-{number}" for name in kept}
        for name, block_id in ids.items():
            yield DataBlock(block_id, "application/octet-stream;base64", getattr(one.data, name))
        focus = [round(share, 4) for share in one.focus]
        steps = [[step.threshold, step.lesions, round(step.volume_cm3, 3)] for step in one.dial]
        about = {"id": one.case.case_id, "words": one.case.words, **ids, "focus": focus}
        cases.append({**about, "dial": steps} if steps else about)
    # decisions that a browser kept belong to these very candidates
    known = [[each[name] for name in ("case_id", "lesion", "voxels")] for each in candidates]
    key = sha256(json.dumps([[case["id"] for case in cases], known]).encode()).hexdigest()[:16]
    content = json.dumps({"key": key, "cases": cases, "candidates": list(candidates), "order": order})
    yield DataBlock("amt-viewer-cases", "application/json", content.replace("<", "\\u003c"))


def _html(
    encoded: Sequence[_Encoded],
    candidates: Sequence[Mapping[str, Any]],
    triage_commands: Sequence[str],
    *,
    references: bool,
) -> str:
    strips = [strip for one in encoded for strip in one.finding_strips]
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(_ASSETS), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("viewer.html").render(
        cases=[{"case_id": one.case.case_id, "words": one.case.words, "strip": one.strip} for one in encoded],
        candidates=[{**each, "strip": strip} for each, strip in zip(candidates, strips, strict=True)],
        without_ct=sum(not one.has_ct for one in encoded),
        resampled=sum(one.coarser_image for one in encoded),
        masks_resampled=sum(one.coarser_masks for one in encoded),
        windows=WINDOWS,
        hu_low=HU_RANGE[0],
        hu_high=HU_RANGE[1],
        threshold=CANDIDATE_THRESHOLD,
        triage_commands=triage_commands,
        references=references,
        dials=any(one.dial for one in encoded),
        thresholds=THRESHOLDS,
        blue=BLUE,
        orange=ORANGE,
    )


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
