"""Tables as no good writer leaves them, and as old ones did: each is read right, or refused with its table and file."""

import base64
import datetime
import json
import os
import re
import struct

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interop.test_lake import Failed, Lake

UTC = datetime.timezone.utc


@pytest.fixture
def lake(tmp_path):
    it = Lake(tmp_path)
    yield it
    it.close()


def field(name, kind, nullable=True):
    return {"name": name, "type": kind, "nullable": nullable, "metadata": {}}


def log_of(folder, actions, protocol=None, fields=(), partitions=(), **metadata):
    """A table's log with one commit."""
    (folder / "_delta_log").mkdir(parents=True, exist_ok=True)
    schema = json.dumps({"type": "struct", "fields": list(fields)})
    first = [
        {"protocol": protocol or {"minReaderVersion": 1, "minWriterVersion": 2}},
        {"metaData": {"id": "5a", "format": {"provider": "parquet", "options": {}}, "schemaString": schema,
                      "partitionColumns": list(partitions), "configuration": {}, "createdTime": 1, **metadata}},
    ]
    lines = [json.dumps(a) for a in first + list(actions)]
    (folder / "_delta_log" / f"{0:020d}.json").write_text("\n".join(lines) + "\n")


def add(folder, file, path=None, **more):
    size = os.path.getsize(folder / file)
    return {"add": {"path": path or file, "partitionValues": {}, "size": size, "modificationTime": 1, "dataChange": True, **more}}


def table_of(folder, data, fields, name="t", protocol=None, path=None, more=None, **options):
    """A table of one file with the columns of `data`, whose log says `fields`."""
    (folder / name).mkdir()
    pq.write_table(data, folder / name / "x.parquet", **options)
    log_of(folder / name, [add(folder / name, "x.parquet", path, **(more or {}))], protocol, fields)
    return name


NTZ = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["timestampNtz"], "writerFeatures": ["timestampNtz"]}
TEXT, NUMBER, REAL = pa.array(["1", "2"]), pa.array([1, 2], pa.int64()), pa.array([1.5, 2.5])
DAY = pa.array([datetime.date(2024, 1, 1)] * 2)
OTHER_TYPES = {
    "a text for a number": (TEXT, "integer"),
    "a number for a text": (NUMBER, "string"),
    "a long for an integer": (NUMBER, "integer"),
    "a long for a double": (NUMBER, "double"),
    "a fraction for a long": (REAL, "long"),
    "a double for a float": (REAL, "float"),
    "a day for a time": (DAY, "timestamp"),
    "a struct for a text": (pa.array([{"a": 1}, {"a": 2}]), "string"),
    "a text for a list": (TEXT, {"type": "array", "elementType": "integer", "containsNull": True}),
    "a list for a text": (pa.array([["a"], []]), "string"),
    "a number in a list of texts": (pa.array([[1], []]), {"type": "array", "elementType": "string", "containsNull": True}),
    "a smaller decimal": (pa.array([1, 2], pa.decimal128(9, 4)), "decimal(9,2)"),
    "a decimal with fewer digits before the point": (pa.array([1, 2], pa.decimal128(9, 2)), "decimal(9,4)"),
    "a number for a day": (pa.array([1, 2], pa.int32()), "date"),
    "a truth for a number": (pa.array([True, False]), "byte"),
}


@pytest.mark.parametrize("case", OTHER_TYPES)
def test_a_column_of_another_type_is_refused(lake, case):
    values, kind = OTHER_TYPES[case]
    table_of(lake.folder, pa.table({"ok": NUMBER, "c": values}), [field("ok", "long"), field("c", kind)])
    with pytest.raises(Failed, match="CORRUPT: table t, version 0: the file .*x.parquet: (the )?column"):
        lake("scan t")
    with pytest.raises(Failed, match="x.parquet: (the )?column"):  # whatever is asked for
        lake("scan t | | SELECT sum(ok) FROM t")


def test_what_may_be_widened_is_read(lake):
    data = pa.table({
        "i8": pa.array([1], pa.int8()), "i16": pa.array([2], pa.int16()), "i32": pa.array([3], pa.int32()),
        "d": pa.array([4], pa.int32()), "f": pa.array([5.5], pa.float32()), "dec": pa.array([6], pa.decimal128(9, 2)),
        "n": pa.array([7], pa.int64()), "day": pa.array([datetime.date(2024, 1, 1)]),
    })
    table_of(lake.folder, data, [
        field("i8", "short"), field("i16", "integer"), field("i32", "long"), field("d", "double"), field("f", "double"),
        field("dec", "decimal(12,4)"), field("n", "decimal(22,1)"), field("day", "timestamp_ntz"),
    ], protocol={**NTZ, "readerFeatures": ["timestampNtz", "typeWidening"], "writerFeatures": ["timestampNtz", "typeWidening"]})
    assert lake("scan t | | SELECT i8, i16, i32, d, f, dec::VARCHAR AS dec, n::VARCHAR AS n, day::VARCHAR AS day FROM t") == [
        {"i8": 1, "i16": 2, "i32": 3, "d": 4.0, "f": 5.5, "dec": "6.0000", "n": "7.0", "day": "2024-01-01 00:00:00"}
    ]


def test_a_column_that_must_not_be_null_is_in_each_file(lake):
    data = pa.table({"a": NUMBER})
    table_of(lake.folder, data, [field("a", "long"), field("b", "long", nullable=False)])
    with pytest.raises(Failed, match="CORRUPT: table t, version 0: the file .*x.parquet: column b is NOT NULL"):
        lake("scan t")
    table_of(lake.folder, data.slice(0, 0), [field("a", "long"), field("b", "long", nullable=False)], name="empty")
    assert lake("scan empty") == []


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("kept", ["int96", "converted", "local"])
def test_old_times_do_not_follow_the_session(lake, zone, kept):
    """Times of Impala and old Spark (INT96), of old writers (no mark of UTC), of writers that do not mark them."""
    time = datetime.datetime(2024, 1, 1, 12, 30, tzinfo=None if kept == "local" else UTC)
    kind = pa.timestamp("us", tz=None if kept == "local" else "UTC")
    data = pa.table({"t": pa.array([time, None], kind), "s": pa.array([{"t": time}, None], pa.struct([("t", kind)])),
                     "l": pa.array([[time], []], pa.list_(kind))})
    options = {"int96": {"use_deprecated_int96_timestamps": True}, "converted": {"version": "1.0"}, "local": {}}[kept]
    struct_of = {"type": "struct", "fields": [field("t", "timestamp")]}
    table_of(lake.folder, data, [field("t", "timestamp"), field("s", struct_of),
             field("l", {"type": "array", "elementType": "timestamp", "containsNull": True})], **options)
    lake(f"sql SET TimeZone = '{zone}'")
    want = int(datetime.datetime(2024, 1, 1, 12, 30, tzinfo=UTC).timestamp())
    assert lake("scan t | | SELECT epoch(t) AS t, epoch(s.t) AS s, epoch(l[1]) AS l FROM t WHERE t IS NOT NULL") == [
        {"t": want, "s": want, "l": want}
    ]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_times_without_a_zone_do_not_follow_the_session_either(lake, zone):
    time = datetime.datetime(2024, 1, 1, 12, 30, tzinfo=UTC)
    table_of(lake.folder, pa.table({"t": pa.array([time], pa.timestamp("us", tz="UTC"))}), [field("t", "timestamp_ntz")], protocol=NTZ)
    lake(f"sql SET TimeZone = '{zone}'")
    assert lake("scan t | | SELECT t::VARCHAR AS t FROM t") == [{"t": "2024-01-01 12:30:00"}]


def unmarked(path, names):
    """Takes the marks of texts from a file's columns, as writers of old did without them: pyarrow cannot, so its bytes
    columns are written under the texts' names."""
    data = pa.table({n: pa.array([v.encode() if v else v for v in values], pa.binary()) for n, values in names.items()})
    pq.write_table(data, path)


def test_unmarked_texts_beside_bytes_are_texts(lake):
    (lake.folder / "t").mkdir()
    unmarked(lake.folder / "t" / "x.parquet", {"text": ["ä\\x41", None], "bytes": ["\x00\x01", None]})
    log_of(lake.folder / "t", [add(lake.folder / "t", "x.parquet")], fields=[field("text", "string"), field("bytes", "binary")])
    assert lake("scan t | | SELECT text, octet_length(bytes) AS n FROM t ORDER BY n") == [{"text": "ä\\x41", "n": 2}, {"text": None, "n": None}]


def test_texts_as_bytes_stay_what_they_are(lake):
    table_of(lake.folder, pa.table({"b": ["a\\x41b"]}), [field("b", "binary")])
    assert lake("scan t | | SELECT octet_length(b) AS n FROM t") == [{"n": 6}]


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])
def test_a_nan_that_a_files_bounds_leave_out_is_found(lake, kind):
    values = pa.array([1.0, 2.0, float("nan"), None], kind)
    data = pa.table({"i": [1, 2, 3, 4], "d": values, "s": pa.StructArray.from_arrays([values], ["x"])})
    deltalake.write_deltalake(lake.folder / "t", data)
    file = next((lake.folder / "t").glob("*.parquet"))
    assert pq.ParquetFile(file).metadata.row_group(0).column(1).statistics.max == 2.0
    for where, rows in {"d > 5": [3], "d >= 2": [2, 3], "d <> 1 AND d <> 2": [3], "d = 'nan'": [3], "d < 2": [1],
                        "d IS NULL": [4], "NOT d <= 2": [3], "d BETWEEN 5 AND 'nan'": [3],
                        "s.x > 5": [3], "s.x = 'nan'": [3]}.items():
        assert [r["i"] for r in lake(f"scan t | | SELECT i FROM t WHERE {where} ORDER BY i")] == rows, where
        assert [r["i"] for r in lake(f"where t | {where} | SELECT i FROM t ORDER BY i")] == rows, where
    assert lake("scan t | | SELECT isnan(max(d)) AS m FROM t") == [{"m": True}]


def test_a_list_without_a_group_around_its_elements_is_one(lake):
    """As writers of old have it: the repeated column is the element."""
    kind = pa.list_(pa.field("element", pa.int32(), nullable=False))
    deltalake.write_deltalake(lake.folder / "t", pa.table({"l": pa.array([[1, 2], [], None, [3]], kind)}))
    file = next((lake.folder / "t").glob("*.parquet"))
    pq.write_table(pa.table({"l": pa.array([[1, 2], [], None, [3]], kind)}), file, store_schema=False)
    raw = file.read_bytes()
    size = struct.unpack("<I", raw[-8:-4])[0]
    footer = raw[-8 - size : -8]
    for was, now in [(b"\x35\x04\x18\x04list\x15\x02\x00", b""), (b"\x25\x00\x18\x07element", b"\x25\x04\x18\x07element"),
                     (b"\x19\x4c", b"\x19\x3c")]:  # the group goes, its element repeats, one less in the schema
        assert was in footer
        footer = footer.replace(was, now, 1)
    file.write_bytes(raw[: -8 - size] + footer + struct.pack("<I", len(footer)) + b"PAR1")
    assert pq.read_table(file).to_pylist() == [{"l": [1, 2]}, {"l": []}, {"l": None}, {"l": [3]}]
    log = lake.folder / "t" / "_delta_log" / f"{0:020}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if "add" in action:
            action["add"]["size"] = file.stat().st_size
    log.write_text("".join(json.dumps(action) + "\n" for action in actions))
    assert lake("scan t | | SELECT l FROM t") == [{"l": [1, 2]}, {"l": []}, {"l": None}, {"l": [3]}]


def vector_of(row):
    """An inline deletion vector of one row."""
    bitmap = struct.pack("<II HH I H", 12346, 1, 0, 0, 16, row)
    raw = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    padded = raw + b"\0" * (-len(raw) % 4)
    return {"storageType": "i", "pathOrInlineDv": base64.b85encode(padded).decode().translate(Z85), "sizeInBytes": len(raw), "cardinality": 1}


B85_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
Z85_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
Z85 = str.maketrans(B85_DIGITS, Z85_DIGITS)
VECTORS = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}


@pytest.mark.parametrize("row, good", [(0, True), (39, True), (40, False), (60000, False)])
def test_a_vector_behind_the_last_row_is_refused(lake, row, good):
    table_of(lake.folder, pa.table({"i": list(range(40))}), [field("i", "long")], protocol=VECTORS,
             more={"deletionVector": vector_of(row), "stats": json.dumps({"numRecords": 40})})
    if good:
        assert [r["i"] for r in lake("scan t | | SELECT i FROM t ORDER BY i")] == [i for i in range(40) if i != row]
        return
    with pytest.raises(Failed, match=f"CORRUPT: table t, version 0: file x.parquet: .*names row {row}, and the file has 40"):
        lake("scan t")


def test_a_commit_formatted_for_people(lake):
    table_of(lake.folder, pa.table({"a": NUMBER}), [field("a", "long")])
    log = lake.folder / "t" / "_delta_log" / f"{0:020d}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    log.write_text("\n".join(json.dumps(a, indent=2) for a in actions) + "\n")
    assert [r["a"] for r in lake("scan t")] == [1, 2]
    assert deltalake.DeltaTable(lake.folder / "t").to_pyarrow_table().num_rows == 2
    lake("append t | | SELECT 3::BIGINT AS a")
    lake("checkpoint t")
    assert deltalake.DeltaTable(lake.folder / "t").to_pyarrow_table().num_rows == 3
    log.write_text(log.read_text()[:-4])
    with pytest.raises(Failed, match="CORRUPT"):
        lake("scan t@0")


@pytest.mark.parametrize("path", ["./x.parquet", "././x.parquet"])
def test_a_path_that_begins_at_the_table(lake, path):
    table_of(lake.folder, pa.table({"a": NUMBER}), [field("a", "long")], path=path)
    assert [r["a"] for r in lake("scan t")] == [1, 2]
    remove = {"remove": {"path": path, "deletionTimestamp": 1, "dataChange": True}}
    (lake.folder / "t" / "_delta_log" / f"{1:020d}.json").write_text(json.dumps(remove) + "\n")
    assert lake("scan t") == []


def test_columns_that_differ_in_case_alone(lake):
    table_of(lake.folder, pa.table({"a": NUMBER}), [field("a", "long"), field("A", "long")])
    with pytest.raises(Failed, match="UNSUPPORTED: table t: .*columns (a and A|A and a) differ only in case"):
        lake("scan t")


def test_another_format_than_parquet(lake):
    table_of(lake.folder, pa.table({"a": NUMBER}), [field("a", "long")])
    log_of(lake.folder / "t", [], fields=[field("a", "long")], format={"provider": "orc", "options": {}})
    with pytest.raises(Failed, match='UNSUPPORTED: table t: .*format is orc'):
        lake("scan t")


def test_a_missing_part_of_a_checkpoint_is_named(lake):
    table_of(lake.folder, pa.table({"a": NUMBER}), [field("a", "long")])
    lake("append t | | SELECT 3::BIGINT AS a")
    lake("checkpoint t@0")
    log = lake.folder / "t" / "_delta_log"
    (log / f"{0:020d}.checkpoint.parquet").rename(log / f"{0:020d}.checkpoint.{1:010d}.{2:010d}.parquet")
    (log / f"{0:020d}.json").unlink()
    for crc in log.glob("*.crc"):
        crc.unlink()
    with pytest.raises(Failed, match="CORRUPT: table t: a part of 2 is missing of the checkpoint of version 0"):
        lake("scan t")


@pytest.mark.parametrize("statement", ["SELECT sum(hash(a, b)) FROM {t}", "UPDATE {t} SET b = 'x' WHERE a > 10", "DELETE FROM {t} WHERE b < '5'"])
def test_a_damaged_file_is_named_with_table_and_version(ingot, tmp_path, rng, statement):
    """The engine's own words about a damaged Parquet file do not always name it."""
    (tmp_path / "t").mkdir()
    data = pa.table({"a": list(range(1000)), "b": [str(i) for i in range(1000)]})
    for name in ("good.parquet", "bad.parquet"):
        pq.write_table(data, tmp_path / "t" / name, use_dictionary=False)
    log_of(tmp_path / "t", [add(tmp_path / "t", n) for n in ("good.parquet", "bad.parquet")], fields=[field("a", "long"), field("b", "string")])
    file = tmp_path / "t" / "bad.parquet"
    good = file.read_bytes()
    length = struct.unpack("<I", good[-8:-4])[0]
    seen = 0
    for at in [*rng.sample(range(4, len(good) - length - 8), 4), *rng.sample(range(len(good) - length - 8, len(good)), 8)]:
        file.write_bytes(good[:at] + bytes([good[at] ^ 1 << rng.randrange(8)]) + good[at + 1 :])
        result = ingot.run("query", statement.format(t=f"delta('{tmp_path / 't'}')"), code=None)
        if result.code:
            seen += 1
            assert re.search("table .*version 0.*bad.parquet", result.err), (at, result.err)
            assert "good.parquet" not in result.err
        elif not statement.startswith("SELECT"):
            break  # the table is another one now
    assert seen or not statement.startswith("SELECT")


def test_a_damaged_footer_is_seen_before_the_engine_sees_it(lake, rng):
    data = pa.table({"a": list(range(1000)), "b": [str(i) for i in range(1000)]})
    table_of(lake.folder, data, [field("a", "long"), field("b", "string")])
    file = lake.folder / "t" / "x.parquet"
    good = file.read_bytes()
    length = struct.unpack("<I", good[-8:-4])[0]
    want = lake("scan t | | SELECT count(*) AS n, sum(hash(a, b)) AS h FROM t")
    seen = 0
    for at in sorted(rng.sample(range(len(good) - length - 8, len(good)), 60)):
        file.write_bytes(good[:at] + bytes([good[at] ^ 1 << rng.randrange(8)]) + good[at + 1 :])
        try:
            lake("scan t | | SELECT count(*) AS n, sum(hash(a, b)) AS h FROM t")
        except Failed as why:
            seen += "table t" in str(why) and "x.parquet" in str(why)
    assert seen
    file.write_bytes(good)
    assert lake("scan t | | SELECT count(*) AS n, sum(hash(a, b)) AS h FROM t") == want
