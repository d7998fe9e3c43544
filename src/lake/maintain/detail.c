/*
 * What a table says of itself, for people and programs.
 */
#include "lake/lake_internal.h"

#include <stdlib.h>
#include <strings.h>

/* --- types --------------------------------------------------------------------------------------------------- */

static void add_type(struct buf *out, const struct schema_type *type)
{
    switch (type->kind) {
#define X(kind, name, sql)   \
    case SCHEMA_##kind:      \
        buf_puts(out, name); \
        break;
        SCHEMA_PRIMITIVES(X)
#undef X
    case SCHEMA_DECIMAL:
        buf_printf(out, "decimal(%d,%d)", type->precision, type->scale);
        break;
    case SCHEMA_ARRAY:
        buf_puts(out, "array<");
        add_type(out, type->element);
        buf_putc(out, '>');
        break;
    case SCHEMA_MAP:
        buf_puts(out, "map<");
        add_type(out, type->key);
        buf_puts(out, ",");
        add_type(out, type->element);
        buf_putc(out, '>');
        break;
    case SCHEMA_STRUCT:
        buf_puts(out, "struct<");
        for (size_t i = 0; i < type->n_fields; i++) {
            buf_printf(out, "%s%s:", i ? "," : "", type->fields[i].name);
            add_type(out, type->fields[i].type);
        }
        buf_putc(out, '>');
        break;
    }
}

static const char *type_text(struct arena *a, const struct schema_type *type)
{
    const char *text;
    struct buf out;

    buf_init(&out, 0);
    add_type(&out, type);
    text = arena_strndup(a, buf_cstr(&out), out.n);
    buf_release(&out);
    return text;
}

/* --- parts --------------------------------------------------------------------------------------------------- */

/* The logical name of the column with this physical path; nested ones with dots between. NULL if there is none. */
static const char *logical_path(struct arena *a, const struct schema_type *type, const char *const *path, size_t n)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct schema_field *f = &type->fields[i];
        const char *below;

        if (strcmp(f->physical, path[0]) != 0)
            continue;
        if (n == 1)
            return f->name;
        below = f->type->kind == SCHEMA_STRUCT ? logical_path(a, f->type, path + 1, n - 1) : NULL;
        return below ? arena_printf(a, "%s.%s", f->name, below) : NULL;
    }
    return NULL;
}

/* One item of "clusteringColumns": the list of a column's physical names from the outside in. */
static const char *clustering_column(const struct lake_snapshot *s, struct arena *a, struct str item)
{
    const char *parts[64];
    size_t n = 0;
    struct json_reader r;
    struct json_value v;
    struct buf text;

    buf_init(&text, 0);
    json_reader_init(&r, item);
    if (json_begin(&r, &v) && v.type == JSON_ARRAY)
        while (json_next_item(&r) && json_read(&r, &v) && n < IG_COUNT(parts)) {
            buf_clear(&text);
            json_unescape(&v, &text);
            parts[n++] = arena_strndup(a, buf_cstr(&text), text.n);
        }
    buf_release(&text);
    return n ? logical_path(a, s->metadata.schema, parts, n) : NULL;
}

const char *const *lake_clustering_columns(const struct lake_snapshot *s, struct arena *a, size_t *n)
{
    const struct lake_domain *domain = lake_domain_find(s, STR("delta.clustering"));
    const char *configuration = domain ? json_member_text(a, domain->raw, "configuration") : NULL;
    VEC(const char *) names = {0};
    struct json_value list, v;
    struct json_reader r;
    const char **out;

    if (configuration && json_member(str_of(configuration), "clusteringColumns", &list) && list.type == JSON_ARRAY) {
        json_reader_init(&r, list.raw);
        json_begin(&r, &v);
        while (json_next_item(&r) && json_read(&r, &v)) {
            const char *name = clustering_column(s, a, v.raw);

            if (name)
                vec_push(&names, name);
        }
    }
    out = ARENA_ARRAY(a, const char *, names.n + 1);
    if (names.n)
        memcpy(out, names.p, names.n * sizeof(*out));
    *n = names.n;
    vec_free(&names);
    return out;
}

static int place_of(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

static void take_columns(const struct lake_snapshot *s, struct arena *a, struct lake_detail *out)
{
    const struct schema_type *schema = s->metadata.schema;
    struct lake_column_detail *columns = ARENA_ARRAY(a, struct lake_column_detail, schema->n_fields + 1);

    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct schema_field *f = &schema->fields[i];

        columns[i] = (struct lake_column_detail){
            .name = arena_strdup(a, f->name),
            .type = type_text(a, f->type),
            .comment = json_member_text(a, str_of(f->metadata), "comment"),
            .metadata = arena_strdup(a, f->metadata),
            .partition = place_of(out->partition_by, out->n_partition_by, f->name),
            .clustering = place_of(out->cluster_by, out->n_cluster_by, f->name),
            .nullable = f->nullable,
        };
    }
    out->columns = columns;
    out->n_columns = schema->n_fields;
}

static void take_features(const struct lake_snapshot *s, struct arena *a, struct lake_detail *out)
{
    const struct lake_protocol *p = &s->protocol;
    const char **names = ARENA_ARRAY(a, const char *, p->n_reader_features + p->n_writer_features + 1);

    for (size_t i = 0; i < p->n_writer_features; i++)
        names[out->n_features++] = arena_strdup(a, p->writer_features[i]);
    for (size_t i = 0; i < p->n_reader_features; i++)
        if (!lake_has_feature(p->writer_features, p->n_writer_features, p->reader_features[i]))
            names[out->n_features++] = arena_strdup(a, p->reader_features[i]);
    out->features = names;
}

static void take_lists(const struct lake_snapshot *s, struct arena *a, struct lake_detail *out)
{
    const struct lake_metadata *m = &s->metadata;
    const char **partitions = ARENA_ARRAY(a, const char *, m->n_partition_columns + 1);
    const char **domains = ARENA_ARRAY(a, const char *, s->domains.n + 1);
    struct lake_property *properties = ARENA_ARRAY(a, struct lake_property, m->n_properties + 1);
    struct lake_property *apps = ARENA_ARRAY(a, struct lake_property, s->txns.n + 1);

    for (size_t i = 0; i < m->n_partition_columns; i++)
        partitions[out->n_partition_by++] = arena_strdup(a, m->partition_columns[i]);
    for (size_t i = 0; i < m->n_properties; i++)
        properties[out->n_properties++] =
            (struct lake_property){arena_strdup(a, m->properties[i].key), arena_strdup(a, m->properties[i].value)};
    for (size_t i = 0; i < s->domains.n; i++)
        if (!s->domains.p[i].removed)
            domains[out->n_domains++] = arena_strndup(a, s->domains.p[i].name.p, s->domains.p[i].name.n);
    for (size_t i = 0; i < s->txns.n; i++)
        apps[out->n_apps++] = (struct lake_property){arena_strndup(a, s->txns.p[i].app_id.p, s->txns.p[i].app_id.n),
                                                     arena_printf(a, "%lld", (long long)s->txns.p[i].version)};
    out->partition_by = partitions;
    out->properties = properties;
    out->domains = domains;
    out->apps = apps;
    out->cluster_by = lake_clustering_columns(s, a, &out->n_cluster_by);
}

/* --- files --------------------------------------------------------------------------------------------------- */

int64_t lake_entry_deleted_rows(const struct lake_entry *e)
{
    int64_t rows = 0;

    return lake_entry_dv(e).n && json_member_int64(lake_entry_dv(e), "cardinality", &rows) && rows > 0 ? rows : 0;
}

static int order_by_values(const void *x, const void *y)
{
    const struct str *a = x, *b = y;

    return str_cmp(*a, *b);
}

/* Files of one partition may spell its values in another order; that is seen as two. */
static int64_t count_partitions(const struct lake_snapshot *s)
{
    VEC(struct str) values = {0};
    int64_t n = 0;

    if (s->metadata.n_partition_columns == 0)
        return 0;
    for (size_t i = 0; i < s->entries.n; i++)
        if (lake_entry_is_live(&s->entries.p[i]))
            vec_push(&values, lake_entry_raw_values(&s->entries.p[i]));
    if (values.n)
        qsort(values.p, values.n, sizeof(*values.p), order_by_values);
    for (size_t i = 0; i < values.n; i++)
        n += i == 0 || !str_eq(values.p[i], values.p[i - 1]);
    vec_free(&values);
    return n;
}

static void count_files(const struct lake_snapshot *s, struct lake_detail *out)
{
    for (size_t i = 0; i < s->entries.n; i++) {
        const struct lake_entry *e = &s->entries.p[i];
        int64_t rows;

        if (!lake_entry_is_live(e)) {
            out->n_removed++;
            out->removed_bytes += lake_entry_size(e) > 0 ? lake_entry_size(e) : 0;
            continue;
        }
        if (out->n_files == 0 || lake_entry_size(e) < out->smallest_bytes)
            out->smallest_bytes = lake_entry_size(e);
        if (lake_entry_size(e) > out->largest_bytes)
            out->largest_bytes = lake_entry_size(e);
        out->n_files++;
        out->size_bytes += lake_entry_size(e);
        rows = out->rows < 0 ? -1 : lake_entry_rows(e);
        out->rows = rows < 0 ? -1 : out->rows + rows - lake_entry_deleted_rows(e);
        out->n_deletion_vectors += lake_entry_dv(e).n != 0;
        out->deleted_rows += lake_entry_deleted_rows(e);
    }
    out->n_partitions = count_partitions(s);
}

enum ig_code lake_detail(const struct lake_snapshot *s, struct arena *a, struct lake_detail *out, struct error *err)
{
    *out = (struct lake_detail){
        .id = arena_strdup(a, s->metadata.id ? s->metadata.id : ""),
        .name = json_member_text(a, s->metadata.raw, "name"),
        .comment = json_member_text(a, s->metadata.raw, "description"),
        .created_ms = -1,
        .version = s->version,
        .committed_ms = s->commit_time_ms,
        .reader_version = s->protocol.reader,
        .writer_version = s->protocol.writer,
        .schema_json = arena_strdup(a, s->metadata.schema_string),
    };
    (void)json_member_int64(s->metadata.raw, "createdTime", &out->created_ms);
    take_lists(s, a, out);
    take_columns(s, a, out);
    take_features(s, a, out);
    count_files(s, out);
    (void)err;
    return IG_OK;
}
