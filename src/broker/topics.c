/*
 * Topics: DIR/topics/NAME/ with a folder for each partition and topic.meta, which is written last: a folder without it
 * is a creation that was never finished. Removal renames the folder into DIR/trash first.
 */
#include "broker/partition_jobs.h"

#include <stdio.h>
#include <stdlib.h>

#define BUCKETS 1024
#define META_BYTES_MAX (1 << 20)

struct topics {
    struct broker *b;
    char *dir, *trash;
    struct topic *buckets[BUCKETS], *by_id[BUCKETS];
    size_t n;
    uint64_t changes; /* topics made, removed, grown */
};

/* --- finding ---------------------------------------------------------------------------------------------- */

static struct topic **bucket(struct topics *ts, struct str name)
{
    return &ts->buckets[hash_fnv1a(name.p, name.n) % BUCKETS];
}

static struct topic **id_bucket(struct topics *ts, const struct wire_uuid *id)
{
    return &ts->by_id[hash_fnv1a(id->b, sizeof(id->b)) % BUCKETS];
}

uint64_t topics_changes(const struct topics *ts)
{
    return ts->changes;
}

struct topic *topics_find(struct topics *ts, struct str name)
{
    struct topic *t = *bucket(ts, name);

    while (t && !str_is(name, t->name))
        t = t->next;
    return t;
}

struct topic *topics_find_id(struct topics *ts, const struct wire_uuid *id)
{
    struct topic *t = *id_bucket(ts, id);

    while (t && memcmp(t->id.b, id->b, 16) != 0)
        t = t->next_by_id;
    return t;
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
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct topic *t = ts->buckets[i]; t; t = t->next)
            all[(*n)++] = t;
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

/* --- topic.meta: one line a fact ---------------------------------------------------------------------------- */

static void topic_path(const struct topics *ts, const char *name, const char *below, char *out, size_t n)
{
    IG_ASSERT((size_t)snprintf(out, n, "%s/%s%s", ts->dir, name, below) < n);
}

static void partition_path(const struct topics *ts, const struct topic *t, int32_t index, char *out, size_t n)
{
    char below[16];

    snprintf(below, sizeof(below), "/%d", index);
    topic_path(ts, t->name, below, out, n);
}

static enum ig_code write_meta(struct topics *ts, const struct topic *t, int32_t partitions, struct error *err)
{
    char path[4096];
    struct buf b;
    enum ig_code rc;

    topic_path(ts, t->name, "/topic.meta", path, sizeof(path));
    buf_init(&b, META_BYTES_MAX);
    buf_puts(&b, "id=");
    for (size_t i = 0; i < 16; i++)
        buf_printf(&b, "%02x", t->id.b[i]);
    buf_printf(&b, "\npartitions=%d\n", partitions);
    for (size_t i = 0; i < t->configs.n; i++)
        buf_printf(&b, "config.%s=%s\n", t->configs.p[i].name, t->configs.p[i].value);
    rc = env_replace_file(ts->b->env, path, buf_str(&b), err);
    buf_release(&b);
    return rc;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

static bool parse_id(struct str s, struct wire_uuid *id)
{
    if (s.n != 32)
        return false;
    for (size_t i = 0; i < 16; i++) {
        const int high = hex_digit(s.p[2 * i]), low = hex_digit(s.p[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        id->b[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool parse_meta_line(struct topic *t, struct str line, int64_t *partitions)
{
    const char *eq = memchr(line.p, '=', line.n);
    struct str name, value;

    if (!eq)
        return line.n == 0;
    name = (struct str){line.p, (size_t)(eq - line.p)};
    value = (struct str){eq + 1, line.n - name.n - 1};
    if (str_is(name, "id"))
        return parse_id(value, &t->id);
    if (str_is(name, "partitions"))
        return str_to_int64(value, 1, TOPIC_PARTITIONS_MAX, partitions);
    if (str_has_prefix(name, "config."))
        topic_config_set(t, (struct str){name.p + 7, name.n - 7}, value);
    return true;
}

static enum ig_code read_meta(struct topics *ts, struct topic *t, int64_t *partitions, struct error *err)
{
    char path[4096];
    struct buf b;
    enum ig_code rc;

    topic_path(ts, t->name, "/topic.meta", path, sizeof(path));
    buf_init(&b, META_BYTES_MAX);
    rc = env_read_file(ts->b->env, path, &b, err);
    *partitions = 0;
    for (size_t at = 0; !rc && at < b.n;) {
        const char *eol = memchr(b.p + at, '\n', b.n - at);
        const size_t n = eol ? (size_t)(eol - b.p) - at : b.n - at;

        if (!parse_meta_line(t, (struct str){b.p + at, n}, partitions))
            rc = error_set(err, IG_CORRUPT, "%s: cannot read \"%.*s\"", path, (int)(n < 200 ? n : 200), b.p + at);
        at += n + 1;
    }
    if (!rc && *partitions == 0)
        rc = error_set(err, IG_CORRUPT, "%s says nothing of partitions", path);
    buf_release(&b);
    return rc;
}

/* --- opening, closing --------------------------------------------------------------------------------------- */

static struct topic *topic_new(struct str name)
{
    struct topic *t = check_calloc(1, sizeof(*t));

    IG_ASSERT(name.p);
    t->name = check_calloc(1, name.n + 1);
    memcpy(t->name, name.p, name.n);
    return t;
}

static void topic_free(struct topic *t, bool remove)
{
    for (size_t i = 0; i < t->partitions.n; i++)
        partition_close(t->partitions.p[i], remove);
    topic_configs_clear(t);
    vec_free(&t->partitions);
    free(t->name);
    free(t);
}

static void add(struct topics *ts, struct topic *t)
{
    struct topic **at = bucket(ts, str_of(t->name)), **by_id = id_bucket(ts, &t->id);

    t->next = *at;
    *at = t;
    t->next_by_id = *by_id;
    *by_id = t;
    ts->changes++;
    ts->n++;
}

static enum ig_code open_partitions(struct topics *ts, struct topic *t, int32_t upto, struct error *err)
{
    for (int32_t i = (int32_t)t->partitions.n; i < upto; i++) {
        struct partition *p;
        char path[4096];

        partition_path(ts, t, i, path, sizeof(path));
        IG_TRY(partition_open(ts->b, t, &t->id, i, path, t->segment_bytes, &p, err));
        vec_push(&t->partitions, p);
    }
    return IG_OK;
}

static enum ig_code open_entry(void *ctx, const char *name, const struct env_stat *st, struct error *err)
{
    struct topics *ts = ctx;
    struct topic *t;
    int64_t partitions;
    enum ig_code rc;

    if (!st->is_dir || !topic_name_ok(str_of(name)))
        return IG_OK;
    t = topic_new(str_of(name));
    rc = read_meta(ts, t, &partitions, err);
    if (rc == IG_NOT_FOUND) {
        char path[4096];

        topic_path(ts, name, "", path, sizeof(path));
        log_info(ts->b->env, "broker", "removing topic %s, which was never made whole", name);
        rc = env_remove_tree(ts->b->env, path, err);
        topic_free(t, false);
        return rc;
    }
    if (!rc) {
        topic_configs_apply(ts->b, t);
        rc = open_partitions(ts, t, (int32_t)partitions, err);
    }
    if (rc) {
        topic_free(t, false);
        return error_context(err, rc, "open topic %s", name);
    }
    add(ts, t);
    return IG_OK;
}

enum ig_code topics_open(struct broker *b, struct topics **out, struct error *err)
{
    struct topics *ts = check_calloc(1, sizeof(*ts));
    char path[4096];
    enum ig_code rc;

    ts->b = b;
    snprintf(path, sizeof(path), "%s/topics", b->dir);
    ts->dir = check_strdup(path);
    snprintf(path, sizeof(path), "%s/trash", b->dir);
    ts->trash = check_strdup(path);
    rc = env_make_dirs(b->env, ts->dir, err);
    if (!rc)
        rc = env_remove_tree(b->env, ts->trash, err);
    if (!rc)
        rc = env_list(b->env, ts->dir, open_entry, ts, err);
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
    for (size_t i = 0; i < BUCKETS; i++) {
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

/* --- making, removing, changing ------------------------------------------------------------------------------ */

static enum kafka_error check_wish(struct topics *ts, const struct topic_wish *w, struct error *err)
{
    if (!topic_name_ok(w->name)) {
        error_set(err, IG_INVALID, "a topic's name has 1 to %d of a-z A-Z 0-9 . _ -", TOPIC_NAME_MAX);
        return KAFKA_INVALID_TOPIC;
    }
    if (topics_find(ts, w->name)) {
        error_set(err, IG_EXISTS, "topic " STR_FMT " exists", STR_ARG(w->name));
        return KAFKA_TOPIC_EXISTS;
    }
    if (w->partitions < 1 || w->partitions > TOPIC_PARTITIONS_MAX) {
        error_set(err, IG_INVALID, "a topic has 1 to %d partitions, not %d", TOPIC_PARTITIONS_MAX, w->partitions);
        return KAFKA_INVALID_PARTITIONS;
    }
    for (int32_t i = 0; i < w->n_configs; i++) {
        const enum kafka_error e =
            w->configs[i].value.p ? topic_config_check(w->configs[i].name, w->configs[i].value, err) : KAFKA_OK;

        if (e)
            return e;
    }
    return KAFKA_OK;
}

/* The folders of partitions [from, to), with one sync for all. */
static enum ig_code make_folders(struct topics *ts, const struct topic *t, int32_t from, int32_t to, struct error *err)
{
    char path[4096];

    topic_path(ts, t->name, "", path, sizeof(path));
    IG_TRY(env_make_dirs(ts->b->env, path, err));
    for (int32_t i = from; i < to; i++) {
        partition_path(ts, t, i, path, sizeof(path));
        IG_TRY(ts->b->env->ops->make_dir(ts->b->env, path, err));
    }
    topic_path(ts, t->name, "", path, sizeof(path));
    return env_sync_dir(ts->b->env, path, err);
}

enum kafka_error topics_create(struct topics *ts, const struct topic_wish *w, struct topic **out, struct error *err)
{
    const enum kafka_error e = check_wish(ts, w, err);
    struct topic *t;
    enum ig_code rc;

    *out = NULL;
    if (e || w->check_only)
        return e;
    t = topic_new(w->name);
    env_random(ts->b->env, t->id.b, 16);
    for (int32_t i = 0; i < w->n_configs; i++)
        topic_config_set(t, w->configs[i].name, w->configs[i].value);
    topic_configs_apply(ts->b, t);
    rc = make_folders(ts, t, 0, w->partitions, err);
    if (!rc)
        rc = open_partitions(ts, t, w->partitions, err);
    if (!rc)
        rc = write_meta(ts, t, w->partitions, err);
    if (rc) {
        char path[4096];

        topic_path(ts, t->name, "", path, sizeof(path));
        topic_free(t, true);
        (void)!env_remove_tree(ts->b->env, path, NULL);
        return KAFKA_STORAGE_ERROR;
    }
    add(ts, t);
    *out = t;
    return KAFKA_OK;
}

/* Making a removal durable, and removing what may be many files, waits for the disk: not on the loop. */
struct deletion {
    struct sync_job job;
    struct topics *ts;
    char *trash;
    enum ig_code rc;
    struct error err;
    topic_deleted_fn *done;
    void *ctx;
};

static void delete_run(struct sync_job *job)
{
    struct deletion *d = job->arg;

    d->rc = env_sync_dir(d->ts->b->env, d->ts->dir, &d->err);
    (void)!env_remove_tree(d->ts->b->env, d->trash, NULL); /* what is left is removed at the next start */
}

static void delete_done(void *arg)
{
    struct deletion *d = arg;

    d->ts->b->syncs_running--;
    d->done(d->ctx, d->rc ? KAFKA_STORAGE_ERROR : KAFKA_OK, &d->err);
    free(d->trash);
    free(d);
}

enum kafka_error topics_delete(struct topics *ts, struct topic *t, topic_deleted_fn *done, void *ctx, struct error *err)
{
    struct topic **at = bucket(ts, str_of(t->name)), **by_id = id_bucket(ts, &t->id);
    char from[4096], to[4096], id[37];
    struct deletion *d;

    env_uuid(ts->b->env, id);
    topic_path(ts, t->name, "", from, sizeof(from));
    snprintf(to, sizeof(to), "%s/%s", ts->trash, id);
    if (env_make_dirs(ts->b->env, ts->trash, err) || env_rename(ts->b->env, from, to, err))
        return KAFKA_STORAGE_ERROR;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    while (*by_id != t)
        by_id = &(*by_id)->next_by_id;
    *by_id = t->next_by_id;
    ts->changes++;
    ts->n--;
    groups_forget_topic(ts->b->groups, str_of(t->name));
    topic_free(t, true);
    d = check_calloc(1, sizeof(*d));
    *d = (struct deletion){.job = {.run = delete_run, .done = delete_done, .arg = d},
                           .ts = ts,
                           .trash = check_strdup(to),
                           .done = done,
                           .ctx = ctx};
    ts->b->syncs_running++;
    sync_pool_add(ts->b->syncs, &d->job);
    return KAFKA_OK;
}

enum kafka_error topics_grow(struct topics *ts, struct topic *t, int32_t partitions, bool check_only, struct error *err)
{
    const int32_t have = (int32_t)t->partitions.n;
    enum ig_code rc;

    if (partitions <= have || partitions > TOPIC_PARTITIONS_MAX) {
        error_set(err, IG_INVALID, "topic %s has %d partitions and can be given up to %d, not %d", t->name, have,
                  TOPIC_PARTITIONS_MAX, partitions);
        return KAFKA_INVALID_PARTITIONS;
    }
    if (check_only)
        return KAFKA_OK;
    rc = make_folders(ts, t, have, partitions, err);
    if (!rc)
        rc = write_meta(ts, t, partitions, err);
    if (!rc)
        rc = open_partitions(ts, t, partitions, err);
    ts->changes++;
    return rc ? KAFKA_STORAGE_ERROR : KAFKA_OK;
}

enum kafka_error topics_configure(struct topics *ts, struct topic *t, bool replace_all,
                                  const struct topic_change *changes, size_t n, bool check_only, struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        const enum kafka_error e =
            changes[i].value.p ? topic_config_check(changes[i].name, changes[i].value, err) : KAFKA_OK;

        if (e)
            return e;
    }
    if (check_only)
        return KAFKA_OK;
    if (replace_all)
        topic_configs_clear(t);
    for (size_t i = 0; i < n; i++)
        topic_config_set(t, changes[i].name, changes[i].value);
    topic_configs_apply(ts->b, t);
    return write_meta(ts, t, (int32_t)t->partitions.n, err) ? KAFKA_STORAGE_ERROR : KAFKA_OK;
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
