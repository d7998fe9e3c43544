/*
 * What must be: every commit, replayed when the store takes it, by code of its own.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#define SKEW_US (5 * US_PER_S) /* the processes' clocks differ by less */

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

int model_x(uint64_t row)
{
    return (int)(mix(row + 17) % X_VALUES);
}

uint64_t model_row_digest(uint64_t row)
{
    return mix(row + 1);
}

uint64_t model_file_rows(const struct data_file *f, unsigned marked, int low, int high)
{
    uint64_t sum = 0;

    for (int i = 0; i < f->n_rows; i++)
        if (!(marked >> i & 1) && model_x(f->rows[i]) >= low && model_x(f->rows[i]) <= high)
            sum += model_row_digest(f->rows[i]);
    return sum;
}

uint64_t model_file_digest(struct str path, struct str dv_id)
{
    return mix(hash_fnv1a(path.p, path.n) + (dv_id.n ? mix(hash_fnv1a(dv_id.p, dv_id.n)) : 0));
}

/* "sim:/m03-12": the first two rows, by operation 12. */
unsigned model_marked(struct str dv)
{
    for (size_t i = 0; i + 3 < dv.n; i++)
        if (dv.p[i] == '/' && dv.p[i + 1] == 'm')
            return (unsigned)strtoul(dv.p + i + 2, NULL, 16);
    return 0;
}

/* Was the row appended blindly behind that version? (Fresh rows name their operation.) */
static bool is_blind(const struct world *w, uint64_t row, int64_t after)
{
    const uint64_t number = row / 64;
    const struct op *op = number < w->model.ops.n ? &w->model.ops.p[number] : NULL;

    return op && (op->kind == OP_APPEND || op->kind == OP_TXN) && op->landed > after;
}

uint64_t model_rows_of(const struct world *w, const struct op *op, int64_t blind_after)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < w->model.live.n; i++) {
        const struct live *l = &w->model.live.p[i];
        const struct data_file *f = &w->model.files.p[l->file];
        unsigned skipped = l->marked;

        if (op->partition >= 0 && f->partition != op->partition)
            continue;
        for (int k = 0; k < f->n_rows && blind_after < INT64_MAX; k++)
            skipped |= is_blind(w, f->rows[k], blind_after) ? 1U << k : 0;
        sum += model_file_rows(f, skipped, op->low, op->high);
    }
    return sum;
}

uint64_t model_rows(const struct world *w)
{
    const struct op all = {.partition = -1, .high = X_VALUES};

    return model_rows_of(w, &all, INT64_MAX);
}

/* --- operations ------------------------------------------------------------------------------------------------- */

static const char *const kinds[OP_KINDS] = {"create", "append",   "replace", "derive", "optimize", "mark",
                                            "delete", "property", "txn",     "domain", "restore",  "change"};

int model_begin(struct world *w, struct process *p, enum op_kind kind)
{
    const struct op op = {
        .kind = kind,
        .base = -1,
        .told = -1,
        .landed = -1,
        .process = p->number,
        .partition = -1,
        .high = X_VALUES,
        .restores = -1,
    };

    vec_push(&w->model.ops, op);
    say(w, "%d: operation %zu: %s", p->number, w->model.ops.n - 1, kinds[kind]);
    return (int)w->model.ops.n - 1;
}

void model_end(struct world *w, int number, enum ig_code rc, int64_t version)
{
    struct op *op = &w->model.ops.p[number];

    if (w->running->dead) {
        op->state = OP_UNKNOWN;
        return;
    }
    say(w, "%d: operation %d: %s, version %lld", op->process, number, error_code_name(rc), (long long)version);
    op->told = version;
    op->state = rc == IG_OK ? OP_ACKED : rc == IG_UNKNOWN_OUTCOME ? OP_UNKNOWN : OP_REFUSED;
    if (rc == IG_OK && op->landed != version)
        violation(w, "operation %d (%s) was acknowledged at version %lld, the log has it at %lld", number,
                  kinds[op->kind], (long long)version, (long long)op->landed);
    if (op->state == OP_REFUSED && op->landed >= 0)
        violation(w, "operation %d (%s) was refused (%s), but it is version %lld", number, kinds[op->kind],
                  error_code_name(rc), (long long)op->landed);
    if (rc == IG_OK && version > w->model.acked)
        w->model.acked = version;
}

int model_add_file(struct world *w, const char *name, int partition, int op)
{
    const struct data_file f = {.name = check_strdup(name), .partition = partition, .op = op, .removed_us = -1};

    vec_push(&w->model.files, f);
    return (int)w->model.files.n - 1;
}

int model_find_file(const struct world *w, struct str name)
{
    for (size_t i = w->model.files.n; i-- > 0;)
        if (str_is(name, w->model.files.p[i].name))
            return (int)i;
    return -1;
}

/* --- a commit --------------------------------------------------------------------------------------------------- */

struct replaying {
    struct world *w;
    struct version_state v;
    struct op *op;
    int number;
    bool info, row_high_named;
    int64_t row_high_before;
    uint64_t rows_before;
};

static struct live *find_live(struct world *w, int file)
{
    for (size_t i = 0; i < w->model.live.n; i++)
        if (w->model.live.p[i].file == file)
            return &w->model.live.p[i];
    return NULL;
}

static void text_member(struct str object, const char *name, char *out, size_t size)
{
    struct buf text;

    buf_init(&text, 0);
    if (!json_member_string(object, name, &text))
        buf_clear(&text);
    snprintf(out, size, "%s", buf_cstr(&text));
    buf_release(&text);
}

static void dv_of(struct str raw, char *out, size_t size)
{
    struct json_value dv;

    out[0] = '\0';
    if (json_member(raw, "deletionVector", &dv) && dv.type == JSON_OBJECT)
        text_member(dv.raw, "pathOrInlineDv", out, size);
}

static int file_of(struct replaying *r, struct str raw)
{
    char path[64];
    int file;

    text_member(raw, "path", path, sizeof(path));
    file = model_find_file(r->w, str_of(path));
    if (file < 0)
        violation(r->w, "a commit names %s, which nobody wrote", path);
    return file;
}

/* The digest of a live file as readers will see it: the deletion vector by its unique id. */
static uint64_t live_digest(const struct world *w, const struct live *l)
{
    char id[40] = "";

    if (*l->dv)
        snprintf(id, sizeof(id), "p%s@1", l->dv);
    return model_file_digest(str_of(w->model.files.p[l->file].name), str_of(id));
}

static void take_remove(struct replaying *r, struct str raw)
{
    const int file = file_of(r, raw);
    struct live *l = file >= 0 ? find_live(r->w, file) : NULL;
    char dv[24];

    dv_of(raw, dv, sizeof(dv));
    if (file < 0)
        return;
    if (!l || strcmp(l->dv, dv) != 0) {
        violation(r->w, "operation %d removes %s (%s), which is not in the table", r->number,
                  r->w->model.files.p[file].name, dv);
        return;
    }
    r->w->model.files.p[file].removed_us = r->w->now_us;
    *l = r->w->model.live.p[--r->w->model.live.n];
}

static void check_row_ids(struct replaying *r, struct live *l, struct str raw)
{
    const bool fresh = !r->w->model.files.p[l->file].landed;
    int64_t version = -1;

    if (!r->w->row_tracking)
        return;
    if (!json_member_int64(raw, "baseRowId", &l->row_id) ||
        !json_member_int64(raw, "defaultRowCommitVersion", &version)) {
        violation(r->w, "operation %d adds a file without row ids", r->number);
        return;
    }
    if (!fresh)
        return;
    if (l->row_id <= r->w->model.row_high || version != (int64_t)r->w->model.versions.n)
        violation(r->w, "operation %d gives row ids from %lld on (of version %lld), %lld are taken", r->number,
                  (long long)l->row_id, (long long)version, (long long)r->w->model.row_high);
    r->w->model.row_high = l->row_id + r->w->model.files.p[l->file].n_rows - 1;
}

static void take_add(struct replaying *r, struct str raw)
{
    const int file = file_of(r, raw);
    struct live l = {.file = file, .row_id = -1, .version = (int64_t)r->w->model.versions.n};
    char name[80];

    if (file < 0)
        return;
    if (find_live(r->w, file)) {
        violation(r->w, "operation %d adds %s, which is there", r->number, r->w->model.files.p[file].name);
        return;
    }
    dv_of(raw, l.dv, sizeof(l.dv));
    l.marked = model_marked(str_of(l.dv));
    check_row_ids(r, &l, raw);
    snprintf(name, sizeof(name), TABLE "/%s", r->w->model.files.p[file].name);
    if (!store_find(r->w, name))
        violation(r->w, "operation %d adds %s, which is not stored any more", r->number, name);
    r->w->model.files.p[file].landed = true;
    r->w->model.files.p[file].removed_us = -1;
    vec_push(&r->w->model.live, l);
}

static void take_txn(struct replaying *r, struct str raw)
{
    int64_t version;
    char app[24];
    int i;

    text_member(raw, "appId", app, sizeof(app));
    i = app[4] - '0';
    if (!json_member_int64(raw, "version", &version) || i < 0 || i > 1) {
        violation(r->w, "operation %d: no txn: " STR_FMT, r->number, STR_ARG(raw));
        return;
    }
    if (version <= r->v.txn[i])
        violation(r->w, "operation %d commits version %lld of %s, %lld was before", r->number, (long long)version, app,
                  (long long)r->v.txn[i]);
    r->v.txn[i] = version;
}

static void take_metadata(struct replaying *r, struct str raw)
{
    struct json_value properties;

    if (json_member(raw, "configuration", &properties))
        text_member(properties.raw, "sim.counter", r->v.property, sizeof(r->v.property));
}

static void take_domain(struct replaying *r, struct str raw)
{
    char name[32], text[80];
    int64_t high;

    text_member(raw, "domain", name, sizeof(name));
    text_member(raw, "configuration", text, sizeof(text));
    if (strcmp(name, "sim.d") == 0) {
        snprintf(r->v.domain, sizeof(r->v.domain), "%s", text);
    } else if (strcmp(name, "delta.rowTracking") == 0) {
        r->row_high_named = true;
        if (!json_member_int64(str_of(text), "rowIdHighWaterMark", &high) || high < r->w->model.row_high)
            violation(r->w, "operation %d: the high water mark is %s, row ids go to %lld", r->number, text,
                      (long long)r->w->model.row_high);
    }
}

/* Says which operation it is; its checks of what was before come first. */
static void take_info(struct replaying *r, struct str raw)
{
    const struct model *m = &r->w->model;
    char mark[24];
    int number;

    r->info = true;
    text_member(raw, "userMetadata", mark, sizeof(mark));
    number = atoi(mark + (*mark ? 3 : 0));
    if (strncmp(mark, "op-", 3) != 0 || number < 0 || (size_t)number >= m->ops.n) {
        violation(r->w, "a commit of nobody: " STR_FMT, STR_ARG(raw));
        return;
    }
    r->number = number;
    r->op = &m->ops.p[number];
    if (r->op->landed >= 0)
        violation(r->w, "operation %d (%s) is version %lld and again %zu", number, kinds[r->op->kind],
                  (long long)r->op->landed, m->versions.n);
    if (r->op->state == OP_REFUSED)
        violation(r->w, "operation %d (%s) was refused, and is now version %zu", number, kinds[r->op->kind],
                  m->versions.n);
    r->op->landed = (int64_t)m->versions.n;
    if (!json_member_int64(raw, "inCommitTimestamp", &r->v.in_commit_ms))
        r->v.in_commit_ms = -1;
    if (r->w->in_commit_timestamps && m->versions.n &&
        r->v.in_commit_ms <= m->versions.p[m->versions.n - 1].in_commit_ms)
        violation(r->w, "version %zu has the in-commit timestamp %lld, the one before %lld", m->versions.n,
                  (long long)r->v.in_commit_ms, (long long)m->versions.p[m->versions.n - 1].in_commit_ms);
}

/* What it has read must be what is there now: as if nobody else had been between. */
static void check_read(struct replaying *r)
{
    const struct op *op = r->op;
    const int64_t blind_after = r->w->write_serializable ? op->base : INT64_MAX;

    /* Nobody goes on over a change of the schema or the properties. */
    if (op->base >= 0 && strcmp(r->w->model.versions.p[op->base].property, r->v.property) != 0)
        violation(r->w, "operation %d (%s) was made for the properties of version %lld, others came before version %zu",
                  r->number, kinds[op->kind], (long long)op->base, r->w->model.versions.n);
    if (op->has_digest && model_rows_of(r->w, op, blind_after) != op->digest)
        violation(r->w, "operation %d (%s) has read version %lld, and at version %zu other rows are there", r->number,
                  kinds[op->kind], (long long)op->base, r->w->model.versions.n);
}

/* Are the rows of the operation's partition its own? */
static bool is_alone(const struct world *w, const struct op *op, int number)
{
    const int64_t blind_after = w->write_serializable ? op->base : INT64_MAX;
    uint64_t own = 0;

    for (size_t i = 0; i < w->model.files.n; i++)
        if (w->model.files.p[i].op == number)
            own += model_file_rows(&w->model.files.p[i], 0, 0, X_VALUES);
    return model_rows_of(w, op, blind_after) == own;
}

static void check_effect(struct replaying *r)
{
    struct world *w = r->w;

    if (!r->op)
        return;
    if (r->op->restores < 0 && r->v.rows - r->rows_before != r->op->given - r->op->taken)
        violation(w, "operation %d (%s) lost or doubled rows", r->number, kinds[r->op->kind]);
    if (r->op->kind == OP_REPLACE && !is_alone(w, r->op, r->number))
        violation(w, "operation %d (replace) left rows in its partition", r->number);
    if (r->op->restores >= 0 && !w->write_serializable && w->model.versions.p[r->op->restores].rows != r->v.rows)
        violation(w, "operation %d (restore) did not bring version %lld back", r->number, (long long)r->op->restores);
    if (w->row_tracking && w->model.row_high > r->row_high_before && !r->row_high_named)
        violation(w, "operation %d gives row ids and says no high water mark", r->number);
}

static void sum_up(struct replaying *r)
{
    const struct model *m = &r->w->model;

    for (size_t i = 0; i < m->live.n; i++) {
        const struct live *l = &m->live.p[i];
        char name[80];
        const struct object *o;

        r->v.digest += live_digest(r->w, l);
        snprintf(name, sizeof(name), TABLE "/%s", m->files.p[l->file].name);
        o = store_find(r->w, name);
        r->v.bytes += o ? (int64_t)o->n : 0;
    }
    r->v.files = (int64_t)m->live.n;
    r->v.rows = model_rows(r->w);
}

static const struct {
    const char *name;
    void (*take)(struct replaying *r, struct str raw);
} actions[] = {
    {"commitInfo", take_info}, {"remove", take_remove},     {"add", take_add},
    {"txn", take_txn},         {"metaData", take_metadata}, {"domainMetadata", take_domain},
};

/* Each kind of action in its turn: a commit's actions have no order. */
static void replay(struct replaying *r, struct str text)
{
    for (size_t k = 0; k < IG_COUNT(actions) && !r->w->failed; k++) {
        for (const char *p = text.p, *end = text.p + text.n; p < end && !r->w->failed;) {
            const char *newline = memchr(p, '\n', (size_t)(end - p));
            const char *stop = newline ? newline : end;
            struct json_value v;

            if (json_member((struct str){p, (size_t)(stop - p)}, actions[k].name, &v) && v.type == JSON_OBJECT)
                actions[k].take(r, v.raw);
            p = stop + 1;
        }
        if (k == 0 && r->op && !r->w->failed)
            check_read(r);
    }
}

/* An answer that comes once more, of a version whose file was cleaned up: it is the same commit. */
static bool is_echo(const struct world *w, int64_t version, struct str text)
{
    struct json_value info;
    char mark[24] = "";

    if (version >= (int64_t)w->model.versions.n)
        return false;
    if (json_member((struct str){text.p, strcspn(text.p, "\n")}, "commitInfo", &info))
        text_member(info.raw, "userMetadata", mark, sizeof(mark));
    return *mark && atoi(mark + 3) == w->model.versions.p[version].op;
}

void model_commit(struct world *w, int64_t version, struct str text)
{
    struct model *m = &w->model;
    struct replaying r = {.w = w, .row_high_before = m->row_high};

    if (is_echo(w, version, text))
        return;
    if (version != (int64_t)m->versions.n) {
        violation(w, "version %lld is made, the newest was %lld", (long long)version, (long long)m->versions.n - 1);
        return;
    }
    if (version > 0)
        r.v = m->versions.p[version - 1];
    else
        r.v.txn[0] = r.v.txn[1] = -1;
    r.v.digest = 0;
    r.v.bytes = 0;
    r.rows_before = r.v.rows;
    r.v.taken_us = w->now_us;
    replay(&r, text);
    if (!r.info)
        violation(w, "version %lld has no commitInfo", (long long)version);
    if (w->failed)
        return;
    r.v.op = r.number;
    sum_up(&r);
    check_effect(&r);
    vec_push(&m->versions, r.v);
}

/* --- clean-ups ---------------------------------------------------------------------------------------------------- */

static bool log_version(const char *name, int64_t *version, const char **rest)
{
    static const char prefix[] = TABLE "/" LAKE_LOG_DIR "/";
    const char *digits = name + sizeof(prefix) - 1;

    if (strncmp(name, prefix, sizeof(prefix) - 1) != 0 || strlen(digits) < 20)
        return false;
    *rest = digits + 20;
    return str_to_int64((struct str){digits, 20}, 0, INT64_MAX, version);
}

/* A checkpoint behind this version, old enough to stand for what is before it, with its commit. */
static bool is_stood_for(const struct world *w, int64_t version)
{
    for (size_t i = 0; i < w->objects.n; i++) {
        const char *rest;
        char commit[80];
        int64_t at;

        if (!log_version(w->objects.p[i].name, &at, &rest) || strncmp(rest, ".checkpoint.", 12) != 0 || at <= version)
            continue;
        snprintf(commit, sizeof(commit), TABLE "/" LAKE_LOG_DIR "/%020lld.json", (long long)at);
        if (store_find(w, commit) && w->model.versions.p[at].taken_us <= w->now_us - LOG_KEPT_S * US_PER_S + SKEW_US)
            return true;
    }
    return false;
}

static void removes_data(struct world *w, const char *name)
{
    const int file = model_find_file(w, str_of(name + sizeof(TABLE)));
    const struct data_file *f = file >= 0 ? &w->model.files.p[file] : NULL;

    if (!f || !f->landed)
        return; /* if it is committed after all, that will show */
    if (f->removed_us < 0)
        violation(w, "%s is removed, and it is in the table", name);
    else if (f->removed_us > w->now_us - FILES_KEPT_S * US_PER_S + SKEW_US)
        violation(w, "%s is removed, and it was in the table %lld s ago", name,
                  (long long)((w->now_us - f->removed_us) / US_PER_S));
}

void model_removes(struct world *w, const char *name)
{
    const char *rest;
    int64_t version;

    if (!log_version(name, &version, &rest)) {
        removes_data(w, name);
        return;
    }
    if (strcmp(rest, ".crc") != 0 && !is_stood_for(w, version))
        violation(w, "%s is removed, and no checkpoint that is old enough stands for it", name);
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void check_checksum(struct world *w, const struct object *o, int64_t version)
{
    const struct str text = {o->body, o->n};
    const struct version_state *v = &w->model.versions.p[version];
    int64_t files = -1, bytes = -1;

    if (version >= (int64_t)w->model.versions.n) {
        violation(w, "%s is of no version", o->name);
        return;
    }
    if (!json_member_int64(text, "numFiles", &files) || !json_member_int64(text, "tableSizeBytes", &bytes) ||
        files != v->files || bytes != v->bytes)
        violation(w, "%s says %lld files of %lld bytes, there are %lld of %lld", o->name, (long long)files,
                  (long long)bytes, (long long)v->files, (long long)v->bytes);
}

void model_check_end(struct world *w)
{
    for (size_t i = 0; i < w->model.ops.n; i++) {
        const struct op *op = &w->model.ops.p[i];

        if (op->state == OP_ACKED && op->landed != op->told)
            violation(w, "operation %zu was acknowledged at %lld and is at %lld", i, (long long)op->told,
                      (long long)op->landed);
        if (op->state == OP_REFUSED && op->landed >= 0)
            violation(w, "operation %zu was refused and is at %lld", i, (long long)op->landed);
    }
    for (size_t i = 0; i < w->model.live.n; i++) {
        char name[80];

        snprintf(name, sizeof(name), TABLE "/%s", w->model.files.p[w->model.live.p[i].file].name);
        if (!store_find(w, name))
            violation(w, "%s is in the table and not stored", name);
    }
    for (size_t i = 0; i < w->objects.n; i++) {
        const char *rest;
        int64_t version;

        if (log_version(w->objects.p[i].name, &version, &rest) && strcmp(rest, ".crc") == 0)
            check_checksum(w, &w->objects.p[i], version);
    }
}

void model_free(struct world *w)
{
    struct model *m = &w->model;

    for (size_t i = 0; i < m->files.n; i++)
        free(m->files.p[i].name);
    vec_free(&m->files);
    vec_free(&m->ops);
    vec_free(&m->live);
    vec_free(&m->versions);
}
