"""The pipeline as a user runs it: source to warehouse, again, late, backfilled, and without side effects."""

import datetime
import decimal
import hashlib
import json

import pytest

from support import kafka, orders
from support.project import no_time
from support.recount import audit_all, recount

DAYS = ["2024-01-15", "2024-01-16"]


def file_project(project, n=300, **options):
    """Orders of two days out of an NDJSON file, each with one later version, some twice."""
    rows = []
    for i in range(n):
        day = DAYS[i % 2]
        rows.append(orders.order(i, day))
        if i % 3 == 0:
            rows.append(orders.order(i, day, status="paid", version=5))
        if i % 7 == 0:
            rows.append(orders.order(i, day, status="cancelled", version=9))
        if i % 10 == 0:
            rows.append(orders.order(i, day))  # the same again
    project.write("input/orders.ndjson", orders.ndjson(rows))
    orders.add_to(project, source='source: {type: file, path: "input/*.ndjson", format: ndjson}', **options)
    return rows


def check_tables(project, unique="partition"):
    """silver and gold equal the independent computation from the log."""
    found = recount(project, "orders", ["order_id"], "order_date", unique)
    want = orders.expected_silver(found["log"].values(), unique)
    assert {(r["_topic"], r["_partition"], r["_offset"]) for r in found["silver"]} == {at for at, _, _ in want.values()}
    for row in found["silver"]:
        identity = (row["order_id"], row["order_date"]) if unique == "partition" else row["order_id"]
        _, source, date = want[identity]
        assert row["order_date"] == date
        assert (row["status"], row["city"], row["items"]) == (source["status"], source["city"], source["items"])
        assert row["amount"] == decimal.Decimal(str(source["amount"])).quantize(decimal.Decimal("0.01"))
    assert orders.gold_rows(project.gold("orders", "daily_revenue")) == orders.expected_gold(want)
    return found


def test_one_command_brings_a_file_to_the_warehouse(project):
    rows = file_project(project)
    project("run")
    assert set(project.states().values()) == {"DONE"}
    found = check_tables(project)
    assert len(found["log"]) == len(rows)
    warehouse = project.query("SELECT * FROM gold.daily_revenue ORDER BY order_date, city")
    lake = sorted(project.gold("orders", "daily_revenue"), key=lambda r: (r["order_date"], r["city"]))
    assert [(w["order_date"], w["city"], w["orders"], decimal.Decimal(str(w["revenue"]))) for w in warehouse] == [
        (str(r["order_date"]), r["city"], r["orders"], r["revenue"]) for r in lake
    ]
    audit_all(project)


def test_partition_meta_has_the_specified_columns_and_tells_the_truth(project):
    file_project(project)
    project("run")
    schema = json.loads(project.delta("metadata/partition_meta").schema().to_json())
    assert [f["name"] for f in schema["fields"]] == [
        "domain", "partition_date", "status", "run_id", "record_count", "source_files", "file_hash", "silver_records",
        "gold_records", "retry_count", "error_message", "created_at", "updated_at", "processed_at", "silver_path",
        "gold_path",
    ]
    silver, gold = project.silver("orders"), project.gold("orders", "daily_revenue")
    for (domain, date), row in project.partition_meta().items():
        day = datetime.date.fromisoformat(date)
        assert row["silver_records"] == sum(r["order_date"] == day for r in silver)
        assert row["gold_records"] == sum(r["order_date"] == day for r in gold)
        names = sorted(str(p.relative_to(project.lake)) for p in (project.lake / "bronze" / domain).glob(f"*={date}/*"))
        assert sorted(row["source_files"]) == names
        assert row["file_hash"] == hashlib.md5("\n".join(names).encode()).hexdigest()
        assert row["error_message"] is None and row["retry_count"] == 0
        assert row["created_at"] <= row["processed_at"] <= row["updated_at"]


def test_the_same_run_twice_changes_nothing(project):
    file_project(project)
    project("run")
    before = project.versions(), project.files(), project.silver("orders"), project.gold("orders", "daily_revenue")
    project("run")
    versions, files, silver, gold = project.versions(), project.files(), project.silver("orders"), project.gold("orders", "daily_revenue")
    assert versions == before[0]
    assert {f for f in files if f.startswith("data/lake/")} == {f for f in before[1] if f.startswith("data/lake/")}
    assert (silver, gold) == before[2:]


def test_a_backfill_gives_the_same_rows(project):
    file_project(project)
    project("run")
    silver, gold = project.silver("orders"), project.gold("orders", "daily_revenue")
    runs = {k: r["run_id"] for k, r in project.partition_meta().items()}
    project("run", "--date", DAYS[0])
    key = lambda r: (r["order_date"], r["order_id"])
    assert sorted(project.silver("orders"), key=key) == sorted(silver, key=key)
    key = lambda r: (r["order_date"], r["city"])
    assert sorted(project.gold("orders", "daily_revenue"), key=key) == sorted(gold, key=key)
    after = {k: r["run_id"] for k, r in project.partition_meta().items()}
    assert after[("orders", DAYS[0])] != runs[("orders", DAYS[0])]
    assert after[("orders", DAYS[1])] == runs[("orders", DAYS[1])]
    project("run", "--start", DAYS[0], "--end", DAYS[1])
    assert set(project.states().values()) == {"DONE"}


def test_two_projects_with_the_same_input_have_the_same_tables(ingot, tmp_path):
    """Ties and orders of files, threads and partitions must not decide anything."""
    from support.project import Project

    tables = []
    for i in range(2):
        p = Project(ingot, tmp_path / str(i), resources={"memory": "256MB", "threads": i + 1})
        file_project(p)
        p("run")
        silver = [{k: v for k, v in r.items() if not k.startswith("_")} for r in p.silver("orders")]
        gold = p.gold("orders", "daily_revenue")
        tables.append((sorted(silver, key=str), sorted(gold, key=str)))
    assert tables[0] == tables[1]


def test_dry_run_writes_nothing(project):
    file_project(project)
    project("run")
    project.write("input/more.ndjson", orders.ndjson([orders.order(9000, DAYS[0])]))
    before = project.files()
    plan = project("run", "--dry-run", "--date", DAYS[0])
    assert DAYS[0] in plan.out
    assert project.files() == before


def test_dry_run_of_a_fresh_project_leaves_no_table(project):
    file_project(project)
    project("run", "--dry-run")
    assert not list(project.root.glob("data/lake/**/*.parquet"))


def late_history(project, domain, date):
    """The states that a partition went through, by the Delta history of partition_meta."""
    states = []
    for version in range(project.delta("metadata/partition_meta").version() + 1):
        row = project.partition_meta(version).get((domain, date))
        if row and (not states or states[-1] != row["status"]):
            states.append(row["status"])
    return states


@pytest.mark.parametrize("unique", ["partition", "table"])
def test_a_late_file_corrects_the_numbers(project, unique):
    file_project(project, unique=unique)
    project("run")
    before = {(r["order_date"], r["city"]): r["orders"] for r in project.gold("orders", "daily_revenue")}
    late = [orders.order(5000 + i, DAYS[0]) for i in range(40)]
    late += [orders.order(2, DAYS[0], city="Reykjavik", status="delivered", version=50)]  # moves to another group
    project.write("input/late.ndjson", orders.ndjson(late))
    project("run")
    assert late_history(project, "orders", DAYS[0])[-4:] == ["LATE", "REPROCESSING", "IN_FLIGHT", "DONE"]
    assert late_history(project, "orders", DAYS[1])[-1] == "DONE"
    assert "LATE" not in late_history(project, "orders", DAYS[1])
    check_tables(project, unique)
    after = {(r["order_date"], r["city"]): r["orders"] for r in project.gold("orders", "daily_revenue")}
    assert sum(after.values()) == sum(before.values()) + 40
    warehouse = project.query("SELECT sum(orders)::BIGINT AS n FROM gold.daily_revenue")
    assert warehouse[0]["n"] == sum(after.values())
    audit_all(project)


def test_a_group_that_vanishes_leaves_gold_and_warehouse(project):
    """H2: the only order of a city moves away; the city's row must go."""
    project.write("input/a.ndjson", orders.ndjson([orders.order(1, city="Atlantis"), orders.order(2, city="Osaka")]))
    orders.add_to(project, source='source: {type: file, path: "input/*.ndjson"}')
    project("run")
    assert {r["city"] for r in project.gold("orders", "daily_revenue")} == {"Atlantis", "Osaka"}
    project.write("input/b.ndjson", orders.ndjson([orders.order(1, city="Osaka", version=9)]))
    project("run")
    assert [(r["city"], r["orders"]) for r in project.gold("orders", "daily_revenue")] == [("Osaka", 2)]
    assert project.query("SELECT city, orders FROM gold.daily_revenue") == [{"city": "Osaka", "orders": 2}]
    audit_all(project)


def test_a_tie_is_decided_by_the_log(project):
    """H3: equal updated_at; the record later in the log wins, every time."""
    rows = [orders.order(1, status=s, city=c) for s, c in
            [("placed", "Berlin"), ("paid", "Lisbon"), ("delivered", "Osaka"), ("placed", "Lisbon")]]
    project.write("input/a.ndjson", orders.ndjson(rows))
    orders.add_to(project, source='source: {type: file, path: "input/*.ndjson"}', flush_records=1)
    project("run")
    first = project.silver("orders")
    assert [(r["status"], r["city"]) for r in first] == [("placed", "Lisbon")]
    for _ in range(5):
        project("run", "--date", "2024-01-15")
        assert project.silver("orders") == first


def test_a_key_in_two_dates_is_one_row_where_the_contract_says_so(project):
    """H4: unique: table."""
    rows = [orders.order(1, DAYS[0]), orders.order(2, DAYS[0]), orders.order(1, DAYS[1], status="paid")]
    project.write("input/a.ndjson", orders.ndjson(rows))
    orders.add_to(project, source='source: {type: file, path: "input/*.ndjson"}', unique="table")
    project("run")
    assert sorted((r["order_id"], str(r["order_date"])) for r in project.silver("orders")) == [
        ("o-000001", DAYS[1]), ("o-000002", DAYS[0])]
    assert sum(r["orders"] for r in project.gold("orders", "daily_revenue")) == 2
    project.write("input/b.ndjson", orders.ndjson([orders.order(2, DAYS[1], status="paid")]))
    project("run")
    assert sorted((r["order_id"], str(r["order_date"])) for r in project.silver("orders")) == [
        ("o-000001", DAYS[1]), ("o-000002", DAYS[1])]
    check_tables(project, "table")
    audit_all(project)


def test_keys_that_move_from_date_to_date_leave_true_counts_behind(project):
    """Every date takes a key from each one before it."""
    days = [str(datetime.date(2024, 1, 1) + datetime.timedelta(days=d)) for d in range(7)]
    pairs = [(first, then) for first in range(7) for then in range(first, 7)]
    rows = [orders.order(key, day=days[d], version=d) for key, pair in enumerate(pairs) for d in sorted(set(pair))]
    project.write("input/one.ndjson", orders.ndjson(rows))
    orders.add_to(project, source='source: {type: file, path: "input/*.ndjson"}', unique="table")
    project("run")
    check_tables(project, "table")
    wrong = project.query("""
        SELECT m.partition_date, m.status, m.silver_records, m.gold_records, count(s.order_id) AS silver
        FROM partition_meta m LEFT JOIN silver.orders s ON s.order_date = m.partition_date
        GROUP BY ALL HAVING m.status <> 'DONE' OR m.silver_records <> count(s.order_id)""")
    assert wrong == []
    before = project.versions()
    project("run")
    assert project.versions() == before


@pytest.mark.parametrize("dates", [("--start", "2024-01-15", "--end", "2024-01-17"), ("--date", "2024-01-17")])
def test_a_corrected_contract_brings_back_what_a_refused_record_had_beaten(project, dates):
    """A key's best record is refused by the new contract; the next best is of another date."""
    rows = [orders.order(1, "2024-01-15", version=1), orders.order(1, "2024-01-16", version=2, status="paid"),
            orders.order(1, "2024-01-17", version=3, status="cancelled"), orders.order(2, "2024-01-15")]
    project.write("input/a.ndjson", orders.ndjson(rows))
    orders.add_to(project, source='source: {type: file, path: "input/*.ndjson"}', unique="table")
    project("run")
    place = lambda: sorted((r["order_id"], str(r["order_date"])) for r in project.silver("orders"))  # noqa: E731
    assert place() == [("o-000001", "2024-01-17"), ("o-000002", "2024-01-15")]
    yml = project.root / "domains/orders/domain.yml"
    yml.write_text(yml.read_text().replace(", cancelled]", "]").replace("contract:\n", "contract:\n  compatibility: NONE\n"))
    project("run", *dates)
    project("run")
    assert place() == [("o-000001", "2024-01-16"), ("o-000002", "2024-01-15")]
    assert {str(r["order_date"]) for r in project.gold("orders", "daily_revenue")} == {"2024-01-15", "2024-01-16"}
    audit_all(project)


def test_select_runs_only_what_it_names(project):
    for name in ("orders", "returns"):
        project.write(f"input/{name}.ndjson", orders.ndjson([orders.order(i) for i in range(20)]))
        orders.add_to(project, name, source=f'source: {{type: file, path: "input/{name}.ndjson"}}',
                      gold=orders.GOLD)
        gold = project.root / f"domains/{name}/gold/daily_revenue.sql"
        gold.rename(gold.with_name(f"{name}_revenue.sql"))
        yml = project.root / f"domains/{name}/domain.yml"
        yml.write_text(yml.read_text().replace("daily_revenue", f"{name}_revenue"))
    project("run", "--select", "returns")
    assert {d for d, _ in project.states()} == {"returns"}
    project("run")
    assert {d for d, _ in project.states()} == {"orders", "returns"}


def test_a_failing_check_fails_the_partition_and_a_repaired_one_passes(project):
    file_project(project, retries=1, test_no_fives="SELECT * FROM silver WHERE items = 5")
    result = project("run", code=1)
    assert "no_fives" in result.err
    meta = project.partition_meta()
    assert {r["status"] for r in meta.values()} == {"FAILED"}
    assert all("no_fives" in r["error_message"] for r in meta.values())
    project("run", code=1)  # the retry
    project("run", code=1)
    assert set(project.states().values()) == {"DEAD"}
    (project.root / "domains/orders/tests/no_fives.sql").unlink()
    project("run", code=None)  # DEAD waits for a person
    assert set(project.states().values()) == {"DEAD"}
    project("run", "--start", DAYS[0], "--end", DAYS[1])
    assert set(project.states().values()) == {"DONE"}
    audit_all(project)


def test_a_new_domain_is_a_folder(project):
    file_project(project)
    project("run")
    project.write("input/returns.ndjson", orders.ndjson([orders.order(i) for i in range(10)]))
    project.domain("returns", """
source: {type: file, path: input/returns.ndjson}
contract:
  event_time: created_at
  fields: {order_id: string, created_at: {type: timestamp, required: true}}
bronze: {partition_by: return_date}
""")
    project("run")
    assert len(project.silver("returns")) == 10  # no key: every record counts
    assert project.states()[("returns", "2024-01-15")] == "DONE"


def test_trace_follows_one_record(project):
    file_project(project)
    project("run")
    row = project.silver("orders")[0]
    text = project("trace", row["order_id"]).out
    for word in ("log", "bronze", "silver", "raw-orders", row["record_hash"][:8]):
        assert word in text, text
    at = f"{row['_topic']}/{row['_partition']}/{row['_offset']}"
    assert "silver" in project("trace", at).out
    assert project("--json", "trace", at).rows()
    project("trace", "no-such-order", code=1)


def test_query_reads_every_layer_and_any_delta_table(project, tmp_path):
    file_project(project)
    project("run")
    n = len(project.silver("orders"))
    assert project.query("SELECT count(*) AS n FROM silver.orders") == [{"n": n}]
    version = project.delta("silver/orders").version()
    path = project.lake / "silver" / "orders"
    outside = project.ingot.run("--json", "query", f"SELECT count(*) AS n FROM delta('{path}')", cwd=tmp_path).rows()
    assert outside == [{"n": n}]
    outside = project.ingot.run("--json", "query", f"SELECT count(*) AS n FROM delta('{path}', version => {version})",
                                cwd=tmp_path).rows()
    assert outside == [{"n": n}]
    project("query", f"COPY (SELECT * FROM silver.orders) TO '{tmp_path}/out.parquet'")
    import pyarrow.parquet as pq
    assert pq.read_table(tmp_path / "out.parquet").num_rows == n
    assert "order_date" in project("query", "SELECT * FROM gold.daily_revenue").out
    assert project.query("SELECT DISTINCT status FROM partition_meta") == [{"status": "DONE"}]


def test_audit_notices_what_is_changed_behind_its_back(project):
    file_project(project)
    project("run")
    audit_all(project)
    victim = project.delta("silver/orders")
    victim.delete("order_date = '2024-01-15' AND order_id = 'o-000002'")
    result = project("audit", "orders", DAYS[0], code=1)
    assert "silver" in result.out + result.err
    project("audit", "orders", DAYS[1])


def test_external_producers_and_a_running_platform(project):
    """`up` takes records from anybody; SIGTERM writes what the sink holds, long before its flush time."""
    orders.add_to(project, flush_records=100000, flush_interval="1h")
    values = [orders.encode(orders.order(i)) for i in range(500)]
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", values, orders.key_of)
    assert len(project.bronze("orders")) == 500
    project("run")
    check_tables(project)


def test_a_run_beside_a_running_platform_works_with_it(project):
    orders.add_to(project, flush_records=50, flush_interval="100ms")
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", [orders.encode(orders.order(i)) for i in range(100)], orders.key_of)
        from support.project import wait_for
        wait_for(lambda: len(project.bronze("orders")) == 100)
        project("run")
        assert project.states() == {("orders", "2024-01-15"): "DONE"}
        assert "is up" in project("status").err
        project("up", code=1)  # one at a time


def test_up_processes_partitions_by_itself(project):
    project.write_settings(process={"every": "1s"})
    orders.add_to(project, flush_records=50, flush_interval="100ms")
    from support.project import wait_for
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", [orders.encode(orders.order(i)) for i in range(100)], orders.key_of)
        def done():
            return project.states().get(("orders", "2024-01-15")) == "DONE" and len(project.silver("orders")) == 100
        wait_for(done, 60, every=0.2)
