"""kill -9 at any moment: what was acknowledged is there, once, in every layer."""

import random
import threading
import time

import pytest

from support import kafka, orders
from support.project import Up, free_port, wait_for
from support.recount import audit_all, recount

KILLS = 20


class Pounder(threading.Thread):
    """An outside idempotent producer that goes on through every restart and remembers what was acknowledged."""

    def __init__(self, bootstrap, topic, rng):
        super().__init__(daemon=True)
        self.bootstrap, self.topic, self.rng = bootstrap, topic, rng
        self.sent = self.refused = 0
        self.acknowledged = {}
        self.ending = threading.Event()
        self.error = None

    def on_delivery(self, error, message):
        if error:
            self.refused += 1
            self.error = self.error or error
        else:
            self.acknowledged.setdefault(message.value(), []).append((message.topic(), message.partition(), message.offset()))

    def run(self):
        p = kafka.producer(self.bootstrap, **{"message.timeout.ms": 120_000, "reconnect.backoff.max.ms": 200,
                                              "reconnect.backoff.ms": 20, "retry.backoff.ms": 20})
        while not self.ending.is_set():
            for _ in range(self.rng.randrange(1, 40)):
                i = self.sent
                bad = i % 50 == 49
                value = orders.encode(orders.order(i, f"2024-01-{15 + i % 3}", status="lost" if bad else "placed"))
                p.produce(self.topic, value=value, key=orders.key_of(value), on_delivery=self.on_delivery)
                self.sent += 1
            p.poll(self.rng.random() * 0.02)
        self.left = p.flush(60)


def test_twenty_kills_lose_nothing_and_double_nothing(project, rng):
    port = free_port()
    project.write_settings(listen=f"127.0.0.1:{port}", process={"every": "1s"})
    orders.add_to(project, flush_records=300, flush_interval="200ms", retries=100)
    project.domain("clicks", """
source: {type: generate, generator: clickstream, rate: 300/s, seed: 7, start: "2024-01-15T00:00:00Z", duplicates: 2%, late: 2%}
topic: {partitions: 2, key: user_id}
contract:
  key: event_id
  event_time: event_timestamp
  fields:
    event_id: {type: string, required: true}
    event_type: {type: string, required: true}
    event_timestamp: {type: timestamp, required: true}
    user_id: {type: string, required: true}
bronze: {partition_by: event_date, flush_records: 300, flush_interval: 200ms}
gold:
  per_type: {key: [event_date, event_type]}
retries: 100
""", gold_per_type="SELECT event_date, event_type, count(*) AS n FROM silver GROUP BY ALL")
    pounder = Pounder(f"127.0.0.1:{port}", "raw-orders", random.Random(rng.random()))
    up = Up(project).wait_ready()
    pounder.start()
    for kill in range(KILLS):
        pause = rng.uniform(0, 0.3) if kill % 4 == 0 else rng.uniform(0.3, 2.5)
        time.sleep(pause)
        up.kill()
        up = Up(project)
        if kill % 5 != 4:  # every fifth one is killed before it is ready
            up.wait_ready()
    up.wait_ready()
    pounder.ending.set()
    pounder.join(90)
    assert not pounder.is_alive() and pounder.left == 0
    assert up.stop() == 0
    assert not pounder.refused, f"{pounder.refused} refused: {pounder.error}"
    print(f"{KILLS} kills, {pounder.sent} sent, {len(pounder.acknowledged)} acknowledged")
    assert pounder.sent == len(pounder.acknowledged) > 0

    project("run", timeout=300)
    assert set(project.states().values()) == {"DONE"}, project.states()
    found = recount(project, "orders", ["order_id"], "order_date")
    clicks = recount(project, "clicks", ["event_id"], "event_date")
    # What was acknowledged is where the acknowledgement said, and nowhere else in the log.
    in_log = {}
    for r in found["log"].values():
        in_log.setdefault(r.value, []).append(r.at)
    lost = [v for v in pounder.acknowledged if v not in in_log]
    assert not lost, f"{len(lost)} acknowledged records are lost: {lost[:3]}"
    twice = {v: at for v, at in in_log.items() if len(at) > 1}
    assert not twice, f"{len(twice)} records are in the log twice, e.g. {list(twice.items())[:2]}"
    moved = [v for v, at in pounder.acknowledged.items() if at != in_log[v]]
    assert not moved, f"{len(moved)} are elsewhere than acknowledged"
    # Each is in silver, or, if the contract refuses it, in quarantine.
    want = orders.expected_silver(found["log"].values())
    assert {(r["_topic"], r["_partition"], r["_offset"]) for r in found["silver"]} == {at for at, _, _ in want.values()}
    assert len(found["silver"]) + len(found["quarantine"]) == pounder.sent
    assert orders.gold_rows(project.gold("orders", "daily_revenue")) == orders.expected_gold(want)
    # The generator went on where it was: each position once, without a gap.
    positions = sorted(r.header("ingot-source") or "" for r in clicks["log"].values())
    assert positions and len(set(positions)) == len(positions), "the generator produced a position twice"
    audit_all(project)


@pytest.mark.parametrize("round_", range(3))
def test_run_killed_at_any_moment_is_finished_by_the_next(project, rng, round_):
    rows = [orders.order(i, f"2024-01-{15 + i % 3}") for i in range(3000)]
    rows += [orders.order(i, f"2024-01-{15 + i % 3}", status="paid", version=3) for i in range(0, 3000, 5)]
    project.write("input/a.ndjson", orders.ndjson(rows))
    orders.add_to(project, source='source: {type: file, path: "input/*.ndjson"}', flush_records=500)
    import subprocess
    killed = 0
    for _ in range(6):
        p = subprocess.Popen([project.ingot.path, "run"], cwd=project.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            p.wait(rng.uniform(0.02, 0.8))
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
            killed += 1
    project("run", timeout=300)
    assert killed
    assert set(project.states().values()) == {"DONE"}, project.states()
    found = recount(project, "orders", ["order_id"], "order_date")
    assert len(found["log"]) == len(rows), "the file's rows are in the log once each"
    want = orders.expected_silver(found["log"].values())
    assert {(r["_topic"], r["_partition"], r["_offset"]) for r in found["silver"]} == {at for at, _, _ in want.values()}
    assert orders.gold_rows(project.gold("orders", "daily_revenue")) == orders.expected_gold(want)
    audit_all(project)


def test_two_runs_at_once_do_the_work_once(project):
    """H10: the second waits for the first, or takes nothing that the first has."""
    rows = [orders.order(i, f"2024-01-{15 + i % 3}") for i in range(2000)]
    project.write("input/a.ndjson", orders.ndjson(rows))
    orders.add_to(project, source='source: {type: file, path: "input/*.ndjson"}')
    import subprocess
    both = [subprocess.Popen([project.ingot.path, "run"], cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(2)]
    ends = [p.communicate(timeout=120) for p in both]
    assert [p.returncode for p in both] == [0, 0], ends
    found = recount(project, "orders", ["order_id"], "order_date")
    assert len(found["log"]) == len(rows) == len(found["silver"])
    assert set(project.states().values()) == {"DONE"}
    audit_all(project)


def test_a_torn_tail_of_the_log_is_cut_and_nothing_else(project, rng):
    """What a power cut leaves behind the last sync: garbage behind the acknowledged records."""
    orders.add_to(project, flush_records=10**6, flush_interval="1h")
    values = [orders.encode(orders.order(i)) for i in range(300)]
    up = Up(project).wait_ready()
    kafka.produce(up.bootstrap, "raw-orders", values, orders.key_of)
    up.kill()
    segments = [p for p in (project.root / "data" / "log").glob("**/*.log") if "raw-orders" in str(p) and p.stat().st_size]
    assert segments
    for path in segments:
        with open(path, "ab") as f:
            tail = rng.choice([b"\x00" * 512, rng.randbytes(200), path.read_bytes()[:rng.randrange(1, 60)]])
            f.write(tail)
    with project.up() as up:
        assert sorted(r.value for r in kafka.read_topic(up.bootstrap, "raw-orders")) == sorted(values)
        kafka.produce(up.bootstrap, "raw-orders", [orders.encode(orders.order(999))], orders.key_of)
    project("run")
    assert len(project.silver("orders")) == 301
