"""Which mask belongs to which CT by the names of files and folders alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.dataset_conversion.pairing.found import FoundCase, NotPaired
from nnunet_amt.images.image_file import IMAGE_FILE_ENDINGS

# Words of a name that say what a file is, not whose; nnU-Net's imagesTr and labelsTr, and its channel 0000, too.
_MASK_WORDS = frozenset(
    {"mask", "masks", "seg", "segs", "segmentation", "segmentations", "label", "labels", "labelstr", "labelsts"}
    | {"roi", "rois", "gtv", "annotation", "annotations", "contour", "contours", "rtstruct", "マスク", "ラベル"}
)
_IMAGE_WORDS = frozenset(
    {"ct", "cts", "image", "images", "imagestr", "imagests", "img", "imgs", "scan", "scans", "volume", "volumes"}
    | {"dicom", "dcm", "nifti", "0000", "画像"}
)
_BETWEEN_WORDS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class NamedFile:
    """An image file, or the folder of a CT series, by what its name says.

    Attributes
    ----------
    path
        The file or folder.
    key
        The words that say whose it is: of its folders below the one that was searched, and of its own name.
    is_mask
        Whether a word says that it is a mask.
    case
        A CT series that the path stands for; None for an image file.
    """

    path: Path
    key: tuple[str, ...]
    is_mask: bool
    case: FoundCase | None = None

    @classmethod
    def of(cls, path: Path, root: Path, *, case: FoundCase | None = None) -> NamedFile:
        """Take the words of a path below `root`."""
        *folders, name = path.relative_to(root).parts or ("",)
        parts = [*folders, name if case else without_ending(name)]
        words = [_words(part) for part in parts]
        own = frozenset().union(*map(frozenset, words)) if words else frozenset()
        key = tuple(word for part in words for word in part if word not in _MASK_WORDS | _IMAGE_WORDS)
        return cls(path, key, case is None and bool(own & _MASK_WORDS), case)

    @property
    def found(self) -> FoundCase:
        """The case that it is the CT of."""
        return self.case or FoundCase(case_name(self.path, without_ending(self.path.name)), self.path)


def without_ending(name: str) -> str:
    """Take the ending of an image file off its name."""
    ending = next((one for one in (*IMAGE_FILE_ENDINGS, ".zip") if name.lower().endswith(one)), "")
    return name[: len(name) - len(ending)]


def case_name(path: Path, own: str) -> str:
    """Name a case by its file without words such as ``ct``; where nothing is left, by its folder."""
    for name in (own, *reversed(path.parts[:-1])):
        kept = [word for word in re.split(r"([\W_]+)", name) if word.lower() not in _MASK_WORDS | _IMAGE_WORDS]
        if cleaned := "".join(kept).strip("_-. "):
            return cleaned
    return "case"


def pairs_by_name(files: Iterable[NamedFile]) -> tuple[list[FoundCase], list[NotPaired]]:
    """Pair each CT with the one mask whose words are the same; two of either leave it unpaired."""
    groups: dict[tuple[str, ...], list[NamedFile]] = defaultdict(list)
    for file in files:
        groups[file.key].append(file)
    cases: list[FoundCase] = []
    others: list[NotPaired] = []
    for group in groups.values():
        images = [file for file in group if not file.is_mask]
        masks = [file for file in group if file.is_mask]
        if len(images) == len(masks) == 1:
            found = images[0].found
            cases.append(FoundCase(found.name, found.image, masks[0].path, found.cells))
        else:
            cases += [image.found for image in images]
            others += [NotPaired(mask.path, _why_alone(images, masks)) for mask in masks]
    return cases, others


def _why_alone(images: Sequence[NamedFile], masks: Sequence[NamedFile]) -> str:
    if not images:
        return "seems to be a mask, and no CT has the same name; name both alike, but for a word such as _mask"
    return (
        f"is one of {len(masks)} masks and {len(images)} CTs that are named alike; put the one that is meant into "
        "column 'mask'"
    )


def _words(name: str) -> list[str]:
    return [word for word in _BETWEEN_WORDS.split(name.lower()) if word]
