"""Cycles among names."""

from __future__ import annotations

import graphlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from startupctl.graph import find_cycles

NAMES = st.sampled_from("abcdefgh")


@pytest.mark.parametrize(
    ("edges", "cycles"),
    [
        ({}, []),
        ({"a": ["b"], "b": []}, []),
        ({"a": ["nowhere"]}, []),
        ({"a": ["a"]}, [["a", "a"]]),
        ({"a": ["b"], "b": ["a"]}, [["a", "b", "a"]]),
        ({"a": ["b"], "b": ["c"], "c": ["b", "a"]}, [["a", "b", "c", "a"]]),
        ({"x": ["b"], "b": ["c"], "c": ["b"], "d": ["d"]}, [["b", "c", "b"], ["d", "d"]]),
        ({"a": ["b", "c"], "b": ["c"], "c": ["a"]}, [["a", "c", "a"]]),
    ],
)
def test_each_group_gives_its_shortest_cycle(edges, cycles):
    assert find_cycles(edges) == cycles


@given(st.dictionaries(NAMES, st.lists(NAMES, unique=True)))
def test_a_cycle_is_made_of_edges_and_is_found_exactly_when_there_is_one(edges):
    cycles = find_cycles(edges)
    assert all(need in edges[name] for cycle in cycles for name, need in pairwise(cycle))
    assert all(cycle[0] == cycle[-1] and len(set(cycle)) == len(cycle) - 1 for cycle in cycles)
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError:
        assert cycles
    else:
        assert not cycles


def test_ten_thousand_names_in_one_circle_are_no_recursion():
    count = 10_000
    ring = {str(number): [str((number + 1) % count)] for number in range(count)}
    assert len(find_cycles(ring)[0]) == count + 1
