/*
 * CLONE: the first commit of a new table, which holds all of another one's state at a version. The files' paths become
 * absolute (shallow), or the files are copied under the same names (deep).
 */
#include "lake/table/features.h"
#include "lake/table/metadata.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#define COPY_CHUNK ((size_t)1 << 20)
#define FETCH_AHEAD 32

struct cloner {
    struct lake_table *from, *to;
    const struct lake_snapshot *s;
    const struct lake_clone *o;
    struct lake_cloned *out;
    struct lake_new_files files;
    struct lake_names copied;    /* deletion vectors are many to a file */
    struct buf location;         /* of the other table */
    struct lake_new_files loose; /* what was copied besides: to be removed if the commit is not made */
    char id[37];                 /* of this clone, for names that are taken */
};

/* --- names ----------------------------------------------------------------------------------------------------- */

/* Encoded as Java does it, which leaves letters beyond ASCII as they are: Spark compares the text with the one that it
 * makes of the file's path. */
static void add_java_uri(struct str path, struct buf *out)
{
    for (size_t i = 0; i < path.n; i++) {
        const char c = path.p[i];

        if ((unsigned char)c >= 0x80 || (c && (isalnum((unsigned char)c) || strchr("_-!.~'()*,;:$&+=@/", c))))
            buf_putc(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

/* "/data/lake/t" + "a b.parquet" -> "file:/data/lake/t/a%20b.parquet"; absolute names only get their scheme. */
static void add_absolute(const struct cloner *c, struct str name, struct buf *out)
{
    struct buf whole;
    const char *rest;

    buf_init(&whole, 0);
    if (!lake_is_absolute(name))
        buf_printf(&whole, "%s/", buf_cstr(&c->location));
    buf_add_str(&whole, name);
    rest = strstr(buf_cstr(&whole), "://");
    if (buf_cstr(&whole)[0] == '/') {
        buf_puts(out, "file:");
        rest = buf_cstr(&whole);
    } else if (rest && !str_has_prefix(buf_str(&whole), "file:")) {
        rest += strlen("://");
        buf_add(out, whole.p, (size_t)(rest - whole.p));
    } else { /* file:/a */
        rest = strchr(buf_cstr(&whole), '/');
        buf_add(out, whole.p, (size_t)(rest - whole.p));
    }
    if (str_has_prefix(buf_str(&whole), "file:///")) { /* which Java calls file:/ */
        buf_puts(out, "file:");
        rest = whole.p + strlen("file://");
    }
    add_java_uri(str_of(rest), out);
    buf_release(&whole);
}

/* The name that a copied file has in the new table. */
static void add_copy_name(const struct cloner *c, struct str name, struct buf *out)
{
    if (!lake_is_absolute(name)) {
        buf_add_str(out, name);
    } else if (!lake_relative_name(c->from, name, out)) {
        /* It is a clone itself: names are random, so that the last part is enough. */
        const char *slash = memrchr(name.p, '/', name.n);

        buf_add(out, slash + 1, name.n - (size_t)(slash + 1 - name.p));
    }
}

/* --- copying --------------------------------------------------------------------------------------------------- */

static enum ig_code copy_bytes(struct env *env, const char *from, const char *to, int64_t *size, struct error *err)
{
    char *chunk = check_malloc(COPY_CHUNK);
    struct env_file *in = NULL, *out = NULL;
    enum ig_code rc;
    size_t n = 1;

    *size = 0;
    rc = env_open(env, from, ENV_OPEN_READ, &in, err);
    if (!rc)
        rc = env_open(env, to, ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE, &out, err);
    while (!rc && n > 0) {
        rc = env_read(env, in, *size, chunk, COPY_CHUNK, &n, err);
        if (!rc && n > 0)
            rc = env_write(env, out, *size, chunk, n, err);
        *size += rc ? 0 : (int64_t)n;
    }
    if (out)
        env_close(env, out);
    if (in)
        env_close(env, in);
    free(chunk);
    return rc;
}

/* Where the engine, and we, can read a file of the other table. */
static enum ig_code find_source(const struct cloner *c, struct str name, struct buf *path, struct error *err)
{
    struct store *elsewhere = NULL;
    struct buf object;
    enum ig_code rc;

    buf_init(&object, 0);
    if (!lake_is_absolute(name)) {
        lake_add_object_name(&object, c->from->path, name);
        rc = store_local_path(c->from->store, buf_cstr(&object), path, err);
    } else {
        const char *slash = memrchr(name.p, '/', name.n);

        buf_add(&object, name.p, (size_t)(slash - name.p));
        rc = lake_open_elsewhere(c->from, buf_cstr(&object), &elsewhere, err);
        buf_clear(&object);
        buf_add(&object, slash + 1, name.n - (size_t)(slash + 1 - name.p));
        if (!rc)
            rc = store_local_path(elsewhere, buf_cstr(&object), path, err);
        store_free(elsewhere);
    }
    buf_release(&object);
    return rc;
}

/* Another name for a copy whose own is taken: a clone that died left that behind, or one is under way. Neither file may
 * be ours, as the other clone may yet remove it, or be read by it. */
static void add_free_name(const struct cloner *c, struct str as, struct buf *out)
{
    const char *slash = memrchr(as.p, '/', as.n);
    const size_t folder = slash ? (size_t)(slash + 1 - as.p) : 0;

    buf_add(out, as.p, folder);
    buf_printf(out, "%s-", c->id);
    buf_add(out, as.p + folder, as.n - folder);
}

static enum ig_code put_copy(struct cloner *c, const char *scratch, struct buf *as, struct error *err)
{
    struct buf object;
    enum ig_code rc;

    buf_init(&object, 0);
    lake_add_object_name(&object, c->to->path, buf_str(as));
    rc = store_put_file(c->to->store, buf_cstr(&object), scratch, STORE_IF_ABSENT, err);
    if (rc == IG_EXISTS) {
        struct buf other;

        buf_init(&other, 0);
        add_free_name(c, buf_str(as), &other);
        buf_clear(as);
        buf_add_str(as, buf_str(&other));
        buf_release(&other);
        buf_clear(&object);
        lake_add_object_name(&object, c->to->path, buf_str(as));
        rc = store_put_file(c->to->store, buf_cstr(&object), scratch, STORE_IF_ABSENT, err);
    }
    buf_release(&object);
    return rc;
}

/* Is it there under this name, or under the one for those that are taken? */
static bool was_copied(const struct cloner *c, struct buf *as)
{
    bool found = lake_names_has(&c->copied, buf_str(as));
    struct buf other;

    if (found)
        return true;
    buf_init(&other, 0);
    add_free_name(c, buf_str(as), &other);
    found = lake_names_has(&c->copied, buf_str(&other));
    if (found) {
        buf_clear(as);
        buf_add_str(as, buf_str(&other));
    }
    buf_release(&other);
    return found;
}

static void note_copy(struct cloner *c, struct str as, int64_t bytes)
{
    struct lake_new_file made = {.name = check_malloc(as.n + 1)};

    memcpy(made.name, as.p, as.n);
    made.name[as.n] = '\0';
    vec_push(&c->loose.list, made);
    lake_names_add(&c->copied, as);
    c->out->copied_files++;
    c->out->copied_bytes += bytes;
}

/* `as` is the name to have, and then the one that it has. `size` -1: any. */
static enum ig_code copy_file(struct cloner *c, struct str name, struct buf *as, int64_t size, struct error *err)
{
    struct env *env = c->to->store->env;
    struct buf path, scratch;
    int64_t copied = 0;
    enum ig_code rc;

    if (was_copied(c, as))
        return IG_OK;
    buf_init(&path, 0);
    buf_init(&scratch, 0);
    rc = find_source(c, name, &path, err);
    if (!rc)
        rc = store_scratch_path(c->to->store, ".copy", &scratch, err);
    if (!rc)
        rc = copy_bytes(env, buf_cstr(&path), buf_cstr(&scratch), &copied, err);
    if (!rc && size >= 0 && copied != size)
        rc = error_set(err, IG_CORRUPT, "it has %lld bytes, the log says %lld", (long long)copied, (long long)size);
    if (!rc)
        rc = put_copy(c, buf_cstr(&scratch), as, err);
    if (rc) {
        (void)!env_unlink(env, buf_cstr(&scratch), NULL);
        error_context(err, rc, "copy " STR_FMT, STR_ARG(name));
    } else {
        note_copy(c, buf_str(as), copied);
    }
    buf_release(&scratch);
    buf_release(&path);
    return rc;
}

/* --- deletion vectors ------------------------------------------------------------------------------------------ */

static char *copy_of(struct str text)
{
    struct buf out;

    buf_init(&out, 0);
    buf_add_str(&out, text);
    return buf_take(&out);
}

/* The descriptor with another kind of place. */
static char *moved_descriptor(struct str descriptor, const char *path)
{
    struct arena a;
    const char *text;
    char *out;

    arena_init(&a);
    text = lake_object_set_text(&a, arena_strndup(&a, descriptor.p, descriptor.n), "storageType", "p");
    out = copy_of(str_of(lake_object_set_text(&a, text, "pathOrInlineDv", path)));
    arena_release(&a);
    return out;
}

static enum ig_code clone_vector(struct cloner *c, const struct lake_entry *e, char **out, struct error *err)
{
    struct buf name, as, place;
    enum ig_code rc;

    buf_init(&name, 0);
    buf_init(&as, 0);
    buf_init(&place, 0);
    rc = lake_dv_file(lake_entry_dv(e), &name, err);
    if (!rc && c->o->deep && name.n) {
        add_copy_name(c, buf_str(&name), &as);
        rc = copy_file(c, buf_str(&name), &as, -1, err);
    }
    if (!rc && (!name.n || (c->o->deep && str_eq(buf_str(&as), buf_str(&name))))) {
        *out = copy_of(lake_entry_dv(e));
    } else if (!rc) {
        struct buf location;

        buf_init(&location, 0);
        if (c->o->deep) {
            lake_add_location(c->to, &location);
            buf_printf(&location, "/%s", buf_cstr(&as));
        }
        add_absolute(c, c->o->deep ? buf_str(&location) : buf_str(&name), &place);
        *out = moved_descriptor(lake_entry_dv(e), buf_cstr(&place));
        buf_release(&location);
    }
    buf_release(&place);
    buf_release(&as);
    buf_release(&name);
    return rc;
}

/* --- files ----------------------------------------------------------------------------------------------------- */

static enum ig_code clone_file(struct cloner *c, const struct lake_entry *e, struct error *err)
{
    struct lake_new_file f = {
        .like = e,
        .size_bytes = lake_entry_size(e),
        .modified_ms = lake_entry_modified_ms(e),
        .rows = lake_entry_rows(e),
    };
    struct buf name;
    enum ig_code rc = IG_OK;

    buf_init(&name, 0);
    if (c->o->deep) {
        add_copy_name(c, lake_entry_name(e), &name);
        rc = copy_file(c, lake_entry_name(e), &name, f.size_bytes, err);
    } else {
        add_absolute(c, lake_entry_name(e), &name);
    }
    f.name = buf_take(&name);
    if (!rc && lake_entry_dv(e).n)
        rc = clone_vector(c, e, &f.dv, err);
    vec_push(&c->files.list, f);
    c->out->files++;
    c->out->bytes += f.size_bytes;
    return rc;
}

static enum ig_code fetch_ahead(struct cloner *c, size_t from, struct error *err)
{
    const char *names[FETCH_AHEAD];
    struct arena arena;
    size_t n = 0;
    enum ig_code rc;

    if (store_is_local(c->from->store))
        return IG_OK;
    arena_init(&arena);
    for (size_t i = from; i < c->s->entries.n && n < FETCH_AHEAD; i++) {
        const struct lake_entry *e = &c->s->entries.p[i];

        if (lake_entry_is_live(e) && !lake_is_absolute(lake_entry_name(e)))
            names[n++] = *c->from->path ? arena_printf(&arena, "%s/%s", c->from->path, lake_entry_name(e).p)
                                        : lake_entry_name(e).p;
    }
    rc = n ? store_fetch(c->from->store, names, n, err) : IG_OK;
    arena_release(&arena);
    return rc;
}

static enum ig_code clone_files(struct cloner *c, struct error *err)
{
    const int64_t total = lake_size_bytes(c->s);
    size_t since_fetch = FETCH_AHEAD;
    enum ig_code rc = IG_OK;

    for (size_t i = 0; i < c->s->entries.n && !rc; i++) {
        if (!lake_entry_is_live(&c->s->entries.p[i]))
            continue;
        if (c->o->deep && since_fetch++ >= FETCH_AHEAD) {
            rc = fetch_ahead(c, i, err);
            since_fetch = 1;
        }
        if (!rc)
            rc = clone_file(c, &c->s->entries.p[i], err);
        if (c->o->progress)
            c->o->progress(c->o->ctx, "clone", c->out->bytes, total);
    }
    return rc;
}

/* --- the commit ------------------------------------------------------------------------------------------------ */

/* In-commit timestamps that were turned on some day hold in the new table from its first commit on. */
static bool stays_behind(const char *key)
{
    return strcasecmp(key, "delta.inCommitTimestampEnablementVersion") == 0 ||
           strcasecmp(key, "delta.inCommitTimestampEnablementTimestamp") == 0;
}

static void add_configuration(const struct lake_snapshot *s, struct buf *out)
{
    bool any = false;

    buf_putc(out, '{');
    for (size_t i = 0; i < s->metadata.n_properties; i++) {
        if (stays_behind(s->metadata.properties[i].key))
            continue;
        buf_puts(out, any ? "," : "");
        json_add_string(out, str_of(s->metadata.properties[i].key));
        buf_putc(out, ':');
        json_add_string(out, str_of(s->metadata.properties[i].value));
        any = true;
    }
    buf_putc(out, '}');
}

static const char *metadata_of(const struct cloner *c, struct arena *a)
{
    const char *text = arena_strndup(a, c->s->metadata.raw.p, c->s->metadata.raw.n);
    struct buf configuration;
    char id[37];

    buf_init(&configuration, 0);
    add_configuration(c->s, &configuration);
    env_uuid(c->to->store->env, id);
    text = lake_object_set_text(a, text, "id", id);
    text = lake_object_set_int64(a, text, "createdTime", env_now_ms(c->to->store->env));
    text = lake_object_set(a, text, "configuration", buf_cstr(&configuration));
    buf_release(&configuration);
    return text;
}

static enum ig_code commit(struct cloner *c, struct error *err)
{
    struct lake_change change = {.shape = c->s, .added = &c->files, .operation = "CLONE"};
    VEC(const char *) domains = {0};
    struct buf protocol, parameters, metrics;
    struct arena arena;
    enum ig_code rc;

    arena_init(&arena);
    buf_init(&protocol, 0);
    buf_init(&parameters, 0);
    buf_init(&metrics, 0);
    buf_add_str(&protocol, c->s->protocol.raw);
    for (size_t i = 0; i < c->s->domains.n; i++)
        if (!c->s->domains.p[i].removed)
            vec_push(&domains, arena_strndup(&arena, c->s->domains.p[i].raw.p, c->s->domains.p[i].raw.n));
    buf_puts(&parameters, "{\"source\":");
    json_add_string(&parameters, buf_str(&c->location));
    buf_printf(&parameters, ",\"sourceVersion\":\"%lld\",\"isShallow\":\"%s\"}", (long long)c->s->version,
               c->o->deep ? "false" : "true");
    buf_printf(&metrics,
               "{\"sourceTableSize\":\"%lld\",\"sourceNumOfFiles\":\"%lld\",\"numRemovedFiles\":\"0\",\"numCopiedFiles"
               "\":\"%lld\",\"removedFilesSize\":\"0\",\"copiedFilesSize\":\"%lld\"}",
               (long long)c->out->bytes, (long long)c->out->files, (long long)c->out->copied_files,
               (long long)c->out->copied_bytes);
    change.metadata = metadata_of(c, &arena);
    change.protocol = buf_cstr(&protocol);
    change.domains = domains.p;
    change.n_domains = domains.n;
    change.parameters = buf_cstr(&parameters);
    change.metrics = buf_cstr(&metrics);
    rc = lake_commit_first(c->to, &change, &c->out->version, err);
    buf_release(&metrics);
    buf_release(&parameters);
    buf_release(&protocol);
    vec_free(&domains);
    arena_release(&arena);
    return rc;
}

static enum ig_code there_is_one(struct error *err)
{
    return error_set(err, IG_EXISTS, "there is a Delta table already");
}

enum ig_code lake_check_free(struct lake_table *t, struct error *err)
{
    struct lake_log log = {0};
    enum ig_code rc = lake_log_list(t->store, t->path, &log, err);

    if (!rc && lake_log_latest(&log) >= 0)
        rc = there_is_one(err);
    lake_log_free(&log);
    return rc;
}

enum ig_code lake_commit_first(struct lake_table *t, const struct lake_change *change, int64_t *version,
                               struct error *err)
{
    enum ig_code rc = lake_commit(t, change, version, err);

    return rc == IG_CONFLICT ? there_is_one(err) : rc;
}

/* A table within another one's folder would lose its files to a vacuum of that. */
static enum ig_code check_places(const struct cloner *c, struct error *err)
{
    enum ig_code rc = IG_OK;
    struct buf to, from;

    buf_init(&to, 0);
    buf_init(&from, 0);
    lake_add_location(c->to, &to);
    buf_printf(&from, "%s/", buf_cstr(&c->location));
    buf_putc(&to, '/');
    if (str_has_prefix(buf_str(&to), buf_cstr(&from)) || str_has_prefix(buf_str(&from), buf_cstr(&to)))
        rc = error_set(err, IG_INVALID,
                       "one of the tables would lie within the other: a vacuum of the outer one would "
                       "remove the files of the inner one");
    buf_release(&from);
    buf_release(&to);
    return rc;
}

enum ig_code lake_clone(struct lake_table *from, const struct lake_snapshot *s, struct lake_table *to,
                        const struct lake_clone *o, struct lake_cloned *out, struct error *err)
{
    struct cloner c = {.from = from, .to = to, .s = s, .o = o, .out = out};
    enum ig_code rc;

    *out = (struct lake_cloned){0};
    buf_init(&c.location, 0);
    env_uuid(to->store->env, c.id);
    lake_add_location(from, &c.location);
    rc = lake_check_free(to, err);
    if (!rc)
        rc = lake_check_writable(s, false, err);
    if (!rc)
        rc = check_places(&c, err);
    if (!rc)
        rc = lake_check_present(from, s, err);
    if (!rc)
        rc = clone_files(&c, err);
    if (!rc)
        rc = commit(&c, err);
    if (rc && rc != IG_UNKNOWN_OUTCOME)
        lake_new_files_discard(to, &c.loose);
    lake_new_files_free(&c.loose);
    lake_new_files_free(&c.files);
    lake_names_free(&c.copied);
    buf_release(&c.location);
    return rc ? error_context(err, rc, "clone to %s", *to->path ? to->path : to->store->url) : IG_OK;
}
