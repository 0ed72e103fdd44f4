"""What can go wrong, as exceptions that carry one line for the user and the exit code that goes with it."""

from __future__ import annotations


class AMTError(Exception):
    """Base of all errors that nnunet_amt raises on purpose; its text is one line for the user."""

    exit_code = 1


class WorkFailedError(AMTError):
    """The input was good, but the work could not be done (exit code 1)."""


class BadInputError(AMTError):
    """Something that the user gave, or the place it was to be written to, cannot be used (exit code 2)."""

    exit_code = 2


class ManifestError(BadInputError):
    """A manifest or cohort file breaks its schema."""


class SplitLeakageError(BadInputError):
    """A patient or an institution stands on both sides of a split that must keep them apart."""


class ImageReadError(BadInputError):
    """An image, mask, DICOM series or RTSTRUCT cannot be read."""


class GeometryMismatchError(BadInputError):
    """Two images that must lie on one voxel grid do not."""


class LabelValueError(BadInputError):
    """A mask holds values that it must not hold, or none that it must."""


class RoiNotFoundError(BadInputError):
    """No contour of an RTSTRUCT answers to the given name."""


class ContourError(BadInputError):
    """The contours of an RTSTRUCT contradict each other, or some are missing: what they enclose is not told."""


class UnmatchedCasesError(BadInputError):
    """Predictions and references are not of the same cases."""


class TooFewCasesError(BadInputError):
    """What is asked for takes more cases than there are."""


class MissingEnvironmentError(BadInputError):
    """A folder variable of nnU-Net is not set, or names no folder."""


class MissingExtraError(BadInputError):
    """An optional dependency is needed and not installed."""


def missing_extra(what: str, extras: str) -> MissingExtraError:
    """Say that `what` needs packages of `extras`, such as ``pacs,dicom``; the package is installed from its sources."""
    return MissingExtraError(
        f"{what}: a package for it is not installed; in the folder of nnunet_amt's sources: pip install '.[{extras}]'"
    )


class DiskFullError(WorkFailedError):
    """The disk that is written to has no room."""


class PublishedTableError(BadInputError):
    """A table of published figures cannot be read as one."""
