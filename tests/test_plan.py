"""Selection, order, weight and the longest way through."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from building import component, manifest, plan
from startupctl.errors import PlanError
from startupctl.fields import Priority
from startupctl.plan import Selection, make_plan

SHOP = (
    component("database", priority="CRITICAL", database=True, tags=frozenset({"data"}), timeout=60),
    component("cache", priority="LOW", tags=frozenset({"data"})),
    component("events", ["database"], database=True, timeout=60),
    component("broker", priority="LOW", when=frozenset({"check"})),
    component("worker", ["cache", "broker"], optional=["events"], priority="HIGH"),
    component("api", ["database"], optional=["worker"], priority="CRITICAL", when=frozenset({"check", "serve"})),
    component("mail", enabled=False),
)


def chosen(moment="check", **selection):
    return list(make_plan(manifest(*SHOP), Selection(**selection), moment=moment).steps)


@pytest.mark.parametrize(
    ("selection", "moment", "expected"),
    [
        ({}, "check", ["database", "cache", "events", "broker", "worker", "api"]),
        ({}, "run", ["database", "cache", "events", "worker"]),
        ({}, "serve", ["database", "cache", "events", "worker", "api"]),
        ({"names": ("worker",)}, "check", ["cache", "broker", "worker"]),
        ({"names": ("worker",)}, "run", ["cache", "worker"]),
        ({"names": ("worker",), "no_deps": True}, "check", ["worker"]),
        ({"names": ("worker", "events")}, "check", ["database", "cache", "events", "broker", "worker"]),
        ({"names": ("worker",), "skip": ("broker",)}, "check", ["cache", "worker"]),
        ({"skip": ("database",)}, "check", ["cache", "events", "broker", "worker", "api"]),
        ({"tags": ("data",)}, "check", ["database", "cache"]),
        ({"tags": ("data",), "names": ("api",)}, "check", ["database", "cache", "api"]),
        ({"tags": ("data",), "skip": ("cache",)}, "check", ["database"]),
        ({"databases": True}, "init-db", ["database", "events"]),
        ({"databases": True, "tags": ("data",)}, "init-db", ["database"]),
    ],
)
def test_a_selection_takes_what_is_asked_for_and_what_it_requires_in_manifest_order(selection, moment, expected):
    assert chosen(moment, **selection) == expected


def test_edges_that_lead_out_of_the_plan_are_unproven():
    step = make_plan(manifest(*SHOP), Selection(names=("worker",), skip=("broker",))).steps["worker"]
    assert step.needs == ("cache",)
    assert step.unproven == ("broker", "events")


def test_an_optional_edge_inside_the_plan_is_waited_for():
    assert make_plan(manifest(*SHOP)).steps["worker"].needs == ("cache", "broker", "events")


@pytest.mark.parametrize("selection", [{}, {"names": ("cache",)}, {"names": ("cache",), "no_deps": True}])
def test_effective_priority_comes_from_the_whole_enabled_manifest(selection):
    step = make_plan(manifest(*SHOP), Selection(**selection)).steps["cache"]
    assert (step.effective_priority, step.promoted) == (Priority.HIGH, True)


def test_what_is_merely_waited_for_is_not_promoted():
    steps = make_plan(manifest(*SHOP)).steps
    assert steps["events"].effective_priority is Priority.HIGH
    assert not steps["worker"].promoted


def test_a_disabled_component_promotes_nothing():
    disabled = component("late", ["cache"], priority="CRITICAL", enabled=False)
    steps = make_plan(manifest(*SHOP, disabled)).steps
    assert steps["cache"].effective_priority is Priority.HIGH
    assert "late" not in steps


def test_waves_count_the_dependencies_before_a_step():
    assert make_plan(manifest(*SHOP)).waves == [["database", "cache", "broker"], ["events"], ["worker"], ["api"]]


def test_the_critical_path_is_the_chain_with_the_most_seconds_not_with_the_most_links():
    found = plan(
        component("a", timeout=1),
        component("b", ["a"], timeout=1),
        component("c", ["b"], timeout=1),
        component("slow", timeout=90),
        component("end", ["c", "slow"], timeout=1),
    )
    assert found.critical_path == ("slow", "end")
    assert found.longest_wait == 91


@pytest.mark.parametrize(
    ("selection", "moment"),
    [
        ({"names": ("broker",)}, "run"),
        ({"skip": ("database", "cache", "events", "broker", "worker", "api")}, "check"),
        ({"names": ("cache",), "databases": True}, "init-db"),
    ],
)
def test_an_empty_selection_proves_nothing_and_is_refused(selection, moment):
    with pytest.raises(PlanError, match="nothing is selected"):
        chosen(moment, **selection)


def test_a_manifest_without_components_is_refused():
    with pytest.raises(PlanError, match="nothing is selected"):
        plan()


def test_all_unknown_names_are_told_at_once_with_the_nearest():
    with pytest.raises(PlanError) as caught:
        chosen(names=("databse", "mail"), skip=("wroker",), tags=("dta",))
    assert [(one.what, one.hint) for one in caught.value.problems] == [
        ("no enabled component is called `databse`", "did you mean database?"),
        ("no enabled component is called `mail`", ""),
        ("no enabled component is called `wroker`", "did you mean worker?"),
        ("no enabled tag is called `dta`", "did you mean data?"),
    ]


def test_a_cycle_is_told_as_the_whole_path_in_the_direction_of_depends_on():
    with pytest.raises(PlanError) as caught:
        plan(component("a", ["b"]), component("b", ["c"]), component("c", optional=["a"]), component("d", ["a"]))
    path = caught.value.problems[0].what.removeprefix("dependency cycle: ").split(" -> ")
    assert path[0] == path[-1]
    assert all(step in ("ab", "bc", "ca") for step in map("".join, itertools.pairwise(path)))
    assert len(path) == 4


@st.composite
def graphs(draw, most=12):
    """Draw components whose dependencies are drawn among those before them, in any manifest order."""
    names = [f"c{number}" for number in range(draw(st.integers(1, most)))]
    found = []
    for number, name in enumerate(names):
        edges = draw(st.dictionaries(st.sampled_from(names[:number]), st.booleans(), max_size=4)) if number else {}
        required = [need for need, is_required in edges.items() if is_required]
        optional = [need for need, is_required in edges.items() if not is_required]
        found.append(component(name, required, optional=optional, priority=draw(st.sampled_from(Priority))))
    return draw(st.permutations(found))


def requiring(components, name):
    """Return the names of all that require `name`, itself included."""
    found = {name}
    for _ in components:
        found |= {one.name for one in components if any(one.depends_on.get(need) for need in found)}
    return found


@given(graphs())
def test_in_the_order_every_dependency_comes_first(components):
    found = plan(*components)
    assert sorted(found.order) == sorted(found.steps)
    place = {name: number for number, name in enumerate(found.order)}
    assert all(place[need] < place[name] for name, step in found.steps.items() for need in step.needs)


@given(graphs())
def test_a_wave_needs_only_earlier_waves_and_one_of_the_last(components):
    found = plan(*components)
    wave = {name: number for number, names in enumerate(found.waves) for name in names}
    assert list(found.steps) == [one.name for one in components]
    for name, step in found.steps.items():
        assert max((wave[need] for need in step.needs), default=-1) == wave[name] - 1


@given(graphs())
def test_the_effective_priority_is_the_highest_of_all_that_require_it(components):
    own = {one.name: one.priority for one in components}
    for name, step in plan(*components).steps.items():
        assert step.effective_priority == max(own[other] for other in requiring(components, name))


@given(graphs(), st.data())
def test_a_selection_is_closed_under_requirements_and_holds_nothing_else(components, data):
    names = data.draw(st.lists(st.sampled_from([one.name for one in components]), min_size=1, unique=True))
    steps = plan(*components, selection=Selection(names=tuple(names))).steps
    expected = {one.name for one in components if requiring(components, one.name).intersection(names)}
    assert set(steps) == expected
    for step in steps.values():
        assert set(step.needs) | set(step.unproven) == set(step.component.depends_on)


@given(graphs())
def test_the_critical_path_is_a_chain_and_no_chain_is_longer(components):
    found = plan(*components)
    path = found.critical_path
    assert all(need in found.steps[name].needs for need, name in itertools.pairwise(path))
    assert found.longest_wait == len(found.waves) * found.steps[path[0]].component.policy.timeout


def planning_time(count):
    components = manifest(*(component(f"c{n}", [f"c{n // 2}", f"c{n - 1}"] if n > 1 else []) for n in range(count)))
    started = time.process_time()
    found = make_plan(components)
    assert len(found.waves) == count - 1
    assert found.critical_path
    return time.process_time() - started


def test_ten_thousand_components_are_planned_in_seconds():
    small, large = min(planning_time(1000) for _ in range(3)), planning_time(10_000)
    assert large < 60 * max(small, 0.005)
