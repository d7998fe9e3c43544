"""ingot groups: against confluent-kafka's consumers and admin client."""


import confluent_kafka as ck
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from support import kafka
from support.project import wait_for

DAY = 1_700_000_000_000
TOPIC = "g-topic"


@pytest.fixture
def cli(ingot, broker):
    return lambda *args, **kw: ingot.run(*args, "--broker", broker, **kw)


@pytest.fixture
def filled(cli, broker):
    """Two partitions of 100 records, one a minute."""
    cli("topic", "create", TOPIC, "--partitions", 2)
    p = kafka.producer(broker)
    for i in range(100):
        for partition in (0, 1):
            p.produce(TOPIC, value=str(i), partition=partition, timestamp=DAY + i * 60_000)
    assert p.flush(20) == 0
    return TOPIC


def consumer(broker, group, **settings):
    return ck.Consumer({"bootstrap.servers": broker, "group.id": group, "enable.auto.commit": False, "log_level": 0,
                        "auto.offset.reset": "earliest", **settings})


def commit(broker, group, *offsets):
    c = consumer(broker, group)
    c.commit(offsets=[TopicPartition(TOPIC, p, o) for p, o in enumerate(offsets) if o is not None], asynchronous=False)
    c.close()


def committed(broker, group):
    c = consumer(broker, group)
    try:
        return [tp.offset for tp in c.committed([TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)], timeout=20)]
    finally:
        c.close()


@pytest.fixture
def member(broker, filled):
    """A group that is at work."""
    c = consumer(broker, "g-busy", **{"client.id": "the-reader"})
    c.subscribe([filled])
    wait_for(lambda: c.poll(0.2) is not None and len(c.assignment()) == 2)
    yield c
    c.close()


def test_lag_is_what_is_left(cli, broker, filled):
    commit(broker, "g-lag", 30, None)
    rows = cli("groups", "lag", "g-lag", "--json").rows()
    assert [(r["topic"], r["partition"], r["committed"], r["end"], r["lag"]) for r in rows] == [(TOPIC, 0, 30, 100, 70)]
    commit(broker, "g-lag", 100, 1)
    assert [r["lag"] for r in cli("groups", "lag", "g-lag", "--json").rows()] == [0, 99]
    assert "total lag 99" in cli("groups", "lag").out
    assert "no group" in cli("groups", "lag", "g-nobody", code=1).err


def test_ls_and_describe_show_members(cli, broker, member):
    commit(broker, "g-idle", 1, 1)
    rows = {r["group"]: r for r in cli("groups", "ls", "--json").rows()}
    assert (rows["g-busy"]["state"], rows["g-busy"]["members"]) == ("Stable", 1)
    assert (rows["g-idle"]["state"], rows["g-idle"]["members"]) == ("Empty", 0)
    assert [r["group"] for r in cli("groups", "ls", "--state", "empty", "--json").rows()] == ["g-idle"]
    [row] = cli("groups", "describe", "g-busy", "--json").rows()
    [m] = row["members"]
    assert m["client"] == "the-reader" and m["host"]
    assert sorted((p["topic"], p["partition"]) for p in m["partitions"]) == [(TOPIC, 0), (TOPIC, 1)]
    admin = AdminClient({"bootstrap.servers": broker, "log_level": 0})
    theirs = admin.describe_consumer_groups(["g-busy"])["g-busy"].result(20)
    assert [t.member_id for t in theirs.members] == [m["member"]]
    lag = cli("groups", "lag", "g-busy", "--json").rows()
    assert {r["client"] for r in lag} == {"the-reader"} and sum(r["lag"] for r in lag) == 200
    assert "the-reader" in cli("groups", "describe", "g-busy").out
    cli("groups", "describe", "g-nobody", code=1)


RESETS = [
    (["--to-earliest"], [0, 0]),
    (["--to-latest"], [100, 100]),
    (["--to-offset", "42"], [42, 42]),
    (["--to-offset", "1000"], [100, 100]),
    (["--shift-by", "5"], [15, 25]),
    (["--shift-by", "-15"], [0, 5]),
    (["--shift-by", "1000"], [100, 100]),
    (["--to-datetime", "2023-11-14T22:23:20Z"], [10, 10]),
    (["--to-datetime", "2023-11-14T22:23:20.001Z"], [11, 11]),
    (["--to-datetime", "2030-01-01T00:00:00Z"], [100, 100]),
    (["--by-duration", "P3650D"], [0, 0]),
    (["--by-duration", "PT1H30M"], [100, 100]),
    (["--by-duration", "90m"], [100, 100]),
    (["--to-current"], [10, 20]),
]


@pytest.mark.parametrize("how, expected", RESETS, ids=[" ".join(how) for how, _ in RESETS])
def test_every_way_to_move_a_group(cli, broker, filled, how, expected):
    commit(broker, "g-moved", 10, 20)
    rows = cli("groups", "reset", "g-moved", "--topic", TOPIC, *how, "--json").rows()
    assert [(r["committed"], r["new"]) for r in rows] == list(zip([10, 20], expected))
    assert committed(broker, "g-moved") == [10, 20]  # nothing was done yet
    cli("groups", "reset", "g-moved", "--all-topics", *how, "--execute")
    assert committed(broker, "g-moved") == expected
    c = consumer(broker, "g-moved", **{"enable.partition.eof": True})
    c.subscribe([TOPIC])
    first = {}
    while len(first) < 2:
        m = c.poll(20)
        assert m is not None
        first.setdefault(m.partition(), m.offset())
    c.close()
    assert [first[0], first[1]] == expected


def test_partitions_of_a_topic_alone(cli, broker, filled):
    commit(broker, "g-part", 10, 20)
    cli("groups", "reset", "g-part", "--topic", f"{TOPIC}:1", "--to-latest", "--execute")
    assert committed(broker, "g-part") == [10, 100]
    cli("groups", "reset", "g-part", "--topic", f"{TOPIC}:7", "--to-latest", code=1)
    cli("groups", "reset", "g-part", "--topic", f"{TOPIC}:x", "--to-latest", code=2)


def test_a_group_that_never_was_gets_a_place(cli, broker, filled):
    cli("groups", "reset", "g-new", "--topic", TOPIC, "--to-offset", "7", "--execute")
    assert committed(broker, "g-new") == [7, 7]
    assert "committed nothing" in cli("groups", "reset", "g-newer", "--topic", TOPIC, "--shift-by", "1", code=1).err
    assert "committed nothing" in cli("groups", "reset", "g-newer", "--all-topics", "--to-latest", code=1).err


def test_export_and_back(cli, broker, filled, tmp_path):
    commit(broker, "g-kept", 11, 22)
    kept = tmp_path / "kept.csv"
    kept.write_text(cli("groups", "reset", "g-kept", "--all-topics", "--to-current", "--export").out)
    assert sorted(kept.read_text().split()) == [f"{TOPIC},0,11", f"{TOPIC},1,22"]
    cli("groups", "reset", "g-kept", "--all-topics", "--to-latest", "--execute")
    cli("groups", "reset", "g-kept", "--from-file", kept, "--execute")
    assert committed(broker, "g-kept") == [11, 22]
    kept.write_text(f"{TOPIC},0,1\n{TOPIC},zero,1\n")
    assert "kept.csv:2" in cli("groups", "reset", "g-kept", "--from-file", kept, code=2).err
    kept.write_text("no-such-topic,0,1\n")
    cli("groups", "reset", "g-kept", "--from-file", kept, "--execute", code=1)
    kept.write_text("")
    cli("groups", "reset", "g-kept", "--from-file", kept, code=1)
    cli("groups", "reset", "g-kept", "--from-file", tmp_path / "nothing", code=1)


def test_a_group_at_work_is_left_alone(cli, broker, member):
    err = cli("groups", "reset", "g-busy", "--topic", TOPIC, "--to-latest", "--execute", code=1).err
    assert "the-reader" in err and "Stable" in err
    cli("groups", "reset", "g-busy", "--topic", TOPIC, "--to-latest")  # looking is free
    assert "the-reader" in cli("groups", "delete", "g-busy", code=1).err
    cli("groups", "delete-offsets", "g-busy", "--topic", TOPIC, code=1)
    assert committed(broker, "g-busy") == [-1001, -1001]
    assert "g-busy" in cli("groups", "ls").out


def test_deleting(cli, broker, filled):
    commit(broker, "g-gone", 1, 2)
    cli("groups", "delete-offsets", "g-gone", "--topic", f"{TOPIC}:0")
    assert committed(broker, "g-gone") == [-1001, 2]
    cli("groups", "delete", "g-gone")
    assert committed(broker, "g-gone") == [-1001, -1001] and "g-gone" not in cli("groups", "ls").out
    cli("groups", "delete", "g-gone", code=1)
    cli("groups", "delete-offsets", "g-gone", code=2)


def test_wrong_command_lines(cli):
    for wrong in (["--to-earliest"], ["--topic", TOPIC], ["--to-earliest", "--to-latest", "--topic", TOPIC],
                  ["--to-earliest", "--topic", TOPIC, "--all-topics"], ["--to-offset", "-1", "--topic", TOPIC],
                  ["--shift-by", "x", "--topic", TOPIC], ["--to-datetime", "soon", "--topic", TOPIC],
                  ["--by-duration", "P1Y", "--topic", TOPIC], ["--to-earliest", "--topic", TOPIC, "--dry-run", "--execute"]):
        cli("groups", "reset", "g-x", *wrong, code=2)


def test_the_sink_of_a_project(project):
    from support import orders

    orders.add_to(project)
    project("produce", "raw-orders", stdin=b"\n".join(orders.encode(orders.order(i)) for i in range(30)))
    project("run")
    lag = project.rows("groups", "lag", "s3-sink-consumer")
    assert sum(r["committed"] for r in lag if r["topic"] == "raw-orders") == 30
    assert sum(r["lag"] for r in lag) == 0
    with project.up():
        wait_for(lambda: project.rows("groups", "describe", "s3-sink-consumer")[0]["members"])
        assert "stop" in project("groups", "reset", "s3-sink-consumer", "--all-topics", "--to-earliest", "--execute", code=1).err
