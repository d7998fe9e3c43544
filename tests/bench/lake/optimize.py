#!/usr/bin/env python3
"""OPTIMIZE of 1,000 small files of together 10 million rows: ingot beside delta-rs, joining files and in Z-order. Each runs
in a process of its own on a fresh copy of the same table, in turn; printed are the best wall and CPU times (on a busy
machine the better measure), the peak memory (RSS), the files made, and the ratios. The rows are compared by sums.

    tests/bench/lake/optimize.py [--rows 10M] [--files 1000] [--runs 2] [--where DIR] [--only compact|zorder] [--memory 512MB]
"""

import argparse
import concurrent.futures
import multiprocessing
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve()
INGOT = os.environ.get("INGOT", HERE.parents[3] / "build" / "ingot")

THEIRS = {
    "compact": "import sys, deltalake; deltalake.DeltaTable(sys.argv[1]).optimize.compact(target_size=256 << 20)",
    "zorder": "import sys, deltalake; deltalake.DeltaTable(sys.argv[1]).optimize.z_order(['customer', 'moment'], target_size=256 << 20)",
}
OURS = {"compact": [], "zorder": ["--zorder", "customer,moment"]}


def table(folder, rows, files):
    import deltalake
    import pyarrow as pa
    import pyarrow.compute as pc

    step = rows // files
    for i in range(files):
        ids = pa.array(range(i * step, (i + 1) * step), pa.int64())
        part = pa.table(
            {
                "id": ids,
                "customer": pc.bit_wise_and(pc.multiply(ids, 2654435761), 0xFFFFF),
                "amount": pc.divide(pc.cast(pc.bit_wise_and(pc.multiply(ids, 40503), 0xFFFF), pa.float64()), 100.0),
                "note": pc.binary_join_element_wise("note of ", pc.cast(pc.bit_wise_and(pc.multiply(ids, 7919), 0x3FFF), pa.string()), ""),
                "moment": pc.cast(pc.add(ids, 1704067200000000), pa.timestamp("us", "UTC")),
            }
        )
        deltalake.write_deltalake(folder, part, mode="append")


def measured(command):
    """Wall and CPU seconds, and the peak memory in MiB, of one process."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {command}")
    return time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def content(folder):
    import deltalake
    import pyarrow.compute as pc

    rows, ids, files = 0, 0, deltalake.DeltaTable(folder)
    for batch in files.to_pyarrow_dataset().to_batches(columns=["id"]):
        rows, ids = rows + len(batch), ids + (pc.sum(batch["id"]).as_py() or 0)
    return rows, ids, len(files.file_uris())


def apart(function, *arguments):
    """In a process of its own: the peak that a child reports is never below what its parent had."""
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--rows", default="10M")
    options.add_argument("--files", type=int, default=1000)
    options.add_argument("--runs", type=int, default=2)
    options.add_argument("--where", default=tempfile.gettempdir())
    options.add_argument("--only", choices=OURS)
    options.add_argument("--memory", help="what ingot's engine may use, as 512MB")
    o = options.parse_args()
    memory = ["--memory", o.memory] if o.memory else []
    rows = int(o.rows.replace("M", "000000"))
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(dir=o.where) as folder:
        fresh, work = f"{folder}/fresh", f"{folder}/work"
        apart(table, fresh, rows, o.files)
        for kind in [o.only] if o.only else list(OURS):
            best, seen = {}, {}
            for _ in range(o.runs):
                for side, command in (
                    ("ingot", [INGOT, "--quiet", "table", "optimize", work, *OURS[kind], *memory]),
                    ("delta-rs", [sys.executable, "-c", THEIRS[kind], work]),
                ):
                    shutil.rmtree(work, ignore_errors=True)
                    shutil.copytree(fresh, work)
                    got = measured(list(map(str, command)))
                    best[side] = tuple(map(min, best.get(side, got), got))
                    seen[side] = apart(content, work)
            assert seen["ingot"][:2] == seen["delta-rs"][:2], seen
            for side, (wall, cpu, mib) in best.items():
                print(f"{kind:8} {side:9} {wall:7.2f} s  {cpu:7.2f} s CPU  {mib:6.0f} MiB  {seen[side][2]} files")
            print(f"{kind:8} ratio     " + "  ".join(f"{a / b:.2f}" for a, b in zip(best["ingot"], best["delta-rs"])))


if __name__ == "__main__":
    main()
