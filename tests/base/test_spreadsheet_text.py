"""What spreadsheets make of tables, and texts of which nobody can tell the encoding."""

from __future__ import annotations

import pytest

from nnunet_amt.base.spreadsheet_text import TableText, as_decimal_point, bare_cell, decoded_table, table_text

WESTERN = ["Süd", "Größe", "MÜNCHEN", "Évreux", "São Paulo", "ação", "Île-de-France", "a\xa0b", "Tromsø, Ås"]
OTHERS = {
    "shift-jis": ["北病院", "谷", "田中", "ﾀﾅ"],
    "euc-jp": ["東京大学"],
    "cp1251": ["Больница"],
    "cp1253": ["Αθήνα"],
    "cp1250": ["Łódź"],
    "gbk": ["中国医院"],
    "euc-kr": ["서울"],
}


@pytest.mark.parametrize("text", WESTERN)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_western_names_are_decoded(text: str, encoding: str) -> None:
    assert decoded_table(f"a,{text}\n".encode(encoding), name="t.csv") == f"a,{text}\n"


@pytest.mark.parametrize(("encoding", "text"), [(name, text) for name, texts in OTHERS.items() for text in texts])
def test_names_of_other_encodings_are_never_taken_for_western_ones(encoding: str, text: str) -> None:
    with pytest.raises(UnicodeDecodeError):
        decoded_table(f"a,{text}\n".encode(encoding), name="t.csv")


@pytest.mark.parametrize(
    ("text", "separator", "rest"),
    [
        ("sep=;\r\na;b", ";", "a;b"),
        ('"sep=,"\na;b', ",", "a;b"),
        ("SEP=\t\na\tb", "\t", "a\tb"),
        ("sep=;;;\na;b", ";", "a;b"),  # saved again, with empty cells after it
    ],
)
def test_the_first_line_may_name_the_separator(text: str, separator: str, rest: str) -> None:
    assert table_text(text) == TableText(rest, separator, skipped=1)


@pytest.mark.parametrize(
    ("text", "separator"), [("a;b,c;d\n", ";"), ("a\tb\n", "\t"), ('"a;b",c\n', ","), ("a\n1;2\n", ","), ("", ",")]
)
def test_otherwise_the_header_shows_it(text: str, separator: str) -> None:
    assert table_text(text) == TableText(text, separator)


@pytest.mark.parametrize(
    ("cell", "bare"),
    [(' ="00123" ', "00123"), ("\ufeffa", "a"), ("a\u200b\xa0", "a"), ("=1+1", "=1+1")],
)
def test_what_stands_around_a_text_is_taken_away(cell: str, bare: str) -> None:
    assert bare_cell(cell) == bare


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("61,5", "61.5"),
        ("0,250", "0.250"),
        ("-3,25", "-3.25"),
        ("1,234", "1,234"),
        ("1,2,3", "1,2,3"),
        ("61.5", "61.5"),
    ],
)
def test_a_decimal_comma_becomes_a_point_unless_it_may_be_of_thousands(text: str, number: str) -> None:
    assert as_decimal_point(text) == number
