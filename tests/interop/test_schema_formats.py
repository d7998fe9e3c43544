"""Schemas and values against the libraries of others: fastavro, and Google's protobuf with its compiler.

Random schemas and values from the seed that pytest's header names. The program that runs our side is built with the unit
tests: tests/unit/registry/test_schema_script.c.
"""

import base64
import io
import json
import math
import os
import pathlib
import subprocess

import pytest

from support.project import SOURCE_DIR

fastavro = pytest.importorskip("fastavro")
protoc = pytest.importorskip("grpc_tools.protoc")
from google.protobuf import (  # noqa: E402
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    json_format,
    message_factory,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)


class Script:
    """Our formats behind a pipe: one JSON object a line, there and back."""

    def __init__(self):
        program = os.environ.get("INGOT_SCHEMA_SCRIPT", SOURCE_DIR / "build" / "tests" / "unit_registry_schema_script")
        if not pathlib.Path(program).exists():
            pytest.exit(f"{program} is not there: scripts/build release unit_registry_schema_script", returncode=2)
        self.process = subprocess.Popen([program, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, **question):
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the program ended at {question}"
        return json.loads(answer)

    def ok(self, **question):
        answer = self.ask(**question)
        assert "ok" in answer, (answer, question)
        return answer["ok"]


@pytest.fixture(scope="module")
def script():
    script = Script()
    yield script
    script.process.stdin.close()
    assert script.process.wait(10) == 0


def same(ours, theirs):
    """Equal as JSON, but for how a floating-point number is written."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, float) or isinstance(theirs, float):
        return not isinstance(ours, str) and not isinstance(theirs, str) and math.isclose(ours, theirs, rel_tol=1e-6)
    return ours == theirs


# --- Avro ------------------------------------------------------------------------------------------------------------

AVRO_PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]


class AvroMaker:
    def __init__(self, rng):
        self.rng = rng
        self.named = {}
        self.open = set()  # records whose fields are being made

    def schema(self, depth, union=True):
        rng, kind = self.rng, self.rng.random()
        if depth == 0 or kind < 0.35:
            return rng.choice(AVRO_PRIMITIVES)
        if kind < 0.45 and self.named.keys() - self.open:
            return rng.choice(sorted(self.named.keys() - self.open))
        if kind < 0.55:
            return {"type": "array", "items": self.schema(depth - 1)}
        if kind < 0.65:
            return {"type": "map", "values": self.schema(depth - 1)}
        if kind < 0.78 and union:
            branches = {}
            for _ in range(rng.randint(1, 4)):
                known = dict(self.named)
                branch = self.schema(depth - 1, union=False)
                if branch_name(branch) in branches:
                    self.named = known  # what it defined goes with it
                else:
                    branches[branch_name(branch)] = branch
            return list(branches.values())
        name = f"x.T{len(self.named)}"
        if kind < 0.85:
            self.named[name] = schema = {"type": "enum", "name": name, "symbols": [f"S{i}" for i in range(rng.randint(1, 5))]}
        elif kind < 0.9:
            self.named[name] = schema = {"type": "fixed", "name": name, "size": rng.randint(0, 8)}
        else:
            self.named[name] = schema = {"type": "record", "name": name, "fields": []}
            self.open.add(name)
            fields = [{"name": f"f{i}", "type": self.schema(depth - 1)} for i in range(rng.randint(0, 5))]
            if rng.random() < 0.2:
                fields.append({"name": "next", "type": ["null", name]})
            self.open.remove(name)
            schema["fields"] = fields
        return schema

    def value(self, schema, depth=8):
        rng = self.rng
        if isinstance(schema, list):
            return self.value(schema[0] if depth < 0 else rng.choice(schema), depth)
        if isinstance(schema, str) and schema in self.named:
            return self.value(self.named[schema], depth - 1)
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind == "record":
            return {f["name"]: self.value(f["type"], depth - 1) for f in schema["fields"]} | {"-type": schema["name"]}
        if kind == "array":
            return [self.value(schema["items"], depth - 1) for _ in range(rng.randint(0, 3) if depth > 0 else 0)]
        if kind == "map":
            return {f"k{i}é": self.value(schema["values"], depth - 1) for i in range(rng.randint(0, 3) if depth > 0 else 0)}
        if kind == "enum":
            return rng.choice(schema["symbols"])
        if kind == "fixed":
            return rng.randbytes(schema["size"])
        return {
            "null": None,
            "boolean": rng.random() < 0.5,
            "int": rng.choice([0, -1, 2**31 - 1, -(2**31), rng.randint(-1000, 1000)]),
            "long": rng.choice([0, 2**63 - 1, -(2**63), rng.randint(-(10**12), 10**12)]),
            "float": rng.choice([0.0, 1.5, -0.25, math.inf]),
            "double": rng.choice([0.1, 1e300, -5e-324, rng.random() * 10 ** rng.randint(-20, 20), -math.inf]),
            "bytes": rng.randbytes(rng.randint(0, 6)),
            "string": rng.choice(["", 'a"\\\n\x01', "日本é😀"]),
        }[kind]


def branch_name(schema):
    if isinstance(schema, str):
        return schema
    return schema["name"] if "name" in schema else schema["type"]


def test_avro_values_are_what_fastavro_wrote_and_back(script, rng):
    """fastavro writes bytes and Avro's JSON encoding; ours reads the one as the other, and writes the same bytes."""
    done = 0
    while done < 400:
        maker = AvroMaker(rng)
        schema = maker.schema(4)
        parsed = fastavro.parse_schema(json.loads(json.dumps(schema)))
        value = maker.value(schema)
        binary, text = io.BytesIO(), io.StringIO()
        try:
            fastavro.schemaless_writer(binary, parsed, value)
            fastavro.json_writer(text, parsed, [value], write_union_type=True)
        except Exception:  # noqa: BLE001
            continue  # fastavro could not tell which branch of a union is meant, or stumbled over an empty record
        ours = script.ok(type="AVRO", op="decode", schema=json.dumps(schema), bytes=binary.getvalue().hex())
        theirs = json.loads(text.getvalue(), parse_constant=lambda c: c)
        assert same(json.loads(ours), theirs), (schema, binary.getvalue().hex())
        again = script.ok(type="AVRO", op="encode", schema=json.dumps(schema), json=ours)
        read = fastavro.schemaless_reader(io.BytesIO(bytes.fromhex(again)), parsed)
        assert read == fastavro.schemaless_reader(io.BytesIO(binary.getvalue()), parsed), (schema, ours)
        done += 1


def test_avro_damaged_bytes_are_refused_or_read_but_do_no_harm(script, rng):
    for _ in range(300):
        maker = AvroMaker(rng)
        schema = json.dumps(maker.schema(4))
        answer = script.ask(type="AVRO", op="decode", schema=schema, bytes=rng.randbytes(rng.randint(0, 40)).hex())
        assert ("ok" in answer) != ("error" in answer)
        if "ok" in answer:
            json.loads(answer["ok"])


def test_avro_texts_mean_the_same_to_fastavro(script, rng):
    """The canonical and the normalized text are the schema that was given: their parsing canonical forms agree."""
    for _ in range(200):
        schema = AvroMaker(rng).schema(4)
        form = fastavro.schema.to_parsing_canonical_form(json.loads(json.dumps(schema)))
        for op in ("canonical", "normalize"):
            text = script.ok(type="AVRO", op=op, schema=json.dumps(schema))
            assert fastavro.schema.to_parsing_canonical_form(json.loads(text)) == form


# --- Protobuf --------------------------------------------------------------------------------------------------------

SCALARS = "int32 int64 uint32 uint64 sint32 sint64 fixed32 fixed64 sfixed32 sfixed64 bool string bytes float double".split()
WELL_KNOWN = [
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
    "google.protobuf.Struct",
    "google.protobuf.Value",
    "google.protobuf.ListValue",
    "google.protobuf.FieldMask",
    "google.protobuf.Empty",
    "google.protobuf.Int64Value",
    "google.protobuf.UInt32Value",
    "google.protobuf.BoolValue",
    "google.protobuf.StringValue",
    "google.protobuf.BytesValue",
    "google.protobuf.DoubleValue",
    "google.protobuf.FloatValue",
]
IMPORTS = "".join(
    f'import "google/protobuf/{name}.proto";\n' for name in ("timestamp", "duration", "struct", "field_mask", "empty", "wrappers")
)


class ProtoMaker:
    def __init__(self, rng):
        self.rng = rng
        self.names = []

    def field(self, number, labels=True):
        rng = self.rng
        kind = rng.choice(SCALARS if rng.random() < 0.6 or not self.names else self.names)
        if rng.random() < 0.15:
            kind = rng.choice(WELL_KNOWN)
        if labels and rng.random() < 0.12:
            return f"map<{rng.choice(['string', 'int32', 'bool', 'uint64', 'sint64', 'fixed32'])}, {kind}> map_{number} = {number};"
        label = rng.choice(["", "", "optional ", "repeated "]) if labels else ""
        packed = " [packed = false]" if label == "repeated " and kind in SCALARS[:11] and rng.random() < 0.3 else ""
        return f"{label}{kind} field_{rng.choice(['a', 'b2', 'c_d'])}_{number} = {number}{packed};"

    def message(self, depth, path):
        rng = self.rng
        name = f"M{len(self.names)}"
        path = f"{path}.{name}"
        self.names.append(path)
        parts = [self.message(depth - 1, path) for _ in range(rng.randint(0, 2) if depth else 0)]
        if rng.random() < 0.3:
            enum = f"E{len(self.names)}"
            self.names.append(f"{path}.{enum}")
            parts.append(f"enum {enum} {{ {enum}_ZERO = 0; {enum}_ONE = 1; {enum}_NEG = -3; }}")
        numbers = rng.sample([n for n in range(1, 3000) if n < 40 or n > 2900], rng.randint(0, 8))
        cut = rng.randint(0, len(numbers))
        parts += [self.field(n) for n in numbers[:cut]]
        if cut < len(numbers):
            parts.append(f"oneof choice {{ {' '.join(self.field(n, labels=False) for n in numbers[cut:])} }}")
        return f"message {name} {{\n{chr(10).join(parts)}\n}}"

    def file(self):
        messages = [self.message(2, ".pkg") for _ in range(self.rng.randint(1, 3))]
        return f'syntax = "proto3";\npackage pkg;\n{IMPORTS}' + "\n".join(messages)


def compile_proto(text, folder):
    """What Google's compiler makes of it: a FileDescriptorProto."""
    (folder / "test.proto").write_text(text)
    include = pathlib.Path(protoc.__file__).parent / "_proto"
    out = folder / "out.bin"
    code = protoc.main(["protoc", f"-I{folder}", f"-I{include}", f"--descriptor_set_out={out}", "test.proto"])
    assert code == 0, text
    return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file[0]


def pool_of(file):
    pool = descriptor_pool.DescriptorPool()
    for module in (duration_pb2, empty_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return pool


def random_scalar(rng, field):
    kinds = field
    if field.cpp_type in (kinds.CPPTYPE_INT32, kinds.CPPTYPE_ENUM):
        if field.cpp_type == kinds.CPPTYPE_ENUM:
            return rng.choice([v.number for v in field.enum_type.values] + [77])
        return rng.choice([0, 1, -1, 2**31 - 1, -(2**31)])
    if field.cpp_type == kinds.CPPTYPE_INT64:
        return rng.choice([0, 1, -1, 2**63 - 1, -(2**63)])
    if field.cpp_type == kinds.CPPTYPE_UINT32:
        return rng.choice([0, 1, 2**32 - 1])
    if field.cpp_type == kinds.CPPTYPE_UINT64:
        return rng.choice([0, 1, 2**64 - 1])
    if field.cpp_type == kinds.CPPTYPE_BOOL:
        return rng.random() < 0.5
    if field.cpp_type == kinds.CPPTYPE_STRING:
        if field.type == kinds.TYPE_BYTES:
            return rng.randbytes(rng.randint(0, 5))
        return rng.choice(["", "x", 'é"\\\n', "日本😀"])
    return rng.choice([0.0, 1.5, -0.25, 1e20, math.inf, 0.5**20])


def fill_known(rng, message):
    name = message.DESCRIPTOR.name
    if name == "Timestamp":
        message.seconds = rng.choice([0, 1700000000, -62135596800, 253402300799, -1])
        message.nanos = rng.choice([0, 1, 120000000, 999999999, 5000])
    elif name == "Duration":
        sign = rng.choice([1, -1])
        message.seconds, message.nanos = sign * rng.choice([0, 5, 315576000000]), sign * rng.choice([0, 500000000, 1])
    elif name == "FieldMask":
        message.paths.extend(rng.sample(["foo_bar", "x", "a.b_c"], rng.randint(0, 3)))
    elif name == "Struct":
        message.update({"a": 1.5, "b": [None, True, "x"], "c": {"d": {}}} if rng.random() < 0.7 else {})
    elif name == "Value":
        json_format.ParseDict(rng.choice([None, True, 2.5, "s", [1.0, "x"], {"k": None}]), message)
    elif name == "ListValue":
        message.extend([1.5, "x", None])
    elif name != "Empty":
        field = message.DESCRIPTOR.fields[0]
        value = random_scalar(rng, field)
        message.value = 2.5 if value == math.inf else value


def fill(rng, message, depth):
    if message.DESCRIPTOR.file.package == "google.protobuf":
        fill_known(rng, message)
        return
    for field in message.DESCRIPTOR.fields:
        if rng.random() < 0.4:
            continue
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        if is_map:
            value = field.message_type.fields_by_name["value"]
            for _ in range(rng.randint(0, 3)):
                key = random_scalar(rng, field.message_type.fields_by_name["key"])
                if value.message_type is not None:
                    target = getattr(message, field.name)[key]
                    if depth > 0 or target.DESCRIPTOR.file.package == "google.protobuf":
                        fill(rng, target, depth - 1)
                else:
                    getattr(message, field.name)[key] = random_scalar(rng, value)
        elif field.is_repeated:
            for _ in range(rng.randint(0, 3)):
                if field.message_type is None:
                    getattr(message, field.name).append(random_scalar(rng, field))
                else:
                    added = getattr(message, field.name).add()
                    if depth > 0 or added.DESCRIPTOR.file.package == "google.protobuf":
                        fill(rng, added, depth - 1)
        elif field.message_type is not None:
            if depth > 0:
                inner = getattr(message, field.name)
                inner.SetInParent()
                fill(rng, inner, depth - 1)
        else:
            setattr(message, field.name, random_scalar(rng, field))


def zigzag(number):
    number = number * 2 if number >= 0 else -number * 2 - 1
    out = b""
    while number >= 0x80:
        out += bytes([0x80 | number & 0x7F])
        number >>= 7
    return out + bytes([number])


def indexes_of(descriptor):
    path = []
    while descriptor is not None:
        siblings = descriptor.containing_type.nested_types if descriptor.containing_type else descriptor.file.message_types_by_name.values()
        real = [m for m in siblings if not m.GetOptions().map_entry] if descriptor.containing_type else list(siblings)
        path.insert(0, [m.full_name for m in real].index(descriptor.full_name))
        descriptor = descriptor.containing_type
    return zigzag(len(path)) + b"".join(zigzag(i) for i in path)


def all_messages(descriptors):
    for descriptor in descriptors:
        if not descriptor.GetOptions().map_entry:
            yield descriptor
            yield from all_messages(descriptor.nested_types)


@pytest.mark.parametrize("form", ["text", "descriptor", "canonical", "normalize", "serialized"])
def test_protobuf_messages_are_what_google_wrote_and_back(script, rng, tmp_path, form):
    """Whatever form the schema has: Google's bytes are read as Google's JSON, and what is written is read by Google."""
    for _ in range(12):
        text = ProtoMaker(rng).file()
        file = compile_proto(text, tmp_path)
        schema = text
        if form == "descriptor":
            schema = base64.b64encode(file.SerializeToString()).decode()
        elif form != "text":
            schema = script.ok(type="PROTOBUF", op=form, schema=text)
        pool = pool_of(file)
        first = True
        for descriptor in all_messages(pool.FindFileByName("test.proto").message_types_by_name.values()):
            cls = message_factory.GetMessageClass(descriptor)
            message = cls()
            fill(rng, message, 3)
            data = message.SerializeToString()
            ours = script.ok(type="PROTOBUF", op="decode", schema=schema, bytes=(indexes_of(descriptor) + data).hex())
            theirs = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
            assert same(json.loads(ours), theirs), (text, descriptor.full_name, data.hex())
            if first:
                again = script.ok(type="PROTOBUF", op="encode", schema=schema, json=ours)
                assert again[:2] == "00"
                assert cls.FromString(bytes.fromhex(again[2:])) == message, (text, ours)
            first = False


def test_protobuf_serialized_is_what_the_compiler_makes(script, rng, tmp_path):
    """A descriptor made here can be used by Google's library, and describes the same messages."""
    for _ in range(15):
        text = ProtoMaker(rng).file()
        theirs = compile_proto(text, tmp_path)
        ours = descriptor_pb2.FileDescriptorProto.FromString(
            base64.b64decode(script.ok(type="PROTOBUF", op="serialized", schema=text))
        )
        ours.name = theirs.name
        sort_fields(ours)
        sort_fields(theirs)
        assert pool_of(ours)
        assert ours == theirs, text


def sort_fields(file):
    """The compiler lists fields and types as they were written; ours has those of oneofs and maps last."""

    def walk(message):
        message.field.sort(key=lambda f: f.number)
        message.nested_type.sort(key=lambda m: m.name)
        for nested in message.nested_type:
            walk(nested)

    for message in file.message_type:
        walk(message)


def test_protobuf_damaged_bytes_are_refused_or_read_but_do_no_harm(script, rng):
    for _ in range(300):
        text = ProtoMaker(rng).file()
        answer = script.ask(type="PROTOBUF", op="decode", schema=text, bytes="00" + rng.randbytes(rng.randint(0, 30)).hex())
        assert ("ok" in answer) != ("error" in answer)
        if "ok" in answer:
            json.loads(answer["ok"])
