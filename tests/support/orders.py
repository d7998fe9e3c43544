"""A domain for tests, and an independent computation, in Python, of what its tables must hold.

Orders change their status: the latest version of an order counts (order_by updated_at, ties by the log's position).
"""

import collections
import datetime
import decimal
import json

YML = """
description: Orders of a test
{source}
topic: {{partitions: 3, key: order_id}}
contract:
  key: order_id
  event_time: created_at
  order_by: updated_at
  unique: {unique}
  not_before: 2020-01-01
  fields:
    order_id: {{type: string, required: true}}
    status: {{type: string, required: true, enum: [placed, paid, delivered, cancelled]}}
    city: {{type: string, required: true}}
    amount: {{type: "decimal(10,2)", required: true, min: 0}}
    items: {{type: int, min: 1}}
    created_at: {{type: timestamp, required: true}}
    updated_at: {{type: timestamp, required: true}}
bronze: {{partition_by: order_date, flush_records: {flush_records}, flush_interval: {flush_interval}}}
gold:
  daily_revenue: {{key: [order_date, city]}}
retries: {retries}
"""
GOLD = """
SELECT order_date, city, count(*) AS orders, sum(amount) AS revenue
FROM silver
WHERE status <> 'cancelled'
GROUP BY order_date, city
"""
STATUSES = ["placed", "paid", "delivered", "cancelled"]
CITIES = ["Berlin", "Lisbon", "Osaka", "São Paulo"]


def add_to(project, name="orders", source="", unique="partition", flush_records=200, flush_interval="500ms", retries=3,
           **sql):
    project.domain(name, YML.format(source=source, unique=unique, flush_records=flush_records,
                                    flush_interval=flush_interval, retries=retries),
                   gold_daily_revenue=sql.pop("gold", GOLD), **sql)


def order(i, day="2024-01-15", status="placed", version=0, **changes):
    hour, minute, second = i // 3600 % 24, i // 60 % 60, i % 60
    row = {
        "order_id": f"o-{i:06d}",
        "status": status,
        "city": CITIES[i % len(CITIES)],
        "amount": f"{(i * 37 % 10000) / 100:.2f}",
        "items": i % 5 + 1,
        "created_at": f"{day}T{hour:02d}:{minute:02d}:{second:02d}Z",
        "updated_at": f"{day}T{hour:02d}:{minute:02d}:{second:02d}.{version:03d}Z",
    }
    row["amount"] = float(row["amount"])
    row.update(changes)
    return {k: v for k, v in row.items() if v is not ...}


def encode(row):
    return json.dumps(row, ensure_ascii=False).encode()


def ndjson(rows):
    return b"".join(encode(r) + b"\n" for r in rows)


def key_of(value):
    return json.loads(value)["order_id"].encode()


def _time(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def why_refused(value):
    """None if the contract takes the record. Written from the contract's text, not from ingot's code."""
    try:
        row = json.loads(value.decode("utf-8"))
    except (UnicodeDecodeError, ValueError):
        return "not JSON"
    if not isinstance(row, dict):
        return "not an object"
    for name in ("order_id", "status", "city", "created_at", "updated_at"):
        if not isinstance(row.get(name), str):
            return name
    if isinstance(row.get("amount"), bool) or not isinstance(row.get("amount"), (int, float)) or row["amount"] < 0:
        return "amount"
    items = row.get("items")
    if items is not None and (isinstance(items, bool) or not isinstance(items, int) or items < 1):
        return "items"
    if row["status"] not in STATUSES:
        return "status"
    try:
        created = _time(row["created_at"])
        _time(row["updated_at"])
    except ValueError:
        return "created_at"
    if created.date() < datetime.date(2020, 1, 1):
        return "created_at"
    return None


def expected_silver(records, unique="partition"):
    """{identity: (coordinates, row)} of what silver must hold, from the log's records."""
    best = {}
    for r in records:
        if why_refused(r.value):
            continue
        row = json.loads(r.value)
        date = _time(row["created_at"]).astimezone(datetime.timezone.utc).date()
        identity = (row["order_id"], date) if unique == "partition" else row["order_id"]
        rank = (_time(row["updated_at"]), r.partition, r.offset)
        if identity not in best or rank > best[identity][0]:
            best[identity] = (rank, r, row, date)
    return {identity: (r.at, row, date) for identity, (_, r, row, date) in best.items()}


def expected_gold(silver):
    """{(date, city): (orders, revenue)} from what silver must hold."""
    out = collections.defaultdict(lambda: [0, decimal.Decimal(0)])
    for _, row, date in silver.values():
        if row["status"] != "cancelled":
            cell = out[(date, row["city"])]
            cell[0] += 1
            cell[1] += decimal.Decimal(str(row["amount"])).quantize(decimal.Decimal("0.01"))
    return {k: tuple(v) for k, v in out.items()}


def gold_rows(rows):
    return {(r["order_date"], r["city"]): (r["orders"], decimal.Decimal(r["revenue"])) for r in rows}
