"""Polars reads what we write: the rows, and not those that a deletion vector or a change has taken. (It has no column
mapping.)"""

import datetime

import polars
import pytest

ROWS = (
    "SELECT i AS id, 'name ' || i AS name, CASE WHEN i % 7 = 0 THEN NULL ELSE i / 4.0 END::DOUBLE AS price,"
    " (i * 1.25)::DECIMAL(10, 2) AS total, TIMESTAMPTZ '2024-01-15 00:00:00+00' + to_seconds(i) AS at,"
    " DATE '2024-01-15' + (i % 3)::INT AS day FROM range(1000) t(i)"
)
CHANGES = [
    "DELETE FROM {t} WHERE id % 10 = 3",
    "UPDATE {t} SET price = price + 1, name = 'ä ''new''' WHERE id < 50",
    "MERGE INTO {t} t USING (SELECT 900 + 50 * i AS id FROM range(4) s(i)) s ON t.id = s.id"
    " WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, 'inserted')",
]
KINDS = {
    "plain": "",
    "partitioned": "PARTITIONED BY (day)",
    "checkpointed": "TBLPROPERTIES ('delta.checkpointInterval' = '2')",
    "vectors": "TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')",
}


@pytest.mark.parametrize("kind", KINDS)
def test_polars_reads_what_we_write(ingot, tmp_path, kind):
    columns = "id BIGINT, name STRING, price DOUBLE, total DECIMAL(10, 2), at TIMESTAMP, day DATE"
    table = f"delta('{tmp_path}/t')"
    ingot.run("query", f"CREATE TABLE {table} ({columns}) {KINDS[kind]}")
    ingot.run("query", f"INSERT INTO {table} {ROWS}")
    for sql in CHANGES:
        ingot.run("query", sql.format(t=table))
    rows = polars.scan_delta(str(tmp_path / "t")).sort("id").collect()
    assert rows.height == 1000 - 100 - 2 + 2
    expected = {}
    for i in range(1000):
        if i % 10 == 3 or i in (900, 950):
            continue
        price = None if i % 7 == 0 else i / 4
        if i < 50:
            price = None if price is None else price + 1
        at = datetime.datetime(2024, 1, 15, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=i)
        name = "ä 'new'" if i < 50 else f"name {i}"
        expected[i] = (i, name, price, i * 5, at, datetime.date(2024, 1, 15 + i % 3))
    expected |= {i: (i, "inserted", None, None, None, None) for i in (1000, 1050)}
    got = [(*r[:3], None if r[3] is None else int(r[3] * 4), *r[4:]) for r in rows.rows()]
    assert got == [expected[i] for i in sorted(expected)]
