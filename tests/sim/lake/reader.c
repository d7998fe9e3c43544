/*
 * Who reads the table, and who cleans it up.
 */
#include "sim.h"

#include <stdlib.h>

/* --- what a snapshot says against what the version is ------------------------------------------------------------- */

static void check_texts(struct world *w, const struct lake_snapshot *s, const struct version_state *v)
{
    const char *counter = lake_property(s, "sim.counter", "");
    char domain[24] = "";

    if (strcmp(counter, v->property) != 0)
        violation(w, "version %lld is read with the property %s, it has %s", (long long)s->version, counter,
                  v->property);
    for (int i = 0; i < 2; i++) {
        const char app[] = {'a', 'p', 'p', '-', (char)('0' + i), '\0'};

        if (lake_txn_version(s, app) != v->txn[i])
            violation(w, "version %lld is read with %s at %lld, it is at %lld", (long long)s->version, app,
                      (long long)lake_txn_version(s, app), (long long)v->txn[i]);
    }
    for (size_t i = 0; i < s->domains.n; i++)
        if (str_is(s->domains.p[i].name, "sim.d") && !s->domains.p[i].removed) {
            struct buf text;

            buf_init(&text, 0);
            json_member_string(s->domains.p[i].raw, "configuration", &text);
            strncpy(domain, buf_cstr(&text), sizeof(domain) - 1);
            buf_release(&text);
        }
    if (strcmp(domain, v->domain) != 0)
        violation(w, "version %lld is read with the domain \"%s\", it has \"%s\"", (long long)s->version, domain,
                  v->domain);
}

static void check_snapshot(struct world *w, const struct lake_snapshot *s)
{
    const struct version_state *v;
    uint64_t digest = 0;
    int64_t files = 0;

    if (s->version < 0 || s->version >= (int64_t)w->model.versions.n) {
        violation(w, "version %lld is read, there are %zu", (long long)s->version, w->model.versions.n);
        return;
    }
    v = &w->model.versions.p[s->version];
    for (size_t i = 0; i < s->entries.n; i++) {
        if (!lake_entry_is_live(&s->entries.p[i]))
            continue;
        files++;
        digest += model_file_digest(lake_entry_name(&s->entries.p[i]), lake_entry_dv_id(&s->entries.p[i]));
    }
    if (digest != v->digest || files != v->files || (size_t)files != lake_file_count(s))
        violation(w, "version %lld is read with %lld files, it has %lld, or others", (long long)s->version,
                  (long long)files, (long long)v->files);
    check_texts(w, s, v);
}

/* Have the version's files to be there? Those that the next one removed go when the retention has passed since. A
 * removal is as old as its writer's clock says, and a commit may be on its way for a while. */
static bool must_be_there(const struct world *w, int64_t version)
{
    const struct model *m = &w->model;

    return version + 1 >= (int64_t)m->versions.n ||
           m->versions.p[version + 1].taken_us > w->now_us - (FILES_KEPT_S - COMMIT_TAKES_S) * (int64_t)US_PER_S;
}

/* Every file of the version is there, as long as files are kept. */
static void check_files(struct process *p, const struct lake_snapshot *s, unsigned percent)
{
    struct world *w = p->w;
    struct buf name, body;

    buf_init(&name, 0);
    buf_init(&body, 0);
    for (size_t i = 0; i < s->entries.n && !p->dead && !w->failed; i++) {
        const struct lake_entry *e = &s->entries.p[i];

        if (!lake_entry_is_live(e) || !chance(w, percent))
            continue;
        buf_clear(&name);
        buf_clear(&body);
        lake_add_object_name(&name, TABLE, lake_entry_name(e));
        if (store_get(&p->store, buf_cstr(&name), &body, NULL) == IG_NOT_FOUND && must_be_there(w, s->version))
            violation(w, "version %lld has %s, which is not there", (long long)s->version, buf_cstr(&name));
    }
    buf_release(&body);
    buf_release(&name);
}

/* A long scan of one version, while others write and clean up. */
static void stay_with(struct process *p, const struct lake_snapshot *s)
{
    for (int i = 0; i < 4 && !p->dead && !p->w->failed && must_be_there(p->w, s->version); i++) {
        process_wait(p, (int64_t)draw(p->w, 50 * US_PER_S));
        check_files(p, s, 60);
    }
}

/* Has the log to have the version? */
static bool must_be_readable(const struct world *w, int64_t version)
{
    return version < (int64_t)w->model.versions.n &&
           w->model.versions.p[version].taken_us > w->now_us - (LOG_KEPT_S - COMMIT_TAKES_S) * (int64_t)US_PER_S;
}

static void read_once(struct process *p, struct lake_table *t, int64_t version)
{
    const int64_t acked = p->w->model.acked;
    struct lake_snapshot *s = NULL;
    struct error err = {0};
    const enum ig_code rc = lake_snapshot_open(t, version, &s, &err);

    say(p->w, "%d: reads version %lld: %s%s%s", p->number, (long long)version, error_code_name(rc), rc ? ": " : "",
        rc ? err.msg : "");
    if (rc == IG_CORRUPT || (rc == IG_NOT_FOUND && version == LAKE_LATEST && acked >= 0) ||
        (rc && rc != IG_NOT_FOUND && rc != IG_UNAVAILABLE && rc != IG_CANCELLED))
        violation(p->w, "process %d cannot read version %lld: %s", p->number, (long long)version, err.msg);
    if (rc == IG_NOT_FOUND && version != LAKE_LATEST && must_be_readable(p->w, version))
        violation(p->w, "process %d: %s, though the log is kept for longer", p->number, err.msg);
    if (!rc) {
        if (version == LAKE_LATEST && s->version < acked)
            violation(p->w, "process %d reads version %lld, somebody was told %lld before", p->number,
                      (long long)s->version, (long long)acked);
        check_snapshot(p->w, s);
        if (must_be_there(p->w, s->version))
            check_files(p, s, 30);
        if (!p->w->healing && chance(p->w, 15))
            stay_with(p, s);
    }
    lake_snapshot_free(s);
}

void reader_run(struct process *p)
{
    struct lake_table *t = NULL;

    if (lake_open(&p->store, NULL, TABLE, &t, NULL))
        return;
    for (; p->work > 0 && !p->dead && !p->w->failed; p->work--) {
        const bool old = p->w->model.versions.n > 1 && chance(p->w, 20);

        read_once(p, t, old ? (int64_t)draw(p->w, p->w->model.versions.n) : LAKE_LATEST);
        if (chance(p->w, 30)) { /* another handle, with nothing in its cache */
            lake_close(t);
            if (lake_open(&p->store, NULL, TABLE, &t, NULL))
                return;
        }
        process_wait(p, (int64_t)draw(p->w, 20 * US_PER_S));
    }
    lake_close(t);
}

static enum ig_code clean_up(struct process *p, struct lake_table *t, struct error *err)
{
    const struct lake_vacuum vacuum = {.retention_ms = -1, .quiet = true, .lite = chance(p->w, 30)};
    struct lake_cleaned cleaned = {0};
    struct lake_vacuumed vacuumed = {0};
    enum ig_code rc;

    switch (draw(p->w, 4)) {
    case 0:
        rc = lake_checkpoint(t, LAKE_LATEST, err);
        break;
    case 1:
        rc = lake_clean_log(t, false, &cleaned, err);
        break;
    default:
        rc = lake_vacuum(t, &vacuum, &vacuumed, err);
        p->w->vacuumed += vacuumed.files;
    }
    say(p->w, "%d: cleans up: %lld commits, %lld files", p->number, (long long)cleaned.commits,
        (long long)vacuumed.files);
    return rc;
}

void cleaner_run(struct process *p)
{
    struct lake_table *t = NULL;

    if (lake_open(&p->store, NULL, TABLE, &t, NULL))
        return;
    for (; p->work > 0 && !p->dead && !p->w->failed; p->work--) {
        struct error err = {0};
        enum ig_code rc;

        process_wait(p, (int64_t)draw(p->w, 60 * US_PER_S));
        rc = clean_up(p, t, &err);
        say(p->w, "%d: cleaned up: %s %s", p->number, error_code_name(rc), rc ? err.msg : "");
        if (rc == IG_CORRUPT)
            violation(p->w, "process %d cannot clean up: %s", p->number, err.msg);
    }
    lake_close(t);
}
