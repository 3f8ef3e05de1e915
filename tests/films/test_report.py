"""The case report: one file that says what it is, where it comes from, and nothing of the patient."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cli import main
from explain_core.data.marked import Code, Marked, marked_record, read_marked
from explain_core.dicom.decode import Decoder
from explain_core.dicom.transforms import displayed
from explain_core.errors import InputError
from explain_core.films import commands
from explain_core.films.importing import import_folder
from explain_core.films.record import Record, records
from explain_core.films.report import CAUTIONS, Shown, case_report
from explain_core.shapes import Box, Ellipse, Freehand
from tests.dicom.making import film, saved
from tests.dicom.planted import PLANTS, WORD, planted

REGIONS = (
    Marked(Ellipse(20.25, 30.5, 10, 5, 30), "<b>mass</b>", Code("129788004", "SCT", "Mammographic breast mass")),
    Marked(Box(4, 25, 20.5, 35)),
    Marked(Freehand(((1, 1), (30, 2.5), (7, 20.125)))),
)
MAP = np.linspace(-1, 1, 64 * 48, dtype=np.float32).reshape(64, 48)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    saved(folder / "in" / "a.dcm", film())
    saved(folder / "in" / "b.dcm", film(SOPInstanceUID="1.2.3.2", ViewPosition=None, ImageLaterality="L"))
    saved(folder / "in" / "c.dcm", film(SOPInstanceUID="1.2.3.3", StudyInstanceUID="1.2.9", PatientID="other"))
    saved(folder / "in" / "d.dcm", film(SOPInstanceUID="1.2.3.4", BurnedInAnnotation="YES"))
    with Decoder() as decoder:
        import_folder(folder / "in", folder / "films", b"k" * 32, decoder)
    return folder / "films"


@pytest.fixture(scope="module")
def sure(films: Path) -> Record:
    return next(one for one in records(films) if one.label == "RCC" and len(list(one.folder(films).glob("*.dcm"))) == 2)


@pytest.fixture(scope="module")
def unsure(films: Path) -> Record:
    return next(one for one in records(films) if one.state == "unconfirmed")


class Elements(HTMLParser):
    """Tags with their attributes, in order, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (told for name, told in self.tags if name == tag)


def shown(films: Path, record: Record, **more: Any) -> Shown:
    return Shown(record, record.open(films), **more)


def test_it_is_one_file_that_runs_and_loads_nothing(films: Path, sure: Record) -> None:
    text = case_report([shown(films, sure, marked=REGIONS, saliency=MAP)])
    page = Elements(text)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "a", "form"})
    addresses = re.findall(r'(?:href|src)="([^"]*)', text)
    assert len(addresses) == 3
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert "url(" not in text
    assert text.startswith("<!doctype html>")


def test_the_picture_is_the_film_and_regions_lie_in_its_pixels(films: Path, sure: Record) -> None:
    page = Elements(case_report([shown(films, sure, marked=REGIONS)]))
    (svg,) = page.named("svg")
    assert svg["viewbox"] == "0 0 48 64"
    (image,) = page.named("image")
    with Image.open(BytesIO(base64.b64decode((image["href"] or "").partition(",")[2]))) as picture:
        assert np.abs(np.asarray(picture) / 255 - displayed(sure.open(films))).max() <= 0.5 / 255 + 1e-6
    (ellipse,) = page.named("ellipse")
    assert {name: ellipse[name] for name in ("cx", "cy", "rx", "ry", "transform")} == {
        "cx": "20.25", "cy": "30.5", "rx": "10", "ry": "5", "transform": "rotate(30 20.25 30.5)",
    }  # fmt: skip
    assert [told["points"] for told in page.named("polygon")][1] == "1,1 30,2.5 7,20.125"
    assert "<b>mass</b>" in page.text


def test_it_says_what_it_is_and_where_it_comes_from(films: Path, sure: Record) -> None:
    origin = {"method": "ape", "rho": 0.05, "model_sha256": "abc123", "image": "Doe_Jane.png", "params": {"steps": 10}}
    page = Elements(case_report([shown(films, sure, marked=REGIONS, saliency=MAP, origin=origin)]))
    assert all(caution in page.text for caution in CAUTIONS)
    for words in (sure.patient, sure.film, sure.sha256, "abc123", '"ape"', '{"steps": 10}', "at the detector plane"):
        assert words in page.text
    assert "Doe" not in page.text
    assert "positive saliency inside the regions" in page.text
    unknown = Elements(case_report([shown(films, sure, saliency=MAP)]))
    assert "not known: it came without a record" in unknown.text


def test_what_is_not_sure_is_said_to_be_so(films: Path, sure: Record, unsure: Record) -> None:
    page = Elements(case_report([shown(films, sure), shown(films, unsure)]))
    assert "L?, to be confirmed" in page.text
    assert "no view: to be confirmed" in page.text
    assert "no RMLO, LCC, LMLO" in page.text


def test_nothing_of_the_patient_is_in_it(tmp_path: Path) -> None:
    saved(tmp_path / "in" / WORD / f"{WORD}.dcm", planted())
    with Decoder() as decoder:
        import_folder(tmp_path / "in", tmp_path / "films", b"k" * 32, decoder)
    found = [one for held in (False, True) for one in records(tmp_path / "films", quarantined=held)]
    (one,) = found
    text = case_report([Shown(replace(one, state="ready"), one.open(tmp_path / "films"))])
    assert not [plant for plant in PLANTS if str(plant) in text]
    assert WORD not in text


def test_films_that_do_not_go_together_are_refused(films: Path, sure: Record) -> None:
    other = next(one for one in records(films) if one.patient != sure.patient)
    (held,) = records(films, quarantined=True)
    with pytest.raises(InputError, match="several patients"):
        case_report([shown(films, sure), shown(films, other)])
    with pytest.raises(InputError, match="quarantine"):
        case_report([shown(films, held)])
    with pytest.raises(InputError, match="without films"):
        case_report([])
    with pytest.raises(InputError, match="place it on its grid"):
        case_report([shown(films, sure, saliency=MAP.T)])
    with pytest.raises(InputError, match="no numbers"):
        case_report([shown(films, sure, saliency=MAP * np.nan)])
    with pytest.raises(InputError, match="off the film"):
        case_report([shown(films, sure, marked=[Marked(Box(100, 100, 110, 110))])])


def test_from_a_shell(
    films: Path, sure: Record, unsure: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(commands, "films_folder", lambda: films)
    lines = [{"film": sure.film, "regions": [marked_record(one) for one in REGIONS]}, {"film": "x", "regions": []}]
    regions, out = tmp_path / "regions.jsonl", tmp_path / "case.html"
    regions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "ex" / "a").mkdir(parents=True)
    np.savez(tmp_path / "ex" / "a" / "ape.npz", saliency=MAP)
    line = {"file": "a/ape.npz", "method": "ape", "image_sha256": sure.sha256}
    (tmp_path / "ex" / "explanations.jsonl").write_text(json.dumps(line) + "\n")
    asked = ["dicom", "report", sure.film, unsure.film, "--regions", str(regions), "--out", str(out)]
    assert main([*asked, "--map", f"{sure.film}={tmp_path / 'ex' / 'a' / 'ape.npz'}"]) == 0
    page = Elements(out.read_text())
    assert len(list(page.named("svg"))) == 3
    assert "ape laid over it" in page.text
    assert main([*asked, "--map", "map.npy"]) == 2
    assert "FILM=FILE" in capsys.readouterr().err


def test_regions_without_a_film_are_of_one_film_alone() -> None:
    text = json.dumps([marked_record(REGIONS[1])])
    assert read_marked(text, "a") == [REGIONS[1]]
    with pytest.raises(InputError, match="name no film"):
        read_marked(text, "a", alone=False)
    for broken in ("", "{", '"a"', "[[]]", "[1]", "{}", '[{"box": {}}]', "[" * 100_000, '{"regions": 1}'):
        with pytest.raises(InputError):
            read_marked(broken, "a")
