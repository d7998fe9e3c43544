/*
 * Schema evolution: new columns and wider types.
 */
#include "lake/maintain/alter.h"

#include <strings.h>

/* --- widening ---------------------------------------------------------------------------------------------- */

static int integer_rank(enum schema_kind kind)
{
    return kind <= SCHEMA_LONG ? (int)kind + 1 : 0;
}

bool lake_can_widen(const struct schema_type *from, const struct schema_type *to)
{
    const int rank = integer_rank(from->kind);

    if (rank && integer_rank(to->kind))
        return integer_rank(to->kind) > rank;
    if (rank && to->kind == SCHEMA_DECIMAL)
        return to->precision - to->scale >= (from->kind == SCHEMA_LONG ? 20 : 10);
    if (rank && to->kind == SCHEMA_DOUBLE)
        return from->kind != SCHEMA_LONG;
    if (from->kind == SCHEMA_FLOAT)
        return to->kind == SCHEMA_DOUBLE;
    if (from->kind == SCHEMA_DATE)
        return to->kind == SCHEMA_TIMESTAMP_NTZ;
    if (from->kind == SCHEMA_DECIMAL && to->kind == SCHEMA_DECIMAL)
        return to->scale >= from->scale && to->precision - to->scale >= from->precision - from->scale &&
               to->precision > from->precision;
    return false;
}

static bool same_primitive(const struct schema_type *a, const struct schema_type *b)
{
    return a->kind == b->kind && a->precision == b->precision && a->scale == b->scale;
}

/* {"toType":"long","fromType":"integer","fieldPath":"element"} behind those that are there. */
static void note_change(struct arena *a, struct schema_field *f, const struct schema_type *from,
                        const struct schema_type *to, const char *path)
{
    struct json_value old;
    struct buf list;

    buf_init(&list, 0);
    buf_putc(&list, '[');
    if (json_member(str_of(f->metadata), "delta.typeChanges", &old) && old.type == JSON_ARRAY && old.raw.n > 2) {
        buf_add(&list, old.raw.p + 1, old.raw.n - 2);
        buf_putc(&list, ',');
    }
    buf_puts(&list, "{\"toType\":");
    schema_add_json(&list, to);
    buf_puts(&list, ",\"fromType\":");
    schema_add_json(&list, from);
    if (*path) {
        buf_puts(&list, ",\"fieldPath\":");
        json_add_string(&list, str_of(path));
    }
    buf_puts(&list, "}]");
    f->metadata = lake_object_set(a, f->metadata, "delta.typeChanges", buf_cstr(&list));
    buf_release(&list);
}

static const char *below(struct arena *a, const char *path, const char *name)
{
    return *path ? arena_printf(a, "%s.%s", path, name) : name;
}

static const struct schema_type *widen(struct arena *a, struct schema_field *f, const struct schema_type *from,
                                       const struct schema_type *to, const char *path);

static const struct schema_type *widen_struct(struct arena *a, const struct schema_type *from,
                                              const struct schema_type *to)
{
    struct schema_type *out = ARENA_NEW(a, struct schema_type);

    if (from->n_fields != to->n_fields)
        return NULL;
    *out = *from;
    out->fields = ARENA_ARRAY(a, struct schema_field, from->n_fields ? from->n_fields : 1);
    for (size_t i = 0; i < from->n_fields; i++) {
        const struct schema_field *other = schema_find(to, str_of(from->fields[i].name));

        out->fields[i] = from->fields[i];
        if (!other)
            return NULL;
        out->fields[i].type = widen(a, &out->fields[i], from->fields[i].type, other->type, "");
        if (!out->fields[i].type)
            return NULL;
    }
    return out;
}

/* The widened type; NULL if it cannot be. */
static const struct schema_type *widen(struct arena *a, struct schema_field *f, const struct schema_type *from,
                                       const struct schema_type *to, const char *path)
{
    struct schema_type *out;

    if (from->kind == SCHEMA_STRUCT && to->kind == SCHEMA_STRUCT)
        return widen_struct(a, from, to);
    if (from->kind == to->kind && (from->kind == SCHEMA_ARRAY || from->kind == SCHEMA_MAP)) {
        const bool map = from->kind == SCHEMA_MAP;

        out = ARENA_NEW(a, struct schema_type);
        *out = *from;
        if (map)
            out->key = widen(a, f, from->key, to->key, below(a, path, "key"));
        out->element = widen(a, f, from->element, to->element, below(a, path, map ? "value" : "element"));
        return out->element && (!map || out->key) ? out : NULL;
    }
    if (same_primitive(from, to))
        return from;
    if (!lake_can_widen(from, to))
        return NULL;
    note_change(a, f, from, to, path);
    out = ARENA_NEW(a, struct schema_type);
    *out = *to;
    return out;
}

enum ig_code lake_widen_field(struct arena *a, struct schema_field *f, const struct schema_type *to, struct error *err)
{
    const struct schema_type *type = widen(a, f, f->type, to, "");

    if (!type) {
        struct buf is, wanted;

        buf_init(&is, 0);
        buf_init(&wanted, 0);
        schema_add_sql(&is, f->type);
        schema_add_sql(&wanted, to);
        error_set(err, IG_INVALID, "column %s is %s: it cannot be widened to %s", f->name, buf_cstr(&is),
                  buf_cstr(&wanted));
        buf_release(&is);
        buf_release(&wanted);
        return IG_INVALID;
    }
    f->type = type;
    return IG_OK;
}

/* --- a query's columns ------------------------------------------------------------------------------------- */

struct evolver {
    struct arena *a;
    bool may_widen;
    const char *misfit;
};

static const struct schema_type *merge_type(struct evolver *e, struct schema_field *f, const struct schema_type *to,
                                            const struct schema_type *from, const char *path);

static const struct schema_type *merge_struct(struct evolver *e, const struct schema_type *to,
                                              const struct schema_type *from)
{
    struct schema_type *out = ARENA_NEW(e->a, struct schema_type);
    bool changed = false;

    *out = *to;
    out->fields = ARENA_ARRAY(e->a, struct schema_field, to->n_fields + from->n_fields + 1);
    if (to->n_fields)
        memcpy(out->fields, to->fields, to->n_fields * sizeof(*to->fields));
    for (size_t i = 0; i < from->n_fields; i++) {
        const struct schema_field *known = schema_find(to, str_of(from->fields[i].name));
        struct schema_field *f;
        const struct schema_type *type;

        if (!known) {
            out->fields[out->n_fields] = from->fields[i];
            out->fields[out->n_fields++].nullable = true;
            changed = true;
            continue;
        }
        f = &out->fields[known - to->fields];
        type = merge_type(e, f, known->type, from->fields[i].type, "");
        if (!type) {
            e->misfit = known->name;
            return NULL;
        }
        changed = changed || type != known->type;
        f->type = type;
    }
    return changed ? out : to;
}

/* `to` itself if it takes all of `from`; NULL if that cannot be. */
static const struct schema_type *merge_type(struct evolver *e, struct schema_field *f, const struct schema_type *to,
                                            const struct schema_type *from, const char *path)
{
    struct schema_type *out;

    if (schema_can_hold(to, from))
        return to;
    if (to->kind == SCHEMA_STRUCT && from->kind == SCHEMA_STRUCT)
        return merge_struct(e, to, from);
    if (to->kind == from->kind && (to->kind == SCHEMA_ARRAY || to->kind == SCHEMA_MAP)) {
        const bool map = to->kind == SCHEMA_MAP;

        out = ARENA_NEW(e->a, struct schema_type);
        *out = *to;
        if (map)
            out->key = merge_type(e, f, to->key, from->key, below(e->a, path, "key"));
        out->element = merge_type(e, f, to->element, from->element, below(e->a, path, map ? "value" : "element"));
        return out->element && (!map || out->key) ? out : NULL;
    }
    /* Of its own accord a write widens within a family only, as Spark does. */
    if (!e->may_widen || !lake_can_widen(to, from) || (from->kind == SCHEMA_DECIMAL) != (to->kind == SCHEMA_DECIMAL) ||
        (from->kind == SCHEMA_DOUBLE && to->kind != SCHEMA_FLOAT) || to->kind == SCHEMA_DATE)
        return NULL;
    note_change(e->a, f, to, from, path);
    return from;
}

const struct schema_type *schema_merge(struct arena *a, const struct schema_type *to, const struct schema_type *from,
                                       struct error *err)
{
    struct evolver e = {.a = a};
    const struct schema_type *merged = merge_struct(&e, to, from);

    if (!merged)
        error_set(err, IG_INVALID, "the type of column %s has changed to one that does not fit", e.misfit);
    return merged;
}

/* The query's columns in its order; what the table has by that name and type keeps its metadata. */
static const struct schema_type *replaced(struct arena *a, const struct schema_type *old,
                                          const struct schema_type *from)
{
    struct schema_type *out = ARENA_NEW(a, struct schema_type);

    *out = *from;
    out->fields = ARENA_ARRAY(a, struct schema_field, from->n_fields + 1);
    for (size_t i = 0; i < from->n_fields; i++) {
        const struct schema_field *f = schema_find(old, str_of(from->fields[i].name));

        out->fields[i] = from->fields[i];
        if (f && schema_can_hold(f->type, from->fields[i].type) && schema_can_hold(from->fields[i].type, f->type)) {
            out->fields[i] = *f;
            out->fields[i].name = from->fields[i].name;
        }
    }
    return out;
}

static enum ig_code check_partitions(const struct lake_draft *d, struct error *err)
{
    for (size_t i = 0; i < d->n_partition_columns; i++)
        if (!schema_find(d->schema, str_of(d->partition_columns[i])))
            return error_set(err, IG_INVALID, "the query lacks the partition column %s", d->partition_columns[i]);
    return IG_OK;
}

enum ig_code lake_evolve(struct arena *a, struct env *env, const struct lake_snapshot *s,
                         const struct schema_type *have, bool replace, struct lake_evolution *out, struct error *err)
{
    struct evolver e = {.a = a, .may_widen = lake_is_on(s, "delta.enableTypeWidening")};
    struct lake_draft d;
    enum ig_code rc = IG_OK;

    *out = (struct lake_evolution){0};
    lake_draft_init(&d, a, s);
    d.schema = replace ? replaced(a, s->metadata.schema, have) : merge_struct(&e, s->metadata.schema, have);
    if (!d.schema)
        rc = error_set(err, IG_INVALID, "the type of column %s has changed to one that does not fit", e.misfit);
    if (!rc && d.schema != s->metadata.schema) {
        rc = lake_check_names(d.schema, lake_draft_is_mapped(&d), err);
        if (!rc)
            rc = check_partitions(&d, err);
        if (!rc)
            rc = lake_draft_finish(&d, env, err);
        if (!rc)
            rc = lake_check_draft(&d, err);
        if (!rc && (d.metadata || d.protocol))
            rc = lake_draft_snapshot(&d, &out->to, err);
        out->metadata = d.metadata;
        out->protocol = d.protocol;
    }
    if (!rc && !out->to)
        out->to = lake_snapshot_ref((struct lake_snapshot *)(uintptr_t)s);
    lake_draft_release(&d);
    return rc;
}
