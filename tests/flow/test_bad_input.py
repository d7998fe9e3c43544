"""Bad input: each record is either taken by the contract or in the DLQ with its reason; never a crash, never silence."""

import json

import pytest

from support import kafka, orders
from support.recount import audit_all, recount

GOOD = orders.order(1)


def raw(**changes):
    return orders.encode(orders.order(1, **changes))


# name, the record's bytes; everything here must be refused, and say which field where it is about one.
REFUSED = [
    ("malformed", b'{"order_id": "o-1", ', None),
    ("not json", b"hello", None),
    ("empty", b"", None),
    ("blank", b"   ", None),
    ("two values", orders.encode(GOOD) + orders.encode(GOOD), None),
    ("an array", b"[1, 2]", None),
    ("a number", b"42", None),
    ("invalid utf-8", orders.encode(GOOD).replace(b"Lisbon", b"Lis\xffbon"), None),
    ("lone surrogate", orders.encode(GOOD).replace(b"Lisbon", b"\\ud800"), None),
    ("control character", orders.encode(GOOD).replace(b"Lisbon", b"Lis\x01bon"), None),
    ("nan", orders.encode(GOOD).replace(b'"items": 2', b'"items": NaN'), None),
    ("deep", b'{"order_id": ' + b"[" * 5000 + b"]" * 5000 + b"}", None),
    ("missing key", raw(order_id=...), "order_id"),
    ("null key", raw(order_id=None), "order_id"),
    ("key of another type", raw(order_id=17), "order_id"),
    ("missing time", raw(created_at=...), "created_at"),
    ("null time", raw(created_at=None), "created_at"),
    ("no time at all", raw(created_at="yesterday"), "created_at"),
    ("a day that does not exist", raw(created_at="2024-02-30T00:00:00Z"), "created_at"),
    ("year 2009", raw(created_at="2009-01-01T00:00:00Z"), "created_at"),
    ("unknown enum value", raw(status="teleported"), "status"),
    ("missing enum", raw(status=...), "status"),
    ("missing amount", raw(amount=...), "amount"),
    ("amount of another type", raw(amount="many"), "amount"),
    ("negative amount", raw(amount=-0.01), "amount"),
    ("amount too large for its decimal", raw(amount=1e12), "amount"),
    ("amount too large for anything", orders.encode(GOOD).replace(b'"items": 2', b'"items": 1e999'), "items"),
    ("zero items", raw(items=0), "items"),
    ("half an item", raw(items=1.5), "items"),
    ("items true", raw(items=True), "items"),
    ("items a list", raw(items=[1]), "items"),
]
ACCEPTED = [
    ("plain", raw()),
    ("unknown field", raw(extra={"a": [1, 2]})),
    ("optional missing", raw(items=...)),
    ("optional null", raw(items=None)),
    ("emoji", raw(city="🍕 Città")),
    ("escapes", orders.encode(orders.order(1, city="Berlin")).replace(b"Berlin", b"B\\u0065rlin")),
    ("time with zone", raw(created_at="2024-01-15T01:00:01+01:00")),
    ("white space", b"\n " + orders.encode(GOOD) + b"\t\n"),
    ("zero", raw(amount=0)),
    ("ten megabytes", raw(city="x" * 10_000_000)),
]


def numbered(value, i):
    """The same record as an order of its own."""
    return value.replace(b"o-000001", b"o-%06d" % i)


def test_every_kind_of_bad_record_is_accounted_for(project):
    orders.add_to(project)
    values = [numbered(v, i) for i, (_, v, _) in enumerate(REFUSED)]
    values += [numbered(v, 1000 + i) for i, (_, v) in enumerate(ACCEPTED)]
    names = [n for n, _, _ in REFUSED] + [n for n, _ in ACCEPTED]
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", values)
    project("run")
    found = recount(project, "orders", ["order_id"], "order_date")
    name_of = {}
    for at, r in found["log"].items():
        name_of[at] = names[values.index(r.value)]
    refused = {}
    for r in found["dlq"]:
        at = (r.header("ingot-topic"), int(r.header("ingot-partition")), int(r.header("ingot-offset")))
        refused[name_of[at]] = r
    taken = {name_of[(r["_topic"], r["_partition"], r["_offset"])] for r in found["silver"]}
    assert set(refused) == {n for n, _, _ in REFUSED}
    assert taken == {n for n, _ in ACCEPTED}
    for name, _, field in REFUSED:
        r = refused[name]
        assert r.header("ingot-reason") and r.header("ingot-detail"), name
        if field:
            assert r.header("ingot-field") == field, (name, r.header("ingot-field"), r.header("ingot-detail"))
    audit_all(project)


def test_a_record_that_is_too_large_is_refused_by_the_log_and_not_lost_silently(project):
    import confluent_kafka as ck
    orders.add_to(project)
    with project.up() as up:
        errors = []
        p = kafka.producer(up.bootstrap, **{"message.max.bytes": 200_000_000})
        p.produce("raw-orders", value=b"x" * 90_000_000, on_delivery=lambda e, m: errors.append(e))
        assert p.flush(60) == 0
        assert errors and errors[0] is not None and errors[0].code() == ck.KafkaError.MSG_SIZE_TOO_LARGE
        kafka.produce(up.bootstrap, "raw-orders", [orders.encode(GOOD)], orders.key_of)  # the log is alive
    project("run")
    assert len(project.silver("orders")) == 1


def test_a_tombstone_is_accounted_for(project):
    orders.add_to(project)
    with project.up() as up:
        p = kafka.producer(up.bootstrap)
        p.produce("raw-orders", key=b"o-000001", value=None)
        p.produce("raw-orders", key=b"o-000001", value=orders.encode(GOOD))
        assert p.flush(30) == 0
    project("run")
    with project.log() as bootstrap:
        dlq = kafka.read_topic(bootstrap, "dlq-raw-orders")
    assert len(project.silver("orders")) == 1
    assert len(dlq) == 1 and dlq[0].key == b"o-000001"


def whole(name, parquet):
    """What the file should have been."""
    if name.endswith(".parquet"):
        return parquet.read_bytes()
    rows = [orders.order(i) for i in range(100)]
    if name.endswith(".ndjson"):
        return orders.ndjson(rows)
    header = ",".join(rows[0]) + "\n"
    return (header + "".join(",".join(map(str, r.values())) + "\n" for r in rows)).encode()


@pytest.mark.parametrize("name, content, says", [
    ("empty.parquet", b"", "empty.parquet"),
    ("empty.ndjson", b"", "empty.ndjson"),
    ("empty.csv", b"", "empty.csv"),
    ("truncated.parquet", None, "truncated.parquet"),
    ("garbage.parquet", b"PAR1" + b"\x00" * 100 + b"PAR1", "garbage.parquet"),
])
def test_a_broken_file_is_named_and_the_others_go_on(project, tmp_path, name, content, says):
    import pyarrow as pa
    import pyarrow.parquet as pq
    good = tmp_path / "good.parquet"
    pq.write_table(pa.Table.from_pylist([orders.order(i) for i in range(100)]), good)
    project.write("input/broken/" + name, good.read_bytes()[:-200] if content is None else content)
    orders.add_to(project, "orders", source=f'source: {{type: file, path: "input/broken/*", format: {name.rsplit(".")[1]}}}')
    project.write("input/fine.ndjson", orders.ndjson([orders.order(i) for i in range(10)]))
    project.domain("fine", """
source: {type: file, path: input/fine.ndjson}
contract:
  event_time: created_at
  fields: {order_id: string, created_at: {type: timestamp, required: true}}
bronze: {partition_by: day}
""")
    result = project("run", code=1)
    assert says in result.err, result.err
    assert len(project.silver("fine")) == 10
    project.write("input/broken/" + name, whole(name, good))  # repaired: nothing else has to be done
    project("run")
    assert len(project.silver("orders")) == 100


@pytest.mark.parametrize("name, content, rows", [
    ("header.csv", b"order_id,status,city,amount,created_at,updated_at\n", 0),
    ("blank.ndjson", b"\n\n", 0),
])
def test_a_file_without_rows_is_no_mistake(project, name, content, rows):
    project.write("input/" + name, content)
    orders.add_to(project, source=f'source: {{type: file, path: "input/{name}"}}')
    project("run")
    assert len(project.silver("orders")) == rows


def test_a_missing_file_is_said(project):
    orders.add_to(project, source='source: {type: file, path: "input/*.parquet"}')
    result = project("run", code=None)
    assert "input" in result.err
    assert result.code in (0, 1)


def test_ndjson_lines_that_are_no_json_go_to_the_dlq(project):
    lines = orders.ndjson([orders.order(0)]) + b"{broken\n" + b"\xff\xfe\n" + orders.ndjson([orders.order(1)])
    project.write("input/a.ndjson", lines)
    orders.add_to(project, source='source: {type: file, path: input/a.ndjson}')
    project("run")
    found = recount(project, "orders", ["order_id"], "order_date")
    assert sorted(r["order_id"] for r in found["silver"]) == ["o-000000", "o-000001"]
    assert sorted(r.value for r in found["dlq"]) == [b"{broken", b"\xff\xfe"]


def test_a_contract_sees_text_from_csv(project):
    header = "order_id,status,city,amount,items,created_at,updated_at\n"
    rows = ["o-1,placed,Berlin,12.50,2,2024-01-15T10:00:00Z,2024-01-15T10:00:00Z",
            "o-2,paid,\"Lis,bon\",0.10,,2024-01-15T10:00:00Z,2024-01-15T10:00:00Z",
            "o-3,paid,Osaka,-1,1,2024-01-15T10:00:00Z,2024-01-15T10:00:00Z"]
    project.write("input/a.csv", header + "\n".join(rows) + "\n")
    orders.add_to(project, source='source: {type: file, path: input/a.csv, format: csv}')
    yml = project.root / "domains/orders/domain.yml"
    yml.write_text(yml.read_text().replace("min: 0}", "min: 0, lenient: true}").replace(
        "items: {type: int, min: 1}", "items: {type: int, min: 1, lenient: true}"))
    project("run")
    silver = {r["order_id"]: r for r in project.silver("orders")}
    assert set(silver) == {"o-1", "o-2"}
    assert str(silver["o-1"]["amount"]) == "12.50" and silver["o-2"]["items"] is None
    assert silver["o-2"]["city"] == "Lis,bon"
    assert [(r["field"], r["reason"]) for r in project.quarantine("orders")] == [("amount", "out_of_range")]
