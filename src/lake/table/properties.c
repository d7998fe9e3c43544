/*
 * Properties that users set: which there are, what they may say, and what setting them brings along.
 */
#include "lake/table/metadata.h"
#include "lake/write/rules.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

enum property_kind {
    PROPERTY_BOOL,
    PROPERTY_INTEGER, /* at least `least` */
    PROPERTY_INTERVAL,
    PROPERTY_BYTES,  /* 128mb, or a number */
    PROPERTY_CHOICE, /* of `choices` */
    PROPERTY_TEXT,
    PROPERTY_ENGINE, /* set by engines only */
};

static const struct {
    const char *key;
    enum property_kind kind;
    int64_t least;
    const char *choices;
} known[] = {
    {"delta.appendOnly", PROPERTY_BOOL, 0, NULL},
    {"delta.autoOptimize", PROPERTY_BOOL, 0, NULL},
    {"delta.autoOptimize.autoCompact", PROPERTY_CHOICE, 0, "true,false,auto,legacy"},
    {"delta.autoOptimize.optimizeWrite", PROPERTY_BOOL, 0, NULL},
    {"delta.checkpoint.writeStatsAsJson", PROPERTY_BOOL, 0, NULL},
    {"delta.checkpoint.writeStatsAsStruct", PROPERTY_BOOL, 0, NULL},
    {"delta.checkpointInterval", PROPERTY_INTEGER, 1, NULL},
    {"delta.checkpointPolicy", PROPERTY_CHOICE, 0, "classic,v2"},
    {"delta.checkpointRetentionDuration", PROPERTY_INTERVAL, 0, NULL},
    {"delta.columnMapping.mode", PROPERTY_CHOICE, 0, "none,name,id"},
    {"delta.columnMapping.maxColumnId", PROPERTY_ENGINE, 0, NULL},
    {"delta.compatibility.symlinkFormatManifest.enabled", PROPERTY_BOOL, 0, NULL},
    {"delta.dataSkippingNumIndexedCols", PROPERTY_INTEGER, -1, NULL},
    {"delta.dataSkippingStatsColumns", PROPERTY_TEXT, 0, NULL},
    {"delta.dataSkippingStringPrefixLength", PROPERTY_INTEGER, 0, NULL},
    {"delta.deletedFileRetentionDuration", PROPERTY_INTERVAL, 0, NULL},
    {"delta.dropFeatureTruncateHistory.retentionDuration", PROPERTY_INTERVAL, 0, NULL},
    {"delta.enableChangeDataFeed", PROPERTY_BOOL, 0, NULL},
    {"delta.enableDeletionVectors", PROPERTY_BOOL, 0, NULL},
    {"delta.enableExpiredLogCleanup", PROPERTY_BOOL, 0, NULL},
    {"delta.enableFullRetentionRollback", PROPERTY_BOOL, 0, NULL},
    {"delta.enableIcebergCompatV1", PROPERTY_BOOL, 0, NULL},
    {"delta.enableIcebergCompatV2", PROPERTY_BOOL, 0, NULL},
    {"delta.enableIcebergCompatV3", PROPERTY_BOOL, 0, NULL},
    {"delta.enableInCommitTimestamps", PROPERTY_BOOL, 0, NULL},
    {"delta.enableRowTracking", PROPERTY_BOOL, 0, NULL},
    {"delta.enableTypeWidening", PROPERTY_BOOL, 0, NULL},
    {"delta.enableVariantShredding", PROPERTY_BOOL, 0, NULL},
    {"delta.inCommitTimestampEnablementTimestamp", PROPERTY_ENGINE, 0, NULL},
    {"delta.inCommitTimestampEnablementVersion", PROPERTY_ENGINE, 0, NULL},
    {"delta.isolationLevel", PROPERTY_CHOICE, 0, "Serializable,WriteSerializable,SnapshotIsolation"},
    {"delta.logRetentionDuration", PROPERTY_INTERVAL, 0, NULL},
    {"delta.parquet.compression.codec", PROPERTY_CHOICE, 0, "none,uncompressed,snappy,gzip,zstd,lz4,lz4_raw,brotli"},
    {"delta.parquet.format.version", PROPERTY_CHOICE, 0, "1.0.0,2.12.0"},
    {"delta.randomPrefixLength", PROPERTY_INTEGER, 1, NULL},
    {"delta.randomizeFilePrefixes", PROPERTY_BOOL, 0, NULL},
    {"delta.rowTracking.materializedRowCommitVersionColumnName", PROPERTY_ENGINE, 0, NULL},
    {"delta.rowTracking.materializedRowIdColumnName", PROPERTY_ENGINE, 0, NULL},
    {"delta.sampleRetentionDuration", PROPERTY_INTERVAL, 0, NULL},
    {"delta.setTransactionRetentionDuration", PROPERTY_INTERVAL, 0, NULL},
    {"delta.targetFileSize", PROPERTY_BYTES, 0, NULL},
    {"delta.tuneFileSizesForRewrites", PROPERTY_BOOL, 0, NULL},
    {"delta.universalFormat.enabledFormats", PROPERTY_ENGINE, 0, NULL},
};

/* --- values ------------------------------------------------------------------------------------------------ */

/* "interval 30 days", "1 week 2 days"; no months and years, whose length is not fixed. */
static bool is_interval(const char *text)
{
    static const char *const units[] = {"nanosecond", "microsecond", "millisecond", "second",
                                        "minute",     "hour",        "day",         "week"};
    bool any = false;

    if (strncasecmp(text, "interval ", 9) == 0)
        text += 9;
    for (;;) {
        const char *word;
        bool known_unit = false;

        while (isspace((unsigned char)*text))
            text++;
        if (!*text)
            return any;
        if (!isdigit((unsigned char)*text))
            return false;
        while (isdigit((unsigned char)*text))
            text++;
        while (isspace((unsigned char)*text))
            text++;
        word = text;
        while (isalpha((unsigned char)*text))
            text++;
        for (size_t i = 0; i < IG_COUNT(units) && !known_unit; i++) {
            const size_t n = strlen(units[i]), len = (size_t)(text - word);

            known_unit = (len == n || (len == n + 1 && (word[n] == 's' || word[n] == 'S'))) &&
                         strncasecmp(word, units[i], n) == 0;
        }
        if (!known_unit)
            return false;
        any = true;
    }
}

/* 134217728, 128mb, 128M: as Spark spells sizes. */
bool lake_parse_size(const char *text, int64_t *bytes)
{
    static const char units[] = "kmgt";
    const size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits, *found = NULL;
    int64_t size;

    if (!str_to_int64((struct str){text, digits}, 0, INT64_C(1) << 40, &size))
        return false;
    while (*unit == ' ')
        unit++;
    if (*unit) {
        found = strchr(units, tolower((unsigned char)*unit));
        unit += found != NULL;
        unit += tolower((unsigned char)*unit) == 'b';
    }
    for (int64_t i = found ? found - units : -1; i >= 0; i--)
        if (__builtin_mul_overflow(size, 1024, &size))
            return false;
    *bytes = size;
    return *unit == '\0';
}

static bool is_choice(const char *choices, const char *value)
{
    const size_t n = strlen(value);

    for (const char *p = choices; *p;) {
        const size_t len = strcspn(p, ",");

        if (len == n && strncasecmp(p, value, n) == 0)
            return true;
        p += len + (p[len] == ',');
    }
    return false;
}

static enum ig_code check_value(size_t i, const char *value, struct error *err)
{
    int64_t number;
    const char *wanted = NULL;

    switch (known[i].kind) {
    case PROPERTY_BOOL:
        wanted = strcasecmp(value, "true") == 0 || strcasecmp(value, "false") == 0 ? NULL : "true or false";
        break;
    case PROPERTY_INTEGER:
        wanted = str_to_int64(str_of(value), known[i].least, INT32_MAX, &number) ? NULL : "a whole number";
        break;
    case PROPERTY_INTERVAL:
        wanted = is_interval(value) ? NULL : "an interval such as \"interval 7 days\" (no months or years)";
        break;
    case PROPERTY_BYTES:
        wanted = lake_parse_size(value, &number) && number > 0 ? NULL : "a size such as 128mb";
        break;
    case PROPERTY_CHOICE:
        if (!is_choice(known[i].choices, value))
            return error_set(err, IG_INVALID, "the property %s must be one of %s, not \"%s\"", known[i].key,
                             known[i].choices, value);
        break;
    case PROPERTY_TEXT:
        break;
    case PROPERTY_ENGINE:
        return error_set(err, IG_INVALID, "the property %s is set by engines only", known[i].key);
    }
    if (wanted)
        return error_set(err, IG_INVALID, "the property %s must be %s, not \"%s\"", known[i].key, wanted, value);
    return IG_OK;
}

/* --- what more they mean ----------------------------------------------------------------------------------- */

static enum ig_code check_mapping(struct lake_draft *d, const char *to, struct error *err)
{
    const char *now = lake_draft_property(d, "delta.columnMapping.mode");

    now = now ? now : "none";
    if (!d->base || strcasecmp(now, to) == 0 || (strcasecmp(now, "none") == 0 && strcasecmp(to, "name") == 0))
        return IG_OK;
    return error_set(err, strcasecmp(now, "none") == 0 ? IG_INVALID : IG_UNSUPPORTED,
                     "the property delta.columnMapping.mode cannot be changed from %s to %s", now, to);
}

/* Properties whose meaning for what is in the table already we would have to make true. */
static enum ig_code check_change(struct lake_draft *d, const char *key, const char *value, struct error *err)
{
    static const char *const not_ours[] = {"delta.enableIcebergCompatV1", "delta.enableIcebergCompatV2",
                                           "delta.enableIcebergCompatV3", "delta.enableVariantShredding"};
    const bool on = strcasecmp(value, "true") == 0;

    if (strcmp(key, "delta.columnMapping.mode") == 0)
        return check_mapping(d, value, err);
    for (size_t i = 0; i < IG_COUNT(not_ours); i++)
        if (on && strcmp(key, not_ours[i]) == 0)
            return error_set(err, IG_UNSUPPORTED, "turning on %s is not supported", key);
    return IG_OK;
}

/* delta.feature.X = supported, delta.minReaderVersion = 2: about the protocol, not stored. */
static enum ig_code protocol_property(struct lake_draft *d, const struct lake_property *p, bool *done,
                                      struct error *err)
{
    int64_t version;

    *done = true;
    if (str_has_prefix(str_of(p->key), "delta.feature.")) {
        const char *name = p->key + strlen("delta.feature.");

        if (strcasecmp(p->value, "supported") != 0 && strcasecmp(p->value, "enabled") != 0)
            return error_set(err, IG_INVALID, "the property %s must be supported, not \"%s\"", p->key, p->value);
        if (!lake_feature_find(str_of(name)))
            return error_set(err, IG_INVALID, "the table feature %s is not known", name);
        lake_draft_need(d, name);
        return IG_OK;
    }
    if (strcmp(p->key, "delta.minReaderVersion") == 0) {
        if (!str_to_int64(str_of(p->value), 1, 3, &version))
            return error_set(err, IG_INVALID, "the property %s must be 1, 2 or 3, not \"%s\"", p->key, p->value);
        d->reader = (int)version;
        return IG_OK;
    }
    if (strcmp(p->key, "delta.minWriterVersion") == 0) {
        if (!str_to_int64(str_of(p->value), 1, 7, &version))
            return error_set(err, IG_INVALID, "the property %s must be 1 to 7, not \"%s\"", p->key, p->value);
        d->writer = (int)version;
        return IG_OK;
    }
    *done = false;
    return IG_OK;
}

static enum ig_code refuse_unknown(const char *key, struct error *err)
{
    size_t best = 0, least = SIZE_MAX;

    for (size_t i = 0; i < IG_COUNT(known); i++) {
        const size_t distance = str_distance(str_of(key), str_of(known[i].key));

        if (distance < least) {
            least = distance;
            best = i;
        }
    }
    return error_set(err, IG_INVALID, "there is no property %s; did you mean %s?", key, known[best].key);
}

enum ig_code lake_draft_user_property(struct lake_draft *d, const struct lake_property *p, struct error *err)
{
    bool done;

    if (!p->key || !*p->key || !p->value)
        return error_set(err, IG_INVALID, "a property without a name or a value");
    IG_TRY(protocol_property(d, p, &done, err));
    if (done)
        return IG_OK;
    if (lake_constraint_name(p))
        return error_set(err, IG_INVALID, "the property %s: constraints are added by ADD CONSTRAINT", p->key);
    if (!str_has_prefix(str_of(p->key), "delta.")) {
        lake_draft_set(d, p->key, p->value);
        return IG_OK;
    }
    for (size_t i = 0; i < IG_COUNT(known); i++) {
        if (strcasecmp(known[i].key, p->key) != 0)
            continue;
        IG_TRY(check_value(i, p->value, err));
        IG_TRY(check_change(d, known[i].key, p->value, err));
        lake_draft_set(d, known[i].key, p->value);
        return IG_OK;
    }
    return refuse_unknown(p->key, err);
}
