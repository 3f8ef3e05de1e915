"""The Library page: a user's weights come in, a data set is kept and verified, a backup is made and put back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from streamlit.testing.v1 import AppTest

from annotations.backup import write_backup
from explain_core.models.architectures import Shape, build
from explain_core.models.imported import Told, import_weights
from explain_core.models.registry import find, registered
from tests.pages.acting import press, view
from tests.pages.fake_engine import Opened
from tests.pages.reading import texts

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def weights() -> bytes:
    with torch.random.fork_rng(devices=[]):
        return save(build("mlp", {"hidden": 3}, Shape(1, (4, 4), 2)).state_dict())


@pytest.fixture
def page(opened: Opened) -> AppTest:
    return opened().switch_page("pages/library.py").run()


def put(weights: bytes, name: str = "mine") -> None:
    told = Told("mlp", {"hidden": 3}, ("ash", "birch"), 1, (4, 4))
    import_weights(weights, "w.safetensors", name, told, next_version=True)


def filled(page: AppTest, content: bytes, file: str) -> AppTest:
    view(page, "import", "library")
    page.selectbox(key="library-network").set_value("mlp").run()
    page.file_uploader(key="library-weights").upload(file, content, "application/octet-stream")
    page.text_input(key="library-name").set_value("mine")
    page.number_input(key="library.network.mlp.hidden").set_value(3)
    page.text_input(key="library-classes").set_value("ash, birch")
    page.selectbox(key="library-colours").set_value(1)
    for side in ("height", "width"):
        page.number_input(key=f"library-{side}").set_value(4)
    return page.run()


def test_an_empty_library_says_what_to_do(page: AppTest) -> None:
    assert "No model is registered yet" in texts(page)
    assert "No data set is kept yet" in texts(view(page, "data", "library"))
    assert "which is empty" in texts(view(page, "backup", "library"))


def test_weights_come_in(page: AppTest, weights: bytes) -> None:
    press(filled(page, weights, "w.safetensors"), "Import")
    assert [success.value for success in page.success] == ["It is `registry/mine@1` from now on: see Models."]
    assert find("mine").describe().handling.classes == ("ash", "birch")
    view(page, "models", "library")
    assert page.dataframe[0].value["Name"].tolist() == ["mine"]
    facts = page.table[0].value["Value"]
    assert (facts["Network"], facts["Input"]) == ("mlp (hidden 3, activation relu)", "4 × 4 pixels, grey")
    assert "nobody has told" in texts(page)


@pytest.mark.parametrize(
    ("content", "file", "why"),
    [(b"PK\x03\x04", "w.pt", "is a pickle"), (b"\x00" * 20, "w.safetensors", "damaged")],
)
def test_what_is_no_safetensors_is_a_message(page: AppTest, content: bytes, file: str, why: str) -> None:
    press(filled(page, content, file), "Import")
    assert [why in error.value for error in page.error] == [True]
    assert registered() == []


def test_a_taken_name_and_a_bad_mean_are_messages(page: AppTest, weights: bytes) -> None:
    put(weights)
    press(filled(page, weights, "w.safetensors"), "Import")
    assert ["is taken" in error.value for error in page.error] == [True]
    page.text_input(key="library-mean").set_value("grey").run()
    assert ["finite numbers" in error.value for error in page.error] == [True]


def test_a_model_is_opened_in_explore(page: AppTest, weights: bytes) -> None:
    put(weights)
    put(weights)
    view(page, "models", "library")
    page.selectbox(key="library-model").set_value("mine@1").run()
    press(page, "Open in Explore")
    assert page.session_state["model"] == "registry/mine@1"


def test_what_is_gone_is_missing(page: AppTest, weights: bytes, home: Path) -> None:
    put(weights)
    page.run()
    (home / "models").rename(home / "elsewhere")
    page.run()
    assert ["`mine@1` is missing" in warning.value for warning in page.warning] == [True]


def test_a_data_set_is_kept_and_verified(page: AppTest, tmp_path: Path) -> None:
    table = tmp_path / "films.csv"
    table.write_text("file,label,name\na.png,0,one\nb.png,1,two\n")
    view(page, "data", "library")
    page.text_input(key="library-data-name").set_value("films")
    page.text_input(key="library-spec").set_value(f"csv:{table}").run()
    press(page, "Keep")
    assert [success.value for success in page.success] == ["`manifest:films@1` is kept."]
    assert page.dataframe[1].value["Item"].tolist() == ["one", "two"]
    press(page, "Verify")
    assert page.success[-1].value == "nothing has changed"
    table.write_text("file,label,name\na.png,1,one\nb.png,1,two\n")
    press(page, "Verify")
    assert [warning.value for warning in page.warning] == ["another label: 1 (one)"]
    page.text_input(key="library-spec").set_value("nowhere:x").run()
    press(page, "Keep")
    assert ["no known form" in error.value for error in page.error] == [True]


def test_a_backup_is_made_and_put_back(
    page: AppTest, weights: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(weights)
    press(view(page, "backup", "library"), "Back up now")
    assert "3 files" in page.success[0].value
    assert "Into an empty workspace only" in texts(page)
    (made,) = (home / "backups").glob("*.zip")
    monkeypatch.setenv("RHOSCOPE_HOME", str(home.with_name("second")))
    page.run()
    page.file_uploader(key="library-backup").upload("b.zip", made.read_bytes()[:-40], "application/zip").run()
    press(page, "Restore")
    assert ["is no backup" in error.value for error in page.error] == [True]
    page.file_uploader(key="library-backup").upload("b.zip", made.read_bytes(), "application/zip").run()
    press(page, "Restore")
    assert "3 files are restored" in page.success[0].value
    assert [entry.spec for entry in registered()] == ["registry/mine@1"]


def test_restore_is_offered_where_nothing_is(page: AppTest, weights: bytes, tmp_path: Path) -> None:
    put(weights)
    write_backup(tmp_path / "b.zip")
    view(page, "backup", "library")
    assert [button.label for button in page.button if button.label == "Restore"] == []
