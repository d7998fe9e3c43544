"""`ingot up` from start to the first answered Kafka request, five times, and its resident memory when idle."""

import pathlib
import re
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support.project import SOURCE_DIR, Ingot, Project, Up  # noqa: E402

with tempfile.TemporaryDirectory() as scratch:
    root = pathlib.Path(scratch) / "food-delivery"
    shutil.copytree(SOURCE_DIR / "examples" / "food-delivery", root, ignore=shutil.ignore_patterns("data"))
    for yml in root.glob("domains/*/domain.yml"):  # idle: no records come
        yml.write_text(re.sub(r"^source:.*?(?=^\S)", "", yml.read_text(), flags=re.M | re.S))
    settings = root / "ingot.yml"
    settings.write_text(re.sub(r"^(listen|http):.*\n", "", settings.read_text(), flags=re.M) + "\nlisten: 127.0.0.1:0\nhttp: 127.0.0.1:0\n")
    project = Project.at(Ingot(SOURCE_DIR / "build" / "ingot"), root)
    times, memory = [], []
    for _ in range(5):
        up = Up(project).wait_ready()
        times.append(up.seconds_to_ready)
        time.sleep(2)
        memory.append(up.resident_bytes())
        up.stop()
    print(f"ready after {statistics.median(times) * 1000:.0f} ms (of five: {min(times) * 1000:.0f} to {max(times) * 1000:.0f}); aim 1000 ms")
    print(f"resident when idle {statistics.median(memory) / 1e6:.0f} MB; aim 100 MB")
