"""Where reports go, through the real command line."""

import json
import os
import subprocess
import sys

import pytest

MANIFEST = "version: 1\ncomponents: {path: {kind: env, required: [PATH]}}\n"


@pytest.fixture
def manifest(tmp_path):
    (tmp_path / "startup.yaml").write_text(MANIFEST)
    return tmp_path


def test_a_report_replaces_a_file_and_the_target_of_a_link(manifest, startupctl):
    target, link = manifest / "target.json", manifest / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    assert startupctl("check", "-o", f"json={link}").code == 0
    assert link.is_symlink()
    assert json.loads(target.read_text())["verdict"] == "READY"
    assert not list(manifest.glob(".target*"))


def test_a_pipe_is_written_to_and_stays_a_pipe(manifest, startupctl):
    pipe = manifest / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert startupctl("check", "-o", f"json={pipe}").code == 0
        assert json.loads(os.read(reader, 65536))["verdict"] == "READY"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_pipe_that_nobody_reads_is_told_and_not_waited_for(manifest, startupctl):
    os.mkfifo(manifest / "pipe")
    found = startupctl("check", "-o", f"json={manifest}/pipe")
    assert found.code == 1
    assert "the json report was not written to" in found.err


@pytest.mark.parametrize("file", ["", ".", "no/such/folder/report.json"])
def test_what_is_no_file_is_refused_before_anything_is_contacted(file, manifest, startupctl):
    found = startupctl("check", "-o", f"json={file}", cwd=manifest)
    assert found.code == 2
    assert f"--output: `{file}` cannot be written" in found.err


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_exit_code(closed, manifest):
    command = f"exec {sys.executable} -m startupctl check {closed}"
    assert subprocess.run(["/bin/sh", "-c", command], cwd=manifest, timeout=60, check=False).returncode == 0
    absent = command.replace(" check", " check nobody")
    assert subprocess.run(["/bin/sh", "-c", absent], cwd=manifest, timeout=60, check=False).returncode == 2
