"""WRITERS processes append COMMITS times each to one table: by ingot, then by delta-rs. Every row must be there once."""

import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import deltalake
import pyarrow as pa

SOURCE = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = os.environ.get("INGOT_LAKE_SCRIPT", str(SOURCE / "build" / "tests" / "unit_lake_script"))


def by_ingot(folder, number, commits):
    it = subprocess.Popen([PROGRAM, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    refused = 0
    for i in range(commits):
        it.stdin.write(f"append t | | SELECT {number * 100000 + i}::BIGINT AS id, 'w{number}' AS w\n")
        it.stdin.flush()
        while (answer := it.stdout.readline().strip()).startswith("{"):
            pass
        refused += answer != "ok"
    it.stdin.close()
    it.wait()
    return refused


def by_delta_rs(folder, number, commits):
    refused = 0
    for i in range(commits):
        rows = pa.table({"id": pa.array([number * 100000 + i], pa.int64()), "w": [f"w{number}"]})
        while True:
            try:
                deltalake.write_deltalake(f"{folder}/t", rows, mode="append")
                break
            except deltalake.exceptions.CommitFailedError:  # it gives up after 15 lost races
                refused += 1
    return refused


def run(how, writers, commits):
    with tempfile.TemporaryDirectory(prefix="commits", dir=os.environ.get("TMPDIR")) as folder:
        make = "create t | | SELECT 1::BIGINT AS id, 'a' AS w\n"
        subprocess.run([PROGRAM, folder], input=make, text=True, stdout=subprocess.DEVNULL, check=True)
        with multiprocessing.get_context("spawn").Pool(writers) as pool:
            pool.starmap(time.sleep, [(0.2,)] * writers)  # all are up
            began = time.monotonic()
            refused = sum(pool.starmap(how, [(folder, n, commits) for n in range(writers)], chunksize=1))
            took = time.monotonic() - began
        names = os.listdir(f"{folder}/t/_delta_log")
        versions = sorted(int(n[:20]) for n in names if len(n) == 25 and n.endswith(".json"))
        rows = deltalake.DeltaTable(f"{folder}/t").to_pyarrow_table()["id"].to_pylist()
    assert versions == list(range(writers * commits + 1)), "a version is missing"
    assert len(rows) == len(set(rows)) == writers * commits, "a row is missing, or there twice"
    rate = writers * commits / took
    print(f"{how.__name__:12} {took:6.1f} s  {rate:6.1f} commits/s  {refused} refused", flush=True)
    return rate


if __name__ == "__main__":
    ours, theirs = (run(how, int(sys.argv[1]), int(sys.argv[2])) for how in (by_ingot, by_delta_rs))
    print(f"ratio        {ours / theirs:.2f}")
