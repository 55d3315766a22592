from pathlib import Path
from pkgutil import iter_modules

from startupctl.migrations import foreign
from startupctl.migrations.adopt import find_tools
from startupctl.migrations.formats import format_names


def test_every_file_is_a_tool_with_a_format_and_a_test():
    files = sorted(module.name for module in iter_modules(foreign.__path__))
    assert [name.replace("-", "_") for name in find_tools()] == files
    assert set(find_tools()) <= set(format_names())
    assert all((Path(__file__).parent / f"test_{name}.py").is_file() for name in files)


def test_formats_without_a_table_have_no_tool():
    assert foreign.find_tool("plain") is None
