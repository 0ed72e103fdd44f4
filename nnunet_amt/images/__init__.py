"""Every reader and writer of image files, the grid of a voxel, integrity.

CTs are read by `image_file` and `dicom.series`, masks by `mask_file` and `dicom.mask`; `nifti` writes.
"""
