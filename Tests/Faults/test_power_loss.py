"""Power cuts: ext4 on a loop device is shut down without flushing its log (EXT4_IOC_SHUTDOWN) at random moments under
load, mounted again, and must hold everything that was acknowledged. WEIR_TEST_POWER_CUTS says how many."""

import fcntl
import os
import random
import struct
import subprocess
import tempfile
import threading
import time

import pytest
from workload import Broker, Notes, Workload, check

CUTS = int(os.environ.get("WEIR_TEST_POWER_CUTS", "20"))
EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2


class Disk:
    """An ext4 file system in a file, that can lose its power."""

    def __init__(self, home):
        self.image, self.mount_point = os.path.join(home, "disk.img"), os.path.join(home, "mnt")
        os.mkdir(self.mount_point)
        with open(self.image, "wb") as image:
            image.truncate(256 << 20)
        subprocess.run(["mkfs.ext4", "-q", self.image], check=True)
        self.mount()

    def mount(self):
        done = subprocess.run(["mount", "-o", "loop", self.image, self.mount_point], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"skipped: loop mounts are not allowed here ({done.stderr.strip()})")

    def cut(self):
        handle = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def unmount(self):
        for _ in range(100):
            if subprocess.run(["umount", self.mount_point], capture_output=True).returncode == 0:
                return
            time.sleep(0.05)
        raise AssertionError("the disk is still in use")


def test_power_cuts_lose_nothing_acknowledged():
    seed = int(os.environ.get("WEIR_TEST_SEED", random.randrange(1 << 32)))
    print(f"seed {seed}")
    chance = random.Random(seed)
    lost_power = 0
    with tempfile.TemporaryDirectory(prefix="weir-power-") as home:
        disk = Disk(home)
        try:
            for cut in range(CUTS):
                data = os.path.join(disk.mount_point, f"data-{cut}")
                notes = Notes()
                broker = Broker(data=data).start()
                workload = Workload(broker.address, broker.alive, notes, seed=cut, rounds=40, patience=1.0)
                running = threading.Thread(target=workload.run)
                running.start()
                time.sleep(0.1 + chance.random() * 0.8)
                disk.cut()
                lost_power += running.is_alive()
                running.join(60)
                assert not running.is_alive(), "the workload hangs after the power cut"
                broker.kill() if broker.alive() else None
                disk.unmount()
                disk.mount()
                with Broker(data=data) as survivor:
                    check(survivor.address, notes, f"power cut {cut} of seed {seed}")
                    survivor.stop()
                broker.close()
                subprocess.run(["rm", "-rf", data], check=True)
        finally:
            disk.unmount()
    assert lost_power > CUTS // 2, "most cuts came after the workload had ended"
