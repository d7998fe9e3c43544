"""The outside recount: is every record of the log in exactly one place, and nothing anywhere that is not in the log?

Reads the log with confluent-kafka, bronze with pyarrow, the tables with deltalake. It knows nothing of the domain but
its key; what a contract accepts is the business of the caller's own computation.
"""

import collections
import json

from support import kafka


def _at(row):
    return (row["_topic"], row["_partition"], row["_offset"])


def _some(things, n=3):
    return sorted(things)[:n]


def recount(project, domain, key=None, date_column=None, unique="partition"):
    """Checks one domain of a project that is not up; gives what was found. `key`: columns of the contract's key (none:
    every record is its own)."""
    topic, dlq_topic = f"raw-{domain}", f"dlq-raw-{domain}"
    with project.log() as bootstrap:
        log = {r.at: r for r in kafka.read_topic(bootstrap, topic)}
        dlq = kafka.read_topic(bootstrap, dlq_topic)
    bronze, silver, quarantine = project.bronze(domain), project.silver(domain), project.quarantine(domain)

    # The log's offsets are dense: nothing was lost from within.
    by_partition = collections.defaultdict(list)
    for _, partition, offset in log:
        by_partition[partition].append(offset)
    for partition, offsets in by_partition.items():
        assert sorted(offsets) == list(range(min(offsets), max(offsets) + 1)), f"{topic}/{partition} has a hole"

    # Bronze: every row is the log's record, byte for byte; repeats have the same coordinates.
    in_bronze = {}
    for row in bronze:
        assert _at(row) in log, f"bronze has {_at(row)}, the log has not"
        value = row["_value"]
        assert (value if isinstance(value, bytes) else value.encode()) == log[_at(row)].value, _at(row)
        in_bronze[_at(row)] = row

    # The DLQ: original bytes and key, coordinates in the headers; what silver refused is there once.
    refused_early, refused_late = set(), collections.Counter()
    for r in dlq:
        at = (r.header("ingot-topic"), int(r.header("ingot-partition")), int(r.header("ingot-offset")))
        assert at in log, f"the DLQ has {at}, the log has not"
        assert r.value == log[at].value and r.key == log[at].key, f"the DLQ's copy of {at} differs"
        assert r.header("ingot-reason"), at
        if r.header("ingot-stage") == "bronze":
            refused_early.add(at)
        else:
            assert r.header("ingot-stage") == "silver", r.header("ingot-stage")
            refused_late[at] += 1
    twice = {at for at, n in refused_late.items() if n > 1}
    assert not twice, f"{len(twice)} records are in the DLQ twice: {_some(twice)}"

    # Log = bronze + refused before it.
    lost = set(log) - set(in_bronze) - refused_early
    assert not lost, f"{len(lost)} of {len(log)} records are neither in bronze nor in the DLQ: {_some(lost)}"
    assert not set(in_bronze) & refused_early, _some(set(in_bronze) & refused_early)

    # Silver: no coordinates twice, the hash is the record's.
    in_silver = {}
    for row in silver:
        assert _at(row) not in in_silver, f"{_at(row)} is twice in silver"
        in_silver[_at(row)] = row
        assert row["record_hash"] == log[_at(row)].hash, _at(row)
    in_quarantine = {}
    for row in quarantine:
        assert _at(row) not in in_quarantine, f"{_at(row)} is twice in quarantine"
        assert row["reason"], _at(row)
        in_quarantine[_at(row)] = row
    assert not set(in_silver) & set(in_quarantine), _some(set(in_silver) & set(in_quarantine))
    missing = set(in_quarantine) ^ set(refused_late)
    assert not missing, f"quarantine and DLQ differ in {len(missing)} records: {_some(missing)}"

    # Bronze = silver + quarantine + duplicates of a row in silver.
    duplicates = set(in_bronze) - set(in_silver) - set(in_quarantine)
    if key is None:
        assert not duplicates, f"{len(duplicates)} records of bronze are nowhere: {_some(duplicates)}"
    else:
        def identity(row):
            date = (row.get(date_column),) if unique == "partition" else ()
            return tuple(row.get(k) for k in key) + date

        identities = [identity(row) for row in silver]
        assert len(identities) == len(set(identities)), "a key is twice in silver"
        known = {tuple(row.get(k) for k in key) for row in silver}
        for at in duplicates:
            value = json.loads(log[at].value)
            assert tuple(value.get(k) for k in key) in known, f"{at} is nowhere: {log[at].value[:200]}"
    return {"log": log, "dlq": dlq, "bronze": bronze, "silver": silver, "quarantine": quarantine,
            "duplicates": duplicates, "refused_early": refused_early}


def audit_all(project):
    """`ingot audit` of every partition there is: balanced, says its exit status."""
    for domain, date in sorted(project.states()):
        project("audit", domain, date)
