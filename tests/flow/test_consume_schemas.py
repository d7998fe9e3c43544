"""Values by schema: what Confluent's serializers write is read, and what we write they read. Schemas are put into the
topic _schemas as Confluent's registry writes them."""

import io
import json
import struct
import subprocess
import urllib.request

import pytest

from support import kafka

AVRO = {"type": "record", "name": "Ride", "fields": [{"name": "id", "type": "long"}, {"name": "city", "type": "string"},
                                                       {"name": "tip", "type": ["null", "double"], "default": None}]}
JSON_SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}


@pytest.fixture
def cli(ingot, broker):
    return lambda *args, **kw: ingot.run(*args, "--broker", broker, **kw)


@pytest.fixture
def schemas(broker, cli):
    """Puts versions of subjects into _schemas: schemas(subject, version, id, schema, type)."""
    cli("topic", "create", "_schemas", "-p", 1, "-c", "cleanup.policy=compact")

    def put(subject, version, schema_id, schema, schema_type=None):
        value = {"subject": subject, "version": version, "id": schema_id, "schema": json.dumps(schema), "deleted": False}
        if schema_type:
            value["schemaType"] = schema_type
        p = kafka.producer(broker)
        p.produce("_schemas", key=json.dumps({"keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1}),
                  value=json.dumps(value))
        assert p.flush(20) == 0

    return put


def zigzag(n):
    n, out = n << 1 ^ n >> 63, bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out + bytes([n]))


def ride(schema_id, i, city, tip=None):
    """The Avro encoding, by hand from its specification."""
    b = io.BytesIO()
    b.write(b"\0" + struct.pack(">I", schema_id) + zigzag(i) + zigzag(len(city.encode())) + city.encode())
    b.write(zigzag(0) if tip is None else zigzag(1) + struct.pack("<d", tip))
    return b.getvalue()


def test_avro_is_decoded_and_encoded(cli, schemas, broker):
    schemas("rides-value", 1, 7, AVRO)
    values = [ride(7, 1, "Lisbon"), ride(7, -5, "São Paulo", 2.5)]
    cli("topic", "create", "rides", "-p", 1)
    kafka.produce(broker, "rides", values)
    shown = [json.loads(line)["value"] for line in cli("consume", "rides", "--json").out.splitlines()]
    assert [(r["id"], r["city"]) for r in shown] == [(1, "Lisbon"), (-5, "São Paulo")]
    text = cli("consume", "rides", "--decode", "avro").out
    cli("topic", "create", "rides-2", "-p", 1)
    cli("produce", "rides-2", "--schema", "rides-value", stdin=text.encode())
    cli("produce", "rides-2", "--schema", "7", stdin=text.encode())
    cli("produce", "rides-2", "--schema", "rides-value:1", stdin=text.encode())
    assert [r.value for r in kafka.read_topic(broker, "rides-2")] == values * 3


def test_what_is_not_decodable_stays_as_it_is_or_is_said(cli, schemas, broker):
    schemas("rides-value", 1, 7, AVRO)
    cli("topic", "create", "mixed", "-p", 1)
    kafka.produce(broker, "mixed", [b"plain", ride(7, 1, "Lisbon"), ride(99, 1, "Lisbon"), ride(7, 1, "Lisbon")[:-1]])
    rows = [json.loads(line) for line in cli("consume", "mixed", "--json").out.splitlines()]
    assert rows[0]["value"] == "plain" and rows[1]["value"]["city"] == "Lisbon"
    assert isinstance(rows[2]["value"], str) and isinstance(rows[3]["value"], str)
    done = cli("consume", "mixed", "--decode", "avro", code=1)
    for offset in (0, 2, 3):
        assert f"mixed/0/{offset}: " in done.err, done.err
    assert "mixed/0/1: " not in done.err
    cli("consume", "mixed", "--decode", "protobuf", code=1)
    assert cli("consume", "mixed", "-n", 1, "--decode", "none").out == "plain\n"


def test_json_schema_refuses_what_does_not_fit(cli, schemas, broker):
    schemas("events-value", 1, 3, JSON_SCHEMA, "JSON")
    cli("topic", "create", "events", "-p", 1)
    done = cli("produce", "events", "--schema", "events-value", stdin=b'{"id": 1}\n{"id": "one"}\nnot json\n', code=1)
    assert "stdin:2: " in done.err and "stdin:3: " in done.err
    [record] = kafka.read_topic(broker, "events")
    assert record.value[:5] == b"\0\0\0\0\3" and json.loads(record.value[5:]) == {"id": 1}
    assert json.loads(cli("consume", "events", "--decode", "json").out) == {"id": 1}
    assert "no-such" in cli("produce", "events", "--schema", "no-such", stdin=b"{}", code=1).err
    assert "99" in cli("produce", "events", "--schema", "99", stdin=b"{}", code=1).err


def test_keys_have_schemas_too(cli, schemas, broker):
    schemas("rides-key", 1, 8, "string")
    schemas("rides-value", 1, 7, AVRO)
    cli("topic", "create", "keyed", "-p", 1)
    cli("produce", "keyed", "-K", "|", "--key-schema", "rides-key", "--schema", "rides-value",
        stdin=b'k1|{"id": 1, "city": "Oslo", "tip": null}\n')
    [record] = kafka.read_topic(broker, "keyed")
    assert record.key == b"\0\0\0\0\x08" + zigzag(2) + b"k1" and record.value == ride(7, 1, "Oslo")
    row = json.loads(cli("consume", "keyed", "--json").out)
    assert row["key"] == "k1" and row["value"]["city"] == "Oslo"


def test_a_registry_by_its_url_and_by_its_topic(ingot, tmp_path):
    """ingot's own registry: what was registered over HTTP is found there, and in its topic."""
    process = subprocess.Popen([ingot.path, "--json", "broker", "--data", str(tmp_path / "log"), "--listen", "127.0.0.1:0",
                                "--registry", "127.0.0.1:0"], stdout=subprocess.PIPE)
    try:
        ready = json.loads(process.stdout.readline())
        broker, url = f"127.0.0.1:{ready['port']}", f"http://127.0.0.1:{ready['registry_port']}"

        def register(subject, schema, schema_type):
            body = json.dumps({"schema": schema, "schemaType": schema_type}).encode()
            request = urllib.request.Request(f"{url}/subjects/{subject}/versions", body,
                                             {"Content-Type": "application/vnd.schemaregistry.v1+json"})
            return json.loads(urllib.request.urlopen(request, timeout=20).read())["id"]

        def cli(*args, **kw):
            return ingot.run(*args, "--broker", broker, **kw)

        avro = register("rides-value", json.dumps(AVRO), "AVRO")
        register("taxis-value", 'syntax = "proto3"; message Taxi { int64 id = 1; string plate = 2; }', "PROTOBUF")
        for topic in ("rides", "taxis"):
            cli("topic", "create", topic, "-p", 1)
        values = {"rides": '{"id": 7, "city": "Lima", "tip": null}', "taxis": '{"id": "7", "plate": "L-1"}'}
        for where in ([], ["--registry", url]):
            for topic, value in values.items():
                cli("produce", topic, "--schema", f"{topic}-value", *where, stdin=value.encode())
                last = [json.loads(line) for line in cli("consume", topic, "--from", -1, "--json", *where).out.splitlines()]
                assert [r["value"] for r in last] == [json.loads(value)]
        assert {r.value for r in kafka.read_topic(broker, "rides")} == {ride(avro, 7, "Lima")}
        # a message of the first type: its index is the one byte 0; field 1 varint 7, field 2 "L-1"
        assert {r.value[5:] for r in kafka.read_topic(broker, "taxis")} == {b"\0\x08\x07\x12\x03L-1"}
        assert "taxis-value" not in cli("consume", "taxis", "--decode", "protobuf", "--registry", url).err
        cli("produce", "taxis", "--schema", "taxis-value", "--registry", "http://127.0.0.1:1", stdin=b"{}", code=1)
        cli("produce", "taxis", "--schema", "taxis-value", "--registry", "ftp://x", stdin=b"{}", code=2)
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()
