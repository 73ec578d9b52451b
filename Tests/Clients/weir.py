"""Runs the real `weir` binary for tests: one process, one temporary data directory, a free port."""

import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]


def binary() -> str:
    """The `weir` under test: $WEIR_TEST_BINARY, else the newest build in .build."""
    named = os.environ.get("WEIR_TEST_BINARY")
    if named:
        return named
    built = [p for p in (ROOT / ".build/release/weir", ROOT / ".build/debug/weir") if p.exists()]
    if not built:
        raise RuntimeError("no weir binary: run `swift build --product weir` or set WEIR_TEST_BINARY")
    return str(max(built, key=lambda p: p.stat().st_mtime))


class Broker:
    """A broker process. Restarting keeps the data directory and the port."""

    def __init__(self, *options: str, data: str | None = None, settings: dict | None = None, limits: dict | None = None):
        self.home = tempfile.mkdtemp(prefix="weir-test-")
        self.data = data or os.path.join(self.home, "data")
        self.options = list(options)
        self.limits = limits or {}
        for key, value in (settings or {}).items():
            self.options += ["--set", f"{key}={value}"]
        self.listen = "127.0.0.1:0"
        self.process: subprocess.Popen | None = None
        self.lines: list[str] = []
        self.address = ""

    def command(self) -> list[str]:
        return [binary(), "broker", "--data", self.data, "--listen", self.listen, *self.options]

    def start(self, timeout: float = 30.0) -> "Broker":
        self.process = subprocess.Popen(
            self.command(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
            preexec_fn=lambda: [resource.setrlimit(what, limit) for what, limit in self.limits.items()],
        )
        ready = threading.Event()

        def read(stream):
            for line in stream:
                self.lines.append(line.rstrip("\n"))
                match = re.match(r"weir broker (\d+) ready on (\S+)$", line.strip())
                if match:
                    self.address = match.group(2)
                    ready.set()
            ready.set()

        threading.Thread(target=read, args=(self.process.stderr,), daemon=True).start()
        if not ready.wait(timeout) or self.process.poll() is not None or not self.address:
            self.process.kill()
            raise RuntimeError("the broker did not become ready:\n" + "\n".join(self.lines[-20:]))
        self.listen = self.address
        return self

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1])

    def stop(self, timeout: float = 15.0) -> int:
        """SIGTERM; the exit code. A broker that does not stop within the time fails the test."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self) -> None:
        """SIGKILL, as pulled from under the process."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def close(self) -> None:
        if self.alive():
            self.process.kill()
            self.process.wait(10)
        shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()


def run(*arguments: str, input: str | bytes | None = None, timeout: float = 30.0, check: bool = True):
    """Runs a `weir` command (not the broker) and gives its CompletedProcess."""
    text = not isinstance(input, bytes)
    done = subprocess.run([binary(), *arguments], input=input, capture_output=True, text=text, timeout=timeout)
    if check and done.returncode != 0:
        raise AssertionError(f"weir {' '.join(arguments)} exited {done.returncode}: {done.stderr}")
    return done


def name(prefix: str = "t") -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def eventually(condition, timeout: float = 20.0, what: str = "the condition"):
    """Waits until `condition()` gives something true, and gives that."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout} s")
        time.sleep(0.02)
