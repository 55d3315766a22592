"""The kind `python` with real modules."""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading

import pytest
from pydantic import ValidationError

from startupctl.check import Degraded, Unhealthy
from startupctl.diagnosis import FailureClass
from startupctl.kinds.python import Python

NUMBERS = itertools.count(1)


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module beside the manifest; returns its name, which no other test uses."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(text):
        name = f"own_checks_{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return write


async def outcome(check, run):
    """Return the diagnosis of a check that fails."""
    with pytest.raises(Unhealthy) as caught:
        await check.check(run)
    found = caught.value.diagnosis
    assert "<" not in found.summary + found.cause + found.hint
    return found


@pytest.mark.parametrize("returned", ["True", "None", "0", "[]", "object()"])
@pytest.mark.parametrize("word", ["def", "async def"])
@pytest.mark.anyio
async def test_a_function_that_returns_anything_but_false_passes(returned, word, module, run):
    name = module(f"{word} ready():\n    return {returned}\n")
    assert await Python(call=f"{name}:ready").check(run) == {}


@pytest.mark.parametrize("word", ["def", "async def"])
@pytest.mark.anyio
async def test_false_fails(word, module, run):
    name = module(f"{word} ready():\n    return False\n")
    found = await outcome(Python(call=f"{name}:ready"), run)
    assert (found.code.code, found.failure) == ("RUN005", FailureClass.TRANSIENT)
    assert found.summary == f"`{name}:ready`: returned False"


@pytest.mark.parametrize("word", ["def", "async def"])
@pytest.mark.anyio
async def test_an_exception_is_left_to_the_engine_which_knows_that_the_code_is_foreign(word, module, run):
    name = module(f"{word} ready():\n    raise ValueError('queue too long')\n")
    check = Python(call=f"{name}:ready")
    with pytest.raises(ValueError, match="queue too long"):
        await check.check(run)
    assert check.foreign


@pytest.mark.parametrize("word", ["def", "async def"])
@pytest.mark.anyio
async def test_an_exit_of_the_function_does_not_end_the_program(word, module, run):
    name = module(f"import sys\n{word} ready():\n    sys.exit(3)\n")
    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        await Python(call=f"{name}:ready").check(run)


@pytest.mark.parametrize("word", ["def", "async def"])
@pytest.mark.anyio
async def test_an_interrupt_raised_by_the_function_does_not_end_the_program(word, module, run):
    name = module(f"{word} ready():\n    raise KeyboardInterrupt\n")
    with pytest.raises(RuntimeError, match="KeyboardInterrupt"):
        await Python(call=f"{name}:ready").check(run)


@pytest.mark.parametrize("word", ["def", "async def"])
@pytest.mark.anyio
async def test_a_generator_is_not_ready_for_nothing_in_it_was_run(word, module, run):
    name = module(f"{word} ready():\n    raise ValueError('not ready')\n    yield\n")
    found = await outcome(Python(call=f"{name}:ready"), run)
    assert found.failure is FailureClass.PERMANENT
    assert "is a generator, so nothing in it was run" in found.summary


@pytest.mark.parametrize("way", ["return", "raise"])
@pytest.mark.anyio
async def test_a_reservation_may_be_raised_or_returned(way, module, run):
    name = module(f"from startupctl.check import Degraded\ndef ready():\n    {way} Degraded('slow', {{'lag': 3}})\n")
    with pytest.raises(Degraded) as caught:
        await Python(call=f"{name}:ready").check(run)
    assert (caught.value.reason, caught.value.facts) == ("slow", {"lag": 3})


@pytest.mark.anyio
async def test_a_dict_is_kept_as_facts(module, run):
    name = module("def ready():\n    return {'lag': 3, 'nodes': ('a', 'b')}\n")
    assert await Python(call=f"{name}:ready").check(run) == {"lag": 3, "nodes": ["a", "b"]}


@pytest.mark.parametrize("value", ["object()", "float('nan')", "{1, 2}"])
@pytest.mark.anyio
async def test_facts_that_are_no_json_are_refused(value, module, run):
    name = module(f"def ready():\n    return {{'x': {value}}}\n")
    found = await outcome(Python(call=f"{name}:ready"), run)
    assert (found.code.code, found.failure) == ("RUN005", FailureClass.PERMANENT)


@pytest.mark.anyio
async def test_arguments_and_dotted_names_are_used(module, run):
    name = module("class Queue:\n    @staticmethod\n    def ready(limit):\n        return {'limit': limit}\n")
    assert await Python(call=f"{name}:Queue.ready", args={"limit": 5}).check(run) == {"limit": 5}


@pytest.mark.anyio
async def test_a_sync_function_that_returns_a_coroutine_is_awaited(module, run):
    name = module("async def later():\n    return {'a': 1}\nready = lambda: later()\n")
    assert await Python(call=f"{name}:ready").check(run) == {"a": 1}


@pytest.mark.anyio
async def test_a_blocking_import_and_a_blocking_function_leave_the_loop_alone(module, run):
    name = module("import time\ntime.sleep(0.2)\ndef ready():\n    time.sleep(0.2)\n")
    task = asyncio.create_task(Python(call=f"{name}:ready").check(run))
    ticks = 0
    while not task.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert await task == {}
    assert ticks > 5


@pytest.mark.anyio
async def test_a_sync_function_runs_on_a_thread_that_does_not_keep_the_program_alive(module, run):
    name = module(
        "import threading\ndef ready():\n    me = threading.current_thread()\n"
        "    return {'daemon': me.daemon, 'ident': me.ident}\n"
    )
    facts = await Python(call=f"{name}:ready").check(run)
    assert facts["daemon"]
    assert facts["ident"] != threading.get_ident()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("{name}s:ready", "there is no module `{name}s`"),
        ("{name}:raedy", "`{name}` has no `raedy`"),
        ("{name}:LIMIT", "it is no function but of type int"),
        ("{name}.sub:ready", "there is no module `{name}.sub`"),
        ("json.decodr:JSONDecoder", "there is no module `json.decodr`"),
    ],
)
@pytest.mark.anyio
async def test_what_is_not_found_is_permanent_and_named(call, words, module, run):
    name = module("LIMIT = 3\ndef ready():\n    pass\n")
    found = await outcome(Python(call=call.format(name=name)), run)
    assert (found.code.code, found.failure) == ("RUN008", FailureClass.PERMANENT)
    assert words.format(name=name) in found.summary
    near = {"{name}s:ready": name, "{name}:raedy": "ready", "json.decodr:JSONDecoder": "decoder"}.get(call)
    assert near is None or f"did you mean `{near}`?" in found.hint


@pytest.mark.anyio
async def test_a_missing_dependency_of_the_module_is_named(module, run):
    name = module("import no_such_driver\ndef ready():\n    pass\n")
    assert "no module `no_such_driver`" in (await outcome(Python(call=f"{name}:ready"), run)).summary


@pytest.mark.parametrize("text", ["def ready(:\n", "from json import no_such_name\n"])
@pytest.mark.anyio
async def test_a_module_that_cannot_be_imported_is_permanent(text, module, run):
    found = await outcome(Python(call=f"{module(text)}:ready"), run)
    assert (found.code.code, found.failure) == ("RUN005", FailureClass.PERMANENT)


@pytest.mark.parametrize("args", [{}, {"limit": 1, "other": 2}])
@pytest.mark.anyio
async def test_arguments_that_do_not_fit_are_permanent(args, module, run):
    name = module("def ready(limit):\n    pass\n")
    found = await outcome(Python(call=f"{name}:ready", args=args), run)
    assert found.failure is FailureClass.PERMANENT
    assert "`args` do not fit" in found.summary


@pytest.mark.anyio
async def test_the_folder_of_the_manifest_is_searched_last_and_added_once(module, tmp_path, run):
    (tmp_path / "json.py").write_text("raise RuntimeError\n")
    name = module("def ready():\n    pass\n")
    for _ in range(3):
        await Python(call=f"{name}:ready").check(run)
    assert sys.path.count(str(tmp_path)) == 1
    assert sys.path[-1] == str(tmp_path)


@pytest.mark.parametrize(
    "call", ["", "app", "app:", ":ready", "app.checks.ready", "app:ready()", "a b:c", "app:x:y", 3]
)
def test_what_is_no_function_name_is_refused_without_importing(call):
    with pytest.raises(ValidationError):
        Python(call=call)


def test_secrets_among_the_arguments_are_known():
    assert list(Python(call="a:b", args={"password": "hunter2", "limit": 3}).secrets()) == ["hunter2"]
