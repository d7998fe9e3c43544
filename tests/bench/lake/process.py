"""A process with its wall time, CPU time and peak memory."""

import os
import subprocess
import time


def measure(command, cwd=None):
    """(seconds, MiB, CPU seconds), what it said"""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd)
    said = process.stdout.read()
    mistakes = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if status:
        raise SystemExit(f"{command}: {mistakes[-2000:]}")
    return (seconds, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime), said
