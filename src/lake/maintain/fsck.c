/*
 * FSCK: is everything there that the log names, and as the log says?
 */
#include "lake/maintain/fsck.h"

#include "lake/read/dv.h"
#include "lake/table/features.h"

#include <stdio.h>
#include <stdlib.h>

#define LIST_FROM 50 /* files: more than so many are looked for by listing the table's folder */

void fsck_problem(struct fsck *k, const char *kind, struct str file, const char *fmt, ...)
{
    struct lake_problem p = {.kind = kind};
    char text[1200];
    struct buf name;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    k->out->problems++;
    if (!k->o->each)
        return;
    buf_init(&name, 0);
    buf_add_str(&name, file);
    p.file = buf_cstr(&name);
    p.text = text;
    k->o->each(k->o->ctx, &p);
    buf_release(&name);
}

/* --- files ----------------------------------------------------------------------------------------------------- */

static enum ig_code look_at_vector(struct fsck *k, const struct lake_entry *e, struct error *err)
{
    const int64_t rows = lake_entry_rows(e);
    struct lake_dv *dv = NULL;
    struct error broken = {0};
    const enum ig_code rc = lake_dv_read(k->t->store, k->t->path, lake_entry_dv(e), &dv, &broken);

    k->out->vectors++;
    if (rc == IG_CORRUPT || rc == IG_NOT_FOUND || rc == IG_UNSUPPORTED || rc == IG_INVALID)
        fsck_problem(k, "deletion vector", lake_entry_name(e), "%s", broken.msg);
    else if (rc)
        return error_set(err, rc, "%s", broken.msg);
    else if (rows >= 0 && lake_dv_count(dv) > 0 && lake_dv_last(dv) >= (uint64_t)rows)
        fsck_problem(k, "deletion vector", lake_entry_name(e), "it deletes row %llu of %lld rows",
                     (unsigned long long)lake_dv_last(dv), (long long)rows);
    lake_dv_free(dv);
    return IG_OK;
}

static enum ig_code look_at_file(struct fsck *k, struct lake_presence *p, const struct lake_entry *e, struct error *err)
{
    enum lake_presence_state state = LAKE_FILE_THERE;

    IG_TRY(lake_presence_of(p, lake_entry_name(e), lake_entry_size(e), &state, err));
    k->out->files++;
    k->out->bytes += lake_entry_size(e);
    if (state == LAKE_FILE_MISSING) {
        k->out->missing++;
        vec_push(&k->missing, e);
        fsck_problem(k, "missing", lake_entry_name(e), "the file is not there");
        return IG_OK;
    }
    if (state == LAKE_FILE_OTHER_SIZE)
        fsck_problem(k, "size", lake_entry_name(e), "the file has %lld bytes, the log says %lld",
                     (long long)p->size_bytes, (long long)lake_entry_size(e));
    if (lake_entry_dv(e).n)
        IG_TRY(look_at_vector(k, e, err));
    return k->o->data ? fsck_data(k, e, err) : IG_OK;
}

static enum ig_code look_at_files(struct fsck *k, struct error *err)
{
    const int64_t total = lake_size_bytes(k->s);
    struct lake_presence p;
    enum ig_code rc = lake_presence_open(&p, k->t, lake_file_count(k->s) > LIST_FROM, err);

    for (size_t i = 0; i < k->s->entries.n && !rc; i++) {
        if (!lake_entry_is_live(&k->s->entries.p[i]))
            continue;
        rc = look_at_file(k, &p, &k->s->entries.p[i], err);
        if (k->o->progress)
            k->o->progress(k->o->ctx, "check", k->out->bytes, total);
    }
    lake_presence_close(&p);
    return rc;
}

/* --- repair ---------------------------------------------------------------------------------------------------- */

static enum ig_code repair(struct fsck *k, struct error *err)
{
    struct lake_change change = {
        .base = k->s,
        .scope = LAKE_READ_NOTHING,
        .operation = "FSCK",
        .parameters = "{\"dryRun\":\"false\"}",
        .removed = k->missing.p,
        .n_removed = k->missing.n,
    };
    struct buf metrics;
    enum ig_code rc;

    if (k->missing.n == 0 || k->o->dry_run)
        return IG_OK;
    IG_TRY(lake_check_writable(k->s, false, err));
    buf_init(&metrics, 0);
    buf_printf(&metrics, "{\"numMissingFilesRemoved\":\"%zu\"}", k->missing.n);
    change.metrics = buf_cstr(&metrics);
    rc = lake_commit(k->t, &change, &k->out->version, err);
    k->out->repaired = rc ? 0 : (int64_t)k->missing.n;
    buf_release(&metrics);
    return rc;
}

/* --- all of it ------------------------------------------------------------------------------------------------- */

static enum ig_code check(struct fsck *k, struct error *err)
{
    struct error broken = {0};
    const enum ig_code rc = lake_snapshot_open(k->t, k->o->version, &k->s, &broken);

    if (rc == IG_CORRUPT) {
        fsck_problem(k, "log", (struct str){"", 0}, "%s", broken.msg);
        return IG_OK;
    }
    if (rc)
        return error_set(err, rc, "%s", broken.msg);
    k->out->version = k->s->version;
    IG_TRY(fsck_log(k, err));
    IG_TRY(look_at_files(k, err));
    return k->o->repair ? repair(k, err) : IG_OK;
}

enum ig_code lake_check(struct lake_table *t, const struct lake_check *o, struct lake_checked *out, struct error *err)
{
    struct fsck k = {.t = t, .o = o, .out = out};
    enum ig_code rc;

    *out = (struct lake_checked){.version = -1};
    if (o->repair && o->version != LAKE_LATEST)
        return error_set(err, IG_INVALID, "only the newest version can be repaired");
    rc = check(&k, err);
    vec_free(&k.missing);
    lake_snapshot_free(k.s);
    return rc ? error_context(err, rc, "check %s", *t->path ? t->path : t->store->url) : IG_OK;
}
