/*
 * Topics: DIR/topics/NAME/ with a folder for each partition and topic.meta, which is written last: a folder without it
 * is a creation that was never finished. Removal renames the folder into DIR/trash first.
 */
#include "broker/topics_internal.h"

#include <stdatomic.h>

#include <stdio.h>
#include <stdlib.h>

#define OPEN_THREADS 4

/* --- finding ---------------------------------------------------------------------------------------------- */

static struct topic **bucket(struct topics *ts, struct str name)
{
    return &ts->buckets[hash_fnv1a(name.p, name.n) % TOPIC_BUCKETS];
}

static struct topic **id_bucket(struct topics *ts, const struct wire_uuid *id)
{
    return &ts->by_id[hash_fnv1a(id->b, sizeof(id->b)) % TOPIC_BUCKETS];
}

uint64_t topics_changes(const struct topics *ts)
{
    return ts->changes;
}

struct topic *topics_find_any(struct topics *ts, struct str name)
{
    struct topic *t = *bucket(ts, name);

    while (t && !str_is(name, t->name))
        t = t->next;
    return t;
}

struct topic *topics_find(struct topics *ts, struct str name)
{
    struct topic *t = topics_find_any(ts, name);

    return t && !t->making ? t : NULL;
}

struct topic *topics_find_id(struct topics *ts, const struct wire_uuid *id)
{
    struct topic *t = *id_bucket(ts, id);

    while (t && memcmp(t->id.b, id->b, 16) != 0)
        t = t->next_by_id;
    return t && !t->making ? t : NULL;
}

struct partition *topics_partition(struct topics *ts, struct str name, int32_t index)
{
    const struct topic *t = topics_find(ts, name);

    return t && index >= 0 && (size_t)index < t->partitions.n ? t->partitions.p[index] : NULL;
}

static int by_name(const void *a, const void *b)
{
    const struct topic *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

struct topic **topics_sorted(struct topics *ts, size_t *n)
{
    struct topic **all = check_malloc((ts->n + 1) * sizeof(struct topic *));

    *n = 0;
    for (size_t i = 0; i < TOPIC_BUCKETS; i++) {
        for (struct topic *t = ts->buckets[i]; t; t = t->next) {
            if (!t->making)
                all[(*n)++] = t;
        }
    }
    qsort(all, *n, sizeof(*all), by_name);
    return all;
}

bool topic_name_ok(struct str name)
{
    if (name.n == 0 || name.n > TOPIC_NAME_MAX || str_is(name, ".") || str_is(name, ".."))
        return false;
    for (size_t i = 0; i < name.n; i++) {
        const char c = name.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-'))
            return false;
    }
    return true;
}

bool topic_is_internal(const struct topic *t)
{
    return strcmp(t->name, "__consumer_offsets") == 0 || strcmp(t->name, "__transaction_state") == 0;
}

/* --- opening, closing --------------------------------------------------------------------------------------- */

struct topic *topic_new(struct str name)
{
    struct topic *t = check_calloc(1, sizeof(*t));

    IG_ASSERT(name.p);
    t->name = check_calloc(1, name.n + 1);
    memcpy(t->name, name.p, name.n);
    return t;
}

void topic_free(struct topic *t, bool remove)
{
    for (size_t i = 0; i < t->partitions.n; i++)
        partition_close(t->partitions.p[i], remove);
    vec_free(&t->partitions);
    if (remove && t->jobs > 0) {
        t->removed = true;
        return;
    }
    topic_configs_clear(t);
    free(t->name);
    free(t);
}

void topics_add(struct topics *ts, struct topic *t)
{
    struct topic **at = bucket(ts, str_of(t->name)), **by_id = id_bucket(ts, &t->id);

    t->next = *at;
    *at = t;
    t->next_by_id = *by_id;
    *by_id = t;
    ts->changes++;
    ts->n++;
}

void topics_take_out(struct topics *ts, struct topic *t)
{
    struct topic **at = bucket(ts, str_of(t->name)), **by_id = id_bucket(ts, &t->id);

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    while (*by_id != t)
        by_id = &(*by_id)->next_by_id;
    *by_id = t->next_by_id;
    ts->changes++;
    ts->n--;
}

/* --- opening: what there is is read first; then the logs are opened, which may be much work, on several threads
 * ------- */

struct opened {
    struct partition *p;
    struct plog_mark mark;
    struct plog *log;
    enum ig_code rc;
    struct error err;
};

struct opening {
    struct topics *ts;
    VEC(struct opened) all;
    atomic_size_t next;
};

static enum ig_code open_entry(void *ctx, const char *name, const struct env_stat *st, struct error *err)
{
    struct opening *o = ctx;
    struct topics *ts = o->ts;
    struct topic *t;
    int64_t partitions;
    enum ig_code rc;

    if (!st->is_dir || !topic_name_ok(str_of(name)))
        return IG_OK;
    t = topic_new(str_of(name));
    rc = topic_meta_read(ts, t, &partitions, err);
    if (rc == IG_NOT_FOUND) {
        char path[4096];

        topic_path(ts, name, "", path, sizeof(path));
        log_info(ts->b->env, "broker", "removing topic %s, which was never made whole", name);
        rc = env_remove_tree(ts->b->env, path, err);
        topic_free(t, false);
        return rc;
    }
    if (rc) {
        topic_free(t, false);
        return error_context(err, rc, "open topic %s", name);
    }
    topic_configs_apply(ts->b, t);
    t->wanted = (int32_t)partitions;
    topics_add(ts, t);
    for (int32_t i = 0; i < (int32_t)partitions; i++) {
        struct opened one = {0};

        one.p = partition_new(ts->b, t, &t->id, i, &one.mark);
        vec_push(&o->all, one);
    }
    return IG_OK;
}

static void open_logs(void *arg)
{
    struct opening *o = arg;
    struct broker *b = o->ts->b;

    for (;;) {
        const size_t i = atomic_fetch_add(&o->next, 1);
        struct opened *one = i < o->all.n ? &o->all.p[i] : NULL;
        char path[4096];

        if (!one)
            return;
        topic_partition_path(o->ts, one->p->topic, one->p->index, path, sizeof(path));
        one->rc = plog_open(b->env, b->files, path, one->p->topic->segment_bytes, one->mark, &one->log, &one->err);
    }
}

static void open_all_logs(struct opening *o)
{
    struct env_thread *threads[OPEN_THREADS] = {NULL};
    struct broker *b = o->ts->b;
    struct error err;

    /* Where the loop has no threads beside it, there are none here, either. */
    for (size_t i = 0; i + 1 < OPEN_THREADS && i + 1 < o->all.n && !b->loop->ops->work; i++) {
        if (env_spawn(b->env, "log-open", open_logs, o, &threads[i], &err))
            break;
    }
    open_logs(o);
    for (size_t i = 0; i < OPEN_THREADS; i++)
        env_join(b->env, threads[i]);
}

static enum ig_code use_logs(struct opening *o, struct error *err)
{
    enum ig_code rc = IG_OK;

    for (size_t i = 0; i < o->all.n; i++) {
        struct opened *one = &o->all.p[i];
        struct topic *t = one->p->topic;

        if (one->rc && !rc) {
            if (err)
                *err = one->err;
            rc = error_context(err, one->rc, "open topic %s", t->name);
        }
        if (one->rc) {
            free(one->p);
            continue;
        }
        partition_use(one->p, one->log);
        vec_push(&t->partitions, one->p);
    }
    vec_free(&o->all);
    return rc;
}

enum ig_code topics_open(struct broker *b, struct topics **out, struct error *err)
{
    struct topics *ts = check_calloc(1, sizeof(*ts));
    struct opening opening = {.ts = ts};
    char path[4096];
    enum ig_code rc, opened;

    ts->b = b;
    snprintf(path, sizeof(path), "%s/topics", b->dir);
    ts->dir = check_strdup(path);
    snprintf(path, sizeof(path), "%s/trash", b->dir);
    ts->trash = check_strdup(path);
    rc = env_make_dirs(b->env, ts->dir, err);
    if (!rc)
        rc = env_remove_tree(b->env, ts->trash, err);
    if (!rc)
        rc = env_make_dirs(b->env, ts->trash, err); /* a full disk must not keep topics from being removed */
    if (rc == IG_NO_SPACE)
        rc = IG_OK;
    if (!rc)
        rc = env_list(b->env, ts->dir, open_entry, &opening, err);
    if (!rc)
        open_all_logs(&opening);
    for (size_t i = 0; rc && i < opening.all.n; i++)
        opening.all.p[i].rc = rc;
    opened = use_logs(&opening, rc ? NULL : err);
    if (!rc)
        rc = opened;
    if (rc)
        topics_close(ts);
    else
        *out = ts;
    return rc;
}

void topics_close(struct topics *ts)
{
    if (!ts)
        return;
    for (size_t i = 0; i < TOPIC_BUCKETS; i++) {
        while (ts->buckets[i]) {
            struct topic *t = ts->buckets[i];

            ts->buckets[i] = t->next;
            topic_free(t, false);
        }
    }
    free(ts->dir);
    free(ts->trash);
    free(ts);
}

void topics_retain(struct topics *ts)
{
    const int64_t now_ms = env_now_ms(ts->b->env);

    for (struct partition *p = ts->b->partitions; p; p = p->next) {
        const struct topic *t = p->topic;
        struct error err;
        int64_t first;

        if (!t || p->removed)
            continue;
        plog_roll_if_old(p->log, now_ms, t->segment_ms);
        if (!t->compact_only) {
            first = plog_due(p->log, now_ms, t->retention_ms, t->retention_bytes);
            if (first > p->log->start && !p->trims && partition_trim(p, first, NULL, NULL, &err))
                log_warn(ts->b->env, "broker", "remove old segments of %s/%d: %s", t->name, p->index, err.msg);
        }
        partition_sync(p);
    }
}
