"""The shape of the house: what every kind, code and module must have, and what it must not load."""

from __future__ import annotations

import ast
import csv
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules, walk_packages

import pytest

import startupctl as package
from startupctl import kinds
from startupctl.check import Check
from startupctl.diagnosis import Code
from startupctl.discover import find_kind

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "startupctl"
KINDS = sorted(module.name for module in iter_modules(kinds.__path__))
HEAVY = {
    "typer",
    "click",
    "rich",
    "psycopg",
    "psycopg_pool",
    "redis",
    "clickhouse_connect",
    "chdb",
    "sqlite3",
    "psutil",
}
IMPORTED_ELSEWHERE = {"startupctl.__main__", "startupctl.embedded.clickhouse_http.__main__"}  # they run when imported
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
SPAN = re.compile(r"`([^`]+)`")
SLOT = "…"  # stands for what is filled in at run time


@cache
def modules():
    """Map every module of the package to its file."""
    found = {"startupctl": SOURCE / "__init__.py"}
    for info in walk_packages(package.__path__, "startupctl."):
        path = ROOT / info.name.replace(".", "/")
        found[info.name] = path / "__init__.py" if info.ispkg else path.with_suffix(".py")
    return found


@cache
def tree(path):
    return ast.parse(path.read_text(), filename=str(path))


# kinds


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_test_and_a_doc_page(kind):
    assert (ROOT / "tests" / "kinds" / f"test_{kind}.py").is_file()
    assert (ROOT / "docs" / "kinds" / f"{kind}.md").is_file()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_used_in_an_example_or_on_its_page(kind):
    pages = [ROOT / "docs" / "kinds" / f"{kind}.md", *(ROOT / "examples").rglob("*.yaml")]
    use = re.compile(rf"\bkind: {kind}\b")
    assert any(use.search(page.read_text()) for page in pages if page.is_file())


# codes


@cache
def declared_codes():
    """Return every Code of the package with the module it is declared in; one object counts once."""
    found = {}
    for name in modules().keys() - IMPORTED_ELSEWHERE:
        for value in vars(import_module(name)).values():
            if isinstance(value, Code):
                found[id(value)] = value
            elif isinstance(value, type) and issubclass(value, Check):
                found |= {id(code): code for code in value.codes}
    return tuple(found.values())


@cache
def listed_codes():
    """Return the public list: number to name and the classes it may have."""
    with (ROOT / "tests" / "data" / "codes.tsv").open() as file:
        return {row["code"]: (row["name"], row["class"].split(",")) for row in csv.DictReader(file, delimiter="\t")}


def test_no_number_of_a_code_is_declared_twice():
    numbers = sorted(code.code for code in declared_codes())
    assert [number for number in numbers if numbers.count(number) > 1] == []


def test_every_declared_code_is_on_the_public_list_under_its_name_and_class():
    listed = listed_codes()
    wrong = [
        f"{code.code} {code.name} {code.failure}, listed {listed.get(code.code)}"
        for code in declared_codes()
        if code.code not in listed
        or code.name != listed[code.code][0]
        or code.failure.value not in listed[code.code][1]
    ]
    assert wrong == []


def test_every_code_of_a_kind_is_in_the_catalogue():
    from startupctl.catalogue import catalogue

    missing = {code.code for code in declared_codes()} - catalogue().keys()
    assert missing == set()


# what texts name


@cache
def command_words():
    """Map every command, as `migrate up`, to its flags."""
    from startupctl.cli.app import _program

    return dict(walk_commands(_program(), ()))


def walk_commands(command, path):
    yield path, {word for param in command.params for word in (*param.opts, *param.secondary_opts)} | {"--help"}
    for name in getattr(command, "commands", ()):
        yield from walk_commands(command.commands[name], (*path, name))


@cache
def manifest_keys():
    from startupctl.model import Policy, Settings

    fields = {name for kind in KINDS for name in find_kind(kind).model_fields}
    reserved = "kind priority depends_on when enabled success_threshold tags hint runbook required version name settings defaults profiles components"
    return fields | set(Policy.__slots__) | set(Settings.model_fields) | set(reserved.split())


@cache
def spans():
    """Return every text in backticks of the package, with its file and line; docstrings of modules too."""
    return tuple(
        (f"{path.relative_to(ROOT)}:{node.lineno}", span)
        for path in modules().values()
        for node in ast.walk(tree(path))
        for span in SPAN.findall(text_of(node))
    )


def text_of(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else SLOT for part in node.values)
    return ""


def called(span):
    """Return the words of a span that calls us, without our name; empty for another program's and for other text."""
    words = span.split()
    if words[:1] == ["startupctl"]:
        return words[1:]
    known = {path[0] for path in command_words() if path}
    return words if len(words) > 1 and words[0] in known and words[0] != words[1] else []


def test_texts_call_only_commands_that_exist():
    paths = command_words().keys()
    firsts = {path[0] for path in paths if path}
    wrong = [
        f"{place}: {span}"
        for place, span in spans()
        if span.startswith("startupctl ") and (word := called(span)[0]) not in firsts and word[0] not in "-{…<[A"
    ]
    assert wrong == []


def test_texts_call_only_commands_of_a_group_that_it_has():
    paths = command_words().keys()
    groups = {path[0] for path in paths if len(path) > 1}
    wrong = [
        f"{place}: {span}"
        for place, span in spans()
        if span.startswith("startupctl ") and (words := called(span))[0] in groups and len(words) > 1
        if tuple(words[:2]) not in paths and words[1][0] not in "-{…<[A"
    ]
    assert wrong == []


def test_texts_name_only_flags_that_exist():
    flags = set().union(*command_words().values())
    wrong = [
        f"{place}: {span}"
        for place, span in spans()
        if span.startswith("--") or called(span)
        for flag in FLAG.findall(span)
        if flag not in flags
    ]
    assert wrong == []


def test_hints_name_only_keys_that_exist():
    wrong = [
        f"{code.code}: {span}"
        for code in declared_codes()
        for span in SPAN.findall(code.hint)
        if (match := re.fullmatch(r"([a-z_]+)(?:\.[a-z_]+|: .+)", span)) and match[1] not in manifest_keys()
    ]
    assert wrong == []


# modules


@pytest.mark.parametrize(
    "statement", ["import startupctl", "import startupctl.engine", "from startupctl.kinds import *"]
)
def test_importing_loads_no_terminal_and_no_driver(statement):
    loaded = modules_after(statement)
    assert sorted(loaded & HEAVY) == []


def test_the_kinds_together_load_no_terminal_and_no_driver():
    loaded = modules_after("\n".join(f"import startupctl.kinds.{kind}" for kind in KINDS))
    assert sorted(loaded & HEAVY) == []


def modules_after(statement):
    code = f"{statement}\nimport sys; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(ran.stdout.split())


def test_every_module_opens_with_what_it_owns():
    assert [name for name, path in modules().items() if not ast.get_docstring(tree(path))] == []


def test_no_import_cycle_at_run_time():
    TopologicalSorter({name: imports_at_once(name) for name in modules()}).prepare()


def imports_at_once(name):
    """Return the modules of ours that importing `name` imports at once: not inside functions, not for types."""
    statements = [node for node in tree(modules()[name]).body if not is_for_types(node)]
    found = {
        target
        for statement in statements
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(statement)
        for target in targets(node)
    }
    return found & modules().keys() - {name}


def is_for_types(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def targets(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        below = [f"{node.module}.{alias.name}" for alias in node.names]
        return [one if one in modules() else node.module for one in below]
    return []


def test_no_function_is_longer_than_a_screen():
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name} {lines}"
        for path in modules().values()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (lines := node.end_lineno - node.lineno + 1) > 45
    ]
    assert long == []
