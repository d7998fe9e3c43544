"""topic, produce, consume, groups and dlq on Apache Kafka 3.7: their tests, as they are for the log inside."""

# ruff: noqa: F401, F811
from flow.test_consume import (
    raw,
    test_a_group_goes_on_where_it_was,
    test_a_new_topic_is_made_by_use,
    test_a_transaction_is_all_or_nothing,
    test_acks_and_wrong_options,
    test_any_stretch,
    test_follow_goes_on_with_what_comes,
    test_json_goes_round,
    test_keys_headers_partitions_and_nulls,
    test_lines_come_out_as_they_went_in,
    test_lines_that_are_wrong_are_named_and_the_others_are_there,
    timed,
)
from flow.test_consume_schemas import schemas, test_avro_is_decoded_and_encoded
from flow.test_dlq import (
    refused,
    test_a_repaired_record_arrives_once,
    test_a_replay_while_the_platform_is_up,
    test_killed_at_any_moment_each_letter_is_replayed_once,
    test_two_replays_at_once_do_not_double,
    test_what_would_be_refused_again_is_sent_only_by_force,
)
from flow.test_groups import (
    filled,
    member,
    test_a_group_at_work_is_left_alone,
    test_a_group_that_never_was_gets_a_place,
    test_deleting,
    test_every_way_to_move_a_group,
    test_export_and_back,
    test_lag_is_what_is_left,
    test_ls_and_describe_show_members,
)
from flow.test_topic import (
    admin,
    cli,
    test_a_created_topic_is_as_it_was_asked_for,
    test_configurations_change_one_by_one,
    test_describe_shows_offsets_times_and_what_is_set,
    test_ls_counts_as_the_clients_do,
    test_more_partitions_and_never_fewer,
    test_nothing_is_deleted_without_a_yes,
    test_topics_of_a_project_that_is_not_up,
    test_trim_removes_what_is_older,
    test_what_can_not_be_created_says_why,
)

VERSION = "3.7"
