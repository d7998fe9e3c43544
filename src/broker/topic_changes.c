/*
 * Making, removing, growing and configuring topics. What is done to folders and topic.meta runs on threads beside the
 * loop, for one topic in the order in which it was asked for; who asked is answered when it is durable.
 */
#include "broker/topics_internal.h"

#include <stdio.h>
#include <stdlib.h>

enum change_kind { CHANGE_CREATE, CHANGE_GROW, CHANGE_CONFIGURE };

struct waiter {
    topic_done_fn *done;
    void *ctx;
};

/* What is to be written of a topic. */
struct change {
    struct sync_job job;
    struct change *next; /* waiting for a deletion */
    struct topics *ts;
    struct topic *t;
    enum change_kind kind;
    char *dir;
    struct buf meta;
    int32_t from, to; /* partitions that get folders */
    uint64_t number;  /* of the configuration, and what held before */
    VEC(struct topic_config) before;
    enum ig_code rc;
    struct error err;
    VEC(struct waiter) waiters;
};

/* Removal waits for the partitions' last jobs: they may write into the folder. */
struct deletion {
    struct sync_job job;
    struct deletion *next;
    struct topics *ts;
    struct topic *t;
    char *name, *from, *trash;
    size_t partitions; /* that still have jobs */
    bool queued;
    enum ig_code rc;
    struct error err;
    struct waiter waiter;
    struct change *first, **last; /* the next topics of that name */
};

/* --- writing ------------------------------------------------------------------------------------------------------ */

static enum ig_code write_change(struct change *c, struct error *err)
{
    struct env *env = c->ts->b->env;
    char path[4096];

    IG_TRY(buf_check(&c->meta, err, "the topic's settings"));
    if (c->to > c->from)
        IG_TRY(topic_make_folders(env, c->dir, c->from, c->to, err));
    snprintf(path, sizeof(path), "%s/topic.meta", c->dir);
    IG_TRY(env_replace_file(env, path, buf_str(&c->meta), err)); /* syncs the folder, too */
    return c->kind == CHANGE_CREATE ? env_sync_dir(env, c->ts->dir, err) : IG_OK;
}

static void change_run(struct sync_job *job)
{
    struct change *c = job->arg;

    c->rc = write_change(c, &c->err);
    if (c->rc && c->kind == CHANGE_CREATE)
        (void)!env_remove_tree(c->ts->b->env, c->dir, NULL);
}

static void open_new(struct topics *ts, struct topic *t, int32_t upto)
{
    for (int32_t i = (int32_t)t->partitions.n; i < upto; i++) {
        struct plog_mark mark;
        struct partition *p = partition_new(ts->b, t, &t->id, i, &mark);
        char path[4096];

        topic_partition_path(ts, t, i, path, sizeof(path));
        partition_use(p, plog_new(ts->b->env, ts->b->files, path, t->segment_bytes));
        vec_push(&t->partitions, p);
    }
}

/* What was to be set cannot be kept: unless more has been set since, what held before holds again. */
static void set_back(struct change *c)
{
    struct topic *t = c->t;

    if (c->number != t->config_number)
        return;
    topic_configs_clear(t);
    for (size_t i = 0; i < c->before.n; i++)
        topic_config_set(t, str_of(c->before.p[i].name), str_of(c->before.p[i].value));
    topic_configs_apply(c->ts->b, t);
}

static void change_free(struct change *c)
{
    for (size_t i = 0; i < c->before.n; i++) {
        free(c->before.p[i].name);
        free(c->before.p[i].value);
    }
    vec_free(&c->before);
    vec_free(&c->waiters);
    buf_release(&c->meta);
    free(c->dir);
    free(c);
}

static void apply_change(struct change *c)
{
    struct topic *t = c->t;

    if (c->kind == CHANGE_CREATE) {
        t->creation = NULL;
        t->making = false;
        if (c->rc) {
            topics_take_out(c->ts, t);
            t->removed = true;
            return;
        }
    }
    if (c->rc && c->kind == CHANGE_CONFIGURE)
        set_back(c);
    if (!c->rc && c->to > c->from) {
        open_new(c->ts, t, c->to);
        c->ts->changes++;
    }
}

static void change_done(void *arg)
{
    struct change *c = arg;
    struct topic *t = c->t;

    c->ts->b->syncs_running--;
    t->jobs--;
    if (!t->removed)
        apply_change(c);
    if (c->rc)
        log_error(c->ts->b->env, "broker", "topic %s: %s", t->name, c->err.msg);
    for (size_t i = 0; i < c->waiters.n; i++)
        c->waiters.p[i].done(c->waiters.p[i].ctx, c->rc ? KAFKA_STORAGE_ERROR : KAFKA_OK, &c->err);
    if (t->removed && t->jobs == 0)
        topic_free(t, true);
    change_free(c);
}

static struct change *change_new(struct topics *ts, struct topic *t, enum change_kind kind, topic_done_fn *done,
                                 void *ctx)
{
    struct change *c = check_calloc(1, sizeof(*c));
    const struct waiter waiter = {done, ctx};
    char path[4096];

    topic_path(ts, t->name, "", path, sizeof(path));
    *c = (struct change){.job = {.run = change_run, .done = change_done, .arg = c},
                         .ts = ts,
                         .t = t,
                         .kind = kind,
                         .dir = check_strdup(path)};
    vec_push(&c->waiters, waiter);
    t->jobs++;
    ts->b->syncs_running++;
    return c;
}

static void change_begin(struct change *c)
{
    topic_meta_text(c->t, c->t->wanted, &c->meta);
    /* New topics have nothing to do with each other; changes of one come one after the other. */
    sync_pool_add(c->kind == CHANGE_CREATE ? c->ts->b->making : c->ts->b->admin, &c->job);
}

/* --- making ---------------------------------------------------------------------------------------------------------
 */

static enum kafka_error check_wish(struct topics *ts, const struct topic_wish *w, struct error *err)
{
    if (!topic_name_ok(w->name)) {
        error_set(err, IG_INVALID, "a topic's name has 1 to %d of a-z A-Z 0-9 . _ -", TOPIC_NAME_MAX);
        return KAFKA_INVALID_TOPIC;
    }
    if (topics_find_any(ts, w->name)) {
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

enum kafka_error topics_create(struct topics *ts, const struct topic_wish *w, topic_done_fn *done, void *ctx,
                               struct topic **out, struct error *err)
{
    const enum kafka_error e = check_wish(ts, w, err);
    struct deletion *d = ts->deletions;
    struct topic *t;
    struct change *c;

    *out = NULL;
    if (e || w->check_only)
        return e;
    t = topic_new(w->name);
    env_random(ts->b->env, t->id.b, 16);
    for (int32_t i = 0; i < w->n_configs; i++)
        topic_config_set(t, w->configs[i].name, w->configs[i].value);
    topic_configs_apply(ts->b, t);
    t->wanted = w->partitions;
    t->making = true;
    topics_add(ts, t);
    c = change_new(ts, t, CHANGE_CREATE, done, ctx);
    c->to = w->partitions;
    t->creation = c;
    while (d && !str_is(w->name, d->name))
        d = d->next;
    if (d) {
        *d->last = c;
        d->last = &c->next;
    } else {
        change_begin(c);
    }
    *out = t;
    return KAFKA_OK;
}

bool topics_await(struct topics *ts, struct str name, topic_done_fn *done, void *ctx)
{
    const struct topic *t = topics_find_any(ts, name);
    const struct waiter waiter = {done, ctx};

    if (!t || !t->making)
        return false;
    vec_push(&t->creation->waiters, waiter);
    return true;
}

/* --- removing
 * --------------------------------------------------------------------------------------------------------- */

static void delete_run(struct sync_job *job)
{
    struct deletion *d = job->arg;
    struct env *env = d->ts->b->env;

    d->rc = env_make_dirs(env, d->ts->trash, &d->err);
    if (!d->rc)
        d->rc = env_rename(env, d->from, d->trash, &d->err);
    if (!d->rc)
        d->rc = env_sync_dir(env, d->ts->trash, &d->err);
    if (!d->rc)
        d->rc = env_sync_dir(env, d->ts->dir, &d->err);
    if (d->rc == IG_NO_SPACE) { /* there is not even room for a name: a topic without its topic.meta is none */
        char path[4096];

        snprintf(path, sizeof(path), "%s/topic.meta", d->from);
        d->rc = env_unlink(env, path, &d->err);
        if (!d->rc)
            d->rc = env_sync_dir(env, d->from, &d->err);
        if (!d->rc)
            (void)!env_remove_tree(env, d->from, NULL);
    }
}

/* The files themselves have time; what is left of them is removed at the next start. */
static void tree_run(struct sync_job *job)
{
    struct deletion *d = job->arg;

    (void)!env_remove_tree(d->ts->b->env, d->trash, NULL);
}

static void tree_done(void *arg)
{
    struct deletion *d = arg;

    d->ts->b->syncs_running--;
    free(d->name);
    free(d->from);
    free(d->trash);
    free(d);
}

static void delete_done(void *arg)
{
    struct deletion *d = arg, **at = &d->ts->deletions;

    if (d->rc)
        log_error(d->ts->b->env, "broker", "topic %s comes back with the next start: %s", d->name, d->err.msg);
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    while (d->first) {
        struct change *c = d->first;

        d->first = c->next;
        change_begin(c);
    }
    d->waiter.done(d->waiter.ctx, d->rc ? KAFKA_STORAGE_ERROR : KAFKA_OK, &d->err);
    d->job = (struct sync_job){.run = tree_run, .done = tree_done, .arg = d};
    sync_pool_add(d->ts->b->slow, &d->job);
}

static void partition_gone(void *ctx)
{
    struct deletion *d = ctx;

    if (--d->partitions > 0)
        return;
    d->job = (struct sync_job){.run = delete_run, .done = delete_done, .arg = d};
    sync_pool_add(d->ts->b->admin, &d->job);
}

void topics_delete(struct topics *ts, struct topic *t, topic_done_fn *done, void *ctx)
{
    struct deletion *d = check_calloc(1, sizeof(*d));
    char from[4096], to[4096], id[37];

    env_uuid(ts->b->env, id);
    topic_path(ts, t->name, "", from, sizeof(from));
    snprintf(to, sizeof(to), "%s/%s", ts->trash, id);
    *d = (struct deletion){.next = ts->deletions,
                           .ts = ts,
                           .name = check_strdup(t->name),
                           .from = check_strdup(from),
                           .trash = check_strdup(to),
                           .partitions = t->partitions.n + 1,
                           .waiter = {done, ctx},
                           .last = &d->first};
    ts->deletions = d;
    ts->b->syncs_running++;
    topics_take_out(ts, t);
    groups_forget_topic(ts->b->groups, str_of(t->name));
    for (size_t i = 0; i < t->partitions.n; i++) {
        t->partitions.p[i]->freed = partition_gone;
        t->partitions.p[i]->freed_ctx = d;
    }
    topic_free(t, true);
    partition_gone(d);
}

/* --- changing
 * ---------------------------------------------------------------------------------------------------------- */

enum kafka_error topics_grow(struct topics *ts, struct topic *t, int32_t partitions, bool check_only,
                             topic_done_fn *done, void *ctx, struct error *err)
{
    struct change *c;

    if (partitions <= t->wanted || partitions > TOPIC_PARTITIONS_MAX) {
        error_set(err, IG_INVALID, "topic %s has %d partitions and can be given up to %d, not %d", t->name, t->wanted,
                  TOPIC_PARTITIONS_MAX, partitions);
        return KAFKA_INVALID_PARTITIONS;
    }
    if (check_only)
        return KAFKA_OK;
    c = change_new(ts, t, CHANGE_GROW, done, ctx);
    c->from = t->wanted;
    c->to = t->wanted = partitions;
    change_begin(c);
    return KAFKA_OK;
}

enum kafka_error topics_configure(struct topics *ts, struct topic *t, bool replace_all,
                                  const struct topic_change *changes, size_t n, bool check_only, topic_done_fn *done,
                                  void *ctx, struct error *err)
{
    struct change *c;

    for (size_t i = 0; i < n; i++) {
        const enum kafka_error e =
            changes[i].value.p ? topic_config_check(changes[i].name, changes[i].value, err) : KAFKA_OK;

        if (e)
            return e;
    }
    if (check_only)
        return KAFKA_OK;
    c = change_new(ts, t, CHANGE_CONFIGURE, done, ctx);
    c->number = ++t->config_number;
    for (size_t i = 0; i < t->configs.n; i++) {
        const struct topic_config copy = {check_strdup(t->configs.p[i].name), check_strdup(t->configs.p[i].value)};

        vec_push(&c->before, copy);
    }
    if (replace_all)
        topic_configs_clear(t);
    for (size_t i = 0; i < n; i++)
        topic_config_set(t, changes[i].name, changes[i].value);
    topic_configs_apply(ts->b, t);
    change_begin(c);
    return KAFKA_OK;
}
