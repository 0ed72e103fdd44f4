"""Every reader and writer of image files, the grid of a voxel, integrity; each is imported when it is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnunet_amt.images.dicom.files import DicomFolder
    from nnunet_amt.images.dicom.mask import DicomMask, open_dicom_mask
    from nnunet_amt.images.dicom.series import DicomSeries, ct_series_among
    from nnunet_amt.images.foreground import Foreground, MaskBox
    from nnunet_amt.images.geometry import Geometry, geometry_difference
    from nnunet_amt.images.image_file import (
        FLOOR_HU,
        ImageFile,
        itk_warnings_off,
        open_image_file,
        read_image,
        to_hounsfield,
    )
    from nnunet_amt.images.integrity import file_damage, require_whole_file
    from nnunet_amt.images.mask_file import LabelFile, open_label_file, read_foreground, read_geometry
    from nnunet_amt.images.nifti import nifti_gz, write_nifti
    from nnunet_amt.images.resampling import ReadingOptions

__all__ = [
    "FLOOR_HU",
    "DicomFolder",
    "DicomMask",
    "DicomSeries",
    "Foreground",
    "Geometry",
    "ImageFile",
    "LabelFile",
    "MaskBox",
    "ReadingOptions",
    "ct_series_among",
    "file_damage",
    "geometry_difference",
    "itk_warnings_off",
    "nifti_gz",
    "open_dicom_mask",
    "open_image_file",
    "open_label_file",
    "read_foreground",
    "read_geometry",
    "read_image",
    "require_whole_file",
    "to_hounsfield",
    "write_nifti",
]

_NAMES_OF_MODULES = {
    "dicom.files": ("DicomFolder",),
    "dicom.mask": ("DicomMask", "open_dicom_mask"),
    "dicom.series": ("DicomSeries", "ct_series_among"),
    "foreground": ("Foreground", "MaskBox"),
    "geometry": ("Geometry", "geometry_difference"),
    "image_file": ("FLOOR_HU", "ImageFile", "itk_warnings_off", "open_image_file", "read_image", "to_hounsfield"),
    "integrity": ("file_damage", "require_whole_file"),
    "mask_file": ("LabelFile", "open_label_file", "read_foreground", "read_geometry"),
    "nifti": ("nifti_gz", "write_nifti"),
    "resampling": ("ReadingOptions",),
}


def __getattr__(name: str) -> Any:
    for module, names in _NAMES_OF_MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
