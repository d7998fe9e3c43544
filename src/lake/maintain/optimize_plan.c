/*
 * What OPTIMIZE is to do: which files of which partitions are worth to be written anew together.
 */
#include "lake/maintain/optimize.h"

#include <stdlib.h>
#include <strings.h>

#define DELETED_PERCENT_MAX 5
#define CUBE_TARGETS 16 /* so many target sizes make an ordered set of files that is not sorted again */

/* --- sizes ----------------------------------------------------------------------------------------------------- */

int64_t optimize_live_bytes(const struct lake_entry *e)
{
    const int64_t deleted = lake_entry_deleted_rows(e), rows = deleted > 0 ? lake_entry_rows(e) : -1;

    if (rows <= 0 || deleted >= rows)
        return rows > 0 ? 0 : lake_entry_size(e);
    return (int64_t)((double)lake_entry_size(e) * (double)(rows - deleted) / (double)rows);
}

static bool is_worn(const struct lake_entry *e)
{
    const int64_t deleted = lake_entry_deleted_rows(e);

    return deleted > 0 && deleted * 100 > lake_entry_rows(e) * DELETED_PERCENT_MAX;
}

/* "256mb", "104857600", "1g", "128 MB". */
static bool parse_size(const char *text, int64_t *out)
{
    struct buf compact;
    bool ok;

    buf_init(&compact, 0);
    for (; *text; text++)
        if (*text != ' ')
            buf_putc(&compact, *text);
    ok = (str_to_int64(buf_str(&compact), 1, INT64_MAX, out) || str_to_bytes(buf_str(&compact), out)) && *out > 0;
    buf_release(&compact);
    return ok;
}

static enum ig_code find_target(struct optimize_plan *p, struct error *err)
{
    const char *set = lake_property(p->s, "delta.targetFileSize", NULL);

    p->target_bytes = p->o->target_bytes > 0 ? p->o->target_bytes : LAKE_TARGET_BYTES;
    if (p->o->target_bytes <= 0 && set && !parse_size(set, &p->target_bytes))
        return error_set(err, IG_INVALID, "delta.targetFileSize is \"%s\", which is no size", set);
    p->small_bytes = p->o->automatic ? p->target_bytes / 2 : p->target_bytes / 4 * 3;
    return IG_OK;
}

/* --- partitions ------------------------------------------------------------------------------------------------ */

static int compare_values(const struct lake_snapshot *s, const struct lake_entry *a, const struct lake_entry *b)
{
    for (size_t i = 0; i < s->metadata.n_partition_columns; i++) {
        const char *x = lake_entry_values(a)[i], *y = lake_entry_values(b)[i];
        const int order = !x || !y ? (x != NULL) - (y != NULL) : strcmp(x, y);

        if (order)
            return order;
    }
    return 0;
}

struct sorted {
    const struct lake_snapshot *s;
    const struct lake_entry *e;
};

/* By partition, and within it in the order in which the rows came. */
static int by_partition(const void *x, const void *y)
{
    const struct sorted *a = x, *b = y;
    const int order = compare_values(a->s, a->e, b->e);

    if (order)
        return order;
    if (lake_entry_modified_ms(a->e) != lake_entry_modified_ms(b->e))
        return lake_entry_modified_ms(a->e) < lake_entry_modified_ms(b->e) ? -1 : 1;
    return str_cmp(lake_entry_name(a->e), lake_entry_name(b->e));
}

/* SELECT i FROM (VALUES (0, DATE '...'), ...) p(i, "day") WHERE predicate: of a representative of each partition. */
static enum ig_code select_partitions(struct lake_table *t, const struct optimize_plan *p, const struct sorted *files,
                                      const size_t *first, size_t n, bool *chosen, struct error *err)
{
    const struct lake_metadata *m = &p->s->metadata;
    struct engine_rows rows = {0};
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT _ingot_i FROM (VALUES ");
    for (size_t i = 0; i < n; i++) {
        buf_printf(&sql, "%s(%zu::BIGINT", i ? ", " : "", i);
        for (size_t k = 0; k < m->n_partition_columns; k++) {
            buf_puts(&sql, ", ");
            lake_add_constant(&sql, m->partition_fields[k]->type, lake_entry_values(files[first[i]].e)[k]);
        }
        buf_putc(&sql, ')');
    }
    buf_puts(&sql, ") AS _ingot_p(_ingot_i");
    for (size_t k = 0; k < m->n_partition_columns; k++) {
        buf_puts(&sql, ", ");
        engine_add_name(&sql, str_of(m->partition_columns[k]));
    }
    buf_printf(&sql, ") WHERE (%s)", p->o->where);
    rc = engine_query(t->conn, buf_cstr(&sql), &rows, err);
    if (rc) { /* what the engine shows besides is a query of ours */
        err->msg[strcspn(err->msg, "\n")] = '\0';
        rc = error_context(err, IG_INVALID, "the predicate of an optimize names partition columns only");
    }
    while (!rc && engine_next(&rows))
        chosen[engine_int64(&rows, 0)] = true;
    engine_rows_free(&rows);
    buf_release(&sql);
    return rc;
}

/* --- bins ------------------------------------------------------------------------------------------------------ */

static void add_bin(struct optimize_plan *p, const struct lake_entry *const *entries, size_t n)
{
    struct optimize_bin bin = {.n = n, .values = lake_entry_values(entries[0])};

    bin.entries = ARENA_ARRAY(p->arena, const struct lake_entry *, n);
    memcpy(bin.entries, entries, n * sizeof(*entries));
    for (size_t i = 0; i < n; i++)
        bin.bytes += lake_entry_size(entries[i]);
    p->bytes += bin.bytes;
    vec_push(&p->bins, bin);
}

/* Is it worth it? A single file only if rows of it are deleted. By itself (automatic) not a large file for the sake of
 * a small one, over and over again. */
static bool pays(const struct optimize_plan *p, const struct lake_entry *const *entries, size_t n)
{
    int64_t sum = 0, largest = 0;

    if (n == 1)
        return p->o->purge || is_worn(entries[0]);
    for (size_t i = 0; i < n; i++) {
        const int64_t bytes = lake_entry_size(entries[i]);

        sum += bytes;
        largest = bytes > largest ? bytes : largest;
    }
    return !p->o->automatic || n >= 8 || sum - largest >= largest / 4;
}

/* Neighbours go together as long as they fit into one file. */
static void pack(struct optimize_plan *p, const struct lake_entry *const *entries, size_t n)
{
    size_t from = 0;
    int64_t sum = 0;

    for (size_t i = 0; i <= n; i++) {
        const int64_t bytes = i < n ? optimize_live_bytes(entries[i]) : 0;

        if (i > from && (i == n || sum + bytes > p->target_bytes)) {
            if (pays(p, entries + from, i - from))
                add_bin(p, entries + from, i - from);
            from = i;
            sum = 0;
        }
        sum += bytes;
    }
}

static bool is_candidate(const struct optimize_plan *p, const struct lake_entry *e)
{
    if (p->o->purge)
        return lake_entry_dv(e).n != 0;
    if (p->o->automatic && lake_entry_clustering_provider(e).n)
        return false; /* it would lose its order */
    return optimize_live_bytes(e) < p->small_bytes || (is_worn(e) && !p->o->automatic);
}

static void plan_sizes(struct optimize_plan *p, const struct sorted *files, size_t n)
{
    const struct lake_entry **candidates = check_calloc(n ? n : 1, sizeof(const struct lake_entry *));
    size_t found = 0, small = 0;

    for (size_t i = 0; i < n; i++) {
        if (!is_candidate(p, files[i].e))
            continue;
        candidates[found++] = files[i].e;
        small += optimize_live_bytes(files[i].e) < p->small_bytes;
    }
    p->considered += (int64_t)n;
    if (p->o->min_files <= 0 || (int64_t)small >= p->o->min_files)
        pack(p, candidates, found);
    free(candidates);
}

/* --- files that lie in order already --------------------------------------------------------------------------- */

/* Files that were ordered together carry tags that say so, by the names that Spark and Databricks use. */
struct cube_file {
    const struct lake_entry *e;
    struct str id; /* of the set that it was ordered with */
    bool ordered;  /* by the columns that are asked for */
};

static struct str tag(struct arena *a, const struct lake_entry *e, const char *name)
{
    struct str out = {0};
    struct buf text;

    buf_init(&text, 0);
    if (lake_entry_raw_tags(e).n && json_member_string(lake_entry_raw_tags(e), name, &text))
        out = arena_str(a, buf_str(&text));
    buf_release(&text);
    return out;
}

static struct cube_file look_at_file(const struct optimize_plan *p, const struct lake_entry *e, const char *order)
{
    struct cube_file f = {.e = e, .id = tag(p->arena, e, "ZCUBE_ID")};

    if (p->clustered && !str_is(lake_entry_clustering_provider(e), LAKE_CLUSTER_PROVIDER))
        return f;
    /* What another engine has clustered, and says no more of, is good. */
    f.ordered = f.id.n ? str_is(tag(p->arena, e, "ZCUBE_ZORDER_BY"), order) : p->clustered;
    return f;
}

static int by_cube(const void *x, const void *y)
{
    const struct cube_file *a = x, *b = y;

    if (a->ordered != b->ordered)
        return (int)a->ordered - (int)b->ordered;
    return str_cmp(a->id, b->id);
}

static void add_ordered_bins(struct optimize_plan *p, const struct lake_entry *const *entries, size_t n)
{
    size_t from = 0;
    int64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += lake_entry_size(entries[i]);
        if (i + 1 == n || sum / CUBE_TARGETS / 4 >= p->target_bytes) {
            add_bin(p, entries + from, i + 1 - from);
            from = i + 1;
            sum = 0;
        }
    }
}

/* What is not in order, and ordered sets that are still small, so that many little ones become one. */
static void plan_order(struct optimize_plan *p, const struct sorted *files, size_t n)
{
    struct cube_file *cubes = ARENA_ARRAY(p->arena, struct cube_file, n + 1);
    const struct lake_entry **chosen = ARENA_ARRAY(p->arena, const struct lake_entry *, n + 1);
    const char *order = optimize_order_text(p);
    size_t n_chosen = 0, small_cubes = 0, unordered = 0;

    for (size_t i = 0; i < n; i++)
        cubes[i] = look_at_file(p, files[i].e, order);
    qsort(cubes, n, sizeof(*cubes), by_cube);
    for (size_t i = 0, end; i < n; i = end) {
        int64_t sum = 0;
        bool take;

        for (end = i; end < n && by_cube(&cubes[i], &cubes[end]) == 0; end++)
            sum += optimize_live_bytes(cubes[end].e);
        take = p->o->full || !cubes[i].ordered || (cubes[i].id.n && sum / CUBE_TARGETS < p->target_bytes);
        small_cubes += take && cubes[i].ordered;
        unordered += take && !cubes[i].ordered ? end - i : 0;
        for (size_t k = i; k < end && take; k++)
            chosen[n_chosen++] = cubes[k].e;
    }
    p->considered += (int64_t)n;
    if (p->o->full ? n > 0 : unordered > 0 || small_cubes > 1)
        add_ordered_bins(p, chosen, n_chosen);
}

const char *optimize_order_text(const struct optimize_plan *p)
{
    const char *text;
    struct buf out;

    buf_init(&out, 0);
    lake_add_name_list(&out, p->order_by, p->n_order_by);
    text = arena_strndup(p->arena, buf_cstr(&out), out.n);
    buf_release(&out);
    return text;
}

/* --- the plan -------------------------------------------------------------------------------------------------- */

/* The column of a path; NULL if there is none. */
static const struct schema_field *find_column(const struct schema_type *type, const char *path)
{
    const char *dot = strchr(path, '.');
    const struct schema_field *f = schema_find(type, dot ? (struct str){path, (size_t)(dot - path)} : str_of(path));

    if (!dot || !f)
        return f;
    return f->type->kind == SCHEMA_STRUCT ? find_column(f->type, dot + 1) : NULL;
}

static enum ig_code find_order(struct optimize_plan *p, struct error *err)
{
    const struct lake_metadata *m = &p->s->metadata;

    if (p->o->purge)
        return IG_OK;
    p->order_by = lake_clustering_columns(p->s, p->arena, &p->n_order_by);
    p->clustered = p->n_order_by > 0;
    if (p->o->n_zorder_by && p->clustered)
        return error_set(err, IG_INVALID, "the table is clustered by %s%s: it is optimized in that order",
                         p->order_by[0], p->n_order_by > 1 ? ", ..." : "");
    if (p->clustered && p->o->where)
        return error_set(err, IG_INVALID, "a clustered table has no partitions to choose");
    if (p->o->n_zorder_by) {
        p->order_by = p->o->zorder_by;
        p->n_order_by = p->o->n_zorder_by;
    }
    for (size_t i = 0; i < p->n_order_by; i++) {
        const struct schema_field *f = find_column(m->schema, p->order_by[i]);

        if (!f)
            return error_set(err, IG_INVALID, "the table has no column %s", p->order_by[i]);
        if (f->type->kind == SCHEMA_STRUCT || f->type->kind == SCHEMA_ARRAY || f->type->kind == SCHEMA_MAP)
            return error_set(err, IG_INVALID, "column %s is nested: its values have no order", p->order_by[i]);
        for (size_t k = 0; k < m->n_partition_columns; k++)
            if (m->partition_fields[k] == f)
                return error_set(err, IG_INVALID, "column %s is a partition column: rows are apart by it already",
                                 p->order_by[i]);
    }
    return IG_OK;
}

static enum ig_code plan_partitions(struct lake_table *t, struct optimize_plan *p, const struct sorted *files, size_t n,
                                    struct error *err)
{
    size_t *first = ARENA_ARRAY(p->arena, size_t, n + 1);
    size_t n_partitions = 0;
    bool *chosen;

    for (size_t i = 0; i < n; i++)
        if (i == 0 || compare_values(p->s, files[i - 1].e, files[i].e) != 0)
            first[n_partitions++] = i;
    first[n_partitions] = n;
    chosen = ARENA_ARRAY(p->arena, bool, n_partitions + 1);
    if (p->o->where && n_partitions)
        IG_TRY(select_partitions(t, p, files, first, n_partitions, chosen, err));
    for (size_t i = 0; i < n_partitions; i++) {
        if (p->o->where && !chosen[i])
            continue;
        if (p->n_order_by && !p->o->automatic)
            plan_order(p, files + first[i], first[i + 1] - first[i]);
        else
            plan_sizes(p, files + first[i], first[i + 1] - first[i]);
    }
    return IG_OK;
}

enum ig_code optimize_plan_make(struct lake_table *t, struct optimize_plan *p, struct error *err)
{
    VEC(struct sorted) files = {0};
    enum ig_code rc;

    IG_TRY(find_target(p, err));
    IG_TRY(find_order(p, err));
    if (p->o->where && p->s->metadata.n_partition_columns == 0)
        return error_set(err, IG_INVALID, "the table has no partitions, so that there are none to choose");
    for (size_t i = 0; i < p->s->entries.n; i++) {
        const struct sorted file = {p->s, &p->s->entries.p[i]};

        if (lake_entry_is_live(file.e))
            vec_push(&files, file);
    }
    if (files.n)
        qsort(files.p, files.n, sizeof(*files.p), by_partition);
    rc = plan_partitions(t, p, files.p, files.n, err);
    vec_free(&files);
    return rc;
}

void optimize_plan_free(struct optimize_plan *p)
{
    for (size_t i = 0; i < p->bins.n; i++)
        lake_new_files_free(&p->bins.p[i].out);
    vec_free(&p->bins);
}
