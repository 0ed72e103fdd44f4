"""Tables and documents: what results files hold of them, and their Markdown and HTML."""

from __future__ import annotations

import json
from pathlib import Path

from nnunet_amt.writing.table import Document, Picture, Row, Table, document_from_json
from nnunet_amt.writing.table_formats import html_document, markdown_document, pipe_table

TABLE = Table(
    "Models, a|b",
    "Model",
    ("Cases", "Dice"),
    (Row("Ours", kind="group"), Row("A|x", ("2", "0.5")), Row("published", ("3", "0.6"), "published")),
    notes=("Mean|median.",),
)


def test_a_bar_ends_no_cell_and_a_group_spans_its_row() -> None:
    assert pipe_table(TABLE, alignments="lr").splitlines() == [
        "| Model | Cases | Dice |",
        "| --- | ---: | --- |",
        "| **Ours** |  |  |",
        "| A\\|x | 2 | 0.5 |",
        "| published | 3 | 0.6 |",
    ]


def test_the_papers_results_can_be_left_out() -> None:
    """Its rows, columns and notes; what a user calls "published" is not the paper's."""
    table = Table(
        "T",
        "H",
        ("Value", "Total", "Total, published", "p", "published"),
        (
            Row("age", ("median", "50", "55", "0.1", "x")),
            Row("", kind="group"),
            Row("published", ("",) * 5, "published"),
        ),
        notes=("Published: the paper.", "Kept."),
        words=frozenset({0, 3}),
    )
    left = table.without_published()
    assert left.columns == ("Value", "Total", "p", "published")
    assert left.rows == (Row("age", ("median", "50", "0.1", "x")), Row("", kind="group"))
    assert (left.notes, left.words) == (("Kept.",), frozenset({0, 2}))
    document = Document("D", (table,), notes=("Published: too.", "Mean."))
    assert document.without_published() == Document("D", (left,), notes=("Mean.",))


def test_sources_have_a_column_of_their_own() -> None:
    lines = pipe_table(TABLE, alignments="llr", sources={"row": "ours", "published": "theirs"}).splitlines()
    assert lines[0] == "| Model | Source | Cases | Dice |"
    assert lines[2:] == ["| **Ours** |  |  |  |", "| A\\|x | ours | 2 | 0.5 |", "|  | theirs | 3 | 0.6 |"]


def test_csv_has_the_titles_and_the_rows() -> None:
    assert TABLE.as_csv() == "Model,Cases,Dice\nOurs\nA|x,2,0.5\npublished,3,0.6\n"


def test_tables_come_back_from_a_results_file() -> None:
    document = Document("Title", (TABLE,), notes=("A note.",), left_out=("Too long.",))
    assert document_from_json(json.loads(json.dumps(document.as_json()))) == document


def test_a_document_holds_everything_in_order(tmp_path: Path) -> None:
    (tmp_path / "dice.png").write_bytes(b"png")
    picture = Picture(tmp_path / "dice.png", "The Dice of each <case>", wide=True)
    document = Document("Title", (TABLE,), ("A & B.",), (picture,), ("All|of it.",), ("Left.",), foot="End.")
    parts = markdown_document(document).split("\n\n")
    expected = ["# Title", "A & B.", "![The Dice of each \\<case>](dice.png)", "- All\\|of it.", "## Models, a\\|b"]
    assert parts[:5] == expected
    assert parts[6:] == ["- Mean\\|median.", "Left.", "End.\n"]
    page = html_document(document, number_columns={0}, row_class="ours")
    found = [
        page.index(part)
        for part in (
            "<h1>Title</h1>",
            "<p>A &amp; B.</p>",
            '<figure class="wide-picture">',
            'src="data:image/png;base64,cG5n" alt="The Dice of each &lt;case&gt;"',
            '<th scope="col" class="number">Cases</th><th scope="col">Dice</th>',
            '<tr class="group"><th scope="colgroup" colspan="3">Ours</th></tr>',
            '<tr class="ours"><th scope="row">A|x</th><td class="number">2</td><td>0.5</td></tr>',
            '<tr class="published">',
            "<li>Mean|median.</li>",
            "<p>Left.</p>",
            "<li>All|of it.</li>",
            "<p>End.</p>",
        )
    ]
    assert found == sorted(found)
