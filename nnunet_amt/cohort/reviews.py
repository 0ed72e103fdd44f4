"""What readers said of the masks, and what became of them: a record that is only added to, one row a word.

The paper's triple-reader protocol: one annotator draws, two reviewers look, and what they differ on is talked over.
A row stands for the mask that was seen: once the mask is another, what was said of the old one counts no longer.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal, get_args

from nnunet_amt.base.files import atomic_path, csv_text, locked_folder, numbered_rows
from nnunet_amt.errors import BadInputError, ManifestError

REVIEWS_FILE = "reviews.csv"
Role = Literal["annotator", "reviewer"]
Verdict = Literal["right", "wrong"]
ROLES: tuple[Role, ...] = get_args(Role)
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
LONGEST_NOTE = 500
REVIEWERS = 2  # that a mask has

# Of a mask that was put in place of another: its file, and how the two differ.
_CHANGE_COLUMNS = (
    *("mask_file", "dice", "volume_before_cm3", "volume_after_cm3", "lesions_before", "lesions_after"),
    "largest_surface_distance_mm",
)
COLUMNS = ("case_id", "role", "initials", "verdict", "note", "mask", "time", *_CHANGE_COLUMNS)


class ReviewRefusedError(BadInputError):
    """A word that does not go into the record.

    Attributes
    ----------
    reason
        A short name of the rule, by which a page finds its own sentence.
    values
        What the sentence names.
    """

    def __init__(self, reason: str, message: str, **values: object) -> None:
        super().__init__(message)
        self.reason = reason
        self.values: Mapping[str, object] = values


@dataclass(frozen=True)
class MaskDifference:
    """How two masks on one grid differ.

    Attributes
    ----------
    dice
        None if both are empty.
    volumes_cm3, lesions
        Of the first and of the second.
    largest_distance_mm
        Between their surfaces (Hausdorff); None if one is empty.
    """

    dice: float | None
    volumes_cm3: tuple[float, float]
    lesions: tuple[int, int]
    largest_distance_mm: float | None

    @property
    def volume_difference_cm3(self) -> float:
        """How much larger the second is."""
        return self.volumes_cm3[1] - self.volumes_cm3[0]


@dataclass(frozen=True)
class MaskChange:
    """A mask that was put in place of another: its file, as the manifest names it, and how the two differ."""

    file: str
    difference: MaskDifference


@dataclass(frozen=True)
class Review:
    """A row of the record.

    Attributes
    ----------
    case_id
        As in the manifest.
    role, initials
        Who says it.
    verdict, note
        What is said.
    mask
        Digest of the mask that was seen; of a change that of the new one.
    time
        In ISO 8601, UTC.
    change
        None but of a mask that was put in place of another.
    """

    case_id: str
    role: Role
    initials: str
    verdict: Verdict
    note: str
    mask: str
    time: str
    change: MaskChange | None = None


def new_review(
    case_id: str, *, role: str, initials: str, verdict: str, note: str, mask: str, change: MaskChange | None = None
) -> Review:
    """Make a row of what somebody typed, with this moment.

    Raises
    ------
    ReviewRefusedError
        If role or verdict is none of ours, the initials are not 2 to 4 letters, the note is too long, or a mask is
        called wrong without a word why.
    """
    known_role = next((known for known in ROLES if known == role), None)
    known_verdict = next((known for known in VERDICTS if known == verdict), None)
    if known_role is None:
        raise ReviewRefusedError("role", f"role is {role!r}; choose one of {', '.join(ROLES)}")
    if known_verdict is None:
        raise ReviewRefusedError("verdict", f"verdict is {verdict!r}; choose one of {', '.join(VERDICTS)}")
    words = " ".join(note.split())
    if len(words) > LONGEST_NOTE or any(unicodedata.category(letter) == "Cc" for letter in words):
        raise ReviewRefusedError("note", f"note: must be at most {LONGEST_NOTE} characters of text", most=LONGEST_NOTE)
    if known_verdict == "wrong" and not words:
        raise ReviewRefusedError("why", "note: is empty; say what is wrong with the mask")
    time = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return Review(case_id, known_role, checked_initials(initials), known_verdict, words, mask, time, change)


def checked_initials(text: str) -> str:
    """Write initials in capitals; ReviewRefusedError if they are not 2 to 4 letters."""
    plain = unicodedata.normalize("NFKC", text).strip().upper()
    if not (2 <= len(plain) <= 4 and plain.isalpha()):
        raise ReviewRefusedError("initials", "initials: must be 2 to 4 letters, such as AB")
    return plain


def read_reviews(path: Path) -> tuple[Review, ...]:
    """Read the record, the oldest row first; empty if there is none.

    Raises
    ------
    ManifestError
        If it is no record of ours, naming the line.
    """
    if not path.is_file():
        return ()
    rows = [(line, cells) for line, cells in numbered_rows(path, "the record of the reviews")]
    if not rows:
        return ()
    header = [cell.lower() for cell in rows[0][1]]
    if missing := [name for name in COLUMNS if name not in header]:
        raise ManifestError(f"{path.name} line 1: has no column {missing[0]!r}; restore the file from a copy")
    return tuple(_review(dict(zip(header, cells, strict=False)), path.name, line) for line, cells in rows[1:])


def _review(row: Mapping[str, str], name: str, line: int) -> Review:
    role = next((known for known in ROLES if known == row.get("role")), None)
    verdict = next((known for known in VERDICTS if known == row.get("verdict")), None)
    try:
        if role is None or verdict is None:
            raise ValueError
        fixed = (row["case_id"], role, row["initials"], verdict, row["note"], row["mask"], row["time"])
        return Review(*fixed, change=_change(row) if row.get("mask_file") else None)
    except (KeyError, ValueError):
        raise ManifestError(f"{name} line {line}: is no row of this record; restore the file from a copy") from None


def _change(row: Mapping[str, str]) -> MaskChange:
    before, after = float(row["volume_before_cm3"]), float(row["volume_after_cm3"])
    lesions = int(row["lesions_before"]), int(row["lesions_after"])
    dice, distance = (float(row[name]) if row[name] else None for name in ("dice", "largest_surface_distance_mm"))
    return MaskChange(row["mask_file"], MaskDifference(dice, (before, after), lesions, distance))


def reviews_text(reviews: Sequence[Review]) -> str:
    """Lay the record out as CSV."""
    return csv_text(COLUMNS, [_cells(review) for review in reviews])


def _cells(review: Review) -> dict[str, object]:
    cells: dict[str, object] = {name: getattr(review, name) for name in COLUMNS if name not in _CHANGE_COLUMNS}
    if review.change is not None:
        found = review.change.difference
        cells |= {
            "mask_file": review.change.file,
            "dice": None if found.dice is None else round(found.dice, 4),
            "volume_before_cm3": round(found.volumes_cm3[0], 3),
            "volume_after_cm3": round(found.volumes_cm3[1], 3),
            "lesions_before": found.lesions[0],
            "lesions_after": found.lesions[1],
            "largest_surface_distance_mm": (
                None if found.largest_distance_mm is None else round(found.largest_distance_mm, 2)
            ),
        }
    return cells


def add_review(path: Path, review: Review) -> None:
    """Add a row to the record if the protocol lets it; all rows before it stay as they are, to the byte.

    Whoever adds to the record waits for whoever does at the same time, in this process or another.

    Raises
    ------
    ReviewRefusedError
        See `require_reader`.
    ManifestError
        If the record on disk is none of ours.
    """
    with locked_folder(path.parent):
        require_reader(read_reviews(path), review)
        before = path.read_bytes() if path.is_file() else b""
        columns = _columns_of(before, path.name)
        row = csv_text(columns, [_cells(review)])
        gap = b"\n" if before and not before.endswith(b"\n") else b""
        added = row.partition("\n")[2] if before else row
        with atomic_path(path) as partial:
            partial.write_bytes(before + gap + added.encode())


def _columns_of(content: bytes, name: str) -> tuple[str, ...]:
    """Give the columns of a record as it stands on disk; ManifestError if a row of ours would not fit it."""
    if not content:
        return COLUMNS
    try:
        first = content.decode("utf-8-sig").partition("\n")[0]
    except UnicodeDecodeError:
        first = ""
    columns = tuple(next(csv.reader(io.StringIO(first)), []))
    if set(columns) != set(COLUMNS):
        raise ManifestError(
            f"{name}: was saved by another program in another form; restore it from a copy, as CSV UTF-8 with commas"
        )
    return columns


def require_reader(reviews: Sequence[Review], review: Review) -> None:
    """Refuse who may not say this of this mask: three persons look at it, one of them the annotator.

    Raises
    ------
    ReviewRefusedError
        If the annotator reviews, a reviewer is said to be the annotator, one reviewer stands in for both, or there
        are two reviewers already.
    """
    state = case_state([one for one in reviews if one.case_id == review.case_id], review.mask)
    who = review.initials
    if review.role == "annotator":
        if review.change is None and who in state.reviewer_initials:
            raise ReviewRefusedError(
                "reviewer_annotates", f"{who} has reviewed this mask, and is not its annotator", initials=who
            )
        return
    if state.annotator is not None and state.annotator.initials == who:
        raise ReviewRefusedError(
            "annotator_reviews", f"{who} is the annotator of this mask; a review is another person's", initials=who
        )
    own = next((one for one in state.reviewers if one.initials == who), None)
    if own is not None and own.verdict == review.verdict:
        raise ReviewRefusedError(
            "reviewed_already",
            f"{who} has reviewed this mask already; the second review is another person's",
            initials=who,
        )
    if own is None and len(state.reviewers) >= REVIEWERS:
        names = ", ".join(state.reviewer_initials)
        raise ReviewRefusedError("two_reviewers", f"this mask has its two reviewers already: {names}", initials=names)


Status = Literal[
    "not_looked_at", "annotated", "being_reviewed", "reviewed_once", "agreed", "wrong", "disagreement", "out_of_date"
]  # fmt: skip
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class CaseState:
    """How far the reading of a mask is.

    Attributes
    ----------
    status
        See `case_state`.
    annotator
        What the annotator of this mask said last; None if nobody has.
    reviewers
        What each reviewer of this mask said last.
    """

    status: Status
    annotator: Review | None = None
    reviewers: tuple[Review, ...] = ()

    @property
    def reviewer_initials(self) -> tuple[str, ...]:
        """Who has reviewed this mask."""
        return tuple(review.initials for review in self.reviewers)

    def needs(self, initials: str, role: str) -> bool:
        """Whether a reader still has something to say of this mask, or, as its annotator, to mend it."""
        annotator = None if self.annotator is None else self.annotator.initials
        if role == "annotator":
            mends = self.status in ("wrong", "disagreement") and annotator in (None, initials)
            return mends or self.status in ("not_looked_at", "out_of_date")
        if initials in (annotator, *self.reviewer_initials):
            return False
        return len(self.reviewers) < REVIEWERS and self.status != "wrong"


def case_state(reviews: Sequence[Review], mask: str | None) -> CaseState:
    """Tell the status of a case from its rows in the record, in their order.

    Parameters
    ----------
    mask
        Digest of the mask as it is now; None if it is not known, and so is another than any that was seen.

    Returns
    -------
    CaseState
        ``not_looked_at``: nobody has said anything; ``out_of_date``: what was said is of another mask; ``wrong``: its
        annotator, its only reviewer or both reviewers want it mended; ``disagreement``: one reviewer does, the other
        does not; ``agreed``: both find it right; ``reviewed_once``, ``annotated``: so far.
    """
    if not reviews:
        return CaseState("not_looked_at")
    current = [review for review in reviews if review.mask == mask]
    if not current:
        return CaseState("out_of_date")
    annotator = next((review for review in reversed(current) if review.role == "annotator"), None)
    last: dict[str, Review] = {review.initials: review for review in current if review.role == "reviewer"}
    if annotator is not None:
        last.pop(annotator.initials, None)
    reviewers = tuple(last.values())
    return CaseState(_status(annotator, [review.verdict for review in reviewers]), annotator, reviewers)


def known_to(reviews: Sequence[Review], mask: str | None, initials: str) -> tuple[Review, ...]:
    """Leave out of the rows of a case what a reader must not know yet: each reviewer judges for himself.

    What other reviewers said, of this mask or of one before it, is known once the reader's own word on this mask is
    in, as its annotator or its reviewer, or once its two reviewers have said theirs.
    """
    state = case_state(reviews, mask)
    own = [] if state.annotator is None else [state.annotator.initials]
    if initials in (*own, *state.reviewer_initials) or len(state.reviewers) >= REVIEWERS:
        return tuple(reviews)
    return tuple(review for review in reviews if review.role == "annotator" or review.initials == initials)


def state_known_to(reviews: Sequence[Review], mask: str | None, initials: str) -> CaseState:
    """Tell the status of a case as far as a reader may know it; ``being_reviewed`` where it is a reviewer's secret."""
    state = case_state(reviews, mask)
    if not state.reviewers or len(known_to(reviews, mask, initials)) == len(reviews):
        return state
    return CaseState("being_reviewed", state.annotator)


def _status(annotator: Review | None, verdicts: Sequence[Verdict]) -> Status:
    if annotator is not None and annotator.verdict == "wrong":
        return "wrong"
    if not verdicts:
        return "annotated"
    if len(set(verdicts)) > 1:
        return "disagreement"
    if verdicts[0] == "wrong":
        return "wrong"
    return "agreed" if len(verdicts) >= REVIEWERS else "reviewed_once"
