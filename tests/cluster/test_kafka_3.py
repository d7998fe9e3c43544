"""The whole platform on Apache Kafka 3.7 (KRaft, SASL PLAIN): the flow tests, as they are for the log inside."""

# ruff: noqa: F401
from flow.test_audit import (
    test_counts_and_fingerprints_are_those_of_an_outside_recount,
    test_it_can_be_run_while_the_platform_is_up,
    test_late_records_make_a_partition_open_until_they_are_in,
    test_records_that_are_on_the_way_are_not_lost,
    worked,
)
from flow.test_bad_input import (
    test_a_record_that_is_too_large_is_refused_by_the_log_and_not_lost_silently,
    test_a_tombstone_is_accounted_for,
    test_every_kind_of_bad_record_is_accounted_for,
    test_ndjson_lines_that_are_no_json_go_to_the_dlq,
)
from flow.test_pipeline import (
    test_a_backfill_gives_the_same_rows,
    test_a_failing_check_fails_the_partition_and_a_repaired_one_passes,
    test_a_key_in_two_dates_is_one_row_where_the_contract_says_so,
    test_a_late_file_corrects_the_numbers,
    test_a_new_domain_is_a_folder,
    test_a_run_beside_a_running_platform_works_with_it,
    test_a_tie_is_decided_by_the_log,
    test_dry_run_of_a_fresh_project_leaves_no_table,
    test_dry_run_writes_nothing,
    test_external_producers_and_a_running_platform,
    test_one_command_brings_a_file_to_the_warehouse,
    test_partition_meta_has_the_specified_columns_and_tells_the_truth,
    test_select_runs_only_what_it_names,
    test_the_same_run_twice_changes_nothing,
    test_trace_follows_one_record,
    test_up_processes_partitions_by_itself,
)
from flow.test_trace import test_a_record_that_is_on_the_way, test_keys_of_several_columns_and_of_numbers
from flow.test_up import (
    test_a_flush_happens_by_number_and_by_time,
    test_sigint_ends_it_in_order,
    test_what_was_flushed_is_committed_and_not_read_again,
)
from support import kafka, orders
from support.project import wait_for
from support.real_kafka import SCRAM
from support.recount import recount

VERSION = "3.7"


def test_scram_opens_the_door_too(project, cluster):
    orders.add_to(project)
    for mechanism in SCRAM:
        project.write_settings(log=cluster.url(mechanism))
        with project.up() as up:
            kafka.produce(up.bootstrap, "raw-orders", [orders.encode(orders.order(i)) for i in range(50)], orders.key_of)
    project("run")
    assert len(recount(project, "orders", ["order_id"], "order_date")["log"]) == 100
    assert set(project.states().values()) == {"DONE"}
    project("status")


def test_a_wrong_password_is_said_and_not_shown(project, cluster):
    orders.add_to(project)
    project.write_settings(log=cluster.url(password="wrong-hunter2"))
    result = project("run", code=None, timeout=15)  # no waiting for a door that will not open
    assert result.code not in (0, 78), result
    assert "uthentication" in result.err and "hunter2" not in result.err + result.out
    assert not (project.root / "data" / "endpoint.json").exists()


def test_the_cluster_goes_away_and_comes_back(project, cluster):
    """What was read is kept, what comes later is read: no restart of the platform."""
    orders.add_to(project)
    values = [orders.encode(orders.order(i)) for i in range(100)]
    with project.up() as up:
        kafka.produce(up.bootstrap, "raw-orders", values[:50], orders.key_of)
        wait_for(lambda: len(project.bronze("orders")) >= 50)
        cluster.stop()
        cluster.log_path.unlink()
        cluster.start()
        kafka.produce(up.bootstrap, "raw-orders", values[50:], orders.key_of)
        wait_for(lambda: len(project.bronze("orders")) >= 100, 60)
    project("run")
    assert len(recount(project, "orders", ["order_id"], "order_date")["log"]) == 100
