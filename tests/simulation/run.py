#!/usr/bin/env python3
"""Runs simulated worlds and tells the story of those that fail.

    python -m tests.simulation.run --worlds 10000 [--seed N] [--jobs 2]     many worlds, from seed N on
    python -m tests.simulation.run --seed N                                 one world, with its trace
    python -m tests.simulation.run --seed N --around 12.5                   the trace near 12.5 s only

Exit status 1 when a world failed. Of the first failures the last lines of the trace are shown.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from multiprocessing import Pool
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.simulation.world import LIFE, run

#: Traces shown, and the lines of each.
SHOWN, LINES = 3, 60


def judge(job: tuple[int, float]) -> tuple[int, str]:
    """A seed, and what was wrong with its world ("" = nothing)."""
    seed, life = job
    try:
        run(seed, life=life)
    except Exception as problem:  # whatever breaks a world is to be shown, and the others go on
        notes = getattr(problem, "__notes__", ())
        if isinstance(problem, AssertionError):
            return seed, "\n    ".join((str(problem), *notes))
        return seed, traceback.format_exc()
    return seed, ""


def story(seed: int, life: float, around: float | None) -> int:
    """Live one world and print what happened."""
    trace: list[str] = []
    status, words = 0, "nothing wrong"
    try:
        run(seed, trace, life)
    except Exception as problem:
        status, words = 1, "".join(traceback.format_exception_only(problem))
    for line in trace:
        if around is None or abs(float(line.split(None, 1)[0]) - around) < 5.0:
            print(line)
    print(words)
    return status


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--life", type=float, default=LIFE, help="seconds that a world lives")
    parser.add_argument("--around", type=float)
    options = parser.parse_args()
    if options.worlds == 1:
        return story(options.seed, options.life, options.around)
    started = time.monotonic()
    jobs = ((seed, options.life) for seed in range(options.seed, options.seed + options.worlds))
    failed: list[int] = []
    with Pool(options.jobs) as pool:
        for done, (seed, problem) in enumerate(pool.imap_unordered(judge, jobs, chunksize=4), 1):
            if problem:
                failed.append(seed)
                print(f"seed {seed}: {problem}", flush=True)
            if done % 1000 == 0:
                print(f"{done} worlds, {len(failed)} failed, {time.monotonic() - started:.0f} s", flush=True)
    for seed in sorted(failed)[:SHOWN]:
        trace: list[str] = []
        try:
            run(seed, trace, options.life)
        except Exception as problem:
            trace.append(str(problem))
        print(f"\n-- seed {seed}, its last {LINES} lines --", *trace[-LINES:], sep="\n")
    print(f"{options.worlds} worlds, {len(failed)} failed, {time.monotonic() - started:.0f} s")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
