"""What readers are asked, twice, and what tables, figures and sentences call it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nnunet_amt.risk.evaluation.published import published_note, published_readers
from nnunet_amt.writing.table import Row

YES_AND_NO = {"yes": 1.0, "no": 0.0}


@dataclass(frozen=True)
class ReaderQuestion:
    """A question that every reader answers of every case without a help, and again with it.

    Attributes
    ----------
    name
        In the column ``question`` of a table that has several.
    help
        What readers have the second time.
    classes
        What a case is of which the right answer is no, and of which it is yes.
    model
        Title of the model that is compared with readers.
    asked
        What is asked, as it is put behind other words (`` for malignancy``); empty where nothing else is.
    words
        Words for ratings, as `plain` writes them, and the numbers that they stand for.
    answers
        Where a reader names one of several things instead of saying yes or no: these. A rating is the place of one.
    referred
        Whether the table of readings has the right answers, in the column ``reference``.
    trained
        What is wrong with cases that models were trained on: ends a sentence on their number.
    simulated
        What is said of readers who are no people.
    published
        Gives the paper's rows, with the cells of the table of readers but for the p-values.
    published_note
        Says whose they are; begins as `Table.without_published` wants it.
    """

    name: str
    help: str
    classes: tuple[str, str]
    model: str
    asked: str
    words: Mapping[str, float]
    trained: str
    simulated: str
    answers: tuple[str, ...] = ()
    referred: bool = False
    published: Callable[[], tuple[Row, ...]] = tuple
    published_note: Callable[[], str] = str

    @property
    def conditions(self) -> tuple[str, str]:
        """Names of the two conditions, the one without the help first."""
        return f"without {self.help}", f"with {self.help}"

    def condition(self, text: str) -> str | None:
        """Give the condition that a text means; None if it means neither."""
        helped, said = plain(self.help), plain(text)
        meant = (
            ("without", f"without {helped}", f"no {helped}", "unaided"),
            ("with", f"with {helped}", "aided", "assisted", f"{helped} assisted"),
        )
        return next((name for name, texts in zip(self.conditions, meant, strict=True) if said in texts), None)


def plain(text: str) -> str:
    """Write a word so that capitals, spaces, hyphens and underscores make no other word of it."""
    return " ".join(text.casefold().replace("_", " ").replace("-", " ").split())


RISK_QUESTION = ReaderQuestion(
    name="risk",
    help="AI",
    classes=("low risk", "high risk"),
    model="AI",
    asked="",
    words={**YES_AND_NO, "high": 1.0, "low": 0.0},
    trained=(
        "are of the training centres: a model that was trained on them helps more than it would with new cases, unless "
        "its scores were out of fold."
    ),
    simulated="The readers are simulated (Roe and Metz) at the published AUCs: they are no people.",
    published=published_readers,
    published_note=lambda: published_note("Its readers are others, on other cases."),
)
