#include "lake/table/row_ids.h"

#include "lake/table/features.h"

bool lake_keeps_row_ids(const struct lake_snapshot *s)
{
    return lake_is_on(s, "delta.enableRowTracking");
}

enum ig_code lake_check_row_ids(const struct lake_snapshot *s, struct error *err)
{
    static const char *const names[] = {LAKE_ROW_ID_PROPERTY, LAKE_ROW_VERSION_PROPERTY};

    for (size_t i = 0; i < IG_COUNT(names); i++) {
        const char *name = lake_property(s, names[i], "");

        if (!*name)
            return error_set(err, IG_CORRUPT, "the feature rowTracking is turned on, and the property %s is not set",
                             names[i]);
        if (schema_find(s->metadata.schema, str_of(name)))
            return error_set(err, IG_CORRUPT, "the property %s: a column of the table is named %s too", names[i], name);
    }
    return IG_OK;
}

static void add_column(struct buf *sql, const char *in_files, const char *name)
{
    buf_puts(sql, ", ");
    engine_add_literal(sql, str_of(in_files));
    buf_printf(sql, ": {name: '%s', type: 'BIGINT', default_value: NULL}", name);
}

void lake_add_row_id_schema(struct buf *sql, const struct lake_snapshot *s)
{
    add_column(sql, lake_property(s, LAKE_ROW_ID_PROPERTY, ""), LAKE_ROW_ID_COLUMN);
    add_column(sql, lake_property(s, LAKE_ROW_VERSION_PROPERTY, ""), LAKE_ROW_VERSION_COLUMN);
}

void lake_add_named_row_ids(struct buf *sql, const struct lake_snapshot *s, const char *query)
{
    buf_puts(sql, "SELECT * RENAME (" LAKE_ROW_ID_COLUMN " AS ");
    engine_add_name(sql, str_of(lake_property(s, LAKE_ROW_ID_PROPERTY, "")));
    buf_puts(sql, ", " LAKE_ROW_VERSION_COLUMN " AS ");
    engine_add_name(sql, str_of(lake_property(s, LAKE_ROW_VERSION_PROPERTY, "")));
    buf_printf(sql, ") FROM (%s) AS _ingot_ids", query);
}
