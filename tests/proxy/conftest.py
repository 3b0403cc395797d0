"""What playbooks of failures share: nobody waits for a retry or for what is late."""

import pytest

from tokens_forge.proxy import call as call_file
from tokens_forge.proxy import watch as watch_file


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once, without jitter, and what is late is found soon."""
    monkeypatch.setattr(call_file, "RETRY_AFTER_S", 0.01)
    monkeypatch.setattr(call_file, "JITTER_MS", 0)
    monkeypatch.setattr(watch_file, "SWEEP_S", 0.02)
