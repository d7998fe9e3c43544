/*
 * A checkpoint's lines as Parquet, made by the engine. Statistics are kept as the text that the log has, as columns of
 * the table's own types (stats_parsed, partitionValues_parsed), or both: delta.checkpoint.writeStatsAs...
 */
#include "lake/commit/checkpoint.h"
#include "lake/log/seal.h"

#define VALUES "MAP(VARCHAR, VARCHAR)"
#define DV                                                                                                  \
    ", \"deletionVector\" STRUCT(\"storageType\" VARCHAR, \"pathOrInlineDv\" VARCHAR, \"offset\" INTEGER, " \
    "\"sizeInBytes\" INTEGER, \"cardinality\" BIGINT)"
#define ROW_IDS ", \"baseRowId\" BIGINT, \"defaultRowCommitVersion\" BIGINT"

static const char add_members[] =
    "\"path\" VARCHAR, \"partitionValues\" " VALUES ", \"size\" BIGINT, "
    "\"modificationTime\" BIGINT, \"dataChange\" BOOLEAN, \"tags\" " VALUES ", \"stats\" VARCHAR";
static const char remove_members[] =
    "\"path\" VARCHAR, \"deletionTimestamp\" BIGINT, \"dataChange\" BOOLEAN, "
    "\"extendedFileMetadata\" BOOLEAN, \"partitionValues\" " VALUES ", \"size\" BIGINT";
static const char other_columns[] =
    ", txn: 'STRUCT(\"appId\" VARCHAR, \"version\" BIGINT, \"lastUpdated\" BIGINT)', "
    "\"metaData\": 'STRUCT(\"id\" VARCHAR, \"name\" VARCHAR, \"description\" VARCHAR, \"format\" STRUCT(\"provider\" "
    "VARCHAR, \"options\" " VALUES "), \"schemaString\" VARCHAR, \"partitionColumns\" VARCHAR[], "
    "\"configuration\" " VALUES ", \"createdTime\" BIGINT)', "
    "\"domainMetadata\": 'STRUCT(\"domain\" VARCHAR, \"configuration\" VARCHAR, \"removed\" BOOLEAN)'";

static bool has_table_features(const struct lake_snapshot *s)
{
    return s->protocol.writer == 7;
}

/* The columns as read_json is told them. */
static void add_json_columns(const struct lake_snapshot *s, const struct checkpoint_columns *c, struct buf *sql)
{
    const char *more = has_table_features(s) ? DV ROW_IDS : "";

    buf_printf(sql, "{\"add\": 'STRUCT(%s%s%s)', \"remove\": 'STRUCT(%s%s)'", add_members, more,
               has_table_features(s) ? ", \"clusteringProvider\" VARCHAR" : "", remove_members, more);
    if (!c->files_only) {
        buf_puts(sql, other_columns);
        buf_printf(sql, ", \"protocol\": 'STRUCT(\"minReaderVersion\" INTEGER, \"minWriterVersion\" INTEGER%s%s)'",
                   s->protocol.reader == 3 ? ", \"readerFeatures\" VARCHAR[]" : "",
                   has_table_features(s) ? ", \"writerFeatures\" VARCHAR[]" : "");
    }
    buf_putc(sql, '}');
}

/* --- statistics as columns --------------------------------------------------------------------------------- */

enum statistic { MIN_MAX, NULL_COUNT };

/* Types that have an order which engines agree on. */
static bool has_min_max(const struct schema_type *type)
{
    switch (type->kind) {
    case SCHEMA_BYTE:
    case SCHEMA_SHORT:
    case SCHEMA_INTEGER:
    case SCHEMA_LONG:
    case SCHEMA_FLOAT:
    case SCHEMA_DOUBLE:
    case SCHEMA_STRING:
    case SCHEMA_DATE:
    case SCHEMA_TIMESTAMP:
    case SCHEMA_TIMESTAMP_NTZ:
    case SCHEMA_DECIMAL:
        return true;
    default:
        return false;
    }
}

static bool is_partition_column(const struct lake_snapshot *s, const struct schema_field *f)
{
    for (size_t i = 0; i < s->metadata.n_partition_columns; i++)
        if (s->metadata.partition_fields[i] == f)
            return true;
    return false;
}

/* {"column":"TYPE", "struct":{...}} for json_transform; nothing if no column has the statistic. */
static bool add_statistic(const struct lake_snapshot *s, const struct schema_type *type, enum statistic which,
                          struct buf *out)
{
    const size_t from = out->n;
    struct buf sql;
    bool any = false;

    buf_init(&sql, 0);
    buf_putc(out, '{');
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct schema_field *f = &type->fields[i];
        const size_t before = out->n;

        if (is_partition_column(s, f) || (which == MIN_MAX && f->type->kind != SCHEMA_STRUCT && !has_min_max(f->type)))
            continue;
        buf_puts(out, any ? "," : "");
        json_add_string(out, str_of(f->physical));
        buf_putc(out, ':');
        if (f->type->kind == SCHEMA_STRUCT) {
            if (!add_statistic(s, f->type, which, out)) {
                out->n = before;
                continue;
            }
        } else if (which == NULL_COUNT) {
            buf_puts(out, "\"BIGINT\"");
        } else {
            buf_clear(&sql);
            schema_add_sql(&sql, f->type);
            json_add_string(out, buf_str(&sql));
        }
        any = true;
    }
    buf_putc(out, '}');
    if (!any)
        out->n = from;
    buf_release(&sql);
    return any;
}

static void add_stats_shape(const struct lake_snapshot *s, struct buf *out)
{
    static const struct {
        const char *name;
        enum statistic which;
    } objects[] = {{"minValues", MIN_MAX}, {"maxValues", MIN_MAX}, {"nullCount", NULL_COUNT}};

    buf_puts(out, "{\"numRecords\":\"BIGINT\",\"tightBounds\":\"BOOLEAN\"");
    for (size_t i = 0; i < IG_COUNT(objects); i++) {
        const size_t before = out->n;

        buf_printf(out, ",\"%s\":", objects[i].name);
        if (!add_statistic(s, s->metadata.schema, objects[i].which, out))
            out->n = before;
    }
    buf_putc(out, '}');
}

static void add_parsed_values(const struct lake_snapshot *s, struct buf *sql)
{
    const struct lake_metadata *m = &s->metadata;

    if (!m->n_partition_columns)
        return;
    buf_puts(sql, ", \"partitionValues_parsed\" := struct_pack(");
    for (size_t i = 0; i < m->n_partition_columns; i++) {
        buf_puts(sql, i ? ", " : "");
        engine_add_name(sql, str_of(m->partition_fields[i]->physical));
        buf_puts(sql, " := TRY_CAST(nullif(map_extract_value(\"add\".\"partitionValues\", ");
        engine_add_literal(sql, str_of(m->partition_fields[i]->physical));
        buf_puts(sql, "), '') AS ");
        schema_add_sql(sql, m->partition_fields[i]->type);
        buf_putc(sql, ')');
    }
    buf_putc(sql, ')');
}

/* "add" with other members than it was read with. */
static void add_add_column(const struct lake_snapshot *s, const struct checkpoint_columns *c, struct buf *sql)
{
    static const char *const always[] = {"path", "partitionValues", "size", "modificationTime", "dataChange", "tags"};
    static const char *const features[] = {"deletionVector", "baseRowId", "defaultRowCommitVersion",
                                           "clusteringProvider"};
    struct buf shape;

    buf_puts(sql, "* REPLACE (CASE WHEN \"add\" IS NULL THEN NULL ELSE struct_pack(");
    for (size_t i = 0; i < IG_COUNT(always); i++)
        buf_printf(sql, "%s\"%s\" := \"add\".\"%s\"", i ? ", " : "", always[i], always[i]);
    if (c->json_stats)
        buf_puts(sql, ", \"stats\" := \"add\".\"stats\"");
    for (size_t i = 0; i < IG_COUNT(features) && has_table_features(s); i++)
        buf_printf(sql, ", \"%s\" := \"add\".\"%s\"", features[i], features[i]);
    if (c->parsed_stats) {
        buf_init(&shape, 0);
        add_stats_shape(s, &shape);
        buf_puts(sql, ", \"stats_parsed\" := json_transform(\"add\".\"stats\", ");
        engine_add_literal(sql, buf_str(&shape));
        buf_putc(sql, ')');
        buf_release(&shape);
        add_parsed_values(s, sql);
    }
    buf_puts(sql, ") END AS \"add\")");
}

enum ig_code checkpoint_to_parquet(struct lake_table *t, const struct lake_snapshot *s,
                                   const struct checkpoint_columns *columns, const char *from, const char *to,
                                   size_t longest, struct error *err)
{
    struct buf sql;
    enum ig_code rc;

    buf_init(&sql, 0);
    buf_puts(&sql, "COPY (SELECT ");
    if (columns->json_stats && !columns->parsed_stats)
        buf_putc(&sql, '*');
    else
        add_add_column(s, columns, &sql);
    buf_puts(&sql, " FROM read_json(");
    engine_add_literal(&sql, str_of(from));
    buf_puts(&sql, ", format = 'newline_delimited', compression = 'uncompressed', auto_detect = false, columns = ");
    add_json_columns(s, columns, &sql);
    buf_printf(&sql, ", maximum_object_size = %zu)) TO ", longest < (1 << 24) ? (size_t)1 << 24 : longest * 2);
    engine_add_literal(&sql, str_of(to));
    /* Small row groups: who reads them needs memory for the texts of one only. */
    buf_puts(&sql, " (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 20480, KV_METADATA {" LAKE_SEAL_MEMBER "})");
    rc = buf_check(&sql, err, "a checkpoint's query");
    if (!rc)
        rc = engine_exec(t->conn, err, buf_cstr(&sql));
    buf_release(&sql);
    return rc;
}
