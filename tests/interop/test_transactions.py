"""Transactions, by clients that know nothing of `ingot broker`: confluent-kafka (librdkafka)."""

import collections
import contextlib
import pathlib
import subprocess
import sys
import time

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec
from support import java
from test_broker import Log


@pytest.fixture
def log(ingot, tmp_path):
    log = Log(ingot, str(tmp_path / "log")).start()
    yield log
    with contextlib.suppress(ProcessLookupError):
        log.kill()


def transactional(log, name, **config):
    p = log.producer(transactional_id=name, linger_ms=2, **config)
    p.init_transactions(20)
    return p


def send(p, topic, values, partition=None):
    for value in values:
        p.produce(topic, value=str(value), **({} if partition is None else {"partition": partition}))


def read(log, topic, partitions=1, isolation="read_committed"):
    """All values up to the end that this isolation has now, with their offsets, by partition."""
    c = log.consumer("reader", isolation_level=isolation, enable_partition_eof=True, enable_auto_commit=False)
    found, left = collections.defaultdict(list), set(range(partitions))
    c.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    deadline = time.monotonic() + 30
    while left:
        assert time.monotonic() < deadline, (left, found)
        m = c.poll(0.2)
        if m is None:
            continue
        if m.error():
            assert m.error().code() == KafkaError._PARTITION_EOF, m.error()
            left.discard(m.partition())
        else:
            found[m.partition()].append((m.offset(), m.value().decode()))
    c.close()
    return found


def values(log, topic, partitions=1, isolation="read_committed"):
    found = read(log, topic, partitions, isolation)
    return [v for p in sorted(found) for _, v in found[p]]


def test_committed_is_read_aborted_is_not(log):
    log.create("t", 2)
    p = transactional(log, "a")
    for i in range(6):
        p.begin_transaction()
        send(p, "t", [f"{i}.{k}" for k in range(3)], partition=i % 2)
        p.flush(10)  # an abort would not send them at all
        if i % 3 == 2:
            p.abort_transaction(20)
        else:
            p.commit_transaction(20)
    assert values(log, "t", 2) == [f"{i}.{k}" for i in (0, 4, 1, 3) for k in range(3)]
    assert sorted(values(log, "t", 2, "read_uncommitted")) == [f"{i}.{k}" for i in range(6) for k in range(3)]


def latest(log, topic, isolation):
    spec = {TopicPartition(topic, 0): OffsetSpec.latest()}
    return log.admin().list_offsets(spec, isolation_level=isolation)[TopicPartition(topic, 0)].result(10).offset


def test_an_open_transaction_holds_back_who_reads_committed(log):
    log.create("t")
    open_one, other = transactional(log, "open"), transactional(log, "other")
    open_one.begin_transaction()
    send(open_one, "t", ["open"])
    open_one.flush(10)
    other.begin_transaction()
    send(other, "t", ["other"])
    other.commit_transaction(10)
    assert values(log, "t") == []
    assert latest(log, "t", IsolationLevel.READ_COMMITTED) == 0
    assert latest(log, "t", IsolationLevel.READ_UNCOMMITTED) == 3
    got = []
    c = log.consumer("waits", isolation_level="read_committed", fetch_wait_max_ms=5000)
    c.assign([TopicPartition("t", 0, 0)])
    assert c.poll(1) is None  # now it waits at the broker
    begun = time.monotonic()
    open_one.commit_transaction(10)
    while len(got) < 2:
        m = c.poll(5)
        assert m and not m.error(), (m, got)
        got.append(m.value().decode())
    assert got == ["open", "other"]
    assert time.monotonic() - begun < 3  # woken, not timed out
    c.close()
    assert latest(log, "t", IsolationLevel.READ_COMMITTED) == 4


def test_a_second_producer_of_the_same_name_fences_the_first(log):
    log.create("t")
    zombie = transactional(log, "same")
    zombie.begin_transaction()
    send(zombie, "t", ["zombie"])
    zombie.flush(10)
    heir = transactional(log, "same")  # aborts what the other one left
    heir.begin_transaction()
    send(heir, "t", ["heir"])
    heir.commit_transaction(10)
    send(zombie, "t", ["zombie again"])
    with pytest.raises(KafkaException) as e:
        zombie.commit_transaction(10)
    assert e.value.args[0].code() == KafkaError._FENCED and e.value.args[0].fatal()
    assert values(log, "t") == ["heir"]


def test_a_transaction_that_takes_too_long_is_aborted(log):
    log.create("t")
    p = transactional(log, "slow", transaction_timeout_ms=1000)
    p.begin_transaction()
    send(p, "t", ["late"])
    p.flush(10)
    deadline = time.monotonic() + 10
    while latest(log, "t", IsolationLevel.READ_COMMITTED) == 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with pytest.raises(KafkaException):
        p.commit_transaction(10)
    assert values(log, "t") == []
    again = transactional(log, "slow")
    again.begin_transaction()
    send(again, "t", ["in time"])
    again.commit_transaction(10)
    assert values(log, "t") == ["in time"]


@pytest.mark.parametrize("commit", [True, False])
def test_offsets_are_part_of_the_transaction(log, commit):
    log.create("in")
    log.create("out")
    log.producer().produce("in", value="x")
    p = transactional(log, "offsets")
    c = log.consumer("group", enable_auto_commit=False, auto_offset_reset="earliest")
    c.subscribe(["in"])
    while not c.assignment():
        c.poll(0.1)
    p.begin_transaction()
    send(p, "out", ["y"])
    p.send_offsets_to_transaction([TopicPartition("in", 0, 7)], c.consumer_group_metadata(), 10)
    asked = [ConsumerGroupTopicPartitions("group", [TopicPartition("in", 0)])]
    before = log.admin().list_consumer_group_offsets(asked)["group"].result(10).topic_partitions[0]
    assert before.offset == -1001 and before.error is None
    with pytest.raises(KafkaException) as e:
        stable = log.admin().list_consumer_group_offsets(asked, require_stable=True)["group"].result(10)
        raise KafkaException(stable.topic_partitions[0].error)
    assert e.value.args[0].code() == KafkaError.UNSTABLE_OFFSET_COMMIT
    p.commit_transaction(10) if commit else p.abort_transaction(10)
    after = log.admin().list_consumer_group_offsets(asked, require_stable=True)["group"].result(10)
    assert after.topic_partitions[0].offset == (7 if commit else -1001)
    c.close()
    log.stop()
    log.start()
    after = log.admin().list_consumer_group_offsets(asked, require_stable=True)["group"].result(10)
    assert after.topic_partitions[0].offset == (7 if commit else -1001)


def test_transactions_outlive_the_broker(log):
    """What was decided stays so, what is open can be committed after a kill, and aborted is aborted."""
    log.create("t")
    p = transactional(log, "a")
    p.begin_transaction()
    send(p, "t", ["committed"])
    p.commit_transaction(10)
    p.begin_transaction()
    send(p, "t", ["aborted"])
    p.flush(10)
    p.abort_transaction(10)
    p.begin_transaction()
    send(p, "t", ["open"])
    p.flush(10)
    log.kill()
    log.start()
    assert values(log, "t") == ["committed"]
    p.commit_transaction(30)
    assert values(log, "t") == ["committed", "open"]
    log.stop()
    log.start()
    assert values(log, "t") == ["committed", "open"]


def test_a_topic_can_go_in_the_middle_of_a_transaction(log):
    log.create("goes")
    log.create("stays")
    p = transactional(log, "a")
    p.begin_transaction()
    send(p, "goes", ["x"])
    send(p, "stays", ["y"])
    p.flush(10)
    log.admin().delete_topics(["goes"])["goes"].result(10)
    p.commit_transaction(20)
    assert values(log, "stays") == ["y"]


COPIER = pathlib.Path(__file__).parent.parent / "support" / "copier.py"


class Copier:
    """A process of tests/support/copier.py, which is killed and comes back under its name."""

    def __init__(self, log, name):
        self.command = [sys.executable, str(COPIER), log.address, name]
        self.errors = open(f"{log.folder}.{name}.err", "ab")
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stderr=self.errors)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def is_alive(self):
        return self.process.poll() is None


def check_copied(log, n):
    copied = collections.Counter(values(log, "out", 2))
    assert [v for v, k in copied.items() if k > 1] == []
    assert set(copied) == {str(i) for i in range(n)}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("victims", ["the broker", "the clients", "all"])
def test_copied_exactly_once_through_kills(log, rng, victims):
    """From "in" to "out" in transactions that also hold the position: nothing twice, nothing lost."""
    log.create("in", 2)
    log.create("out", 2)
    copiers = [Copier(log, f"copier{i}") for i in range(2)]
    p = log.producer(enable_idempotence=True, linger_ms=1)
    n = 3000
    try:
        for i in range(n):
            p.produce("in", value=str(i), partition=i % 2)
            if i % 10 == 0:
                p.poll(0.01)
            if i % 400 == 399:
                time.sleep(rng.uniform(0, 1))
                if victims != "the clients":
                    log.kill()
                if victims != "the broker":
                    rng.choice(copiers).kill()
                if victims != "the clients":
                    log.start()
                for c in copiers:
                    if not c.is_alive():
                        c.start()
        assert p.flush(60) == 0
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and len(values(log, "out", 2)) < n and all(c.is_alive() for c in copiers):
            time.sleep(1)
        assert all(c.is_alive() for c in copiers)
    finally:
        for c in copiers:
            c.kill()
    check_copied(log, n)
    assert len(values(log, "out", 2, "read_uncommitted")) > n  # some were aborted
    log.stop()
    log.start()
    check_copied(log, n)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("version", ["kafka-3.7", "kafka-4"])
def test_apache_kafkas_own_copier(log, rng, tmp_path, version):
    """Kafka's system tests copy with TransactionalMessageCopier: transactions of the first and the second protocol."""
    log.create("in")
    log.create("out", 2)
    n = 10000
    p = log.producer()
    for i in range(n):
        p.produce("in", value=str(i))
        if i % 1000 == 0:
            p.poll(0.01)
    assert p.flush(30) == 0
    said = tmp_path / "copier.out"
    copier = subprocess.Popen(
        [*java.JVM, java.quiet_logging(version, tmp_path), "-cp", java.class_path(version),
         "org.apache.kafka.tools.TransactionalMessageCopier", "--broker-list", log.address, "--input-topic", "in",
         "--input-partition", "0", "--output-topic", "out", "--transaction-size", "40", "--transactional-id", "copier",
         "--enable-random-aborts", "--consumer-group", "g", "--transaction-timeout", "10000", "--use-group-metadata",
         "--group-mode"], stdout=said.open("w"), stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 120
        for part in range(1, 4):  # kills when a part of it is done
            while len(values(log, "out", 2)) < n * part / 5 and time.monotonic() < deadline:
                time.sleep(rng.uniform(0.05, 0.2))
            log.kill()
            log.start()
        while len(values(log, "out", 2)) < n and time.monotonic() < deadline and copier.poll() is None:
            time.sleep(1)
    finally:
        copier.kill()
        copier.wait()
    copied = collections.Counter(values(log, "out", 2))
    assert set(copied) == {str(i) for i in range(n)}, said.read_text()[-3000:]
    assert max(copied.values()) == 1
