/*
 * Identity columns: the values come from the schema's high water mark, which moves with the commit.
 */
#include "lake/table/metadata.h"
#include "lake/write/rules.h"

#include <stdlib.h>

enum ig_code lake_identity_load(const struct schema_field *f, struct lake_identity *out, struct error *err)
{
    const struct str m = str_of(f->metadata);
    struct json_value v;

    *out = (struct lake_identity){.field = f, .step = 1};
    if (f->type->kind != SCHEMA_LONG || !json_member_int64(m, "delta.identity.start", &out->start) ||
        !json_member_int64(m, "delta.identity.step", &out->step) || out->step == 0)
        return error_set(err, IG_UNSUPPORTED, "the feature identityColumns: column %s cannot be read: %.200s", f->name,
                         f->metadata);
    out->by_default = json_member(m, "delta.identity.allowExplicitInsert", &v) && v.type == JSON_TRUE;
    out->has_high = json_member_int64(m, "delta.identity.highWaterMark", &out->high);
    out->next = out->start;
    if (out->has_high && __builtin_add_overflow(out->high, out->step, &out->next))
        return error_set(err, IG_LIMIT, "the identity column %s has no value left behind %lld", f->name,
                         (long long)out->high);
    return IG_OK;
}

struct lake_identity *lake_identity_of(struct lake_rules *r, const struct schema_field *f)
{
    for (size_t i = 0; i < r->n_identities; i++)
        if (r->identities[i].field == f)
            return &r->identities[i];
    return NULL;
}

enum ig_code lake_identity_add(struct lake_identity *id, bool given, enum lake_rows whose, struct buf *sql,
                               struct error *err)
{
    if (given && whose == LAKE_ROWS_GIVEN && !id->by_default)
        return error_set(err, IG_INVALID, "the identity column %s is always generated: rows may not bring it",
                         id->field->name);
    if (given)
        engine_add_name(sql, str_of(id->field->name));
    if (given && whose == LAKE_ROWS_GIVEN)
        return IG_OK;
    if (given)
        buf_puts(sql, " IS NULL THEN ");
    buf_printf(sql, "%lld + %lld * (row_number() OVER () - 1)", (long long)id->next, (long long)id->step);
    id->made = true;
    if (given) {
        buf_puts(sql, " ELSE ");
        engine_add_name(sql, str_of(id->field->name));
        buf_puts(sql, " END");
    }
    return IG_OK;
}

/* --- after the write --------------------------------------------------------------------------------------- */

void lake_rules_saw(struct lake_rules *r, struct str statistics)
{
    struct lake_column_stats *columns = NULL;
    struct arena arena;
    size_t n = 0;

    if (r->n_identities == 0)
        return;
    arena_init(&arena);
    columns = lake_parse_statistics(&arena, statistics, &n);
    for (size_t i = 0; i < r->n_identities; i++) {
        struct lake_identity *id = &r->identities[i];
        const struct lake_column_stats *c;
        struct buf key;
        int64_t value;

        buf_init(&key, 0);
        engine_add_name(&key, str_of(id->field->physical));
        c = lake_find_statistics(columns, n, buf_cstr(&key));
        buf_release(&key);
        if (!c || !c->min || !c->max ||
            !str_to_int64(str_of(id->step > 0 ? c->max : c->min), INT64_MIN, INT64_MAX, &value))
            continue;
        if (!id->has_extreme || (id->step > 0 ? value > id->extreme : value < id->extreme))
            id->extreme = value;
        id->has_extreme = true;
    }
    arena_release(&arena);
}

bool lake_identity_high(const struct lake_identity *id, int64_t seen, int64_t *high)
{
    int64_t offset, steps;

    if (id->step > 0 ? seen < id->start : seen > id->start)
        return false; /* rows may bring values before the first one: none of ours */
    if (__builtin_sub_overflow(seen, id->start, &offset))
        return false;
    steps = offset / id->step + (offset % id->step != 0);
    if (__builtin_mul_overflow(steps, id->step, &offset) || __builtin_add_overflow(id->start, offset, high))
        return false;
    return !id->has_high || (id->step > 0 ? *high > id->high : *high < id->high);
}

enum ig_code lake_rules_metadata(const struct lake_rules *r, const struct lake_snapshot *s, enum lake_rows whose,
                                 struct lake_new_files *out, struct error *err)
{
    const struct schema_type *schema = s->metadata.schema;
    struct schema_type changed = *schema;
    bool any = false;

    if (r->n_identities == 0 || out->rows == 0 || whose == LAKE_ROWS_CHANGES)
        return IG_OK;
    changed.fields = ARENA_ARRAY(r->arena, struct schema_field, schema->n_fields);
    memcpy(changed.fields, schema->fields, schema->n_fields * sizeof(*schema->fields));
    for (size_t i = 0; i < r->n_identities; i++) {
        const struct lake_identity *id = &r->identities[i];
        struct schema_field *f = &changed.fields[id->field - schema->fields];
        int64_t high;

        if (!id->made)
            continue;
        if (!id->has_extreme)
            return error_set(err, IG_UNSUPPORTED, "the feature identityColumns: %s is no column of the data files",
                             f->name);
        if (!lake_identity_high(id, id->extreme, &high))
            continue;
        f->metadata = lake_object_set_int64(r->arena, f->metadata, "delta.identity.highWaterMark", high);
        any = true;
    }
    if (any) {
        struct lake_draft d;

        lake_draft_init(&d, r->arena, s);
        d.schema = &changed;
        free(out->metadata);
        out->metadata = check_strdup(lake_draft_metadata(&d));
        lake_draft_release(&d);
    }
    return IG_OK;
}
