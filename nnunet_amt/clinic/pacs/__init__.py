"""To a hospital's archive and back: sending, fetching, and receiving by DICOM and DICOMweb."""
