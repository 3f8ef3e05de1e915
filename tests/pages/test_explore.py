"""The Explore page: what it asks of the engine, and what it says."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from explain_core.methods import METHODS
from explain_core.path import RHO_GRID
from pages.parts.subject import short
from tests.pages.fake_engine import FakeEngine, Opened
from tests.pages.reading import components, shown, texts

DEFAULTS = ("gradcam", "perceptual-ball", "ape", "explain-plus")


def test_four_methods_and_their_whole_paths_are_asked_once(opened: Opened, engine: FakeEngine) -> None:
    opened()
    asked = [(job.method, job.rho) for job in engine.jobs]
    path = [(method, rho) for method in DEFAULTS[1:] for rho in RHO_GRID]
    assert sorted(asked, key=str) == sorted([("gradcam", None), *path], key=str)


def test_a_network_beside_itself(opened: Opened) -> None:
    app = opened(compare="model", model2="demo")
    assert not app.exception


def test_what_is_seen_first_is_asked_first(opened: Opened, engine: FakeEngine) -> None:
    opened(rho="0.02")
    first = [job for job, priority in zip(engine.jobs, engine.priorities, strict=True) if priority == 0]
    assert [(job.method, job.rho) for job in first] == [
        ("gradcam", None),
        ("perceptual-ball", 0.02),
        ("ape", 0.02),
        ("explain-plus", 0.02),
    ]


def test_moving_the_slider_asks_for_nothing_and_marks_the_curve(opened: Opened, engine: FakeEngine) -> None:
    app = opened()
    before, pictures = len(engine.tickets), components(app)
    for rho in RHO_GRID:
        app.session_state["rho"] = rho
        app.run()
        assert not app.exception
        figure = json.loads(app.get("plotly_chart")[-1].proto.spec)
        assert figure["layout"]["shapes"][0]["x0"] == rho
    assert len(engine.tickets) == before
    assert components(app) == pictures, "the panels hold the whole path already"


def test_each_panel_holds_a_png_for_every_rho(opened: Opened) -> None:
    gradcam, ball, *_ = components(opened())
    assert len(gradcam["cells"]) == 1
    sources = {shown(ball, rho)["over"] for rho in RHO_GRID}
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert ball["under"].startswith("data:image/png;base64,")
    assert "perceptual ball" in shown(ball, 0.05)["alt"].casefold()
    assert "ρ = 0.05" in shown(ball, 0.05)["alt"]


def test_the_figures_are_those_of_the_answer(opened: Opened) -> None:
    _, ball, ape, _ = components(opened())
    facts = dict(shown(ball, 0.05)["facts"])
    assert facts["Decision"] == "lesion 70% → normal 65%"
    assert facts["p(lesion)"] == "70.0% → 30.0%"
    assert facts["RMSE"] == "0.05, all of ρ 0.05"
    assert facts["Largest change"] == "12.8 grey levels"
    assert facts["Cost"] == "12 passes, 0.05 s"
    assert dict(shown(ape, 0.05)["facts"])["RMSE"] == "0.025, inside the ball"
    assert shown(ball, 0.05)["outcome"] == "It pushed."


def test_the_smallest_rho_at_which_the_decision_changes_is_said(opened: Opened) -> None:
    said = texts(opened())
    assert "Perceptual ball: changes from ρ = 0.03" in said


@pytest.mark.parametrize("view", ["saliency", "perturbed", "difference", "mask"])
def test_each_view_is_drawn_or_says_why_not(opened: Opened, view: str) -> None:
    gradcam, ball, ape, _ = (shown(data, 0.05) for data in components(opened(view=view)))
    assert ape["over"] is not None
    assert ape["alone"]
    assert (gradcam["over"] is None) == (view != "saliency")
    assert ("makes no" in gradcam["note"]) == (view != "saliency")
    assert (ball["over"] is None) == (view == "mask")


def test_the_difference_states_its_gain(opened: Opened) -> None:
    ball = shown(components(opened(view="difference"))[1], 0.05)
    assert ball["legend"]["low"] == "gain × 10: darker"


def test_a_shared_scale_is_the_same_in_all_panels(opened: Opened) -> None:
    own = {shown(data, 0.05)["legend"]["high"] for data in components(opened())}
    shared = {shown(data, 0.05)["legend"]["high"] for data in components(opened(scale="shared"))}
    assert len(shared) == 1
    assert max(map(float, own)) == float(shared.pop())


def test_a_second_class_stands_beside_the_first(opened: Opened, engine: FakeEngine) -> None:
    app = opened(compare="class")
    assert len(components(app)) == 8
    assert {job.target for job in engine.jobs} == {1, 0}
    assert "asked about “normal”" in texts(app)


def test_a_second_model_stands_beside_the_first(opened: Opened, engine: FakeEngine) -> None:
    app = opened(compare="model")
    assert len(components(app)) == 8
    assert {(job.model, job.target) for job in engine.jobs} == {("demo", 1), ("demo-shortcut", 1)}
    engine.tickets.clear()
    app.selectbox(key="target").set_value("2").run()
    assert {(job.model, job.target) for job in engine.jobs} == {("demo", 2), ("demo-shortcut", 2)}, "the same class"


def test_an_unknown_model_is_a_message(opened: Opened, engine: FakeEngine) -> None:
    app = opened(model="resnet18")
    assert [error.value for error in app.error] == ["No model 'resnet18': there is demo and demo-shortcut."]
    assert engine.tickets == []


def test_a_method_that_does_not_apply_says_so_in_its_panel(opened: Opened, engine: FakeEngine) -> None:
    engine.cannot = {"gradcam": "This network has no convolutional layer."}
    gradcam, ball, *_ = components(opened())
    assert shown(gradcam, 0.05)["note"] == "This network has no convolutional layer."
    assert shown(ball, 0.05)["over"]


def test_a_failure_stays_in_its_panel(opened: Opened, engine: FakeEngine) -> None:
    engine.failing = {"ape"}
    _, ball, ape, _ = components(opened())
    assert shown(ape, 0.05)["note"] == "The map is not finite."
    assert shown(ball, 0.05)["over"]


def test_answers_appear_one_by_one_in_boxes_of_the_same_shape(opened: Opened, engine: FakeEngine) -> None:
    engine.at_once = False
    app = opened()
    waiting = components(app)
    assert [shown(data, 0.05)["note"] for data in waiting] == ["Solving …"] * 4
    for _ in range(2):  # the current ρ, then the rest
        engine.finish("gradcam", "ape")
        app.run()
    gradcam, ball, ape, _ = components(app)
    assert gradcam["aspect"] == waiting[0]["aspect"]
    assert shown(gradcam, 0.05)["over"]
    assert shown(ape, 0.3)["over"]
    assert shown(ball, 0.05)["note"] == "Solving …"


def test_cancel_gives_up_and_continue_asks_again(opened: Opened, engine: FakeEngine) -> None:
    engine.at_once = False
    app = opened()
    engine.finish("gradcam")
    app.run()
    asked = len(engine.tickets)
    app.button(key="cancel").click().run()
    assert {ticket.state for ticket in engine.tickets if ticket.job.method != "gradcam"} == {"cancelled"}
    assert shown(components(app)[0], 0.05)["over"], "what was solved stays"
    app.button(key="continue").click().run()
    assert len(engine.tickets) == 2 * asked - 1


def test_what_the_engine_gave_up_is_asked_for_again(opened: Opened, engine: FakeEngine) -> None:
    engine.at_once = False
    app = opened()
    asked = len(engine.tickets)
    engine.tickets[0].state = "cancelled"
    app.run()
    assert [ticket.job for ticket in engine.tickets[asked:]] == [engine.tickets[0].job]
    assert engine.tickets[asked].state == "waiting"


def test_what_is_no_longer_shown_is_cancelled(opened: Opened, engine: FakeEngine) -> None:
    engine.at_once = False
    app = opened()
    app.selectbox(key="method2").set_value("explain-minus").run()
    assert {ticket.state for ticket in engine.tickets if ticket.job.method == "ape"} == {"cancelled"}
    assert {ticket.state for ticket in engine.tickets if ticket.job.method == "perceptual-ball"} == {"waiting"}


def test_a_method_in_its_paper_s_own_form_is_solved_once(opened: Opened, engine: FakeEngine) -> None:
    app = opened()
    engine.tickets.clear()
    app.toggle(key="2.ape.unbounded").set_value(True).run()
    assert [(job.method, job.rho) for job in engine.jobs] == [("ape", None)]
    assert dict(shown(components(app)[2], 0.05)["facts"])["RMSE"] == "0.005, no bound"


def test_a_bad_upload_is_a_message(opened: Opened, engine: FakeEngine) -> None:
    app = opened(source="upload")
    app.file_uploader(key="file").upload("scan.png", b"not a picture", "image/png").run()
    assert not app.exception
    assert len(app.error) == 1
    assert "Not a picture" in app.error[0].value
    assert "scan" not in app.error[0].value


def test_an_upload_survives_another_page(opened: Opened, engine: FakeEngine) -> None:
    app = opened(source="upload")
    file = BytesIO()
    Image.new("L", (40, 30), 90).save(file, "PNG")
    app.file_uploader(key="file").upload("scan.png", file.getvalue(), "image/png").run()
    asked = engine.jobs[-1].image
    app.switch_page("pages/methods.py").run()
    app.switch_page("pages/explore.py").run()
    assert not app.exception
    assert engine.jobs[-1].image == asked
    forget = next(button for button in app.button if button.label == "Forget the picture")
    forget.click().run()
    assert "Choose a file" in app.info[0].value


def test_a_workspace_file_is_explained(
    opened: Opened, engine: FakeEngine, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("L", (40, 30), 90).save(tmp_path / "patient.png")
    (tmp_path / "notes.txt").write_text("no picture")
    monkeypatch.setenv("RHOSCOPE_WORKSPACE", str(tmp_path))
    app = opened(source="workspace")
    assert app.selectbox(key="workspace-file").options == ["patient.png"]
    assert {ticket.pixels.shape for ticket in engine.tickets} == {(1, 30, 40)}
    assert components(app)[0]["small"]
    assert "patient" not in str(dict(app.query_params))


def test_a_setting_becomes_a_job(opened: Opened, engine: FakeEngine) -> None:
    app = opened()
    engine.tickets.clear()
    app.number_input(key="1.perceptual-ball.steps").set_value(50).run()
    assert {(job.method, job.params.as_dict()["steps"]) for job in engine.jobs} == {("perceptual-ball", 50)}
    engine.tickets.clear()
    app.button(key="1.perceptual-ball.reset").click().run()
    assert {job.params for job in engine.jobs} == {METHODS["perceptual-ball"].params()}


def test_a_model_is_named_without_the_folders_of_its_files() -> None:
    assert short("torchvision/vgg16@/home/someone/vgg16.safetensors") == "torchvision/vgg16 · vgg16.safetensors"
    assert short("/srv/nets/own.py:small@w.safetensors") == "own.py:small · w.safetensors"
    assert short("demo") == "demo"
    assert short("trained:/home/someone/runs/mine.train/network") == "mine"


def test_the_page_says_what_it_is_not_for(opened: Opened) -> None:
    assert "Research use only, not for diagnosis" in texts(opened())
