#include "cli/table_make.h"

#include "cli/table_columns.h"
#include "cli/table_show.h"
#include "cli/table_work.h"

/* NAME=VALUE words; 0, or CLI_USAGE. */
static int read_pairs(struct cli_context *c, const struct cli_list *words, const char *what, struct lake_property **out)
{
    *out = ARENA_ARRAY(&c->arena, struct lake_property, words->n + 1);
    for (size_t i = 0; i < words->n; i++) {
        const char *equals = strchr(words->p[i], '=');

        if (!equals || equals == words->p[i])
            return cli_usage(c, "%s, not '%s'", what, words->p[i]);
        (*out)[i] =
            (struct lake_property){arena_strndup(&c->arena, words->p[i], (size_t)(equals - words->p[i])), equals + 1};
    }
    return CLI_OK;
}

/* --- create ----------------------------------------------------------------------------------------------------- */

static int made(struct cli_lake *l, const char *what)
{
    struct lake_snapshot *s = NULL;
    struct error err = {0};

    if (lake_snapshot_open(l->table, LAKE_LATEST, &s, &err))
        return cli_error(l->c, &err);
    if (l->c->global.json)
        fprintf(l->c->out, "{\"version\":%lld,\"files\":%zu}\n", (long long)lake_version(s), lake_file_count(s));
    else
        fprintf(l->c->out, "%s %s: version %lld\n", what, l->shown, (long long)lake_version(s));
    lake_snapshot_free(s);
    return CLI_OK;
}

int table_create(struct cli_lake *l, const struct table_make *m)
{
    struct lake_create_options o = {
        .partition_by = m->partition_by.p,
        .n_partition_by = m->partition_by.n,
        .cluster_by = m->cluster_by.p,
        .n_cluster_by = m->cluster_by.n,
        .comment = m->comment,
        .n_properties = m->properties.n,
    };
    struct lake_property *properties;
    struct error err = {0};
    enum ig_code rc = IG_OK;
    int status = read_pairs(l->c, &m->properties, "a property is NAME=VALUE", &properties);

    o.properties = properties;
    if (status)
        return status;
    if (!m->columns && !m->select)
        return cli_usage(l->c, "create needs columns, as 'id BIGINT NOT NULL, name STRING', or --as SELECT");
    if (m->columns)
        rc = table_columns_read(&l->c->arena, m->columns, &o.columns, &o.n_columns, &err);
    if (!rc)
        rc = m->select ? lake_create_table_as(l->table, m->select, &o, NULL, &err)
                       : lake_create_table(l->table, NULL, &o, &err);
    if (rc == IG_EXISTS && m->if_not_exists) {
        cli_note(l->c, "%s is there already", l->shown);
        return CLI_OK;
    }
    return rc ? cli_error(l->c, &err) : made(l, "created");
}

/* --- convert ---------------------------------------------------------------------------------------------------- */

struct convert_work {
    struct lake_convert o;
    struct lake_converted out;
    struct table_progress progress;
};

static int convert(struct cli_lake *l, void *ctx)
{
    struct convert_work *w = ctx;
    struct error err = {0};
    enum ig_code rc;

    table_progress_begin(l, &w->progress);
    w->o.progress = table_progress;
    w->o.ctx = &w->progress;
    rc = lake_convert(l->table, &w->o, &w->out, &err);
    cli_progress_end(&w->progress.line);
    if (rc)
        return cli_error(l->c, &err);
    if (l->c->global.json) {
        const struct table_figure figures[] = {
            {"version", w->out.version}, {"files", w->out.files}, {"bytes", w->out.bytes}, {"rows", w->out.rows}};

        table_figures_json(l->c, figures, IG_COUNT(figures));
        return CLI_OK;
    }
    fprintf(l->c->out, "%s %s: %s files (%s), %s rows\n", w->o.dry_run ? "could convert" : "converted", l->shown,
            table_count(l->c, w->out.files), table_bytes(l->c, w->out.bytes), table_count(l->c, w->out.rows));
    return CLI_OK;
}

int table_convert(struct cli_lake *l, const struct table_make *m)
{
    struct convert_work w = {
        .o = {.without_stats = m->no_stats, .naive_is_utc = m->utc, .dry_run = m->dry_run},
    };
    struct lake_property *types = ARENA_ARRAY(&l->c->arena, struct lake_property, m->partition_by.n + 1);

    for (size_t i = 0; i < m->partition_by.n; i++) {
        const char *word = m->partition_by.p[i], *blank = strpbrk(word, " :=");

        if (!blank || blank == word)
            return cli_usage(l->c, "--partition-by is a column and its type, as 'day DATE', not '%s'", word);
        types[i] = (struct lake_property){arena_strndup(&l->c->arena, word, (size_t)(blank - word)), blank + 1};
    }
    w.o.partition_types = types;
    w.o.n_partition_types = m->partition_by.n;
    return cli_lake_interruptible(l, convert, &w);
}

/* --- clone ------------------------------------------------------------------------------------------------------ */

int table_clone(struct cli_lake *from, const char *at, const char *to, const struct table_make *m)
{
    struct cli_context *c = from->c;
    struct lake_clone o = {.deep = m->deep, .progress = table_progress};
    struct lake_snapshot *s = NULL;
    struct table_progress progress;
    struct lake_cloned out = {0};
    struct cli_lake target = {.c = c};
    struct error err = {0};
    enum ig_code rc;
    int status = cli_lake_snapshot(from, at, &s);

    if (!status)
        status = cli_lake_open(c, to, CLI_LAKE_ANYWHERE, NULL, &target);
    if (!status) {
        table_progress_begin(from, &progress);
        o.ctx = &progress;
        rc = lake_clone(from->table, s, target.table, &o, &out, &err);
        cli_progress_end(&progress.line);
        if (rc) {
            status = cli_error(c, &err);
        } else if (c->global.json) {
            const struct table_figure figures[] = {{"version", out.version},
                                                   {"files", out.files},
                                                   {"bytes", out.bytes},
                                                   {"copied_files", out.copied_files},
                                                   {"copied_bytes", out.copied_bytes}};

            table_figures_json(c, figures, IG_COUNT(figures));
        } else {
            fprintf(c->out, "%s %s: %s files (%s), %s copied\n", m->deep ? "copied to" : "cloned to", to,
                    table_count(c, out.files), table_bytes(c, out.bytes), table_count(c, out.copied_files));
        }
    }
    lake_snapshot_free(s);
    return cli_lake_close(&target, status);
}

/* --- alter ------------------------------------------------------------------------------------------------------ */

struct alter_run {
    struct cli_lake *l;
    const struct table_alter *a;
    int64_t version;
    int done;
};

static int alter_one(struct alter_run *r, const struct lake_alteration *a)
{
    struct error err = {0};

    if (lake_alter(r->l->table, a, &r->version, &err))
        return cli_error(r->l->c, &err);
    r->done++;
    return CLI_OK;
}

/* One change for each word NAME=VALUE (or NAME), whose parts become column or name, and text. */
static int alter_each(struct alter_run *r, const struct cli_list *words, enum lake_alter_kind kind, bool with_text,
                      bool is_column, const char *what)
{
    struct cli_context *c = r->l->c;
    int status = CLI_OK;

    for (size_t i = 0; i < words->n && !status; i++) {
        struct lake_alteration a = {.kind = kind, .if_exists = r->a->if_exists};
        const char *word = words->p[i], *equals = with_text ? strchr(word, '=') : word + strlen(word);
        const char *name;

        if (!equals || equals == word)
            return cli_usage(c, "%s, not '%s'", what, word);
        name = arena_strndup(&c->arena, word, (size_t)(equals - word));
        a.column = is_column ? name : NULL;
        a.name = is_column ? NULL : name;
        a.text = with_text ? equals + 1 : NULL;
        if (kind == LAKE_RENAME_COLUMN) {
            a.name = a.text;
            a.text = NULL;
        }
        status = alter_one(r, &a);
    }
    return status;
}

static int alter_columns(struct alter_run *r, const struct cli_list *words, enum lake_alter_kind kind)
{
    struct cli_context *c = r->l->c;
    int status = CLI_OK;

    for (size_t i = 0; i < words->n && !status; i++) {
        struct lake_alteration a = {.kind = kind, .if_exists = r->a->if_exists};
        struct error err = {0};

        if (table_columns_read(&c->arena, words->p[i], &a.columns, &a.n_columns, &err))
            return cli_error(c, &err);
        status = alter_one(r, &a);
    }
    return status;
}

static int alter_properties(struct alter_run *r)
{
    struct cli_context *c = r->l->c;
    struct lake_property *set, *unset = ARENA_ARRAY(&c->arena, struct lake_property, r->a->unset.n + 1);
    struct lake_alteration a = {.kind = LAKE_SET_PROPERTIES, .n_properties = r->a->set.n};
    int status = read_pairs(c, &r->a->set, "--set is NAME=VALUE", &set);

    a.properties = set;
    if (!status && a.n_properties)
        status = alter_one(r, &a);
    for (size_t i = 0; i < r->a->unset.n; i++)
        unset[i].key = r->a->unset.p[i];
    a = (struct lake_alteration){.kind = LAKE_UNSET_PROPERTIES,
                                 .properties = unset,
                                 .n_properties = r->a->unset.n,
                                 .if_exists = r->a->if_exists};
    return status || !a.n_properties ? status : alter_one(r, &a);
}

static int alter_clustering(struct alter_run *r)
{
    struct cli_context *c = r->l->c;
    struct lake_column *columns = ARENA_ARRAY(&c->arena, struct lake_column, r->a->cluster_by.n + 1);
    const struct lake_alteration a = {.kind = LAKE_CLUSTER_BY, .columns = columns, .n_columns = r->a->cluster_by.n};

    for (size_t i = 0; i < r->a->cluster_by.n; i++)
        columns[i].name = r->a->cluster_by.p[i];
    return r->a->cluster_by.n || r->a->no_cluster ? alter_one(r, &a) : CLI_OK;
}

static int alter_comment(struct alter_run *r)
{
    const struct lake_alteration a = {.kind = LAKE_SET_COMMENT, .text = r->a->table_comment};

    return r->a->table_comment ? alter_one(r, &a) : CLI_OK;
}

/* In an order in which they do not stand in each other's way. */
static int alter_all(struct alter_run *r)
{
    const struct table_alter *a = r->a;
    int status = alter_each(r, &a->feature, LAKE_ADD_FEATURE, false, false, "--feature is its name");

    if (!status)
        status = alter_properties(r);
    if (!status)
        status = alter_comment(r);
    if (!status)
        status = alter_each(r, &a->no_constraint, LAKE_DROP_CONSTRAINT, false, false, "--drop-constraint is its name");
    if (!status)
        status = alter_columns(r, &a->drop, LAKE_DROP_COLUMNS);
    if (!status)
        status = alter_each(r, &a->rename, LAKE_RENAME_COLUMN, true, true, "--rename is OLD=NEW");
    if (!status)
        status = alter_columns(r, &a->add, LAKE_ADD_COLUMNS);
    if (!status)
        status = alter_columns(r, &a->type, LAKE_CHANGE_TYPE);
    if (!status)
        status = alter_each(r, &a->no_default, LAKE_DROP_DEFAULT, false, true, "--drop-default is a column");
    if (!status)
        status = alter_each(r, &a->defaults, LAKE_SET_DEFAULT, true, true, "--default is COLUMN=EXPRESSION");
    if (!status)
        status = alter_each(r, &a->nullable, LAKE_DROP_NOT_NULL, false, true, "--nullable is a column");
    if (!status)
        status = alter_each(r, &a->not_null, LAKE_SET_NOT_NULL, false, true, "--not-null is a column");
    if (!status)
        status = alter_each(r, &a->comment, LAKE_SET_COMMENT, true, true, "--column-comment is COLUMN=TEXT");
    if (!status)
        status = alter_each(r, &a->constraint, LAKE_ADD_CONSTRAINT, true, false, "--constraint is NAME=EXPRESSION");
    if (!status)
        status = alter_each(r, &a->no_feature, LAKE_DROP_FEATURE, false, false, "--drop-feature is its name");
    return status ? status : alter_clustering(r);
}

int table_alter(struct cli_lake *l, const struct table_alter *a)
{
    struct alter_run r = {.l = l, .a = a, .version = -1};
    const int status = alter_all(&r);

    if (status)
        return status;
    if (!r.done)
        return cli_usage(l->c, "alter needs to be told what: see 'ingot help table alter'");
    if (l->c->global.json)
        fprintf(l->c->out, "{\"version\":%lld}\n", (long long)r.version);
    else
        fprintf(l->c->out, "altered %s: version %lld\n", l->shown, (long long)r.version);
    return CLI_OK;
}
