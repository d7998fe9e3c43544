"""A process that copies the topic "in" to "out" exactly once: `copier.py HOST:PORT TRANSACTIONAL-ID`.

Each transaction holds the records that were read and the position behind them. Some are aborted, some are left open as a
program does that dies. After whatever error it begins anew; it ends when it is killed.
"""

import random
import sys

from confluent_kafka import Consumer, KafkaException, Producer


# librdkafka can wait for ever for a coordinator that it has given up because it was down (its issue 5511).
COMMON = {"log_level": 0, "metadata.recovery.strategy": "none"}


class Died(Exception):
    pass


def copy_some(p, c):
    batch = [m for m in c.consume(50, 0.2) if not m.error()]
    if not batch:
        return
    p.begin_transaction()
    for m in batch:
        p.produce("out", value=m.value(), partition=m.partition())
        p.poll(0)
    p.send_offsets_to_transaction(c.position(c.assignment()), c.consumer_group_metadata(), 10)
    fate = random.random()
    if fate < 0.05:
        p.flush(5)
        raise Died  # with its transaction open
    if fate < 0.1:
        p.flush(5)
        p.abort_transaction(10)
        raise Died  # who went on would skip what it has read
    p.commit_transaction(10)


def copy(address, name):
    p = Producer({"bootstrap.servers": address, "transactional.id": name, "linger.ms": 1, **COMMON,
                  "transaction.timeout.ms": 10000, "socket.timeout.ms": 5000})
    p.init_transactions(10)
    c = Consumer({"bootstrap.servers": address, "group.id": "copiers", "enable.auto.commit": False, **COMMON,
                  "auto.offset.reset": "earliest", "isolation.level": "read_committed", "session.timeout.ms": 6000})
    c.subscribe(["in"])
    try:
        while True:
            copy_some(p, c)
    finally:
        c.close()


def main(address, name):
    while True:
        try:
            copy(address, name)
        except (KafkaException, Died):
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
