"""The examples, run as a user runs them; their tables against an independent computation from the source.

What the generators made is read from the log by a Kafka client; the taxi files are read by DuckDB. From there on nothing
of ingot is used: contract, dedup and gold are computed again, here, from what the examples' pages say.
"""

import collections
import datetime
import decimal
import json
import os
import re
import shutil
import subprocess

import duckdb
import pytest
from support import kafka
from support.project import SOURCE_DIR, Project, no_time, wait_for

UTC = datetime.timezone.utc
PORT = {"LOG_PORT": "0", "HTTP_PORT": "0"}


def copy_of(ingot, tmp_path, name):
    root = tmp_path / name
    shutil.copytree(SOURCE_DIR / "examples" / name, root, ignore=shutil.ignore_patterns("data"))
    settings = (root / "ingot.yml").read_text()
    (root / "ingot.yml").write_text(settings.replace("${LOG_PORT:-9092}", "0").replace("${HTTP_PORT:-8081}", "0"))
    return Project.at(ingot, root)


def cents(value):
    return decimal.Decimal(str(value)).quantize(decimal.Decimal("0.01"))


def contents(project, *tables):
    """Rows of gold tables as a comparable, ordered list."""
    return {t: sorted((tuple(sorted(no_time(r).items(), key=lambda i: i[0])) for r in project.table(t)), key=repr)
            for t in tables}


# --- food delivery ------------------------------------------------------------------------------------------------


def parse_time(text):
    try:
        when = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        return None
    return when if when.date() >= datetime.date(2020, 1, 1) else None


def is_text(*values):
    return all(isinstance(v, str) for v in values)


def is_amount(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


EVENTS = ["app_open", "search", "restaurant_view", "menu_item_view", "add_to_cart", "remove_from_cart", "checkout_start",
          "payment_attempt", "order_placed", "order_tracked", "app_close"]


def event_is_good(e):
    p = e.get("properties", {})
    priced = e.get("event_type") in ("menu_item_view", "add_to_cart", "remove_from_cart")
    return (is_text(e.get("event_id"), e.get("user_id"), e.get("session_id")) and e.get("event_type") in EVENTS
            and e.get("device_type") in ("ios", "android", "web") and parse_time(e.get("event_timestamp")) is not None
            and (not priced or (is_amount(p.get("price")) and is_text(p.get("item_id"))))
            and ("price" not in p or is_amount(p["price"])))


def order_is_good(o):
    return (is_text(o.get("order_id"), o.get("user_id"), o.get("restaurant_id"))
            and o.get("status") in ("placed", "confirmed", "preparing", "out_for_delivery", "delivered", "cancelled")
            and isinstance(o.get("items"), list) and is_amount(o.get("total")) and is_amount(o.get("subtotal"))
            and parse_time(o.get("created_at")) is not None and parse_time(o.get("updated_at")) is not None)


def restaurant_is_good(r):
    return (is_text(r.get("restaurant_id"), r.get("name"), r.get("city")) and isinstance(r.get("menu_items"), list)
            and r.get("cuisine") in ("italian", "japanese", "mexican", "indian", "american")
            and parse_time(r.get("snapshot_at")) is not None)


def user_is_good(u):
    return is_text(u.get("user_id"), u.get("name")) and parse_time(u.get("snapshot_at")) is not None


def survivors(records, good, key, event_time, order_by):
    """{(key, date): row} after contract and dedup, and how many records the contract refuses."""
    best, refused = {}, 0
    for r in records:
        try:
            row = json.loads(r.value.decode("utf-8"))
        except ValueError:
            row = None
        if not isinstance(row, dict) or not good(row):
            refused += 1
            continue
        identity = (row[key], parse_time(row[event_time]).date())
        if order_by:
            rank = (parse_time(row[order_by]), r.partition, r.offset)
            better = identity not in best or rank > best[identity][0]
        else:
            rank = (r.timestamp_ms, r.partition, r.offset)
            better = identity not in best or rank < best[identity][0]
        if better:
            best[identity] = (rank, row)
    return {identity: row for identity, (_, row) in best.items()}, refused


@pytest.fixture(scope="module")
def food(ingot, tmp_path_factory):
    """The example after one run, and every record of its topics."""
    project = copy_of(ingot, tmp_path_factory.mktemp("examples"), "food-delivery")
    project("run", timeout=300)
    with project.up() as up:
        topics = {name: kafka.read_topic(up.bootstrap, name)
                  for d in ("events", "orders", "restaurants", "users") for name in (f"raw-{d}", f"dlq-raw-{d}")}
    return project, topics


RULES = {
    "events": (event_is_good, "event_id", "event_timestamp", None),
    "orders": (order_is_good, "order_id", "created_at", "updated_at"),
    "restaurants": (restaurant_is_good, "restaurant_id", "snapshot_at", "snapshot_at"),
    "users": (user_is_good, "user_id", "snapshot_at", "updated_at"),
}


@pytest.mark.parametrize("domain, count", [("events", 20000), ("orders", 4000), ("restaurants", 2400), ("users", 60)])
def test_every_record_is_in_silver_or_a_dead_letter(food, domain, count):
    project, topics = food
    raw, dead = topics[f"raw-{domain}"], topics[f"dlq-raw-{domain}"]
    assert len(raw) == count
    positions = [r.header("ingot-source") for r in raw]
    assert len(set(positions)) == count
    assert sorted(int(p.rsplit(":", 1)[1]) for p in positions) == list(range(count))
    expected, refused = survivors(raw, *RULES[domain])
    key = RULES[domain][1]
    date = {"events": "event_date", "orders": "order_date"}.get(domain, "snapshot_date")
    assert {(r[key], r[date]) for r in project.silver(domain)} == set(expected)
    assert len(dead) == refused
    at = {r.at: r for r in raw}
    for letter in dead:
        where = (letter.header("ingot-topic"), int(letter.header("ingot-partition")), int(letter.header("ingot-offset")))
        assert at[where].value == letter.value and letter.header("ingot-reason")
    if domain in ("events", "orders"):
        assert refused > 0, "the example shows dead letters"


def test_hourly_event_counts(food):
    project, topics = food
    rows, _ = survivors(topics["raw-events"], *RULES["events"])
    cells = collections.defaultdict(list)
    for e in rows.values():
        when = parse_time(e["event_timestamp"])
        cells[(when.date(), when.hour, e["event_type"])].append(e)
    expected = {k: (len(v), len({e["user_id"] for e in v}), len({e["session_id"] for e in v})) for k, v in cells.items()}
    assert {(r["event_date"], r["hour"], r["event_type"]): (r["events"], r["users"], r["sessions"])
            for r in project.gold("events", "hourly_event_counts")} == expected
    assert {k[2] for k in expected} == set(EVENTS)
    assert len({k[0] for k in expected}) == 3


def test_funnel_conversion(food):
    project, topics = food
    rows, _ = survivors(topics["raw-events"], *RULES["events"])
    steps = ["restaurant_view", "menu_item_view", "add_to_cart", "checkout_start", "order_placed"]
    reached = collections.defaultdict(int)
    for e in rows.values():
        at = (parse_time(e["event_timestamp"]).date(), e["session_id"])
        reached[at] = max(reached[at], steps.index(e["event_type"]) + 1 if e["event_type"] in steps else 0)
    expected = {}
    for date in {d for d, _ in reached}:
        sessions = [step for (d, _), step in reached.items() if d == date]
        expected[date] = [sum(s >= n for s in sessions) for n in range(6)]
    found = {r["event_date"]: [r["sessions"], r["viewed_restaurant"], r["viewed_item"], r["added_to_cart"],
                               r["started_checkout"], r["ordered"]] for r in project.gold("events", "funnel_conversion")}
    assert found == expected
    for r in project.gold("events", "funnel_conversion"):
        assert r["conversion"] == pytest.approx(r["ordered"] / r["sessions"], abs=1e-4)
        assert 0 < r["conversion"] < 1


def test_daily_revenue(food):
    project, topics = food
    orders, _ = survivors(topics["raw-orders"], *RULES["orders"])
    restaurants, _ = survivors(topics["raw-restaurants"], *RULES["restaurants"])
    city = {(key, date): r["city"] for (key, date), r in restaurants.items()}
    expected = collections.defaultdict(lambda: [0, 0, 0, decimal.Decimal(0), decimal.Decimal(0)])
    for (_, date), o in orders.items():
        cell = expected[(date, city.get((o["restaurant_id"], date), "unknown"))]
        cell[0] += 1
        cell[1] += o["status"] == "delivered"
        cell[2] += o["status"] == "cancelled"
        if o["status"] == "delivered":
            cell[3] += cents(o["total"])
            cell[4] += cents(o["tip"])
    found = {(r["order_date"], r["city"]): [r["orders"], r["delivered"], r["cancelled"], r["revenue"], r["tips"]]
             for r in project.gold("orders", "daily_revenue")}
    assert found == dict(expected)
    assert "unknown" not in {c for _, c in found}


def test_other_gold_tables(food):
    project, topics = food
    orders, _ = survivors(topics["raw-orders"], *RULES["orders"])
    portions = collections.Counter()
    revenue = collections.Counter()
    for (_, date), o in orders.items():
        for i in o["items"] if o["status"] != "cancelled" else []:
            portions[(date, i["item_id"])] += i["quantity"]
            revenue[(date, i["item_id"])] += i["quantity"] * cents(i["unit_price"])
    found = {(r["order_date"], r["item_id"]): (r["portions"], r["revenue"]) for r in project.gold("orders", "top_dishes")}
    assert found == {k: (portions[k], revenue[k]) for k in portions}

    restaurants, _ = survivors(topics["raw-restaurants"], *RULES["restaurants"])
    prices = collections.defaultdict(list)
    for (_, date), r in restaurants.items():
        for i in r["menu_items"]:
            prices[(date, r["cuisine"], i["category"])].append((cents(i["price"]), i["is_available"]))
    found = {(r["snapshot_date"], r["cuisine"], r["category"]): (r["dishes"], r["available"], r["cheapest"], r["dearest"])
             for r in project.gold("restaurants", "menu_prices")}
    assert found == {k: (len(v), sum(a for _, a in v), min(v)[0], max(v)[0]) for k, v in prices.items()}

    users, _ = survivors(topics["raw-users"], *RULES["users"])
    latest = {}
    for (key, _), u in sorted(users.items(), key=lambda i: i[0][1]):
        latest[key] = u
    by_city = collections.Counter(u["city"] for u in latest.values())
    assert {r["city"]: r["users"] for r in project.gold("users", "users_by_city")} == dict(by_city)
    assert all(re.fullmatch(r"[a-z]\*\*\*@example\.(com|org|net)", r["email"]) for r in project.silver("users"))


def test_a_second_run_changes_nothing(food):
    project, _ = food
    before = project.versions()
    project("run", timeout=300)
    assert project.versions() == before


def test_two_runs_from_nothing_make_the_same_tables(food, ingot, tmp_path):
    tables = ["gold/events/hourly_event_counts", "gold/events/funnel_conversion", "gold/orders/daily_revenue",
              "gold/orders/top_dishes", "gold/restaurants/menu_prices", "gold/users/users_by_city"]
    again = copy_of(ingot, tmp_path, "food-delivery")
    again("run", timeout=300)
    assert contents(again, *tables) == contents(food[0], *tables)


def test_the_audit_balances(food):
    project, _ = food
    for domain, date in project.states():
        project("audit", domain, date)


# --- taxi ---------------------------------------------------------------------------------------------------------


def green(paths):
    """Trips as the example's contract wants them, straight from green Parquet files."""
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    db.execute(
        """
        CREATE TABLE trips AS
        SELECT lpep_pickup_datetime AS pickup_at, lpep_dropoff_datetime AS dropoff_at,
               PULocationID AS pickup_zone, DOLocationID AS dropoff_zone, payment_type,
               passenger_count, CAST(trip_distance AS DECIMAL(10, 2)) AS miles,
               CAST(fare_amount AS DECIMAL(10, 2)) AS fare, CAST(tip_amount AS DECIMAL(10, 2)) AS tip,
               CAST(total_amount AS DECIMAL(10, 2)) AS total
        FROM (SELECT DISTINCT * FROM read_parquet($1))
        """,
        [[str(p) for p in paths]],
    )
    refused = db.execute(
        """
        DELETE FROM trips
        WHERE pickup_at < DATE '2015-01-01' OR miles NOT BETWEEN 0 AND 300 OR fare < 0 OR total < 0 OR tip < 0
        """
    ).fetchone()[0]
    return db, refused


def check_taxi(project, paths):
    db, refused = green(paths)
    assert len(project.quarantine("trips")) == refused > 0
    silver = project.silver("trips")
    assert len(silver) == db.execute("SELECT count(*) FROM trips").fetchone()[0]
    assert len({r["trip_id"] for r in silver}) == len(silver)

    hourly = {(r["pickup_date"], r["hour"]): r for r in project.gold("trips", "fact_hourly_summary")}
    rows = db.execute(
        """
        SELECT CAST(pickup_at AS DATE), hour(pickup_at), count(*), sum(miles), sum(fare), sum(coalesce(tip, 0)),
               sum(total), sum(coalesce(passenger_count, 0)),
               bool_or(dayofweek(pickup_at) BETWEEN 1 AND 5 AND hour(pickup_at) IN (7, 8, 9, 16, 17, 18, 19)),
               round(median(CASE WHEN miles > 0 THEN round(CAST(fare AS DOUBLE) / CAST(miles AS DOUBLE), 2) END), 2)
        FROM trips GROUP BY ALL
        """
    ).fetchall()
    assert len(hourly) == len(rows)
    for date, hour, trips, miles, fares, tips, total, passengers, rush, per_mile in rows:
        r = hourly[(date, hour)]
        assert (r["trips"], r["miles"], r["fares"], r["tips"], r["revenue"], r["passengers"], r["is_rush_hour"]) == (
            trips, miles, fares, tips, total, passengers, rush)
        assert r["median_fare_per_mile"] == pytest.approx(per_mile, abs=0.011) or per_mile is None

    zones = {r["zone_id"]: r for r in project.gold("trips", "dim_zones")}
    pickups = dict(db.execute("SELECT pickup_zone, (count(*), sum(total)) FROM trips GROUP BY 1").fetchall())
    dropoffs = dict(db.execute("SELECT dropoff_zone, count(*) FROM trips GROUP BY 1").fetchall())
    assert len(zones) == 265
    for zone, r in zones.items():
        assert (r["pickups"], r["revenue"]) == pickups.get(zone, (0, 0))
        assert r["dropoffs"] == dropoffs.get(zone, 0)
    assert zones[132]["zone"] == "JFK Airport"

    payments = {r["payment_type"]: r for r in project.gold("trips", "dim_payment_analysis")}
    rows = db.execute("SELECT coalesce(payment_type, -1), count(*), sum(total) FROM trips GROUP BY 1").fetchall()
    assert {k: (r["trips"], r["revenue"]) for k, r in payments.items()} == {int(k): (n, t) for k, n, t in rows}
    assert sum(r["share_pct"] for r in payments.values()) == pytest.approx(100, abs=0.1)


def test_taxi_sample(ingot, tmp_path):
    project = copy_of(ingot, tmp_path, "nyc-taxi")
    project("run", timeout=300)
    check_taxi(project, (project.root / "sample").glob("*.parquet"))
    reasons = {r["reason"] for r in project.quarantine("trips")}
    assert {"too_early", "out_of_range"} <= reasons, "the sample has trips of 2009 and refunds"
    before = project.versions()
    project("run", timeout=300)
    assert project.versions() == before
    for domain, date in project.states():
        project("audit", domain, date)


def test_the_same_trips_under_another_name_add_nothing(ingot, tmp_path):
    project = copy_of(ingot, tmp_path, "nyc-taxi")
    sample = next((project.root / "sample").glob("*.parquet"))
    project("run", timeout=300)
    before = contents(project, "gold/trips/fact_hourly_summary", "gold/trips/dim_zones")
    shutil.copy(sample, sample.with_name("again.parquet"))
    project("run", timeout=300, env={"TLC_TRIPS": "sample/*.parquet"})
    assert contents(project, "gold/trips/fact_hourly_summary", "gold/trips/dim_zones") == before


def test_a_real_month(ingot, tmp_path, shared):
    month = shared / "nyc-tlc-green" / "green_tripdata_2022-02.parquet"
    if not month.exists():
        month = shared / "data" / "nyc-tlc-green" / "green_tripdata_2022-02.parquet"
    project = copy_of(ingot, tmp_path, "nyc-taxi")
    project("run", timeout=600, env={"TLC_TRIPS": str(month)})
    check_taxi(project, [month])


def test_yellow_csv(ingot, tmp_path, shared, monkeypatch):
    """Another colour, another format, other column names; two days of it."""
    rows = (shared / "data" / "nyc-tlc-yellow" / "yellow_tripdata_sample_2019-03.csv").read_text().splitlines()
    days = [r for r in rows[1:] if r.split(",")[1][:10] in ("2019-03-05", "2019-03-06")]
    path = tmp_path / "yellow.csv"
    path.write_text("\n".join([rows[0], *days, "ragged,line", '1,"never closed']) + "\n")
    project = copy_of(ingot, tmp_path, "nyc-taxi")
    monkeypatch.setenv("TLC_TRIPS", str(path))
    project("run", timeout=300)
    names = rows[0].split(",")
    trips = [dict(zip(names, r.split(","))) for r in days]
    good = [t for t in trips if float(t["fare_amount"]) >= 0 and float(t["total_amount"]) >= 0]
    expected = collections.defaultdict(lambda: [0, decimal.Decimal(0)])
    for t in good:
        cell = expected[(datetime.date.fromisoformat(t["pickup_datetime"][:10]), int(t["pickup_datetime"][11:13]))]
        cell[0] += 1
        cell[1] += cents(t["total_amount"])
    found = {(r["pickup_date"], r["hour"]): [r["trips"], r["revenue"]]
             for r in project.gold("trips", "fact_hourly_summary")}
    assert found == dict(expected)
    with project.up() as up:
        dead = kafka.read_topic(up.bootstrap, "dlq-raw-trips")
    ragged = {d.value for d in dead if d.header("ingot-stage") == "source"}
    assert ragged == {b"ragged,line", b'1,"never closed'}


def test_a_damaged_file_is_named_and_the_others_are_read(ingot, tmp_path):
    project = copy_of(ingot, tmp_path, "nyc-taxi")
    sample = next((project.root / "sample").glob("*.parquet"))
    (project.root / "sample" / "damaged.parquet").write_bytes(sample.read_bytes()[:60000])
    (project.root / "sample" / "empty.parquet").write_bytes(b"")
    done = project("run", code=1, timeout=300, env={"TLC_TRIPS": "sample/*.parquet"})
    assert "damaged.parquet" in done.err and "empty.parquet" in done.err
    assert len(project.silver("trips")) > 7000


def test_files_that_appear_while_it_is_up(ingot, tmp_path):
    project = copy_of(ingot, tmp_path, "nyc-taxi")
    sample = next((project.root / "sample").glob("*.parquet"))
    yml = project.root / "domains" / "trips" / "domain.yml"
    yml.write_text(re.sub(r"path: .*TLC_TRIPS.*", "path: in/*.parquet", yml.read_text()))
    with project.up() as up:
        (project.root / "in").mkdir()
        shutil.copy(sample, project.root / "in" / "part.tmp")
        (project.root / "in" / "part.tmp").rename(project.root / "in" / "a.parquet")

        def arrived():
            return kafka.topics(up.bootstrap).get("raw-trips") and len(kafka.read_topic(up.bootstrap, "raw-trips")) == 7225

        wait_for(arrived, seconds=30, every=0.5)
    project("run", timeout=300)
    check_taxi(project, [sample])


# --- docs/domains.md ----------------------------------------------------------------------------------------------


def test_a_new_domain_as_the_page_tells_it(project):
    page = (SOURCE_DIR / "docs" / "domains.md").read_text()
    blocks = re.findall(r"```(yaml|sql|sh)\n(.*?)```", page, re.S)
    (_, yml), (_, gold), (_, check), (_, shell) = blocks
    project.domain("reviews", yml, gold_daily_stars=gold, test_stars_in_range=check)
    bin_dir = project.root / "bin"
    bin_dir.mkdir()
    (bin_dir / "ingot").symlink_to(project.ingot.path)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", shell], cwd=project.root, capture_output=True, text=True,
                          timeout=120, env={**os.environ, "PATH": f"{bin_dir}:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(r["restaurant_id"], r["reviews"], r["stars"]) for r in project.gold("reviews", "daily_stars")] == [
        ("rest_001", 2, 4.5)]
    assert [(r["reason"], r["field"]) for r in project.quarantine("reviews")] == [("out_of_range", "stars")]
