#include "lake/log/action.h"

#include <stdio.h>
#include <stdlib.h>

#define SEAL_COMMIT "{\"commitInfo\":{\"contentCrc32c\":\""
#define SEAL_CHECKPOINT "{\"checkpointMetadata\":{\"tags\":{\"contentCrc32c\":\""
#define SEAL_ZEROS "00000000"
#define SEAL_DIGITS 8

void lake_parser_init(struct lake_parser *p, struct arena *arena)
{
    *p = (struct lake_parser){.in_commit_ms = -1};
    lake_intern_init(&p->intern, arena);
    buf_init(&p->path, 0);
    buf_init(&p->stats, 0);
    buf_init(&p->clustering, 0);
    buf_init(&p->key, 0);
}

void lake_parser_release(struct lake_parser *p)
{
    lake_intern_release(&p->intern);
    buf_release(&p->path);
    buf_release(&p->stats);
    buf_release(&p->clustering);
    buf_release(&p->key);
}

/* --- what is nearly known ---------------------------------------------------------------------------------- */

/* A name that we do not know is skipped, as the protocol asks for; but one that differs from a known one by a single
 * character is taken for a damaged one. No future name will be like that. */
static bool is_damaged(struct str name, struct str known)
{
    size_t different = 0;

    if (name.n != known.n)
        return false;
    for (size_t i = 0; i < name.n && different < 2; i++)
        different += name.p[i] != known.p[i];
    return different == 1;
}

static enum ig_code check_unknown(struct str name, const struct str *known, size_t n, struct error *err)
{
    for (size_t i = 0; i < n; i++)
        if (is_damaged(name, known[i]))
            return error_set(err, IG_CORRUPT, "\"" STR_FMT "\" instead of \"" STR_FMT "\"", STR_ARG(name),
                             STR_ARG(known[i]));
    return IG_OK;
}

/* --- files ------------------------------------------------------------------------------------------------- */

enum member {
    MEMBER_PATH,
    MEMBER_VALUES,
    MEMBER_SIZE,
    MEMBER_MODIFIED,
    MEMBER_DELETED,
    MEMBER_DATA_CHANGE,
    MEMBER_STATS,
    MEMBER_TAGS,
    MEMBER_DV,
    MEMBER_ROW_ID,
    MEMBER_ROW_VERSION,
    MEMBER_CLUSTERING,
    MEMBER_EXTENDED,
    MEMBERS
};

#define NAME(literal) {("" literal), sizeof(literal) - 1}

static const struct str member_names[MEMBERS] = {
    NAME("path"),
    NAME("partitionValues"),
    NAME("size"),
    NAME("modificationTime"),
    NAME("deletionTimestamp"),
    NAME("dataChange"),
    NAME("stats"),
    NAME("tags"),
    NAME("deletionVector"),
    NAME("baseRowId"),
    NAME("defaultRowCommitVersion"),
    NAME("clusteringProvider"),
    NAME("extendedFileMetadata"),
};

/* What a member must be; JSON_NONE: nobody asks. */
static const enum json_type member_types[MEMBERS] = {
    [MEMBER_PATH] = JSON_STRING,        [MEMBER_VALUES] = JSON_OBJECT, [MEMBER_SIZE] = JSON_NUMBER,
    [MEMBER_STATS] = JSON_STRING,       [MEMBER_DV] = JSON_OBJECT,     [MEMBER_ROW_ID] = JSON_NUMBER,
    [MEMBER_ROW_VERSION] = JSON_NUMBER,
};

static enum member member_of(struct str name)
{
    for (size_t i = 0; i < MEMBERS; i++)
        if (str_eq(name, member_names[i]))
            return (enum member)i;
    return MEMBERS;
}

static struct str text_of(struct buf *scratch, const struct json_value *v)
{
    if (!v->escaped)
        return v->raw;
    buf_clear(scratch);
    json_unescape(v, scratch);
    return buf_str(scratch);
}

static bool integer_of(const struct json_value *v, int64_t *out)
{
    return v->type == JSON_NUMBER && str_to_int64(v->raw, INT64_MIN, INT64_MAX, out);
}

static enum ig_code take_member(struct lake_parser *p, enum member member, const struct json_value *v,
                                struct lake_file_row *row, struct lake_action *action, struct error *err)
{
    bool good = !member_types[member] || member_types[member] == v->type;

    switch (member) {
    case MEMBER_PATH:
        row->raw_path = v->raw;
        row->path = text_of(&p->path, v);
        break;
    case MEMBER_VALUES:
        row->values = v->raw;
        break;
    case MEMBER_SIZE:
        good = good && integer_of(v, &row->size_bytes) && row->size_bytes >= 0;
        action->says_size = true;
        break;
    case MEMBER_MODIFIED:
    case MEMBER_DELETED:
        if ((member == MEMBER_MODIFIED) == (action->kind == LAKE_ADD))
            integer_of(v, &row->time_ms);
        break;
    case MEMBER_DATA_CHANGE:
        good = v->type == JSON_TRUE || v->type == JSON_FALSE;
        action->data_change = v->type == JSON_TRUE;
        break;
    case MEMBER_STATS:
        row->stats = text_of(&p->stats, v);
        break;
    case MEMBER_TAGS:
        row->tags = v->type == JSON_OBJECT ? v->raw : row->tags;
        break;
    case MEMBER_DV:
        row->dv = v->raw;
        break;
    case MEMBER_ROW_ID:
        good = good && integer_of(v, &row->base_row_id);
        break;
    case MEMBER_ROW_VERSION:
        good = good && integer_of(v, &row->row_commit_version);
        break;
    case MEMBER_CLUSTERING:
        if (v->type == JSON_STRING)
            row->clustering = text_of(&p->clustering, v);
        break;
    case MEMBER_EXTENDED:
    case MEMBERS:
        break;
    }
    if (!good)
        return error_set(err, IG_CORRUPT, "a file's \"" STR_FMT "\" is no such thing: " STR_FMT,
                         STR_ARG(member_names[member]), (int)(v->raw.n < 60 ? v->raw.n : 60), v->raw.p);
    return IG_OK;
}

static enum ig_code read_file(struct lake_parser *p, struct json_reader *in, struct lake_action *action,
                              struct error *err)
{
    struct lake_file_row row = {.base_row_id = -1, .row_commit_version = -1};
    struct json_value key, v;

    action->data_change = true;
    while (json_next_key(in, &key) && json_read(in, &v)) {
        const struct str name = text_of(&p->key, &key);
        const enum member member = member_of(name);

        if (member == MEMBERS)
            IG_TRY(check_unknown(name, member_names, MEMBERS, err));
        else if (v.type != JSON_NULL)
            IG_TRY(take_member(p, member, &v, &row, action, err));
    }
    if (in->problem)
        return IG_OK; /* told by the caller, with its place */
    return lake_entry_make(&p->intern, &row, &action->u.file, err);
}

static const struct str metadata_names[] = {
    NAME("id"),
    NAME("name"),
    NAME("description"),
    NAME("format"),
    NAME("schemaString"),
    NAME("partitionColumns"),
    NAME("configuration"),
    NAME("createdTime"),
};
static const struct str protocol_names[] = {
    NAME("minReaderVersion"),
    NAME("minWriterVersion"),
    NAME("readerFeatures"),
    NAME("writerFeatures"),
};

enum ig_code lake_check_members(enum lake_action_kind kind, struct str object, struct error *err)
{
    const bool metadata = kind == LAKE_METADATA;
    const struct str *names = metadata ? metadata_names : protocol_names;
    const size_t n = metadata ? IG_COUNT(metadata_names) : IG_COUNT(protocol_names);
    struct json_value key, v;
    struct json_reader in;

    json_reader_init(&in, object);
    json_begin(&in, &v);
    while (json_next_key(&in, &key) && json_read(&in, &v))
        IG_TRY(check_unknown(key.raw, names, n, err));
    return IG_OK;
}

/* --- lines ------------------------------------------------------------------------------------------------- */

static const struct str action_names[LAKE_ACTION_KINDS] = {
    NAME("add"), NAME("remove"),         NAME("cdc"),        NAME("metaData"),           NAME("protocol"),
    NAME("txn"), NAME("domainMetadata"), NAME("commitInfo"), NAME("checkpointMetadata"), NAME("sidecar"),
};

static enum lake_action_kind kind_of(struct str name)
{
    for (size_t i = 0; i < LAKE_ACTION_KINDS; i++)
        if (str_eq(name, action_names[i]))
            return (enum lake_action_kind)i;
    return LAKE_ACTION_KINDS;
}

static enum ig_code no_object(enum lake_action_kind kind, struct error *err)
{
    return error_set(err, IG_CORRUPT, "\"" STR_FMT "\" is no object", STR_ARG(action_names[kind]));
}

/* The value behind an action's name. *done: it is in `action`. */
static enum ig_code read_action(struct lake_parser *p, struct json_reader *in, struct lake_action *action, bool *done,
                                struct error *err)
{
    const bool is_file =
        action->kind == LAKE_ADD || action->kind == LAKE_REMOVE || (action->kind == LAKE_CDC && p->wants_changes);
    struct json_value v;

    *done = false;
    if (is_file) {
        if (!json_begin(in, &v) || v.type == JSON_NULL)
            return IG_OK;
        if (v.type != JSON_OBJECT)
            return no_object(action->kind, err);
        IG_TRY(read_file(p, in, action, err));
        *done = !in->problem;
        return IG_OK;
    }
    if (!json_read(in, &v) || v.type == JSON_NULL || action->kind == LAKE_CDC)
        return IG_OK;
    if (v.type != JSON_OBJECT)
        return no_object(action->kind, err);
    if (action->kind == LAKE_COMMIT_INFO) {
        (void)!json_member_int64(v.raw, "inCommitTimestamp", &p->in_commit_ms);
        if (!p->wants_changes)
            return IG_OK;
    }
    action->u.raw = arena_str(p->intern.arena, v.raw);
    *done = true;
    return IG_OK;
}

static enum ig_code read_line(struct lake_parser *p, struct str line, uint32_t number, struct lake_actions *out,
                              struct error *err)
{
    struct json_value v, key;
    struct json_reader in;
    bool done;

    json_reader_init(&in, line);
    if (json_begin(&in, &v) && v.type != JSON_OBJECT)
        return error_set(err, IG_CORRUPT, "no JSON object");
    while (json_next_key(&in, &key)) {
        const struct str name = text_of(&p->key, &key);
        struct lake_action action = {.kind = kind_of(name), .line = number};

        if (action.kind == LAKE_ACTION_KINDS) {
            IG_TRY(check_unknown(name, action_names, LAKE_ACTION_KINDS, err));
            (void)!json_read(&in, &v);
            continue;
        }
        IG_TRY(read_action(p, &in, &action, &done, err));
        if (done)
            vec_push(&out->list, action);
    }
    if (!json_end(&in))
        return error_set(err, IG_CORRUPT, "no JSON: %s at byte %zu", in.problem ? in.problem : "something follows",
                         in.at);
    return IG_OK;
}

static enum ig_code parse_lines(struct lake_parser *p, struct str text, struct lake_actions *out, struct error *err)
{
    const char *at = text.p, *end = text.p + text.n;
    uint32_t number = 0;

    p->in_commit_ms = -1;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        enum ig_code rc = IG_OK;

        number++;
        while (at < stop && (*at == ' ' || *at == '\r' || *at == '\t'))
            at++;
        if (at < stop)
            rc = read_line(p, (struct str){at, (size_t)(stop - at)}, number, out, err);
        if (rc)
            return error_context(err, rc, "line %u", (unsigned)number);
        at = stop + 1;
    }
    return IG_OK;
}

/* Somebody may have formatted the file for people: then its first line is an opening bracket alone. */
static bool is_formatted(struct str text)
{
    size_t i = 1;

    if (text.n == 0 || text.p[0] != '{')
        return false;
    while (i < text.n && (text.p[i] == ' ' || text.p[i] == '\r'))
        i++;
    return i < text.n && text.p[i] == '\n';
}

/* The same objects, one a line: what is kept of them is written to other files as it is. */
static void add_lines(struct buf *out, struct str text)
{
    bool in_string = false;
    int depth = 0;

    for (size_t i = 0; i < text.n; i++) {
        const char c = text.p[i];

        if (in_string) {
            buf_putc(out, c);
            if (c == '\\' && i + 1 < text.n)
                buf_putc(out, text.p[++i]);
            in_string = c != '"';
            continue;
        }
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
            continue;
        buf_putc(out, c);
        in_string = c == '"';
        depth += (c == '{') - (c == '}');
        if (c == '}' && depth == 0)
            buf_putc(out, '\n');
    }
}

enum ig_code lake_parse_actions(struct lake_parser *p, struct str text, struct lake_actions *out, struct error *err)
{
    enum ig_code rc;
    struct buf lines;

    if (!is_formatted(text))
        return parse_lines(p, text, out, err);
    buf_init(&lines, 0);
    add_lines(&lines, text);
    rc = parse_lines(p, buf_str(&lines), out, err);
    buf_release(&lines);
    return rc;
}

/* --- the checksum ------------------------------------------------------------------------------------------ */

/* Where the digits are, 0: the text has no checksum. */
static size_t seal_place(struct str text)
{
    size_t at = 0;

    if (str_has_prefix(text, SEAL_COMMIT))
        at = strlen(SEAL_COMMIT);
    else if (str_has_prefix(text, SEAL_CHECKPOINT))
        at = strlen(SEAL_CHECKPOINT);
    return text.n >= at + SEAL_DIGITS ? at : 0;
}

/* Of the text with zeros where the checksum is. */
static void checksum_of(struct str text, size_t at, char out[SEAL_DIGITS + 1])
{
    uint32_t crc = hash_crc32c(0, text.p, at);

    crc = hash_crc32c(crc, SEAL_ZEROS, SEAL_DIGITS);
    crc = hash_crc32c(crc, text.p + at + SEAL_DIGITS, text.n - at - SEAL_DIGITS);
    snprintf(out, SEAL_DIGITS + 1, "%08x", (unsigned)crc);
}

void lake_seal_begin(struct buf *text)
{
    buf_puts(text, SEAL_COMMIT SEAL_ZEROS "\",");
}

void lake_seal_begin_checkpoint(struct buf *text)
{
    buf_puts(text, SEAL_CHECKPOINT SEAL_ZEROS "\"},");
}

void lake_seal_end(struct buf *text)
{
    const size_t at = seal_place(buf_str(text));
    char crc[SEAL_DIGITS + 1];

    if (!at || memcmp(text->p + at, SEAL_ZEROS, SEAL_DIGITS) != 0)
        return;
    checksum_of(buf_str(text), at, crc);
    memcpy(text->p + at, crc, SEAL_DIGITS);
}

enum ig_code lake_seal_check(struct str text, struct error *err)
{
    const size_t at = seal_place(text);
    char crc[SEAL_DIGITS + 1];

    if (!at)
        return IG_OK;
    checksum_of(text, at, crc);
    if (memcmp(text.p + at, crc, SEAL_DIGITS) != 0)
        return error_set(err, IG_CORRUPT, "the file was changed: it does not match its checksum");
    return IG_OK;
}
