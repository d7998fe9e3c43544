#!/usr/bin/env python3
"""MERGE of 1% changed rows, half updates and half inserts, into a table of 20 files: ingot beside delta-rs and,
with --spark, Spark. Each runs in a process of its own on a fresh copy of the same table, in turn; printed are the best
wall times and CPU times (on a busy machine the better measure), the peak memory (RSS), and the ratios. The tables that
come out are compared. ingot syncs its files before it commits, delta-rs does not.

    tests/bench/lake/merge.py [--rows 10M] [--shape spread|one] [--runs 3] [--spark] [--where DIR] [--grow]

`spread`: the updates are in all 20 files; `one`: in one of them. --grow repeats it at half and at twice the rows, for
the memory.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import process

HERE = pathlib.Path(__file__).resolve()
INGOT = os.environ.get("INGOT", HERE.parents[3] / "build" / "ingot")
FILES = 20

PEERS = {
    "delta-rs": """
import sys, deltalake, pyarrow.parquet as pq
table, source = sys.argv[1:3]
deltalake.DeltaTable(table).merge(pq.read_table(source), "t.id = s.id", source_alias="s", target_alias="t") \\
    .when_matched_update_all().when_not_matched_insert_all().execute()
""",
    "spark": """
import pathlib, sys, time
from pyspark.sql import SparkSession
jars = [str(j) for j in pathlib.Path(sys.argv[3]).glob("*.jar")]
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.jars", ",".join(jars)).config("spark.driver.extraClassPath", ":".join(jars))
    .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
    .config("spark.driver.memory", "4g").config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.shuffle.partitions", "4").getOrCreate()
)
spark.range(1).count()
start = time.time()
spark.read.parquet(sys.argv[2]).createOrReplaceTempView("s")
spark.sql(f"MERGE INTO delta.`{sys.argv[1]}` t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *")
print("inner", time.time() - start)
""",
}


def table(folder, rows):
    """Files of consecutive ids, as a table that grows has them."""
    import deltalake
    import pyarrow as pa
    import pyarrow.compute as pc

    step = rows // FILES
    for i in range(FILES):
        ids = pa.array(range(i * step, (i + 1) * step), pa.int64())
        part = pa.table(
            {
                "id": ids,
                "customer": pc.cast(pc.bit_wise_and(pc.multiply(ids, 2654435761), 0xFFFFF), pa.int64()),
                "amount": pc.divide(pc.cast(pc.bit_wise_and(pc.multiply(ids, 40503), 0xFFFF), pa.float64()), 100.0),
                "status": pc.binary_join_element_wise("status-", pc.cast(pc.bit_wise_and(ids, 7), pa.string()), ""),
                "note": pc.binary_join_element_wise("note of ", pc.cast(pc.bit_wise_and(pc.multiply(ids, 7919), 0x3FFF), pa.string()), ""),
                "moment": pc.cast(pc.add(ids, 1704067200000000), pa.timestamp("us", "UTC")),
            }
        )
        deltalake.write_deltalake(folder, part, mode="append")


def source(path, rows, shape):
    import pyarrow as pa
    import pyarrow.parquet as pq

    n = rows // 200  # updates; as many inserts
    step = rows // n if shape == "spread" else (rows // FILES) // n or 1
    first = 0 if shape == "spread" else rows // FILES * 7
    ids = pa.array([first + i * step for i in range(n)] + [rows + i for i in range(n)], pa.int64())
    m = len(ids)
    pq.write_table(
        pa.table(
            {
                "id": ids,
                "customer": pa.array([1] * m, pa.int64()),
                "amount": pa.array([0.5] * m),
                "status": pa.array(["changed"] * m),
                "note": pa.array(["merged"] * m),
                "moment": pa.array([1704067200000000] * m, pa.timestamp("us", "UTC")),
            }
        ),
        path,
    )


def run(name, table_path, source_path):
    if name == "ingot":
        sql = (
            f"MERGE INTO delta('{table_path}') AS t USING read_parquet('{source_path}') AS s ON t.id = s.id "
            "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        )
        command = [str(INGOT), "query", sql]
    else:
        command = [sys.executable, "-c", PEERS[name], str(table_path), str(source_path), str(HERE.parents[3] / ".deps" / "spark-jars")]
    (seconds, mib, cpu), said = process.measure(command, table_path.parent)
    for line in said.splitlines():
        if line.startswith("inner "):
            seconds = float(line.split()[1])
    return seconds, mib, cpu


def contents(table_path):
    sql = f"SELECT count(*) AS n, sum(hash(id, customer, amount, status, note, epoch_us(moment)))::VARCHAR AS h FROM delta('{table_path}')"
    return json.loads(subprocess.run([str(INGOT), "query", "--json", sql], capture_output=True, text=True, check=True).stdout)


def make(what, path, rows, shape):
    """In a process of its own: the peak that a child reports is never below what its parent had."""
    subprocess.run([sys.executable, str(HERE), "--make", what, "--where", str(path), "--rows", str(rows), "--shape", shape], check=True)


def measure(where, rows, shape, peers, runs):
    base, changes = where / f"table-{rows}", where / f"source-{rows}-{shape}.parquet"
    if not base.exists():
        make("table", base, rows, shape)
    make("source", changes, rows, shape)
    n = rows // 200 * 2
    best, found = {}, {}
    for _ in range(runs):
        for name in ["ingot", *peers]:
            copy = where / "copy"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(base, copy)
            os.sync()
            was = best.get(name, (1e9, 1e9, 1e9))
            best[name] = tuple(map(min, was, run(name, copy, changes)))
            found[name] = contents(copy)
    shutil.rmtree(where / "copy", ignore_errors=True)
    assert len({json.dumps(f) for f in found.values()}) == 1, found
    print(f"{n:,} rows into {rows:,}, {shape} (load {os.getloadavg()[0]:.1f}):")
    own = best["ingot"]
    for name, (seconds, mib, cpu) in best.items():
        ratio = f"   ingot: {seconds / own[0]:.2f}x as fast, {own[2] / cpu:.2f} of the CPU, {own[1] / mib:.2f} of the memory"
        print(f"  {name:9} {seconds:7.2f} s {cpu:7.2f} s CPU {mib:7.0f} MiB{'' if name == 'ingot' else ratio}", flush=True)
    return best


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", default="10M")
    options.add_argument("--shape", choices=["spread", "one", "both"], default="both")
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--spark", action="store_true")
    options.add_argument("--alone", action="store_true", help="only ingot")
    options.add_argument("--grow", action="store_true")
    options.add_argument("--where", type=pathlib.Path)
    options.add_argument("--make", choices=["table", "source"], help=argparse.SUPPRESS)
    o = options.parse_args()
    rows = int(float(o.rows[:-1]) * 1000000) if o.rows.endswith("M") else int(o.rows)
    if o.make == "table":
        return table(str(o.where), rows)
    if o.make == "source":
        return source(o.where, rows, o.shape)
    where = o.where or pathlib.Path(tempfile.mkdtemp(prefix="ingot-merge-"))
    where.mkdir(parents=True, exist_ok=True)
    peers = [] if o.alone else ["delta-rs"] + (["spark"] if o.spark else [])
    try:
        for size in [rows // 2, rows, rows * 2] if o.grow else [rows]:
            for shape in ["spread", "one"] if o.shape == "both" else [o.shape]:
                measure(where, size, shape, peers, o.runs)
    finally:
        if not o.where:
            shutil.rmtree(where, ignore_errors=True)


if __name__ == "__main__":
    main()
