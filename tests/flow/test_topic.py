"""ingot topic: seen against confluent-kafka's admin client. `broker` is ours, or a real Kafka (tests/cluster)."""

import json

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from support import kafka


@pytest.fixture
def cli(ingot, broker):
    """ingot, with the cluster as --broker and without any project around."""
    return lambda *args, **kw: ingot.run(*args, "--broker", broker, **kw)


@pytest.fixture
def admin(broker):
    return AdminClient({"bootstrap.servers": broker, "log_level": 0})


def configs(admin, topic):
    [future] = admin.describe_configs([ConfigResource("topic", topic)]).values()
    return {c.name: c.value for c in future.result(20).values()}


def test_a_created_topic_is_as_it_was_asked_for(cli, admin, broker):
    cli("topic", "create", "t-created", "--partitions", 5, "--config", "retention.ms=12345678", "-c",
        "cleanup.policy=compact,delete")
    assert kafka.topics(broker)["t-created"] == 5
    found = configs(admin, "t-created")
    assert found["retention.ms"] == "12345678" and set(found["cleanup.policy"].split(",")) == {"compact", "delete"}


def test_what_can_not_be_created_says_why(cli):
    cli("topic", "create", "t-twice")
    assert "exists" in cli("topic", "create", "t-twice", code=1).err
    cli("topic", "create", "t-twice", "--if-not-exists")
    assert "no such" not in cli("topic", "create", "not/a/name", code=1).err
    cli("topic", "create", "t-odd", "--config", "no.such.config=1", code=1)
    cli("topic", "create", "t-odd", "--config", "retention.ms=soon", code=1)
    cli("topic", "create", "t-odd", "--config", "retention.ms", code=2)
    cli("topic", "create", "t-odd", "--partitions", 0, code=2)
    cli("topic", "create", "t-odd", "--replication-factor", 30, code=1)
    assert "t-odd" not in [r["topic"] for r in cli("topic", "ls", "--json").rows()]


def test_ls_counts_as_the_clients_do(cli, admin, broker):
    for future in admin.create_topics([NewTopic("t-a", 3, 1), NewTopic("t-b", 1, 1, config={"cleanup.policy": "compact"})]).values():
        future.result(20)
    kafka.produce(broker, "t-a", [b"x" * 100] * 500)
    rows = {r["topic"]: r for r in cli("topic", "ls", "--json").rows()}
    assert rows["t-a"]["partitions"] == 3 and rows["t-a"]["records"] == 500 and rows["t-a"]["cleanup"] == "delete"
    assert rows["t-b"]["cleanup"] == "compact" and rows["t-b"]["records"] == 0 and rows["t-b"]["retention"] == "for ever"
    assert rows["t-a"]["bytes"] is None or 1000 < rows["t-a"]["bytes"] < 500_000
    text = cli("topic", "ls").out
    assert "t-a" in text and "t-b" in text and "records" in text.splitlines()[0]


def test_describe_shows_offsets_times_and_what_is_set(cli, broker, admin):
    cli("topic", "create", "t-described", "-p", 2, "-c", "max.message.bytes=2000000")
    p = kafka.producer(broker)
    for i, ts in enumerate([1_700_000_000_000, 1_700_000_100_000, 1_700_000_200_000]):
        p.produce("t-described", value=str(i), partition=0, timestamp=ts)
    assert p.flush(20) == 0
    [row] = cli("topic", "describe", "t-described", "--json").rows()
    assert row["config"] == {"max.message.bytes": "2000000"}
    first, second = row["partitions"]
    assert (first["first"], first["end"]) == (0, 3) and first["leader"] in first["replicas"]
    assert first["first_record"] == "2023-11-14T22:13:20Z" and first["last_record"] == "2023-11-14T22:16:40Z"
    assert (second["first"], second["end"], second["first_record"]) == (0, 0, None)
    assert "max.message.bytes=2000000" in cli("topic", "describe", "t-described").out
    assert "not in the log" in cli("topic", "describe", "t-nowhere", code=1).err


def test_configurations_change_one_by_one(cli, admin):
    cli("topic", "create", "t-conf", "-c", "retention.ms=1000000", "-c", "max.message.bytes=500000")
    shown = cli("topic", "config", "t-conf", "segment.bytes=10485760", "--delete", "retention.ms", "--json").rows()
    assert {r["name"]: r["value"] for r in shown} == {"segment.bytes": "10485760", "max.message.bytes": "500000"}
    found = configs(admin, "t-conf")
    assert found["segment.bytes"] == "10485760" and found["max.message.bytes"] == "500000"
    assert found["retention.ms"] != "1000000"
    everything = {r["name"]: r for r in cli("topic", "config", "t-conf", "--json").rows()}
    assert everything["max.message.bytes"]["source"] == "topic" and everything["cleanup.policy"]["source"] != "topic"
    cli("topic", "config", "t-conf", "max.message.bytes=many", code=1)
    cli("topic", "config", "t-conf", "no.such.config=1", code=1)
    cli("topic", "config", "t-nowhere", "retention.ms=1", code=1)
    assert configs(admin, "t-conf")["max.message.bytes"] == "500000"


def test_nothing_is_deleted_without_a_yes(cli, broker):
    cli("topic", "create", "t-doomed")
    assert "--yes" in cli("topic", "delete", "t-doomed", code=1, stdin=b"y\n").err
    assert "t-doomed" in kafka.topics(broker)
    cli("topic", "delete", "t-doomed", "--yes")
    assert "t-doomed" not in kafka.topics(broker)
    cli("topic", "delete", "t-doomed", "--yes", code=1)


def test_more_partitions_and_never_fewer(cli, broker):
    cli("topic", "create", "t-grows", "-p", 2)
    cli("topic", "add-partitions", "t-grows", 6)
    assert kafka.topics(broker)["t-grows"] == 6
    cli("topic", "add-partitions", "t-grows", 3, code=1)
    cli("topic", "add-partitions", "t-grows", "many", code=2)


def test_trim_removes_what_is_older(cli, broker):
    cli("topic", "create", "t-trimmed", "-p", 2)
    p = kafka.producer(broker)
    for i in range(10):
        for partition in (0, 1):
            p.produce("t-trimmed", value=str(i), partition=partition, timestamp=1_700_000_000_000 + i * 1000)
    assert p.flush(20) == 0
    cli("topic", "trim", "t-trimmed", code=2)
    cli("topic", "trim", "t-trimmed", "--before-offset", 4, code=1)  # nobody said yes
    cli("topic", "trim", "t-trimmed", "--before-offset", 4, "--partition", 0, "--yes")
    cli("topic", "trim", "t-trimmed", "--before-time", "2023-11-14T22:13:26Z", "-p", 1, "-y")
    left = [(r.partition, r.offset) for r in kafka.read_topic(broker, "t-trimmed")]
    assert min(o for p, o in left if p == 0) == 4 and min(o for p, o in left if p == 1) == 6


def test_a_cluster_that_is_not_there_and_wrong_properties(ingot):
    done = ingot.run("topic", "ls", "--broker", "127.0.0.1:1", code=1, timeout=60)
    assert "127.0.0.1:1" in done.err
    done = ingot.run("topic", "ls", "--broker", "127.0.0.1:1", "-X", "sasl.password", code=2)
    done = ingot.run("topic", "ls", "--broker", "127.0.0.1:1", "-X", "no.such=hunter2", code=2)
    assert "no.such" in done.err and "hunter2" not in done.err
    ingot.run("topic", "ls", "--broker", "user:secret@host", code=2)


def test_a_file_of_properties(cli, tmp_path):
    path = tmp_path / "client.properties"
    path.write_text("# how to get in\n  socket.timeout.ms=20000 \n\nsecurity.protocol=plaintext\n")
    cli("topic", "ls", "-F", path)
    assert "nothing" in cli("topic", "ls", "-F", tmp_path / "nothing", code=1).err
    path.write_text("security.protocol=plaintext\nhunter2\n")
    done = cli("topic", "ls", "-F", path, code=2)
    assert "client.properties:2" in done.err and "hunter2" not in done.err


def test_topics_of_a_project_that_is_not_up(project):
    from support import orders

    orders.add_to(project)
    project("run")
    rows = {r["topic"]: r for r in project.rows("topic", "ls")}
    assert rows["raw-orders"]["partitions"] == 3 and "dlq-raw-orders" in rows
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", [orders.encode(orders.order(1))])
        rows = {r["topic"]: r for r in project.rows("topic", "ls")}
        assert rows["raw-orders"]["records"] == 1
    assert "domain orders" in project("topic", "delete", "raw-orders", code=1).err


def test_actions_are_suggested_and_explained(ingot):
    assert "did you mean 'create'" in ingot.run("topic", "crate", "x", code=2).err
    assert "needs an action" in ingot.run("topic", code=2).err
    for verb, actions in {"topic": ["ls", "describe", "create", "delete", "config", "add-partitions", "trim"],
                          "groups": ["ls", "describe", "lag", "reset", "delete", "delete-offsets"],
                          "dlq": ["ls", "show", "replay", "discard"]}.items():
        text = ingot.run("help", verb).out
        for action in actions:
            assert f"  {action}" in text
            assert f"Usage: ingot {verb} {action}" in ingot.run("help", verb, action).out
            assert f"Usage: ingot {verb} {action}" in ingot.run(verb, action, "--help").out


def test_global_options_may_stand_before_the_action(ingot, broker):
    ingot.run("topic", "--broker", broker, "create", "t-before")
    assert "t-before" in ingot.run("--json", "topic", "-b", broker, "ls").out
    json.loads(ingot.run("topic", "--json", "ls", "--broker", broker).out.splitlines()[0])
