"""A protected broker, used by clients that know nothing of it: every kind of listener with every mechanism, by librdkafka
and kafka-python; certificates, rights, quotas; and secrets that must not be seen anywhere."""

import os
import pathlib
import socket
import ssl
import struct
import subprocess
import time

import kafka
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

SECRETS = {"ADMIN_PASSWORD": "correct horse & battery=100%", "ALICE_PASSWORD": "geheimnis-der-alice"}

CONFIG = """
data: ./log
tls: {certificate: server.pem, key: server.key}
listeners:
  - {address: "127.0.0.1:0", name: plain}
  - {address: "127.0.0.1:0", name: tls, protocol: SSL}
  - address: "127.0.0.1:0"
    name: mutual
    protocol: SSL
    tls:
      certificate: server.pem
      key: server.key
      client_ca: ca.pem
      client_auth: required
      principal_mapping: ["RULE:^CN=([^,]*),O=Example$/$1/", DEFAULT]
  - {address: "127.0.0.1:0", name: sasl, protocol: SASL_PLAINTEXT}
  - {address: "127.0.0.1:0", name: sasltls, protocol: SASL_SSL}
  - {address: "0.0.0.0:0", name: everywhere, advertised: localhost}
users:
  admin: ${ADMIN_PASSWORD}
  alice: {password: "${ALICE_PASSWORD}"}
  bob: {password_file: bob.password}
super_users: [admin]
allow_everyone_if_no_acl_found: true
limits: {authentication_timeout: 2s}
"""


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)


def certificate(folder, name, subject, *, days=30, ca="ca", renew=False):
    if not renew:
        openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject,
                "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
    (folder / "san").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial",
            "-days", str(days), "-extfile", "san", "-out", f"{name}.pem")  # fmt: skip


def authority(folder, name):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip


class Protected:
    def __init__(self, ingot, folder):
        self.program, self.folder = str(ingot.path), pathlib.Path(folder)
        self.ports, self.process = {}, None

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "--json", "broker", "--config", str(self.folder / "broker.yml")],
            stdout=subprocess.PIPE,
            stderr=open(self.folder / "err", "ab"),
            text=True,
            env={**os.environ, **SECRETS},
        )
        import json

        line = self.process.stdout.readline()
        assert line, (self.folder / "err").read_text()
        self.ports = {one["name"]: one["port"] for one in json.loads(line)["listeners"]}
        return self

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) == 0
        self.process.stdout.close()

    def log_text(self):
        return (self.folder / "err").read_text()

    def at(self, listener, **more):
        """librdkafka's configuration for a listener."""
        protocol = {"plain": "PLAINTEXT", "everywhere": "PLAINTEXT", "tls": "SSL", "mutual": "SSL",
                    "sasl": "SASL_PLAINTEXT", "sasltls": "SASL_SSL"}[listener]  # fmt: skip
        return {
            "bootstrap.servers": f"127.0.0.1:{self.ports[listener]}",
            "security.protocol": protocol,
            "socket.timeout.ms": 10000,
            **({"ssl.ca.location": str(self.folder / "ca.pem")} if protocol.endswith("SSL") else {}),
            **{k.replace("_", "."): v for k, v in more.items()},
        }

    def login(self, user, password, mechanism="SCRAM-SHA-256", listener="sasl"):
        return self.at(listener, sasl_mechanism=mechanism, sasl_username=user, sasl_password=password)

    def admin(self):
        return AdminClient(self.login("admin", SECRETS["ADMIN_PASSWORD"]))

    def identity(self, name):
        return self.at("mutual", ssl_certificate_location=str(self.folder / f"{name}.pem"),
                       ssl_key_location=str(self.folder / f"{name}.key"))  # fmt: skip


@pytest.fixture
def broker(ingot, tmp_path):
    authority(tmp_path, "ca")
    certificate(tmp_path, "server", "/CN=localhost")
    (tmp_path / "broker.yml").write_text(CONFIG)
    (tmp_path / "bob.password").write_text("passwort-von-bob\n")
    one = Protected(ingot, tmp_path).start()
    yield one
    if one.process.poll() is None:
        one.stop()
    text = one.log_text()
    for secret in [*SECRETS.values(), "passwort-von-bob"]:
        assert secret not in text


def round_trip(config, topic, n=200, size=1000):
    """Produces n records and reads them again."""
    failed = []
    p = Producer({**config, "linger.ms": 5})
    for i in range(n):
        p.produce(topic, b"%d" % i + b"x" * size, on_delivery=lambda e, m: e and failed.append(e))
    assert p.flush(20) == 0 and not failed, failed
    c = Consumer({**config, "group.id": f"g-{time.time_ns()}", "auto.offset.reset": "earliest"})
    c.subscribe([topic])
    got, until = [], time.monotonic() + 20
    while len(got) < n and time.monotonic() < until:
        for m in c.consume(1000, 0.5):
            assert not m.error(), m.error()
            got.append(int(m.value().rstrip(b"x")))
    c.close()
    assert got == list(range(n))


def refusal(config, call=lambda a: a.list_topics(timeout=2)):
    """What a client hears that is not let in."""
    errors = []
    a = AdminClient({**config, "error_cb": lambda e: errors.append(e)})
    with pytest.raises(KafkaException):
        call(a)
    a.poll(0)
    return errors


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("listener", ["sasl", "sasltls"])
def test_librdkafka_logs_in(broker, listener, mechanism):
    round_trip(broker.login("alice", SECRETS["ALICE_PASSWORD"], mechanism, listener), "t")
    round_trip(broker.login("bob", "passwort-von-bob", mechanism, listener), "u")
    errors = refusal(broker.login("alice", "wrong", mechanism, listener))
    assert any(e.code() == KafkaError._AUTHENTICATION for e in errors), errors
    assert any("Authentication failed" in e.str() for e in errors), errors
    refusal(broker.login("nobody", "wrong", mechanism, listener))


def test_kafka_python_logs_in(broker):
    for listener, protocol in (("sasl", "SASL_PLAINTEXT"), ("sasltls", "SASL_SSL"), ("tls", "SSL")):
        for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512") if listener != "tls" else ("",):
            how = {
                "bootstrap_servers": f"127.0.0.1:{broker.ports[listener]}",
                "security_protocol": protocol,
                "ssl_cafile": str(broker.folder / "ca.pem"),
            }
            if mechanism:
                how |= {"sasl_mechanism": mechanism, "sasl_plain_username": "alice",
                        "sasl_plain_password": SECRETS["ALICE_PASSWORD"]}  # fmt: skip
            topic = f"{listener}{mechanism}"
            p = kafka.KafkaProducer(**how)
            for i in range(50):
                p.send(topic, b"%d" % i)
            p.flush(10)
            p.close()
            c = kafka.KafkaConsumer(topic, auto_offset_reset="earliest", consumer_timeout_ms=10000, **how)
            got = [next(c).value for _ in range(50)]
            c.close()
            assert got == [b"%d" % i for i in range(50)]


def test_big_answers_through_tls(broker):
    config = {**broker.at("tls"), "message.max.bytes": 20000000, "fetch.message.max.bytes": 20000000}
    round_trip(config, "big", n=40, size=1_000_000)


def test_where_clients_are_sent(broker):
    by_name = broker.at("everywhere")
    assert AdminClient(by_name).list_topics(timeout=10).brokers[1].host == "localhost"
    round_trip(by_name, "t", n=10)
    (broker.folder / "broker.yml").write_text('data: ./log\nlisteners: [{address: "0.0.0.0:0", name: everywhere}]\n')
    broker.stop()
    broker.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:  # an address of this machine that is not loopback
        try:
            s.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has one address only")
        mine = s.getsockname()[0]
    for address in ("127.0.0.1", mine):
        a = AdminClient({"bootstrap.servers": f"{address}:{broker.ports['everywhere']}"})
        assert a.list_topics(timeout=10).brokers[1].host == address


# --- certificates ------------------------------------------------------------------------------------------------


def test_clients_are_known_by_their_certificates(broker):
    certificate(broker.folder, "alice", "/O=Example/CN=alice")
    certificate(broker.folder, "other", "/O=Other/CN=alice")
    round_trip(broker.identity("alice"), "t", n=10)
    admin = broker.admin()
    rule = AclBinding(ResourceType.TOPIC, "t", ResourcePatternType.LITERAL, "User:alice", "*",
                      AclOperation.READ, AclPermissionType.ALLOW)  # fmt: skip
    for f in admin.create_acls([rule]).values():
        f.result(10)
    assert "t" in AdminClient(broker.identity("alice")).list_topics(timeout=10).topics
    assert "t" not in AdminClient(broker.identity("other")).list_topics(timeout=10).topics


def test_certificates_that_are_refused(broker):
    authority(broker.folder, "stranger")
    certificate(broker.folder, "foreign", "/O=Example/CN=alice", ca="stranger")
    certificate(broker.folder, "expired", "/O=Example/CN=alice", days=-1)
    for how in (broker.at("mutual"), broker.identity("foreign"), broker.identity("expired")):
        errors = refusal(how, lambda a: a.list_topics(timeout=2))
        assert any(e.code() in (KafkaError._SSL, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN) for e in errors)
    assert "certificate" in broker.log_text()


def serial(broker):
    context = ssl.create_default_context(cafile=broker.folder / "ca.pem")
    with socket.create_connection(("127.0.0.1", broker.ports["tls"])) as raw:
        with context.wrap_socket(raw, server_hostname="localhost") as s:
            return s.getpeercert()["serialNumber"]


def test_a_certificate_is_renewed_without_a_restart(broker):
    before = serial(broker)
    certificate(broker.folder, "server", "/CN=localhost", renew=True)
    until = time.monotonic() + 10
    while serial(broker) == before and time.monotonic() < until:
        time.sleep(0.2)
    assert serial(broker) != before


# --- users and rights ----------------------------------------------------------------------------------------------


def test_users_are_made_and_removed(broker):
    admin = broker.admin()
    new = UserScramCredentialUpsertion("dave", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192), b"dave's")
    for f in admin.alter_user_scram_credentials([new]).values():
        f.result(10)
    round_trip(broker.login("dave", "dave's", "SCRAM-SHA-512"), "t", n=10)
    refusal(broker.login("dave", "dave's", "SCRAM-SHA-256"))
    refusal(broker.login("dave", "dave's", "PLAIN"))
    info = admin.describe_user_scram_credentials(["dave"])["dave"].result(10).scram_credential_infos
    assert [(i.mechanism, i.iterations) for i in info] == [(ScramMechanism.SCRAM_SHA_512, 8192)]
    kept = broker.folder / "log" / "security.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "dave's" not in kept.read_text()
    broker.stop()
    broker.start()
    round_trip(broker.login("dave", "dave's", "SCRAM-SHA-512"), "u", n=10)
    gone = UserScramCredentialDeletion("dave", ScramMechanism.SCRAM_SHA_512)
    admin = broker.admin()
    for f in admin.alter_user_scram_credentials([gone]).values():
        f.result(10)
    refusal(broker.login("dave", "dave's", "SCRAM-SHA-512"))


def allow(principal, operation, kind, name, pattern=ResourcePatternType.LITERAL, permission=AclPermissionType.ALLOW):
    return AclBinding(kind, name, pattern, principal, "*", operation, permission)


def everything(kind=ResourceType.ANY):
    return AclBindingFilter(kind, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)


def codes(futures):
    out = []
    for f in futures.values():
        try:
            f.result(10)
            out.append(0)
        except KafkaException as e:
            out.append(e.args[0].code())
    return out


def test_rights(broker):
    admin = broker.admin()
    admin.create_topics([NewTopic("in", 1, 1), NewTopic("out-1", 1, 1), NewTopic("hidden", 1, 1)])["in"].result(10)
    rules = [
        allow("User:alice", AclOperation.READ, ResourceType.TOPIC, "in"),
        allow("User:alice", AclOperation.READ, ResourceType.GROUP, "g-", ResourcePatternType.PREFIXED),
        allow("User:alice", AclOperation.WRITE, ResourceType.TOPIC, "out-", ResourcePatternType.PREFIXED),
        allow("User:bob", AclOperation.ALL, ResourceType.TOPIC, "*"),
        allow("User:bob", AclOperation.ALL, ResourceType.GROUP, "*"),
        allow("User:bob", AclOperation.READ, ResourceType.TOPIC, "hidden", permission=AclPermissionType.DENY),
        allow("User:admin", AclOperation.ALTER, ResourceType.BROKER, "kafka-cluster"),
    ]
    assert codes(admin.create_acls(rules)) == [0] * len(rules)
    assert len(admin.describe_acls(everything()).result(10)) == len(rules)

    alice = broker.login("alice", SECRETS["ALICE_PASSWORD"])
    a = AdminClient(alice)
    assert set(a.list_topics(timeout=10).topics) == {"in", "out-1"}
    hidden = a.list_topics("hidden", timeout=10).topics["hidden"]
    assert hidden.error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert codes(a.create_topics([NewTopic("new", 1, 1)])) == [KafkaError.TOPIC_AUTHORIZATION_FAILED]
    assert codes(a.delete_topics(["in"])) == [KafkaError.TOPIC_AUTHORIZATION_FAILED]
    assert codes(a.create_acls([rules[0]])) == [KafkaError.CLUSTER_AUTHORIZATION_FAILED]
    try:  # librdkafka gives an empty list for the error
        assert a.describe_acls(everything()).result(10) == []
    except KafkaException as e:
        assert e.args[0].code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED

    def produce(config, topic):
        heard = []
        p = Producer({**config, "message.timeout.ms": 8000})
        try:
            p.produce(topic, b"x", on_delivery=lambda e, m: heard.append(e.code() if e else 0))
            p.flush(10)
        except KafkaException as x:
            heard.append(x.args[0].code())
        return heard

    assert produce(alice, "out-1") == [0]
    assert produce(alice, "in") == [KafkaError.TOPIC_AUTHORIZATION_FAILED]
    assert produce(alice, "hidden") == [KafkaError.TOPIC_AUTHORIZATION_FAILED]

    def consume(config, topic, group):
        c = Consumer({**config, "group.id": group, "auto.offset.reset": "earliest"})
        c.subscribe([topic])
        until, out = time.monotonic() + 8, None
        while out is None and time.monotonic() < until:
            m = c.poll(0.5)
            out = None if m is None else m.error().code() if m.error() else 0
        c.close()
        return out

    bob = broker.login("bob", "passwort-von-bob")
    assert produce(bob, "in") == [0] and produce(bob, "hidden") == [0]
    assert consume(alice, "in", "g-1") == 0
    assert consume(alice, "in", "other") == KafkaError.GROUP_AUTHORIZATION_FAILED
    assert consume(bob, "hidden", "g") == KafkaError.TOPIC_AUTHORIZATION_FAILED

    broker.stop()
    broker.start()
    admin = broker.admin()
    assert len(admin.describe_acls(everything()).result(10)) == len(rules)
    assert produce(broker.login("alice", SECRETS["ALICE_PASSWORD"]), "in") == [KafkaError.TOPIC_AUTHORIZATION_FAILED]
    assert codes(admin.delete_acls([everything()])) == [0]
    assert admin.describe_acls(everything()).result(10) == []
    assert produce(broker.login("alice", SECRETS["ALICE_PASSWORD"]), "hidden") == [0]


# --- limits -----------------------------------------------------------------------------------------------------------


def test_quotas_hold(broker):
    text = (broker.folder / "broker.yml").read_text()
    (broker.folder / "broker.yml").write_text(text + "quotas: [{user: alice, producer_byte_rate: 1MB}]\n")
    broker.stop()
    broker.start()
    took = {}
    for name, password in (("alice", SECRETS["ALICE_PASSWORD"]), ("bob", "passwort-von-bob")):
        throttled = []
        p = Producer({**broker.login(name, password), "throttle_cb": lambda e: throttled.append(e.throttle_time),
                      "batch.size": 100000, "linger.ms": 5})  # fmt: skip
        began = time.monotonic()
        for _ in range(40):
            p.produce("t", os.urandom(100_000))
        assert p.flush(30) == 0
        p.poll(0)
        took[name] = time.monotonic() - began
        assert bool(throttled) == (name == "alice")
    assert 2 < took["alice"] < 8  # 4 MB, of which one is ahead
    assert took["bob"] < 2


def test_sessions_are_renewed_while_records_flow(broker):
    text = (broker.folder / "broker.yml").read_text()
    (broker.folder / "broker.yml").write_text(text.replace("2s}", "1s, reauthentication: 1500ms}"))
    broker.stop()
    broker.start()
    heard, errors, n = [], [], 0
    p = Producer({**broker.login("alice", SECRETS["ALICE_PASSWORD"], listener="sasltls"),
                  "error_cb": lambda e: errors.append(e)})  # fmt: skip
    until = time.monotonic() + 5
    while time.monotonic() < until:
        p.produce("t", b"x" * 1000, on_delivery=lambda e, m: heard.append(e))
        p.poll(0.002)
        n += 1
    assert p.flush(10) == 0
    assert heard == [None] * n and not errors


def test_half_open_handshakes_cost_nobody_anything(broker):
    port = broker.ports["sasltls"]
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    for i, s in enumerate(slow):
        s.sendall(b"\x16\x03\x01\x02\x00\x01"[: i % 6])
    round_trip(broker.login("alice", SECRETS["ALICE_PASSWORD"], listener="sasltls"), "t", n=20)
    time.sleep(3)
    for s in slow:
        s.settimeout(5)
        assert s.recv(1) == b""  # authentication_timeout is over
        s.close()
    with socket.create_connection(("127.0.0.1", broker.ports["sasl"])) as s:
        s.sendall(struct.pack(">ihhi", 50_000_000, 36, 2, 1))
        s.settimeout(5)
        assert s.recv(1) == b""


# --- configurations that are mistakes -----------------------------------------------------------------------------------


def test_mistakes_are_found_before_the_start(ingot, tmp_path):
    authority(tmp_path, "ca")
    certificate(tmp_path, "server", "/CN=localhost")
    certificate(tmp_path, "old", "/CN=localhost", days=-1)
    base = 'data: ./log\nlisteners: [{address: "127.0.0.1:0", protocol: SSL, tls: {certificate: %s, key: %s}}]\n'
    cases = [
        (base % ("missing.pem", "server.key"), "broker.yml:2:"),
        (base % ("server.pem", "ca.key"), "is not the key of"),
        (base % ("server.key", "server.key"), "server.key"),
        (base % ("old.pem", "old.key"), "has expired"),
        ("data: ./log\nusers:\n  x: ${NOT_SET_ANYWHERE}\n", "NOT_SET_ANYWHERE"),
        ("data: ./log\nusers: {x: {scram_sha_256: geheim-5512}}\n", "no verifier"),
        ("data: ./log\nlistners: []\n", "did you mean 'listeners'"),
    ]
    for text, wanted in cases:
        (tmp_path / "broker.yml").write_text(text)
        done = subprocess.run([str(ingot.path), "broker", "--config", str(tmp_path / "broker.yml")],
                              capture_output=True, text=True, timeout=20)  # fmt: skip
        assert done.returncode == 78, (text, done)
        assert wanted in done.stderr, (text, done.stderr)
        assert "geheim-5512" not in done.stderr
