/*
 * VACUUM. What may go is decided twice over: by the log (live, or removed since the cutoff: it stays) and by the file's
 * own age (younger than the cutoff: it stays, whoever wrote it). The log is read again between the listing and the
 * first removal, so that what was restored meanwhile stays, too.
 */
#include "lake/table/features.h"

#include <stdlib.h>

#define REMOVE_BATCH 1000
#define INFO_NAME "_last_vacuum_info"

struct doomed {
    char *name; /* relative to the table */
    int64_t size_bytes, modified_ms;
};

struct vacuum {
    struct lake_table *t;
    const struct lake_vacuum *o;
    struct lake_vacuumed *out;
    struct lake_snapshot *s;
    struct lake_names keep; /* relative names; of absolute ones that may mean this table the last part */
    int64_t cutoff_ms;
    size_t skip; /* the length of the table's path in the store */
    VEC(struct doomed) doomed;
};

static int64_t own_retention_ms(const struct lake_snapshot *s)
{
    return lake_interval_ms(s, "delta.deletedFileRetentionDuration", LAKE_TOMBSTONE_KEEP_MS);
}

/* --- what stays ---------------------------------------------------------------------------------------------- */

static void keep(struct vacuum *v, struct str name)
{
    struct buf relative;
    const char *slash;

    buf_init(&relative, 0);
    if (!lake_is_absolute(name)) {
        lake_names_add(&v->keep, name);
    } else if (lake_relative_name(v->t, name, &relative)) {
        lake_names_add(&v->keep, buf_str(&relative));
    } else {
        /* Of another table, or of this one by another way (a link, another host name): files are called by random
         * names, so what is called the same is the same. */
        slash = memrchr(name.p, '/', name.n);
        lake_names_add(&v->keep, (struct str){slash + 1, name.n - (size_t)(slash + 1 - name.p)});
    }
    buf_release(&relative);
}

static enum ig_code keep_entry(struct vacuum *v, const struct lake_entry *e, struct error *err)
{
    struct buf name;
    enum ig_code rc = IG_OK;

    if (!lake_entry_is_live(e) && lake_entry_deleted_ms(e) < v->cutoff_ms)
        return IG_OK;
    keep(v, lake_entry_name(e));
    if (!lake_entry_dv(e).n)
        return IG_OK;
    buf_init(&name, 0);
    rc = lake_dv_file(lake_entry_dv(e), &name, err);
    if (!rc && name.n)
        keep(v, buf_str(&name));
    buf_release(&name);
    return rc;
}

static enum ig_code keep_all(struct vacuum *v, struct error *err)
{
    for (size_t i = 0; i < v->s->entries.n; i++)
        IG_TRY(keep_entry(v, &v->s->entries.p[i], err));
    return IG_OK;
}

static struct str last_part(struct str name)
{
    const char *slash = memrchr(name.p, '/', name.n);

    return slash ? (struct str){slash + 1, name.n - (size_t)(slash + 1 - name.p)} : name;
}

static struct str folder_of(struct str name)
{
    const char *slash = memrchr(name.p, '/', name.n);

    return (struct str){name.p, slash ? (size_t)(slash - name.p) : 0};
}

static bool is_kept(const struct vacuum *v, struct str name)
{
    return lake_names_has(&v->keep, name) || lake_names_has(&v->keep, last_part(name));
}

static bool is_partition_folder(const struct lake_snapshot *s, struct str part)
{
    for (size_t i = 0; i < s->metadata.n_partition_columns; i++) {
        const struct schema_field *f = s->metadata.partition_fields[i];
        const size_t n = strlen(f->name), m = strlen(f->physical);

        if ((part.n > n && memcmp(part.p, f->name, n) == 0 && part.p[n] == '=') ||
            (part.n > m && memcmp(part.p, f->physical, m) == 0 && part.p[m] == '='))
            return true;
    }
    return false;
}

/* Folders and files whose names begin with _ or . are not the table's data, but for change data and partitions. So is
 * the folder in which Iceberg's metadata are. */
bool lake_is_hidden(const struct lake_snapshot *s, struct str name)
{
    const char *end = name.p + name.n;
    bool first = true;

    for (const char *p = name.p; p < end;) {
        const char *slash = memchr(p, '/', (size_t)(end - p));
        const struct str part = {p, (size_t)((slash ? slash : end) - p)};

        if (first && slash && str_is(part, "metadata"))
            return true;
        if (part.n && (*p == '_' || *p == '.') && !(first && slash && str_is(part, "_change_data")) &&
            !(slash && is_partition_folder(s, part)))
            return true;
        first = false;
        p = slash ? slash + 1 : end;
    }
    return false;
}

/* --- what goes ----------------------------------------------------------------------------------------------- */

static void doom(struct vacuum *v, struct str name, int64_t size_bytes, int64_t modified_ms)
{
    struct doomed d = {.size_bytes = size_bytes, .modified_ms = modified_ms};

    d.name = check_malloc(name.n + 1);
    memcpy(d.name, name.p, name.n);
    d.name[name.n] = '\0';
    vec_push(&v->doomed, d);
}

static enum ig_code see_object(void *ctx, const struct store_object *object, struct error *err)
{
    struct vacuum *v = ctx;
    const struct str name = {object->name.p + v->skip, object->name.n - v->skip};

    (void)err;
    if (lake_is_hidden(v->s, name) || is_kept(v, name))
        return IG_OK;
    if (object->mtime_ms >= v->cutoff_ms) {
        v->out->kept_files++;
        v->out->kept_bytes += object->size_bytes;
        return IG_OK;
    }
    doom(v, name, object->size_bytes, object->mtime_ms);
    return IG_OK;
}

static enum ig_code list_table(struct vacuum *v, struct error *err)
{
    struct buf prefix;
    enum ig_code rc;

    buf_init(&prefix, 0);
    lake_add_object_name(&prefix, v->t->path, (struct str){"", 0});
    v->skip = prefix.n;
    rc = store_list(v->t->store, buf_cstr(&prefix), see_object, v, err);
    buf_release(&prefix);
    return rc;
}

/* --- lite: what the log's own commits name ------------------------------------------------------------------- */

/* A remove or cdc action of a commit that is old enough; names are taken as the log spells them. */
static enum ig_code see_action(struct vacuum *v, struct str line, struct error *err)
{
    struct json_value action, path;
    struct buf text, name, relative;
    int64_t deleted_ms = 0;
    const bool removes = json_member(line, "remove", &action) && action.type == JSON_OBJECT;
    enum ig_code rc = IG_OK;

    if (!removes && !(json_member(line, "cdc", &action) && action.type == JSON_OBJECT))
        return IG_OK;
    if (!json_member(action.raw, "path", &path) || path.type != JSON_STRING)
        return error_set(err, IG_CORRUPT, "a file without a path");
    (void)json_member_int64(action.raw, "deletionTimestamp", &deleted_ms);
    buf_init(&text, 0);
    buf_init(&name, 0);
    buf_init(&relative, 0);
    json_unescape(&path, &text);
    if (!lake_decode_uri(buf_str(&text), &name))
        rc = error_set(err, IG_CORRUPT, "the path \"%s\" is not well encoded", buf_cstr(&text));
    if (!rc && !lake_is_absolute(buf_str(&name)))
        buf_add_str(&relative, buf_str(&name));
    else if (!rc)
        (void)lake_relative_name(v->t, buf_str(&name), &relative);
    if (!rc && relative.n && store_name_ok(buf_cstr(&relative)) && !lake_is_hidden(v->s, buf_str(&relative)) &&
        !is_kept(v, buf_str(&relative)) && (!removes || deleted_ms < v->cutoff_ms)) {
        doom(v, buf_str(&relative), -1, -1);
        lake_names_add(&v->keep, buf_str(&relative)); /* once is enough */
    }
    if (!rc && json_member(action.raw, "deletionVector", &path) && path.type == JSON_OBJECT) {
        buf_clear(&name);
        rc = lake_dv_file(path.raw, &name, err);
        if (!rc && name.n && !lake_is_absolute(buf_str(&name)) && !is_kept(v, buf_str(&name))) {
            doom(v, buf_str(&name), -1, -1);
            lake_names_add(&v->keep, buf_str(&name));
        }
    }
    buf_release(&relative);
    buf_release(&name);
    buf_release(&text);
    return rc;
}

static enum ig_code see_commit(struct vacuum *v, int64_t version, struct error *err)
{
    struct buf name, text;
    enum ig_code rc;

    buf_init(&name, 0);
    buf_init(&text, LAKE_COMMIT_MAX_BYTES);
    lake_add_log_name(&name, v->t->path, version, ".json");
    rc = store_get(v->t->store, buf_cstr(&name), &text, err);
    for (const char *p = text.p, *end = p + text.n; !rc && p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;

        rc = see_action(v, (struct str){p, (size_t)(stop - p)}, err);
        p = stop + 1;
    }
    if (rc)
        error_context(err, rc, "%s", buf_cstr(&name));
    buf_release(&text);
    buf_release(&name);
    return rc;
}

/* The version up to which the last lite vacuum has looked, -1 if there was none. */
static int64_t last_looked_at(struct vacuum *v)
{
    struct buf name, text;
    int64_t version = -1;

    buf_init(&name, 0);
    buf_init(&text, 1 << 16);
    lake_add_log_name(&name, v->t->path, -1, INFO_NAME);
    if (store_get(v->t->store, buf_cstr(&name), &text, NULL) ||
        !json_member_int64(buf_str(&text), "latestCommitVersionOutsideOfRetentionWindow", &version))
        version = -1;
    buf_release(&text);
    buf_release(&name);
    return version;
}

static enum ig_code remember_look(struct vacuum *v, int64_t version, struct error *err)
{
    struct buf name, text;
    enum ig_code rc;

    buf_init(&name, 0);
    buf_init(&text, 0);
    lake_add_log_name(&name, v->t->path, -1, INFO_NAME);
    buf_printf(&text, "{\"latestCommitVersionOutsideOfRetentionWindow\":%lld}", (long long)version);
    rc = store_put(v->t->store, buf_cstr(&name), buf_str(&text), STORE_REPLACE, err);
    buf_release(&text);
    buf_release(&name);
    return rc;
}

static enum ig_code look_through_log(struct vacuum *v, int64_t *looked_at, struct error *err)
{
    const int64_t from = last_looked_at(v) + 1;
    struct lake_log log = {0};
    int64_t *times = NULL;
    enum ig_code rc = lake_log_list(v->t->store, v->t->path, &log, err);

    *looked_at = -1;
    if (!rc)
        times = lake_log_times(&log);
    if (!rc && log.commits.n && log.commits.p[0].version > from)
        rc = error_set(err, IG_NOT_FOUND,
                       "a lite vacuum needs the log from version %lld on, it begins at %lld: vacuum without it once",
                       (long long)from, (long long)log.commits.p[0].version);
    for (size_t i = 0; i < log.commits.n && !rc; i++) {
        if (log.commits.p[i].version < from || times[i] >= v->cutoff_ms)
            continue;
        rc = see_commit(v, log.commits.p[i].version, err);
        *looked_at = log.commits.p[i].version;
    }
    free(times);
    lake_log_free(&log);
    return rc;
}

/* --- the work ------------------------------------------------------------------------------------------------ */

static enum ig_code note(struct vacuum *v, bool start, bool complete, struct error *err)
{
    struct lake_change change = {
        .base = v->s,
        .scope = LAKE_READ_NOTHING,
        .no_data_change = true,
        .operation = start ? "VACUUM START" : "VACUUM END",
    };
    struct buf parameters, metrics;
    enum ig_code rc;

    buf_init(&parameters, 0);
    buf_init(&metrics, 0);
    if (start) {
        buf_printf(&parameters, "{\"retentionCheckEnabled\":\"%s\",\"defaultRetentionMillis\":\"%lld\"",
                   v->o->force ? "false" : "true", (long long)own_retention_ms(v->s));
        if (v->o->retention_ms >= 0)
            buf_printf(&parameters, ",\"specifiedRetentionMillis\":\"%lld\"", (long long)v->o->retention_ms);
        buf_putc(&parameters, '}');
        buf_printf(&metrics, "{\"numFilesToDelete\":\"%lld\",\"sizeOfDataToDelete\":\"%lld\"}",
                   (long long)v->out->files, (long long)(v->out->bytes < 0 ? 0 : v->out->bytes));
    } else {
        buf_printf(&parameters, "{\"status\":\"%s\"}", complete ? "COMPLETED" : "FAILED");
        buf_printf(&metrics, "{\"numDeletedFiles\":\"%lld\",\"numVacuumedDirectories\":\"%lld\"}",
                   (long long)v->out->files, (long long)v->out->folders);
    }
    change.parameters = buf_cstr(&parameters);
    change.metrics = buf_cstr(&metrics);
    rc = lake_commit(v->t, &change, &v->out->version, err);
    buf_release(&metrics);
    buf_release(&parameters);
    return rc;
}

/* What came back into the table since the listing stays. */
static enum ig_code look_again(struct vacuum *v, struct error *err)
{
    struct lake_snapshot *now = NULL;

    IG_TRY(lake_snapshot_latest(v->t, &now, err));
    lake_snapshot_free(v->s);
    v->s = now;
    IG_TRY(lake_check_cleanable(now, err));
    lake_names_free(&v->keep);
    return keep_all(v, err);
}

static enum ig_code remove_batch(struct vacuum *v, size_t from, size_t to, struct error *err)
{
    const char **names = check_calloc(to - from + 1, sizeof(*names));
    struct arena arena;
    enum ig_code rc = IG_OK;
    size_t n = 0;

    arena_init(&arena);
    for (size_t i = from; i < to; i++) {
        const struct doomed *d = &v->doomed.p[i];

        if (is_kept(v, str_of(d->name)))
            continue;
        if (v->o->each)
            v->o->each(v->o->ctx, d->name, d->size_bytes, d->modified_ms);
        names[n++] = *v->t->path ? arena_printf(&arena, "%s/%s", v->t->path, d->name) : d->name;
        v->out->files++;
        v->out->bytes += d->size_bytes > 0 ? d->size_bytes : 0;
    }
    if (n && !v->o->dry_run)
        rc = store_remove_many(v->t->store, names, n, err);
    if (v->o->progress)
        v->o->progress(v->o->ctx, "vacuum", (int64_t)to, (int64_t)v->doomed.n);
    arena_release(&arena);
    free(names);
    return rc;
}

static int deepest_first(const void *x, const void *y)
{
    return strcmp(*(const char *const *)y, *(const char *const *)x); /* a folder's name begins those of its own */
}

/* The folders, below the table's, of what was removed: those that are empty now go as well. Nobody has written there
 * for as long as the retention; who begins to right now makes the folder again. */
static void remove_folders(struct vacuum *v)
{
    VEC(const char *) folders = {0};
    struct lake_names seen = {0};
    struct arena arena;

    arena_init(&arena);
    for (size_t i = 0; i < v->doomed.n; i++) {
        struct str folder = str_of(v->doomed.p[i].name);

        while ((folder = folder_of(folder)).n && !lake_names_has(&seen, folder)) {
            lake_names_add(&seen, folder);
            vec_push(&folders, *v->t->path ? arena_printf(&arena, "%s/" STR_FMT, v->t->path, STR_ARG(folder))
                                           : arena_strndup(&arena, folder.p, folder.n));
        }
    }
    if (folders.n) {
        qsort(folders.p, folders.n, sizeof(*folders.p), deepest_first);
        v->out->folders = store_remove_folders(v->t->store, folders.p, folders.n);
    }
    lake_names_free(&seen);
    vec_free(&folders);
    arena_release(&arena);
}

static enum ig_code remove_all(struct vacuum *v, struct error *err)
{
    enum ig_code rc = IG_OK;

    v->out->files = v->out->bytes = 0;
    for (size_t i = 0; i < v->doomed.n && !rc; i += REMOVE_BATCH)
        rc = remove_batch(v, i, i + REMOVE_BATCH < v->doomed.n ? i + REMOVE_BATCH : v->doomed.n, err);
    if (!rc && !v->o->dry_run)
        remove_folders(v);
    return rc;
}

static enum ig_code run(struct vacuum *v, struct error *err)
{
    const bool silent = v->o->quiet || v->o->dry_run || v->doomed.n == 0;
    struct error end_error = {0};
    enum ig_code rc, end;

    for (size_t i = 0; i < v->doomed.n; i++) {
        v->out->files++;
        v->out->bytes += v->doomed.p[i].size_bytes > 0 ? v->doomed.p[i].size_bytes : 0;
    }
    if (!silent)
        IG_TRY(note(v, true, false, err));
    if (v->doomed.n && !v->o->dry_run)
        IG_TRY(look_again(v, err));
    rc = remove_all(v, err);
    if (silent)
        return rc;
    end = note(v, false, rc == IG_OK, rc ? &end_error : err);
    return rc ? rc : end;
}

static enum ig_code check_retention(struct vacuum *v, struct error *err)
{
    const int64_t least = own_retention_ms(v->s);

    v->out->retention_ms = v->o->retention_ms >= 0 ? v->o->retention_ms : least;
    v->cutoff_ms = env_now_ms(v->t->store->env) - v->out->retention_ms;
    if (v->out->retention_ms < least && !v->o->force)
        return error_set(
            err, IG_INVALID,
            "a retention of %lld hours is less than the table's own, %lld hours: writers that are about to "
            "commit, and who reads older versions, may lose files",
            (long long)(v->out->retention_ms / 3600000), (long long)(least / 3600000));
    return IG_OK;
}

static enum ig_code vacuum(struct vacuum *v, struct error *err)
{
    int64_t looked_at = -1;

    IG_TRY(lake_snapshot_latest(v->t, &v->s, err));
    /* The protocol of writers counts (vacuumProtocolCheck): a feature that we do not know may keep files elsewhere. */
    IG_TRY(lake_check_cleanable(v->s, err));
    v->out->version = v->s->version;
    IG_TRY(check_retention(v, err));
    IG_TRY(keep_all(v, err));
    if (v->o->lite)
        IG_TRY(look_through_log(v, &looked_at, err));
    else
        IG_TRY(list_table(v, err));
    IG_TRY(run(v, err));
    if (v->o->lite && looked_at >= 0 && !v->o->dry_run)
        IG_TRY(remember_look(v, looked_at, err));
    if (v->o->lite)
        v->out->bytes = -1;
    return IG_OK;
}

enum ig_code lake_vacuum(struct lake_table *t, const struct lake_vacuum *o, struct lake_vacuumed *out,
                         struct error *err)
{
    struct vacuum v = {.t = t, .o = o, .out = out};
    enum ig_code rc;

    *out = (struct lake_vacuumed){0};
    rc = vacuum(&v, err);
    for (size_t i = 0; i < v.doomed.n; i++)
        free(v.doomed.p[i].name);
    vec_free(&v.doomed);
    lake_names_free(&v.keep);
    lake_snapshot_free(v.s);
    return rc ? error_context(err, rc, "vacuum %s", *t->path ? t->path : t->store->url) : IG_OK;
}
