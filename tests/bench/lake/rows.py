#!/usr/bin/env python3
"""Appending to a Delta table and reading all of it, beside DuckDB (the Python package) that writes and reads plain
Parquet: the same rows, the same compression (snappy), a process each, in turn; best of --runs. ingot's append is durable
when it ends; DuckDB's is measured as it comes and, as `DuckDB, synced`, with a sync of its file.

    tests/bench/lake/rows.py [--rows 10M] [--runs 3] [--where DIR]
"""

import argparse
import os
import pathlib
import shutil
import sys
import tempfile

import process

HERE = pathlib.Path(__file__).resolve()
INGOT = os.environ.get("INGOT", HERE.parents[3] / "build" / "ingot")
ROWS = """SELECT i AS id, (i * 2654435761) % 1048576 AS customer, ((i * 40503) % 65536) / 100.0::DOUBLE AS amount,
'status-' || (i % 8) AS status, 'note of ' || ((i * 7919) % 16384) AS note, make_timestamptz(1704067200000000 + i) AS moment"""
READ = "SELECT count(*), sum(id), sum(customer), sum(amount), count(DISTINCT status), sum(length(note)), max(epoch_us(moment))"


def duckdb(sql, file=None):
    sync = f"; import os; f = os.open({str(file)!r}, os.O_RDONLY); os.fsync(f)" if file else ""
    return [sys.executable, "-c", f"import duckdb; r = duckdb.sql({sql!r}); print(r.fetchall() if r else ''){sync}"]


def ingot(sql):
    return [str(INGOT), "query", sql]


def compare(what, runs, sides, before):
    """sides: name -> command. Prints the best of each beside ingot's."""
    best = {}
    for _ in range(runs):
        for name, command in sides.items():
            before(name)
            os.sync()
            got, _ = process.measure(command)
            best[name] = tuple(map(min, best.get(name, got), got))
    own = best["ingot"]
    print(f"{what} (load {os.getloadavg()[0]:.1f}):")
    for name, (seconds, mib, cpu) in best.items():
        ratio = "" if name == "ingot" else f"   ingot: {own[0] / seconds:.2f} of the time, {own[2] / cpu:.2f} of the CPU"
        print(f"  {name:15} {seconds:7.2f} s {cpu:7.2f} s CPU {mib:7.0f} MiB{ratio}", flush=True)


def append(where, rows, runs):
    source, table, plain = where / "source.parquet", where / "table", where / "plain.parquet"
    process.measure(duckdb(f"COPY ({ROWS} FROM range({rows}) r(i)) TO '{source}' (FORMAT parquet)"))
    copy = f"COPY (SELECT * FROM read_parquet('{source}')) TO '{plain}' (FORMAT parquet, COMPRESSION snappy)"

    def before(name):
        shutil.rmtree(table, ignore_errors=True)
        plain.unlink(missing_ok=True)
        if name == "ingot":
            process.measure(ingot(f"CREATE TABLE delta('{table}') AS SELECT * FROM read_parquet('{source}') WHERE false"))

    sides = {
        "ingot": ingot(f"INSERT INTO delta('{table}') SELECT * FROM read_parquet('{source}')"),
        "DuckDB": duckdb(copy),
        "DuckDB, synced": duckdb(copy, plain),
    }
    compare(f"append {rows:,} rows", runs, sides, before)
    shutil.rmtree(table, ignore_errors=True)


def scan(where, rows, files, runs):
    table, source = where / f"table-{files}", where / "source.parquet"
    shutil.rmtree(table, ignore_errors=True)
    make(table, source, rows, files)
    sides = {
        "ingot": ingot(f"{READ} FROM delta('{table}')"),
        "DuckDB": duckdb(f"{READ} FROM read_parquet('{table}/*.parquet')"),
    }
    compare(f"read {rows:,} rows in {files:,} files", runs, sides, lambda name: None)
    shutil.rmtree(table, ignore_errors=True)


def make(table, source, rows, files):
    """A folder of so many Parquet files, which becomes a table. In processes of their own, as a child's peak of memory
    is never below what its parent had."""
    step = rows // files
    table.mkdir(parents=True)
    copies = """
import duckdb
for i in range({files}):
    duckdb.sql(f"COPY (SELECT * FROM read_parquet('{source}') WHERE id >= {{i * {step}}} AND id < {{(i + 1) * {step}}}) "
               f"TO '{table}/part-{{i:05}}.parquet' (FORMAT parquet, COMPRESSION snappy)")
"""
    process.measure([sys.executable, "-c", copies.format(files=files, source=source, table=table, step=step)])
    process.measure([str(INGOT), "table", "convert", str(table)])


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", default="10M")
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--where", type=pathlib.Path)
    o = options.parse_args()
    rows = int(float(o.rows[:-1]) * 1000000) if o.rows.endswith("M") else int(o.rows)
    where = o.where or pathlib.Path(tempfile.mkdtemp(prefix="ingot-rows-"))
    where.mkdir(parents=True, exist_ok=True)
    try:
        append(where, rows, o.runs)
        for files in (20, 1000):
            scan(where, rows, files, o.runs)
    finally:
        if not o.where:
            shutil.rmtree(where, ignore_errors=True)


if __name__ == "__main__":
    main()
