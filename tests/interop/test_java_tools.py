"""The command line tools of Apache Kafka 3.7 and 4 on ingot's broker, and what they print."""

import json
import re

import pytest

from support import java


@pytest.fixture(scope="module", params=["kafka-3.7", "kafka-4"])
def jvm(request, tmp_path_factory):
    with java.Tools(request.param, tmp_path_factory.mktemp("tools")) as tools:
        yield tools


@pytest.fixture
def kafka(jvm, broker):
    """kafka("topics", "--list") runs kafka-topics there, and gives what it printed, without empty lines and advice."""
    def run(tool, *args, **options):
        at = () if tool == "cluster" else ("--bootstrap-server", broker)
        result = jvm.run(tool, *at, *args, **options)
        return [line for line in result.out.splitlines() if line.strip() and "deprecated" not in line]

    run.version, run.broker, run.jvm = jvm.version, broker, jvm
    return run


def fails(kafka, says, tool, *args):
    result = kafka.jvm.run(tool, "--bootstrap-server", kafka.broker, *args, code=None)
    assert result.code != 0 and says in result.out + result.err, result


def fill(kafka, topic, partitions=3):
    kafka("topics", "--create", "--topic", topic, "--partitions", partitions)
    # In Kafka 4 only the end of the JVM waits for what was sent.
    kafka("console-producer", "--sync", "--timeout", 0, "--topic", topic, "--property", "parse.key=true", "--property", "key.separator=:",
          stdin=b"".join(b"k%d:v%d\n" % (i, i) for i in range(20)))


def offsets(lines):
    return {(t, int(p)): int(o) for t, p, o in (line.rsplit(":", 2) for line in lines)}


def test_topics(kafka):
    assert kafka("topics", "--create", "--topic", "t1", "--partitions", 3, "--config", "retention.ms=3600000") == \
        ["Created topic t1."]
    kafka("topics", "--create", "--topic", "with.dot", "--replica-assignment", "1,1")
    assert kafka("topics", "--list") == ["t1", "with.dot"]
    described = kafka("topics", "--describe", "--topic", "t1")
    assert re.fullmatch(r"Topic: t1\tTopicId: \S{22}\tPartitionCount: 3\tReplicationFactor: 1\tConfigs: .*retention.ms=3600000.*",
                        described[0])
    assert described[1].startswith("\tTopic: t1\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1")
    assert len(described) == 4
    assert kafka("topics", "--describe", "--under-replicated-partitions") == []
    assert kafka("topics", "--describe", "--unavailable-partitions") == []
    kafka("topics", "--alter", "--topic", "t1", "--partitions", 5)
    assert len(kafka("topics", "--describe", "--topic", "t1")) == 6
    kafka("topics", "--create", "--topic", "t1", "--if-not-exists")
    kafka("topics", "--delete", "--topic", "t1")
    assert kafka("topics", "--list") == ["with.dot"]


@pytest.mark.parametrize("args, says", [
    (("--create", "--topic", "there"), "exists"),
    (("--create", "--topic", "new", "--replication-factor", "3"), "InvalidReplicationFactorException"),
    (("--create", "--topic", "new!"), "InvalidTopicException"),
    (("--create", "--topic", "new", "--config", "nonsense=1"), "nonsense"),
    (("--create", "--topic", "new", "--config", "retention.ms=abc"), "abc"),
    (("--create", "--topic", "new", "--replica-assignment", "2"), "InvalidReplicaAssignmentException"),
    (("--alter", "--topic", "there", "--partitions", "1"), "InvalidPartitionsException"),
    (("--describe", "--topic", "none"), "does not exist"),
])
def test_topics_that_can_not_be(kafka, args, says):
    kafka("topics", "--create", "--topic", "there", "--partitions", 2)
    fails(kafka, says, "topics", *args)
    assert kafka("topics", "--list") == ["there"]


def test_console_producer_and_consumer(kafka):
    fill(kafka, "words")
    found = kafka("console-consumer", "--topic", "words", "--from-beginning", "--max-messages", 20, "--group", "g",
                  "--property", "print.key=true", "--property", "print.partition=true", "--property", "print.offset=true",
                  "--isolation-level", "read_committed")
    rows = [re.fullmatch(r"Partition:(\d)\tOffset:(\d+)\tk(\d+)\tv(\d+)", line).groups() for line in found]
    assert sorted(int(row[2]) for row in rows) == list(range(20)) and all(row[2] == row[3] for row in rows)
    by_partition = {}
    for partition, offset, _, _ in rows:
        by_partition.setdefault(partition, []).append(int(offset))
    assert all(found == list(range(len(found))) for found in by_partition.values())
    last = kafka("console-consumer", "--topic", "words", "--partition", rows[0][0], "--offset", 1, "--max-messages", 1)
    assert len(last) == 1


def test_consumer_groups(kafka):
    fill(kafka, "words")
    kafka("console-consumer", "--topic", "words", "--from-beginning", "--max-messages", 20, "--group", "readers")
    assert kafka("consumer-groups", "--list") == ["readers"]

    def positions():
        lines = kafka("consumer-groups", "--describe", "--group", "readers")
        assert lines[0].split()[:3] == ["GROUP", "TOPIC", "PARTITION"], lines
        columns = lines[0].split()
        rows = [dict(zip(columns, line.split())) for line in lines[1:]]
        return {int(r["PARTITION"]): (int(r["CURRENT-OFFSET"]), int(r["LOG-END-OFFSET"]), int(r["LAG"])) for r in rows}

    assert sum(at for at, _, _ in positions().values()) == 20 and all(lag == 0 for _, _, lag in positions().values())
    reset = ("consumer-groups", "--group", "readers", "--topic", "words", "--reset-offsets")
    before = positions()
    kafka(*reset, "--to-earliest", "--dry-run")
    assert positions() == before
    kafka(*reset, "--to-earliest", "--execute")
    assert all(at == 0 and lag == end for at, end, lag in positions().values())
    kafka(*reset, "--shift-by", "2", "--execute")
    assert all(at == min(2, end) for at, end, _ in positions().values())
    kafka(*reset, "--to-datetime", "2099-01-01T00:00:00.000", "--execute")
    assert positions() == before
    state = kafka("consumer-groups", "--describe", "--group", "readers", "--state")
    assert "Empty" in state[1] and "(1)" in state[1]
    kafka("consumer-groups", "--delete-offsets", "--group", "readers", "--topic", "words:0")
    assert 0 not in positions()
    kafka("consumer-groups", "--delete", "--group", "readers")
    assert kafka("consumer-groups", "--list") == []


def test_get_offsets_and_delete_records(kafka, tmp_path):
    fill(kafka, "words", 1)
    assert offsets(kafka("get-offsets", "--topic", "words")) == {("words", 0): 20}
    plan = tmp_path / "delete.json"
    plan.write_text(json.dumps({"version": 1, "partitions": [{"topic": "words", "partition": 0, "offset": 7}]}))
    assert any("low_watermark: 7" in line for line in kafka("delete-records", "--offset-json-file", plan))
    for time, want in {"-2": 7, "earliest": 7, "-1": 20, "latest": 20, "0": 7, "-4": 7}.items():
        assert offsets(kafka("get-offsets", "--topic", "words", "--time", time)) == {("words", 0): want}, time
    [(_, newest)] = offsets(kafka("get-offsets", "--topic", "words", "--time", "max-timestamp")).items()
    assert 7 <= newest < 20
    fails(kafka, "Could not match", "get-offsets", "--topic", "none")


def test_configs(kafka):
    kafka("topics", "--create", "--topic", "t")
    at = ("configs", "--entity-type", "topics", "--entity-name", "t")
    kafka(*at, "--alter", "--add-config", "retention.ms=1000000,cleanup.policy=[compact,delete]")
    described = "\n".join(kafka(*at, "--describe"))
    assert "retention.ms=1000000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=1000000" in described
    assert "cleanup.policy=compact,delete" in described or "cleanup.policy=delete,compact" in described
    kafka(*at, "--alter", "--delete-config", "retention.ms")
    assert "retention.ms" not in "\n".join(kafka(*at, "--describe"))
    every = "\n".join(kafka(*at, "--describe", "--all"))
    for name in ("compression.type", "max.message.bytes", "min.cleanable.dirty.ratio", "segment.ms", "message.timestamp.type"):
        assert f"\n  {name}=" in every, name
    fails(kafka, "nonsense", *at, "--alter", "--add-config", "nonsense=1")
    fails(kafka, "retention.ms", *at, "--alter", "--add-config", "retention.ms=x")
    assert any("log.dirs" in line or "message.max.bytes" in line
               for line in kafka("configs", "--entity-type", "brokers", "--entity-name", "1", "--describe", "--all"))


def test_users_and_quotas(kafka):
    bob = ("configs", "--entity-type", "users", "--entity-name", "bob")
    kafka(*bob, "--alter", "--add-config", "SCRAM-SHA-512=[iterations=8192,password=bob-secret]")
    kafka(*bob, "--alter", "--add-config", "producer_byte_rate=1000000")
    described = "\n".join(kafka(*bob, "--describe"))
    assert "SCRAM-SHA-512=iterations=8192" in described and "producer_byte_rate=1000000.0" in described
    assert "bob-secret" not in described
    kafka(*bob, "--alter", "--delete-config", "SCRAM-SHA-512")
    kafka(*bob, "--alter", "--delete-config", "producer_byte_rate")
    assert not any("bob" in line for line in kafka("configs", "--entity-type", "users", "--describe"))


def test_log_dirs(kafka):
    fill(kafka, "words", 2)
    found = json.loads(kafka("log-dirs", "--describe", "--topic-list", "words")[-1])
    [directory] = found["brokers"][0]["logDirs"]
    assert directory["error"] is None
    assert {p["partition"] for p in directory["partitions"]} == {"words-0", "words-1"}
    assert sum(p["size"] for p in directory["partitions"]) > 200


def test_transactions(kafka):
    fill(kafka, "words", 1)
    assert kafka("transactions", "list")[0].split() == ["TransactionalId", "Coordinator", "ProducerId", "TransactionState"]
    assert len(kafka("transactions", "find-hanging", "--broker-id", 1)) == 1
    [head, producer] = kafka("transactions", "describe-producers", "--topic", "words", "--partition", 0)
    assert head.split()[0] == "ProducerId" and producer.split()[3] == "19"  # its last sequence
    result = kafka.jvm.run("transactions", "--bootstrap-server", kafka.broker, "describe", "--transactional-id", "none", code=1)
    assert "could not be found" in result.out + result.err


def test_cluster(kafka):
    assert re.fullmatch(r"Cluster ID: \S+", kafka("cluster", "cluster-id", "--bootstrap-server", kafka.broker)[0])
    versions = kafka("broker-api-versions")
    assert versions[0].startswith(kafka.broker)
    for api in ("Produce(0)", "Fetch(1)", "EndTxn(26)", "DescribeAcls(29)", "DescribeTransactions(65)"):
        [line] = [v for v in versions if f"\t{api}:" in v]
        assert "usable" in line, line
    fill(kafka, "words", 1)
    assert any("already elected" in line for line in
               kafka("leader-election", "--election-type", "preferred", "--topic", "words", "--partition", 0))


def test_performance_tools(kafka):
    kafka("topics", "--create", "--topic", "many", "--partitions", 2)
    props = ("--producer-props", f"bootstrap.servers={kafka.broker}", "acks=all")
    result = kafka.jvm.run("producer-perf-test", "--topic", "many", "--num-records", 20000, "--record-size", 100,
                           "--throughput", -1, *props)
    assert "20000 records sent" in result.out
    assert sum(offsets(kafka("get-offsets", "--topic", "many")).values()) == 20000
    read = kafka("consumer-perf-test", "--topic", "many", "--messages" if kafka.version == "kafka-3.7" else "--num-records",
                 20000, "--timeout", 10000)
    assert int(read[-1].split(",")[4]) >= 20000


def test_verifiable_producer_and_consumer(jvm, broker, tmp_path):
    """As Kafka's own system tests use them, each in a JVM of its own."""
    produced = java.tool(jvm, "verifiable-producer", "--bootstrap-server", broker, "--topic", "checked", "--max-messages", 500,
                         "--acks", -1)
    sent = {(e["topic"], e["partition"], e["offset"]): e["value"] for e in produced if e["name"] == "producer_send_success"}
    assert sorted(map(int, sent.values())) == list(range(500))
    consumed = java.tool(jvm, "verifiable-consumer", "--bootstrap-server", broker, "--topic", "checked", "--group-id", "g",
                         "--max-messages", 500, "--reset-policy", "earliest", "--verbose")
    read = {(e["topic"], e["partition"], e["offset"]): e["value"] for e in consumed if e["name"] == "record_data"}
    assert read == sent
    commits = [e for e in consumed if e["name"] == "offsets_committed"]
    assert commits[-1]["success"] and sum(o["offset"] for o in commits[-1]["offsets"]) == 500
