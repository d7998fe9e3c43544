"""`ingot up` as a service: how soon it is there, how much it takes, how it ends."""

import os
import signal
import time

from support import kafka, orders
from support.project import SOURCE_DIR, wait_for


def test_up_is_soon_there_and_small(project):
    """The figures are the benchmark's; here are bounds that hold on a busy machine too."""
    for i in range(4):
        orders.add_to(project, f"d{i}", gold=orders.GOLD)
        yml = project.root / f"domains/d{i}/domain.yml"
        yml.write_text(yml.read_text().replace("daily_revenue", f"revenue_{i}"))
        gold = project.root / f"domains/d{i}/gold/daily_revenue.sql"
        gold.rename(gold.with_name(f"revenue_{i}.sql"))
    with project.up() as up:
        used = up.processor_seconds()  # by the clock it may take long, where others work too
        time.sleep(1)
        print(f"ready in {up.seconds_to_ready:.2f} s, {used:.2f} s of a processor, {up.resident_bytes() >> 20} MiB resident")
        assert used < 2.5 and up.seconds_to_ready < 25
        assert up.resident_bytes() < 200 << 20


def test_sigint_ends_it_in_order(project):
    orders.add_to(project, flush_records=10**6, flush_interval="1h")
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", [orders.encode(orders.order(i)) for i in range(50)], orders.key_of)
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(30) == 0
    assert len(project.bronze("orders")) == 50
    assert not (project.root / "data" / "endpoint.json").exists()


def test_what_was_flushed_is_committed_and_not_read_again(project):
    orders.add_to(project)
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", [orders.encode(orders.order(i)) for i in range(50)], orders.key_of)
    for _ in range(2):
        with project.up():
            time.sleep(0.5)
    assert len(project.bronze("orders")) == 50


def test_a_stale_endpoint_is_not_believed(project):
    orders.add_to(project)
    with project.up() as up:
        up.kill()
    assert (project.root / "data" / "endpoint.json").exists()
    assert "is not up" in project("status").err
    project("run")


def test_a_flush_happens_by_number_and_by_time(project):
    orders.add_to(project, flush_records=10, flush_interval="1h")
    project.domain("slow", """
topic: {partitions: 1}
contract:
  event_time: created_at
  fields: {order_id: string, created_at: {type: timestamp, required: true}}
bronze: {partition_by: day, flush_records: 1000, flush_interval: 300ms}
""")
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", [orders.encode(orders.order(i)) for i in range(25)], orders.key_of)
        kafka.produce(up.bootstrap, "raw-slow", [orders.encode(orders.order(1))])
        wait_for(lambda: len(project.bronze("orders")) >= 20)
        wait_for(lambda: len(project.bronze("slow")) == 1)
    assert len(project.bronze("orders")) == 25
