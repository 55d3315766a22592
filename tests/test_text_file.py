"""Small files, and those that refuse."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from startupctl.text_file import MAX_SECRET_BYTES, FileRefused, read_text

NOBODY = 65534


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", ""),
        (b"x", "x"),
        (b"x\n", "x"),
        (b"x\r\n", "x"),
        (b"x\n\n", "x\n"),
        (b"x\r", "x\r"),
        (b" x \n", " x "),
        (b"\n", ""),
    ],
)
def test_one_line_end_is_dropped(tmp_path, content, text):
    file = tmp_path / "secret"
    file.write_bytes(content)
    assert read_text(file) == text


def refusal(path):
    with pytest.raises(FileRefused) as caught:
        read_text(path)
    return str(caught.value)


def test_the_first_part_of_the_path_that_refuses_is_named(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert refusal(tmp_path / "a" / "b" / "c") == f"`{tmp_path / 'a'}` does not exist"
    assert refusal(tmp_path / "folder" / "b") == f"`{tmp_path / 'folder' / 'b'}` does not exist"
    assert refusal(tmp_path / "file" / "b") == f"`{tmp_path / 'file'}` is not a directory"
    assert refusal(tmp_path / "folder") == f"`{tmp_path / 'folder'}` is not a regular file"


def test_a_pipe_never_blocks(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe") == f"`{tmp_path / 'pipe'}` is not a regular file"


def test_a_device_is_no_secret(tmp_path):
    (tmp_path / "link").symlink_to("/dev/zero")
    assert refusal(tmp_path / "link") == f"`{tmp_path / 'link'}` is not a regular file"


def test_a_circle_of_links_is_told(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert refusal(tmp_path / "loop") == f"`{tmp_path / 'loop'}`: too many levels of symbolic links"


def test_a_large_file_is_no_secret(tmp_path):
    (tmp_path / "big").write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
    assert refusal(tmp_path / "big") == f"`{tmp_path / 'big'}` is larger than 1 MiB"


def test_other_bytes_than_utf8_are_told_without_them(tmp_path):
    (tmp_path / "latin").write_bytes("pässword".encode("latin-1"))
    assert refusal(tmp_path / "latin") == f"`{tmp_path / 'latin'}` is not UTF-8 text"


@pytest.fixture
def unprivileged():
    """A folder of an effective user who is not root, so that modes mean something."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's own folders are for one user only
        if os.geteuid() != 0:
            yield Path(folder)
            return
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        yield Path(folder)
        os.seteuid(0)


def test_a_file_and_a_folder_without_permission_are_named(unprivileged):
    user, closed, hidden = os.geteuid(), unprivileged / "closed", unprivileged / "hidden"
    closed.mkdir()
    (closed / "x").touch()
    closed.chmod(0)
    hidden.touch(mode=0)
    assert refusal(closed / "x") == f"`{closed}` may not be entered by user {user}"
    assert refusal(hidden) == f"`{hidden}` may not be read by user {user} (mode 0000, owner {user})"
    closed.chmod(0o700)
