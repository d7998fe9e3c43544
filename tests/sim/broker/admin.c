/* Who makes the topic, deletes records from its start, and commits offsets. */
#include "sim.h"

#include <stdlib.h>

struct admin {
    struct actor actor;
    struct world *w;
    struct peer peer;
    void (*go)(struct admin *a);
    bool waiting, finished, under_way;
    int number;
    int64_t sent, acked; /* committer: offsets */
    int32_t part;
    int64_t offset;
};

static void go_later(void *ctx)
{
    struct admin *a = ctx;

    a->waiting = false;
    if (a->under_way)
        return;
    if (a->peer.conn || peer_connect(&a->peer)) {
        a->under_way = true;
        a->go(a);
    } else {
        a->waiting = true;
        env_sim_after(a->w->env, RETRY(a->w), go_later, a);
    }
}

static void wait_a_bit(struct admin *a)
{
    a->under_way = false;
    if (a->waiting || a->finished)
        return;
    a->waiting = true;
    env_sim_after(a->w->env, RETRY(a->w), go_later, a);
}

static void broken(void *ctx)
{
    wait_a_bit(ctx);
}

static bool done(const struct actor *actor)
{
    return ((const struct admin *)actor)->finished;
}

static void free_admin(struct actor *actor)
{
    struct admin *a = (struct admin *)actor;

    peer_release(&a->peer);
    free(a);
}

static struct admin *admin_new(struct world *w, const char *kind, void (*go)(struct admin *a))
{
    struct admin *a = check_calloc(1, sizeof(*a));

    a->actor = (struct actor){.kind = kind, .done = done, .free = free_admin};
    a->w = w;
    a->go = go;
    peer_init(&a->peer, w, broken, a);
    actor_add(w, &a->actor);
    wait_a_bit(a);
    return a;
}

/* --- the topic ------------------------------------------------------------------------------------------------ */

static void created(void *ctx, const void *response)
{
    const struct wire_create_topics_response *r = response;
    const int16_t e = r->topics.p[0].error_code;
    struct admin *a = ctx;

    if (e && e != KAFKA_TOPIC_EXISTS)
        violation(a->w, "the topic is not made: error %d", e);
    a->finished = true;
}

static void create(struct admin *a)
{
    /* Each record's key is its value, of which there is one: compaction may move everything and take nothing. */
    struct wire_create_topic_config settings[] = {
        {STR("retention.ms"), STR("-1")},
        {STR("cleanup.policy"), a->w->compacts ? STR("compact,delete") : STR("delete")},
        {STR("min.cleanable.dirty.ratio"), STR("0.01")},
    };
    struct wire_create_topic topic = {.name = STR(TOPIC),
                                      .num_partitions = a->w->parts,
                                      .replication_factor = 1,
                                      .configs = {settings, IG_COUNT(settings)}};
    const struct wire_create_topics_request request = {.topics = {&topic, 1}, .timeout_ms = 1000};

    peer_call(&a->peer, 19, 5, &request, created, a);
}

void topic_maker_add(struct world *w)
{
    admin_new(w, "maker of topics", create);
}

/* --- DeleteRecords ---------------------------------------------------------------------------------------------- */

static void trimmed(void *ctx, const void *response)
{
    const struct wire_delete_records_response *r = response;
    const struct wire_delete_records_partition_result *result = &r->topics.p[0].partitions.p[0];
    struct admin *a = ctx;
    struct model *m = &a->w->model;

    say(a->w, "partition %d is trimmed: error %d, begins at %lld", result->partition, result->error_code,
        (long long)result->low_watermark);
    if (!result->error_code) {
        if (result->low_watermark < a->offset)
            violation(a->w, "partition %d was to begin at %lld, and does at %lld", a->part, (long long)a->offset,
                      (long long)result->low_watermark);
        if (m->start_told[a->part] < a->offset)
            m->start_told[a->part] = a->offset;
    }
    wait_a_bit(a);
}

static void trim(struct admin *a)
{
    struct model *m = &a->w->model;
    struct wire_delete_records_partition part;
    struct wire_delete_records_topic topic = {.name = STR(TOPIC), .partitions = {&part, 1}};
    const struct wire_delete_records_request request = {.topics = {&topic, 1}, .timeout_ms = 1000};

    a->part = (int32_t)draw(a->w, (uint64_t)a->w->parts);
    a->offset = m->start_asked[a->part] + (int64_t)draw(a->w, 20);
    if (a->w->healing) {
        a->finished = true;
        return;
    }
    if (a->offset > m->marks[a->part].high || chance(a->w, 70)) {
        wait_a_bit(a);
        return;
    }
    if (a->offset > m->start_asked[a->part])
        m->start_asked[a->part] = a->offset;
    part = (struct wire_delete_records_partition){a->part, a->offset};
    say(a->w, "partition %d is to begin at %lld", a->part, (long long)a->offset);
    peer_call(&a->peer, 21, 2, &request, trimmed, a);
}

void trimmer_add(struct world *w)
{
    admin_new(w, "trimmer", trim);
}

/* --- OffsetCommit of a group without members -------------------------------------------------------------------- */

static const char *group_of(const struct admin *a)
{
    static const char *const names[] = {"g0", "g1"};

    return names[a->number];
}

static void committed(void *ctx, const void *response)
{
    const struct wire_offset_commit_response *r = response;
    struct admin *a = ctx;

    if (!r->topics.p[0].partitions.p[0].error_code)
        a->acked = a->sent;
    wait_a_bit(a);
}

static void fetched(void *ctx, const void *response)
{
    const struct wire_offset_fetch_response *r = response;
    struct admin *a = ctx;
    const struct wire_offset_fetch_partition_result *result =
        r->topics.n == 1 && r->topics.p[0].partitions.n == 1 ? &r->topics.p[0].partitions.p[0] : NULL;

    if (!result)
        violation(a->w, "the offset of group %s is not answered", group_of(a));
    else if (r->error_code == 0 && result->error_code == 0 && (result->offset < a->acked || result->offset > a->sent))
        violation(a->w, "group %s committed %lld (sent %lld), and is told %lld", group_of(a), (long long)a->acked,
                  (long long)a->sent, (long long)result->offset);
    else if (r->error_code == 0 && result->error_code == 0 && a->w->healing)
        a->finished = true;
    wait_a_bit(a);
}

static void commit(struct admin *a)
{
    int32_t zero = 0;
    struct wire_offset_commit_partition part = {.partition = 0, .offset = a->sent + 1, .leader_epoch = -1};
    struct wire_offset_commit_topic topic = {.name = STR(TOPIC), .partitions = {&part, 1}};
    const struct wire_offset_commit_request request = {
        .group_id = str_of(group_of(a)), .generation_id = -1, .retention_time_ms = -1, .topics = {&topic, 1}};
    struct wire_offset_fetch_topic wanted = {.name = STR(TOPIC), .partitions = {&zero, 1}};
    const struct wire_offset_fetch_request fetch = {.group_id = str_of(group_of(a)), .topics = {&wanted, 1}};

    if (a->w->healing || chance(a->w, 30)) {
        peer_call(&a->peer, 9, 7, &fetch, fetched, a);
        return;
    }
    a->sent++;
    peer_call(&a->peer, 8, 8, &request, committed, a);
}

void committer_add(struct world *w, int number)
{
    struct admin *a = admin_new(w, "group", commit);

    a->number = number;
    a->acked = -1;
    a->sent = -1;
}
