"""A platform whose log is protected, inside and elsewhere."""

import json
import subprocess

import pytest
from confluent_kafka import Consumer, KafkaError
from confluent_kafka.admin import AdminClient

from support.project import wait_for

DOMAIN = """
source: {type: file, path: "input/*.ndjson"}
contract:
  key: id
  event_time: at
  not_before: 2020-01-01
  fields:
    id: {type: string, required: true}
    at: {type: timestamp, required: true}
gold: {per_day: {key: event_date}}
"""
PER_DAY = "SELECT event_date, count(*) AS n FROM silver GROUP BY event_date"
PASSWORD = "p&ss=w%rd #1 ${x}"  # everything that a URL gives a meaning to


def things(project, n=20):
    lines = [json.dumps({"id": str(i), "at": "2024-01-15T01:00:00Z"}) for i in range(n)]
    project.write("input/a.ndjson", "\n".join(lines) + "\n")
    project.domain("things", DOMAIN, gold_per_day=PER_DAY)


def certificates(folder):
    for args in (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=ca -keyout ca.key -out ca.pem",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout server.key -out server.csr",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile san -out server.pem",
    ):
        (folder / "san").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
        subprocess.run(["openssl", *args.split()], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def protected(project):
    """Only TLS with SASL, and nobody may anything but the super user and alice, who reads."""
    certificates(project.root)
    things(project)
    del project.settings["listen"]
    project.write_settings(broker={
        "listeners": [{"address": "127.0.0.1:0", "protocol": "SASL_SSL", "mechanisms": "SCRAM-SHA-256"}],
        "tls": {"certificate": "server.pem", "key": "server.key"},
        "users": {"alice": "${ALICE}", "root": {"password": "${ROOT}"}},
        "super_users": "root",
        "acls": [{"principal": "alice", "operations": ["Read"], "topic": "raw-things"},
                 {"principal": "alice", "operations": "Read", "group": "*"}],
    })
    project.write(".env", f"ALICE='geheim-von-alice'\nROOT='{PASSWORD}'\n")
    return project


def login(project, bootstrap, user, password):
    return {"bootstrap.servers": bootstrap, "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-256",
            "sasl.username": user, "sasl.password": password, "ssl.ca.location": str(project.root / "ca.pem")}


def test_the_platform_works_behind_its_own_locks(protected):
    with protected.up() as up:
        wait_for(lambda: "20 records in raw-things" in (s := protected("status")).out + s.err)
        assert (protected.root / "data" / "endpoint.json").stat().st_mode & 0o777 == 0o600
        alice = login(protected, up.bootstrap, "alice", "geheim-von-alice")
        assert set(AdminClient(alice).list_topics(timeout=10).topics) == {"raw-things"}
        c = Consumer({**alice, "group.id": "g", "auto.offset.reset": "earliest"})
        c.subscribe(["raw-things"])
        seen = [m for m in c.consume(20, 20) if not m.error()]
        c.close()
        assert len(seen) == 20
        c = Consumer({**alice, "group.id": "g", "auto.offset.reset": "earliest"})
        c.subscribe(["dlq-raw-things"])
        m = wait_for(lambda: c.poll(0.5))
        c.close()
        assert m.error().code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
        assert "raw-things" in protected("topic", "ls").out  # beside it, through its door
    protected("run")
    assert protected.query("SELECT n FROM per_day") == [{"n": 20}]
    everything = up.tail(10**6) + protected("check", "--print").out + protected("-v", "check").err
    for secret in ("geheim-von-alice", PASSWORD, "ingot-inside&"):
        assert secret not in everything
    assert "${ALICE}" in everything


def test_a_protected_log_elsewhere(ingot, project, tmp_path):
    certificates(tmp_path)
    (tmp_path / "broker.yml").write_text(
        "data: ./log\nlisteners: [{address: \"127.0.0.1:0\", protocol: SASL_SSL}]\n"
        "tls: {certificate: server.pem, key: server.key}\nsuper_users: [ingot]\nusers:\n  ingot: ${PW}\n")
    import os

    process = subprocess.Popen([ingot.path, "--json", "broker", "--config", str(tmp_path / "broker.yml")],
                               stdout=subprocess.PIPE, env={**os.environ, "PW": PASSWORD})
    try:
        port = json.loads(process.stdout.readline())["port"]
        url = (f"kafka://127.0.0.1:{port}?security.protocol=SASL_SSL&ssl.ca.location={tmp_path}/ca.pem"
               "&sasl.mechanism=SCRAM-SHA-512&sasl.username=ingot&sasl.password=${PW}")
        things(project)
        project.write_settings(log=url)
        project("run", env={"PW": PASSWORD})
        assert project.query("SELECT n FROM per_day", env={"PW": PASSWORD}) == [{"n": 20}]
        wrong = project("run", env={"PW": "wrong-canary"}, code=None)
        assert wrong.code != 0 and "wrong-canary" not in wrong.out + wrong.err
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("properties, wanted", [
    ("security.protocl=SASL_SSL", "did you mean security.protocol?"),
    ("security.protocol=TLS", "does not take this value"),
    ("sasl.jaas.config=geheim-x", "sasl.username and sasl.password"),
    ("security.protocol=SSL&ssl.ca.location=/nowhere/ca.pem", "ssl.ca.location"),
    ("acks=0", "can not be changed"),
])
def test_check_finds_what_the_client_would_not_take(project, properties, wanted):
    things(project)
    project.write_settings(log=f"kafka://127.0.0.1:1?{properties}")
    result = project("check", code=78)
    assert wanted in result.err
    assert "geheim-x" not in result.err
