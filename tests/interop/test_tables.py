"""Tables that ingot wrote, read by delta-rs and by Spark, against an independent computation from the source."""

import datetime
import decimal

import pyarrow.parquet as pq
import pytest

from support import kafka, orders
from support.recount import audit_all, recount


@pytest.fixture(scope="module")
def worked(ingot, tmp_path_factory):
    """A project with two days of orders: later versions, duplicates, refused records, a late file, 12 commits."""
    from support.project import Project

    p = Project(ingot, tmp_path_factory.mktemp("tables") / "project")
    orders.add_to(p)
    values = []
    for i in range(400):
        day = f"2024-01-{15 + i % 2}"
        values.append(orders.encode(orders.order(i, day)))
        if i % 3 == 0:
            values.append(orders.encode(orders.order(i, day, status="delivered", version=7)))
        if i % 20 == 0:
            values += [values[-1], b"{broken", orders.encode(orders.order(10000 + i, day, status="lost"))]
    for part in range(4):
        with p.up() as up:
            kafka.produce(up.bootstrap, "raw-orders", values[part::4], lambda v: v[14:22])
        p("run")
    found = recount(p, "orders", ["order_id"], "order_date")
    p.want = orders.expected_silver(found["log"].values())
    p.found = found
    return p


def seen(rows):
    """The part of silver that the computation knows, in a form both readers can give."""
    return sorted(
        ((r["_topic"], r["_partition"], r["_offset"]), r["order_id"], r["status"], r["city"],
         decimal.Decimal(r["amount"]), r["items"], r["order_date"], r["created_at"].replace(tzinfo=datetime.timezone.utc))
        for r in rows
    )


def wanted(p):
    out = []
    for at, row, date in p.want.values():
        amount = decimal.Decimal(str(row["amount"])).quantize(decimal.Decimal("0.01"))
        created = datetime.datetime.fromisoformat(row["created_at"].replace("Z", "+00:00"))
        out.append((at, row["order_id"], row["status"], row["city"], amount, row["items"], date, created))
    return sorted(out)


def test_delta_rs_reads_what_was_computed(worked):
    assert seen(worked.silver("orders")) == wanted(worked)
    assert orders.gold_rows(worked.gold("orders", "daily_revenue")) == orders.expected_gold(worked.want)
    assert set(worked.states().values()) == {"DONE"}
    refused = {r.at for r in worked.found["log"].values() if orders.why_refused(r.value)}
    quarantined = {(r["_topic"], r["_partition"], r["_offset"]) for r in worked.quarantine("orders")}
    assert quarantined | worked.found["refused_early"] == refused
    audit_all(worked)


def test_spark_reads_what_was_computed(worked, spark):
    def table(path):
        return [r.asDict() for r in spark.read.format("delta").load(str(worked.lake / path)).collect()]

    assert seen(table("silver/orders")) == wanted(worked)
    assert orders.gold_rows(table("gold/orders/daily_revenue")) == orders.expected_gold(worked.want)
    meta = {(r["domain"], str(r["partition_date"])): r for r in table("metadata/partition_meta")}
    assert {k: r["status"] for k, r in meta.items()} == worked.states()
    assert {k: sorted(r["source_files"]) for k, r in meta.items()} == {
        k: sorted(r["source_files"]) for k, r in worked.partition_meta().items()}
    assert len(table("quarantine/orders")) == len(worked.quarantine("orders"))


def test_duckdb_reads_the_warehouse(worked):
    import duckdb

    with duckdb.connect(str(worked.root / "data" / "warehouse.duckdb"), read_only=True) as c:
        rows = c.execute("SELECT order_date, city, orders, revenue FROM gold.daily_revenue").fetchall()
        loads = c.execute("SELECT table_name, delta_version FROM gold._ingot_loads").fetchall()
    assert {(d, city): (n, revenue) for d, city, n, revenue in rows} == orders.expected_gold(worked.want)
    assert loads == [("daily_revenue", worked.delta("gold/orders/daily_revenue").version())]


def test_spark_reads_old_versions_as_delta_rs_does(worked, spark):
    path = "silver/orders"
    last = worked.delta(path).version()
    assert last >= 3
    for version in sorted({0, 1, 2, last // 2, last - 1, last}):
        ours = sorted((r["order_id"], r["status"]) for r in worked.table(path, version))
        theirs = spark.read.format("delta").option("versionAsOf", version).load(str(worked.lake / path))
        assert sorted((r["order_id"], r["status"]) for r in theirs.collect()) == ours


def test_spark_prunes_by_our_statistics(worked, spark):
    """A filter that Spark answers from the partition values and file statistics gives the right rows."""
    spark.read.format("delta").load(str(worked.lake / "silver/orders")).createOrReplaceTempView("s")
    want = [r for _, r, date in worked.want.values() if str(date) == "2024-01-15" and r["order_id"] > "o-000200"]
    got = spark.sql("SELECT count(*) AS n FROM s WHERE order_date = '2024-01-15' AND order_id > 'o-000200'").collect()[0].n
    assert got == len(want)
    limit = datetime.datetime(2024, 1, 15, 0, 3, tzinfo=datetime.timezone.utc)
    got = spark.sql("SELECT count(*) AS n FROM s WHERE created_at < timestamp'2024-01-15 00:03:00Z'").collect()[0].n
    assert got == sum(datetime.datetime.fromisoformat(r["created_at"].replace("Z", "+00:00")) < limit
                      for _, r, _ in worked.want.values())


def test_the_protocol_is_the_lowest_and_files_say_their_statistics(worked):
    import json

    for path in worked.versions():
        table = worked.delta(path)
        protocol = table.protocol()
        assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2), path
        log = sorted((worked.lake / path / "_delta_log").glob("*.json"))
        adds = [json.loads(line)["add"] for f in log for line in f.read_text().splitlines() if '"add"' in line[:8]]
        for add in adds:
            stats = json.loads(add["stats"])
            file = worked.lake / path / add["path"].replace("%20", " ")
            if file.exists():
                assert stats["numRecords"] == pq.ParquetFile(file).metadata.num_rows
                assert add["size"] == file.stat().st_size


def test_a_foreign_writer_is_respected(worked, spark):
    """Spark optimizes and appends to a table of ours; our next reading and writing goes on from there."""
    path = worked.lake / "silver" / "orders"
    before = seen(worked.silver("orders"))
    spark.sql(f"OPTIMIZE delta.`{path}`")
    spark.sql(f"DELETE FROM delta.`{path}` WHERE order_id = 'no-such'")
    assert seen(worked.silver("orders")) == before
    n = worked.query("SELECT count(*) AS n FROM silver.orders")[0]["n"]
    assert n == len(before)
    worked("run", "--date", "2024-01-15")
    assert seen(worked.silver("orders")) == wanted(worked)
    audit_all(worked)


def test_green_taxi_trips_against_pyarrow(ingot, tmp_path, shared, spark):
    """A month of real trips through the example, against a computation with pyarrow and Python alone."""
    import collections
    import shutil

    from support.project import SOURCE_DIR, Project

    root = tmp_path / "nyc-taxi"
    shutil.copytree(SOURCE_DIR / "examples" / "nyc-taxi", root, ignore=shutil.ignore_patterns("data"))
    month = shared / "data" / "nyc-tlc-green" / "green_tripdata_2023-02.parquet"
    p = Project.at(ingot, root)
    p.write(".env", f"TLC_TRIPS={month}\nTLC_ZONES={shared}/data/nyc-tlc-zones/taxi_zone_lookup.csv\n")
    p("run", timeout=300)
    found = recount(p, "trips", ["trip_id"], "pickup_date")
    # Every row of the file is in the log, and each has come to one of the places there are.
    trips = pq.read_table(month)
    assert len(found["log"]) == trips.num_rows
    assert len(found["silver"]) + len(found["quarantine"]) + len(found["duplicates"]) + len(found["refused_early"]) == trips.num_rows
    # Which trips are good, by the contract's words; summed by day and hour.
    want = collections.defaultdict(lambda: [0, decimal.Decimal(0)])
    for t in trips.select(["lpep_pickup_datetime", "lpep_dropoff_datetime", "trip_distance", "fare_amount", "tip_amount",
                           "tolls_amount", "total_amount"]).to_pylist():
        good = (t["lpep_pickup_datetime"].year >= 2015 and 0 <= t["trip_distance"] <= 300 and t["fare_amount"] >= 0
                and t["tip_amount"] >= 0 and t["tolls_amount"] >= 0 and t["total_amount"] >= 0)
        if good:
            cell = want[(t["lpep_pickup_datetime"].date(), t["lpep_pickup_datetime"].hour)]
            cell[0] += 1
            cell[1] += decimal.Decimal(str(t["total_amount"])).quantize(decimal.Decimal("0.01"))
    got = collections.defaultdict(lambda: [0, decimal.Decimal(0)])
    for r in found["silver"]:
        cell = got[(r["pickup_date"], r["pickup_at"].hour)]
        cell[0] += 1
        cell[1] += r["total_amount"]
    assert not found["duplicates"], "the TLC's rows are all different trips"
    assert got == want
    spark_total = spark.read.format("delta").load(str(p.lake / "silver/trips")).selectExpr(
        "count(*) AS n", "sum(total_amount) AS total").collect()[0]
    assert (spark_total.n, spark_total.total) == (sum(c[0] for c in want.values()), sum(c[1] for c in want.values()))
    audit_all(p)
