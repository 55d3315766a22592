"""1,000 components in a random graph against the same graph written by hand in asyncio."""

import asyncio
import random
import statistics
import sys
import time

from measure import verdict

from startupctl.engine import Options, run_plan
from startupctl.kinds.python import Python
from startupctl.model import Component, Manifest
from startupctl.plan import make_plan

SIZE, ROUNDS = 1000, 5
CHOICE = random.Random(20260)
STARTS: dict[str, float] = {}
ENDS: dict[str, float] = {}


async def sleep(name, seconds):
    """The work of every component, in both runs."""
    STARTS[name] = time.monotonic()
    await asyncio.sleep(seconds)
    ENDS[name] = time.monotonic()


def random_graph():
    """Return name -> (seconds, dependencies)."""
    graph = {}
    for number in range(SIZE):
        before = range(max(0, number - 100), number)
        needs = CHOICE.sample(before, min(number, CHOICE.choice([0, 1, 1, 2, 3])))
        graph[f"c{number}"] = (CHOICE.uniform(0.005, 0.05), [f"c{need}" for need in needs])
    return graph


async def by_hand(graph):
    done = {name: asyncio.Event() for name in graph}

    async def one(name, seconds, needs):
        for need in needs:
            await done[need].wait()
        await sleep(name, seconds)
        done[name].set()

    async with asyncio.TaskGroup() as group:
        for name, (seconds, needs) in graph.items():
            group.create_task(one(name, seconds, needs))


def ours(graph):
    components = {
        name: Component(
            name,
            "python",
            check=Python(call="__main__:sleep", args={"name": name, "seconds": seconds}),
            depends_on=dict.fromkeys(needs, True),
        )
        for name, (seconds, needs) in graph.items()
    }
    return make_plan(Manifest(components))


def timed(work):
    started = time.perf_counter()
    result = asyncio.run(work)
    return time.perf_counter() - started, result


def early(graph):
    """Count the components that started before a dependency had ended."""
    return sum(STARTS[name] < ENDS[need] for name, (_, needs) in graph.items() for need in needs)


def main():
    graph = random_graph()
    plan = ours(graph)
    times = {"hand": [], "ours": []}
    for _ in range(ROUNDS):
        times["hand"].append(timed(by_hand(graph))[0])
        spent, report = timed(run_plan(plan, Options(max_concurrent=float("inf"))))
        times["ours"].append(spent)
        if report.exit_code or early(graph):
            sys.exit(f"{early(graph)} components started early, verdict {report.verdict}")
    ratio = statistics.median(times["ours"]) / statistics.median(times["hand"])
    return verdict("1,000 components / the same graph in bare asyncio", ratio, 1.10, " x")


sys.exit(not main())
