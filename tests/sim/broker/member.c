/*
 * Members of a consumer group: they join, the leader hands out the partitions, owners commit offsets. They die, come
 * back as somebody else or (static ones) as themselves, and fall asleep.
 *
 * An owner reads the committed offset before it commits its own. A commit that somebody of an earlier generation sends
 * after that is not taken: what is read later is not of it.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#define GROUP "members"
#define SESSION_MS 6000
#define REBALANCE_MS 3000

enum phase { JOIN, SYNC, READ, WORK };

struct member {
    struct actor actor;
    struct world *w;
    struct peer peer;
    int number;
    bool is_static, waiting, under_way, committed_once;
    char instance[16], id[128];
    enum phase phase;
    int32_t generation;
    bool mine[PARTS_MAX];
    int32_t part;             /* read or committed now */
    int commit;               /* under way */
    int life;                 /* of the broker, when we joined */
    struct group_floor asked; /* what was known when the offset was asked for */
    VEC(char *) others;       /* the leader's: member ids */
};

static void go(struct member *m);

static void go_later(void *ctx)
{
    struct member *m = ctx;

    m->waiting = false;
    go(m);
}

static void wait_us(struct member *m, int64_t us)
{
    if (m->waiting)
        return;
    m->waiting = true;
    env_sim_after(m->w->env, us, go_later, m);
}

static void broken(void *ctx)
{
    struct member *m = ctx;

    m->under_way = false;
    wait_us(m, RETRY(m->w));
}

static struct str instance_of(const struct member *m)
{
    return m->is_static ? str_of(m->instance) : (struct str){NULL, 0};
}

static int life_of(const struct world *w)
{
    return 1 + w->crashes + w->restarts;
}

static void forget_others(struct member *m)
{
    for (size_t i = 0; i < m->others.n; i++)
        free(m->others.p[i]);
    m->others.n = 0;
}

static void join_again(struct member *m, bool as_somebody_else)
{
    if (as_somebody_else)
        m->id[0] = '\0';
    memset(m->mine, 0, sizeof(m->mine));
    m->phase = JOIN;
    m->committed_once = false;
    wait_us(m, RETRY(m->w));
}

/* True: the answer was an error, and is dealt with. */
static bool has_failed(struct member *m, int16_t e)
{
    m->under_way = false;
    if (e)
        say(m->w, "member %d (%s): phase %d generation %d: error %d", m->number, m->id, (int)m->phase, m->generation,
            e);
    switch (e) {
    case KAFKA_OK:
        return false;
    case KAFKA_REBALANCE_IN_PROGRESS:
        join_again(m, false);
        return true;
    case KAFKA_ILLEGAL_GENERATION:
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_FENCED_INSTANCE_ID:
        join_again(m, true);
        return true;
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
    case KAFKA_NOT_COORDINATOR:
    case KAFKA_STORAGE_ERROR:
    case KAFKA_UNKNOWN:
        wait_us(m, RETRY(m->w));
        return true;
    default:
        violation(m->w, "a member's request of phase %d was answered with error %d", (int)m->phase, e);
        return true;
    }
}

/* --- joining -------------------------------------------------------------------------------------------------- */

static void joined(void *ctx, const void *response)
{
    const struct wire_join_group_response *r = response;
    struct member *m = ctx;

    if (r->error_code == KAFKA_MEMBER_ID_REQUIRED || r->error_code == KAFKA_OK)
        snprintf(m->id, sizeof(m->id), STR_FMT, STR_ARG(r->member_id));
    if (r->error_code == KAFKA_MEMBER_ID_REQUIRED) {
        m->under_way = false;
        go(m);
        return;
    }
    if (has_failed(m, r->error_code))
        return;
    m->generation = r->generation_id;
    m->life = life_of(m->w);
    forget_others(m);
    for (int32_t i = 0; i < r->members.n && str_eq(r->leader, r->member_id); i++)
        vec_push(&m->others, strndup(r->members.p[i].member_id.p, r->members.p[i].member_id.n));
    say(m->w, "member %d (%s) has joined generation %d%s", m->number, m->id, m->generation,
        m->others.n ? " as its leader" : "");
    m->phase = SYNC;
    go(m);
}

static void join(struct member *m)
{
    struct wire_join_group_protocol protocol = {STR("range"), STR("none")};
    const struct wire_join_group_request request = {.group_id = STR(GROUP),
                                                    .session_timeout_ms = SESSION_MS,
                                                    .rebalance_timeout_ms = REBALANCE_MS,
                                                    .member_id = str_of(m->id),
                                                    .group_instance_id = instance_of(m),
                                                    .protocol_type = STR("consumer"),
                                                    .protocols = {&protocol, 1}};

    peer_call(&m->peer, 11, 7, &request, joined, m);
}

static void own(struct member *m, int32_t part)
{
    struct model *model = &m->w->model;
    struct owner *o = &model->owner[part];

    if (o->member && o->life == m->life && o->generation == m->generation && o->member != m->number + 1)
        violation(m->w, "partition %d was given to members %d and %d in generation %d", part, o->member - 1, m->number,
                  m->generation);
    *o = (struct owner){m->life, m->generation, m->number + 1};
    m->mine[part] = true;
}

static void synced(void *ctx, const void *response)
{
    const struct wire_sync_group_response *r = response;
    struct member *m = ctx;

    if (has_failed(m, r->error_code))
        return;
    memset(m->mine, 0, sizeof(m->mine));
    for (size_t i = 0; i < r->assignment.n; i++)
        own(m, r->assignment.p[i] - '0');
    m->phase = READ;
    m->part = -1;
    go(m);
}

static void sync(struct member *m)
{
    struct wire_sync_group_assignment *assignments = check_calloc(m->others.n + 1, sizeof(*assignments));
    char(*lists)[PARTS_MAX] = check_calloc(m->others.n + 1, sizeof(*lists));
    const struct wire_sync_group_request request = {.group_id = STR(GROUP),
                                                    .generation_id = m->generation,
                                                    .member_id = str_of(m->id),
                                                    .group_instance_id = instance_of(m),
                                                    .protocol_type = STR("consumer"),
                                                    .protocol_name = STR("range"),
                                                    .assignments = {assignments, (int32_t)m->others.n}};

    for (size_t i = 0; i < m->others.n; i++)
        assignments[i] = (struct wire_sync_group_assignment){str_of(m->others.p[i]), {lists[i], 0}};
    for (int32_t p = 0; p < m->w->parts && m->others.n > 0; p++) {
        const size_t to = (size_t)(p + m->generation) % m->others.n;

        lists[to][assignments[to].assignment.n++] = (char)('0' + p);
    }
    peer_call(&m->peer, 14, 5, &request, synced, m);
    free(lists);
    free(assignments);
}

/* --- owning --------------------------------------------------------------------------------------------------- */

static bool is_before(const struct commit *a, const struct commit *b)
{
    return a->life != b->life ? a->life < b->life : a->generation < b->generation;
}

static void read_offset(void *ctx, const void *response)
{
    const struct wire_offset_fetch_response *r = response;
    const struct wire_offset_fetch_partition_result *result = &r->topics.p[0].partitions.p[0];
    struct member *m = ctx;
    struct model *model = &m->w->model;
    const struct commit none = {0}, *c = &none, me = {m->life, m->generation, m->number};

    if (has_failed(m, r->error_code ? r->error_code : result->error_code))
        return;
    if (result->offset >= (int64_t)model->commits.n) {
        violation(m->w, "the group's offset of partition %d is one that nobody committed", m->part);
        return;
    }
    if (result->offset >= 0)
        c = &model->commits.p[result->offset];
    say(m->w, "member %d reads %lld of part %d, generation %d life %d", m->number, (long long)result->offset, m->part,
        m->generation, m->life);
    if (result->offset >= m->asked.commits && is_before(c, &m->asked.reader))
        violation(m->w, "partition %d: generation %d had read its offset, and then one of generation %d committed",
                  m->part, m->asked.reader.generation, c->generation);
    if (is_before(c, &m->asked.told) || (!is_before(&m->asked.told, c) && result->offset < m->asked.offset))
        violation(m->w, "partition %d: offset %lld was committed, and is %lld now", m->part, (long long)m->asked.offset,
                  (long long)result->offset);
    if (is_before(&model->floor[m->part].reader, &me)) {
        model->floor[m->part].reader = me;
        model->floor[m->part].commits = (int64_t)model->commits.n;
    }
    go(m);
}

static bool next_part(struct member *m)
{
    do
        m->part++;
    while (m->part < m->w->parts && !m->mine[m->part]);
    return m->part < m->w->parts;
}

static void read_next(struct member *m)
{
    struct wire_offset_fetch_topic topic = {.name = STR(TOPIC), .partitions = {&m->part, 1}};
    const struct wire_offset_fetch_request request = {.group_id = STR(GROUP), .topics = {&topic, 1}};

    m->asked = m->w->model.floor[m->part];

    peer_call(&m->peer, 9, 7, &request, read_offset, m);
}

static void beaten(void *ctx, const void *response)
{
    const struct wire_heartbeat_response *r = response;
    struct member *m = ctx;

    if (has_failed(m, r->error_code))
        return;
    wait_us(m, RETRY(m->w) * 4);
}

static void beat(struct member *m)
{
    const struct wire_heartbeat_request request = {.group_id = STR(GROUP),
                                                   .generation_id = m->generation,
                                                   .member_id = str_of(m->id),
                                                   .group_instance_id = instance_of(m)};

    peer_call(&m->peer, 12, 4, &request, beaten, m);
}

static void committed(void *ctx, const void *response)
{
    const struct wire_offset_commit_response *r = response;
    struct member *m = ctx;
    struct model *model = &m->w->model;
    const struct commit *c = &model->commits.p[m->commit];
    struct group_floor *floor = &model->floor[m->part];

    if (has_failed(m, r->topics.p[0].partitions.p[0].error_code))
        return;
    m->committed_once = true;
    if (!is_before(c, &floor->told)) {
        floor->told = *c;
        floor->offset = m->commit;
    }
    wait_us(m, RETRY(m->w));
}

static void commit(struct member *m)
{
    struct model *model = &m->w->model;
    struct wire_offset_commit_partition part = {.leader_epoch = -1};
    struct wire_offset_commit_topic topic = {.name = STR(TOPIC), .partitions = {&part, 1}};
    const struct wire_offset_commit_request request = {.group_id = STR(GROUP),
                                                       .generation_id = m->generation,
                                                       .member_id = str_of(m->id),
                                                       .group_instance_id = instance_of(m),
                                                       .retention_time_ms = -1,
                                                       .topics = {&topic, 1}};

    m->commit = (int)model->commits.n;
    vec_push(&model->commits, ((struct commit){m->life, m->generation, m->number}));
    say(m->w, "member %d commits %d of part %d, generation %d life %d", m->number, m->commit, m->part, m->generation,
        m->life);
    part.partition = m->part;
    part.offset = m->commit;
    peer_call(&m->peer, 8, 8, &request, committed, m);
}

/* --- its life -------------------------------------------------------------------------------------------------- */

static void work(struct member *m)
{
    m->part = (int32_t)draw(m->w, (uint64_t)m->w->parts);
    if (m->mine[m->part] && chance(m->w, 60))
        commit(m);
    else
        beat(m);
}

static void go(struct member *m)
{
    if (m->waiting || m->under_way)
        return;
    if (!m->peer.conn && !peer_connect(&m->peer)) {
        wait_us(m, RETRY(m->w));
        return;
    }
    if (!m->w->healing && chance(m->w, 1)) {
        say(m->w, "member %d dies", m->number);
        peer_drop(&m->peer);
        join_again(m, true);
        return;
    }
    if (!m->w->healing && chance(m->w, 1)) {
        wait_us(m, (int64_t)draw(m->w, 9000000));
        return;
    }
    if (m->phase == READ && !next_part(m))
        m->phase = WORK;
    m->under_way = true;
    switch (m->phase) {
    case JOIN:
        join(m);
        break;
    case SYNC:
        sync(m);
        break;
    case READ:
        read_next(m);
        break;
    case WORK:
        work(m);
        break;
    }
}

static bool done(const struct actor *a)
{
    const struct member *m = (const struct member *)a;
    bool owns = false;

    for (int32_t i = 0; i < m->w->parts; i++)
        owns |= m->mine[i];
    return m->phase == WORK && (m->committed_once || !owns);
}

static void free_member(struct actor *a)
{
    struct member *m = (struct member *)a;

    forget_others(m);
    vec_free(&m->others);
    peer_release(&m->peer);
    free(m);
}

void member_add(struct world *w, int number)
{
    struct member *m = check_calloc(1, sizeof(*m));

    m->actor = (struct actor){.kind = "member of a group", .done = done, .free = free_member};
    m->w = w;
    m->number = number;
    m->is_static = chance(w, 30);
    snprintf(m->instance, sizeof(m->instance), "i%d", number);
    peer_init(&m->peer, w, broken, m);
    actor_add(w, &m->actor);
    wait_us(m, RETRY(w));
}
