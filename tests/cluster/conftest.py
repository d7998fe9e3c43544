"""The platform on a real Apache Kafka: a module says which with VERSION. Its tests are those of tests/flow and a few more."""

import pytest

from support.real_kafka import KafkaProject, RealKafka


@pytest.fixture(scope="module")
def cluster(request, tmp_path_factory):
    kafka = RealKafka(request.module.VERSION, tmp_path_factory.mktemp("apache-kafka")).start()
    yield kafka
    kafka.stop()


@pytest.fixture
def project(ingot, cluster, tmp_path):
    """As everywhere, but its log is the cluster, emptied of what the last test left."""
    cluster.empty()
    return KafkaProject(ingot, tmp_path / "project", cluster)


@pytest.fixture
def broker(cluster):
    """Its address, for what needs no password."""
    cluster.empty()
    return cluster.plain
