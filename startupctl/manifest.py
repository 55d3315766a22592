"""Reads manifests: files and a profile become one tree, the tree becomes a `Manifest`, or all problems at once."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import reduce
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from startupctl.components import ComponentReader
from startupctl.edges import check_edges
from startupctl.errors import ManifestError, Problem
from startupctl.fields import Priority
from startupctl.fitting import Outside, Reading, fit
from startupctl.interpolate import Lookup
from startupctl.model import Manifest, Settings
from startupctl.near import shown
from startupctl.nodes import MappingNode, ScalarNode
from startupctl.overlay import in_profile, merge
from startupctl.policies import Policies, PolicyKeys, layer_of, origin_of
from startupctl.settings import BUILT_IN, GRACEFUL, Origins, Setting, read_flags, read_policies, read_variables
from startupctl.sources import STDIN, choose_files, read_trees

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import TextIO

    from startupctl.findings import KeyPath
    from startupctl.model import Component
    from startupctl.policies import Layer
    from startupctl.settings import Found

VERSION = "1"
PROFILE = "STARTUPCTL_PROFILE"
TOP_KEYS = ("version", "name", "settings", "defaults", "profiles", "components")
PROFILE_KEYS = ("name", "settings", "defaults", "components")
NO_FLAGS: Mapping[str, object] = MappingProxyType({})


def load_manifest(
    files: Sequence[str | Path],
    *,
    profile: str | None = None,
    environ: Mapping[str, str] = os.environ,
    flags: Mapping[str, object] = NO_FLAGS,
    resolve: bool = True,
    stdin: TextIO | None = None,
) -> Manifest:
    """Read one or several files and lay them over each other; `-` is stdin.

    Without files STARTUPCTL_FILE, else `startup.yaml`, else `startup.yml` of the working directory.
    `flags` are values of the command line by name (`max_retries`); None is not given. With `resolve`
    false no variable is looked up and no file but the manifest is read; components that need one have
    no `check`. Raises ManifestError with every problem, in the order of the files.
    """
    names = choose_files(files, environ)
    root = reduce(merge, read_trees(names, stdin))
    reading = Reading(Lookup(environ, resolve=resolve))
    profile = profile or environ.get(PROFILE) or None
    given = _read_outside(flags, environ, reading)
    manifest = _read_manifest(_with_profile(root, profile, reading), profile, given, reading)
    if reading.problems:
        raise ManifestError(_sorted(reading.problems, names))
    return manifest


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a manifest, all kinds that are installed included."""
    from startupctl.schema import manifest_schema

    return manifest_schema()


class _Given(NamedTuple):
    """What comes from outside of the manifest, by name."""

    flags: Found
    variables: Found
    policies: Found

    @property
    def above_settings(self) -> Found:
        """What wins over `settings:`; without GRACEFUL_STARTUP_MODE a failure of any priority makes the run FAILED."""
        graceful = self.policies.get(GRACEFUL)
        strict = {"fail_on": Setting(Priority.LOW, graceful.origin)} if graceful and not graceful.value else {}
        return strict | self.flags

    @property
    def pool(self) -> Outside:
        """What is said about `pool` of databases."""
        below, above = (
            {key: found[f"pool_{key}"].value for key in ("min", "max") if f"pool_{key}" in found}
            for found in (self.variables, self.flags)
        )
        return Outside({"pool": below} if below else {}, {"pool": above} if above else {})


def _read_outside(flags: Mapping[str, object], environ: Mapping[str, str], reading: Reading) -> _Given:
    found = [read_flags(flags, environ), read_variables(environ), read_policies(environ)]
    for _, problems in found:
        reading.problems += problems
    return _Given(*(values for values, _ in found))


def _with_profile(root: MappingNode, profile: str | None, reading: Reading) -> MappingNode:
    """Return the tree with the profile laid over it; raises nothing, an unknown profile is reported."""
    profiles = _profiles(root, reading)
    if profile is None:
        return root
    if profile not in profiles:
        hint = reading.near(profile, profiles) or f"there are: {', '.join(map(shown, profiles)) or 'none'}"
        reading.report(f"no profile is called `{shown(profile)}`", ("profiles",), hint, root.get("profiles") or root)
        return root
    return merge(root, in_profile(profiles[profile], profile))


def _profiles(root: MappingNode, reading: Reading) -> dict[str, MappingNode]:
    """Return all profiles; also one that is not used must look like one."""
    found = {}
    for name, entry in _mapping(root, "profiles", reading).entries.items():
        if isinstance(entry.value, MappingNode):
            found[name] = entry.value
            _refuse_unknown(entry.value, PROFILE_KEYS, ("profiles", name), reading)
        else:
            reading.report("must be a mapping", ("profiles", name), node=entry.value)
    return found


def _read_manifest(root: MappingNode, profile: str | None, given: _Given, reading: Reading) -> Manifest:
    _refuse_unknown(root, TOP_KEYS, (), reading)
    _check_version(root, reading)
    name = reading.text(node, ("name",)) if (node := root.get("name")) else None
    settings, settings_layer = _settings(_mapping(root, "settings", reading), given.above_settings, reading)
    defaults = _mapping(root, "defaults", reading)
    keys = fit(PolicyKeys, defaults, ("defaults",), reading).model or PolicyKeys()
    policies = Policies(given.flags, given.variables, layer_of(keys, defaults))
    reader = ComponentReader(reading, policies, given.pool)
    components = _components(root, reader)
    fallback = policies.resolve({}, database=False)[1]
    groups = {"": given.policies, "settings": settings_layer, "defaults": fallback} | reader.origins
    return Manifest(
        components=components,
        settings=settings,
        name=name or "",
        file=root.source.name,
        profile=profile,
        secrets=frozenset(reading.lookup.secrets),
        origins=Origins(groups),
    )


def _refuse_unknown(node: MappingNode, known: Sequence[str], where: KeyPath, reading: Reading) -> None:
    for name, entry in node.entries.items():
        if name not in known:
            reading.report("unknown key", (*where, name), reading.near(name, known), entry.key)


def _check_version(root: MappingNode, reading: Reading) -> None:
    node = root.get("version")
    if node is None:
        reading.report("is required", ("version",), "begin with `version: 1`", root)
    elif not isinstance(node, ScalarNode) or node.text != VERSION:
        reading.report("must be 1", ("version",), "this is the only version there is", node)


def _mapping(root: MappingNode, key: str, reading: Reading) -> MappingNode:
    """Return the mapping under a key, an empty one when there is none."""
    node = root.get(key)
    if isinstance(node, MappingNode):
        return node
    if node:
        reading.report("must be a mapping", (key,), node=node)
    return replace(root, entries={})


def _settings(node: MappingNode, above: Found, reading: Reading) -> tuple[Settings, Layer]:
    """Return the settings of the run and where each came from; what is `above` wins."""
    written = fit(Settings, node, ("settings",), reading).model or Settings()
    layer = {name: Setting(getattr(written, name), BUILT_IN) for name in Settings.model_fields}
    layer |= {
        name: Setting(layer[name].value, origin_of(node.entries[name].value)) for name in written.model_fields_set
    }
    layer |= {name: found for name, found in above.items() if name in layer}
    settings = written.model_copy(update={name: one.value for name, one in layer.items()})
    return settings, {name: _printable(one) for name, one in layer.items()}


def _printable(setting: Setting) -> Setting:
    value = setting.value
    return Setting(str(value), setting.origin) if isinstance(value, Priority) else setting


def _components(root: MappingNode, reader: ComponentReader) -> dict[str, Component]:
    node, reading = _mapping(root, "components", reader.reading), reader.reading
    if not node.entries:
        reading.report("there are none, so nothing can be proved", ("components",), "name what must be ready", node)
    read = {name: reader.read(name, entry) for name, entry in node.entries.items()}
    components = {name: component for name, component in read.items() if component}
    check_edges(components, read.keys(), reading)
    return components


def _sorted(problems: Sequence[Problem], names: Sequence[str]) -> list[Problem]:
    """Sort by place: what is wrong outside of the files first, then file by file, line by line."""
    order = {"stdin" if name == STDIN else name: place for place, name in enumerate(names)}

    def place(problem: Problem) -> tuple[int, int, int]:
        mark = problem.mark
        return (order.get(mark.file, 0), mark.line, mark.column) if mark else (-1, 0, 0)

    return sorted(problems, key=place)
