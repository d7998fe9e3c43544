"""The Go clients franz-go and sarama on ingot's broker: programs of steps in tests/interop/go."""

import subprocess

import pytest

from support.project import SOURCE_DIR

PROGRAM = SOURCE_DIR / ".deps" / "go-clients" / "kafkaclients"


@pytest.mark.parametrize("client", ["franz", "sarama"])
def test_what_every_client_does(broker, client):
    """Codecs, idempotence, groups, transactions, consume-transform-produce, administration."""
    assert PROGRAM.exists(), "scripts/setup --tests builds it"
    done = subprocess.run([PROGRAM, client, broker, "go-"], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
