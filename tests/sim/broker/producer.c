/*
 * Producers: idempotent ones, which send again what was not answered until it is, five batches under way; and simple
 * ones, which send each record once.
 */
#include "sim.h"

#include <stdlib.h>

#define IN_FLIGHT 5
#define BATCH_RECORDS 3

struct sent {
    int32_t sequence;
    int n, ids[BATCH_RECORDS];
    struct buf bytes;
    bool under_way;
};

struct lane {
    struct sender *producer;
    int32_t part, sequence;
    int numbers;             /* of records so far */
    VEC(struct sent *) open; /* not acknowledged, in order; those under way come first */
    int under_way;
    size_t refused; /* of the first of them; when all are answered, they are sent again */
};

struct sender {
    struct actor actor;
    struct world *w;
    struct peer peer;
    int number, left;
    bool idempotent, asked, waiting;
    int64_t id;
    int16_t epoch;
    struct lane lanes[PARTS_MAX];
};

static void go(struct sender *p);

static void go_later(void *ctx)
{
    struct sender *p = ctx;

    p->waiting = false;
    go(p);
}

static void wait_a_bit(struct sender *p)
{
    if (p->waiting)
        return;
    p->waiting = true;
    env_sim_after(p->w->env, RETRY(p->w), go_later, p);
}

static void free_sent(struct sent *s)
{
    buf_release(&s->bytes);
    free(s);
}

static void forget(struct lane *l)
{
    for (size_t i = 0; i < l->open.n; i++)
        free_sent(l->open.p[i]);
    l->open.n = 0;
    l->under_way = 0;
    l->refused = 0;
}

/* It dies, and comes back without a memory. */
static void be_reborn(struct sender *p)
{
    for (int32_t i = 0; i < p->w->parts; i++) {
        forget(&p->lanes[i]);
        p->lanes[i].sequence = 0;
        p->lanes[i].numbers = 0;
    }
    p->id = -1;
    p->asked = false;
    p->number = p->w->model.producers++;
    peer_drop(&p->peer);
    wait_a_bit(p);
}

static void broken(void *ctx)
{
    struct sender *p = ctx;

    p->asked = false;
    for (int32_t i = 0; i < p->w->parts; i++) {
        struct lane *l = &p->lanes[i];

        l->under_way = 0;
        l->refused = 0;
        for (size_t k = 0; k < l->open.n; k++)
            l->open.p[k]->under_way = false;
        if (!p->idempotent)
            forget(l);
    }
    wait_a_bit(p);
}

static struct sent *make_batch(struct lane *l)
{
    struct sender *p = l->producer;
    struct world *w = p->w;
    struct sent *s = check_calloc(1, sizeof(*s));
    struct batch_builder b;
    struct buf value;
    struct str bytes;
    char *at;

    s->n = 1 + (int)draw(w, BATCH_RECORDS);
    s->sequence = l->sequence;
    batch_builder_init(&b, env_now_ms(w->env));
    for (int i = 0; i < s->n; i++) {
        buf_init(&value, 0);
        s->ids[i] = model_add(w, p->number, l->part, l->numbers++, -1, p->idempotent);
        record_value(w, s->ids[i], &value);
        batch_builder_add(&b, (struct str){value.p, value.n}, (struct str){value.p, value.n});
        buf_release(&value);
    }
    bytes = batch_builder_finish(&b);
    buf_init(&s->bytes, 0);
    buf_add(&s->bytes, bytes.p, bytes.n);
    batch_builder_release(&b);
    if (p->idempotent) {
        at = s->bytes.p;
        wire_store(at + 43, p->id, 8);
        wire_store(at + 51, p->epoch, 2);
        wire_store(at + 53, s->sequence, 4);
        wire_store(at + 17, (int64_t)hash_crc32c(0, at + 21, s->bytes.n - 21), 4);
        l->sequence += s->n;
    }
    return s;
}

static void acknowledged(struct lane *l, int64_t base)
{
    struct sent *s = l->open.p[l->refused];

    for (int i = 0; i < s->n; i++)
        model_acked(l->producer->w, s->ids[i], base + i);
    vec_remove_at(&l->open, l->refused);
    free_sent(s);
}

static void answered(void *ctx, const void *response)
{
    const struct wire_produce_response *r = response;
    struct lane *l = ctx;
    struct sender *p = l->producer;
    const struct wire_produce_partition_result *result = &r->topics.p[0].partitions.p[0];

    l->under_way--;
    say(p->w, "producer %d part %d: answer %d offset %lld", p->number, l->part, result->error_code,
        (long long)result->base_offset);
    if (result->error_code == KAFKA_OK) { /* one in front of it may have been written, and not be known to be */
        acknowledged(l, result->base_offset);
    } else if (!p->idempotent) {
        forget(l);
    } else {
        if (result->error_code == KAFKA_OUT_OF_ORDER_SEQUENCE && l->refused == 0)
            violation(p->w, "sequence %d of producer %d is out of order at partition %d", l->open.p[0]->sequence,
                      p->number, l->part);
        l->refused++;
    }
    if (l->refused > 0 && l->under_way == 0) {
        l->refused = 0;
        for (size_t i = 0; i < l->open.n; i++)
            l->open.p[i]->under_way = false;
        wait_a_bit(p);
        return;
    }
    go(p);
}

static void send_batch(struct lane *l, struct sent *s)
{
    struct wire_produce_partition part = {.index = l->part, .records = {.p = s->bytes.p, .n = (int64_t)s->bytes.n}};
    struct wire_produce_topic topic = {.name = STR(TOPIC), .partitions = {&part, 1}};
    struct wire_produce_request request = {.acks = -1, .timeout_ms = 1000, .topics = {&topic, 1}};

    s->under_way = true;
    l->under_way++;
    say(l->producer->w, "producer %d part %d: sends sequence %d, records %d..%d", l->producer->number, l->part,
        s->sequence, s->ids[0], s->ids[s->n - 1]);
    peer_call(&l->producer->peer, 0, 9, &request, answered, l);
}

static void go_lane(struct lane *l)
{
    struct sender *p = l->producer;
    const int limit = p->idempotent ? IN_FLIGHT : 1;

    for (size_t i = 0; i < l->open.n && l->refused == 0 && l->under_way < limit; i++) {
        if (!l->open.p[i]->under_way)
            send_batch(l, l->open.p[i]);
    }
    while (l->refused == 0 && l->under_way < limit && (int)l->open.n < limit && p->left > 0 && !p->w->healing) {
        struct sent *s = make_batch(l);

        p->left--;
        vec_push(&l->open, s);
        send_batch(l, s);
        if (chance(p->w, 50))
            return;
    }
}

static void got_id(void *ctx, const void *response)
{
    const struct wire_init_producer_id_response *r = response;
    struct sender *p = ctx;

    p->asked = false;
    if (r->error_code) {
        wait_a_bit(p);
        return;
    }
    p->id = r->producer_id;
    p->epoch = r->producer_epoch;
    go(p);
}

static void go(struct sender *p)
{
    const struct wire_init_producer_id_request init = {.producer_id = -1, .producer_epoch = -1};

    if (p->waiting)
        return;
    if (!p->peer.conn && !peer_connect(&p->peer)) {
        wait_a_bit(p);
        return;
    }
    if (p->idempotent && p->id < 0) {
        if (!p->asked)
            peer_call(&p->peer, 22, 4, &init, got_id, p);
        p->asked = true;
        return;
    }
    if (!p->w->healing && chance(p->w, 1)) {
        be_reborn(p);
        return;
    }
    for (int32_t i = 0; i < p->w->parts; i++)
        go_lane(&p->lanes[i]);
    if (p->left > 0 && !p->w->healing)
        wait_a_bit(p); /* goes on at its own pace, too */
}

static bool done(const struct actor *a)
{
    const struct sender *p = (const struct sender *)a;

    for (int32_t i = 0; i < p->w->parts; i++) {
        if (p->lanes[i].open.n > 0)
            return false;
    }
    return true;
}

static void free_producer(struct actor *a)
{
    struct sender *p = (struct sender *)a;

    for (int32_t i = 0; i < p->w->parts; i++) {
        forget(&p->lanes[i]);
        vec_free(&p->lanes[i].open);
    }
    peer_release(&p->peer);
    free(p);
}

void producer_add(struct world *w, bool idempotent, int batches)
{
    struct sender *p = check_calloc(1, sizeof(*p));

    p->actor =
        (struct actor){.kind = idempotent ? "idempotent producer" : "producer", .done = done, .free = free_producer};
    p->w = w;
    p->idempotent = idempotent;
    p->left = batches;
    p->id = -1;
    p->number = w->model.producers++;
    for (int32_t i = 0; i < PARTS_MAX; i++)
        p->lanes[i] = (struct lane){.producer = p, .part = i};
    peer_init(&p->peer, w, broken, p);
    actor_add(w, &p->actor);
    wait_a_bit(p);
}
