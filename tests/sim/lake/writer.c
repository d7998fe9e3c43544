/*
 * Writers: each operation reads the table, writes files, and commits. What it has read is told to the model.
 */
#include "sim.h"

#include "lake/read/prune.h"

#include <stdio.h>
#include <stdlib.h>

#define FRESH_MAX 60 /* rows that an operation names */

/* One operation under way. */
struct doing {
    struct process *p;
    struct world *w;
    struct lake_table *t;
    struct lake_snapshot *s;
    int number;
    struct lake_change change;
    struct lake_commit_options options;
    struct lake_new_files files;
    VEC(const struct lake_entry *) removed, restored;
    VEC(const struct lake_entry *) read; /* what is left of all of the scope by statistics */
    VEC(struct lake_readd) readds;
    VEC(char *) vectors;
    struct lake_partition partition;
    int n_fresh;
    char mark[24], text[200], where[80], value[8], app[8];
    const char *domain;
    struct buf metadata;
};

static struct op *op_of(const struct doing *d)
{
    return &d->w->model.ops.p[d->number];
}

static struct data_file *file_of(const struct doing *d, const struct lake_entry *e)
{
    const int i = model_find_file(d->w, lake_entry_name(e));

    IG_ASSERT(i >= 0);
    return &d->w->model.files.p[i];
}

static unsigned marked_of(const struct lake_entry *e)
{
    return model_marked(lake_entry_dv_id(e));
}

static bool is_in(const struct doing *d, const struct lake_entry *e, int partition)
{
    return lake_entry_is_live(e) && (partition < 0 || file_of(d, e)->partition == partition);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

/* A file of the log: the rows are the model's, the object only has their number. False: it could not be stored. */
static bool write_file(struct doing *d, int partition, const uint64_t *rows, int n)
{
    struct lake_new_file f = {.n_values = 1, .rows = n, .modified_ms = env_now_ms(&d->p->env)};
    char name[64], object[80], body[32], stats[120];
    enum ig_code rc = IG_UNAVAILABLE;
    struct data_file *file;
    int number, low = X_VALUES, high = -1;

    for (int i = 0; i < n; i++) {
        low = model_x(rows[i]) < low ? model_x(rows[i]) : low;
        high = model_x(rows[i]) > high ? model_x(rows[i]) : high;
    }
    snprintf(name, sizeof(name), "p=%d/f-%d-%zu", partition, d->number, d->files.list.n);
    snprintf(object, sizeof(object), TABLE "/%s", name);
    snprintf(body, sizeof(body), "%d rows of %d\n", n, d->number);
    snprintf(stats, sizeof(stats),
             "{\"numRecords\":%d,\"minValues\":{\"x\":%d},\"maxValues\":{\"x\":%d},\"nullCount\":{\"x\":0}}", n, low,
             high);
    number = model_add_file(d->w, name, partition, d->number);
    file = &d->w->model.files.p[number];
    file->n_rows = n;
    for (int i = 0; i < n; i++)
        file->rows[i] = rows[i];
    op_of(d)->given += model_file_rows(file, 0, 0, X_VALUES);
    for (int tries = 0; tries < 4 && rc && rc != IG_EXISTS && !d->p->dead; tries++)
        rc = store_put(&d->p->store, object, str_of(body), STORE_IF_ABSENT, NULL);
    f.name = check_strdup(name);
    f.stats = check_strdup(stats);
    f.size_bytes = (int64_t)strlen(body);
    f.values = check_calloc(1, sizeof(*f.values));
    f.values[0] = check_malloc(8);
    snprintf(f.values[0], 8, "%d", partition);
    vec_push(&d->files.list, f);
    d->files.rows += n;
    return rc == IG_OK || rc == IG_EXISTS;
}

static uint64_t fresh_row(struct doing *d)
{
    return (uint64_t)d->number * 64 + (uint64_t)d->n_fresh++;
}

static bool write_fresh(struct doing *d, int partition)
{
    uint64_t rows[3];
    const int n = 1 + (int)draw(d->w, IG_COUNT(rows));

    for (int i = 0; i < n; i++)
        rows[i] = fresh_row(d);
    return write_file(d, partition, rows, n);
}

static void remove_file(struct doing *d, const struct lake_entry *e)
{
    op_of(d)->taken += model_file_rows(file_of(d, e), marked_of(e), 0, X_VALUES);
    vec_push(&d->removed, e);
}

/* The file gets a deletion vector of these rows. */
static void mark_rows(struct doing *d, const struct lake_entry *e, unsigned marked)
{
    const struct data_file *f = file_of(d, e);
    struct buf text;

    op_of(d)->taken += model_file_rows(f, marked_of(e), 0, X_VALUES) - model_file_rows(f, marked, 0, X_VALUES);
    buf_init(&text, 0);
    buf_printf(&text,
               "{\"storageType\":\"p\",\"pathOrInlineDv\":\"sim:/m%02x-%d\",\"offset\":1,\"sizeInBytes\":40,"
               "\"cardinality\":%d}",
               marked, d->number, __builtin_popcount(marked));
    vec_push(&d->vectors, buf_take(&text));
    vec_push(&d->readds, ((struct lake_readd){e, d->vectors.p[d->vectors.n - 1], f->n_rows, false}));
}

/* The rows of a partition (-1: all), as the snapshot has them: what the commit depends on. */
static void read_rows(struct doing *d, int partition)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < d->s->entries.n; i++) {
        const struct lake_entry *e = &d->s->entries.p[i];

        if (is_in(d, e, partition))
            sum += model_file_rows(file_of(d, e), marked_of(e), op_of(d)->low, op_of(d)->high);
    }
    op_of(d)->partition = partition;
    op_of(d)->digest = sum;
    op_of(d)->has_digest = true;
    if (partition < 0) {
        d->change.scope = LAKE_READ_ALL;
        return;
    }
    snprintf(d->value, sizeof(d->value), "%d", partition);
    d->partition = (struct lake_partition){"p", d->value};
    d->change.scope = LAKE_READ_PARTITIONS;
    d->change.partitions = &d->partition;
    d->change.n_partitions = d->change.n_columns = 1;
}

static const struct lake_entry *any_entry(struct doing *d, int partition)
{
    const struct lake_entry *found = NULL;
    uint64_t n = 0;

    for (size_t i = 0; i < d->s->entries.n; i++)
        if (is_in(d, &d->s->entries.p[i], partition) && draw(d->w, ++n) == 0)
            found = &d->s->entries.p[i];
    return found;
}

/* --- operations: false if there is nothing to do, or a file could not be stored -------------------------------------
 */

static bool append(struct doing *d)
{
    const int n = 1 + (int)draw(d->w, 2);

    d->change.operation = "WRITE";
    for (int i = 0; i < n; i++)
        if (!write_fresh(d, (int)draw(d->w, d->w->partitions)))
            return false;
    return true;
}

static bool replace(struct doing *d)
{
    const int partition = (int)draw(d->w, d->w->partitions);

    read_rows(d, partition);
    for (size_t i = 0; i < d->s->entries.n; i++)
        if (is_in(d, &d->s->entries.p[i], partition))
            remove_file(d, &d->s->entries.p[i]);
    return write_fresh(d, partition);
}

static bool optimize(struct doing *d)
{
    const int partition = (int)draw(d->w, d->w->partitions);
    uint64_t rows[ROWS_MAX];
    int n = 0;

    for (size_t i = 0; i < d->s->entries.n && d->removed.n < 3; i++) {
        const struct lake_entry *e = &d->s->entries.p[i];
        const struct data_file *f = is_in(d, e, partition) ? file_of(d, e) : NULL;
        const unsigned marked = f ? marked_of(e) : 0;

        if (!f || n + f->n_rows - __builtin_popcount(marked) > ROWS_MAX)
            continue;
        for (int k = 0; k < f->n_rows; k++)
            if (!(marked >> k & 1))
                rows[n++] = f->rows[k];
        remove_file(d, e);
    }
    d->change.no_data_change = true;
    d->change.operation = "OPTIMIZE";
    return d->removed.n >= 2 && write_file(d, partition, rows, n);
}

static bool mark(struct doing *d)
{
    const int partition = (int)draw(d->w, d->w->partitions);
    const struct lake_entry *e = any_entry(d, partition);
    const unsigned marked = e ? marked_of(e) : 0, next = marked | (marked + 1);

    if (!e || next >> file_of(d, e)->n_rows)
        return false;
    if (chance(d->w, 50))
        read_rows(d, partition);
    mark_rows(d, e, next);
    return true;
}

/* --- DELETE, UPDATE, MERGE ---------------------------------------------------------------------------------------- */

/* What a predicate on x, and maybe on the partition, reads: by one of the ways that there are to say so. */
static void read_where(struct doing *d, int partition)
{
    const struct lake_entry **kept = check_calloc(d->s->entries.n + 1, sizeof(const struct lake_entry *));
    struct op *op = op_of(d);
    size_t n = 0;

    op->low = (int)draw(d->w, X_VALUES);
    op->high = op->low + (int)draw(d->w, X_VALUES / 2);
    read_rows(d, partition);
    snprintf(d->where, sizeof(d->where), partition < 0 ? "x >= %d AND x <= %d" : "x >= %d AND x <= %d AND p = '%d'",
             op->low, op->high, partition);
    for (size_t i = 0; i < d->s->entries.n; i++)
        if (lake_entry_is_live(&d->s->entries.p[i]))
            kept[n++] = &d->s->entries.p[i];
    n = lake_prune(d->s, d->where, kept, n, kept);
    for (size_t i = 0; i < n; i++)
        if (is_in(d, kept[i], partition))
            vec_push(&d->read, kept[i]);
    free(kept);
    if (chance(d->w, 70)) {
        d->change.scope = LAKE_READ_WHERE;
        d->change.read_where = d->where;
    }
    if (chance(d->w, 70)) {
        d->change.read = d->read.p;
        d->change.n_read = d->read.n;
    }
}

/* Reads rows, by partition or by a predicate, and writes what it has read. */
static bool derive(struct doing *d)
{
    const int partition = chance(d->w, 30) ? -1 : (int)draw(d->w, d->w->partitions);
    uint64_t row;

    if (chance(d->w, 50))
        read_rows(d, partition);
    else
        read_where(d, partition);
    row = op_of(d)->digest;
    return write_file(d, (int)draw(d->w, d->w->partitions), &row, 1);
}

/* The rows of the file that the predicate is true for. */
static unsigned matches(struct doing *d, const struct lake_entry *e)
{
    const struct data_file *f = file_of(d, e);
    const struct op *op = op_of(d);
    unsigned found = 0;

    for (int i = 0; i < f->n_rows; i++)
        if (!(marked_of(e) >> i & 1) && model_x(f->rows[i]) >= op->low && model_x(f->rows[i]) <= op->high)
            found |= 1U << i;
    return found;
}

/* One file: by a deletion vector, or written anew without what goes; what is updated is written beside what stays. */
static bool change_file(struct doing *d, const struct lake_entry *e, bool vector, bool update)
{
    const struct data_file f = *file_of(d, e); /* others are added to the model, which may move it */
    const unsigned found = matches(d, e), all = (1U << f.n_rows) - 1;
    uint64_t rows[ROWS_MAX];
    int n = 0;

    if (!found)
        return true;
    vector = vector && (marked_of(e) | found) != all;
    for (int i = 0; i < f.n_rows; i++)
        if (found >> i & 1 && update)
            rows[n++] = fresh_row(d);
        else if (!vector && !((marked_of(e) | found) >> i & 1))
            rows[n++] = f.rows[i];
    if (vector)
        mark_rows(d, e, marked_of(e) | found);
    else
        remove_file(d, e);
    return n == 0 || write_file(d, f.partition, rows, n);
}

static bool change(struct doing *d)
{
    const int partition = chance(d->w, 50) ? -1 : (int)draw(d->w, d->w->partitions);
    const bool vectors = chance(d->w, 50), update = chance(d->w, 60), insert = chance(d->w, 30);

    read_where(d, partition);
    d->change.operation = insert ? "MERGE" : update ? "UPDATE" : "DELETE";
    for (size_t i = 0; i < d->read.n; i++)
        if (d->n_fresh > FRESH_MAX - 2 * ROWS_MAX || !change_file(d, d->read.p[i], vectors, update))
            return false;
    if (insert)
        return write_fresh(d, partition < 0 ? (int)draw(d->w, d->w->partitions) : partition);
    return d->removed.n + d->readds.n > 0;
}

static bool delete_one(struct doing *d)
{
    const int partition = (int)draw(d->w, d->w->partitions);
    const struct lake_entry *e = any_entry(d, partition);

    if (!e)
        return false;
    read_rows(d, partition);
    remove_file(d, e);
    return true;
}

static bool txn(struct doing *d)
{
    snprintf(d->app, sizeof(d->app), "app-%d", (int)draw(d->w, 2));
    d->options.app_id = d->app;
    d->options.app_version = lake_txn_version(d->s, d->app) + 1;
    return write_fresh(d, (int)draw(d->w, d->w->partitions));
}

static bool domain(struct doing *d)
{
    snprintf(d->text, sizeof(d->text), "{\"domain\":\"sim.d\",\"configuration\":\"d%d\",\"removed\":false}", d->number);
    d->domain = d->text;
    d->change.domains = &d->domain;
    d->change.n_domains = 1;
    return true;
}

static void add_metadata(const struct world *w, int counter, struct buf *out)
{
    buf_puts(out, "{\"id\":\"sim\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":");
    json_add_string(out, STR("{\"type\":\"struct\",\"fields\":[{\"name\":\"x\",\"type\":\"long\",\"nullable\":true,"
                             "\"metadata\":{}},{\"name\":\"p\",\"type\":\"string\",\"nullable\":true,"
                             "\"metadata\":{}}]}"));
    buf_puts(out, ",\"partitionColumns\":[\"p\"],\"configuration\":{\"delta.checkpointPolicy\":\"v2\"");
    buf_printf(out, ",\"delta.checkpointInterval\":\"%d\",\"delta.logRetentionDuration\":\"interval %d seconds\"",
               2 + (int)(w->seed % 6), LOG_KEPT_S);
    buf_printf(out, ",\"delta.deletedFileRetentionDuration\":\"interval %d seconds\"", FILES_KEPT_S);
    buf_printf(out, ",\"delta.isolationLevel\":\"%s\"", w->write_serializable ? "WriteSerializable" : "Serializable");
    if (w->in_commit_timestamps)
        buf_puts(out, ",\"delta.enableInCommitTimestamps\":\"true\"");
    buf_printf(out, ",\"sim.counter\":\"c%d\"},\"createdTime\":1700000000000}", counter);
}

static bool property(struct doing *d)
{
    add_metadata(d->w, d->number, &d->metadata);
    d->change.metadata = buf_cstr(&d->metadata);
    return true;
}

static bool create(struct doing *d)
{
    buf_puts(&d->metadata, "");
    property(d);
    snprintf(d->text, sizeof(d->text),
             "{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"v2Checkpoint\",\"deletionVectors\"],"
             "\"writerFeatures\":[\"v2Checkpoint\",\"deletionVectors\",\"inCommitTimestamp\",\"domainMetadata\"%s]}",
             d->w->row_tracking ? ",\"rowTracking\"" : "");
    d->change.protocol = d->text;
    return true;
}

static bool is_live_in(const struct lake_snapshot *s, const struct lake_entry *like)
{
    for (size_t i = 0; i < s->entries.n; i++)
        if (lake_entry_is_live(&s->entries.p[i]) && str_eq(lake_entry_name(&s->entries.p[i]), lake_entry_name(like)) &&
            str_eq(lake_entry_dv_id(&s->entries.p[i]), lake_entry_dv_id(like)))
            return true;
    return false;
}

/* To a version so young that all of its files are kept. */
static bool restore(struct doing *d, struct lake_snapshot **old)
{
    const int64_t back = 1 + (int64_t)draw(d->w, 5), version = d->s->version - back;

    if (version < 0 || d->w->model.versions.p[version].taken_us < d->w->now_us - 40 * US_PER_S ||
        lake_snapshot_open(d->t, version, old, NULL))
        return false;
    read_rows(d, -1);
    op_of(d)->restores = version;
    for (size_t i = 0; i < d->s->entries.n; i++)
        if (lake_entry_is_live(&d->s->entries.p[i]) && !is_live_in(*old, &d->s->entries.p[i]))
            vec_push(&d->removed, &d->s->entries.p[i]);
    for (size_t i = 0; i < (*old)->entries.n; i++)
        if (lake_entry_is_live(&(*old)->entries.p[i]) && !is_live_in(d->s, &(*old)->entries.p[i]))
            vec_push(&d->restored, &(*old)->entries.p[i]);
    return d->removed.n + d->restored.n > 0;
}

static bool prepare(struct doing *d, enum op_kind kind, struct lake_snapshot **old)
{
    static bool (*const how[OP_KINDS])(struct doing *d) = {
        [OP_CREATE] = create,     [OP_APPEND] = append, [OP_REPLACE] = replace,   [OP_DERIVE] = derive,
        [OP_OPTIMIZE] = optimize, [OP_MARK] = mark,     [OP_DELETE] = delete_one, [OP_PROPERTY] = property,
        [OP_TXN] = txn,           [OP_DOMAIN] = domain, [OP_CHANGE] = change,
    };

    return kind == OP_RESTORE ? restore(d, old) : how[kind](d);
}

/* --- one operation ---------------------------------------------------------------------------------------------------
 */

static void finish(struct doing *d, bool ready)
{
    struct error err = {0};
    int64_t version = -1;
    enum ig_code rc;

    d->change.removed = d->removed.p;
    d->change.n_removed = d->removed.n;
    d->change.restored = d->restored.p;
    d->change.n_restored = d->restored.n;
    d->change.readds = d->readds.p;
    d->change.n_readds = d->readds.n;
    if (!ready) {
        lake_new_files_discard(d->t, &d->files);
        op_of(d)->state = OP_NOTHING;
        return;
    }
    if (d->s)
        rc = lake_finish_change(d->t, &d->change, &d->files, IG_OK, &version, &err);
    else
        rc = lake_commit(d->t, &d->change, &version, &err);
    say(d->w, "%d: operation %d: %s", d->p->number, d->number, err.msg);
    model_end(d->w, d->number, rc, version);
    if (rc == IG_CORRUPT || rc == IG_INVALID)
        violation(d->w, "operation %d: %s", d->number, err.msg);
}

static void operate(struct process *p, struct lake_table *t, struct lake_snapshot *s, enum op_kind kind)
{
    struct doing d = {.p = p, .w = p->w, .t = t, .s = s, .number = model_begin(p->w, p, kind)};
    struct lake_snapshot *old = NULL;

    snprintf(d.mark, sizeof(d.mark), "op-%d", d.number);
    op_of(&d)->base = s ? s->version : -1;
    d.options = (struct lake_commit_options){.only_on_version = LAKE_LATEST,
                                             .user_metadata = d.mark,
                                             .max_tries = chance(p->w, 20) ? 2 : 40,
                                             .max_wait_ms = 30000};
    d.change = (struct lake_change){.base = s, .operation = "SIM", .options = &d.options};
    buf_init(&d.metadata, 0);
    /* Files that are written first, and committed long after, are the vacuum's: nobody may sleep there. */
    if (p->w->sleepers && !p->w->healing && kind != OP_RESTORE && chance(p->w, 10)) {
        say(p->w, "%d: sleeps", p->number);
        process_wait(p, (int64_t)(60 + draw(p->w, 240)) * US_PER_S);
    }
    finish(&d, prepare(&d, kind, &old));
    lake_snapshot_free(old);
    buf_release(&d.metadata);
    vec_free(&d.removed);
    vec_free(&d.restored);
    vec_free(&d.read);
    vec_free(&d.readds);
    for (size_t i = 0; i < d.vectors.n; i++)
        free(d.vectors.p[i]);
    vec_free(&d.vectors);
    lake_new_files_free(&d.files);
}

static enum op_kind draw_kind(struct world *w)
{
    static const enum op_kind kinds[] = {OP_APPEND, OP_APPEND,   OP_APPEND,   OP_REPLACE,  OP_DERIVE, OP_DERIVE,
                                         OP_DERIVE, OP_OPTIMIZE, OP_OPTIMIZE, OP_MARK,     OP_DELETE, OP_DELETE,
                                         OP_DELETE, OP_TXN,      OP_TXN,      OP_PROPERTY, OP_DOMAIN, OP_RESTORE,
                                         OP_CHANGE, OP_CHANGE,   OP_CHANGE,   OP_CHANGE};

    return kinds[draw(w, IG_COUNT(kinds))];
}

static void work(struct process *p, struct lake_table *t)
{
    struct lake_snapshot *s = NULL;
    struct error err = {0};
    const int64_t acked = p->w->model.acked;
    const enum ig_code rc = lake_snapshot_open(t, LAKE_LATEST, &s, &err);

    say(p->w, "%d: reads: %s %s", p->number, error_code_name(rc), rc ? err.msg : "");
    if (rc == IG_CORRUPT || (rc == IG_NOT_FOUND && acked >= 0))
        violation(p->w, "process %d cannot read the table: %s", p->number, err.msg);
    else if (rc == IG_NOT_FOUND)
        operate(p, t, NULL, OP_CREATE);
    else if (!rc)
        operate(p, t, s, draw_kind(p->w));
    lake_snapshot_free(s);
}

void writer_run(struct process *p)
{
    struct lake_table *t = NULL;

    if (lake_open(&p->store, NULL, TABLE, &t, NULL))
        return;
    for (; p->work > 0 && !p->dead && !p->w->failed; p->work--) {
        work(p, t);
        if (chance(p->w, 10)) {
            lake_close(t);
            if (lake_open(&p->store, NULL, TABLE, &t, NULL))
                return;
        }
        process_wait(p, (int64_t)draw(p->w, (p->w->slow_paced ? 100 : chance(p->w, 30) ? 40 : 1) * US_PER_S));
    }
    lake_close(t);
}
