#include "broker/fetch_session.h"

#include <stdlib.h>

#define SESSIONS_MAX 1000
#define PARTITIONS_MAX 1000000 /* of all sessions together */
#define EVICT_AFTER_MS 120000
#define BUCKETS_MIN 16

/* One partition of a session. */
struct entry {
    struct entry *next_in_bucket, *next, *prev;
    struct fetch_item want;                  /* want.topic is owned */
    int64_t told_high_watermark, told_start; /* -1: nothing, tell it */
};

struct session {
    struct session *next;
    int32_t id, epoch; /* the epoch that the next request has */
    int64_t used_ms;
    bool by_id; /* topics are named by ids */
    struct entry **buckets;
    size_t n_buckets, n;
    struct entry *first, *last;
};

struct fetch_sessions {
    struct broker *b;
    struct session *sessions;
    size_t n, n_partitions;
};

struct fetch_sessions *fetch_sessions_new(struct broker *b)
{
    struct fetch_sessions *fs = check_calloc(1, sizeof(*fs));

    fs->b = b;
    return fs;
}

size_t fetch_sessions_count(const struct fetch_sessions *fs)
{
    return fs->n;
}

/* --- the partitions of a session ------------------------------------------------------------------------------ */

static size_t hash_of(const struct fetch_item *item)
{
    const uint64_t h = item->topic.p ? hash_fnv1a(item->topic.p, item->topic.n) : hash_fnv1a(item->topic_id.b, 16);

    return (size_t)(h + (uint64_t)(uint32_t)item->partition * UINT64_C(0x9e3779b97f4a7c15));
}

static bool is_same(const struct fetch_item *a, const struct fetch_item *b)
{
    if (a->partition != b->partition)
        return false;
    return a->topic.p ? str_eq(a->topic, b->topic) : memcmp(a->topic_id.b, b->topic_id.b, 16) == 0;
}

static struct entry **find(struct session *s, const struct fetch_item *item)
{
    struct entry **at = &s->buckets[hash_of(item) & (s->n_buckets - 1)];

    while (*at && !is_same(&(*at)->want, item))
        at = &(*at)->next_in_bucket;
    return at;
}

static void push_last(struct session *s, struct entry *e)
{
    e->next = NULL;
    e->prev = s->last;
    if (s->last)
        s->last->next = e;
    else
        s->first = e;
    s->last = e;
}

static void unlink_entry(struct session *s, struct entry *e)
{
    if (e->prev)
        e->prev->next = e->next;
    else
        s->first = e->next;
    if (e->next)
        e->next->prev = e->prev;
    else
        s->last = e->prev;
}

static void grow(struct session *s)
{
    const size_t n = s->n_buckets ? s->n_buckets * 4 : BUCKETS_MIN;

    free(s->buckets);
    s->buckets = check_calloc(n, sizeof(struct entry *));
    s->n_buckets = n;
    for (struct entry *e = s->first; e; e = e->next) {
        struct entry **at = &s->buckets[hash_of(&e->want) & (n - 1)];

        e->next_in_bucket = *at;
        *at = e;
    }
}

static void put(struct fetch_sessions *fs, struct session *s, const struct fetch_item *item)
{
    struct entry *e;

    if (s->n >= s->n_buckets)
        grow(s);
    e = *find(s, item);
    if (e) {
        const struct str name = e->want.topic;

        e->want = *item;
        e->want.topic = name;
        return;
    }
    e = check_calloc(1, sizeof(*e) + item->topic.n + 1);
    e->want = *item;
    e->told_high_watermark = e->told_start = -1;
    if (item->topic.p) {
        memcpy(e + 1, item->topic.p, item->topic.n);
        e->want.topic.p = (const char *)(e + 1);
    }
    *find(s, item) = e;
    push_last(s, e);
    s->n++;
    fs->n_partitions++;
}

static void forget(struct fetch_sessions *fs, struct session *s, const struct fetch_item *item)
{
    struct entry **at = s->n_buckets ? find(s, item) : NULL;
    struct entry *e = at ? *at : NULL;

    if (!e)
        return;
    *at = e->next_in_bucket;
    unlink_entry(s, e);
    free(e);
    s->n--;
    fs->n_partitions--;
}

/* --- sessions -------------------------------------------------------------------------------------------------- */

static struct session *session_of(struct fetch_sessions *fs, int32_t id)
{
    struct session *s = fs->sessions;

    while (s && s->id != id)
        s = s->next;
    return s;
}

static void end_session(struct fetch_sessions *fs, struct session *s)
{
    struct session **at = &fs->sessions;
    struct entry *next;

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    for (struct entry *e = s->first; e; e = next) {
        next = e->next;
        free(e);
    }
    fs->n_partitions -= s->n;
    fs->n--;
    free(s->buckets);
    free(s);
}

void fetch_sessions_free(struct fetch_sessions *fs)
{
    while (fs && fs->sessions)
        end_session(fs, fs->sessions);
    free(fs);
}

/* Room for one more, if need be in place of the one that was not used for the longest time. */
static bool make_room(struct fetch_sessions *fs, size_t partitions, int64_t now_ms)
{
    struct session *oldest = fs->sessions;

    if (fs->n < SESSIONS_MAX && fs->n_partitions + partitions <= PARTITIONS_MAX)
        return true;
    for (struct session *s = fs->sessions; s; s = s->next) {
        if (s->used_ms < oldest->used_ms)
            oldest = s;
    }
    if (!oldest || now_ms - oldest->used_ms < EVICT_AFTER_MS)
        return false;
    end_session(fs, oldest);
    return fs->n < SESSIONS_MAX && fs->n_partitions + partitions <= PARTITIONS_MAX;
}

static struct session *begin_session(struct fetch_sessions *fs, bool by_id)
{
    struct session *s = check_calloc(1, sizeof(*s));

    do {
        env_random(fs->b->env, &s->id, sizeof(s->id));
        s->id &= INT32_MAX;
    } while (s->id == 0 || session_of(fs, s->id));
    s->epoch = 1;
    s->by_id = by_id;
    s->next = fs->sessions;
    fs->sessions = s;
    fs->n++;
    return s;
}

/* --- requests -------------------------------------------------------------------------------------------------- */

static struct fetch_item item_of(const struct wire_fetch_topic *t, const struct wire_fetch_partition *p, bool by_id)
{
    return (struct fetch_item){
        .topic = by_id ? (struct str){NULL, 0} : t->topic,
        .topic_id = t->topic_id,
        .partition = p->partition,
        .current_leader_epoch = p->current_leader_epoch,
        .max_bytes = p->partition_max_bytes,
        .offset = p->fetch_offset,
    };
}

static size_t count_asked(const struct wire_fetch_request *in)
{
    size_t n = 0;

    for (int32_t i = 0; i < in->topics.n; i++)
        n += (size_t)(in->topics.p[i].partitions.n > 0 ? in->topics.p[i].partitions.n : 0);
    return n;
}

/* What is named in the request itself, into the list, the session, or both. */
static void take_asked(struct fetch_sessions *fs, struct session *s, const struct wire_fetch_request *in, bool by_id,
                       struct fetch_list *list)
{
    for (int32_t i = 0; i < in->topics.n; i++) {
        const struct wire_fetch_topic *t = &in->topics.p[i];

        for (int32_t k = 0; k < t->partitions.n; k++) {
            const struct fetch_item item = item_of(t, &t->partitions.p[k], by_id);

            if (list)
                list->p[list->n++] = item;
            if (s)
                put(fs, s, &item);
        }
    }
}

static void take_forgotten(struct fetch_sessions *fs, struct session *s, const struct wire_fetch_request *in)
{
    for (int32_t i = 0; i < in->forgotten.n; i++) {
        const struct wire_fetch_forgotten *t = &in->forgotten.p[i];

        for (int32_t k = 0; k < t->partitions.n; k++) {
            const struct fetch_item item = {.topic = s->by_id ? (struct str){NULL, 0} : t->topic,
                                            .topic_id = t->topic_id,
                                            .partition = t->partitions.p[k]};

            forget(fs, s, &item);
        }
    }
}

static enum kafka_error list_incremental(struct fetch_sessions *fs, struct request *r, bool by_id,
                                         struct fetch_list *list)
{
    const struct wire_fetch_request *in = r->body;
    struct session *s = session_of(fs, in->session_id);

    if (!s)
        return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    if (in->session_epoch != s->epoch)
        return KAFKA_INVALID_FETCH_SESSION_EPOCH;
    if (s->by_id != by_id)
        return KAFKA_FETCH_SESSION_TOPIC_ID_ERROR;
    if (fs->n_partitions + count_asked(in) > PARTITIONS_MAX) {
        end_session(fs, s);
        return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    }
    take_asked(fs, s, in, by_id, NULL);
    take_forgotten(fs, s, in);
    s->epoch = s->epoch == INT32_MAX ? 1 : s->epoch + 1;
    s->used_ms = env_monotonic_ms(fs->b->env);
    list->p = ARENA_ARRAY(&r->arena, struct fetch_item, s->n + 1);
    list->session_id = s->id;
    list->incremental = true;
    for (const struct entry *e = s->first; e; e = e->next) {
        list->p[list->n] = e->want;
        if (e->want.topic.p)
            list->p[list->n].topic = arena_str(&r->arena, e->want.topic);
        list->n++;
    }
    if (s->n > 0)
        return KAFKA_OK;
    end_session(fs, s); /* nothing is left in it */
    list->session_id = 0;
    return KAFKA_OK;
}

static void list_full(struct fetch_sessions *fs, struct request *r, bool by_id, struct fetch_list *list)
{
    const struct wire_fetch_request *in = r->body;
    const size_t n = count_asked(in);
    const int64_t now_ms = env_monotonic_ms(fs->b->env);
    struct session *old = in->session_id ? session_of(fs, in->session_id) : NULL, *s = NULL;

    if (old)
        end_session(fs, old);
    if (in->session_epoch == FETCH_EPOCH_FULL && r->version >= 7 && n > 0 && make_room(fs, n, now_ms)) {
        s = begin_session(fs, by_id);
        s->used_ms = now_ms;
        list->session_id = s->id;
    }
    list->p = ARENA_ARRAY(&r->arena, struct fetch_item, n + 1);
    take_asked(fs, s, in, by_id, list);
}

/* The partition, if the client may read it. */
static void resolve(struct request *r, bool by_id, struct fetch_item *item)
{
    const struct topic *t =
        by_id ? topics_find_id(r->b->topics, &item->topic_id) : topics_find(r->b->topics, item->topic);

    item->p = NULL;
    item->error_code = KAFKA_OK;
    item->topic_name = t ? t->name : NULL;
    if (by_id && !t)
        item->error_code = KAFKA_UNKNOWN_TOPIC_ID;
    else if (!request_may(r, ACL_READ, ACL_TOPIC, by_id ? str_of(t->name) : item->topic))
        item->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    else if (!t || item->partition < 0 || (size_t)item->partition >= t->partitions.n)
        item->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    else
        item->p = t->partitions.p[item->partition];
}

enum kafka_error fetch_sessions_list(struct fetch_sessions *fs, struct request *r, struct fetch_list *out)
{
    const struct wire_fetch_request *in = r->body;
    const bool by_id = r->version >= 13;

    *out = (struct fetch_list){0};
    if (r->version < 7 || in->session_epoch == FETCH_EPOCH_FULL || in->session_epoch == FETCH_EPOCH_FINAL) {
        list_full(fs, r, by_id, out);
    } else {
        const enum kafka_error e = list_incremental(fs, r, by_id, out);

        if (e)
            return e;
    }
    for (size_t i = 0; i < out->n; i++)
        resolve(r, by_id, &out->p[i]);
    return KAFKA_OK;
}

bool fetch_sessions_tell(struct fetch_sessions *fs, const struct fetch_list *list, const struct fetch_item *item,
                         const struct wire_fetch_partition_result *news)
{
    struct session *s = list->session_id ? session_of(fs, list->session_id) : NULL;
    struct entry *e = s ? *find(s, item) : NULL;
    bool tell = !list->incremental || news->records.n > 0 || news->error_code || !e;

    if (!e)
        return tell;
    tell |= e->told_high_watermark != news->high_watermark || e->told_start != news->log_start_offset;
    e->told_high_watermark = news->error_code ? -1 : news->high_watermark;
    e->told_start = news->log_start_offset;
    if (news->records.n > 0) {
        unlink_entry(s, e);
        push_last(s, e);
    }
    return tell;
}
