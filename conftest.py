"""What a test run may not skip: with RHOSCOPE_REQUIRE=browser, a skipped browser test has failed."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

REQUIRED = set(os.environ.get("RHOSCOPE_REQUIRE", "").split())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    missing = REQUIRED.intersection(mark.name for mark in item.iter_markers())
    if report.skipped and missing:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, but {', '.join(missing)} is required here: {report.longrepr}"
    return report
