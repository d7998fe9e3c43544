/*
 * What the tools ask and change about consumer groups.
 */
#include "log/client.h"

#include <stdio.h>
#include <stdlib.h>

/* --- groups and their members ----------------------------------------------------------------------------------- */

static int by_position(const void *a, const void *b)
{
    const struct log_position *x = a, *y = b;
    const int order = strcmp(x->topic, y->topic);

    return order ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

static struct log_position *copy_list(struct arena *a, const rd_kafka_topic_partition_list_t *list, size_t *n)
{
    struct log_position *out;

    *n = list && list->cnt > 0 ? (size_t)list->cnt : 0;
    out = ARENA_ARRAY(a, struct log_position, *n + 1);
    for (size_t i = 0; i < *n; i++)
        out[i] = (struct log_position){arena_strdup(a, list->elems[i].topic), list->elems[i].partition,
                                       list->elems[i].offset};
    qsort(out, *n, sizeof(*out), by_position);
    return out;
}

static const char *copy_text(struct arena *a, const char *s)
{
    return s ? arena_strdup(a, s) : "";
}

static void take_member(struct arena *a, const rd_kafka_MemberDescription_t *from, struct log_member *out)
{
    const rd_kafka_MemberAssignment_t *assignment = rd_kafka_MemberDescription_assignment(from);

    out->id = copy_text(a, rd_kafka_MemberDescription_consumer_id(from));
    out->instance = copy_text(a, rd_kafka_MemberDescription_group_instance_id(from));
    out->client = copy_text(a, rd_kafka_MemberDescription_client_id(from));
    out->host = copy_text(a, rd_kafka_MemberDescription_host(from));
    out->partitions = copy_list(a, assignment ? rd_kafka_MemberAssignment_partitions(assignment) : NULL, &out->n);
    for (size_t i = 0; i < out->n; i++)
        out->partitions[i].offset = -1;
}

static int by_member(const void *a, const void *b)
{
    return strcmp(((const struct log_member *)a)->id, ((const struct log_member *)b)->id);
}

static void take_group(struct arena *a, const rd_kafka_ConsumerGroupDescription_t *from, struct log_group *out)
{
    const rd_kafka_error_t *e = rd_kafka_ConsumerGroupDescription_error(from);
    const rd_kafka_Node_t *node = rd_kafka_ConsumerGroupDescription_coordinator(from);

    out->name = copy_text(a, rd_kafka_ConsumerGroupDescription_group_id(from));
    out->state = rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupDescription_state(from));
    out->assignor = copy_text(a, rd_kafka_ConsumerGroupDescription_partition_assignor(from));
    out->coordinator = node ? (int32_t)rd_kafka_Node_id(node) : -1;
    out->coordinator_host = copy_text(a, node ? rd_kafka_Node_host(node) : NULL);
    out->coordinator_port = node ? rd_kafka_Node_port(node) : 0;
    out->n_members = rd_kafka_ConsumerGroupDescription_member_count(from);
    out->members = ARENA_ARRAY(a, struct log_member, out->n_members + 1);
    out->error.code = IG_OK;
    if (rd_kafka_error_code(e))
        log_fail(&out->error, rd_kafka_error_code(e), "group %s", out->name);
    for (size_t i = 0; i < out->n_members; i++)
        take_member(a, rd_kafka_ConsumerGroupDescription_member(from, i), &out->members[i]);
    qsort(out->members, out->n_members, sizeof(*out->members), by_member);
}

static enum ig_code describe_result(struct log_question *q, const char *const *names, size_t n, struct log_groups *out,
                                    struct error *err)
{
    const rd_kafka_DescribeConsumerGroups_result_t *r = rd_kafka_event_DescribeConsumerGroups_result(q->event);
    size_t n_results = 0;
    const rd_kafka_ConsumerGroupDescription_t **results =
        r ? rd_kafka_DescribeConsumerGroups_result_groups(r, &n_results) : NULL;

    for (size_t i = 0; i < n; i++) {
        size_t k = 0;

        while (k < n_results && strcmp(rd_kafka_ConsumerGroupDescription_group_id(results[k]), names[i]) != 0)
            k++;
        if (k == n_results)
            return error_set(err, IG_CORRUPT, "group %s: not in the answer", names[i]);
        take_group(&out->arena, results[k], &out->p[i]);
    }
    return IG_OK;
}

enum ig_code log_groups_describe(struct log_client *c, const char *const *names, size_t n, struct log_groups *out,
                                 struct error *err)
{
    const char **asked = check_calloc(n + 1, sizeof(*asked));
    struct log_question q = {0};
    enum ig_code rc = IG_OK;

    *out = (struct log_groups){.n = n};
    arena_init(&out->arena);
    out->p = ARENA_ARRAY(&out->arena, struct log_group, n + 1);
    for (size_t i = 0; i < n; i++)
        asked[i] = names[i];
    if (n > 0)
        rc = log_question_begin(c, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, &q, err);
    if (rc == IG_OK && n > 0) {
        rd_kafka_DescribeConsumerGroups(q.rk, asked, n, q.options, q.queue);
        rc = log_question_wait(&q, "describe groups", err);
    }
    if (rc == IG_OK && n > 0)
        rc = describe_result(&q, names, n, out, err);
    log_question_end(&q);
    free(asked);
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum ig_code log_groups_list(struct log_client *c, struct log_groups *out, struct error *err)
{
    VEC(const char *) names = {0};
    struct log_question q;
    struct arena arena;
    size_t n = 0;
    enum ig_code rc;

    *out = (struct log_groups){0};
    arena_init(&out->arena);
    arena_init(&arena);
    rc = log_question_begin(c, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, &q, err);
    if (rc == IG_OK) {
        rd_kafka_ListConsumerGroups(q.rk, q.options, q.queue);
        rc = log_question_wait(&q, "list groups", err);
    }
    if (rc == IG_OK) {
        const rd_kafka_ListConsumerGroups_result_t *r = rd_kafka_event_ListConsumerGroups_result(q.event);
        const rd_kafka_ConsumerGroupListing_t **valid = r ? rd_kafka_ListConsumerGroups_result_valid(r, &n) : NULL;

        for (size_t i = 0; i < n; i++)
            vec_push(&names, (const char *)arena_strdup(&arena, rd_kafka_ConsumerGroupListing_group_id(valid[i])));
        if (names.n > 0)
            qsort(names.p, names.n, sizeof(*names.p), by_text);
    }
    log_question_end(&q);
    if (rc == IG_OK)
        rc = log_groups_describe(c, names.p, names.n, out, err);
    vec_free(&names);
    arena_release(&arena);
    return rc;
}

void log_groups_free(struct log_groups *groups)
{
    arena_release(&groups->arena);
    *groups = (struct log_groups){0};
}

/* --- committed offsets ------------------------------------------------------------------------------------------- */

/* Is the group's answer without an error, whole and for each partition? */
static enum ig_code group_result(const rd_kafka_group_result_t **results, const size_t *n, const char *what,
                                 struct error *err)
{
    const rd_kafka_topic_partition_list_t *list;
    const rd_kafka_error_t *e;

    if (!results || *n != 1)
        return error_set(err, IG_CORRUPT, "%s: the answer is about %zu groups", what, *n);
    e = rd_kafka_group_result_error(results[0]);
    if (rd_kafka_error_code(e) == RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP ||
        rd_kafka_error_code(e) == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID)
        return error_set(err, IG_CONFLICT, "%s: the group has members that are at work", what);
    if (rd_kafka_error_code(e) == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND)
        return error_set(err, IG_NOT_FOUND, "%s: there is no such group", what);
    if (e)
        return log_fail(err, rd_kafka_error_code(e), "%s", what);
    list = rd_kafka_group_result_partitions(results[0]);
    for (int i = 0; list && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];

        if (p->err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || p->err == RD_KAFKA_RESP_ERR_GROUP_SUBSCRIBED_TO_TOPIC)
            return error_set(err, IG_CONFLICT, "%s: %s/%d: the group has members that are at work", what, p->topic,
                             p->partition);
        if (p->err)
            return log_fail(err, p->err, "%s: %s/%d", what, p->topic, p->partition);
    }
    return IG_OK;
}

enum ig_code log_group_offsets(struct log_client *c, struct arena *arena, const char *group, struct log_position **out,
                               size_t *n, struct error *err)
{
    rd_kafka_ListConsumerGroupOffsets_t *asked = rd_kafka_ListConsumerGroupOffsets_new(group, NULL);
    const rd_kafka_group_result_t **results = NULL;
    struct log_question q;
    char what[300];
    size_t n_results = 0;
    enum ig_code rc = log_question_begin(c, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, &q, err);

    *out = NULL;
    *n = 0;
    snprintf(what, sizeof(what), "offsets of group %s", group);
    if (rc == IG_OK) {
        rd_kafka_ListConsumerGroupOffsets(q.rk, &asked, 1, q.options, q.queue);
        rc = log_question_wait(&q, what, err);
    }
    if (rc == IG_OK) {
        const rd_kafka_ListConsumerGroupOffsets_result_t *r = rd_kafka_event_ListConsumerGroupOffsets_result(q.event);

        results = r ? rd_kafka_ListConsumerGroupOffsets_result_groups(r, &n_results) : NULL;
        rc = group_result(results, &n_results, what, err);
    }
    if (rc == IG_OK)
        *out = copy_list(arena, rd_kafka_group_result_partitions(results[0]), n);
    log_question_end(&q);
    rd_kafka_ListConsumerGroupOffsets_destroy(asked);
    return rc;
}

static rd_kafka_topic_partition_list_t *make_list(const struct log_position *positions, size_t n)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);

    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(list, positions[i].topic, positions[i].partition)->offset =
            positions[i].offset;
    return list;
}

enum ig_code log_group_offsets_set(struct log_client *c, const char *group, const struct log_position *positions,
                                   size_t n, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = make_list(positions, n);
    rd_kafka_AlterConsumerGroupOffsets_t *asked = rd_kafka_AlterConsumerGroupOffsets_new(group, list);
    struct log_question q;
    char what[300];
    size_t n_results = 0;
    enum ig_code rc = log_question_begin(c, RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, &q, err);

    snprintf(what, sizeof(what), "set offsets of group %s", group);
    if (rc == IG_OK) {
        rd_kafka_AlterConsumerGroupOffsets(q.rk, &asked, 1, q.options, q.queue);
        rc = log_question_wait(&q, what, err);
    }
    if (rc == IG_OK) {
        const rd_kafka_AlterConsumerGroupOffsets_result_t *r = rd_kafka_event_AlterConsumerGroupOffsets_result(q.event);

        rc = group_result(r ? rd_kafka_AlterConsumerGroupOffsets_result_groups(r, &n_results) : NULL, &n_results, what,
                          err);
    }
    log_question_end(&q);
    rd_kafka_AlterConsumerGroupOffsets_destroy(asked);
    rd_kafka_topic_partition_list_destroy(list);
    return rc;
}

enum ig_code log_group_offsets_delete(struct log_client *c, const char *group, const struct log_position *positions,
                                      size_t n, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = make_list(positions, n);
    rd_kafka_DeleteConsumerGroupOffsets_t *asked = rd_kafka_DeleteConsumerGroupOffsets_new(group, list);
    struct log_question q;
    char what[300];
    size_t n_results = 0;
    enum ig_code rc = log_question_begin(c, RD_KAFKA_ADMIN_OP_DELETECONSUMERGROUPOFFSETS, &q, err);

    snprintf(what, sizeof(what), "delete offsets of group %s", group);
    if (rc == IG_OK) {
        rd_kafka_DeleteConsumerGroupOffsets(q.rk, &asked, 1, q.options, q.queue);
        rc = log_question_wait(&q, what, err);
    }
    if (rc == IG_OK) {
        const rd_kafka_DeleteConsumerGroupOffsets_result_t *r =
            rd_kafka_event_DeleteConsumerGroupOffsets_result(q.event);

        rc = group_result(r ? rd_kafka_DeleteConsumerGroupOffsets_result_groups(r, &n_results) : NULL, &n_results, what,
                          err);
    }
    log_question_end(&q);
    rd_kafka_DeleteConsumerGroupOffsets_destroy(asked);
    rd_kafka_topic_partition_list_destroy(list);
    return rc;
}

enum ig_code log_group_delete(struct log_client *c, const char *group, struct error *err)
{
    rd_kafka_DeleteGroup_t *asked = rd_kafka_DeleteGroup_new(group);
    struct log_question q;
    char what[300];
    size_t n = 0;
    enum ig_code rc = log_question_begin(c, RD_KAFKA_ADMIN_OP_DELETEGROUPS, &q, err);

    snprintf(what, sizeof(what), "delete group %s", group);
    if (rc == IG_OK) {
        rd_kafka_DeleteGroups(q.rk, &asked, 1, q.options, q.queue);
        rc = log_question_wait(&q, what, err);
    }
    if (rc == IG_OK) {
        const rd_kafka_DeleteGroups_result_t *r = rd_kafka_event_DeleteGroups_result(q.event);

        rc = group_result(r ? rd_kafka_DeleteGroups_result_groups(r, &n) : NULL, &n, what, err);
    }
    log_question_end(&q);
    rd_kafka_DeleteGroup_destroy(asked);
    return rc;
}
