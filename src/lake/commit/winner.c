/*
 * Another writer's commit, read for the conflict rules: what it added and removed, and what else it changed.
 */
#include "lake/commit/conflict.h"
#include "lake/log/action.h"

#include "lake/log/action.h"

#include <stdlib.h>

struct reading {
    struct lake_winner *w;
    struct buf scratch;
};

static bool integer_of(const struct json_value *v, int64_t *out)
{
    return v->type == JSON_NUMBER && str_to_int64(v->raw, INT64_MIN, INT64_MAX, out);
}

/* A string's text with a NUL behind it. */
static struct str text_of(struct reading *r, const struct json_value *v)
{
    buf_clear(&r->scratch);
    json_unescape(v, &r->scratch);
    return arena_str(&r->w->arena, buf_str(&r->scratch));
}

static enum ig_code path_of(struct reading *r, const struct json_value *v, struct str *path, struct error *err)
{
    const struct str uri = text_of(r, v);

    buf_clear(&r->scratch);
    if (uri.n == 0 || !lake_decode_uri(uri, &r->scratch))
        return error_set(err, IG_CORRUPT, "the path \"" STR_FMT "\" is not well encoded", STR_ARG(uri));
    *path = arena_str(&r->w->arena, buf_str(&r->scratch));
    return IG_OK;
}

/* storageType + pathOrInlineDv + "@" + offset, as the protocol says. */
static struct str dv_id_of(struct reading *r, struct str raw)
{
    int64_t offset;

    buf_clear(&r->scratch);
    json_member_string(raw, "storageType", &r->scratch);
    json_member_string(raw, "pathOrInlineDv", &r->scratch);
    if (json_member_int64(raw, "offset", &offset))
        buf_printf(&r->scratch, "@%lld", (long long)offset);
    return arena_str(&r->w->arena, buf_str(&r->scratch));
}

static enum ig_code read_file(struct reading *r, struct str raw, struct lake_winner_file *f, struct error *err)
{
    struct json_value key, v, path = {0};
    struct json_reader in;

    *f = (struct lake_winner_file){.data_change = true, .base_row_id = -1};
    json_reader_init(&in, raw);
    json_begin(&in, &v);
    while (json_next_key(&in, &key) && json_read(&in, &v)) {
        if (json_key_is(&key, STR("path")) && v.type == JSON_STRING)
            path = v;
        else if (json_key_is(&key, STR("partitionValues")) && v.type == JSON_OBJECT)
            f->raw_values = v.raw;
        else if (json_key_is(&key, STR("stats")) && v.type == JSON_STRING)
            f->raw_stats = v.raw;
        else if (json_key_is(&key, STR("dataChange")))
            f->data_change = v.type != JSON_FALSE;
        else if (json_key_is(&key, STR("deletionVector")) && v.type == JSON_OBJECT)
            f->dv_id = dv_id_of(r, v.raw);
        else if (json_key_is(&key, STR("baseRowId")))
            integer_of(&v, &f->base_row_id);
    }
    if (path.type != JSON_STRING)
        return error_set(err, IG_CORRUPT, "a file without a path");
    return path_of(r, &path, &f->path, err);
}

static enum ig_code take_add(struct reading *r, struct str raw, struct error *err)
{
    struct lake_winner_file f;

    IG_TRY(read_file(r, raw, &f, err));
    vec_push(&r->w->added, f);
    return IG_OK;
}

static enum ig_code take_remove(struct reading *r, struct str raw, struct error *err)
{
    struct lake_winner_file f;

    IG_TRY(read_file(r, raw, &f, err));
    vec_push(&r->w->removed, f);
    return IG_OK;
}

static enum ig_code take_txn(struct reading *r, struct str raw, struct error *err)
{
    struct lake_txn txn = {.last_updated = -1};
    struct json_value v;

    if (!json_member(raw, "appId", &v) || v.type != JSON_STRING || !json_member_int64(raw, "version", &txn.version))
        return error_set(err, IG_CORRUPT, "a txn without appId or version");
    txn.app_id = text_of(r, &v);
    vec_push(&r->w->txns, txn);
    return IG_OK;
}

static enum ig_code take_metadata(struct reading *r, struct str raw, struct error *err)
{
    (void)err;
    r->w->metadata = raw;
    return IG_OK;
}

static enum ig_code take_protocol(struct reading *r, struct str raw, struct error *err)
{
    (void)err;
    r->w->protocol = raw;
    return IG_OK;
}

static enum ig_code take_domain(struct reading *r, struct str raw, struct error *err)
{
    struct json_value v;
    struct str name;
    int64_t high;

    if (!json_member(raw, "domain", &v) || v.type != JSON_STRING)
        return error_set(err, IG_CORRUPT, "a domainMetadata without a domain");
    name = text_of(r, &v);
    vec_push(&r->w->domains, name);
    if (str_is(name, "delta.rowTracking")) {
        buf_clear(&r->scratch);
        json_member_string(raw, "configuration", &r->scratch);
        if (json_member_int64(buf_str(&r->scratch), "rowIdHighWaterMark", &high))
            r->w->row_high = high;
    }
    return IG_OK;
}

static enum ig_code take_commit_info(struct reading *r, struct str raw, struct error *err)
{
    struct json_value v;
    int64_t ms;

    (void)err;
    if (json_member_int64(raw, "inCommitTimestamp", &ms))
        r->w->in_commit_ms = ms;
    r->w->blind_append = json_member(raw, "isBlindAppend", &v) && v.type == JSON_TRUE;
    return IG_OK;
}

static const struct {
    const char *name;
    enum ig_code (*take)(struct reading *r, struct str raw, struct error *err);
} actions[] = {
    {"add", take_add},
    {"remove", take_remove},
    {"txn", take_txn},
    {"metaData", take_metadata},
    {"protocol", take_protocol},
    {"domainMetadata", take_domain},
    {"commitInfo", take_commit_info},
};

static enum ig_code take_line(struct reading *r, struct str line, struct error *err)
{
    struct json_value key, v;
    struct json_reader in;

    json_reader_init(&in, line);
    if (json_begin(&in, &v) && v.type != JSON_OBJECT)
        return error_set(err, IG_CORRUPT, "no JSON object");
    while (json_next_key(&in, &key) && json_read(&in, &v))
        for (size_t i = 0; i < IG_COUNT(actions) && v.type == JSON_OBJECT; i++)
            if (json_key_is(&key, str_of(actions[i].name)))
                IG_TRY(actions[i].take(r, v.raw, err));
    if (!json_end(&in))
        return error_set(err, IG_CORRUPT, "no JSON: %s at byte %zu", in.problem ? in.problem : "something follows",
                         in.at);
    return IG_OK;
}

static int by_path(const void *a, const void *b)
{
    return str_cmp(((const struct lake_winner_file *)a)->path, ((const struct lake_winner_file *)b)->path);
}

enum ig_code lake_winner_read(struct lake_winner *w, struct str text, int64_t version, struct error *err)
{
    struct reading r = {.w = w};
    const char *p = text.p, *end = text.p + text.n;
    enum ig_code rc = IG_OK;
    size_t line = 0;

    *w = (struct lake_winner){.version = version, .in_commit_ms = -1, .row_high = -2};
    arena_init(&w->arena);
    buf_init(&r.scratch, 0);
    if (text.n == 0)
        rc = error_set(err, IG_CORRUPT, "the file is empty");
    else
        rc = lake_seal_check(text, err);
    while (p < end && !rc) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;

        line++;
        while (p < stop && (*p == ' ' || *p == '\r' || *p == '\t'))
            p++;
        if (p < stop && take_line(&r, (struct str){p, (size_t)(stop - p)}, err))
            rc = error_context(err, IG_CORRUPT, "line %zu", line);
        p = stop + 1;
    }
    buf_release(&r.scratch);
    if (w->removed.n) {
        qsort(w->removed.p, w->removed.n, sizeof(*w->removed.p), by_path);
        w->blind_append = false;
    }
    return rc;
}

void lake_winner_free(struct lake_winner *w)
{
    vec_free(&w->added);
    vec_free(&w->removed);
    vec_free(&w->txns);
    vec_free(&w->domains);
    arena_release(&w->arena);
}
