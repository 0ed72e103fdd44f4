"""Reader tables: what is whole is put in order, what is not is refused in one line."""

from __future__ import annotations

import pytest

from nnunet_amt.errors import BadInputError, TooFewCasesError
from nnunet_amt.statistics.reader_table import Reading, Readings, gather_readings
from tests.statistics.van_dyke import HIGH, RATINGS

VAN_DYKE = Readings(("1", "2"), ("1", "2", "3", "4", "5"), tuple(map(str, range(114))), RATINGS, HIGH)


def rows_of(*, without: tuple[str, str, str] = ("", "", "")) -> list[Reading]:
    return [
        Reading(reader, condition, case, rating)
        for condition in ("alone", "with AI")
        for reader in ("B", "A")
        for case, rating in (("c2", 2.0), ("c1", 1.0))
        if (condition, reader, case) != without
    ]


def test_rows_are_put_in_order() -> None:
    """Conditions as they come first, readers and cases by name; or conditions as they are named."""
    rows = rows_of()
    rows[0] = Reading("B", "alone", "c2", 5.0)
    found = gather_readings(rows, high={"c1": False, "c2": True, "c3": True})
    assert (found.conditions, found.readers, found.cases) == (("alone", "with AI"), ("A", "B"), ("c1", "c2"))
    assert found.ratings.tolist() == [[[1, 2], [1, 5]], [[1, 2], [1, 2]]]
    assert found.high.tolist() == [False, True]
    turned = gather_readings(rows, high={"c1": False, "c2": True}, conditions=("with AI", "alone"))
    assert turned.ratings.tolist() == found.ratings[::-1].tolist()


def test_missing_readings_are_named() -> None:
    rows = rows_of(without=("with AI", "A", "c1"))
    with pytest.raises(BadInputError, match=r"case c1 by reader A in condition with AI is missing \(1 in all\)"):
        gather_readings(rows, high={"c1": False, "c2": True})


def test_bad_tables_are_refused() -> None:
    high = {"c1": False, "c2": True}
    with pytest.raises(BadInputError, match="case c2 by reader B in condition alone stands there twice"):
        gather_readings([*rows_of(), rows_of()[0]], high=high)
    with pytest.raises(BadInputError, match="case c2 by reader B in condition alone is nan"):
        gather_readings([Reading("B", "alone", "c2", float("nan"))], high=high)
    with pytest.raises(BadInputError, match=r"case c2 was read.*high risk"):
        gather_readings(rows_of(), high={"c1": False})
    with pytest.raises(BadInputError, match="of alone; they must be of two conditions"):
        gather_readings(rows_of()[:4], high=high)
    with pytest.raises(BadInputError, match="of alone, with AI; they must be of the conditions before and after"):
        gather_readings(rows_of(), high=high, conditions=("before", "after"))
    with pytest.raises(TooFewCasesError, match="no readings"):
        gather_readings([], high=high)


def test_readers_of_a_level_are_those_alone() -> None:
    some = VAN_DYKE.of(["4", "2"])
    assert some.readers == ("4", "2")
    assert (some.ratings == RATINGS[:, [3, 1]]).all()
    with pytest.raises(BadInputError, match="no reader 6; the study has 1, 2, 3, 4, 5"):
        VAN_DYKE.of(["6"])
    with pytest.raises(BadInputError, match="named twice in 1, 2, 1"):
        VAN_DYKE.of(["1", "2", "1"])
