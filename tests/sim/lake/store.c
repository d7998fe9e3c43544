/*
 * The store: what it holds, and how its answers get lost. It keeps what stores promise (store.h): of several puts of an
 * absent name one wins, an object that was stored is read by all from then on, IG_UNAVAILABLE means that nothing has
 * happened. A list goes page by page, and others go on between two of them.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT_US (3 * US_PER_S)
#define LATE_MAX_US (8 * US_PER_S)

static struct process *process_of(struct store *st)
{
    return (struct process *)((char *)st - offsetof(struct process, store));
}

static size_t place_of(const struct world *w, const char *name, bool *found)
{
    size_t low = 0, high = w->objects.n;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (strcmp(w->objects.p[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < w->objects.n && strcmp(w->objects.p[low].name, name) == 0;
    return low;
}

const struct object *store_find(const struct world *w, const char *name)
{
    bool found;
    const size_t i = place_of(w, name, &found);

    return found ? &w->objects.p[i] : NULL;
}

static char *copy_of(const char *p, size_t n)
{
    char *copy = check_malloc(n + 1);

    if (n)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

/* "t/_delta_log/00000000000000000007.json" */
static bool is_commit(const char *name, int64_t *version)
{
    static const char prefix[] = TABLE "/" LAKE_LOG_DIR "/";
    const char *digits = name + sizeof(prefix) - 1;

    return strncmp(name, prefix, sizeof(prefix) - 1) == 0 && strlen(digits) == 25 &&
           strcmp(digits + 20, ".json") == 0 && str_to_int64((struct str){digits, 20}, 0, INT64_MAX, version);
}

enum ig_code store_apply(struct world *w, int process, const char *name, struct str body, enum store_put_mode mode)
{
    const int64_t now_ms = INT64_C(1700000000000) + w->now_us / US_PER_MS;
    bool found;
    const size_t i = place_of(w, name, &found);
    int64_t version;

    if (found && mode == STORE_IF_ABSENT)
        return IG_EXISTS;
    if (found && is_commit(name, &version) &&
        (w->objects.p[i].n != body.n || memcmp(w->objects.p[i].body, body.p, body.n) != 0))
        violation(w, "process %d writes over %s", process, name);
    if (found) {
        free(w->objects.p[i].body);
        w->objects.p[i].body = copy_of(body.p, body.n);
        w->objects.p[i].n = body.n;
        w->objects.p[i].mtime_ms = now_ms;
        return IG_OK;
    }
    vec_push(&w->objects, (struct object){0});
    memmove(&w->objects.p[i + 1], &w->objects.p[i], (w->objects.n - 1 - i) * sizeof(*w->objects.p));
    w->objects.p[i] = (struct object){copy_of(name, strlen(name)), copy_of(body.p, body.n), body.n, now_ms};
    if (is_commit(name, &version))
        model_commit(w, version, body);
    return IG_OK;
}

static void erase(struct world *w, const char *name)
{
    bool found;
    const size_t i = place_of(w, name, &found);

    if (!found)
        return;
    model_removes(w, name);
    free(w->objects.p[i].name);
    free(w->objects.p[i].body);
    memmove(&w->objects.p[i], &w->objects.p[i + 1], (w->objects.n - 1 - i) * sizeof(*w->objects.p));
    w->objects.n--;
}

/* --- what goes wrong ------------------------------------------------------------------------------------------- */

static int64_t latency(struct world *w)
{
    if (chance(w, w->slow_percent))
        return (int64_t)draw(w, 4 * US_PER_S);
    return 500 + (int64_t)draw(w, 30 * US_PER_MS);
}

static enum fate fate_of(struct world *w)
{
    if (w->healing || !chance(w, w->fault_percent))
        return FATE_GOOD;
    return (enum fate)(1 + draw(w, FATES - 1));
}

static enum ig_code dead(struct error *err)
{
    return error_set(err, IG_CANCELLED, "the process is dead");
}

static enum ig_code refused(const char *name, struct error *err)
{
    return error_set(err, IG_UNAVAILABLE, "%s: 503 slow down", name);
}

static enum ig_code no_answer(const char *name, struct error *err)
{
    return error_set(err, IG_UNKNOWN_OUTCOME, "%s: no answer in time", name);
}

static void send_later(struct process *p, const char *name, struct str body, enum store_put_mode mode)
{
    const struct late l = {
        .at_us = p->w->now_us + (int64_t)draw(p->w, LATE_MAX_US),
        .name = copy_of(name, strlen(name)),
        .body = copy_of(body.p, body.n),
        .n = body.n,
        .mode = mode,
        .process = p->number,
    };

    vec_push(&p->w->lates, l);
}

/* Nothing has arrived, and nothing is said. */
static enum ig_code put_unheard(struct process *p, enum fate fate, const char *name, struct str body,
                                enum store_put_mode mode, struct error *err)
{
    if (fate == FATE_LATE)
        send_later(p, name, body, mode);
    process_wait(p, fate == FATE_REFUSED ? latency(p->w) : TIMEOUT_US);
    if (!process_call(p))
        return dead(err);
    return fate == FATE_REFUSED ? refused(name, err) : no_answer(name, err);
}

static enum ig_code put(struct store *st, const char *name, struct str body, enum store_put_mode mode,
                        struct error *err)
{
    struct process *p = process_of(st);
    const enum fate fate = fate_of(p->w);
    enum ig_code rc;

    if (!process_call(p))
        return dead(err);
    say(p->w, "%d: put %s (%d)", p->number, name, (int)fate);
    if (fate == FATE_REFUSED || fate == FATE_LOST_REQUEST || fate == FATE_LATE)
        return put_unheard(p, fate, name, body, mode, err);
    process_wait(p, latency(p->w));
    rc = store_apply(p->w, p->number, name, body, mode);
    if (fate == FATE_TWICE) {
        process_wait(p, latency(p->w));
        rc = store_apply(p->w, p->number, name, body, mode);
    } else if (fate == FATE_ECHO) {
        send_later(p, name, body, mode);
    }
    process_wait(p, fate == FATE_LOST_ANSWER ? TIMEOUT_US : latency(p->w));
    if (!process_call(p))
        return dead(err);
    if (fate == FATE_LOST_ANSWER)
        return no_answer(name, err);
    return rc ? error_set(err, rc, "%s is there", name) : IG_OK;
}

/* Reading and removing: it works, or it does not. */
static enum ig_code ask(struct process *p, const char *what, const char *name, struct error *err)
{
    if (!process_call(p))
        return dead(err);
    process_wait(p, latency(p->w));
    if (!process_call(p))
        return dead(err);
    if (fate_of(p->w) != FATE_GOOD && chance(p->w, 50)) {
        say(p->w, "%d: %s %s: refused", p->number, what, name);
        return refused(name, err);
    }
    return IG_OK;
}

static enum ig_code get(struct store *st, const char *name, struct buf *out, struct error *err)
{
    struct process *p = process_of(st);
    const struct object *o;

    IG_TRY(ask(p, "get", name, err));
    o = store_find(p->w, name);
    say(p->w, "%d: get %s: %s", p->number, name, o ? "there" : "not there");
    if (!o)
        return error_set(err, IG_NOT_FOUND, "%s is not there", name);
    buf_add(out, o->body, o->n);
    process_wait(p, latency(p->w) / 4);
    return process_call(p) ? buf_check(out, err, name) : dead(err);
}

static enum ig_code stat(struct store *st, const char *name, struct store_object *out, struct error *err)
{
    struct process *p = process_of(st);
    const struct object *o;

    IG_TRY(ask(p, "stat", name, err));
    o = store_find(p->w, name);
    if (!o)
        return error_set(err, IG_NOT_FOUND, "%s is not there", name);
    *out = (struct store_object){str_of(name), (int64_t)o->n, o->mtime_ms};
    return IG_OK;
}

static enum ig_code remove_object(struct store *st, const char *name, struct error *err)
{
    struct process *p = process_of(st);

    IG_TRY(ask(p, "remove", name, err));
    say(p->w, "%d: remove %s", p->number, name);
    erase(p->w, name);
    process_wait(p, latency(p->w) / 4);
    return process_call(p) ? IG_OK : dead(err);
}

/* The objects behind `after`, as they are now. */
static size_t first_behind(const struct world *w, const char *prefix, const char *after)
{
    bool found;
    size_t i = place_of(w, strcmp(after, prefix) > 0 ? after : prefix, &found);

    return i + (found && strcmp(w->objects.p[i].name, after) == 0);
}

struct page_item {
    char *name;
    int64_t size_bytes, mtime_ms;
};

static enum ig_code list_from(struct store *st, const char *prefix, const char *after, store_list_fn *each, void *ctx,
                              struct error *err)
{
    struct process *p = process_of(st);
    enum ig_code rc = IG_OK;
    char last[256];
    bool more = true;

    snprintf(last, sizeof(last), "%s", after);
    while (more && !rc) {
        VEC(struct page_item) page = {0};

        rc = ask(p, "list", prefix, err);
        for (size_t i = rc ? p->w->objects.n : first_behind(p->w, prefix, last);
             i < p->w->objects.n && page.n < p->w->page; i++) {
            const struct object *o = &p->w->objects.p[i];

            if (strncmp(o->name, prefix, strlen(prefix)) != 0)
                break;
            vec_push(&page, ((struct page_item){copy_of(o->name, strlen(o->name)), (int64_t)o->n, o->mtime_ms}));
        }
        more = page.n == p->w->page;
        if (page.n)
            snprintf(last, sizeof(last), "%s", page.p[page.n - 1].name);
        for (size_t i = 0; i < page.n; i++) {
            const struct store_object o = {str_of(page.p[i].name), page.p[i].size_bytes, page.p[i].mtime_ms};

            if (!rc)
                rc = each(ctx, &o, err);
            free(page.p[i].name);
        }
        vec_free(&page);
    }
    return rc;
}

static enum ig_code list(struct store *st, const char *prefix, store_list_fn *each, void *ctx, struct error *err)
{
    return list_from(st, prefix, "", each, ctx, err);
}

static enum ig_code no_files(const char *name, struct error *err)
{
    return error_set(err, IG_UNSUPPORTED, "%s: this world has no files", name);
}

static enum ig_code put_file(struct store *st, const char *name, const char *path, enum store_put_mode mode,
                             struct error *err)
{
    (void)st;
    (void)path;
    (void)mode;
    return no_files(name, err);
}

static enum ig_code local_path(struct store *st, const char *name, struct buf *out, struct error *err)
{
    (void)st;
    (void)out;
    return no_files(name, err);
}

static enum ig_code scratch_path(struct store *st, const char *suffix, struct buf *out, struct error *err)
{
    (void)st;
    (void)out;
    return no_files(suffix, err);
}

static const struct store_ops ops = {
    .scheme = "sim",
    .get = get,
    .put = put,
    .put_file = put_file,
    .stat = stat,
    .list = list,
    .list_from = list_from,
    .remove = remove_object,
    .local_path = local_path,
    .scratch_path = scratch_path,
    .remote = true,
};

void store_sim_init(struct process *p)
{
    static char url[] = "sim:";

    p->store = (struct store){.ops = &ops, .env = &p->env, .url = url};
}

void store_sim_free(struct world *w)
{
    for (size_t i = 0; i < w->objects.n; i++) {
        free(w->objects.p[i].name);
        free(w->objects.p[i].body);
    }
    vec_free(&w->objects);
    for (size_t i = 0; i < w->lates.n; i++) {
        free(w->lates.p[i].name);
        free(w->lates.p[i].body);
    }
    vec_free(&w->lates);
}
