"""The ledger: balanced when it should be, and never when it should not."""

import hashlib

import duckdb
import pyarrow as pa
import pytest

from support import kafka, orders

DAY, NEXT_DAY = "2024-01-15", "2024-01-16"
MALFORMED = b'{"order_id": "o-broken'


def records():
    """Two days; changes of orders (duplicates by key), contract violations, and what has no date at all."""
    rows = [orders.order(i, day) for day in (DAY, NEXT_DAY) for i in range(100)]
    rows += [orders.order(i, status="paid", version=1) for i in range(0, 100, 4)]
    rows += [orders.order(1000 + i, status="teleported") for i in range(3)]
    return [orders.encode(r) for r in rows] + [MALFORMED, b"\xff\xfe"]


@pytest.fixture
def worked(project):
    orders.add_to(project)
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", records(), lambda v: b"k" + v[15:22])
    project("run")
    return project


def ledger(project, *args, code=0):
    return {row["date"]: row for row in project.rows("audit", *args, code=code)}


def fingerprint(log):
    """Written from the documentation: count, and the sum of MD5s as two little-endian halves, each modulo 2**64."""
    low = high = 0
    for r in log:
        digest = hashlib.md5(f"{r.topic}/{r.partition}/{r.offset}/{r.hash}".encode()).digest()
        low += int.from_bytes(digest[:8], "little")
        high += int.from_bytes(digest[8:], "little")
    return f"{high % 2**64:016x}{low % 2**64:016x}"


def test_counts_and_fingerprints_are_those_of_an_outside_recount(worked):
    with worked.up() as up:
        log = kafka.read_topic(up.bootstrap, "raw-orders")
    found = ledger(worked)
    of_day = [r for r in log if DAY.encode() in r.value]
    hops = found[DAY]["hops"]
    assert hops["log"] == hops["bronze"] == {"records": 128, "fingerprint": fingerprint(of_day)}
    assert (hops["silver"]["records"], hops["duplicates"]["records"], hops["quarantine"]["records"]) == (100, 25, 3)
    assert hops["quarantine"] == hops["dlq"]
    kept = {(r["_topic"], r["_partition"], r["_offset"]) for r in worked.silver("orders")}
    assert hops["silver"]["fingerprint"] == fingerprint(r for r in of_day if r.at in kept)
    assert found[None]["hops"]["log"]["records"] == 230  # the whole topic
    assert found[None]["hops"]["dlq"]["records"] == 2  # what has no date
    assert {row["verdict"] for row in found.values()} == {"balanced"}


def test_the_text_says_the_verdict(worked):
    text = worked("audit", "orders", DAY).out
    assert "Balanced" in text and "128" in text and "daily_revenue" in text
    assert "Balanced" in worked("audit").out


def test_it_can_be_run_while_the_platform_is_up(worked):
    with worked.up():
        assert ledger(worked, "orders", DAY)[DAY]["verdict"] == "balanced"


def assert_differs(project, date, *words):
    row = ledger(project, "orders", date, code=1)[date]
    assert row["verdict"] == "differs"
    text = "\n".join(row["differences"])
    for word in words:
        assert word in text, text
    return row


def test_a_row_that_is_missing_in_silver_is_named(worked):
    row = next(r for r in worked.silver("orders") if str(r["order_date"]) == DAY)
    worked.delta("silver/orders").delete(f"order_date = '{DAY}' AND order_id = '{row['order_id']}'")
    assert_differs(worked, DAY, "not in silver", f"raw-orders/{row['_partition']}/{row['_offset']}")
    assert ledger(worked, "orders", NEXT_DAY)[NEXT_DAY]["verdict"] == "balanced"
    assert ledger(worked, code=1)[DAY]["verdict"] == "differs"


def test_a_row_that_is_twice_in_silver_is_named(worked):
    table = worked.delta("silver/orders")
    row = table.to_pyarrow_table(filters=[("order_date", "=", __import__("datetime").date(2024, 1, 15))]).slice(0, 1)
    import deltalake
    deltalake.write_deltalake(str(worked.lake / "silver/orders"), row, mode="append")
    at = row.to_pylist()[0]
    assert_differs(worked, DAY, "more than once", f"raw-orders/{at['_partition']}/{at['_offset']}")


def test_a_hash_that_is_not_the_record_s_is_named(worked):
    worked.delta("silver/orders").update(updates={"record_hash": "'00'"}, predicate=f"order_date = '{DAY}'")
    assert_differs(worked, DAY, "record_hash")


def test_a_bronze_file_that_is_gone_is_noticed(worked):
    path = next((worked.lake / "bronze/orders" / f"order_date={DAY}").glob("*.parquet"))
    path.unlink()
    row = assert_differs(worked, DAY, "not in bronze", "raw-orders/")
    assert row["hops"]["bronze"]["records"] < row["hops"]["log"]["records"]


def test_a_bronze_file_that_is_there_twice_counts_once(worked):
    """What a crash between PUT and commit leaves: the same records in a second file."""
    path = next((worked.lake / "bronze/orders" / f"order_date={DAY}").glob("*.parquet"))
    path.with_name("part-20990101T000000000Z-00000000.parquet").write_bytes(path.read_bytes())
    assert ledger(worked, "orders", DAY, code=1)[DAY]["verdict"] == "open"
    worked("run")
    row = ledger(worked, "orders", DAY)[DAY]
    assert row["hops"]["bronze"]["records"] == 128 and row["verdict"] == "balanced"


def test_a_gold_row_that_is_not_what_silver_says_is_named(worked):
    worked.delta("gold/orders/daily_revenue").update(updates={"orders": "orders + 1"},
                                                     predicate=f"order_date = '{DAY}' AND city = 'Osaka'")
    row = assert_differs(worked, DAY, "daily_revenue", "Osaka", "warehouse")
    assert row["gold"][0]["matches_silver"] is False and row["gold"][0]["matches_warehouse"] is False


def test_a_warehouse_that_is_not_what_gold_says_is_named(worked):
    with duckdb.connect(str(worked.root / "data/warehouse.duckdb")) as warehouse:
        warehouse.execute("DELETE FROM gold.daily_revenue WHERE city = 'Lisbon'")
    row = assert_differs(worked, DAY, "warehouse", "Lisbon")
    assert row["gold"][0]["matches_silver"] is True and row["gold"][0]["matches_warehouse"] is False


def test_records_that_are_on_the_way_are_not_lost(project):
    """In the log and nowhere else: the platform was killed before it flushed."""
    orders.add_to(project, flush_records=100000, flush_interval="1h")
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", [orders.encode(orders.order(i)) for i in range(50)], orders.key_of)
        up.kill()
    row = ledger(project, code=1)[DAY]
    assert row["verdict"] == "open" and not row["differences"]
    assert "50 records of the log are on the way" in row["notes"][0]
    project("audit", "--open-ok")
    project("run")
    assert ledger(project)[DAY]["hops"]["silver"]["records"] == 50


def test_a_partition_that_waits_for_a_run_is_open(project):
    orders.add_to(project)
    with project.up() as up:  # processes nothing by itself
        kafka.produce(up.bootstrap, "raw-orders", [orders.encode(orders.order(i)) for i in range(50)], orders.key_of)
    row = ledger(project, code=1)[DAY]
    assert row["verdict"] == "open" and not row["differences"]
    assert row["hops"]["log"] == row["hops"]["bronze"]
    assert "not processed yet" in project("audit", "orders", DAY, code=1).out
    project("run")
    project("audit")


def test_late_records_make_a_partition_open_until_they_are_in(worked):
    with worked.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", [orders.encode(orders.order(5000))], orders.key_of)
    assert ledger(worked, "orders", DAY, code=1)[DAY]["verdict"] == "open"
    worked("run")
    assert ledger(worked, "orders", DAY)[DAY]["hops"]["silver"]["records"] == 101


def test_keys_that_are_unique_in_the_table_have_their_witness_on_another_date(project):
    orders.add_to(project, unique="table")
    values = [orders.encode(orders.order(i, DAY)) for i in range(20)]
    values += [orders.encode(orders.order(i, NEXT_DAY, status="paid")) for i in range(5)]
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", values, orders.key_of)
    project("run")
    hops = ledger(project, "orders", DAY)[DAY]["hops"]
    assert (hops["silver"]["records"], hops["duplicates"]["records"]) == (15, 5)
    project("audit")


def test_a_date_of_nothing_is_balanced(worked):
    row = ledger(worked, "orders", "1999-01-01")["1999-01-01"]
    assert row["hops"]["log"]["records"] == 0 and row["verdict"] == "balanced"
    assert "no hop has a record" in row["notes"][0]


def test_unknown_domains_and_dates(worked):
    assert "nobody" in worked("audit", "nobody", code=1).err
    worked("audit", "orders", "2024-02-30", code=2)
    worked("audit", "--all", "orders", code=2)
