/*
 * One run over the partitions: plan, queue, and batch by batch through the stages.
 *
 * A batch is some partitions of one domain. Silver is made date by date; gold and load once for the batch, because what
 * they cost is mostly per table. If they fail, each partition goes through them alone, so that one bad partition does
 * not take the others along; except when what failed is the world around them, which each would only find again.
 *
 * Every transition is in partition_meta before the work that it announces begins, and after the work that it reports
 * is durable. A run that dies leaves IN_FLIGHT rows, which the next run takes up again; the stages are idempotent.
 */
#include "base/names.h"
#include "lifecycle/lifecycle_internal.h"

#include <limits.h>
#include <stdio.h>

/* So many partitions go through gold and load together; what a crash makes the next run do again. */
#define BATCH_MAX 64
/* A partition may come up again within a run (a table-wide key that moved from another date); so often at most. */
#define VISITS_MAX 3

struct partition {
    struct lifecycle_row row;
    size_t domain;    /* index in conf->domains */
    bool interrupted; /* an attempt before this run did not come to its end */
    bool dirty;       /* its row is to be written */
    bool queued;      /* of this run's work */
    bool gold_only;   /* its silver is up to date */
    bool in_batch;    /* IN_FLIGHT in this run, and not failed */
    bool again;       /* its silver was changed by another date of the batch, after its own turn */
    bool made;        /* its silver, in this batch */
    unsigned visits;  /* in this run */
    const char *note; /* why it is in the queue */
    const char *const *files;
    size_t n_files;
    const char *file_hash;
};

struct run {
    const struct stage_context *x;
    const struct lifecycle_selection *sel;
    struct lifecycle_outcome *out;
    lifecycle_progress_fn *progress;
    void *ctx;
    const volatile bool *stop;
    struct meta meta;
    struct lifecycle_rows stored;
    struct arena arena;
    char run_id[64];
    VEC(struct partition) parts; /* by domain as in the configuration, then date */
    int64_t time_us;             /* of the last transition */
    bool *abandoned;             /* one a domain: the run before died while it worked on it */
    size_t done, total;          /* partitions of this run */
};

static const struct conf_domain *domain_of(const struct run *r, const struct partition *p)
{
    return &r->x->conf->domains[p->domain];
}

static void report(struct run *r, const struct partition *p, const char *step)
{
    if (r->progress)
        r->progress(r->ctx, &p->row, step, r->done, r->total, p->note);
}

/* --- transitions ---------------------------------------------------------------------------------------- */

/* Times of transitions only go up, over all rows, whatever the clock does: what was processed behind what is told by
 * them. A row of the far future is somebody's mistake, and not followed. */
#define CLOCK_TRUST_US US_PER_DAY

static void begin_time(struct run *r)
{
    const int64_t now_us = env_now_us(r->x->env);
    for (size_t i = 0; i < r->stored.n; i++) {
        const int64_t t = r->stored.p[i].updated_us;
        if (t > r->time_us && t < now_us + CLOCK_TRUST_US)
            r->time_us = t;
    }
}

static int64_t next_time(struct run *r)
{
    const int64_t now_us = env_now_us(r->x->env);
    r->time_us = now_us > r->time_us ? now_us : r->time_us + 1;
    return r->time_us;
}

static bool apply(struct run *r, struct partition *p, enum lifecycle_event event)
{
    const enum lifecycle_state to = lifecycle_next(p->row.state, event);
    if (to == LIFECYCLE_NONE)
        return false;
    const int64_t now_us = next_time(r);
    if (event == LIFECYCLE_ON_DISCOVER)
        p->row.created_us = now_us;
    p->row.state = to;
    p->row.updated_us = now_us;
    p->row.run_id = r->run_id;
    p->dirty = true;
    return true;
}

static enum ig_code write_dirty(struct run *r, struct error *err)
{
    VEC(struct lifecycle_row *) rows = {0};
    if (r->sel->dry_run)
        return IG_OK;
    for (size_t i = 0; i < r->parts.n; i++) {
        if (r->parts.p[i].dirty)
            vec_push(&rows, &r->parts.p[i].row);
    }
    enum ig_code rc = meta_write(&r->meta, rows.p, rows.n, err);
    vec_free(&rows);
    if (rc != IG_OK)
        return rc;
    for (size_t i = 0; i < r->parts.n; i++)
        r->parts.p[i].dirty = false;
    return IG_OK;
}

/* --- what there is ------------------------------------------------------------------------------------------ */

static bool is_selected(const struct run *r, const struct partition *p)
{
    const struct lifecycle_selection *sel = r->sel;
    if ((sel->first_date != DATE_NONE && p->row.date < sel->first_date) ||
        (sel->last_date != DATE_NONE && p->row.date > sel->last_date))
        return false;
    return names_choose(sel->domains, sel->n_domains, domain_of(r, p)->name);
}

static int compare_row(const void *key, const void *row)
{
    const struct lifecycle_row *a = key, *b = row;
    const int by_domain = strcmp(a->domain, b->domain);
    return by_domain ? by_domain : (a->date > b->date) - (a->date < b->date);
}

static const struct lifecycle_row *stored_row(const struct run *r, const char *domain, int32_t date)
{
    const struct lifecycle_row key = {.domain = domain, .date = date};
    return r->stored.n ? bsearch(&key, r->stored.p, r->stored.n, sizeof(key), compare_row) : NULL;
}

static const char *store_url(struct run *r, const struct buf *path)
{
    return arena_printf(&r->arena, "%s/%s", r->x->store->url, buf_cstr(path));
}

/* Everything that bronze has of a domain, joined with what partition_meta says about it. */
static enum ig_code gather_domain(struct run *r, size_t domain, struct error *err)
{
    const struct conf_domain *d = &r->x->conf->domains[domain];
    struct bronze_partitions found = {0};
    struct buf path;
    buf_init(&path, 0);
    stage_silver_path(d, &path);
    const char *silver_path = store_url(r, &path);
    buf_clear(&path);
    buf_printf(&path, "gold/%s", d->name);
    const char *gold_path = store_url(r, &path);
    buf_release(&path);

    enum ig_code rc = bronze_discover(r->x, d, &r->arena, &found, err);
    for (size_t i = 0; rc == IG_OK && i < found.list.n; i++) {
        const struct bronze_partition *b = &found.list.p[i];
        const struct lifecycle_row *old = stored_row(r, d->name, b->date);
        struct partition p = {
            .domain = domain,
            .row = old ? *old
                       : (struct lifecycle_row){.domain = d->name, .date = b->date, .state = LIFECYCLE_UNDISCOVERED},
            .files = b->files,
            .n_files = b->n_files,
            .file_hash = arena_strdup(&r->arena, b->file_hash),
        };
        p.row.silver_path = silver_path;
        p.row.gold_path = gold_path;
        vec_push(&r->parts, p);
    }
    bronze_partitions_free(&found);
    return rc;
}

/* --- the plan ------------------------------------------------------------------------------------------- */

static void take_files(struct partition *p)
{
    p->row.source_files = p->files;
    p->row.n_source_files = p->n_files;
    p->row.file_hash = p->file_hash;
}

static bool has_new_files(const struct partition *p)
{
    return !p->row.file_hash || strcmp(p->row.file_hash, p->file_hash) != 0;
}

static void enqueue(struct run *r, struct partition *p, const char *note)
{
    if (!p->queued) {
        p->queued = true;
        p->note = note;
        r->total++;
    }
}

/* A partition that failed before: once more, or never again. */
static void plan_failed(struct run *r, struct partition *p)
{
    const int32_t retries = domain_of(r, p)->max_retries;
    if (p->row.retry_count >= retries) {
        (void)apply(r, p, LIFECYCLE_ON_GIVE_UP);
        return;
    }
    p->row.retry_count++;
    (void)apply(r, p, LIFECYCLE_ON_RETRY);
    enqueue(r, p, arena_printf(&r->arena, "retry %d of %d", p->row.retry_count, retries));
}

static void plan_done(struct run *r, struct partition *p)
{
    if (!has_new_files(p)) {
        r->out->unchanged++;
        return;
    }
    const size_t before = p->row.n_source_files;
    p->note = p->n_files > before ? arena_printf(&r->arena, "late: %zu new files", p->n_files - before)
                                  : "late: its files have changed";
    (void)apply(r, p, LIFECYCLE_ON_NEW_FILES);
    take_files(p);
    r->out->late++;
    enqueue(r, p, p->note);
}

/* What a partition's state, its files and the selection make of it at the start of a run. */
static void plan_partition(struct run *r, struct partition *p)
{
    p->interrupted = p->row.state == LIFECYCLE_IN_FLIGHT || p->row.state == LIFECYCLE_FAILED ||
                     p->row.state == LIFECYCLE_RETRYING || p->row.state == LIFECYCLE_DEAD;
    if (r->sel->requeue && lifecycle_next(p->row.state, LIFECYCLE_ON_REQUEUE) != LIFECYCLE_NONE) {
        (void)apply(r, p, LIFECYCLE_ON_REQUEUE);
        p->row.retry_count = 0;
        enqueue(r, p, "asked for again");
        return;
    }
    if (p->row.state == LIFECYCLE_IN_FLIGHT && apply(r, p, LIFECYCLE_ON_ABANDON)) {
        p->row.error_message = "the run that worked on it did not end";
        r->abandoned[p->domain] = true;
    }
    switch (p->row.state) {
    case LIFECYCLE_UNDISCOVERED:
        (void)apply(r, p, LIFECYCLE_ON_DISCOVER);
        take_files(p);
        r->out->discovered++;
        enqueue(r, p, "new");
        break;
    case LIFECYCLE_DONE:
        plan_done(r, p);
        break;
    case LIFECYCLE_FAILED:
        plan_failed(r, p);
        break;
    case LIFECYCLE_DEAD:
        r->out->dead++;
        break;
    case LIFECYCLE_PENDING:
        enqueue(r, p, "pending");
        break;
    case LIFECYCLE_LATE:
    case LIFECYCLE_REPROCESSING:
        enqueue(r, p, "late");
        break;
    case LIFECYCLE_RETRYING:
        enqueue(r, p, "taken up again");
        break;
    default:
        break;
    }
}

/* With keys that are unique in the table, silver of one date changes others in the same commit. Who died, or does not
 * know whether it committed, may have done so without having said which: all of the domain is looked at again, by this
 * run if it is only planned `now`. */
static void doubt_domain(struct run *r, size_t domain, bool now)
{
    if (r->x->conf->domains[domain].contract.unique != CONF_UNIQUE_TABLE)
        return;
    for (size_t i = 0; i < r->parts.n; i++) {
        struct partition *p = &r->parts.p[i];
        if (p->domain != domain || !apply(r, p, LIFECYCLE_ON_UPSTREAM))
            continue;
        r->out->late++;
        if (now && is_selected(r, p))
            enqueue(r, p, "keys may have moved to another date when a run died");
    }
}

/* LATE partitions of the queue become REPROCESSING: a commit of its own, so that both states are on record. */
static enum ig_code requeue_late(struct run *r, struct error *err)
{
    IG_TRY(write_dirty(r, err));
    for (size_t i = 0; i < r->parts.n; i++) {
        struct partition *p = &r->parts.p[i];
        if (p->queued && p->row.state == LIFECYCLE_LATE)
            (void)apply(r, p, LIFECYCLE_ON_RETRY);
    }
    return write_dirty(r, err);
}

static enum ig_code plan(struct run *r, struct error *err)
{
    IG_TRY(meta_read(&r->meta, &r->stored, err));
    begin_time(r);
    for (size_t i = 0; i < r->x->conf->n_domains; i++)
        IG_TRY(gather_domain(r, i, err));
    for (size_t i = 0; i < r->parts.n; i++) {
        if (is_selected(r, &r->parts.p[i]))
            plan_partition(r, &r->parts.p[i]);
    }
    for (size_t i = 0; i < r->x->conf->n_domains; i++) {
        if (r->abandoned[i])
            doubt_domain(r, i, true);
    }
    for (size_t i = 0; i < r->parts.n; i++) {
        if (r->parts.p[i].queued)
            report(r, &r->parts.p[i], "plan");
    }
    return requeue_late(r, err);
}

/* --- what other domains' changes mean ----------------------------------------------------------------------- */

/* When the domains that `d` depends on were processed last. */
static int64_t upstream_processed_us(const struct run *r, const struct conf_domain *d)
{
    int64_t latest = 0;
    for (size_t i = 0; i < r->parts.n; i++) {
        const struct partition *p = &r->parts.p[i];
        if (p->row.processed_us > latest && names_have(d->depends_on, d->n_depends_on, domain_of(r, p)->name))
            latest = p->row.processed_us;
    }
    return latest;
}

/* Gold of a domain reads the silver of those it depends on: where that is newer, gold is computed again. */
static enum ig_code plan_upstream(struct run *r, size_t domain, struct error *err)
{
    const struct conf_domain *d = &r->x->conf->domains[domain];
    if (d->n_depends_on == 0 || d->n_gold == 0)
        return IG_OK;
    const int64_t newest = upstream_processed_us(r, d);
    bool any = false;
    for (size_t i = 0; i < r->parts.n; i++) {
        struct partition *p = &r->parts.p[i];
        if (p->domain != domain || p->queued || p->row.processed_us >= newest || !is_selected(r, p) ||
            !apply(r, p, LIFECYCLE_ON_UPSTREAM))
            continue;
        p->gold_only = true;
        r->out->late++;
        enqueue(r, p, "a domain that it depends on has changed");
        report(r, p, "plan");
        any = true;
    }
    return any ? requeue_late(r, err) : IG_OK;
}

/* Has silver of `p` changed along with `from`'s, or may it have to (keys that are unique in the table)? */
static bool is_touched(const struct partition *p, const struct partition *from, const struct stage_silver_result *s)
{
    if (p->domain != from->domain || p == from)
        return false;
    for (size_t k = 0; k < s->n_touched_dates; k++) {
        if (p->row.date == s->touched_dates[k])
            return true;
    }
    return s->withdrawn > 0; /* which dates have the next best record of a key is not known */
}

static enum ig_code plan_touched(struct run *r, const struct partition *from, const struct stage_silver_result *s,
                                 struct error *err)
{
    bool any = false;
    for (size_t i = 0; i < r->parts.n; i++) {
        struct partition *p = &r->parts.p[i];
        const bool touched = is_touched(p, from, s);
        if (touched && p->in_batch && p->made && p->visits < VISITS_MAX)
            p->again = true;
        if (!touched || !apply(r, p, LIFECYCLE_ON_UPSTREAM))
            continue;
        p->gold_only = false;
        any = true;
        r->out->late++;
        if (is_selected(r, p) && p->visits < VISITS_MAX)
            enqueue(r, p, s->withdrawn ? "records of another date are refused now" : "rows moved to another date");
    }
    return any ? requeue_late(r, err) : IG_OK;
}

/* --- the work ------------------------------------------------------------------------------------------- */

static struct lifecycle_work *work_of(struct run *r, const struct partition *p)
{
    return &r->out->work[p->domain];
}

static enum ig_code run_silver(struct run *r, struct partition *p, struct error *err)
{
    struct stage_silver_result s = {0};
    struct lifecycle_work *w = work_of(r, p);
    const int64_t began_us = env_monotonic_us(r->x->env);
    p->visits++;
    p->made = true;
    p->again = false;
    report(r, p, "silver");
    enum ig_code rc = stage_silver(r->x, domain_of(r, p), p->row.date, p->files, p->n_files, p->interrupted, &s, err);
    if (rc == IG_OK) {
        p->row.record_count = p->row.silver_records = s.silver_rows;
        w->bronze_rows += s.bronze_rows;
        w->silver_rows += s.silver_rows;
        w->duplicates += s.duplicates;
        w->quarantined += s.quarantined;
        rc = plan_touched(r, p, &s, err);
    }
    w->silver_us += env_monotonic_us(r->x->env) - began_us;
    free(s.touched_dates);
    return rc == IG_OK ? IG_OK : error_context(err, rc, "silver");
}

/* The partitions that gold and load are run for: those of a batch, or one of it alone. */
struct batch {
    struct partition **p;
    size_t n;
};

static enum ig_code run_gold(struct run *r, const struct batch *b, struct error *err)
{
    struct lifecycle_work *w = work_of(r, b->p[0]);
    int32_t *dates = check_calloc(b->n, sizeof(*dates));
    int64_t *rows = check_calloc(b->n, sizeof(*rows)), checks = 0;
    const int64_t began_us = env_monotonic_us(r->x->env);
    for (size_t i = 0; i < b->n; i++)
        dates[i] = b->p[i]->row.date;
    report(r, b->p[0], "gold");
    const enum ig_code rc = stage_gold(r->x, domain_of(r, b->p[0]), dates, b->n, rows, &checks, err);
    for (size_t i = 0; i < b->n && rc == IG_OK; i++) {
        b->p[i]->row.gold_records = rows[i];
        w->gold_rows += rows[i];
        w->gold_input_rows += b->p[i]->row.silver_records;
    }
    w->checks += checks;
    w->gold_us += env_monotonic_us(r->x->env) - began_us;
    free(dates);
    free(rows);
    return rc == IG_OK ? IG_OK : error_context(err, rc, "gold");
}

static enum ig_code run_load(struct run *r, const struct batch *b, struct error *err)
{
    int64_t rows = 0;
    struct lifecycle_work *w = work_of(r, b->p[0]);
    const int64_t began_us = env_monotonic_us(r->x->env);
    if (!r->x->warehouse)
        return IG_OK;
    report(r, b->p[0], "load");
    const enum ig_code rc = stage_load(r->x, domain_of(r, b->p[0]), &rows, err);
    w->load_rows += rows;
    w->load_us += env_monotonic_us(r->x->env) - began_us;
    return rc == IG_OK ? IG_OK : error_context(err, rc, "load");
}

static enum ig_code run_gold_and_load(struct run *r, const struct batch *b, struct error *err)
{
    IG_TRY(run_gold(r, b, err));
    return run_load(r, b, err);
}

/* Will the same work succeed once the outside world lets it: a disk with room, a warehouse that nobody has locked? Then
 * the failure is not the partition's. */
static bool is_passing(const struct error *why)
{
    return error_code_retry(why->code) != IG_RETRY_NEVER;
}

static void fail_partition(struct run *r, struct partition *p, const struct error *why)
{
    p->in_batch = false;
    r->done++;
    (void)apply(r, p, LIFECYCLE_ON_FAIL);
    p->row.error_message = arena_strdup(&r->arena, why->msg);
    r->out->failed++;
    report(r, p, "failed");
    if (is_passing(why)) {
        (void)apply(r, p, LIFECYCLE_ON_RETRY); /* the next run takes it, and it costs no retry */
    } else if (p->row.retry_count >= domain_of(r, p)->max_retries) {
        (void)apply(r, p, LIFECYCLE_ON_GIVE_UP);
        r->out->dead++;
        report(r, p, "dead");
    }
}

static void finish_partition(struct run *r, struct partition *p)
{
    p->in_batch = false;
    r->done++;
    (void)apply(r, p, LIFECYCLE_ON_SUCCEED);
    p->row.processed_us = p->row.updated_us;
    p->row.error_message = NULL;
    p->row.retry_count = 0;
    r->out->processed++;
    report(r, p, "done");
}

/* So often have those partitions of a domain come up that came up least. */
static unsigned fewest_visits(const struct run *r, size_t domain)
{
    unsigned fewest = UINT_MAX;
    for (size_t i = 0; i < r->parts.n; i++) {
        const struct partition *p = &r->parts.p[i];
        if (p->domain == domain && p->queued && p->visits < fewest)
            fewest = p->visits;
    }
    return fewest;
}

/* Takes partitions of a domain out of the queue and marks them IN_FLIGHT. Those that come up again wait until each has
 * had its turn: what moved from one date to another is then known, and once more is enough. */
static size_t take_batch(struct run *r, size_t domain)
{
    const unsigned visits = fewest_visits(r, domain);
    size_t n = 0;
    for (size_t i = 0; i < r->parts.n && n < BATCH_MAX; i++) {
        struct partition *p = &r->parts.p[i];
        if (p->domain != domain || !p->queued || p->visits != visits)
            continue;
        p->queued = false;
        if (!apply(r, p, LIFECYCLE_ON_START))
            continue;
        take_files(p);
        p->in_batch = true;
        p->made = p->gold_only;
        work_of(r, p)->partitions++;
        n++;
    }
    return n;
}

static bool is_stopped(const struct run *r)
{
    return r->stop && *r->stop;
}

/* The next one of the batch whose silver is to be made: first each for the first time, then those that others changed.
 */
static struct partition *next_silver(struct run *r)
{
    struct partition *again = NULL;
    for (size_t i = 0; i < r->parts.n; i++) {
        struct partition *p = &r->parts.p[i];
        if (p->in_batch && !p->made)
            return p;
        if (p->in_batch && p->again && !again)
            again = p;
    }
    return again;
}

/* IG_CANCELLED ends the run and leaves the batch to the next one; any other failure is the partition's. */
static enum ig_code silver_batch(struct run *r, struct error *err)
{
    struct partition *p;
    while ((p = next_silver(r)) && !is_stopped(r)) {
        struct error why = {0};
        const enum ig_code rc = run_silver(r, p, &why);
        if (rc == IG_CANCELLED)
            return error_set(err, rc, "%s", why.msg);
        if (rc != IG_OK)
            fail_partition(r, p, &why);
        if (rc == IG_UNKNOWN_OUTCOME)
            doubt_domain(r, p->domain, false);
    }
    while ((p = next_silver(r))) { /* stopped before their turn */
        p->in_batch = false;
        (void)apply(r, p, LIFECYCLE_ON_ABANDON);
        p->row.error_message = "the run was stopped before it came to it";
    }
    return IG_OK;
}

static enum ig_code gold_batch(struct run *r, const struct batch *b, struct error *err)
{
    struct error why = {0};
    if (b->n == 0)
        return IG_OK;
    const enum ig_code rc = run_gold_and_load(r, b, &why);
    if (rc == IG_CANCELLED)
        return error_set(err, rc, "%s", why.msg);
    const bool is_common = rc != IG_OK && (b->n == 1 || is_passing(&why)); /* alone, each would fail as well */
    for (size_t i = 0; i < b->n; i++) {
        const struct batch alone = {&b->p[i], 1};
        if (rc == IG_OK)
            finish_partition(r, b->p[i]);
        else if (is_common)
            fail_partition(r, b->p[i], &why);
        else
            IG_TRY(gold_batch(r, &alone, err));
    }
    return IG_OK;
}

/* A batch from START to where its partitions end. An error is one of partition_meta, or the run's end. */
static enum ig_code process_batch(struct run *r, struct error *err)
{
    struct partition **list = check_calloc(r->parts.n, sizeof(*list));
    struct batch b = {list, 0};
    enum ig_code rc = write_dirty(r, err); /* the batch before this one, done, goes along */
    if (rc == IG_OK)
        rc = silver_batch(r, err);
    for (size_t i = 0; i < r->parts.n; i++) {
        if (r->parts.p[i].in_batch)
            list[b.n++] = &r->parts.p[i];
    }
    if (rc == IG_OK)
        rc = gold_batch(r, &b, err);
    free(list);
    return rc;
}

static enum ig_code work(struct run *r, struct error *err)
{
    for (size_t domain = 0; domain < r->x->conf->n_domains && !is_stopped(r); domain++) {
        IG_TRY(plan_upstream(r, domain, err));
        while (!is_stopped(r) && take_batch(r, domain) > 0)
            IG_TRY(process_batch(r, err));
    }
    IG_TRY(write_dirty(r, err));
    for (size_t domain = 0; domain < r->x->conf->n_domains && !is_stopped(r); domain++)
        if (r->out->work[domain].partitions > 0)
            compact_domain(r->x, &r->x->conf->domains[domain], r->stop);
    return IG_OK;
}

static void name_run(struct run *r)
{
    char when[40], uuid[37];
    struct str s = str_of(timestamp_format(env_now_us(r->x->env) / 1000000 * 1000000, when));
    env_uuid(r->x->env, uuid);
    (void)snprintf(r->run_id, sizeof(r->run_id), "run-%.*s-%.8s", (int)s.n, s.p, uuid);
}

enum ig_code lifecycle_run(const struct stage_context *x, const struct lifecycle_selection *sel,
                           lifecycle_progress_fn *progress, void *ctx, const volatile bool *stop,
                           struct lifecycle_outcome *out, struct error *err)
{
    struct run r = {.x = x, .sel = sel, .out = out, .progress = progress, .ctx = ctx, .stop = stop};
    *out = (struct lifecycle_outcome){.n_work = x->conf->n_domains};
    out->work = check_calloc(out->n_work ? out->n_work : 1, sizeof(*out->work));
    r.abandoned = check_calloc(out->n_work ? out->n_work : 1, sizeof(bool));
    arena_init(&r.arena);
    arena_init(&r.stored.arena);
    name_run(&r);
    enum ig_code rc = meta_open(&r.meta, x, err);
    if (rc == IG_OK)
        rc = plan(&r, err);
    if (rc == IG_OK && !sel->dry_run)
        rc = work(&r, err);
    out->left = is_stopped(&r) && !sel->dry_run ? (int64_t)(r.total - r.done) : 0;
    meta_close(&r.meta);
    vec_free(&r.parts);
    free(r.abandoned);
    lifecycle_rows_free(&r.stored);
    arena_release(&r.arena);
    return rc;
}

void lifecycle_outcome_free(struct lifecycle_outcome *o)
{
    free(o->work);
    *o = (struct lifecycle_outcome){0};
}
