"""The schema registry, used by clients that know nothing of it: Confluent's Python client with its Avro, JSON Schema and
Protobuf serializers, through the broker, and plain HTTP."""

import concurrent.futures
import json
import re
import signal
import socket
import subprocess

import pytest
import requests
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from support.kafka import read_topic

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


class Registry:
    """`ingot broker --registry` that can be stopped, killed and started again on the same folder and ports."""

    def __init__(self, ingot, folder):
        self.program, self.folder = str(ingot.path), folder
        self.port, self.http_port = 0, 0
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "broker", "--data", self.folder, "--listen", f"127.0.0.1:{self.port}",
             "--registry", f"127.0.0.1:{self.http_port}"],
            stdout=subprocess.PIPE, stderr=open(f"{self.folder}.err", "ab"), text=True)
        lines = [self.process.stdout.readline() for _ in range(2)]
        found = re.fullmatch(r"registry: http://127\.0\.0\.1:(\d+)\nready: 127\.0\.0\.1:(\d+)\n", "".join(lines))
        assert found, f"{lines}, {open(f'{self.folder}.err').read()}"
        self.http_port, self.port = int(found[1]), int(found[2])
        return self

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
        self.process.stdout.close()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http_port}"

    def client(self):
        return SchemaRegistryClient({"url": self.url, "max.retries": 0})

    def ask(self, method, path, body=None, status=200, **kw):
        answer = requests.request(method, self.url + path, headers={"Content-Type": MEDIA_TYPE},
                                  data=None if body is None else json.dumps(body), timeout=20, **kw)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.headers["Content-Type"] == MEDIA_TYPE
        return answer.json()

    def register(self, subject, schema, kind="JSON", status=200, **more):
        text = schema if isinstance(schema, str) else json.dumps(schema)
        return self.ask("POST", f"/subjects/{subject}/versions", {"schema": text, "schemaType": kind, **more}, status)


@pytest.fixture
def registry(ingot, tmp_path):
    r = Registry(ingot, tmp_path / "log").start()
    yield r
    if r.process.poll() is None:
        r.stop()


def record(*fields):
    return {"type": "record", "name": "Row", "namespace": "t", "fields": list(fields)}


ID = {"name": "id", "type": "long"}
NAME = {"name": "name", "type": ["null", "string"], "default": None}
CLOSED = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"], "additionalProperties": False}


# --- the official serializers, through the broker ------------------------------------------------------------------


def round_trip(registry, topic, serialize, deserialize, values):
    p = Producer({"bootstrap.servers": registry.bootstrap})
    for v in values:
        p.produce(topic, value=serialize(v, SerializationContext(topic, MessageField.VALUE)))
    assert p.flush(20) == 0
    c = Consumer({"bootstrap.servers": registry.bootstrap, "group.id": "g", "auto.offset.reset": "earliest"})
    c.subscribe([topic])
    out = []
    while len(out) < len(values):
        m = c.poll(20)
        assert m is not None and not m.error(), m and m.error()
        assert m.value()[0] == 0
        out.append(deserialize(m.value(), SerializationContext(topic, MessageField.VALUE)))
    c.close()
    return out


def test_avro_goes_through_the_broker_and_back(registry):
    client = registry.client()
    values = [{"id": 1, "name": "a"}, {"id": 2**40, "name": None}]
    out = round_trip(registry, "avro", AvroSerializer(client, json.dumps(record(ID, NAME))),
                     AvroDeserializer(registry.client()), values)
    assert out == values
    assert client.get_latest_version("avro-value").schema.schema_type == "AVRO"


def test_json_schema_goes_through_the_broker_and_back(registry):
    schema = {"title": "Row", **CLOSED}
    values = [{"id": 7}, {"id": 8}]
    text = json.dumps(schema)
    out = round_trip(registry, "json", JSONSerializer(text, registry.client(), lambda v, _: v),
                     JSONDeserializer(text, lambda v, _: v), values)
    assert out == values
    with pytest.raises(Exception, match="id"):
        JSONSerializer(text, registry.client(), lambda v, _: v)({}, SerializationContext("json", MessageField.VALUE))


def protobuf_class():
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    f = descriptor_pb2.FileDescriptorProto(name="registry_row.proto", package="t", syntax="proto3")
    m = f.message_type.add(name="Row")
    m.field.add(name="id", number=1, type=3, label=1)
    m.field.add(name="tags", number=2, type=9, label=3)
    inner = m.nested_type.add(name="Place")
    inner.field.add(name="city", number=1, type=9, label=1)
    m.field.add(name="place", number=3, type=11, label=1, type_name=".t.Row.Place")
    pool = descriptor_pool.Default()
    pool.Add(f) if hasattr(pool, "Add") else pool.AddSerializedFile(f.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Row"))


def test_protobuf_goes_through_the_broker_and_back(registry):
    row = protobuf_class()
    values = [row(id=3, tags=["a", "b"]), row(id=4, place=row.DESCRIPTOR.nested_types_by_name["Place"]._concrete_class(city="x"))]
    out = round_trip(registry, "proto", ProtobufSerializer(row, registry.client(), {"use.deprecated.format": False}),
                     ProtobufDeserializer(row, {"use.deprecated.format": False}), values)
    assert out == values
    assert registry.client().get_latest_version("proto-value").schema.schema_type == "PROTOBUF"


def protobuf_with_imports(folder):
    """A message whose file imports another and well-known types, as the compiler makes it."""
    import importlib
    import sys

    from grpc_tools import protoc

    name = f"row_{folder.name.replace('-', '_')}"
    (folder / f"{name}_leaf.proto").write_text(f'syntax = "proto3"; package {name}; message Leaf {{ int32 v = 1; }}')
    (folder / f"{name}.proto").write_text(
        f'syntax = "proto3"; package {name}; import "{name}_leaf.proto"; import "google/protobuf/timestamp.proto"; '
        "message Top { Leaf leaf = 1; google.protobuf.Timestamp at = 2; map<string, Leaf> leaves = 3; "
        "optional string note = 4; oneof way { int32 a = 5; string b = 6; } }")
    include = str(protoc.__file__).rsplit("/", 1)[0] + "/_proto"
    assert protoc.main(["protoc", f"-I{folder}", f"-I{include}", f"--python_out={folder}", f"{name}.proto", f"{name}_leaf.proto"]) == 0
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(f"{name}_pb2").Top
    finally:
        sys.path.remove(str(folder))


@pytest.mark.parametrize("clients", ["one", "two"])
def test_protobuf_with_imports_is_registered_with_them_and_read(registry, tmp_path, clients):
    """A client sends descriptors, its imports first, and reads by the descriptors that the registry gives."""
    top = protobuf_with_imports(tmp_path)
    writer = registry.client()
    reader = writer if clients == "one" else registry.client()
    message = top(note="n", b="x")
    message.leaf.v = 5
    message.at.seconds = 7
    message.leaves["k"].v = 3
    out = round_trip(registry, "imports", ProtobufSerializer(top, writer), ProtobufDeserializer(top, {}, reader), [message])
    assert out == [message]
    assert [r.name for r in writer.get_latest_version("imports-value").schema.references] == [f"{top.DESCRIPTOR.file.name[:-6]}_leaf.proto"]


def test_a_schema_comes_in_the_format_that_is_asked_for(registry):
    import base64

    from google.protobuf import descriptor_pb2

    text = 'syntax = "proto3";\npackage p;\n\nmessage M {\n  int32 x = 1 [(q) = 1];\n}\n'
    one = registry.register("p-value", text, "PROTOBUF")["id"]
    for path in (f"/schemas/ids/{one}", "/subjects/p-value/versions/1", "/subjects/p-value/versions/latest"):
        assert registry.ask("GET", path)["schema"] == text
        serialized = registry.ask("GET", f"{path}?format=serialized")["schema"]
        file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(serialized))
        assert file.package == "p" and file.message_type[0].field[0].name == "x"
        assert registry.ask("GET", f"{path}?format=ignore_extensions")["schema"] == text.replace(" [(q) = 1]", "")
        assert registry.ask("GET", f"{path}?format=nonsense")["schema"] == text
    registry.register("leaf", {"type": "enum", "name": "x.E", "symbols": ["A"]}, "AVRO")
    two = registry.register("a-value", record({"name": "e", "type": "x.E"}), "AVRO",
                            references=[{"name": "x.E", "subject": "leaf", "version": 1}])["id"]
    assert '"type":"x.E"' in registry.ask("GET", f"/schemas/ids/{two}")["schema"]
    assert '"symbols":["A"]' in registry.ask("GET", f"/schemas/ids/{two}?format=resolved")["schema"]


def test_a_reader_with_a_newer_avro_schema_resolves_old_records(registry):
    old = json.dumps(record(ID))
    new = json.dumps(record(ID, NAME))
    out = round_trip(registry, "evolving", AvroSerializer(registry.client(), old),
                     AvroDeserializer(registry.client(), new), [{"id": 5}])
    assert out == [{"id": 5, "name": None}]


# --- the official client's calls --------------------------------------------------------------------------------------


def test_the_clients_calls(registry):
    client = registry.client()
    first = Schema(json.dumps(record(ID)), "AVRO")
    second = Schema(json.dumps(record(ID, NAME)), "AVRO")
    id1 = client.register_schema("s-value", first)
    assert client.register_schema("s-value", first) == id1
    assert client.register_schema("other-value", first) == id1
    assert client.test_compatibility("s-value", second)
    id2 = client.register_schema("s-value", second)
    assert id2 == id1 + 1
    assert client.get_versions("s-value") == [1, 2]
    assert sorted(client.get_subjects()) == ["other-value", "s-value"]
    assert client.get_latest_version("s-value").schema_id == id2
    assert client.get_version("s-value", 1).schema_id == id1
    assert json.loads(client.get_schema(id1).schema_str) == record(ID)
    assert client.lookup_schema("s-value", second).version == 2
    with pytest.raises(SchemaRegistryError) as e:
        client.register_schema("s-value", Schema(json.dumps(record(ID, {"name": "must", "type": "int"})), "AVRO"))
    assert (e.value.http_status_code, e.value.error_code) == (409, 409)
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in e.value.error_message
    assert client.set_compatibility("s-value", "NONE")["compatibility"] == "NONE"
    assert client.get_compatibility("s-value") == "NONE"
    client.register_schema("s-value", Schema('"string"', "AVRO"))
    assert client.delete_version("s-value", 3) == 3
    assert client.get_versions("s-value") == [1, 2]
    assert client.delete_subject("s-value") == [1, 2]
    assert client.get_subjects() == ["other-value"]
    assert client.get_schema(id2)  # what was written with it can be read
    assert sorted(client.delete_subject("s-value", permanent=True)) == [1, 2, 3]
    with pytest.raises(SchemaRegistryError) as e:
        registry.client().get_schema(id2)
    assert e.value.error_code == 40403


def test_references_are_resolved_and_guarded(registry):
    client = registry.client()
    client.register_schema("place", Schema(json.dumps({"type": "record", "name": "Place", "namespace": "t", "fields": [
        {"name": "city", "type": "string"}]}), "AVRO"))
    uses = record(ID, {"name": "place", "type": "t.Place"})
    client.register_schema("row", Schema(json.dumps(uses), "AVRO", [SchemaReference("t.Place", "place", 1)]))
    row = client.get_latest_version("row")
    assert [(r.name, r.subject, r.version) for r in row.schema.references] == [("t.Place", "place", 1)]
    assert registry.ask("GET", "/subjects/place/versions/1/referencedby") == [row.schema_id]
    assert registry.ask("DELETE", "/subjects/place/versions/1", status=422)["error_code"] == 42206
    assert registry.ask("DELETE", "/subjects/place", status=422)["error_code"] == 42206
    missing = registry.register("bad", uses, "AVRO", 422, references=[{"name": "t.Place", "subject": "no", "version": 1}])
    assert missing["error_code"] == 42201


# --- the API by itself -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method, path, body, status, code", [
    ("GET", "/subjects/none/versions", None, 404, 40401),
    ("GET", "/subjects/s/versions/9", None, 404, 40402),
    ("GET", "/subjects/s/versions/none", None, 422, 42202),
    ("GET", "/subjects/s/versions/0", None, 422, 42202),
    ("GET", "/schemas/ids/999", None, 404, 40403),
    ("POST", "/subjects/s", {"schema": '{"type":"array"}', "schemaType": "JSON"}, 404, 40403),
    ("POST", "/subjects/none", {"schema": "{}", "schemaType": "JSON"}, 404, 40401),
    ("POST", "/subjects/s/versions", {"schema": "{", "schemaType": "JSON"}, 422, 42201),
    ("POST", "/subjects/s/versions", {"schema": "{}", "schemaType": "XML"}, 422, 42201),
    ("POST", "/subjects/s/versions", {"schemaType": "JSON"}, 422, 42201),
    ("POST", "/subjects/s/versions", {"schema": "{}", "schemaType": "JSON"}, 409, 409),
    ("POST", "/subjects/s/versions", {"schema": "{}", "schemaType": "JSON", "id": 5}, 422, 42205),
    ("PUT", "/config", {"compatibility": "SOMEHOW"}, 422, 42203),
    ("GET", "/config/s", None, 404, 40408),
    ("DELETE", "/config/s", None, 404, 40401),
    ("PUT", "/mode", {"mode": "SOMEHOW"}, 422, 42204),
    ("GET", "/mode/s", None, 404, 40409),
    ("DELETE", "/subjects/none", None, 404, 40401),
    ("DELETE", "/subjects/s?permanent=true", None, 404, 40405),
    ("DELETE", "/subjects/s/versions/1?permanent=true", None, 404, 40407),
    ("GET", "/nothing/here", None, 404, 404),
    ("PATCH", "/subjects", None, 405, 405),
])
def test_what_is_refused(registry, method, path, body, status, code):
    registry.register("s", CLOSED)
    assert registry.ask(method, path, body, status)["error_code"] == code
    assert registry.ask("GET", "/subjects/s/versions") == [1]


def test_bodies_that_are_none(registry):
    for body in (b"\xff\xfe", b"[1]", b"{", b"{" * 100_000, b'{"schema": "' + b"\\u0000" * 10 + b'"}'):
        answer = requests.post(registry.url + "/subjects/s/versions", data=body, timeout=20)
        assert answer.status_code in (400, 422), body[:20]
    answer = requests.post(registry.url + "/subjects/s/versions", data=b" " * (5 << 20), timeout=20)
    assert answer.status_code == 413
    assert registry.ask("GET", "/subjects") == []


def test_names_with_slashes_and_colons_and_beyond_ascii(registry):
    for name in ("a/b", "a:b-value", "ä ö", "100%", "a?b=c&d"):
        path = requests.utils.quote(name, safe="")
        registry.register(path, CLOSED)
        assert registry.ask("GET", f"/subjects/{path}/versions/latest")["subject"] == name
    assert registry.ask("GET", "/subjects?subjectPrefix=a") == ["a/b", "a:b-value", "a?b=c&d"]
    assert registry.ask("GET", "/subjects?offset=1&limit=2") == ["a/b", "a:b-value"]


def test_soft_deletion_and_its_views(registry):
    registry.register("s", CLOSED)
    registry.ask("PUT", "/config/s", {"compatibility": "NONE"})
    registry.register("s", {"type": "string"})
    assert registry.ask("DELETE", "/subjects/s/versions/latest") == 2
    assert registry.ask("DELETE", "/subjects/s/versions/2", status=404)["error_code"] == 40406
    assert registry.ask("GET", "/subjects/s/versions") == [1]
    assert registry.ask("GET", "/subjects/s/versions?deleted=true") == [1, 2]
    assert registry.ask("GET", "/subjects/s/versions?deletedOnly=true") == [2]
    assert registry.ask("DELETE", "/subjects/s") == [1]
    assert registry.ask("DELETE", "/subjects/s", status=404)["error_code"] == 40404
    assert registry.ask("GET", "/subjects") == []
    assert registry.ask("GET", "/subjects?deleted=true") == ["s"]
    assert registry.ask("GET", "/subjects?deletedOnly=true") == ["s"]
    assert registry.register("s", CLOSED)["version"] == 3  # a version's number is not given again
    assert registry.ask("GET", "/schemas/ids/1/versions") == [{"subject": "s", "version": 3}]


def test_import_mode_keeps_ids_and_versions(registry):
    registry.ask("PUT", "/mode/s", {"mode": "IMPORT"})
    registry.register("s", CLOSED, id=4711, version=12)
    assert registry.ask("GET", "/subjects/s/versions/12")["id"] == 4711
    assert registry.register("s", {"type": "null"}, status=422, id=4711, version=13)["error_code"] == 42205
    registry.ask("PUT", "/mode/s", {"mode": "READWRITE"})
    registry.ask("PUT", "/config/s", {"compatibility": "NONE"})
    assert registry.register("s", {"type": "string"}) | {"guid": ""} == registry.register("s", {"type": "string"}) | {"guid": ""}
    assert registry.ask("GET", "/subjects/s/versions/latest")["id"] == 4712
    registry.ask("PUT", "/mode", {"mode": "READONLY"})
    assert registry.register("t", CLOSED, status=422)["error_code"] == 42205
    assert registry.ask("DELETE", "/subjects/t", status=422)["error_code"] == 42205
    registry.ask("PUT", "/mode/s", {"mode": "READONLY"})
    assert registry.ask("DELETE", "/subjects/s", status=422)["error_code"] == 42205
    registry.ask("DELETE", "/mode")
    registry.register("t", CLOSED)


@pytest.mark.parametrize("level, changes", [
    # a level, and which of these changes it lets pass: a field with a default added, one without, a field taken away
    ("NONE", (True, True, True)),
    ("BACKWARD", (True, False, True)),
    ("BACKWARD_TRANSITIVE", (True, False, True)),
    ("FORWARD", (True, True, False)),
    ("FORWARD_TRANSITIVE", (True, True, False)),
    ("FULL", (True, False, False)),
    ("FULL_TRANSITIVE", (True, False, False)),
])
def test_the_levels_of_compatibility(registry, level, changes):
    registry.ask("PUT", "/config", {"compatibility": level})
    base = record(ID, {"name": "b", "type": "int"})
    candidates = [record(ID, {"name": "b", "type": "int"}, NAME), record(ID, {"name": "b", "type": "int"}, {"name": "c", "type": "int"}),
                  record(ID)]
    registry.register("s", base, "AVRO")
    got = tuple(registry.ask("POST", "/compatibility/subjects/s/versions/latest",
                             {"schema": json.dumps(c), "schemaType": "AVRO"})["is_compatible"] for c in candidates)
    assert got == changes


def test_transitive_levels_look_at_all_versions(registry):
    # v1 has `a` as a string, v2 has none, v3 wants `a` as an int: v3 reads v2, but not v1
    v1, v2 = record(ID, {"name": "a", "type": "string", "default": ""}), record(ID)
    v3 = record(ID, {"name": "a", "type": "int", "default": 0})
    registry.ask("PUT", "/config", {"compatibility": "BACKWARD"})
    registry.register("s", v1, "AVRO")
    registry.register("s", v2, "AVRO")
    body = {"schema": json.dumps(v3), "schemaType": "AVRO"}
    assert registry.ask("POST", "/compatibility/subjects/s/versions", body)["is_compatible"]
    registry.ask("PUT", "/config", {"compatibility": "BACKWARD_TRANSITIVE"})
    answer = registry.ask("POST", "/compatibility/subjects/s/versions?verbose=true", body)
    assert not answer["is_compatible"] and any("TYPE_MISMATCH" in m for m in answer["messages"])


def test_normalized_schemas_are_one(registry):
    a = '{"type":"object","title":"t","properties":{"b":{"type":"string"},"a":{"type":"integer"}}}'
    b = '{"title":"t", "properties":{"a":{"type":"integer"},"b":{"type":"string"}},"type":"object"}'
    first = registry.ask("POST", "/subjects/s/versions?normalize=true", {"schema": a, "schemaType": "JSON"})
    second = registry.ask("POST", "/subjects/s/versions?normalize=true", {"schema": b, "schemaType": "JSON"})
    assert first["id"] == second["id"]
    assert registry.ask("POST", "/subjects/s", {"schema": b, "schemaType": "JSON"}, 404)["error_code"] == 40403
    assert registry.ask("POST", "/subjects/s?normalize=true", {"schema": b, "schemaType": "JSON"})["id"] == first["id"]


def test_metadata_and_rules_are_kept(registry):
    rules = {"domainRules": [{"name": "r", "kind": "CONDITION", "type": "CEL", "mode": "WRITE", "expr": "true"}]}
    registry.register("s", CLOSED, metadata={"properties": {"owner": "me"}}, ruleSet=rules)
    latest = registry.ask("GET", "/subjects/s/versions/latest")
    assert latest["metadata"] == {"properties": {"owner": "me"}} and latest["ruleSet"] == rules
    assert registry.ask("GET", "/subjects/s/metadata?key=owner&value=me")["version"] == 1
    assert registry.ask("GET", "/subjects/s/metadata?key=owner&value=you", status=404)["error_code"] == 40403


# --- durability, and several at once -------------------------------------------------------------------------------------


def schemas_of(registry):
    return {(s["subject"], s["version"]): (s["id"], s["schema"]) for s in registry.ask("GET", "/schemas?deleted=true")}


def test_a_kill_takes_nothing_that_was_acknowledged(registry):
    acknowledged = {}
    for turn in range(3):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            def register(i):
                return i, registry.register(f"s{turn}-{i}", {"type": "object", "title": f"{turn}-{i}"})["id"]

            jobs = [pool.submit(register, i) for i in range(40)]
            for n, job in enumerate(concurrent.futures.as_completed(jobs)):
                try:
                    i, number = job.result()
                except (AssertionError, requests.RequestException):
                    continue
                acknowledged[f"s{turn}-{i}"] = number
                if n == 20:
                    registry.kill()
        registry.start()
        found = {s["subject"]: s["id"] for s in registry.ask("GET", "/schemas")}
        assert acknowledged.items() <= found.items()
        ids = list(found.values())
        assert len(ids) == len(set(ids))
    assert len(acknowledged) >= 60


def test_ids_are_not_given_again_after_a_restart(registry):
    last = max(registry.register(f"s{i}", {"type": "object", "title": str(i)})["id"] for i in range(5))
    registry.ask("DELETE", "/subjects/s4")
    registry.ask("DELETE", "/subjects/s4?permanent=true")
    before = schemas_of(registry)
    registry.stop()
    registry.start()
    assert schemas_of(registry) == before
    assert registry.register("new", {"type": "object", "title": "new"})["id"] == last + 1


def test_many_clients_at_once_get_one_id_a_schema(registry):
    def register(i):
        return i % 10, registry.register(f"subject-{i % 4}", {"type": "object", "title": str(i % 10), "not": {"title": str(i % 10)}},
                                         status=200)["id"]

    registry.ask("PUT", "/config", {"compatibility": "NONE"})
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        got = list(pool.map(register, range(200)))
    by_schema = {}
    for title, number in got:
        by_schema.setdefault(title, set()).add(number)
    assert all(len(ids) == 1 for ids in by_schema.values())
    assert len(set().union(*by_schema.values())) == 10
    for s in range(4):
        versions = registry.ask("GET", f"/subjects/subject-{s}/versions")
        assert versions == list(range(1, len(versions) + 1))


def test_every_change_is_announced(registry):
    registry.register("s", CLOSED)
    registry.ask("PUT", "/config/s", {"compatibility": "FULL"})
    registry.ask("DELETE", "/subjects/s/versions/1")
    registry.stop()
    registry.start()
    changes = [json.loads(r.value) for r in read_topic(registry.bootstrap, "schema-changes")]
    assert [c["change"] for c in changes] == ["registered", "config", "deleted"]
    assert all(c["subject"] == "s" for c in changes) and changes[0]["id"] == 1


def test_what_confluents_registry_wrote_is_read(registry):
    """Records as Confluent's own registry writes them, produced by hand while the registry runs."""
    p = Producer({"bootstrap.servers": registry.bootstrap})

    def put(key, value):
        p.produce("_schemas", key=json.dumps(key, separators=(",", ":")), value=None if value is None else json.dumps(value))

    put({"keytype": "NOOP", "magic": 0}, None)
    put({"keytype": "SCHEMA", "subject": "theirs", "version": 1, "magic": 1},
        {"subject": "theirs", "version": 1, "id": 41, "md5": "abc", "schema": '"string"', "deleted": False})
    put({"keytype": "CONFIG", "subject": None, "magic": 0}, {"compatibilityLevel": "NONE"})
    put({"keytype": "SOMETHING", "magic": 9}, {"new": True})
    p.produce("_schemas", key=b"\xff\x00", value=b"not JSON")
    assert p.flush(10) == 0
    assert registry.register("theirs", '"int"', "AVRO")["id"] == 42
    assert registry.ask("GET", "/subjects/theirs/versions") == [1, 2]
    assert registry.ask("GET", "/config") == {"compatibilityLevel": "NONE"}
    put({"keytype": "DELETE_SUBJECT", "subject": "theirs", "magic": 0}, {"subject": "theirs", "version": 2})
    put({"keytype": "SCHEMA", "subject": "theirs", "version": 1, "magic": 1}, None)
    assert p.flush(10) == 0
    registry.register("sync", '"int"', "AVRO")  # a writer has read all that was there
    assert registry.ask("GET", "/subjects/theirs/versions?deleted=true") == [2]


def test_half_requests_and_many_connections_stop_nobody(registry):
    half = []
    for text in [b"", b"GET", b"GET /subjects HTTP/1.1\r\nHost:", b"POST /subjects/s/versions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
                 b"POST /subjects/s/versions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n\r\n", b"\x16\x03\x01\x02\x00", b"\r\n" * 5000,
                 b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"] * 20:
        s = socket.create_connection(("127.0.0.1", registry.http_port), timeout=10)
        try:
            s.sendall(text)
        except OSError:
            pass  # refused while it was sent
        half.append(s)
    assert registry.register("s", CLOSED)["id"] == 1
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert all(v == [1] for v in pool.map(lambda _: registry.ask("GET", "/subjects/s/versions"), range(200)))
    for s in half:
        s.close()
    assert registry.ask("GET", "/subjects") == ["s"]
