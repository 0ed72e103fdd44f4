"""The list of a study's reviews: counts by status, where reviewers differ, the way from case to case, the record."""

from __future__ import annotations

import csv
import html
import io
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnunet_amt.cohort.reviews import STATUSES, add_review, new_review
from tests.app.test_review_page import addresses, mask_in, say, study
from tests.dataset_conversion.cohort_fixtures import make_mask, write_image

if TYPE_CHECKING:
    from starlette.testclient import TestClient

__all__ = ["study"]
PAGE = "/studies/one/reviews"


def counts_in(page: str) -> dict[str, int]:
    """Read the table of counts."""
    table = page[page.index("<caption>Cases by status") :]
    rows = re.findall(r'<span class="state [^"]*">([^<]*)</span></th><td class="figure-cell">(\d+)</td>', table)
    return {name: int(number) for name, number in rows if int(number)}


def test_counts_add_up_to_the_cases(client: TestClient, study: Path) -> None:
    """An excluded row is none of them."""
    (study / "manifest.csv").write_text(
        (study / "manifest.csv").read_text().replace("mask_2\n", "mask_2,exclusion_reason\n")
    )
    with (study / "manifest.csv").open("a") as file:
        file.write("c9,,,,,,,no CT\n")
    page = client.get(PAGE).text
    assert counts_in(page) == {"not looked at": 4}
    assert "not listed here: 1." in page
    first, _, third, fourth = addresses(client, study)
    say(client, first, role="annotator", initials="AA")
    say(client, third, initials="BB")
    say(client, fourth, initials="BB", verdict="wrong", note="aorta")
    assert counts_in(client.get(PAGE).text) == {
        "not looked at": 1, "annotated": 1, "reviewed once": 1, "wrong, to be mended": 1,
    }  # fmt: skip


def test_where_reviewers_differ_both_are_named_with_what_they_say(client: TestClient, study: Path) -> None:
    """And when one of them changes the verdict they agree."""
    address = addresses(client, study)[3]
    say(client, address, initials="BB", note="fine")
    say(client, address, initials="CC", verdict="wrong", note="misses <part>")
    page = client.get(PAGE).text
    listed = page[page.index('id="disagreements"') : page.index('id="table"')]
    assert f'href="{address}">c3</a>: BB – looks right (“fine”); CC – is wrong (“misses &lt;part&gt;”)' in listed
    say(client, address, initials="CC", note="talked over")
    assert 'id="disagreements"' not in client.get(PAGE).text
    assert counts_in(client.get(PAGE).text) == {"not looked at": 3, "agreed by two reviewers": 1}


def test_a_reviewer_sees_no_verdict_of_another_until_the_own_one_is_in(client: TestClient, study: Path) -> None:
    """Neither on the page of the case, nor in the list, nor in the saved record; then both are seen by both."""
    address = addresses(client, study)[3]
    say(client, address, initials="BB", verdict="wrong", note="misses the apex")
    pages = (address, PAGE, f"{PAGE}/export")
    assert all("misses the apex" in client.get(page).text for page in pages)
    assert "In this browser" not in client.post(f"{PAGE}/somebody-else").text.replace("In this browser nobody", "")
    for initials in ("", "CC"):
        if initials:  # at another case: this browser knows who reads
            say(client, addresses(client, study)[0], initials=initials)
        for page in pages:
            told = client.get(page).text
            assert "misses the apex" not in told
            assert "BB" not in told
        assert counts_in(client.get(PAGE).text)["being reviewed"] == 1
        assert "One reviewer has looked at this mask." in client.get(address).text
    say(client, address, initials="CC", note="complete")
    assert all("misses the apex" in client.get(page).text for page in pages)
    assert counts_in(client.get(PAGE).text)["reviewers differ"] == 1


def test_a_mask_that_was_drawn_anew_is_out_of_date(client: TestClient, study: Path) -> None:
    """One that was only copied is so too until it is opened: then it is known to be the same."""
    address = addresses(client, study)[3]
    say(client, address, initials="BB")
    path = study / "masks" / "3.nii.gz"
    path.write_bytes(path.read_bytes())
    assert counts_in(client.get(PAGE).text)["out of date"] == 1
    client.get(address)
    assert counts_in(client.get(PAGE).text)["reviewed once"] == 1
    mask = make_mask()
    mask[0, 0, 0] = 1
    write_image(path, mask)
    assert "out of date" in client.get(address).text
    assert counts_in(client.get(PAGE).text)["out of date"] == 1


def test_only_the_cases_of_a_status_are_shown(client: TestClient, study: Path) -> None:
    say(client, addresses(client, study)[3], initials="BB")
    page = client.get(f"{PAGE}?show=reviewed_once").text
    table = page[page.index('<table class="cases">') :]
    assert re.findall(r'<th scope="row"><a[^>]*>(\w+)</a>', table) == ["c3"]


def test_the_way_leads_to_the_cases_that_still_need_this_reader(client: TestClient, study: Path) -> None:
    """A reader goes round once, past what is done; a case that cannot be shown is not passed over in silence."""
    first, broken, third, fourth = addresses(client, study)
    say(client, first, initials="BB")
    assert client.get(f"{PAGE}/next").url.path == broken
    assert client.get(f"{PAGE}/next?after={broken.rpartition('/')[2]}").url.path == third
    say(client, third, initials="BB")
    say(client, fourth, initials="BB", then="next")
    add_review(
        study / "reviews.csv",
        new_review("c1", role="reviewer", initials="BB", verdict="right", note="", mask="unknown"),
    )
    assert client.get(f"{PAGE}/next").url.path == broken  # out of date


def test_a_finished_reader_is_told(client: TestClient, study: Path) -> None:
    (study / "masks" / "1.nii.gz").write_bytes((study / "masks" / "0.nii.gz").read_bytes())
    for address in addresses(client, study):
        answer = say(client, address, initials="BB", then="next")
    assert answer.url.path == PAGE
    assert "There is no other case that needs BB now." in answer.text
    assert "In this browser: BB (Reviewer)." in answer.text


def test_the_record_is_saved_as_csv_that_no_spreadsheet_runs(client: TestClient, study: Path) -> None:
    say(client, addresses(client, study)[3], initials="BB", note="=HYPERLINK(1)")
    answer = client.get(f"{PAGE}/export")
    assert answer.headers["content-disposition"].endswith("one-reviews.csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    [row] = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert (row["case_id"], row["initials"], row["verdict"]) == ("c3", "BB", "right")
    assert row["note"] == "'=HYPERLINK(1)"
    assert row["mask"] == mask_in(client.get(addresses(client, study)[3]).text)
    assert "Patient" not in answer.text


def test_a_record_that_is_damaged_is_told_by_its_line(client: TestClient, study: Path) -> None:
    say(client, addresses(client, study)[3], initials="BB")
    with (study / "reviews.csv").open("a") as file:
        file.write("c1,nobody,,,,,\n")
    answer = client.get(PAGE)
    assert answer.status_code == 400
    assert "reviews.csv line 3: is no row of this record" in html.unescape(answer.text)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_status_has_its_words(client: TestClient, study: Path, language: str) -> None:
    from nnunet_amt.app.language import texts

    t = texts(language)
    for status in STATUSES:
        assert all(f"review.{part}_{status}" in t for part in ("status", "about"))
    assert client.get(f"{PAGE}?lang={language}").status_code == 200


@pytest.mark.timed
def test_a_cohort_of_the_papers_size_is_listed_in_a_second(client: TestClient, study: Path) -> None:
    """711 cases of which all have been reviewed: each file is looked at, none is read."""
    lines = (study / "manifest.csv").read_text().splitlines()
    rows = [lines[0], *(f"k{n},Patient-{n}x,North,ct/{n}.nii.gz,masks/{n}.nii.gz,training," for n in range(711))]
    (study / "manifest.csv").write_text("\n".join(rows) + "\n")
    said = [new_review(f"k{n}", role="reviewer", initials="BB", verdict="right", note="", mask="x") for n in range(711)]
    from nnunet_amt.cohort.reviews import reviews_text

    (study / "reviews.csv").write_text(reviews_text(said))
    for n in range(711):
        for folder in ("ct", "masks"):
            (study / folder / f"{n}.nii.gz").write_bytes(b"content")
    client.get(PAGE)
    started = time.process_time()
    assert counts_in(client.get(PAGE).text) == {"out of date": 711}
    assert time.process_time() - started < 3
