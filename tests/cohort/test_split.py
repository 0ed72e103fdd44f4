"""The split decides what the external result is worth: whole institutions, no patient on both sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from nnunet_amt import paper
from nnunet_amt.cohort import CohortCase, assign_splits, audit_splits, read_institutions
from nnunet_amt.cohort.split import divide_institution
from nnunet_amt.errors import BadInputError, ManifestError, SplitLeakageError
from tests.cohort.cases import cohort_of, make_case


def institutions_in(cases: Sequence[CohortCase], split: str) -> set[str]:
    return {case.institution for case in cases if case.split == split}


def counts(cases: Sequence[CohortCase]) -> dict[str | None, int]:
    return dict(Counter(case.split for case in cases))


def test_the_papers_cohort_gives_the_papers_counts() -> None:
    """121 small institutions hold 78 x 1 + 43 x 2 = 164 cases, 15 large ones 547 (8 x 36 + 7 x 37)."""
    small = {f"small{number:03d}": 1 if number < 78 else 2 for number in range(paper.EXTERNAL_INSTITUTIONS)}
    large = {f"large{number:02d}": 36 if number < 8 else 37 for number in range(15)}
    cases = assign_splits(cohort_of(large | small))
    training, tuning, external = audit_splits(cases).splits
    assert training.cases == paper.TRAINING_CASES
    assert tuning.cases == paper.TUNING_CASES
    assert (external.cases, external.institutions) == (paper.EXTERNAL_CASES, paper.EXTERNAL_INSTITUTIONS)
    assert institutions_in(cases, "external") == set(small)


@pytest.mark.parametrize(
    ("sizes", "wanted", "external"),
    [
        # 1 + 2 = 3 is nearest to 4: with C it would be 8
        ({"A": 1, "B": 2, "C": 5, "D": 9}, 4, {"A", "B"}),
        # 1 + 2 + 5 = 8 is nearer to 7 than 3 is
        ({"A": 1, "B": 2, "C": 5, "D": 9}, 7, {"A", "B", "C"}),
        # a tie, 3 and 7 against 5: the fewer
        ({"A": 1, "B": 2, "C": 4, "D": 9}, 5, {"A", "B"}),
        # at least one institution, though 4 is more than 1
        ({"A": 4, "B": 5}, 1, {"A"}),
        # the largest always stays for training
        ({"A": 4, "B": 5}, 8, {"A"}),
        # by default 164/711 of 13 = 3.0
        ({"A": 1, "B": 2, "C": 10}, None, {"A", "B"}),
    ],
)
def test_the_smallest_institutions_go_to_the_external_test_set(
    sizes: dict[str, int], wanted: int | None, external: set[str]
) -> None:
    cases = assign_splits(cohort_of(sizes), external_cases=wanted)
    assert institutions_in(cases, "external") == external


def test_a_number_that_whole_institutions_do_not_give_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assign_splits(cohort_of({"A": 1, "B": 6}), external_cases=2)
    assert "2 cases were asked for the external test set; whole institutions come nearest with 1" in caplog.text
    caplog.clear()
    assign_splits(cohort_of({"A": 2, "B": 6}), external_cases=2)
    assert caplog.text == ""


def test_the_split_depends_on_the_seed_but_not_on_the_order_of_rows() -> None:
    cases = cohort_of({f"I{number}": 2 for number in range(12)})
    splits = {case.case_id: case.split for case in assign_splits(cases, seed=1)}
    assert {case.case_id: case.split for case in assign_splits(cases[::-1], seed=1)} == splits
    assert any({case.case_id: case.split for case in assign_splits(cases, seed=seed)} != splits for seed in range(2, 6))


def test_a_patient_is_never_divided_between_training_and_tuning() -> None:
    """Ten patients with two CTs each: whatever is drawn, both CTs are together."""
    cases = [make_case(f"c{number}", "A", patient_id=f"p{number // 2}") for number in range(20)]
    cases += cohort_of({"B": 1})
    for seed in range(20):
        split_cases = assign_splits(cases, seed=seed, tuning_cases=4)
        assert counts(split_cases) == {"training": 16, "tuning": 4, "external": 1}
        audit_splits(split_cases)


def test_a_patient_with_more_cases_than_wanted_is_passed_over() -> None:
    """Only the patient with one CT fits one tuning case, whatever the draw."""
    cases = [make_case(f"c{number}", "A", patient_id="many") for number in range(5)]
    cases += [make_case("single", "A"), make_case("x", "B")]
    for seed in range(5):
        tuning = [case.case_id for case in assign_splits(cases, seed=seed, tuning_cases=1) if case.split == "tuning"]
        assert tuning == ["single"]


def test_tuning_has_a_case_even_if_every_patient_has_too_many() -> None:
    """Two patients with 2 and 3 CTs, one case wanted: the smaller patient tunes."""
    cases = [make_case(f"c{number}", "A", patient_id="p" if number < 2 else "q") for number in range(5)]
    cases += cohort_of({"B": 1})
    assert counts(assign_splits(cases, tuning_cases=1)) == {"training": 3, "tuning": 2, "external": 1}


def test_institutions_that_share_a_patient_stay_together() -> None:
    """A patient was in A and in B, another in B and in C: with A, all three (5 cases) are external or none is."""
    cases = [
        make_case("a", "A", "p1"),
        make_case("b1", "B", "p1"),
        make_case("b2", "B", "p2"),
        make_case("c1", "C", "p2"),
        make_case("c2", "C"),
        *cohort_of({"D": 1, "E": 9}),
    ]
    assert institutions_in(assign_splits(cases, external_cases=1), "external") == {"D"}
    assert institutions_in(assign_splits(cases, external_cases=6), "external") == {"A", "B", "C", "D"}


def test_healthy_patients_are_divided_in_proportion() -> None:
    """Of 20 patients 10 are healthy: of 4 tuning cases 2, whatever the draw."""
    cases = [make_case(f"c{number}", "A", no_tumour=number % 2 == 1) for number in range(20)]
    cases += cohort_of({"B": 1})
    for seed in range(10):
        tuning = [case for case in assign_splits(cases, seed=seed, tuning_cases=4) if case.split == "tuning"]
        assert sorted(case.no_tumour for case in tuning) == [False, False, True, True]


def test_each_set_gets_a_tumour_where_there_are_enough() -> None:
    """A is a screening centre, the smallest, D one too, the largest: B joins A in the test set, C stays to train on."""
    healthy = [replace(case, no_tumour=True) for case in cohort_of({"A": 1, "D": 9})]
    cases = [*healthy, *cohort_of({"B": 2, "C": 3})]
    for seed in range(5):
        divided = assign_splits(cases, seed=seed, external_cases=1)
        assert institutions_in(divided, "external") == {"A", "B"}
        audit_splits(divided)


def test_two_patients_with_tumours_are_needed_for_training_and_tuning() -> None:
    cases = [make_case("a", "A"), make_case("b", "A", no_tumour=True), make_case("c", "B")]
    with pytest.raises(ManifestError, match="one patient with a tumour is left for training and tuning"):
        assign_splits(cases)
    alone = [make_case("a", "A"), make_case("b", "B", no_tumour=True)]
    with pytest.raises(ManifestError, match=r"1 institution with tumours \(or group"):
        assign_splits(alone)


def test_a_given_split_is_taken_as_it_stands() -> None:
    cases = [
        make_case("a", "A", split="training"),
        make_case("b", "A", split="tuning"),
        make_case("c", "B", split="external"),
    ]
    assert assign_splits(cases) == tuple(cases)


def test_a_partly_given_split_is_refused_where_it_ends() -> None:
    cases = [make_case("a", "A", split="training"), make_case("b", "A", line=3)]
    with pytest.raises(ManifestError, match=r"line 3, column 'split' \(case 'b'\): is empty"):
        assign_splits(cases)


def test_a_given_split_and_wanted_numbers_contradict_each_other() -> None:
    with pytest.raises(BadInputError, match="gives the split already"):
        assign_splits([make_case("a", "A", split="training")], external_cases=1)


@pytest.mark.parametrize("wanted", [0, -1, 6, 7])
def test_numbers_that_leave_a_set_empty_are_refused(wanted: int) -> None:
    cases = cohort_of({"A": 2, "B": 4})
    with pytest.raises(BadInputError, match=f"{wanted} external cases of 6"):
        assign_splits(cases, external_cases=wanted)


def test_one_institution_cannot_be_divided() -> None:
    with pytest.raises(ManifestError, match="column 'institution'"):
        assign_splits(cohort_of({"A": 5}))


def test_one_patient_cannot_train_and_tune() -> None:
    cases = [make_case("a1", "A", "p"), make_case("a2", "A", "p"), make_case("b", "B")]
    with pytest.raises(ManifestError, match="column 'patient_id'"):
        assign_splits(cases)


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "external.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_names_are_read_line_by_line(tmp_path: Path) -> None:
    """A byte order mark, Windows line ends, a blank line, quotation marks of a spreadsheet, spaces."""
    listed = read_institutions(write(tmp_path, '\ufeffEast\r\n\r\n"West, Main"\r\n  Süd  \r\n'))
    assert listed.lines == {"East": 1, "West, Main": 3, "Süd": 4}


def test_listed_institutions_are_external_and_no_other_is(tmp_path: Path) -> None:
    """C is the largest: without the list it would be the last to be held out."""
    listed = read_institutions(write(tmp_path, "C\nA\n"))
    cases = assign_splits(cohort_of({"A": 1, "B": 4, "C": 9, "D": 3}), external_institutions=listed)
    assert {case.institution for case in cases if case.split == "external"} == {"A", "C"}
    # 62 of 547 of the other 7 are 0.8: one case tunes
    assert [row.cases for row in audit_splits(cases).splits] == [6, 1, 10]


def test_a_listed_institution_that_shares_a_patient_is_a_leak(tmp_path: Path) -> None:
    cases = [make_case("a", "A", "p"), make_case("b", "B", "p"), *cohort_of({"B": 5})]
    with pytest.raises(SplitLeakageError, match=r"case 'a' .*and case 'b' .*are of one patient"):
        audit_splits(assign_splits(cases, external_institutions=read_institutions(write(tmp_path, "A"))))


BAD_LISTS = {
    "empty": ("\n \n", "external.txt: names no institution; write one name a line"),
    "twice": ("East\nWest\neast\n", "external.txt line 3: line 1 has the same institution; remove one"),
    "encoding": ("南病院".encode("shift-jis"), "external.txt: is not in UTF-8; save it as plain text in UTF-8"),
    "spreadsheet": (b"PK\x03\x04\x14\x00", "external.txt: is no text file; save it as plain text in UTF-8"),
}


@pytest.mark.parametrize(("content", "message"), BAD_LISTS.values(), ids=BAD_LISTS.keys())
def test_a_bad_list_is_refused(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(ManifestError) as error:
        read_institutions(write(tmp_path, content))
    assert str(error.value).startswith(message)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"^nowhere\.txt: cannot be read \(No such file or directory\)"):
        read_institutions(tmp_path / "nowhere.txt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("North\neast", "external.txt line 2: no included case is of institution 'east'; did you mean 'East'?"),
        (
            "Mars\nVenus",
            "external.txt line 1: no included case is of institution 'Mars'; "
            "write it as in the manifest, or remove the line (and 1 more)",
        ),
        (
            "North\nEast",
            "external.txt: lists every institution of the cohort, none is left for training and tuning; remove one",
        ),
    ],
)
def test_a_list_that_does_not_fit_the_cohort_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ManifestError) as error:
        listed = read_institutions(write(tmp_path, content))
        assign_splits(cohort_of({"North": 3, "East": 2}), external_institutions=listed)
    assert str(error.value) == message


def test_two_ways_to_ask_for_a_split_contradict_each_other(tmp_path: Path) -> None:
    listed = read_institutions(write(tmp_path, "A"))
    with pytest.raises(BadInputError, match="contradict each other; give one of them"):
        assign_splits(cohort_of({"A": 2, "B": 3}), external_cases=2, external_institutions=listed)
    with pytest.raises(BadInputError, match="gives the split already"):
        assign_splits([make_case("a", "A", split="training")], external_institutions=listed)


def test_an_institution_is_divided_by_patient() -> None:
    """Twenty patients of two CTs: 62 of 547 of 40 cases are 4.5, so two patients tune; none is in both."""
    cases = [make_case(f"c{number}", "A", patient_id=f"p{number // 2}", line=number + 2) for number in range(40)]
    divided = divide_institution([*cases, make_case("x", "B", split="external")], "A")
    assert [case.case_id for case in divided] == [case.case_id for case in cases]
    assert counts(divided) == {"training": 36, "tuning": 4}
    by_patient: dict[str, set[str | None]] = {}
    for case in divided:
        by_patient.setdefault(case.patient_id, set()).add(case.split)
    assert all(len(splits) == 1 for splits in by_patient.values())
    assert divide_institution(cases, "A", seed=711) == divided
    assert any(divide_institution(cases, "A", seed=seed) != divided for seed in range(5))


def test_a_patient_who_is_elsewhere_stays_in_that_set() -> None:
    """Ten patients of A; the first three tune by CTs of B, and so does A's CT of them."""
    cases = [make_case(f"a{number}", "A", patient_id=f"p{number}") for number in range(10)]
    others = [make_case(f"b{number}", "B", patient_id=f"p{number}", split="tuning") for number in range(3)]
    divided = {case.patient_id: case.split for case in divide_institution([*cases, *others], "A")}
    assert [divided[f"p{number}"] for number in range(3)] == ["tuning"] * 3


def test_an_institution_of_one_patient_is_not_divided() -> None:
    cases = [make_case("a", "A", "p1"), make_case("b", "A", "p1"), make_case("c", "B", "p2")]
    with pytest.raises(ManifestError, match="of 'A' with a tumour who can be drawn: 1, two are needed"):
        divide_institution(cases, "A")
