"""A key that is lost, overwritten or readable by others cannot be mended afterwards."""

from __future__ import annotations

import csv
import stat
import threading
from pathlib import Path

import pytest

from nnunet_amt.cohort import read_manifest
from nnunet_amt.dataset_conversion.pseudonyms import (
    default_key_file,
    institution_codes,
    patient_codes,
    pseudonymise,
    record_secret,
    require_outside,
)
from nnunet_amt.errors import BadInputError
from tests.cohort.cases import cohort_of, make_case

CASES = cohort_of({"North": 12, "South": 8})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_case_has_a_pseudonym_of_its_own_and_the_key_leads_back(tmp_path: Path) -> None:
    key = tmp_path / "key.csv"
    pseudonyms = pseudonymise(CASES, key)
    assert sorted(pseudonyms.values()) == [f"AMT-{number:04d}" for number in range(1, 21)]
    assert list(pseudonyms) == [case.case_id for case in CASES]
    with key.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["name"]: row["pseudonym"] for row in rows if row["kind"] == "case"} == pseudonyms
    assert mode(key) == 0o600


def test_the_numbers_tell_nothing_of_the_order(tmp_path: Path) -> None:
    """Of 20! orders one is the manifest's."""
    numbers = list(pseudonymise(CASES, tmp_path / "a.csv", seed=1).values())
    assert numbers not in (sorted(numbers), sorted(numbers, reverse=True))
    assert list(pseudonymise(CASES, tmp_path / "b.csv", seed=2).values()) != numbers


def test_the_order_cannot_be_had_from_case_ids_and_seed_alone(tmp_path: Path) -> None:
    """Whoever knows the hospital's numbering but not the patients must not be able to draw the same order."""
    others = [make_case(case.case_id, case.institution, patient_id=f"other {n}") for n, case in enumerate(CASES)]
    assert pseudonymise(CASES, tmp_path / "a.csv") != pseudonymise(others, tmp_path / "b.csv")


def test_a_pseudonym_is_a_case_id_that_the_manifest_allows(tmp_path: Path) -> None:
    """So a dataset's cohort.csv can become part of a manifest again; _0001 would be refused."""
    [pseudonym] = pseudonymise(CASES[:1], tmp_path / "key.csv").values()
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(f"case_id,patient_id,institution,image,mask\n{pseudonym},p,i,a.nii.gz,b.nii.gz\n")
    assert read_manifest(manifest).cases[0].case_id == pseudonym


def test_one_seed_gives_the_same_key_byte_for_byte(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        pseudonymise(CASES, tmp_path / name)
        institution_codes(CASES, tmp_path / name)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    pseudonymise(CASES[::-1], tmp_path / "c.csv")
    institution_codes(CASES[::-1], tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()


def test_a_rerun_keeps_the_key_and_new_cases_are_added_behind(tmp_path: Path) -> None:
    key = tmp_path / "key.csv"
    first = pseudonymise(CASES[:15], key)
    codes = institution_codes(CASES[:15], key)
    before = key.read_bytes()
    assert pseudonymise(CASES[:15], key, seed=9) == first
    assert key.read_bytes() == before
    second = pseudonymise(CASES, key)
    assert key.read_bytes().startswith(before)
    assert {case_id: second[case_id] for case_id in first} == first
    assert set(second.values()) - set(first.values()) == {f"AMT-{number:04d}" for number in range(16, 21)}
    assert institution_codes(CASES, key) == codes


def test_fewer_cases_leave_the_key_whole(tmp_path: Path) -> None:
    key = tmp_path / "key.csv"
    everything = pseudonymise(CASES, key)
    before = key.read_bytes()
    assert pseudonymise(CASES[:3], key) == {case.case_id: everything[case.case_id] for case in CASES[:3]}
    assert key.read_bytes() == before


def test_another_prefix_never_takes_a_number_again(tmp_path: Path) -> None:
    key = tmp_path / "key.csv"
    pseudonymise(CASES[:2], key, prefix="AMT")
    third = pseudonymise(CASES[:3], key, prefix="Chest")
    assert sorted(third.values()) == ["AMT-0001", "AMT-0002", "Chest-0003"]


def test_institutions_have_codes_in_the_same_file(tmp_path: Path) -> None:
    key = tmp_path / "key.csv"
    pseudonymise(CASES, key)
    codes = institution_codes(CASES, key)
    assert sorted(codes.values()) == ["institution-0001", "institution-0002"]
    assert set(codes) == {"North", "South"}


def test_a_patient_has_one_code_however_many_cases(tmp_path: Path) -> None:
    """In a key file of an earlier version too, which has none; its lines stay as they are."""
    key = tmp_path / "key.csv"
    cases = [make_case(f"c{i}", "North", patient_id=f"p{i // 2}") for i in range(6)]
    pseudonymise(cases, key)
    before = key.read_bytes()
    codes = patient_codes(cases[:4], key)
    assert key.read_bytes().startswith(before)
    assert (set(codes), sorted(codes.values())) == ({"p0", "p1"}, ["patient-0001", "patient-0002"])
    assert patient_codes(cases, key) == codes | {"p2": "patient-0003"}
    others = [make_case(f"x{i}", "North", patient_id=f"p{i}") for i in range(20)]
    numbers = list(patient_codes(others, tmp_path / "others.csv").values())
    assert numbers not in (sorted(numbers), sorted(numbers, reverse=True)), "numbers tell nothing of the order"


def test_a_key_that_a_spreadsheet_program_saved_is_read_and_closed_to_others(tmp_path: Path) -> None:
    """With a byte order mark, Windows line ends, no line end at the end, and readable by all."""
    key = tmp_path / "key.csv"
    first = pseudonymise(CASES[:2], key)
    key.write_bytes(b"\xef\xbb\xbf" + key.read_bytes().replace(b"\n", b"\r\n").rstrip())
    key.chmod(0o644)
    assert pseudonymise(CASES[:2], key) == first
    assert mode(key) == 0o600
    key.chmod(0o644)
    third = pseudonymise(CASES[:3], key)
    assert third == first | {CASES[2].case_id: "AMT-0003"}
    assert mode(key) == 0o600
    assert pseudonymise(CASES[:3], key) == third


def test_names_with_commas_quotes_and_umlauts_come_back(tmp_path: Path) -> None:
    cases = [make_case("a", 'Klinik "Süd", Haus 2'), make_case("b", "North")]
    codes = institution_codes(cases, tmp_path / "key.csv")
    assert institution_codes(cases, tmp_path / "key.csv") == codes


def test_conversions_at_the_same_time_do_not_lose_a_line(tmp_path: Path) -> None:
    """Eight threads with a case each: eight numbers, each once."""
    key = tmp_path / "key.csv"
    threads = [threading.Thread(target=pseudonymise, args=([case], key)) for case in CASES[:8]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = key.read_bytes()
    pseudonyms = pseudonymise(CASES[:8], key)
    assert sorted(pseudonyms.values()) == [f"AMT-{number:04d}" for number in range(1, 9)]
    assert key.read_bytes() == before


HEAD = "kind,name,pseudonym\n"
BAD_KEYS = {
    "another file": ("case_id,image\nc1,i1\n", "line 1 is not kind,name,pseudonym"),
    "semicolons": (HEAD.replace(",", ";"), "line 1 is not kind,name,pseudonym"),
    "empty": ("", "line 1 is not kind,name,pseudonym"),
    "cut line": (HEAD + "case,c1,AMT-0001\ncase,c2", "line 3: is damaged"),
    "unknown kind": (HEAD + "person,c1,AMT-0001\n", "line 2: is damaged"),
    "no pseudonym": (HEAD + "case,c1,\n", "line 2: is damaged"),
    "one case twice": (HEAD + "case,c1,AMT-0001\ncase,c1,AMT-0002\n", "line 3: a case or its pseudonym stands there"),
    "one pseudonym twice": (HEAD + "case,c1,AMT-0001\ncase,c2,AMT-0001\n", "line 3: a case or its pseudonym stands"),
    "encoding": (HEAD.encode() + "institution,Süd,x\n".encode("latin-1"), "is not in UTF-8"),
}


@pytest.mark.parametrize(("content", "message"), BAD_KEYS.values(), ids=BAD_KEYS.keys())
def test_a_damaged_or_foreign_file_is_refused_and_left_as_it_is(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    key = tmp_path / "key.csv"
    key.write_bytes(content.encode() if isinstance(content, str) else content)
    before = key.read_bytes()
    with pytest.raises(BadInputError) as error:
        pseudonymise(CASES, key)
    assert str(error.value).startswith("key file key.csv")
    assert message in str(error.value)
    assert str(error.value).endswith("restore it from a copy, or name another key file")
    assert key.read_bytes() == before


@pytest.mark.parametrize("prefix", ["", "A_B", "a/b", "AMT-", "x" * 41])
def test_a_prefix_must_be_letters_and_digits(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(BadInputError, match="prefix"):
        pseudonymise(CASES, tmp_path / "key.csv", prefix=prefix)


def test_the_key_belongs_outside_the_dataset(tmp_path: Path) -> None:
    dataset = tmp_path / "raw" / "Dataset711_AMT"
    require_outside(tmp_path / "key.csv", dataset)
    require_outside(tmp_path / "raw" / "key.csv", dataset)
    for inside in (dataset / "key.csv", dataset / "a" / ".." / "key.csv"):
        with pytest.raises(BadInputError, match="lies in the dataset's folder Dataset711_AMT"):
            require_outside(inside, dataset)


def test_the_key_stands_beside_the_manifest(tmp_path: Path) -> None:
    assert default_key_file(tmp_path / "cohort.csv") == tmp_path / "cohort_key.csv"


def test_the_secret_is_drawn_once_and_kept_with_the_key(tmp_path: Path) -> None:
    """Two key files must not have the same one, or it would be no secret; a rerun must have the same."""
    key = tmp_path / "key.csv"
    pseudonyms = pseudonymise(CASES, key)
    secret = record_secret(key)
    assert len(secret) == 32
    assert record_secret(key) == secret != record_secret(tmp_path / "other.csv")
    assert pseudonymise(CASES, key) == pseudonyms
    assert f"secret,records,{secret.hex()}" in key.read_text().splitlines()
    assert mode(key) == mode(tmp_path / "other.csv") == 0o600
    key.chmod(0o644)
    record_secret(key)
    assert mode(key) == 0o600


def test_a_damaged_secret_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key.csv"
    record_secret(key)
    key.write_text(key.read_text()[:-9] + "\n")
    with pytest.raises(BadInputError, match=r"key file key\.csv: its line 'secret' is damaged; restore it from a copy"):
        record_secret(key)


def test_names_that_a_spreadsheet_would_run_are_texts_in_the_key_and_lead_back(tmp_path: Path) -> None:
    """The key file is the one that is opened with a spreadsheet program."""
    key = tmp_path / "key.csv"
    names = ("=HYPERLINK(1)", "+1", "-a", "@x", "'=1", "-5", "＝1")
    cases = [make_case(f"c{i}", name) for i, name in enumerate(names)]
    codes = institution_codes(cases, key)
    with key.open(newline="") as file:
        written = [row["name"] for row in csv.DictReader(file)]
    assert sorted(written) == sorted(["'=HYPERLINK(1)", "'+1", "'-a", "'@x", "''=1", "-5", "'＝1"])
    before = key.read_bytes()
    assert institution_codes(cases, key) == codes
    assert key.read_bytes() == before, "every name was found again"
