"""One record's way, by key and by coordinates."""

import pytest

from support import kafka, orders

DAY = "2024-01-15"
BROKEN = orders.encode(orders.order(90, status="teleported"))
UNDATED = orders.encode(orders.order(91, created_at="yesterday"))
ODD = "it's \"odd\"; DROP TABLE x --"


@pytest.fixture
def worked(project):
    orders.add_to(project)
    values = [orders.encode(orders.order(i)) for i in range(20)]
    values += [orders.encode(orders.order(7, status="paid", version=1)), BROKEN, UNDATED,
               orders.encode(orders.order(92, order_id=ODD))]
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", values, orders.key_of)
    project("run")
    return project


def trace(project, record_id):
    return project.rows("trace", record_id)


def hops(record):
    found = {}
    for hop in record["hops"]:
        found.setdefault(hop["hop"], []).append(hop)
    return found


def test_every_hop_of_a_record(worked):
    [record] = trace(worked, "o-000003")
    row = next(r for r in worked.silver("orders") if r["order_id"] == "o-000003")
    assert (record["topic"], record["partition"], record["offset"]) == ("raw-orders", row["_partition"], row["_offset"])
    h = hops(record)
    assert [hop["hop"] for hop in record["hops"]] == ["record", "log", "bronze", "silver", "partition", "gold", "warehouse"]
    assert h["record"][0]["record_hash"] == row["record_hash"]
    assert h["log"][0]["state"] == "in the log"
    assert (worked.lake / h["bronze"][0]["file"]).is_file()
    table = worked.delta("silver/orders")
    assert h["silver"][0]["version"] == table.version()
    assert h["silver"][0]["row"]["order_id"] == "o-000003"
    assert h["silver"][0]["file"] in [f.split("silver/orders/")[-1] for f in table.file_uris()]
    assert 0 <= h["silver"][0]["file_added_in_version"] <= table.version()
    assert h["partition"][0]["status"] == "DONE"
    assert h["gold"][0]["version"] == worked.delta("gold/orders/daily_revenue").version()
    assert h["warehouse"][0]["version"] == h["gold"][0]["version"]


def test_coordinates_and_key_lead_to_the_same(worked):
    [record] = trace(worked, "o-000003")
    [again] = trace(worked, f"{record['topic']}/{record['partition']}/{record['offset']}")
    assert again["hops"] == record["hops"]


def test_a_duplicate_names_the_record_that_stands_for_it(worked):
    found = {bool(hops(r)["silver"][0].get("row")): r for r in trace(worked, "o-000007")}
    winner, loser = found[True], found[False]
    at = "{topic}/{partition}/{offset}"
    assert hops(loser)["silver"][0]["duplicate_of"] == at.format(**winner)
    assert hops(winner)["silver"][0]["stands_for"] == at.format(**loser)
    assert "gold" not in hops(loser)


def test_a_rejected_record_says_why_and_where_it_is(worked):
    [record] = trace(worked, "o-000090")
    h = hops(record)
    assert h["quarantine"][0]["field"] == h["dlq"][0]["field"] == "status"
    assert h["dlq"][0]["stage"] == "silver" and "bronze" in h and "silver" not in h
    letter = f"{h['dlq'][0]['topic']}/{h['dlq'][0]['partition']}/{h['dlq'][0]['offset']}"
    assert trace(worked, letter)[0]["offset"] == record["offset"]


def test_a_record_without_a_date_is_in_the_dlq(worked):
    [record] = trace(worked, "o-000091")
    h = hops(record)
    assert h["dlq"][0]["stage"] == "bronze" and h["dlq"][0]["field"] == "created_at"
    assert "bronze" not in h


def test_a_record_that_is_on_the_way(project):
    orders.add_to(project, flush_records=100000, flush_interval="1h")
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", [orders.encode(orders.order(1))], orders.key_of)
        [record] = trace(project, "o-000001")
        assert "on the way" in hops(record)["log"][0]["state"]


def test_an_id_is_data_and_never_sql(worked):
    [record] = trace(worked, ODD)
    assert hops(record)["silver"][0]["row"]["order_id"] == ODD
    worked("trace", "x' OR 1=1 --", code=1)


def test_what_is_nowhere_says_where_it_was_looked_for(worked):
    err = worked("trace", "o-999999", code=1).err
    assert "bronze files of orders" in err and "dlq-raw-orders" in err
    assert "raw-orders/0/9999" in worked("trace", "raw-orders/0/9999", code=1).err
    worked("trace", "raw-orders/99/0", code=1)
    worked("trace", "", code=1)


def test_the_text_has_what_the_json_has(worked):
    text = worked("trace", "o-000007").out
    for word in ("bronze/orders", "duplicate of", "stands for", "gold/orders/daily_revenue", "DONE"):
        assert word in text, text


def test_keys_of_several_columns_and_of_numbers(project):
    project.domain("lines", """
contract:
  key: [order_id, line]
  event_time: at
  fields:
    order_id: {type: string, required: true}
    line: {type: int, required: true}
    at: {type: timestamp, required: true}
bronze: {partition_by: day, flush_records: 100, flush_interval: 500ms}
""")
    values = [b'{"order_id": "a,b", "line": %d, "at": "2024-01-15T00:00:00Z"}' % i for i in range(3)]
    values += [b'{"order_id": "a\\/b", "line": 1, "at": "2024-01-15T00:00:00Z"}']
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-lines", values)
    project("run")
    [record] = trace(project, "a,b,2")
    assert hops(record)["silver"][0]["row"]["line"] == 2
    [record] = trace(project, "a/b,1")
    assert hops(record)["silver"][0]["row"]["order_id"] == "a/b"
    project("trace", "a,b,7", code=1)
