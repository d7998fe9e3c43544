"""The platform on Apache Kafka 4: what differs between versions is the protocol, so the tests that touch every call."""

# ruff: noqa: F401
from flow.test_consume import test_a_group_goes_on_where_it_was, test_a_transaction_is_all_or_nothing, timed
from flow.test_dlq import refused, test_a_repaired_record_arrives_once
from flow.test_groups import (
    filled,
    member,
    test_a_group_at_work_is_left_alone,
    test_deleting,
    test_export_and_back,
    test_ls_and_describe_show_members,
)
from flow.test_topic import (
    admin,
    cli,
    test_configurations_change_one_by_one,
    test_ls_counts_as_the_clients_do,
    test_more_partitions_and_never_fewer,
    test_trim_removes_what_is_older,
)
from flow.test_audit import test_records_that_are_on_the_way_are_not_lost
from flow.test_bad_input import test_every_kind_of_bad_record_is_accounted_for
from flow.test_pipeline import (
    test_a_late_file_corrects_the_numbers,
    test_a_run_beside_a_running_platform_works_with_it,
    test_external_producers_and_a_running_platform,
    test_one_command_brings_a_file_to_the_warehouse,
    test_up_processes_partitions_by_itself,
)

VERSION = "4"
