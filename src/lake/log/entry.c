/*
 * Entries made of what a file action says.
 */
#include "lake/log/entry.h"

#include "lake/lake_internal.h"

#include <stdlib.h>

void lake_intern_init(struct lake_intern *in, struct arena *arena)
{
    *in = (struct lake_intern){.arena = arena};
    buf_init(&in->text, 0);
    buf_init(&in->other, 0);
}

void lake_intern_release(struct lake_intern *in)
{
    vec_free(&in->values);
    vec_free(&in->shapes);
    buf_release(&in->text);
    buf_release(&in->other);
}

/* --- partition values -------------------------------------------------------------------------------------- */

static uint32_t text_hash(struct str text)
{
    return hash_crc32c(0, text.p, text.n);
}

static void grow(struct lake_intern *in)
{
    const size_t cap = in->values.n ? in->values.n * 2 : 64;
    struct lake_values **slots = check_calloc(cap, sizeof(struct lake_values *));

    for (size_t i = 0; i < in->values.n; i++) {
        size_t at;

        if (!in->values.p[i])
            continue;
        for (at = text_hash(in->values.p[i]->raw) & (cap - 1); slots[at]; at = (at + 1) & (cap - 1))
            ;
        slots[at] = in->values.p[i];
    }
    free(in->values.p);
    in->values.p = slots;
    in->values.n = in->values.cap = cap;
}

static struct lake_values *values_of(struct lake_intern *in, struct str raw)
{
    size_t at;

    if (!raw.n)
        return NULL;
    if (in->last_values && str_eq(in->last_values->raw, raw))
        return in->last_values;
    if (in->n_values * 2 >= in->values.n)
        grow(in);
    for (at = text_hash(raw) & (in->values.n - 1); in->values.p[at]; at = (at + 1) & (in->values.n - 1))
        if (str_eq(in->values.p[at]->raw, raw))
            break;
    if (!in->values.p[at]) {
        in->values.p[at] = ARENA_NEW(in->arena, struct lake_values);
        in->values.p[at]->raw = arena_str(in->arena, raw);
        in->n_values++;
    }
    in->last_values = in->values.p[at];
    return in->last_values;
}

/* --- an entry ---------------------------------------------------------------------------------------------- */

/* storageType + pathOrInlineDv + "@" + offset, as the protocol says. */
static struct str dv_id_of(struct lake_intern *in, struct str raw)
{
    int64_t offset;

    buf_clear(&in->text);
    json_member_string(raw, "storageType", &in->text);
    json_member_string(raw, "pathOrInlineDv", &in->text);
    if (json_member_int64(raw, "offset", &offset))
        buf_printf(&in->text, "@%lld", (long long)offset);
    return arena_str(in->arena, buf_str(&in->text));
}

static struct str copy_of(struct lake_intern *in, struct str text)
{
    return text.n ? arena_str(in->arena, text) : (struct str){NULL, 0};
}

/* A text as JSON spells it within quotes. */
static struct str escaped(struct lake_intern *in, struct str text)
{
    if (!text.n)
        return (struct str){NULL, 0};
    buf_clear(&in->text);
    json_add_string(&in->text, text);
    return arena_str(in->arena, (struct str){in->text.p + 1, in->text.n - 2});
}

/* Is the path the same however it is spelled? */
static bool is_plain(struct str path)
{
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] <= ' ' || path.p[i] == '"' || path.p[i] == '\\' || path.p[i] == '%' || path.p[i] == 0x7f)
            return false;
    return true;
}

/* The path as it stands within JSON's quotes, if that is not the decoded one. */
static struct str raw_path_of(struct lake_intern *in, const struct lake_file_row *row, const struct lake_entry *e)
{
    if (!row->raw_path.n && is_plain(row->path) && e->path_n == row->path.n)
        return (struct str){NULL, 0};
    if (row->raw_path.n)
        return str_eq(row->raw_path, lake_entry_name(e)) ? (struct str){NULL, 0} : copy_of(in, row->raw_path);
    buf_clear(&in->text);
    json_add_string(&in->text, row->path);
    if (in->text.n - 2 == e->path_n && memcmp(in->text.p + 1, e->path, e->path_n) == 0)
        return (struct str){NULL, 0};
    return arena_str(in->arena, (struct str){in->text.p + 1, in->text.n - 2});
}

/* "./a/./b" to "a/b", in its place. */
static size_t without_dots(char *path, size_t n)
{
    size_t to = 0;

    for (size_t i = 0; i < n;) {
        if (path[i] == '.' && i + 1 < n && path[i + 1] == '/' && (to == 0 || path[to - 1] == '/')) {
            for (i++; i < n && path[i] == '/';)
                i++;
            continue;
        }
        path[to++] = path[i++];
    }
    return to;
}

static enum ig_code decode_path(struct lake_intern *in, struct str path, struct lake_entry *e, struct error *err)
{
    char *copy;

    if (path.n == 0 || path.n > UINT32_MAX)
        return error_set(err, IG_CORRUPT, "a file without a path");
    if (memchr(path.p, '%', path.n)) {
        buf_clear(&in->text);
        if (!lake_decode_uri(path, &in->text))
            return error_set(err, IG_CORRUPT, "the path \"" STR_FMT "\" is not well encoded", STR_ARG(path));
        path = buf_str(&in->text);
    }
    if (str_has_prefix(path, "file:/")) { /* file:/x, file:///x and /x are one file */
        path = (struct str){path.p + 5, path.n - 5};
        while (path.n > 1 && path.p[1] == '/') {
            path.p++;
            path.n--;
        }
    }
    if (memchr(path.p, '\0', path.n))
        return error_set(err, IG_CORRUPT, "a path with a zero byte");
    copy = arena_strndup(in->arena, path.p, path.n);
    e->path = copy;
    e->path_n = (uint32_t)(memmem(copy, path.n, "./", 2) ? without_dots(copy, path.n) : path.n);
    copy[e->path_n] = '\0';
    if (e->path_n == 0)
        return error_set(err, IG_CORRUPT, "a file without a path");
    e->hash = hash_crc32c(0, e->path, e->path_n);
    return IG_OK;
}

enum ig_code lake_entry_make(struct lake_intern *in, const struct lake_file_row *row, struct lake_entry *out,
                             struct error *err)
{
    struct lake_entry_more more = {.base_row_id = row->base_row_id, .row_commit_version = row->row_commit_version};
    const struct lake_packed_stats *packed = row->packed;
    struct lake_packed_stats own;

    *out = (struct lake_entry){.size_bytes = row->size_bytes, .time_ms = row->time_ms};
    IG_TRY(decode_path(in, row->path, out, err));
    out->values = values_of(in, row->values);
    more.raw_path = raw_path_of(in, row, out);
    more.raw_dv = copy_of(in, row->dv);
    more.raw_tags = copy_of(in, row->tags);
    more.raw_clustering = escaped(in, row->clustering);
    if (more.raw_dv.n)
        more.dv_id = dv_id_of(in, more.raw_dv);
    if (more.raw_path.n || more.raw_dv.n || more.raw_tags.n || more.raw_clustering.n || more.base_row_id >= 0 ||
        more.row_commit_version >= 0) {
        struct lake_entry_more *kept = ARENA_NEW(in->arena, struct lake_entry_more);

        *kept = more;
        out->more = kept;
    }
    if (!packed) {
        lake_stats_pack(in, row->stats, &own);
        packed = &own;
    }
    out->shape = packed->shape;
    out->stats = packed->stats;
    out->stats_n = packed->stats_n;
    out->rows = packed->rows;
    return IG_OK;
}
