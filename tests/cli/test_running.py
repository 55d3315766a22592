"""What the environment of a run changes in its end."""

from __future__ import annotations

import pytest

WEAK = """\
version: 1
components:
  weak: {kind: env, priority: MEDIUM, required: [STARTUPCTL_NEVER_SET]}
  strong: {kind: env, priority: CRITICAL, required: [PATH]}
"""


@pytest.mark.parametrize(
    ("environ", "flags", "code"),
    [
        ({}, [], 3),
        ({"ALLOW_DEGRADED_MODE": "true"}, [], 0),
        ({"ALLOW_DEGRADED_MODE": "no"}, [], 1),
        ({"ALLOW_DEGRADED_MODE": "true"}, ["--no-allow-degraded"], 1),
        ({"GRACEFUL_STARTUP_MODE": "false"}, [], 78),
        ({"GRACEFUL_STARTUP_MODE": "false"}, ["--fail-on", "CRITICAL"], 3),
        ({"GRACEFUL_STARTUP_MODE": "true"}, [], 3),
    ],
)
def test_the_policies_of_the_environment_decide_what_a_weak_component_means(startupctl, tmp_path, environ, flags, code):
    (tmp_path / "startup.yaml").write_text(WEAK)
    found = startupctl("check", *flags, env=environ, cwd=tmp_path)
    assert found.code == code, found.out + found.err
