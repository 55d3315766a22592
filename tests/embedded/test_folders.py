"""Temporary folders go with their owners."""

from __future__ import annotations

import subprocess
import sys

from startupctl.embedded.folders import disown, is_reachable, owned_folder

OWNER = """
import sys, time
from pathlib import Path
from startupctl.embedded.folders import owned_folder
with owned_folder(Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    time.sleep(60)
"""


def test_a_folder_goes_at_the_end(tmp_path):
    with owned_folder(tmp_path) as folder:
        (folder / "data").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_killed_owner_goes_when_the_next_one_comes(tmp_path):
    with subprocess.Popen([sys.executable, "-c", OWNER, tmp_path], stdout=subprocess.PIPE, text=True) as owner:
        left = owner.stdout.readline().strip()
        with owned_folder(tmp_path):
            assert left in map(str, tmp_path.iterdir())  # its owner lives
        owner.kill()
    with owned_folder(tmp_path):
        assert left not in map(str, tmp_path.iterdir())


def test_a_disowned_folder_stays(tmp_path):
    with owned_folder(tmp_path) as folder:
        disown(folder)
    with owned_folder(tmp_path):
        assert folder.is_dir()


def test_a_folder_below_a_closed_one_is_not_reachable(tmp_path):
    inner = tmp_path / "closed" / "inner"
    inner.mkdir(parents=True)
    inner.parent.chmod(0o700)
    assert not is_reachable(inner)
    assert is_reachable(inner.__class__("/"))
