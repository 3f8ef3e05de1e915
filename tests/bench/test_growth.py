"""Growth is measured at every point, in processes of their own where it is memory, and drawn."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from explain_core.bench.footprint import STATUS, footprint
from explain_core.bench.growth import Curve, GrowthReport, Point, Reach, growth
from explain_core.bench.plot import drawn
from explain_core.bench.report import growth_table
from explain_core.errors import InputError, ModelError
from explain_core.models.classifier import Classifier
from explain_core.models.zoo import load_model

SMALL = Reach(pictures=(1, 3), rhos=(1, 2), sides=(2, 16, 24), masks=(10,), files=(1, 2))


@pytest.fixture
def spec(tmp_path: Path) -> str:
    """A network that another process can open."""
    file = tmp_path / "net.py"
    file.write_text(
        "from torch import nn\n\n"
        "def net():\n"
        "    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)\n"
        "    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)\n"
        "    net.rhoscope = {'kind': 'softmax', 'channels': 3, 'smallest': 8}\n"
        "    return net\n"
    )
    return f"{file}:net"


def test_every_curve_has_its_points(spec: str) -> None:
    report = growth(load_model(spec), "explain-plus", {"steps": 5}, size=(16, 16), reach=SMALL)
    if not STATUS.exists():
        assert all("measure memory on Linux" in text for text in report.left_out)
        assert len(report.left_out) == 2
        return
    assert report.left_out == ()
    points = {curve.title: [point.at for point in curve.points] for curve in report.curves}
    assert points == {
        "Pictures in a batch": [1, 3],
        "ρ of one picture in a batch": [1, 2],
        "Side of a picture": [16, 24],  # the network takes none below 8
        "Masks": [10],
        "Memory by masks": [10],
        "Memory by pictures": [1, 2],
    }
    for curve in report.curves:
        for point in curve.points:
            if curve.measure == "units":
                assert point.seconds is not None
                assert point.unit_seconds is not None
                assert point.value == pytest.approx(point.seconds / point.unit_seconds)
            else:
                assert 50 < point.value < 5000
    told = growth_table(report)
    assert all(f"{curve.title}, {curve.of}" in told for curve in report.curves)


def test_a_model_that_another_process_cannot_open(tiny: Classifier) -> None:
    report = growth(tiny, "explain-plus", {"steps": 5}, size=(16, 16), reach=replace(SMALL, files=(1,)))
    assert [text.partition(":")[0] for text in report.left_out] == ["memory by masks", "memory by pictures"]
    assert f"without {report.left_out[0]}" in growth_table(report).splitlines()


def test_what_cannot_grow(tiny: Classifier) -> None:
    with pytest.raises(InputError, match="has no ρ"):
        growth(tiny, "gradcam", {})
    with pytest.raises(InputError, match="at least 5"):
        growth(tiny, rounds=4)


@pytest.mark.skipif(not STATUS.exists(), reason="memory is told on Linux only")
def test_a_footprint_is_that_of_the_process_that_does_the_work(spec: str) -> None:
    """Larger pictures take more: 3 × 1000 × 1000 floats are 11 MiB."""
    small, large = (footprint(spec, "gradient", {}, 1, (side, side), 1.0, 1) for side in (16, 1000))
    assert large - small > 11
    with pytest.raises(ModelError, match="nowhere"):
        footprint("nowhere", "gradient", {}, 1, (16, 16), 1.0, 1)


def places(text: str, label: str) -> list[float]:
    """The heights of a curve's points on the page, by their values' titles."""
    return [float(found) for found in re.findall(rf'cy="([\d.]+)" r="3" fill="[^"]+"><title>{label}', text)]


def test_the_figure_has_its_points_where_they_belong() -> None:
    """Units on a logarithmic axis, and memory on one from 0."""
    times = Curve("Times & more", "a < b", "masks", "units", True, tuple(Point(10**n, 10.0**n) for n in range(3)))
    memory = Curve("Memory", "rise", "masks", "MiB", False, (Point(1, 500.0), Point(2, 1000.0)))
    about = {"model": "m", "model_sha256": "", "device": "cpu", "threads": 1, "batch": 1, "size": (8, 8)}
    text = drawn(GrowthReport(**about, rounds=5, versions={}, curves=(times, memory), left_out=()))  # type: ignore[arg-type]
    root = ElementTree.fromstring(text)
    words = "".join(root.itertext())
    assert "Times & more" in words
    assert "a < b" in words
    low, middle, high = (places(text, label)[0] for label in ("1<", "10<", "100<"))
    assert middle == pytest.approx((low + high) / 2, abs=0.11)
    assert high < low
    half, whole = places(text, "500<")[0], places(text, "1000<")[0]
    zero = 2 * half - whole
    axis = [float(line.attrib["y1"]) for line in root.iter("{http://www.w3.org/2000/svg}line")]
    assert min(abs(place - zero) for place in axis) < 0.2
    assert text.count("stroke-dasharray") == 1
