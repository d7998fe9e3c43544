#include "lake/table/features.h"

#include <stdlib.h>
#include <strings.h>

/* --- in use? ----------------------------------------------------------------------------------------------- */

bool lake_is_on(const struct lake_snapshot *s, const char *property)
{
    return strcasecmp(lake_property(s, property, "false"), "true") == 0;
}

static bool schema_mentions(const struct lake_snapshot *s, const char *key)
{
    return strstr(s->metadata.schema_string, key) != NULL;
}

static bool uses_append_only(const struct lake_snapshot *s)
{
    return lake_is_on(s, "delta.appendOnly");
}

static bool uses_check_constraints(const struct lake_snapshot *s)
{
    for (size_t i = 0; i < s->metadata.n_properties; i++)
        if (str_has_prefix(str_of(s->metadata.properties[i].key), "delta.constraints."))
            return true;
    return false;
}

static bool uses_invariants(const struct lake_snapshot *s)
{
    return schema_mentions(s, "delta.invariants");
}

static bool uses_change_data_feed(const struct lake_snapshot *s)
{
    return lake_is_on(s, "delta.enableChangeDataFeed");
}

static bool uses_generated_columns(const struct lake_snapshot *s)
{
    return schema_mentions(s, "delta.generationExpression");
}

static bool uses_column_mapping(const struct lake_snapshot *s)
{
    return strcasecmp(lake_property(s, "delta.columnMapping.mode", "none"), "none") != 0;
}

static bool uses_identity_columns(const struct lake_snapshot *s)
{
    return schema_mentions(s, "delta.identity.");
}

static bool uses_column_defaults(const struct lake_snapshot *s)
{
    return schema_mentions(s, "CURRENT_DEFAULT");
}

static bool uses_in_commit_timestamps(const struct lake_snapshot *s)
{
    return lake_is_on(s, "delta.enableInCommitTimestamps");
}

static bool uses_type_widening(const struct lake_snapshot *s)
{
    return schema_mentions(s, "delta.typeChanges") || lake_is_on(s, "delta.enableTypeWidening");
}

static bool uses_variants(const struct lake_snapshot *s)
{
    return schema_mentions(s, "\"variant\"");
}

static bool uses_shredding(const struct lake_snapshot *s)
{
    return lake_is_on(s, "delta.enableVariantShredding");
}

static bool uses_timestamp_ntz(const struct lake_snapshot *s)
{
    return schema_mentions(s, "\"timestamp_ntz\"");
}

static bool uses_iceberg_1(const struct lake_snapshot *s)
{
    return lake_is_on(s, "delta.enableIcebergCompatV1");
}

static bool uses_iceberg_2(const struct lake_snapshot *s)
{
    return lake_is_on(s, "delta.enableIcebergCompatV2");
}

static bool uses_iceberg_3(const struct lake_snapshot *s)
{
    return lake_is_on(s, "delta.enableIcebergCompatV3");
}

static bool uses_collations(const struct lake_snapshot *s)
{
    return schema_mentions(s, "__COLLATIONS");
}

static bool uses_deletion_vectors(const struct lake_snapshot *s)
{
    for (size_t i = 0; i < s->entries.n; i++)
        if (s->entries.p[i].live && lake_entry_dv(&s->entries.p[i]).n)
            return true;
    return false;
}

/* --- the table --------------------------------------------------------------------------------------------- */

static const struct lake_feature features[] = {
    /* name, reader, writer, read, write, in use, property, needs */
    {"appendOnly", 0, 2, LAKE_YES, LAKE_YES, uses_append_only, "delta.appendOnly", NULL},
    {"invariants", 0, 2, LAKE_YES, LAKE_YES, uses_invariants, NULL, NULL},
    {"checkConstraints", 0, 3, LAKE_YES, LAKE_YES, uses_check_constraints, NULL, NULL},
    {"changeDataFeed", 0, 4, LAKE_YES, LAKE_YES, uses_change_data_feed, "delta.enableChangeDataFeed", NULL},
    {"generatedColumns", 0, 4, LAKE_YES, LAKE_YES, uses_generated_columns, NULL, NULL},
    {"columnMapping", 2, 5, LAKE_YES, LAKE_YES, uses_column_mapping, NULL, NULL},
    {"identityColumns", 0, 6, LAKE_YES, LAKE_YES, uses_identity_columns, NULL, NULL},
    {"deletionVectors", 3, 7, LAKE_YES, LAKE_YES, uses_deletion_vectors, "delta.enableDeletionVectors", NULL},
    {"timestampNtz", 3, 7, LAKE_YES, LAKE_YES, uses_timestamp_ntz, NULL, NULL},
    {"v2Checkpoint", 3, 7, LAKE_YES, LAKE_YES, NULL, NULL, NULL}, /* a classic checkpoint is allowed as well */
    {"vacuumProtocolCheck", 3, 7, LAKE_YES, LAKE_YES, NULL, NULL, NULL},
    {"typeWidening", 3, 7, LAKE_YES, LAKE_YES, uses_type_widening, "delta.enableTypeWidening", NULL},
    {"typeWidening-preview", 3, 7, LAKE_YES, LAKE_YES, uses_type_widening, NULL, NULL},
    {"variantType", 3, 7, LAKE_YES, LAKE_IF_UNUSED, uses_variants, NULL, NULL},
    {"variantType-preview", 3, 7, LAKE_YES, LAKE_IF_UNUSED, uses_variants, NULL, NULL},
    {"variantShredding", 3, 7, LAKE_YES, LAKE_IF_UNUSED, uses_shredding, "delta.enableVariantShredding", NULL},
    {"variantShredding-preview", 3, 7, LAKE_YES, LAKE_IF_UNUSED, uses_shredding, NULL, NULL},
    {"domainMetadata", 0, 7, LAKE_YES, LAKE_YES, NULL, NULL, NULL}, /* kept as it is */
    {"inCommitTimestamp", 0, 7, LAKE_YES, LAKE_YES, uses_in_commit_timestamps, "delta.enableInCommitTimestamps", NULL},
    {"inCommitTimestamp-preview", 0, 7, LAKE_YES, LAKE_YES, uses_in_commit_timestamps, NULL, NULL},
    {"rowTracking", 0, 7, LAKE_YES, LAKE_YES, NULL, "delta.enableRowTracking", "domainMetadata"},
    {"clustering", 0, 7, LAKE_YES, LAKE_YES, NULL, NULL, "domainMetadata"},
    {"allowColumnDefaults", 0, 7, LAKE_YES, LAKE_YES, uses_column_defaults, NULL, NULL},
    {"materializePartitionColumns", 0, 7, LAKE_YES, LAKE_YES, NULL, NULL, NULL},
    {"checkpointProtection", 0, 7, LAKE_YES, LAKE_NO, NULL, NULL, NULL},
    {"icebergCompatV1", 0, 7, LAKE_YES, LAKE_IF_UNUSED, uses_iceberg_1, "delta.enableIcebergCompatV1", "columnMapping"},
    {"icebergCompatV2", 0, 7, LAKE_YES, LAKE_IF_UNUSED, uses_iceberg_2, "delta.enableIcebergCompatV2", "columnMapping"},
    {"icebergCompatV3", 0, 7, LAKE_YES, LAKE_IF_UNUSED, uses_iceberg_3, "delta.enableIcebergCompatV3", "columnMapping"},
    {"icebergWriterCompatV1", 0, 7, LAKE_YES, LAKE_NO, NULL, NULL, "icebergCompatV2"},
    {"icebergWriterCompatV3", 0, 7, LAKE_YES, LAKE_NO, NULL, NULL, "icebergCompatV3"},
    {"collations", 0, 7, LAKE_YES, LAKE_IF_UNUSED, uses_collations, NULL, "domainMetadata"},
    {"collations-preview", 0, 7, LAKE_YES, LAKE_IF_UNUSED, uses_collations, NULL, "domainMetadata"},
    {"coordinatedCommits-preview", 0, 7, LAKE_YES, LAKE_NO, NULL, NULL, "inCommitTimestamp"},
    {"managedCommits-preview", 0, 7, LAKE_YES, LAKE_NO, NULL, NULL, "inCommitTimestamp"},
    {"redirectWriterOnly-preview", 0, 7, LAKE_YES, LAKE_NO, NULL, NULL, NULL},
    {"redirectReaderWriter-preview", 3, 7, LAKE_NO, LAKE_NO, NULL, NULL, NULL},
    {"catalogManaged", 3, 7, LAKE_NO, LAKE_NO, NULL, NULL, "inCommitTimestamp"},
    {"catalogOwned-preview", 3, 7, LAKE_NO, LAKE_NO, NULL, NULL, "inCommitTimestamp"},
    {"geospatial", 3, 7, LAKE_NO, LAKE_NO, NULL, NULL, NULL},
    {"geospatial-dev", 3, 7, LAKE_NO, LAKE_NO, NULL, NULL, NULL},
    {"adaptiveMetadata-preview", 3, 7, LAKE_NO, LAKE_NO, NULL, NULL, NULL},
};

const struct lake_feature *lake_features(size_t *n)
{
    *n = IG_COUNT(features);
    return features;
}

const struct lake_feature *lake_feature_find(struct str name)
{
    for (size_t i = 0; i < IG_COUNT(features); i++)
        if (str_is(name, features[i].name))
            return &features[i];
    return NULL;
}

bool lake_has(const struct lake_protocol *p, const struct lake_feature *f)
{
    if (p->writer >= 7)
        return lake_has_feature(p->writer_features, p->n_writer_features, f->name);
    return f->writer <= p->writer;
}

/* Readers see only their own list; (3, 7) names a feature of both in both. */
static bool reader_has(const struct lake_protocol *p, const struct lake_feature *f)
{
    if (f->reader == 0)
        return false;
    if (p->reader >= 3)
        return lake_has_feature(p->reader_features, p->n_reader_features, f->name);
    return f->reader <= p->reader;
}

bool lake_uses(const struct lake_snapshot *s, const char *name)
{
    const struct lake_feature *f = lake_feature_find(str_of(name));

    IG_ASSERT(f);
    return (lake_has(&s->protocol, f) || reader_has(&s->protocol, f)) && (!f->in_use || f->in_use(s));
}

/* --- the two questions ------------------------------------------------------------------------------------- */

enum ig_code lake_check_protocol(const struct lake_protocol *p, struct error *err)
{
    if (p->reader > 3)
        return error_set(err, IG_UNSUPPORTED, "the table needs reader version %lld, we know 3", (long long)p->reader);
    for (size_t i = 0; i < p->n_reader_features && p->reader == 3; i++) {
        const struct lake_feature *f = lake_feature_find(str_of(p->reader_features[i]));

        if (!f || (f->reader && f->read == LAKE_NO))
            return error_set(err, IG_UNSUPPORTED, "the table uses the feature %s, which is not supported",
                             p->reader_features[i]);
    }
    return IG_OK;
}

enum ig_code lake_check_readable(const struct lake_snapshot *s, struct error *err)
{
    const struct lake_protocol *p = &s->protocol;

    for (size_t i = 0; i < IG_COUNT(features); i++) {
        const struct lake_feature *f = &features[i];

        if (f->read == LAKE_IF_UNUSED && reader_has(p, f) && (!f->in_use || f->in_use(s)))
            return error_set(err, IG_UNSUPPORTED, "the table uses the feature %s, which is not supported", f->name);
    }
    return IG_OK;
}

static enum ig_code refuse(const char *feature, struct error *err)
{
    return error_set(err, IG_UNSUPPORTED, "writing a table with the feature %s is not supported", feature);
}

enum ig_code lake_check_cleanable(const struct lake_snapshot *s, struct error *err)
{
    const struct lake_protocol *p = &s->protocol;

    if (p->writer > 7)
        return error_set(err, IG_UNSUPPORTED, "the table needs writer version %lld, we know 7", (long long)p->writer);
    for (size_t i = 0; i < p->n_writer_features && p->writer == 7; i++) {
        const struct lake_feature *f = lake_feature_find(str_of(p->writer_features[i]));

        if (!f || f->write == LAKE_NO)
            return refuse(p->writer_features[i], err);
    }
    return IG_OK;
}

enum ig_code lake_check_writable(const struct lake_snapshot *s, bool removes, struct error *err)
{
    const struct lake_protocol *p = &s->protocol;

    IG_TRY(lake_check_cleanable(s, err));
    for (size_t i = 0; i < IG_COUNT(features); i++) {
        const struct lake_feature *f = &features[i];

        if (f->write == LAKE_IF_UNUSED && lake_has(p, f) && (!f->in_use || f->in_use(s)))
            return refuse(f->name, err);
    }
    if (removes && lake_uses(s, "appendOnly"))
        return error_set(err, IG_INVALID, "the table takes appends only (delta.appendOnly)");
    return IG_OK;
}

enum ig_code lake_refuse_use(const struct lake_snapshot *s, const char *name, const char *what, struct error *err)
{
    if (lake_uses(s, name))
        return error_set(err, IG_UNSUPPORTED, "%s in a table that uses the feature %s is not supported", what, name);
    return IG_OK;
}
