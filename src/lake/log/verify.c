/*
 * A version's .crc, which its writer put beside the commit: how many files the table has then, of what size, with which
 * schema and protocol, sometimes which ones. It is held against what was read from the log.
 */
#include "lake/log/action.h"
#include "lake/log/load.h"

#include <stdlib.h>

#define CHECKSUM_MAX_BYTES ((size_t)64 << 20)

struct verifier {
    const struct lake_snapshot *s;
    struct str file; /* the .crc's object */
    struct buf text;
    int64_t bytes, deleted_rows, deletion_vectors;
};

static enum ig_code differs(const char *what, struct error *err)
{
    return error_set(err, IG_CORRUPT, "it says another %s than the log has", what);
}

static enum ig_code check_number(const struct verifier *v, const char *name, int64_t have, struct error *err)
{
    int64_t said;

    if (!json_member_int64(v->file, name, &said) || said == have)
        return IG_OK;
    return error_set(err, IG_CORRUPT, "%s is %lld there, by the log it is %lld", name, (long long)said,
                     (long long)have);
}

/* A string member of an object; NULL if it has none. Valid until the next call. */
static const char *text_of(struct verifier *v, struct str object, const char *name)
{
    buf_clear(&v->text);
    return json_member_string(object, name, &v->text) ? buf_cstr(&v->text) : NULL;
}

/* --- metadata and protocol --------------------------------------------------------------------------------- */

static bool same_text(struct verifier *v, struct str object, const char *name, const char *have)
{
    const char *said = text_of(v, object, name);

    return !said || (have && strcmp(said, have) == 0);
}

static bool same_properties(struct verifier *v, struct str metadata)
{
    const struct lake_metadata *m = &v->s->metadata;
    struct json_value object, key, value;
    struct json_reader r;
    size_t n = 0;

    if (!json_member(metadata, "configuration", &object) || object.type != JSON_OBJECT)
        return true;
    json_reader_init(&r, object.raw);
    json_begin(&r, &value);
    while (json_next_key(&r, &key) && json_read(&r, &value)) {
        bool found = false;

        buf_clear(&v->text);
        json_unescape(&value, &v->text);
        for (size_t i = 0; i < m->n_properties && !found; i++)
            found =
                json_key_is(&key, str_of(m->properties[i].key)) && str_is(buf_str(&v->text), m->properties[i].value);
        if (!found)
            return false;
        n++;
    }
    return n == m->n_properties;
}

static enum ig_code check_metadata(struct verifier *v, struct error *err)
{
    const struct lake_metadata *m = &v->s->metadata;
    struct json_value object;

    if (!json_member(v->file, "metadata", &object) || object.type != JSON_OBJECT)
        return IG_OK;
    if (!same_text(v, object.raw, "id", m->id))
        return differs("table id", err);
    if (!same_text(v, object.raw, "schemaString", m->schema_string))
        return differs("schema", err);
    return same_properties(v, object.raw) ? IG_OK : differs("table property", err);
}

/* Does the array `name` hold just these? None there counts as empty. */
static bool same_features(struct verifier *v, struct str protocol, const char *name, const char *const *have, size_t n)
{
    struct json_value array, item;
    struct json_reader r;
    size_t said = 0;

    if (!json_member(protocol, name, &array) || array.type != JSON_ARRAY)
        return n == 0;
    json_reader_init(&r, array.raw);
    json_begin(&r, &item);
    while (json_next_item(&r) && json_read(&r, &item)) {
        buf_clear(&v->text);
        json_unescape(&item, &v->text);
        if (!lake_has_feature(have, n, buf_cstr(&v->text)))
            return false;
        said++;
    }
    return said == n;
}

static enum ig_code check_protocol(struct verifier *v, struct error *err)
{
    const struct lake_protocol *p = &v->s->protocol;
    struct json_value object;
    int64_t version;

    if (!json_member(v->file, "protocol", &object) || object.type != JSON_OBJECT)
        return IG_OK;
    if ((json_member_int64(object.raw, "minReaderVersion", &version) && version != p->reader) ||
        (json_member_int64(object.raw, "minWriterVersion", &version) && version != p->writer) ||
        !same_features(v, object.raw, "readerFeatures", p->reader_features, p->n_reader_features) ||
        !same_features(v, object.raw, "writerFeatures", p->writer_features, p->n_writer_features))
        return differs("protocol", err);
    return IG_OK;
}

/* --- files ------------------------------------------------------------------------------------------------- */

/* Every member of `some` is in `all`, with the same value. */
static bool values_agree(struct str some, struct str all)
{
    struct json_value key, value, other;
    struct buf name;
    struct json_reader r;
    bool same = true;

    buf_init(&name, 0);
    json_reader_init(&r, some);
    json_begin(&r, &value);
    while (same && json_next_key(&r, &key) && json_read(&r, &value)) {
        buf_clear(&name);
        json_unescape(&key, &name);
        same = json_member(all, buf_cstr(&name), &other)
                   ? other.type == value.type && (value.type != JSON_STRING || str_eq(other.raw, value.raw))
                   : value.type == JSON_NULL;
    }
    buf_release(&name);
    return same;
}

static bool same_file(const struct lake_entry *e, const struct lake_entry *said)
{
    return e && e->live && e->size_bytes == said->size_bytes &&
           (e->rows < 0 || said->rows < 0 || e->rows == said->rows) &&
           values_agree(lake_entry_raw_values(said), lake_entry_raw_values(e)) &&
           values_agree(lake_entry_raw_values(e), lake_entry_raw_values(said));
}

/* The array holds actions without their names: they are read as lines of a commit are. */
static enum ig_code check_files(struct verifier *v, struct error *err)
{
    struct lake_actions actions = {0};
    struct json_value array, item;
    struct lake_parser parser;
    struct json_reader r;
    struct arena arena;
    enum ig_code rc = IG_OK;
    struct buf line;

    if (!json_member(v->file, "allFiles", &array) || array.type != JSON_ARRAY)
        return IG_OK;
    arena_init(&arena);
    buf_init(&line, 0);
    lake_parser_init(&parser, &arena);
    json_reader_init(&r, array.raw);
    json_begin(&r, &item);
    while (!rc && json_next_item(&r) && json_read(&r, &item)) {
        buf_clear(&line);
        buf_printf(&line, "{\"add\":" STR_FMT "}", STR_ARG(item.raw));
        rc = lake_parse_actions(&parser, buf_str(&line), &actions, err);
    }
    if (!rc && actions.list.n != v->s->n_live)
        rc = differs("number of files", err);
    for (size_t i = 0; i < actions.list.n && !rc; i++) {
        const struct lake_entry *said = &actions.list.p[i].u.file;

        if (!same_file(lake_snapshot_find(v->s, lake_entry_name(said), lake_entry_dv_id(said)), said))
            rc = error_set(err, IG_CORRUPT, "it says otherwise of the file %s than the log", said->path);
    }
    vec_free(&actions.list);
    lake_parser_release(&parser);
    buf_release(&line);
    arena_release(&arena);
    return rc;
}

static enum ig_code check(struct verifier *v, struct error *err)
{
    for (size_t i = 0; i < v->s->entries.n; i++) {
        const struct lake_entry *e = &v->s->entries.p[i];

        if (!e->live)
            continue;
        v->bytes += e->size_bytes;
        v->deleted_rows += lake_entry_deleted_rows(e);
        v->deletion_vectors += lake_entry_dv(e).n != 0;
    }
    IG_TRY(check_number(v, "numFiles", (int64_t)v->s->n_live, err));
    IG_TRY(check_number(v, "tableSizeBytes", v->bytes, err));
    IG_TRY(check_number(v, "numDeletedRecordsOpt", v->deleted_rows, err));
    IG_TRY(check_number(v, "numDeletionVectorsOpt", v->deletion_vectors, err));
    IG_TRY(check_protocol(v, err));
    IG_TRY(check_metadata(v, err));
    return check_files(v, err);
}

enum ig_code lake_verify_checksum(const struct lake_snapshot *s, struct error *err)
{
    struct verifier v = {.s = s};
    struct json_reader r;
    struct json_value all;
    struct buf name, file;
    enum ig_code rc;

    buf_init(&name, 0);
    buf_init(&file, CHECKSUM_MAX_BYTES);
    buf_init(&v.text, 0);
    lake_add_log_name(&name, s->table_path, s->version, ".crc");
    rc = store_get(s->store, buf_cstr(&name), &file, err);
    v.file = buf_str(&file);
    json_reader_init(&r, v.file);
    if (rc == IG_NOT_FOUND || rc == IG_LIMIT)
        rc = IG_OK;
    else if (!rc && (!json_read(&r, &all) || !json_end(&r) || all.type != JSON_OBJECT))
        log_warn(s->store->env, "lake", "%s is no JSON object and was not used", buf_cstr(&name));
    else if (!rc)
        rc = check(&v, err);
    if (rc)
        error_context(err, rc, "version %lld: %s", (long long)s->version, buf_cstr(&name));
    buf_release(&v.text);
    buf_release(&file);
    buf_release(&name);
    return rc;
}
