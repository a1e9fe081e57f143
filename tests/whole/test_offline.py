"""With no network at all, the server starts, serves and answers, and asks nobody for an address."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from offline import CONTROL

from assistant.model.weights import LANGUAGE_MODEL_NAME
from assistant.settings import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ALONE = ["unshare", "--net", "--mount"]


def may_be_alone() -> bool:
    """Whether a process may be cut off from the network."""
    try:
        return subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not may_be_alone(), reason="network namespaces are not allowed on this machine")
def test_nobody_is_asked_for_an_address(tmp_path: Path, model_data: Path) -> None:
    """The page is whole, the model's answer cites the article, and the only look-up is the one of our own."""
    # Everything is new but the weights, and the article as the language model has read it.
    (tmp_path / LANGUAGE_MODEL_NAME).symlink_to((model_data / LANGUAGE_MODEL_NAME).resolve())
    (model_data / "slots").mkdir(exist_ok=True)
    (tmp_path / "slots").symlink_to(model_data / "slots")
    run = subprocess.run(
        [*ALONE, sys.executable, "tests/offline.py", str(tmp_path)],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'deploy'}"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert set(told["control"]) == {CONTROL}
    assert told["looked_up"] == []
    assert told["page"] > 10_000
    assert told["answer"]["status"] in {"answered", "quoted"}
    assert told["answer"]["citations"]
    assert told["answer"]["error"] is None
