"""SIGKILL inside the broker at the Nth call of each kind that touches the disk.

`strace` injects the signal, so that the broker needs no code for it. WEIR_TEST_CRASH_POINTS bounds how many points a run tries
(spread evenly over all calls and counts), "all" tries every one.
"""

import collections
import os
import re
import shutil
import signal
import subprocess

from workload import Broker, Notes, Workload, check

CALLS = ["pwrite64", "pwritev", "fdatasync", "fsync", "rename", "fallocate", "ftruncate", "unlink", "mkdir"]
POINTS = os.environ.get("WEIR_TEST_CRASH_POINTS", "200")


class TracedBroker(Broker):
    """A broker under strace, which counts its disk calls or kills it at one of them."""

    def __init__(self, *trace, **options):
        super().__init__(**options)
        self.trace = list(trace)

    def command(self):
        return ["strace", "-f", "-qq", "-o", os.path.join(self.home, "trace"), *self.trace, *super().command()]

    def stop(self, timeout=15.0):
        """SIGTERM to the broker itself, not to strace."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            for child in children.read().split():
                os.kill(int(child), signal.SIGTERM)
        return self.process.wait(timeout)


def one_life(trace, notes):
    """Runs the workload on a traced broker; True when the broker lived to its end."""
    broker = TracedBroker(*trace)
    try:
        broker.start()
    except RuntimeError:
        return broker, False  # killed before it was ready
    lived = Workload(broker.address, broker.alive, notes).run()
    if broker.alive():
        broker.stop()
    return broker, lived


def count_calls():
    """How often each call comes in one undisturbed life, in the thread that makes it most: strace counts by thread."""
    broker, lived = one_life(["-e", "trace=" + ",".join(CALLS)], Notes())
    assert lived
    made = collections.Counter()
    with open(os.path.join(broker.home, "trace")) as trace:
        for line in trace:
            if match := re.match(r"(\d+) +(\w+)\(", line):
                made[match.groups()] += 1
    broker.close()
    return {call: max((n for (_, name), n in made.items() if name == call), default=0) for call in CALLS}


def points():
    """Which (call, N) to try: evenly spread."""
    counts = count_calls()
    every = [(call, n) for call in CALLS for n in range(1, counts[call] + 1)]
    if POINTS == "all" or len(every) <= int(POINTS):
        return every
    step = len(every) / int(POINTS)
    return [every[int(i * step)] for i in range(int(POINTS))]


def test_a_kill_at_any_disk_call_loses_nothing_acknowledged():
    assert shutil.which("strace"), "strace is not installed"
    tried = points()
    assert len(tried) >= 20, "the scenario makes too few disk calls to be worth anything"
    fired = 0
    for call, n in tried:
        notes = Notes()
        broker, lived = one_life(["-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={n}"], notes)
        fired += not lived
        try:
            survivor = Broker(data=broker.data)
            with survivor:
                check(survivor.address, notes, f"killed at {call} number {n}")
                survivor.stop()
        finally:
            broker.close()
    # The signal must really have come, most of the time: counts differ a little between lives.
    assert fired >= len(tried) * 0.6, f"only {fired} of {len(tried)} lives were cut short"
