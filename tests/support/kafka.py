"""The log through confluent-kafka: an outside client that shares no code with ingot."""

import dataclasses
import hashlib

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient


@dataclasses.dataclass(frozen=True)
class Record:
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes
    headers: tuple

    @property
    def at(self):
        return (self.topic, self.partition, self.offset)

    @property
    def hash(self):
        return hashlib.sha256(self.value).hexdigest()

    def header(self, name):
        return next((v.decode(errors="replace") for k, v in self.headers if k == name and v is not None), None)


def producer(bootstrap, **settings):
    return ck.Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 5,
            "message.max.bytes": 20_000_000,
            "partitioner": "murmur2_random",
            "log_level": 0,
            "metadata.recovery.strategy": "none",  # see KEEP_BROKER in interop/test_broker.py
            **settings,
        }
    )


def produce(bootstrap, topic, values, key=None, **settings):
    """Produces all and waits for every acknowledgement. `key` is a function of the value."""
    failures = []
    p = producer(bootstrap, **settings)
    for value in values:
        while True:
            try:
                p.produce(topic, value=value, key=key(value) if key else None,
                          on_delivery=lambda e, m: failures.append(e) if e else None)
                break
            except BufferError:
                p.poll(0.1)
        p.poll(0)
    left = p.flush(60)
    assert not left and not failures, f"{left} not delivered; {failures[:3]}"


def topics(bootstrap):
    metadata = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=20)
    return {name: len(t.partitions) for name, t in metadata.topics.items()}


def read_topic(bootstrap, topic):
    """Every record of a topic from the first to the last offset of this moment, by partition and offset."""
    partitions = topics(bootstrap).get(topic)
    if not partitions:
        return []
    c = ck.Consumer({"bootstrap.servers": bootstrap, "group.id": "recount", "enable.auto.commit": False,
                     "auto.offset.reset": "earliest", "enable.partition.eof": True, "check.crcs": True,
                     "fetch.message.max.bytes": 20_000_000, "log_level": 0})
    records, open_partitions = [], set()
    try:
        assignment = []
        for p in range(partitions):
            low, high = c.get_watermark_offsets(ck.TopicPartition(topic, p), timeout=20)
            if high > low:
                assignment.append(ck.TopicPartition(topic, p, low))
                open_partitions.add(p)
        c.assign(assignment)
        while open_partitions:
            m = c.poll(20)
            assert m is not None, f"{topic}: nothing comes any more, {sorted(open_partitions)} are not at their end"
            if m.error():
                assert m.error().code() == ck.KafkaError._PARTITION_EOF, m.error()
                open_partitions.discard(m.partition())
                continue
            records.append(Record(m.topic(), m.partition(), m.offset(), m.timestamp()[1], m.key(), m.value() or b"",
                                  tuple(m.headers() or ())))
    finally:
        c.close()
    records.sort(key=lambda r: r.at)
    return records
