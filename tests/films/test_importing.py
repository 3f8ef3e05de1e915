"""A folder of studies: what is imported, what is refused, what a person is told."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import SecondaryCaptureImageStorage

from cli import main
from explain_core.dicom.decode import Decoder
from explain_core.errors import DataError, InputError
from explain_core.films import commands
from explain_core.films.exams import priors
from explain_core.films.importing import Imported, import_folder
from explain_core.films.record import Record, confirm, find, records, release
from tests.dicom.making import VALUES, code, film, saved
from tests.dicom.planted import PLANTS, WORD, planted

KEY = b"k" * 32
SIDES: list[tuple[str, str, list[str]]] = [
    ("R", "CC", ["P", "L"]), ("L", "CC", ["A", "R"]), ("R", "MLO", ["P", "FL"]), ("L", "MLO", ["A", "FR"])
]  # fmt: skip


@pytest.fixture(scope="module")
def decoder() -> Any:
    with Decoder() as started:
        yield started


def views(folder: Path, study: str = "1.2.3", **changes: Any) -> None:
    """The four films of a screening examination."""
    for number, (side, view, leads) in enumerate(SIDES):
        told = {"ImageLaterality": side, "ViewPosition": view, "PatientOrientation": leads, "StudyInstanceUID": study}
        saved(folder / f"{side}{view}.dcm", film(**{**told, "SOPInstanceUID": f"{study}.{number}", **changes}))


def imported(source: Path, decoder: Decoder, films: Path | None = None, **how: Any) -> Imported:
    return import_folder(source, films or source.parent / "films", KEY, decoder, **how)


def test_studies_become_exams_in_hanging_order(tmp_path: Path, decoder: Decoder) -> None:
    views(tmp_path / "in" / "a", study="1.2.3", StudyDate="20170101")
    views(tmp_path / "in" / "b", study="1.2.4", StudyDate="20190101")
    steps: list[float] = []
    done = imported(tmp_path / "in", decoder, on_progress=steps.append)
    old, new = done.exams
    assert [film.label for film in old.films] == ["RCC", "LCC", "RMLO", "LMLO"]
    assert list(new.hung()) == ["RCC", "LCC", "RMLO", "LMLO"]
    assert new.notes() == old.notes() == ()
    assert priors(new, done.exams) == [old]
    assert priors(old, done.exams) == []
    assert steps == [n / 8 for n in range(1, 9)]
    assert {film.state for film in done.films} == {"ready"}
    assert records(tmp_path / "films") == [film for exam in done.exams for film in sorted(exam.films, key=_name)]


def _name(record: Record) -> str:
    return record.film


def test_a_film_is_read_back_as_it_was(tmp_path: Path, decoder: Decoder) -> None:
    saved(tmp_path / "in" / "a.dcm", film())
    (record,) = imported(tmp_path / "in", decoder).films
    found = find(tmp_path / "films", record.film)
    assert found == record
    assert np.array_equal(found.open(tmp_path / "films").stored, VALUES)
    (record.folder(tmp_path / "films") / record.file).unlink()
    with pytest.raises(DataError, match="import it again"):
        found.open(tmp_path / "films")


def test_asked_again_it_goes_on(tmp_path: Path, decoder: Decoder) -> None:
    views(tmp_path / "in")
    seen: list[float] = []
    first = imported(tmp_path / "in", decoder, on_progress=seen.append, cancelled=lambda: len(seen) == 3)
    assert first.cancelled
    assert len(first.films) == 3
    second = imported(tmp_path / "in", decoder)
    assert (len(second.films), second.already, second.cancelled) == (1, 3, False)
    assert len(second.exams[0].films) == 4


def test_broken_files_do_not_stop_the_rest(tmp_path: Path, decoder: Decoder) -> None:
    views(tmp_path / "in")
    whole = (tmp_path / "in" / "RCC.dcm").read_bytes()
    (tmp_path / "in" / "0-cut.dcm").write_bytes(whole[:-100])
    (tmp_path / "in" / "1-text").write_text("Dear Mrs Doe")
    (tmp_path / "in" / "2.zip").write_bytes(b"PK\x03\x04" + bytes(100))
    (tmp_path / "in" / "3.docx").write_text("Dear Mrs Doe")
    saved(tmp_path / "in" / "4-report.dcm", film(PixelData=None, Rows=None))
    (tmp_path / "in" / "5.png").write_bytes(b"no picture")
    (tmp_path / "in" / ".hidden").write_text("x")
    (tmp_path / "in" / "DICOMDIR").write_text("a disc's table of contents")
    done = imported(tmp_path / "in", decoder)
    assert [(fault.number, fault.kind) for fault in done.faults] == [
        (1, "DamagedFilm"), (2, "NotDicom"), (3, "NotDicom"), (5, "NotAFilm"), (6, "ImageError")
    ]  # fmt: skip
    assert (len(done.films), done.others) == (4, 2)


def test_doubled_missing_and_special_views_are_told(tmp_path: Path, decoder: Decoder) -> None:
    spot = [code("399162004", ViewModifierCodeSequence=[code("399055006"), code("399163009")])]
    saved(tmp_path / "in" / "a.dcm", film(SOPInstanceUID="1.2.3.1"))
    saved(tmp_path / "in" / "b.dcm", film(SOPInstanceUID="1.2.3.2", BreastImplantPresent="YES"))
    saved(tmp_path / "in" / "c.dcm", film(SOPInstanceUID="1.2.3.3", ViewCodeSequence=spot))
    saved(tmp_path / "in" / "d.dcm", film(SOPInstanceUID="1.2.3.4", SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2.1"))
    (exam,) = imported(tmp_path / "in", decoder).exams
    assert set(exam.notes()) == {
        "RCC is there 3 times: which one is hung must be chosen", "no RMLO, LCC, LMLO", "RCC: breast implant",
        "RCC: spot compression, magnification",
        "some films are for presentation, some for processing: their contrast differs",
    }  # fmt: skip
    assert "spot compression" not in exam.hung()["RCC"].facts.modifiers


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"ImageLaterality": None}, "no laterality"),
        ({"ViewPosition": None}, "no view"),
        ({"ImageLaterality": "L"}, "laterality L does not go with columns that lead to L"),
        ({"Laterality": "L"}, "its series L"),
        ({"values": np.flip(np.sort(VALUES, axis=None).reshape(48, 64).T, 1)}, "begins at the left edge"),
        ({"PatientID": "", "PatientName": "", "PatientBirthDate": ""}, "names no patient"),
    ],
)
def test_doubtful_films_wait_for_a_person(tmp_path: Path, decoder: Decoder, changes: Any, match: str) -> None:
    saved(tmp_path / "in" / "a.dcm", film(**changes))
    (record,) = imported(tmp_path / "in", decoder).films
    assert record.state == "unconfirmed"
    assert match in "; ".join(record.notes)
    made = confirm(tmp_path / "films", record, "L", "MLO")
    assert find(tmp_path / "films", record.film) == made
    assert (made.state, made.label) == ("unconfirmed" if "patient" in match else "ready", "LMLO")
    assert confirm(tmp_path / "films", made, "", "", whose=True).state == "ready"


@pytest.mark.parametrize("word", ["ImageLaterality", "ViewPosition"])
def test_nothing_is_confirmed_that_is_not_said(tmp_path: Path, decoder: Decoder, word: str) -> None:
    saved(tmp_path / "in" / "a.dcm", film(**{word: None}))
    (record,) = imported(tmp_path / "in", decoder).films
    with pytest.raises(InputError, match="no laterality or no view"):
        confirm(tmp_path / "films", record, "", "")
    assert find(tmp_path / "films", record.film) == record


def test_whose_a_film_is_is_not_seen_on_it(tmp_path: Path, decoder: Decoder) -> None:
    saved(tmp_path / "in" / "a.dcm", film(SOPInstanceUID="1.2.3.1"))
    saved(tmp_path / "in" / "b.dcm", film(SOPInstanceUID="1.2.3.2", PatientName="Roe^Ann"))
    _, doubtful = imported(tmp_path / "in", decoder).films
    made = confirm(tmp_path / "films", doubtful, "R", "CC")
    assert made.state == "unconfirmed"
    assert any("several names" in note for note in made.notes)
    assert confirm(tmp_path / "films", made, "", "", whose=True).state == "ready"


def test_people_who_are_mixed_up_are_noticed(tmp_path: Path, decoder: Decoder) -> None:
    saved(tmp_path / "in" / "a.dcm", film(SOPInstanceUID="1.2.3.1"))
    saved(tmp_path / "in" / "b.dcm", film(SOPInstanceUID="1.2.3.2", PatientName="Roe^Ann"))
    saved(tmp_path / "in" / "c.dcm", film(SOPInstanceUID="1.2.3.3", PatientID="4712"))
    done = imported(tmp_path / "in", decoder)
    told = [(film.state, sum("several names" in note for note in film.notes)) for film in done.films]
    assert told == [("unconfirmed", 1), ("unconfirmed", 1), ("unconfirmed", 0)]
    assert all("one study with several patients" in film.notes[-1] for film in done.films)
    assert {film.film: film for film in records(tmp_path / "films")} == {film.film: film for film in done.films}
    assert done.notes[0] == "1 of 1 folders hold films of several patients"
    assert "Roe" not in json.dumps(done.as_dict())


def test_a_film_from_an_earlier_day_is_doubted_too(tmp_path: Path, decoder: Decoder) -> None:
    for number in (1, 2):
        saved(tmp_path / "in" / f"{number}.dcm", film(SOPInstanceUID=f"1.2.3.{number}"))
    first, sure = imported(tmp_path / "in", decoder).films
    assert first.state == "ready"
    sure = confirm(tmp_path / "films", sure, "", "", whose=True)
    saved(tmp_path / "later" / "a.dcm", film(SOPInstanceUID="1.2.3.3", PatientName="Roe^Ann"))
    imported(tmp_path / "later", decoder)
    assert find(tmp_path / "films", first.film).state == "unconfirmed"
    assert find(tmp_path / "films", sure.film) == sure


def test_one_identifier_with_two_pictures_is_refused(tmp_path: Path, decoder: Decoder) -> None:
    saved(tmp_path / "in" / "a.dcm", film())
    saved(tmp_path / "in" / "b.dcm", film(VALUES[::-1]))
    done = imported(tmp_path / "in", decoder)
    assert len(done.films) == 1
    assert "wrong identifier" in done.faults[0].text


@pytest.mark.parametrize(
    ("changes", "held"),
    [
        ({"BurnedInAnnotation": "YES"}, True),
        ({"BurnedInAnnotation": None}, False),  # a detector's picture
        ({"BurnedInAnnotation": None, "SOPClassUID": SecondaryCaptureImageStorage}, True),
        ({"SOPClassUID": SecondaryCaptureImageStorage}, False),
    ],
)
def test_burned_in_text_is_quarantined(tmp_path: Path, decoder: Decoder, changes: Any, held: bool) -> None:
    saved(tmp_path / "in" / "a.dcm", film(**changes))
    films = tmp_path / "films"
    (record,) = imported(tmp_path / "in", decoder).films
    assert (record.state == "quarantined") is held
    assert [len(records(films)), len(records(films, quarantined=True))] == ([0, 1] if held else [1, 0])
    assert imported(tmp_path / "in", decoder).already == 1
    if held:
        made = release(films, find(films, record.film))
        assert (made.state, records(films), records(films, quarantined=True)) == ("ready", [made], [])
        assert np.array_equal(made.open(films).stored, VALUES)
    with pytest.raises(InputError, match="not in quarantine"):
        release(films, find(films, record.film))


def test_pictures_are_hung_by_their_names(tmp_path: Path, decoder: Decoder) -> None:
    folder = tmp_path / "in" / "p1"
    folder.mkdir(parents=True)
    deep = (VALUES.astype(np.uint32) * 16).astype(np.uint16)
    Image.fromarray(VALUES).save(folder / "L-CC.png")
    Image.fromarray(deep).save(folder / "R_MLO.tif")
    Image.fromarray((VALUES % 256).astype(np.uint8)).save(folder / "RCC.pgm")
    Image.fromarray(np.zeros((64, 64, 3), np.uint8) + np.uint8([1, 2, 3])).save(folder / "colour.png")
    done = imported(tmp_path / "in", decoder)
    (exam,) = done.exams
    assert [(film.label, film.facts.bits, film.state) for film in exam.films] == [
        ("RCC", 8, "unconfirmed"), ("LCC", 12, "unconfirmed"), ("RMLO", 16, "unconfirmed")
    ]  # fmt: skip
    kept = [film.open(tmp_path / "films").stored for film in exam.films]
    assert all(np.array_equal(*pair) for pair in zip(kept, (VALUES % 256, VALUES, deep), strict=True))
    assert "in colour" in done.faults[0].text


def test_folders_must_not_lie_in_each_other(tmp_path: Path, decoder: Decoder) -> None:
    with pytest.raises(InputError, match="in each other"):
        imported(tmp_path, decoder, tmp_path / "films")
    with pytest.raises(InputError, match="no folder"):
        imported(tmp_path / "none", decoder, tmp_path / "films")


def test_a_damaged_record_is_told(tmp_path: Path, decoder: Decoder) -> None:
    saved(tmp_path / "in" / "a.dcm", film())
    (record,) = imported(tmp_path / "in", decoder).films
    path = record.path(tmp_path / "films")
    for text in ("", "{}", "[]", path.read_text().replace('"format": 1', '"format": 2')):
        path.write_text(text)
        with pytest.raises(DataError, match=record.film):
            records(tmp_path / "films")
    with pytest.raises(InputError, match="no film"):
        find(tmp_path / "films", "../../etc/passwd")
    path.write_text("{")
    again = imported(tmp_path / "in", decoder)
    assert (again.films, again.faults) == ([record], [])
    assert records(tmp_path / "films") == [record]


def test_a_study_with_planted_texts_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names, dates, numbers and private tags in every tag there is, in file names and in broken files."""
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "home"))
    source = tmp_path / "in" / f"{WORD}^JANE"
    whole = saved(source / f"{WORD} 1.dcm", planted()).read_bytes()
    for share in (0.1, 0.5, 0.9, 0.97):
        (source / f"{WORD} {share}.dcm").write_bytes(whole[: int(share * len(whole))])
    secondary = planted()
    secondary.SOPClassUID, secondary.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.826.4711.4711.4711.2"
    secondary.BurnedInAnnotation = "YES"
    saved(source / "b.dcm", secondary)
    Image.fromarray(VALUES).save(source / f"{WORD}_LCC.png")
    assert main(["dicom", "import", str(tmp_path / "in"), "--json"]) == 2
    assert main(["dicom", "list"]) == 0
    assert main(["dicom", "show", str(source / "b.dcm")]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out.splitlines()[0])
    assert len(told["films"]) == 3
    assert len(told["faults"]) == 4
    assert [film["state"] for film in told["films"]].count("quarantined") == 1
    left = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert len(left) == 1 + 3 * 3  # the key; film, record and levels
    places = [path.read_bytes() for path in left] + [str(left).encode(), said.out.encode(), said.err.encode()]
    for plant in PLANTS:
        assert [plant for place in places if plant.lower().encode() in place.lower()] == []


def test_from_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "home"))
    views(tmp_path / "in")
    saved(tmp_path / "in" / "x.dcm", film(SOPInstanceUID="1.9", BurnedInAnnotation="YES", ImageLaterality=None))
    (tmp_path / "in" / "y.dcm").write_text("Dear Mrs Doe")
    assert main(["dicom", "import", str(tmp_path / "in"), "--names"]) == 2
    said = capsys.readouterr()
    assert "5 films imported (0 to be confirmed, 1 in quarantine), 0 were there, 1 refused" in said.out
    assert "file 6" in said.err
    assert "y.dcm" in said.err
    (held,) = records(tmp_path / "home" / "films", quarantined=True)
    assert main(["dicom", "release", held.film]) == 0
    assert main(["dicom", "confirm", held.film, "--laterality", "R"]) == 0
    assert "RCC  ready" in capsys.readouterr().out
    assert main(["dicom", "confirm", held.film, "--view", "XX"]) == 2
    assert main(["dicom", "list", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 5
    assert main(["dicom", "show", str(tmp_path / "in" / "RCC.dcm")]) == 0
    shown = capsys.readouterr().out
    assert "48 × 64 pixels, 12 bits" in shown
    assert "0.1 × 0.1 mm a pixel at the detector plane" in shown
    assert main(["dicom", "show", str(tmp_path / "in" / "RCC.dcm"), "--json"]) == 0
    assert "Doe" not in capsys.readouterr().out


def test_the_four_views_at_hand(shared_data: Path, tmp_path: Path, decoder: Decoder) -> None:
    done = imported(shared_data / "ffdm", decoder, tmp_path / "films")
    (exam,) = done.exams
    assert [film.label for film in exam.films] == ["RCC", "LCC", "RMLO", "LMLO"]
    for record in exam.films:
        name = f"{record.facts.laterality}-{record.facts.view}.png"
        assert np.array_equal(
            record.open(tmp_path / "films").stored, np.asarray(Image.open(shared_data / "ffdm" / name))
        )


def test_the_films_at_hand(shared_data: Path, tmp_path: Path, decoder: Decoder) -> None:
    pytest.importorskip("gdcm", reason="JPEG Lossless needs the extra [jpeg-lossless]")
    (tmp_path / "in").mkdir()
    for name in ("dcm01.DCM", "notzaki_MG.dcm"):
        (tmp_path / "in" / name).write_bytes((shared_data / "dicom" / name).read_bytes())
    done = imported(tmp_path / "in", decoder)
    assert sorted((film.label, film.facts.spacing.plane, film.state) for film in done.films) == [
        ("RCC", "body", "ready"), ("RCC", "calibrated", "ready")
    ]  # fmt: skip
    (card,) = (film for film in done.films if film.facts.spacing.plane == "calibrated")
    assert (card.facts.spacing.row, card.facts.spacing.column) == (0.25, 0.25)  # the card's own PixelSpacing


@pytest.fixture
def interrupts() -> Iterator[None]:
    """As in a terminal, whatever started the tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
def test_the_first_interrupt_asks_and_the_second_stops() -> None:
    with commands.first_interrupt() as asked:
        assert not asked()
        signal.raise_signal(signal.SIGINT)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("interrupts")
def test_an_interrupt_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with commands.first_interrupt() as asked:
        signal.raise_signal(signal.SIGINT)
        assert not asked()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
