"""OHIF, a viewer that shares no code with ours, holds our voxels, and asks nobody but the archive beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from nnunet_amt.clinic.rtstruct import write_rtstruct
from nnunet_amt.clinic.segmentation import write_segmentation
from nnunet_amt.clinic.source_series import SourceSeries
from tests.browser.ohif_site import running_archive, served_viewer
from tests.clinic.builders import MAKER, as_hospitals_write, hard_mask, source_series, structures
from tests.clinic.test_pixel_outlines import even_odd

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.clinic

_SHAPE = (8, 40, 48)
_LABEL_MAP = """() => {
  const kept = services.segmentationService.getSegmentations().find(one => one.representationData.Labelmap);
  return kept.representationData.Labelmap.imageIds.map(id => {
    const image = cornerstone.cache.getImage(id);
    return [image.referencedImageId, Array.from(image.voxelManager.getScalarData())];
  });
}"""
_CONTOURS = """() => {
  const kept = services.segmentationService.getSegmentations().find(one => one.representationData.Contour);
  return kept.representationData.Contour.geometryIds.map(id => {
    const roi = cornerstone.cache.getGeometry(id).data;
    return [kept.segments[roi.segmentIndex].label, roi.contours.map(contour => contour.points)];
  });
}"""


@dataclass(frozen=True)
class Seen:
    """What OHIF made of a study: its label map and contours, whom it asked, and what it drew."""

    label_map: list[list[Any]]
    contours: list[list[Any]]
    requests: list[str]
    drawn: Path


def lesions() -> dict[str, NDArray[np.bool_]]:
    """A mask that is hard to write in the image's corner, and a block with a hole beside it."""
    first, second = np.zeros((2, *_SHAPE), dtype=bool)
    first[:6, :10, :12] = hard_mask()
    second[2:6, 15:35, 15:40] = True
    second[3:5, 20:25, 20:30] = False
    return {"AMT 1": second, "AMT 2": first}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> SourceSeries:
    return source_series(tmp_path_factory.mktemp("study") / "ct", _SHAPE, change=as_hospitals_write)


@pytest.fixture(scope="module")
def seen(browser: Browser, source: SourceSeries, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("ohif")
    write_segmentation(folder / "seg.dcm", source, structures(lesions()), maker=MAKER)
    write_rtstruct(folder / "rtstruct.dcm", source, structures(lesions()), maker=MAKER)
    with running_archive(folder / "orthanc") as archive, served_viewer(archive) as address:
        ct = [source.series.folder.path / header.member for header in source.series.slices]
        archive.store([*ct, folder / "seg.dcm", folder / "rtstruct.dcm"])
        context = browser.new_context(viewport={"width": 1366, "height": 768})
        requests: list[str] = []
        context.on("request", lambda request: requests.append(request.url))
        page = context.new_page()
        try:
            label_map, contours = _load(page, f"{address}/viewer?StudyInstanceUIDs={source.first.StudyInstanceUID}")
            page.screenshot(path=folder / "ohif.png")
        finally:
            context.close()
    return Seen(label_map, contours, requests, folder / "ohif.png")


def _load(page: Page, address: str) -> tuple[list[list[Any]], list[list[Any]]]:
    """Open a study and both objects in it, as a reader does by clicks; give the label map and the contours."""
    page.goto(address, wait_until="load")
    page.get_by_text("Skip all").click(timeout=90_000)
    for number, name in enumerate(("AMT segments (research only)", "AMT contours (research only)"), start=1):
        page.get_by_text(name).first.dblclick()
        page.wait_for_function(
            "number => services.segmentationService.getSegmentations().length === number", arg=number, timeout=60_000
        )
    page.wait_for_timeout(2000)  # until it is drawn
    return page.evaluate(_LABEL_MAP), page.evaluate(_CONTOURS)


def test_asks_nobody_outside(seen: Seen) -> None:
    """No font, no map of the world, no statistics: a hospital's viewer may stand without any way out."""
    hosts = {urlsplit(url).hostname for url in seen.requests if not url.startswith(("data:", "blob:"))}
    assert hosts == {"127.0.0.1"}
    assert any("/dicom-web/studies/" in url for url in seen.requests)


def test_its_label_map_is_our_mask(seen: Seen, source: SourceSeries) -> None:
    """Voxel for voxel, on the slice that each of its images names: segment 1 and 2 are the lesions in their order."""
    expected = np.zeros(_SHAPE, np.uint8)
    for number, mask in enumerate(lesions().values(), start=1):
        expected[mask] = number
    places = {str(header.SOPInstanceUID): index for index, header in enumerate(source.slices)}
    found = np.full(_SHAPE, 255, np.uint8)
    for image_id, values in seen.label_map:
        found[places[image_id.split("/instances/")[1].split("/")[0]]] = np.reshape(values, _SHAPE[1:])
    assert np.count_nonzero(found != expected) == 0


def test_its_contours_enclose_our_mask(seen: Seen, source: SourceSeries) -> None:
    """Filled by the rule of even and odd, which looks at nothing but the points that it holds."""
    grid = source.geometry
    contours = dict(seen.contours)
    assert list(contours) == list(lesions())
    for name, mask in lesions().items():
        outlines: dict[int, list[NDArray[np.float64]]] = {}
        for points in contours[name]:
            index = np.round((np.array(points) - grid.origin) @ grid.axes / grid.spacing, 3)  # (column, row, slice)
            outlines.setdefault(int(index[0, 2]), []).append(index[:, :2])
        for number, on_slice in enumerate(mask):
            assert (even_odd(outlines.get(number, []), on_slice.shape) == on_slice).all()


def test_draws_both(seen: Seen) -> None:
    """A CT is grey: what has colour in the middle of the window is our lesion."""
    picture = np.asarray(Image.open(seen.drawn).convert("RGB"), dtype=int)[100:700, 320:1300]
    assert np.count_nonzero(picture[..., 0] - picture[..., 2] > 30) > 10_000
