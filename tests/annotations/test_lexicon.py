"""The coded fields: Rhoscope's own are those of DICOM, and a site's file that is wrong says where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydicom.sr import codes

from annotations.reading.lexicon import FILE, lexicon_from, read_lexicon
from explain_core.errors import InputError

CIDS = {
    "density": 6001, "shape": 6004, "margin": 6006, "mass_density": 6008, "morphology": 6010, "distribution": 6013,
    "kind": 6014,
}  # fmt: skip
ASSESSMENT = {
    "397138000", "397140005", "397141009", "397143007", "MA.II.A.5.4A", "MA.II.A.5.4B", "MA.II.A.5.4C", "397145000",
    "MA.II.A.5.6",
}  # fmt: skip
"""PS3.16, CID 6027 of 2024, without the 4 that has parts; pydicom does not have it."""
SMALL = """
name = "site"
version = "2"
[[field]]
name = "side"
title = "Side"
about = "finding"
choices = [["99S", "l", "left"], ["99S", "r", "right"]]
"""


def test_codes_are_those_of_dicom() -> None:
    fields = {field.name: field for field in read_lexicon().fields}
    assert {choice.code for choice in fields.pop("assessment").choices} == ASSESSMENT
    for name, number in CIDS.items():
        found = getattr(codes, f"cid{number}")
        known = {(code.scheme_designator, code.value) for code in (getattr(found, one) for one in found.dir())}
        if name == "kind":
            known |= {("SCT", "129788004"), ("SCT", "129790003")}  # CID 6054: mass, asymmetry
        assert {(choice.scheme, choice.code) for choice in fields[name].choices} <= known, name
    assert set(fields) == set(CIDS)


def test_its_hash_is_that_of_the_fields(tmp_path: Path) -> None:
    own = read_lexicon()
    again = tmp_path / "site.toml"
    again.write_text("# ours\n\n" + FILE.read_text(encoding="utf-8"), encoding="utf-8")
    assert read_lexicon(again).sha256 == own.sha256 == lexicon_from(own.record()).sha256
    again.write_text(FILE.read_text(encoding="utf-8").replace("some gland", "a little gland"), encoding="utf-8")
    assert read_lexicon(again).sha256 != own.sha256


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "site"', "name = 3", "the lexicon needs a name"),
        ('version = "2"', 'version = "2"\nedition = "5"', "'edition' is no part of it"),
        ('"side"', '"Side of it"', "a field needs a name: a small letter"),
        ('"finding"', '"breast"', "the field 'side' is about 'breast': it is 'case' or 'finding'"),
        ('["99S", "r", "right"]', '["99S", "l", "right"]', "the field 'side' has a code twice"),
        ('["99S", "r", "right"]', '["99S", "r"]', "a choice is [scheme, code, words]"),
        (', ["99S", "r", "right"]', "", "the field 'side' needs 2 to 100 choices"),
        ('"right"', '"' + "x" * 65 + '"', "words at most 64"),
        ('about = "finding"', 'about = "finding"\nwhen = ["kind", ["1"]]', "must name a field above it"),
        ('about = "finding"', 'about = "finding"\nnote = ""', "the field 'side' has 'note'"),
        ("[[field]]", "[[field]", "is no TOML"),
        ("[[field]]", "[[fields]]", "'fields' is no part of it"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SMALL, encoding="utf-8")
    assert read_lexicon(path).name == "site"
    path.write_text(SMALL.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(said)):
        read_lexicon(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name a lexicon, a TOML file"):
        read_lexicon(tmp_path / "none.toml")
