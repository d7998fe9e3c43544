"""The Java clients of Apache Kafka on ingot's broker, from 2.1 to 4: programs of steps in tests/interop/java."""

import pytest

from support import java

VERSIONS = ["kafka-client-2.1", "kafka-client-2.8", "kafka-3.7", "kafka-4"]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_every_client_does(broker, version):
    """Topics, records with every codec, idempotence, times, groups, offsets, transactions, fencing."""
    java.run("Client", "kafka-client-2.1", broker, "c-", version=version)


@pytest.mark.parametrize("version", VERSIONS[2:])
def test_what_administrators_do(broker, version):
    """Ids, configurations, offsets, cooperative and static members, elections, hanging transactions, users, quotas."""
    java.run("Admins", "kafka-3.7", broker, "a-", "no security", version=version)
