"""Values from outside the manifest."""

from __future__ import annotations

import pytest

from startupctl.injected import is_injected
from startupctl.settings import Origins, Setting, read_flags, read_policies, read_variables


def test_flags_are_values_with_their_origin():
    found, problems = read_flags({"timeout": "1m30s", "max_retries": 0, "fail_on": "high", "deadline": None}, {})
    assert problems == []
    assert found["timeout"] == Setting(90.0, "flag --timeout")
    assert found["max_retries"] == Setting(0, "flag --max-retries")
    assert str(found["fail_on"].value) == "HIGH"
    assert "deadline" not in found


def test_a_flag_may_be_a_variable_and_the_command_line_wins():
    environ = {"STARTUPCTL_DEADLINE": "5s", "STARTUPCTL_MAX_RETRIES": "7", "STARTUPCTL_POOL_MAX": "tcp://10.0.0.1:80"}
    found, problems = read_flags({"deadline": "9s", "max_retries": "7"}, environ)
    assert (found, problems) == (
        {"deadline": Setting(9.0, "flag --deadline"), "max_retries": Setting(7, "env STARTUPCTL_MAX_RETRIES")},
        [],
    )


@pytest.mark.parametrize(
    ("flag", "value", "problem"),
    [
        ("timeout", "soon", "--timeout: not a duration such as 500ms, 5s, 1m30s or 2h"),
        ("timeout", "0", "--timeout: must be more than 0"),
        ("deadline", "-1s", "--deadline: not a duration such as 500ms, 5s, 1m30s or 2h"),
        ("max_retries", "-1", "--max-retries: must be at least 0"),
        ("max_retries", "2.5", "--max-retries: must be a whole number"),
        ("max_retries", "9" * 5000, "--max-retries: must be a whole number"),
        ("fail_on", "urgent", "--fail-on: not a priority, use one of CRITICAL, HIGH, MEDIUM, LOW"),
        ("pool_max", 0, "--pool-max: must be at least 1"),
    ],
)
def test_a_flag_that_does_not_parse_is_a_problem(flag, value, problem):
    found, problems = read_flags({flag: value, "db_timeout": "5s"}, {})
    assert ([str(one) for one in problems], list(found)) == ([problem], ["db_timeout"])


def test_the_variables_of_the_original_system():
    environ = {
        "STARTUP_MAX_RETRIES": "5",
        "STARTUP_CIRCUIT_BREAKER_THRESHOLD": "0",
        "STARTUP_RECOVERY_TIMEOUT": "60",
        "DATABASE_INIT_TIMEOUT": " 90 ",
        "DATABASE_POOL_MIN": "",
        "DATABASE_POOL_MAX": "50",
    }
    found, problems = read_variables(environ)
    assert problems == []
    assert {name: one.value for name, one in found.items()} == {
        "max_retries": 5,
        "breaker_threshold": 0,
        "recovery_timeout": 60.0,
        "db_timeout": 90.0,
        "pool_max": 50,
    }
    assert found["db_timeout"].origin == "env DATABASE_INIT_TIMEOUT"


def test_a_variable_that_does_not_parse_is_a_problem_of_that_name():
    _, problems = read_variables({"STARTUP_MAX_RETRIES": "many", "DATABASE_INIT_TIMEOUT": "1x"})
    assert [str(one) for one in problems] == [
        "DATABASE_INIT_TIMEOUT: not a duration such as 500ms, 5s, 1m30s or 2h",
        "STARTUP_MAX_RETRIES: must be a whole number",
    ]


@pytest.mark.parametrize(
    ("name", "value", "injected"),
    [
        ("DATABASE_POOL_MAX", "tcp://10.0.0.7:5432", True),
        ("STARTUPCTL_PORT", "8080", True),
        ("STARTUPCTL_SERVICE_HOST", "10.0.0.7", True),
        ("STARTUPCTL_PORT_80_TCP_ADDR", "10.0.0.7", True),
        ("DATABASE_POOL_MAX", "20", False),
        ("STARTUPCTL_REPORT", "x", False),
    ],
)
def test_what_kubernetes_injects_is_known(name, value, injected):
    assert is_injected(name, value) is injected


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("Yes", True), ("off", False), ("FALSE", False), ("", True)]
)
def test_policies_read_the_usual_words(text, value):
    found, problems = read_policies({"GRACEFUL_STARTUP_MODE": text})
    assert (found["GRACEFUL_STARTUP_MODE"].value, problems) == (value, [])


def test_a_policy_that_does_not_parse_is_a_problem_and_never_false():
    found, problems = read_policies({"USE_ROBUST_STARTUP": "nope"})
    assert [str(one) for one in problems] == ["USE_ROBUST_STARTUP: must be true or false"]
    assert "USE_ROBUST_STARTUP" not in found


def test_policies_have_defaults():
    found, _ = read_policies({})
    assert {name: one.value for name, one in found.items()} == {
        "LOG_LEVEL": "INFO",
        "USE_ROBUST_STARTUP": True,
        "GRACEFUL_STARTUP_MODE": True,
        "ALLOW_DEGRADED_MODE": None,
    }


@pytest.mark.parametrize("text", ["warn", "TRACE", "fatal", "nonsense"])
def test_any_log_level_is_taken(text):
    found, problems = read_policies({"LOG_LEVEL": text})
    assert (found["LOG_LEVEL"], problems) == (Setting(text.upper(), "env LOG_LEVEL"), [])


def test_origins_are_found_by_dotted_name_also_of_components_with_dots():
    here = Setting(1, "here")
    origins = Origins({"": {"LOG_LEVEL": here}, "components.a.b": {"timeout": here, "backoff.max": here}})
    assert list(origins) == ["LOG_LEVEL", "components.a.b.timeout", "components.a.b.backoff.max"]
    assert len(origins) == 3
    assert all(origins[name] is here for name in origins)
    with pytest.raises(KeyError):
        origins["components.a.timeout"]
