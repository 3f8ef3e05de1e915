"""What a test run may not skip: with RHOSCOPE_REQUIRE=browser, a skipped browser test has failed."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
REQUIRED = set(os.environ.get("RHOSCOPE_REQUIRE", "").split())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    return _insist(report, {mark.name for mark in item.iter_markers()})


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    return _insist(report, set(collector.path.parts))


def _insist(report: Report, belongs: set[str]) -> Report:
    missing = ", ".join(REQUIRED & belongs)
    if report.skipped and missing:
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, but {missing} is required here: {report.longrepr}"
    return report
