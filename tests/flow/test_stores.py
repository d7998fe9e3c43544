"""The whole pipeline with its lake on s3:// and gs://: the same tables as on this machine's disk, from the outside."""

import json
import re
import subprocess
import time

import pytest

from support import orders
from support.project import Project, wait_for
from support.s3 import KEYS

DAYS = ["2024-01-15", "2024-01-16"]


def write_orders(project, name, first, n):
    rows = []
    for i in range(first, first + n):
        rows.append(orders.order(i, DAYS[i % 2]))
        if i % 3 == 0:
            rows.append(orders.order(i, DAYS[i % 2], status="paid", version=5))
        if i % 10 == 0:
            rows.append(orders.order(i, DAYS[i % 2]))  # the same again
        if i % 25 == 0:
            rows.append(orders.order(i, DAYS[i % 2], status="no such status"))
    project.write(f"input/{name}.ndjson", orders.ndjson(rows))


@pytest.fixture(params=["s3", "gcs"])
def remote(request, monkeypatch):
    """A bucket; the keys to it are in the environment."""
    for key, value in KEYS.items():
        monkeypatch.setenv(key, value)
    return request.getfixturevalue(request.param)


def make_project(ingot, root, store=None):
    project = Project(ingot, root, **({"store": store} if store else {}))
    write_orders(project, "first", 0, 300)
    orders.add_to(project, source='source: {type: file, path: "input/*.ndjson", format: ndjson}', unique="table")
    return project


def place(remote, endpoint=None, **options):
    """The store's URL for a project: copies go where a project has them."""
    return re.sub(r"cache=[^&]*&?", "", remote.url(endpoint=endpoint, **options)).rstrip("&")


def tables(project):
    """What is in all tables, as the program itself says it. Offsets depend on who was quicker: they do not count."""
    silver = "SELECT order_id, status, city, amount, items, order_date FROM silver.orders ORDER BY ALL"
    gold = "SELECT * FROM gold.daily_revenue ORDER BY ALL"
    meta = (
        "SELECT domain, partition_date, status, record_count, silver_records, gold_records, len(source_files) > 0 AS f "
        "FROM partition_meta ORDER BY ALL"
    )
    # a crash may repeat rows in bronze, with the same coordinates
    bronze = "SELECT order_date, count(DISTINCT _value) AS d FROM bronze.orders GROUP BY ALL ORDER BY ALL"
    quarantine = "SELECT count(*) AS refused FROM quarantine.orders"
    warehouse = "SELECT * FROM warehouse.gold.daily_revenue ORDER BY ALL"
    return project.query("; ".join((silver, gold, meta, bronze, quarantine, warehouse)))


def test_the_pipeline_gives_the_same_tables_as_on_a_disk(ingot, remote, tmp_path):
    local, far = make_project(ingot, tmp_path / "local"), make_project(ingot, tmp_path / "far", place(remote))
    for project in (local, far):
        project("check")
        project("run")
    want = tables(local)
    assert tables(far) == want and {"refused": 12} in want
    assert far("audit", "orders").code == 0
    assert not (tmp_path / "far" / "data" / "lake").exists()
    written = remote.keys()
    assert all(k.startswith(("lake/bronze/", "lake/silver/", "lake/gold/", "lake/quarantine/", "lake/metadata/")) for k in written)
    far("run")  # nothing new: nothing is written
    assert remote.keys() == written
    for project in (local, far):
        write_orders(project, "second", 200, 300)
        project("run")
    assert tables(far) == tables(local) != want
    traced = json.dumps(far.rows("trace", "o-000001"))
    assert "bronze/orders/order_date=2024-01-16/part-" in traced and "order_date=2024-01-16/part-0" in traced
    assert "/pins/" not in traced and str(tmp_path) not in traced
    status = far("--json", "status").out
    assert '"DONE"' in status and KEYS["AWS_SECRET_ACCESS_KEY"] not in status


def test_what_the_cache_has_is_not_fetched_again_and_may_go(ingot, remote, tmp_path):
    proxy = remote.proxy()
    far = make_project(ingot, tmp_path / "far", place(remote, proxy.endpoint))
    far("run")
    data = [r for r in proxy.requests if r.method == "GET" and ".parquet" in r.path and "part-" in r.path]
    assert not [r for r in data if "/silver/" in r.path], "what was written here is read from here"
    n = len(proxy.requests)
    first = tables(far)
    assert not [r for r in proxy.requests[n:] if "part-" in r.path]
    kept = list((tmp_path / "far" / "data" / "cache").glob("boot-*/objects/*"))
    assert kept
    for path in kept:
        path.unlink()
    assert tables(far) == first


def test_killed_at_any_request_and_run_again(ingot, remote, tmp_path, rng):
    """kill -9 while a request is on its way: the next run brings everything to the same end."""
    local = make_project(ingot, tmp_path / "local")
    local("run")
    want = tables(local)
    proxy = remote.proxy()
    counted = make_project(ingot, tmp_path / "counted", place(remote, proxy.endpoint, prefix="counted"))
    counted("run")
    n = len(proxy.requests)
    for round_ in range(2):
        far = make_project(ingot, tmp_path / f"far{round_}", place(remote, proxy.endpoint, prefix=f"far{round_}"))
        for kill_at in sorted(rng.sample(range(n), 2)):
            at = len(proxy.requests) + kill_at
            process = subprocess.Popen([ingot.path, "run"], cwd=far.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

            def kill(request):
                if request.number == at:
                    process.kill()

            proxy.fault = kill
            process.wait(60)
            proxy.fault = lambda r: None
        far("run")
        assert tables(far) == want, f"round {round_}, killed at {kill_at}"
        assert far("audit", "orders").code == 0


def test_up_and_a_store_that_vanishes_and_comes_back(ingot, remote, tmp_path, rng):
    proxy = remote.proxy()
    far = make_project(ingot, tmp_path / "far", place(remote, proxy.endpoint, retries="3", retry_time="2s"))
    far.write_settings(process={"every": "1s"})
    local = make_project(ingot, tmp_path / "local")
    local("run")
    with far.up() as up:
        gone_at = rng.randrange(20)
        until = []

        def gone(request):
            if request.number >= gone_at and not until:
                until.append(time.monotonic() + 4)
            return "refuse" if until and time.monotonic() < until[0] else None

        proxy.fault = gone

        def all_done():
            if not until or time.monotonic() < until[0] + 1:
                return False
            rows = far.query("SELECT status, silver_records FROM partition_meta", code=None)  # not there at first
            return len(rows) == 2 and all(r["status"] == "DONE" and r["silver_records"] for r in rows)

        wait_for(all_done, 90, every=0.5)
        assert up.process.poll() is None
    far("run")
    assert tables(far) == tables(local)
    assert far("audit", "orders").code == 0


def test_up_ends_when_asked_though_the_store_is_gone(ingot, remote, tmp_path):
    proxy = remote.proxy()
    far = make_project(ingot, tmp_path / "far", place(remote, proxy.endpoint))
    with far.up() as up:
        wait_for(lambda: [r for r in proxy.requests if r.writes], 30)
        proxy.fault = lambda r: "refuse"
        far.write("input/more.ndjson", orders.ndjson([orders.order(i, DAYS[0]) for i in range(1000, 1100)]))
        time.sleep(2)
        began = time.monotonic()
        assert up.stop(45) in (0, 1)
        assert time.monotonic() - began < 40
    proxy.fault = lambda r: None
    far("run")
    assert far("audit", "orders").code == 0


def test_mistakes_about_stores_are_found_by_check(ingot, tmp_path):
    for store, word in (
        ("s3://bucket/lake?regoin=eu-west-1", "regoin"),
        ("gs://bucket/lake?cache_bytes=lots", "cache_bytes"),
        ("s3://bucket/lake?secret_access_key=hunter2", "secret_access_key"),
        ("gs://", "bucket"),
    ):
        project = Project(ingot, tmp_path / re.sub(r"\W", "", store), store=store)
        result = project("check", code=None)
        assert result.code != 0 and word in result.err and "hunter2" not in result.err + result.out, (store, result)
