/*
 * Which file is it? The engine's errors about a damaged Parquet file do not always name it. Once a query has failed,
 * the files of its tables are read one by one, until one fails alone.
 */
#include "lake/lake_internal.h"

/* Not more than that is read to find a culprit. */
#define SEARCH_MAX_BYTES ((int64_t)4 << 30)

static enum ig_code read_alone(struct lake_table *t, const struct lake_snapshot *s, const struct lake_entry *e,
                               struct error *err)
{
    const struct str name = lake_entry_name(e);
    struct engine_rows rows = {0};
    enum ig_code rc;
    struct buf sql;

    buf_init(&sql, 0);
    buf_puts(&sql, "SELECT bit_xor(hash(_ingot_t)) FROM ");
    rc = lake_add_scan_of(s, &e, 1, NULL, &sql, err);
    if (!rc) {
        buf_puts(&sql, " AS _ingot_t");
        rc = engine_query(t->conn, buf_cstr(&sql), &rows, err);
        if (rc && rc != IG_CANCELLED && rc != IG_NO_SPACE)
            rc = error_context(err, IG_CORRUPT, "table %s, version %lld: the file " STR_FMT,
                               *t->path ? t->path : t->store->url, (long long)s->version, STR_ARG(name));
    }
    engine_rows_free(&rows);
    buf_release(&sql);
    return rc;
}

enum ig_code lake_find_broken(struct lake_table *t, int64_t version, struct error *err)
{
    struct lake_snapshot *s = NULL;
    enum ig_code rc = lake_snapshot_open(t, version, &s, err);
    int64_t bytes = 0;

    for (size_t i = 0; !rc && i < s->entries.n && bytes < SEARCH_MAX_BYTES; i++) {
        const struct lake_entry *e = &s->entries.p[i];

        if (!lake_entry_is_live(e))
            continue;
        bytes += lake_entry_size(e);
        rc = read_alone(t, s, e, err);
    }
    lake_snapshot_free(s);
    return rc;
}

bool lake_looks_broken(const char *message)
{
    static const char *const words[] = {
        "Invalid Error:", "IO Error:", "Invalid Input Error:", "Serialization Error:", "Parquet",
        "parquet",        "TProtocol", "decompression",        "Decompression"};

    for (size_t i = 0; i < IG_COUNT(words); i++)
        if (strstr(message, words[i]))
            return true;
    return false;
}
