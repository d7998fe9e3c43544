"""topic, produce, consume, groups and dlq on Apache Kafka 3.7: their tests, as they are for the log inside."""

# ruff: noqa: F403
from flow.test_consume import *
from flow.test_consume_schemas import *
from flow.test_dlq import *
from flow.test_groups import *
from flow.test_topic import *

VERSION = "3.7"
