/*
 * Who makes shallow clones of the table, several under one name, changes them, and vacuums them: a clone is the version
 * that it was made of, is made once, and takes no file of the table away.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#define OF_TABLE "sim:/" TABLE "/" /* where a clone's names lead */

/* The digest of a clone's files, by the names that they have in the table. */
static uint64_t digest_of(struct world *w, const struct lake_snapshot *s, const char *clone)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < s->entries.n; i++) {
        const struct lake_entry *e = &s->entries.p[i];
        struct str name = lake_entry_name(e);

        if (!lake_entry_is_live(e))
            continue;
        if (!str_has_prefix(name, OF_TABLE)) {
            violation(w, "the clone %s has the file " STR_FMT, clone, STR_ARG(name));
            return 0;
        }
        name.p += strlen(OF_TABLE);
        name.n -= strlen(OF_TABLE);
        sum += model_file_digest(name, lake_entry_dv_id(e));
    }
    return sum;
}

/* Is what was made what was cloned? Others may have made the clone, of another version. */
static void check_clone(struct process *p, struct lake_table *t, int64_t of)
{
    struct lake_snapshot *s = NULL;
    struct error err = {0};
    const enum ig_code rc = lake_snapshot_open(t, 0, &s, &err);

    if (rc == IG_CORRUPT || rc == IG_NOT_FOUND)
        violation(p->w, "the clone %s was made and can not be read: %s", t->path, err.msg);
    if (!rc && digest_of(p->w, s, t->path) != p->w->model.versions.p[of].digest)
        violation(p->w, "the clone %s is not what version %lld was", t->path, (long long)of);
    lake_snapshot_free(s);
}

static void clone(struct process *p, struct lake_table *from, struct lake_table *to, int number)
{
    const struct lake_clone how = {.deep = false};
    struct lake_snapshot *s = NULL;
    struct lake_cloned out;
    struct error err = {0};
    enum ig_code rc = lake_snapshot_open(from, LAKE_LATEST, &s, &err);

    if (!rc) {
        rc = lake_clone(from, s, to, &how, &out, &err);
        say(p->w, "%d: clones version %lld to %s: %s %s", p->number, (long long)s->version, to->path,
            error_code_name(rc), rc ? err.msg : "");
    }
    if (!rc && !p->dead) {
        if (p->w->clones[number]++)
            violation(p->w, "the clone %s was made twice", to->path);
        check_clone(p, to, s->version);
    }
    lake_snapshot_free(s);
}

/* Some of its files go, and all that is not needed by it. */
static void work_on(struct process *p, struct lake_table *t)
{
    const struct lake_vacuum vacuum = {.retention_ms = 0, .force = true, .quiet = true};
    struct lake_new_files none = {0};
    struct lake_vacuumed vacuumed = {0};
    struct lake_snapshot *s = NULL;
    struct error err = {0};
    VEC(const struct lake_entry *) removed = {0};
    int64_t version;
    enum ig_code rc;

    if (lake_snapshot_open(t, LAKE_LATEST, &s, NULL))
        return;
    for (size_t i = 0; i < s->entries.n; i++)
        if (lake_entry_is_live(&s->entries.p[i]) && chance(p->w, 30))
            vec_push(&removed, &s->entries.p[i]);
    {
        struct lake_change change = {
            .base = s, .scope = LAKE_READ_ALL, .removed = removed.p, .n_removed = removed.n, .operation = "DELETE"};

        rc = lake_finish_change(t, &change, &none, IG_OK, &version, &err);
    }
    if (!rc)
        rc = lake_vacuum(t, &vacuum, &vacuumed, &err);
    say(p->w, "%d: works on %s: %s %s", p->number, t->path, error_code_name(rc), rc ? err.msg : "");
    if (rc == IG_CORRUPT || rc == IG_INVALID)
        violation(p->w, "process %d cannot work on %s: %s", p->number, t->path, err.msg);
    vec_free(&removed);
    lake_snapshot_free(s);
}

void cloner_run(struct process *p)
{
    struct lake_table *from = NULL, *to = NULL;

    if (lake_open(&p->store, NULL, TABLE, &from, NULL))
        return;
    for (; p->work > 0 && !p->dead && !p->w->failed; p->work--) {
        const int number = (int)draw(p->w, CLONES);
        char name[8];

        process_wait(p, (int64_t)draw(p->w, 20 * US_PER_S));
        snprintf(name, sizeof(name), "c%d", number);
        if (lake_open(&p->store, NULL, name, &to, NULL))
            break;
        if (chance(p->w, 60))
            clone(p, from, to, number);
        else
            work_on(p, to);
        lake_close(to);
    }
    lake_close(from);
}
