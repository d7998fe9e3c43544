/*
 * Checkpoints: a file, several parts, or (V2) a file and sidecars that it names, which hold the files. Parquet we read
 * ourselves, since starting the engine takes longer than most checkpoints; what we do not know of it, the engine does.
 */
#include "lake/log/checkpoint_reader.h"
#include "lake/log/seal.h"

#include <stdlib.h>

#define SIDECARS_MAX 100000

const struct checkpoint_action checkpoint_actions[CHECKPOINT_ACTIONS] = {
    {"protocol", {"minReaderVersion", "minWriterVersion", "readerFeatures", "writerFeatures"}},
    {"metaData",
     {"id", "name", "description", "format", "schemaString", "partitionColumns", "configuration", "createdTime"}},
    {"txn", {"appId", "version", "lastUpdated"}},
    {"domainMetadata", {"domain", "configuration", "removed"}},
    {"sidecar", {"path", "sizeInBytes"}},
    {"checkpointMetadata", {"version"}},
};

const struct checkpoint_file_action checkpoint_file_actions[CHECKPOINT_FILE_ACTIONS] = {
    {LAKE_ADD, "add", "modificationTime"}, {LAKE_REMOVE, "remove", "deletionTimestamp"}};

/* --- what the files say ------------------------------------------------------------------------------------ */

static enum ig_code take_sidecar(struct checkpoint_reader *r, struct str raw, struct error *err)
{
    struct checkpoint_sidecar sidecar = {.size_bytes = -1};
    struct buf path;

    if (r->sidecars.n >= SIDECARS_MAX)
        return error_set(err, IG_CORRUPT, "more than %d sidecars", SIDECARS_MAX);
    buf_init(&path, 0);
    if (json_member_string(raw, "path", &path))
        sidecar.path = arena_strndup(r->parser.intern.arena, buf_cstr(&path), path.n);
    buf_release(&path);
    (void)!json_member_int64(raw, "sizeInBytes", &sidecar.size_bytes);
    if (!sidecar.path)
        return error_set(err, IG_CORRUPT, "a sidecar without a path");
    vec_push(&r->sidecars, sidecar);
    return IG_OK;
}

/* Applies a text's actions, and keeps what is about the checkpoint itself. */
enum ig_code checkpoint_take_text(struct checkpoint_reader *r, struct str text, struct error *err)
{
    enum ig_code rc;

    r->actions.list.n = 0;
    rc = lake_parse_actions(&r->parser, text, &r->actions, err);
    if (!rc)
        rc = lake_replay_actions(&r->replay, &r->actions, err);
    for (size_t i = 0; i < r->actions.list.n && !rc; i++) {
        const struct lake_action *action = &r->actions.list.p[i];

        if (action->kind == LAKE_SIDECAR)
            rc = take_sidecar(r, action->u.raw, err);
        else if (action->kind == LAKE_CHECKPOINT_METADATA &&
                 !json_member_int64(action->u.raw, "version", &r->says_version))
            rc = error_set(err, IG_CORRUPT, "a checkpointMetadata without a version");
    }
    return rc;
}

enum ig_code checkpoint_take_file(struct checkpoint_reader *r, const struct lake_file_row *row,
                                  enum lake_action_kind kind, struct error *err)
{
    struct lake_action action = {.kind = kind, .says_size = true};
    const struct lake_actions one = {.list = {&action, 1, 1}};

    if (row->size_bytes < 0)
        return error_set(err, IG_CORRUPT, "a file of %lld bytes: " STR_FMT, (long long)row->size_bytes,
                         STR_ARG(row->path));
    IG_TRY(lake_entry_make(&r->parser.intern, row, &action.u.file, err));
    return lake_replay_actions(&r->replay, &one, err);
}

/* --- the files --------------------------------------------------------------------------------------------- */

/* Local paths of Parquet files. */
struct paths {
    VEC(const char *) list;
};

static enum ig_code add_file(struct checkpoint_reader *r, const char *object, struct paths *files, struct error *err)
{
    int64_t read_bytes = 0;
    struct buf path;
    enum ig_code rc;

    buf_init(&path, 0);
    rc = store_local_path(r->s->store, object, &path, err);
    if (!rc)
        rc = lake_seal_check_file(r->s->store->env, buf_cstr(&path), -1, INT64_MAX, &read_bytes, err);
    if (!rc)
        vec_push(&files->list, arena_strndup(r->parser.intern.arena, buf_cstr(&path), path.n));
    buf_release(&path);
    return rc;
}

static enum ig_code read_parquet(struct checkpoint_reader *r, const struct paths *files, struct error *err)
{
    return r->by_engine ? checkpoint_read_by_engine(r, files->list.p, files->list.n, err)
                        : checkpoint_read_parquet(r, files->list.p, files->list.n, err);
}

static enum ig_code add_sidecar(struct checkpoint_reader *r, const struct checkpoint_sidecar *sidecar,
                                struct paths *files, struct error *err)
{
    struct store_object object = {0};
    enum ig_code rc = IG_OK;
    struct buf name;

    buf_init(&name, 0);
    lake_add_log_name(&name, r->s->table_path, -1, "_sidecars/");
    if (!lake_decode_uri(str_of(sidecar->path), &name) || !store_name_ok(buf_cstr(&name)))
        rc = error_set(err, IG_CORRUPT, "a sidecar's path is none: %s", sidecar->path);
    if (!rc)
        rc = store_stat(r->s->store, buf_cstr(&name), &object, err);
    if (rc == IG_NOT_FOUND)
        rc = error_set(err, IG_CORRUPT, "the sidecar %s is not there", sidecar->path);
    if (!rc && sidecar->size_bytes >= 0 && object.size_bytes != sidecar->size_bytes)
        rc = error_set(err, IG_CORRUPT, "the sidecar %s has %lld bytes, not %lld", sidecar->path,
                       (long long)object.size_bytes, (long long)sidecar->size_bytes);
    if (!rc)
        rc = add_file(r, buf_cstr(&name), files, err);
    buf_release(&name);
    return rc;
}

static enum ig_code read_sidecars(struct checkpoint_reader *r, struct error *err)
{
    const size_t n = r->sidecars.n;
    enum ig_code rc = IG_OK;
    struct paths files = {0};

    for (size_t i = 0; i < n && !rc; i++)
        rc = add_sidecar(r, &r->sidecars.p[i], &files, err);
    if (!rc && n)
        rc = read_parquet(r, &files, err);
    if (!rc && r->sidecars.n > n)
        rc = error_set(err, IG_CORRUPT, "a sidecar names sidecars");
    vec_free(&files.list);
    return rc;
}

static enum ig_code read_json(struct checkpoint_reader *r, const char *object, struct error *err)
{
    struct buf text;
    enum ig_code rc;

    buf_init(&text, LAKE_COMMIT_MAX_BYTES);
    rc = store_get(r->s->store, object, &text, err);
    if (rc == IG_NOT_FOUND) /* it was in the list a moment ago */
        rc = error_context(err, IG_CORRUPT, "the file is gone");
    if (!rc && text.n == 0)
        rc = error_set(err, IG_CORRUPT, "the file is empty");
    if (!rc)
        rc = lake_seal_check(buf_str(&text), err);
    if (!rc)
        rc = checkpoint_take_text(r, buf_str(&text), err);
    buf_release(&text);
    return rc;
}

static enum ig_code read_top(struct checkpoint_reader *r, const struct lake_log_checkpoint *parts, struct error *err)
{
    enum ig_code rc = IG_OK;
    struct paths files = {0};

    if (str_has_suffix(str_of(parts->name), ".json"))
        return read_json(r, parts->name, err);
    for (int64_t i = 0; i < parts->n_parts && !rc; i++)
        rc = add_file(r, parts[i].name, &files, err);
    if (!rc)
        rc = read_parquet(r, &files, err);
    vec_free(&files.list);
    return rc;
}

static enum ig_code check_version(const struct checkpoint_reader *r, const struct lake_log_checkpoint *checkpoint,
                                  struct error *err)
{
    if (checkpoint->kind == LAKE_CHECKPOINT_V2 && r->says_version < 0)
        return error_set(err, IG_CORRUPT, "it has no checkpointMetadata");
    if (r->says_version >= 0 && r->says_version != checkpoint->version)
        return error_set(err, IG_CORRUPT, "it is of version %lld", (long long)r->says_version);
    return IG_OK;
}

static enum ig_code read_all(struct checkpoint_reader *r, const struct lake_log_checkpoint *checkpoint,
                             struct error *err)
{
    enum ig_code rc, end;

    lake_parser_init(&r->parser, &lake_chunk_new(r->s)->arena);
    lake_replay_begin(&r->replay, r->s, LAKE_REPLAY_CHECKPOINT);
    rc = read_top(r, checkpoint, err);
    if (!rc)
        rc = check_version(r, checkpoint, err);
    if (!rc)
        rc = read_sidecars(r, err);
    if (!rc && (!r->replay.has_protocol || !r->replay.has_metadata))
        rc = error_set(err, IG_CORRUPT, "it has no %s", r->replay.has_protocol ? "metaData" : "protocol");
    end = lake_replay_end(&r->replay, rc ? NULL : err);
    vec_free(&r->sidecars);
    vec_free(&r->actions.list);
    lake_parser_release(&r->parser);
    return rc ? rc : end;
}

enum ig_code lake_checkpoint_read(struct lake_snapshot *s, struct engine_conn *c, const struct lake_log *log,
                                  size_t first, struct error *err)
{
    const struct lake_log_checkpoint *checkpoint = &log->checkpoints.p[first];
    struct checkpoint_reader r = {.s = s, .c = c, .says_version = -1};
    enum ig_code rc = read_all(&r, checkpoint, err);

    if (rc == IG_UNSUPPORTED && c) {
        lake_snapshot_clear(s);
        r = (struct checkpoint_reader){.s = s, .c = c, .by_engine = true, .says_version = -1};
        rc = read_all(&r, checkpoint, err);
    }
    if (rc)
        error_context(err, rc, "checkpoint %s", checkpoint->name);
    return rc;
}
