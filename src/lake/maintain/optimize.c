/*
 * OPTIMIZE: bin after bin of files is read and written anew, in order or along a curve, and then all of it committed,
 * large tables in several commits. The rows are the same, so that others may go on writing: appends are no conflict,
 * and where somebody has removed a file meanwhile, what was made of it is thrown away and the rest committed.
 */
#include "lake/maintain/optimize.h"

#include "lake/table/features.h"
#include "lake/table/row_ids.h"

#include <stdlib.h>
#include <strings.h>

#define COMMIT_BYTES ((int64_t)16 << 30)
#define COMMIT_TRIES 10
#define ENGINE_GROUP_ROWS 122880
#define ENGINE_VECTOR_ROWS 2048
#define ORDERED "_ingot_ordered" /* the table in which rows are sorted */

struct optimizer {
    struct lake_table *t;
    const struct lake_optimize *o;
    struct optimize_plan plan;
    struct lake_optimized *out;
    int64_t done_bytes;
};

static void report(const struct optimizer *x)
{
    if (x->o->progress)
        x->o->progress(x->o->ctx, x->o->purge ? "purge" : "optimize", x->done_bytes, x->plan.bytes);
}

/* --- writing ------------------------------------------------------------------------------------------------- */

static void mark_ordered(const struct optimizer *x, struct lake_new_files *files)
{
    const struct optimize_plan *p = &x->plan;
    char id[37];

    env_uuid(x->t->store->env, id);
    for (size_t i = 0; i < files->list.n && p->n_order_by && !x->o->automatic; i++) {
        struct buf tags;

        buf_init(&tags, 0);
        buf_printf(&tags, "{\"ZCUBE_ID\":\"%s\",\"ZCUBE_ZORDER_BY\":", id);
        json_add_string(&tags, str_of(optimize_order_text(p)));
        buf_puts(&tags, ",\"ZCUBE_ZORDER_CURVE\":\"zorder\"}");
        free(files->list.p[i].tags);
        files->list.p[i].tags = buf_take(&tags);
        if (p->clustered) {
            free(files->list.p[i].clustering_provider);
            files->list.p[i].clustering_provider = check_strdup(LAKE_CLUSTER_PROVIDER);
        }
    }
}

/* A file ends behind a row group: small targets need small ones. */
static int64_t group_rows(const struct optimize_plan *p, const struct optimize_bin *bin)
{
    int64_t rows = 0, of_target;

    for (size_t i = 0; i < bin->n; i++) {
        const int64_t n = lake_entry_rows(bin->entries[i]);

        if (n < 0)
            return 0;
        rows += n;
    }
    of_target = (int64_t)((double)rows * (double)p->target_bytes / (double)(bin->bytes > 0 ? bin->bytes : 1) / 4);
    if (of_target >= ENGINE_GROUP_ROWS)
        return 0;
    return of_target < ENGINE_VECTOR_ROWS ? ENGINE_VECTOR_ROWS : of_target / ENGINE_VECTOR_ROWS * ENGINE_VECTOR_ROWS;
}

/* Into one file, however large, rows go in their order by all threads; where files end by size, the engine would deal
 * them out to files as its threads come. */
static enum ig_code write_one_file(struct optimizer *x, struct optimize_bin *bin, const char *sql, struct error *err)
{
    const struct lake_snapshot *s = x->plan.s;

    bin->out.target_bytes = -1;
    return lake_move_rows(x->t, s, sql, s->metadata.n_partition_columns ? bin->values : NULL, &bin->out, err);
}

/* The rows of a sorted table, range by range: files of the same number of rows, which do not overlap. */
static enum ig_code write_ranges(struct optimizer *x, struct optimize_bin *bin, int64_t n_files, struct error *err)
{
    enum ig_code rc = IG_OK;
    int64_t rows = 0;
    struct buf sql;

    IG_TRY(engine_query_int64(x->t->conn, "SELECT count(*) FROM " ORDERED, &rows, err));
    buf_init(&sql, 0);
    for (int64_t i = 0; i < n_files && !rc; i++) {
        buf_clear(&sql);
        buf_printf(&sql, "SELECT * FROM " ORDERED " WHERE rowid >= %lld AND rowid < %lld",
                   (long long)(rows * i / n_files), (long long)(rows * (i + 1) / n_files));
        rc = write_one_file(x, bin, buf_cstr(&sql), err);
    }
    buf_release(&sql);
    return rc;
}

/* For a table with a column `rowid`, whose rows cannot be named by their place: one thread keeps the order. */
static enum ig_code write_by_one_thread(struct optimizer *x, struct optimize_bin *bin, const char *sql,
                                        struct error *err)
{
    const struct lake_snapshot *s = x->plan.s;
    int64_t threads = 0;
    enum ig_code rc;

    bin->out.target_bytes = x->plan.target_bytes;
    IG_TRY(engine_query_int64(x->t->conn, "SELECT current_setting('threads')::BIGINT", &threads, err));
    IG_TRY(engine_exec(x->t->conn, err, "SET threads = 1"));
    rc = lake_move_rows(x->t, s, sql, s->metadata.n_partition_columns ? bin->values : NULL, &bin->out, err);
    if (engine_execf(x->t->conn, NULL, "SET threads = %lld", (long long)threads))
        log_warn(x->t->store->env, "lake", "the engine goes on with one thread");
    return rc;
}

/* Sorted by all threads into a table of the engine, which spills; from there file by file. */
static enum ig_code write_ordered(struct optimizer *x, struct optimize_bin *bin, const char *sql, struct error *err)
{
    const int64_t target = x->plan.target_bytes;
    int64_t bytes = 0;
    enum ig_code rc;

    for (size_t i = 0; i < bin->n; i++)
        bytes += optimize_live_bytes(bin->entries[i]);
    bin->out.group_rows = group_rows(&x->plan, bin);
    if (bytes <= target)
        return write_one_file(x, bin, sql, err);
    if (schema_find(x->plan.s->metadata.schema, STR("rowid")))
        return write_by_one_thread(x, bin, sql, err);
    IG_TRY(engine_execf(x->t->conn, err, "CREATE OR REPLACE TEMP TABLE " ORDERED " AS %s", sql));
    rc = write_ranges(x, bin, (bytes + target - 1) / target, err);
    if (engine_exec(x->t->conn, NULL, "DROP TABLE IF EXISTS " ORDERED))
        log_warn(x->t->store->env, "lake", "the engine keeps a sorted table until it is closed");
    return rc;
}

static enum ig_code write_bin(struct optimizer *x, struct optimize_bin *bin, struct error *err)
{
    const struct optimize_plan *p = &x->plan;
    const bool ordered = p->n_order_by && !x->o->automatic;
    const struct lake_scan scan = {.row_ids = lake_keeps_row_ids(p->s)};
    struct buf from, sql;
    enum ig_code rc;

    buf_init(&from, 0);
    buf_init(&sql, 0);
    rc = lake_add_scan_of(p->s, bin->entries, bin->n, &scan, &from, err);
    buf_printf(&sql, "SELECT * FROM %s", buf_cstr(&from));
    if (!rc && ordered)
        rc = optimize_add_order(x->t, buf_cstr(&from), p->order_by, p->n_order_by, &sql, err);
    if (!rc)
        rc = ordered ? write_ordered(x, bin, buf_cstr(&sql), err) : write_one_file(x, bin, buf_cstr(&sql), err);
    if (!rc)
        mark_ordered(x, &bin->out);
    buf_release(&sql);
    buf_release(&from);
    return rc;
}

/* --- the commit ---------------------------------------------------------------------------------------------- */

static int by_size(const void *x, const void *y)
{
    const int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;

    return (a > b) - (a < b);
}

struct batch {
    struct lake_new_files added; /* borrows what the bins own */
    VEC(const struct lake_entry *) removed;
    int64_t bytes_removed, vectors_removed;
    size_t partitions;
};

static void batch_free(struct batch *b)
{
    vec_free(&b->added.list);
    vec_free(&b->removed);
}

static const struct lake_entry *find_live(const struct lake_snapshot *s, const struct lake_entry *like)
{
    return lake_snapshot_find(s, lake_entry_name(like), lake_entry_dv_id(like));
}

/* Collects the bins from..to whose files are all still live in `now`. */
static void collect(struct optimizer *x, const struct lake_snapshot *now, size_t from, size_t to, struct batch *b)
{
    for (size_t i = from; i < to; i++) {
        struct optimize_bin *bin = &x->plan.bins.p[i];
        bool whole = bin->n > 0;

        for (size_t k = 0; k < bin->n && whole; k++)
            whole = find_live(now, bin->entries[k]) != NULL;
        if (!whole) { /* what was made of it is of no use */
            x->out->files_left += (int64_t)bin->n;
            lake_new_files_discard(x->t, &bin->out);
            lake_new_files_free(&bin->out);
            bin->n = 0;
            continue;
        }
        b->partitions++;
        for (size_t k = 0; k < bin->n; k++) {
            const struct lake_entry *e = find_live(now, bin->entries[k]);

            vec_push(&b->removed, e);
            b->bytes_removed += lake_entry_size(e);
            b->vectors_removed += lake_entry_dv(e).n != 0;
        }
        for (size_t k = 0; k < bin->out.list.n; k++)
            vec_push(&b->added.list, bin->out.list.p[k]);
        b->added.rows += bin->out.rows;
        b->added.bytes += bin->out.bytes;
    }
}

/* Names and forms as Spark has them. */
static void add_texts(const struct optimizer *x, const struct batch *b, struct buf *parameters, struct buf *metrics)
{
    const struct optimize_plan *p = &x->plan;
    const size_t n = b->added.list.n;
    int64_t *sizes = check_calloc(n ? n : 1, sizeof(*sizes));

    buf_puts(parameters, "{\"predicate\":");
    {
        struct buf list;

        buf_init(&list, 0);
        lake_add_name_list(&list, &x->o->where, x->o->where ? 1 : 0);
        json_add_string(parameters, buf_str(&list));
        buf_release(&list);
    }
    if (x->o->purge) {
        buf_puts(parameters, ",\"applyPurge\":\"true\"}");
    } else {
        buf_puts(parameters, ",\"zOrderBy\":");
        json_add_string(parameters, str_of(p->n_order_by && !p->clustered ? optimize_order_text(p) : "[]"));
        buf_puts(parameters, ",\"clusterBy\":");
        json_add_string(parameters, str_of(p->clustered && !x->o->automatic ? optimize_order_text(p) : "[]"));
        buf_printf(parameters, ",\"auto\":\"%s\"}", x->o->automatic ? "true" : "false");
    }
    for (size_t i = 0; i < n; i++)
        sizes[i] = b->added.list.p[i].size_bytes;
    qsort(sizes, n, sizeof(*sizes), by_size);
    buf_printf(metrics,
               "{\"numRemovedFiles\":\"%zu\",\"numRemovedBytes\":\"%lld\",\"numAddedFiles\":\"%zu\",\"numAddedBytes\":"
               "\"%lld\",\"numDeletionVectorsRemoved\":\"%lld\"",
               b->removed.n, (long long)b->bytes_removed, n, (long long)b->added.bytes, (long long)b->vectors_removed);
    if (n)
        buf_printf(metrics,
                   ",\"minFileSize\":\"%lld\",\"p25FileSize\":\"%lld\",\"p50FileSize\":\"%lld\",\"p75FileSize\":"
                   "\"%lld\",\"maxFileSize\":\"%lld\"",
                   (long long)sizes[0], (long long)sizes[n / 4], (long long)sizes[n / 2], (long long)sizes[n * 3 / 4],
                   (long long)sizes[n - 1]);
    buf_putc(metrics, '}');
    free(sizes);
}

static enum ig_code commit_once(struct optimizer *x, const struct lake_snapshot *now, size_t from, size_t to,
                                struct error *err)
{
    struct lake_change change = {
        .base = now,
        .no_data_change = true,
        .scope = LAKE_READ_NOTHING, /* what it has read is what it removes: that is looked at in any case */
        .operation = x->o->purge ? "REORG" : "OPTIMIZE",
    };
    struct buf parameters, metrics;
    struct batch b = {0};
    int64_t version = now->version;
    enum ig_code rc = IG_OK;

    buf_init(&parameters, 0);
    buf_init(&metrics, 0);
    collect(x, now, from, to, &b);
    if (b.removed.n) {
        add_texts(x, &b, &parameters, &metrics);
        change.added = &b.added;
        change.removed = b.removed.p;
        change.n_removed = b.removed.n;
        change.parameters = buf_cstr(&parameters);
        change.metrics = buf_cstr(&metrics);
        rc = lake_commit(x->t, &change, &version, err);
    }
    if (!rc && b.removed.n) {
        x->out->version = version;
        x->out->commits++;
        x->out->partitions += (int64_t)b.partitions;
        x->out->files_removed += (int64_t)b.removed.n;
        x->out->bytes_removed += b.bytes_removed;
        x->out->files_added += (int64_t)b.added.list.n;
        x->out->bytes_added += b.added.bytes;
        x->out->vectors_removed += b.vectors_removed;
    }
    batch_free(&b);
    buf_release(&metrics);
    buf_release(&parameters);
    return rc;
}

static bool same_shape(const struct lake_snapshot *a, const struct lake_snapshot *b)
{
    return strcmp(a->metadata.schema_string, b->metadata.schema_string) == 0 &&
           str_eq(a->protocol.raw, b->protocol.raw);
}

/* Commits the bins from..to; whoever comes between is looked at, and the commit tried again without what is gone. */
static enum ig_code commit_bins(struct optimizer *x, size_t from, size_t to, struct error *err)
{
    enum ig_code rc = IG_CONFLICT;

    for (int tries = 0; rc == IG_CONFLICT && tries < COMMIT_TRIES; tries++) {
        struct lake_snapshot *now = NULL;

        rc = lake_snapshot_latest(x->t, &now, err);
        if (!rc && !same_shape(x->plan.s, now)) {
            lake_snapshot_free(now);
            rc = error_set(err, IG_CONFLICT, "MetadataChanged: version %lld changed the schema or the protocol",
                           (long long)lake_version(x->plan.s));
            break;
        }
        if (!rc)
            rc = commit_once(x, now, from, to, err);
        lake_snapshot_free(now);
    }
    /* With an unknown outcome a commit may name the files. */
    for (size_t i = from; i < to; i++) {
        if (rc && rc != IG_UNKNOWN_OUTCOME)
            lake_new_files_discard(x->t, &x->plan.bins.p[i].out);
        lake_new_files_free(&x->plan.bins.p[i].out);
    }
    return rc;
}

/* --- all of it ----------------------------------------------------------------------------------------------- */

static enum ig_code work(struct optimizer *x, struct error *err)
{
    const struct optimize_plan *p = &x->plan;
    int64_t since_commit = 0;
    enum ig_code rc = IG_OK;
    size_t from = 0;

    for (size_t i = 0; i < p->bins.n && !rc; i++) {
        report(x);
        rc = write_bin(x, &p->bins.p[i], err);
        x->done_bytes += p->bins.p[i].bytes;
        since_commit += p->bins.p[i].bytes;
        if (!rc && (i + 1 == p->bins.n || since_commit >= COMMIT_BYTES)) {
            rc = commit_bins(x, from, i + 1, err);
            from = i + 1;
            since_commit = 0;
        }
        for (size_t k = from; rc && k <= i && k < p->bins.n; k++)
            lake_new_files_discard(x->t, &p->bins.p[k].out);
    }
    report(x);
    return rc;
}

static void count_only(struct optimizer *x)
{
    int64_t last = 0;

    for (size_t i = 0; i < x->plan.bins.n; i++) {
        const struct optimize_bin *bin = &x->plan.bins.p[i];

        x->out->files_removed += (int64_t)bin->n;
        x->out->bytes_removed += bin->bytes;
        x->out->files_added += x->plan.n_order_by ? (bin->bytes + x->plan.target_bytes - 1) / x->plan.target_bytes : 1;
        x->out->partitions = ++last;
        for (size_t k = 0; k < bin->n; k++)
            x->out->vectors_removed += lake_entry_dv(bin->entries[k]).n != 0;
    }
}

enum ig_code lake_optimize(struct lake_table *t, const struct lake_optimize *o, struct lake_optimized *out,
                           struct error *err)
{
    struct optimizer x = {.t = t, .o = o, .out = out};
    struct lake_snapshot *s = NULL;
    struct arena arena;
    enum ig_code rc;

    *out = (struct lake_optimized){0};
    arena_init(&arena);
    rc = lake_snapshot_latest(t, &s, err);
    if (!rc)
        rc = lake_check_writable(s, false, err);
    if (!rc) {
        out->version = lake_version(s);
        x.plan = (struct optimize_plan){.s = s, .o = o, .arena = &arena};
        rc = optimize_plan_make(t, &x.plan, err);
    }
    if (!rc) {
        out->files_considered = x.plan.considered;
        if (o->dry_run)
            count_only(&x);
        else
            rc = work(&x, err);
    }
    optimize_plan_free(&x.plan);
    lake_snapshot_free(s);
    arena_release(&arena);
    return rc ? error_context(err, rc, "optimize %s", *t->path ? t->path : t->store->url) : IG_OK;
}

/* --- by itself ----------------------------------------------------------------------------------------------- */

#define AUTO_TARGET_BYTES ((int64_t)128 << 20)
#define AUTO_MIN_FILES 50

static bool wants_compaction(const struct lake_snapshot *s, bool otherwise)
{
    const char *set = lake_property(s, "delta.autoOptimize.autoCompact", lake_property(s, "delta.autoOptimize", NULL));

    if (!set)
        return otherwise;
    return strcasecmp(set, "true") == 0 || strcasecmp(set, "auto") == 0 || strcasecmp(set, "legacy") == 0;
}

enum ig_code lake_auto_compact(struct lake_table *t, bool otherwise, struct lake_optimized *out, struct error *err)
{
    struct lake_optimize o = {.automatic = true, .min_files = AUTO_MIN_FILES};
    struct lake_snapshot *s = NULL;
    bool wanted;
    enum ig_code rc;

    *out = (struct lake_optimized){0};
    IG_TRY(lake_snapshot_latest(t, &s, err));
    wanted = wants_compaction(s, otherwise) && lake_file_count(s) >= AUTO_MIN_FILES;
    out->version = lake_version(s);
    if (!lake_property(s, "delta.targetFileSize", NULL))
        o.target_bytes = AUTO_TARGET_BYTES;
    lake_snapshot_free(s);
    if (!wanted)
        return IG_OK;
    rc = lake_optimize(t, &o, out, err);
    return rc == IG_CONFLICT ? IG_OK : rc;
}
