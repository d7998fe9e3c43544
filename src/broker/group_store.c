/*
 * A group's members as a record beside its committed offsets, written when a generation has its shares and when a group
 * has become empty. After a restart the members go on as if nothing had happened: their heartbeats find them.
 *
 * Nobody is told of his share before its record is durable: else an older generation could come back with a crash, and
 * commit again. For the record of an empty group nobody waits: in an older one are members that are no more, whose
 * sessions end.
 */
#include "broker/groups.h"

#include <stdlib.h>

#define STORE_VERSION 1

static void put_text(struct buf *b, struct str s)
{
    wire_put_int(b, s.p ? (int64_t)s.n : -1, 4);
    buf_add_str(b, s);
}

static struct str get_text(struct wire_in *in)
{
    const int64_t n = wire_get_int(in, 4);

    return n < 0 ? (struct str){NULL, 0} : wire_get_bytes(in, (size_t)n);
}

static void put_key(struct buf *key, const struct group *g)
{
    buf_init(key, 0);
    wire_put_int(key, GROUP_RECORD_MEMBERS, 2);
    put_text(key, str_of(g->id));
}

static void put_member(struct buf *b, const struct member *m)
{
    put_text(b, str_of(m->id));
    put_text(b, str_of(m->instance_id));
    put_text(b, str_of(m->client_id));
    put_text(b, str_of(m->client_host));
    wire_put_int(b, m->session_ms, 8);
    wire_put_int(b, m->rebalance_ms, 8);
    put_text(b, m->assignment);
    wire_put_int(b, (int64_t)m->protocols.n, 4);
    for (size_t i = 0; i < m->protocols.n; i++) {
        put_text(b, m->protocols.p[i].name);
        put_text(b, m->protocols.p[i].metadata);
    }
}

void group_store_add(struct batch_builder *builder, const struct group *g)
{
    struct buf key, value;

    put_key(&key, g);
    buf_init(&value, 0);
    wire_put_int(&value, STORE_VERSION, 2);
    wire_put_int(&value, g->generation, 4);
    wire_put_int(&value, g->empty_since_ms, 8);
    put_text(&value, str_of(g->protocol_type));
    put_text(&value, str_of(g->protocol));
    put_text(&value, str_of(g->leader));
    wire_put_int(&value, (int64_t)g->members.n, 4);
    for (size_t i = 0; i < g->members.n; i++)
        put_member(&value, g->members.p[i]);
    batch_builder_add(builder, buf_str(&key), buf_str(&value));
    buf_release(&key);
    buf_release(&value);
}

static bool append(struct groups *gs, struct batch_builder *builder, int64_t *end)
{
    struct error err;

    if (groups_append(gs, builder, end, &err) == IG_OK)
        return true;
    log_warn(gs->b->env, "broker", "store a group's members: %s", err.msg);
    return false;
}

static bool store(struct group *g, int64_t *end)
{
    struct batch_builder builder;
    bool ok;

    batch_builder_init(&builder, env_now_ms(g->gs->b->env));
    group_store_add(&builder, g);
    g->gs->live_bytes += (int64_t)builder.buf.n - g->stored_bytes;
    g->stored_bytes = (int64_t)builder.buf.n;
    ok = append(g->gs, &builder, end);
    batch_builder_release(&builder);
    return ok;
}

void group_store(struct group *g)
{
    int64_t end;

    (void)store(g, &end);
}

/* A group may go while its record is on the way. */
struct storing {
    struct partition_wait wait;
    struct groups *gs;
    char *group_id, *member_id;
    int32_t generation;
    group_stored_fn *done;
};

static void stored(void *ctx, bool ok)
{
    struct storing *s = ctx;
    struct group *g = group_find(s->gs, str_of(s->group_id));

    s->done(g && g->generation == s->generation ? g : NULL, ok, s->member_id);
    free(s->group_id);
    free(s->member_id);
    free(s);
}

void group_store_wait(struct group *g, const char *member_id, group_stored_fn *done)
{
    struct storing *s = check_calloc(1, sizeof(*s));

    s->gs = g->gs;
    s->group_id = check_strdup(g->id);
    s->member_id = check_strdup(member_id);
    s->generation = g->generation;
    s->done = done;
    s->wait.done = stored;
    s->wait.ctx = s;
    if (store(g, &s->wait.offset))
        partition_wait(g->gs->log, &s->wait);
    else
        stored(s, false);
}

void group_store_forget(struct group *g)
{
    struct batch_builder builder;
    struct buf key;
    int64_t end;

    if (g->stored_bytes == 0)
        return;
    put_key(&key, g);
    batch_builder_init(&builder, env_now_ms(g->gs->b->env));
    batch_builder_add(&builder, buf_str(&key), (struct str){NULL, 0});
    (void)append(g->gs, &builder, &end);
    batch_builder_release(&builder);
    buf_release(&key);
    g->gs->live_bytes -= g->stored_bytes;
    g->stored_bytes = 0;
}

/* --- reading it again ------------------------------------------------------------------------------------------- */

static char *get_name(struct wire_in *in)
{
    const struct str s = get_text(in);
    char *copy;

    if (!s.p || in->bad)
        return NULL;
    copy = check_calloc(1, s.n + 1);
    memcpy(copy, s.p, s.n);
    return copy;
}

static struct member *get_member(struct group *g, struct wire_in *in)
{
    struct member *m = check_calloc(1, sizeof(*m));
    int64_t protocols;

    m->id = get_name(in);
    m->instance_id = get_name(in);
    m->client_id = get_name(in);
    m->client_host = get_name(in);
    m->session_ms = wire_get_int(in, 8);
    m->rebalance_ms = wire_get_int(in, 8);
    m->assignment = str_copy(get_text(in));
    protocols = wire_get_int(in, 4);
    for (int64_t i = 0; i < protocols && !in->bad; i++) {
        const struct str name = get_text(in), metadata = get_text(in);
        const struct member_protocol p = {str_copy(name), str_copy(metadata)};

        vec_push(&m->protocols, p);
    }
    if (in->bad || !m->id || !m->client_id || !m->client_host) {
        in->bad = true;
        group_member_free(m);
        return NULL;
    }
    group_touch(g, m);
    return m;
}

void group_store_apply(struct groups *gs, struct wire_in *key, const struct batch_record *r)
{
    struct wire_in in = {(const uint8_t *)r->value.p, (const uint8_t *)r->value.p + r->value.n, false};
    const struct str id = get_text(key);
    struct group *g;
    int64_t members;

    if (key->bad || !id.p)
        return;
    g = group_make(gs, id);
    group_clear_members(g);
    gs->live_bytes -= g->stored_bytes;
    g->stored_bytes = 0;
    g->generation = 0;
    if (!r->value.p || wire_get_int(&in, 2) != STORE_VERSION)
        return;
    g->stored_bytes = (int64_t)(r->key.n + r->value.n);
    gs->live_bytes += g->stored_bytes;
    g->generation = (int32_t)wire_get_int(&in, 4);
    g->empty_since_ms = wire_get_int(&in, 8);
    g->protocol_type = get_name(&in);
    g->protocol = get_name(&in);
    g->leader = get_name(&in);
    members = wire_get_int(&in, 4);
    for (int64_t i = 0; i < members && !in.bad; i++) {
        struct member *m = get_member(g, &in);

        if (m)
            vec_push(&g->members, m);
    }
    if (in.bad || (g->members.n > 0 && (!g->protocol || !g->protocol_type || !g->leader)))
        group_clear_members(g);
    g->state = g->members.n > 0 ? GROUP_STABLE : GROUP_EMPTY;
}
