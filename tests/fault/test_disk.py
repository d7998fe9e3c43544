"""A disk that is full, a store that can not be written: said, survived, and nothing lost."""

import os
import shutil
import subprocess

import pytest

from support import kafka, orders
from support.project import Project, Up, wait_for
from support.recount import audit_all, recount


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MB, where we may mount one."""
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() != 0 or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(path)], capture_output=True).returncode != 0:
        pytest.skip("a small file system can not be mounted here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def fill(disk, leave=0):
    with open(disk / "ballast", "ab", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 65536)
        except OSError:
            pass
        f.truncate(max(0, f.tell() - leave))


def test_a_full_disk_is_said_and_survived(ingot, small_disk):
    project = Project(ingot, small_disk / "project")
    orders.add_to(project, flush_records=100, flush_interval="200ms")
    first = [orders.encode(orders.order(i)) for i in range(200)]
    second = [orders.encode(orders.order(1000 + i, city="x" * 2000)) for i in range(200)]
    up = Up(project).wait_ready()
    try:
        kafka.produce(up.bootstrap, "raw-orders", first, orders.key_of)
        fill(small_disk)
        acknowledged, refused = [], []
        p = kafka.producer(up.bootstrap, **{"message.timeout.ms": 5000, "retry.backoff.ms": 100})
        for v in second:
            p.produce("raw-orders", value=v, key=orders.key_of(v),
                      on_delivery=lambda e, m: refused.append(e) if e else acknowledged.append(m.value()))
        p.flush(20)
        assert refused, "records were acknowledged on a full disk"
        project("run", code=None, timeout=120)
        (small_disk / "ballast").unlink()
        if up.process.poll() is None:
            up.stop()
    finally:
        if up.process.poll() is None:
            up.kill()
    with project.up() as again:  # there is room again: everything goes on without repair
        values = {r.value for r in kafka.read_topic(again.bootstrap, "raw-orders")}
        assert set(first) <= values and set(acknowledged) <= values
        kafka.produce(again.bootstrap, "raw-orders", [orders.encode(orders.order(5000))], orders.key_of)
    project("run", timeout=120)
    project("run", "--date", "2024-01-15", timeout=120)
    assert set(project.states().values()) == {"DONE"}
    recount(project, "orders", ["order_id"], "order_date")
    audit_all(project)


def run_for(project, seconds):
    """A run that may wait for room: it is asked to stop after some time, and must."""
    p = subprocess.Popen([project.ingot.path, "run"], cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        out, _ = p.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        p.terminate()
        out, _ = p.communicate(timeout=90)
    return p.returncode, out.decode()


def test_a_run_on_a_full_disk_fails_loudly_and_can_be_repeated(ingot, small_disk):
    project = Project(ingot, small_disk / "project")
    rows = [orders.order(i) for i in range(2000)]
    project.write("input/a.ndjson", orders.ndjson(rows))
    orders.add_to(project, source='source: {type: file, path: "input/*.ndjson"}', flush_records=500, retries=100)
    for leave in (0, 100_000, 1_000_000):
        fill(small_disk, leave)
        code, text = run_for(project, 6)
        (small_disk / "ballast").unlink()
        if code != 0:
            assert "No space left" in text or "not enough space" in text.lower(), f"it does not say why: {text}"
    project("run", timeout=180)
    assert len(project.silver("orders")) == 2000
    found = recount(project, "orders", ["order_id"], "order_date")
    assert len(found["log"]) == 2000
    audit_all(project)


@pytest.mark.parametrize("where", ["data/lake", "data/lake/silver", "data/lake/bronze"])
def test_a_store_that_can_not_be_written_is_named(project, where):
    """A file where a folder must be: refused even to root."""
    project.write("input/a.ndjson", orders.ndjson([orders.order(i) for i in range(50)]))
    orders.add_to(project, source='source: {type: file, path: "input/*.ndjson"}', retries=100)
    project.write(where, "in the way")
    result = project("run", code=1, timeout=180)
    assert "lake" in result.err, result.err
    (project.root / where).unlink()
    project("run")
    project("run")
    assert len(project.silver("orders")) == 50
    audit_all(project)


def test_a_lost_warehouse_is_loaded_again(project):
    project.write("input/a.ndjson", orders.ndjson([orders.order(i) for i in range(50)]))
    orders.add_to(project, source='source: {type: file, path: "input/*.ndjson"}')
    project("run")
    want = project.query("SELECT * FROM gold.daily_revenue ORDER BY ALL")
    for p in (project.root / "data").glob("warehouse.duckdb*"):
        p.unlink()
    project("run", "--date", "2024-01-15")
    assert project.query("SELECT * FROM gold.daily_revenue ORDER BY ALL") == want
    audit_all(project)


def test_a_lost_lake_comes_back_from_the_log(project):
    """Silver, gold and the states are gone; bronze is there: discovery finds everything anew."""
    project.write("input/a.ndjson", orders.ndjson([orders.order(i) for i in range(50)]))
    orders.add_to(project, source='source: {type: file, path: "input/*.ndjson"}')
    project("run")
    want = sorted(project.gold("orders", "daily_revenue"), key=str)
    for name in ("silver", "gold", "metadata", "quarantine"):
        shutil.rmtree(project.lake / name, ignore_errors=True)
    project("run")
    assert sorted(project.gold("orders", "daily_revenue"), key=str) == want
    audit_all(project)
