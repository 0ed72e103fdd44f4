"""What a glance at a file tells of a mask, without its CT: that it is a CT itself, or holds several outlines."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from nnunet_amt.dataset_conversion.pairing.dicom import masks_in
from nnunet_amt.errors import AMTError
from nnunet_amt.images.dicom.files import DicomFolder, quiet_readers
from nnunet_amt.images.dicom.headers import CT_IMAGE
from nnunet_amt.images.dicom.mask import none_chosen
from nnunet_amt.images.image_file import header_reader, is_image_file_name
from nnunet_amt.images.mask_on_grid import CT_FOR_MASK, looks_like_ct

_KEPT = 8192

FileState = tuple[str, int, int]  # its path, when it was written, its size


def file_state(path: Path) -> FileState:
    """Name a file as it is now; OSError if it cannot be looked at."""
    found = path.stat()
    return str(path), found.st_mtime_ns, found.st_size


@lru_cache(maxsize=_KEPT)
def mask_problems(state: FileState) -> dict[str, str]:
    """Tell what is seen at once of a mask, by the column that is to be mended; nothing of what cannot be read.

    Of a label file one slice is read, of DICOM the headers.
    """
    path = Path(state[0])
    try:
        with quiet_readers():
            return _of_label_file(path) if is_image_file_name(path) else _of_dicom(path)
    except (AMTError, OSError, RuntimeError):
        return {}  # whoever opens the case is told


def _of_label_file(path: Path) -> dict[str, str]:
    import SimpleITK as sitk

    reader = header_reader(path)
    size = list(reader.GetSize())
    if reader.GetPixelID() == sitk.sitkUInt8 or len(size) != 3:
        return {}
    reader.SetExtractSize([*size[:2], 1])
    reader.SetExtractIndex([0, 0, size[2] // 2])
    return {"mask": CT_FOR_MASK} if looks_like_ct(sitk.GetArrayFromImage(reader.Execute())) else {}


def _of_dicom(path: Path) -> dict[str, str]:
    folder = DicomFolder(path)
    headers = folder.headers()
    masks = masks_in(folder, headers)
    if not masks:
        return {"mask": CT_FOR_MASK} if any(header.sop_class == CT_IMAGE for header in headers) else {}
    names = masks[0].names
    if len(masks) > 1 or len(names) < 2:
        return {}
    return {"roi": none_chosen(masks[0].kind, masks[0].structure, roi=None, names=names)}
