"""What holds for every test: no deadlines on a shared machine, and no silent skips where everything is installed."""

import os

import pytest
from hypothesis import settings

# The machines are shared and noisy: a slow example says nothing about the code.
settings.register_profile("tf", deadline=None, print_blob=True)
settings.load_profile("tf")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With `TF_NO_SKIPS` set, a skipped test fails the run: `.ci/run` has installed what every test needs."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("TF_NO_SKIPS") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pipes have the width that commands give them: some runners of tests set another for their own output."""
    monkeypatch.delenv("COLUMNS", raising=False)
