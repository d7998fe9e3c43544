#include "broker/broker.h"
#include "cli/check_sql.h"
#include "log/log.h"
#include "platform/platform.h"

#include <glob.h>
#include <stdlib.h>

struct check_options {
    bool print;
};

static const struct cli_option options[] = {
    {"print", 0, NULL, "print the configuration in effect, secrets masked", CLI_FLAG,
     offsetof(struct check_options, print)},
};

static const char *source_name(const struct conf_domain *d)
{
    switch (d->source.type) {
    case CONF_SOURCE_GENERATE:
        return d->source.generator;
    case CONF_SOURCE_FILE:
        return "file";
    case CONF_SOURCE_NONE:
        return "none";
    }
    IG_UNREACHABLE("source type");
}

static void print_summary(struct cli_context *c, const struct conf *conf)
{
    static const struct cli_column columns[] = {
        {"Domain", CLI_LEFT},    {"Source", CLI_LEFT},  {"Topic", CLI_LEFT},     {"Date column", CLI_LEFT},
        {"Fields", CLI_NUMERIC}, {"Gold", CLI_NUMERIC}, {"Checks", CLI_NUMERIC},
    };
    struct cli_table t;

    cli_table_init(&t, columns, IG_COUNT(columns));
    for (size_t i = 0; i < conf->n_domains; i++) {
        const struct conf_domain *d = &conf->domains[i];

        cli_table_cell(&t, "%s", d->name);
        cli_table_cell(&t, "%s", source_name(d));
        cli_table_cell(&t, "%s", d->topic.name);
        cli_table_cell(&t, "%s", d->bronze.date_column);
        cli_table_cell(&t, "%zu", d->contract.n_fields);
        cli_table_cell(&t, "%zu", d->n_gold);
        cli_table_cell(&t, "%zu", d->n_checks);
    }
    if (conf->n_domains > 0)
        cli_table_print(c, &t);
    cli_note(c, "%s: no mistakes%s", conf->name,
             conf->n_domains ? "" : ", and no domain yet: a domain is a folder domains/NAME with a domain.yml");
}

/* Files may come later, so this is no mistake; but it is what a first run stumbles over. */
static void note_missing_files(struct cli_context *c, const struct conf *conf)
{
    for (size_t i = 0; i < conf->n_domains; i++)
        for (size_t k = 0; k < conf->domains[i].source.n_paths; k++) {
            const char *path = conf->domains[i].source.paths[k];
            glob_t found = {0};

            if (!strstr(path, "**") && glob(path, 0, NULL, &found) == GLOB_NOMATCH)
                cli_note(c, "note: domain %s: no file matches %s yet", conf->domains[i].name, path);
            globfree(&found);
        }
}

/* Certificates that do not fit their keys; properties that the Kafka client does not know. */
static int check_log_or_say(struct cli_context *c, const struct conf *conf)
{
    struct error err = {0};
    enum ig_code rc = broker_check(c->env, &conf->broker, &err);

    if (rc == IG_OK && str_has_prefix(str_of(conf->log_url), "kafka://"))
        rc = log_url_check(c->env, conf->log_url, &err);
    if (rc == IG_OK)
        return CLI_OK;
    (void)error_context(&err, err.code, "ingot.yml");
    cli_error(c, &err);
    return CLI_CONFIG;
}

/* The options of a URL. Nothing is asked of the store. */
static int check_store_or_say(struct cli_context *c, const struct conf *conf)
{
    struct error err = {0};
    struct store *st = NULL;
    enum ig_code rc;

    if (str_has_prefix(str_of(conf->store_url), "file:"))
        return CLI_OK;
    rc = platform_open_store(c->env, conf, &st, &err);
    store_free(st);
    if (rc == IG_OK)
        return CLI_OK;
    (void)error_context(&err, err.code, "ingot.yml");
    cli_error(c, &err);
    return CLI_CONFIG;
}

struct contracts {
    struct cli_context *c;
    int status;
};

/* An incompatible contract is a mistake of its domain.yml. */
static void say_contract(void *ctx, const struct platform_contract *x)
{
    struct contracts *k = ctx;

    if (x->code == IG_OK)
        return;
    if (x->code != IG_CONFLICT) {
        cli_note(k->c, "note: domain %s: the contract was not compared with what is registered: %s", x->domain->name,
                 x->error.msg);
        return;
    }
    k->status = CLI_CONFIG;
    fprintf(k->c->err, "domains/%s/domain.yml: contract: not %s compatible with what is registered (%s):\n",
            x->domain->name, x->level, x->source);
    for (const char *line = buf_cstr(&x->reasons); *line;) {
        const size_t n = strcspn(line, "\n");

        fprintf(k->c->err, "  %.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
    fprintf(k->c->err,
            "  Readers of older records, or older readers, would break. contract.compatibility says what may "
            "change: NONE lets everything pass.\n");
}

static int check_contracts(struct cli_context *c, const struct conf *conf)
{
    struct contracts k = {c, CLI_OK};

    platform_check_contracts(c->env, conf, say_contract, &k);
    return k.status;
}

static int run_on(struct cli_context *c, const struct check_options *o, const struct conf *conf)
{
    /* All mistakes in one run: a contract that breaks readers often breaks a query, too, and both are to be seen. */
    const int statuses[] = {check_sql_or_say(c, conf), check_log_or_say(c, conf), check_store_or_say(c, conf),
                            check_contracts(c, conf)};
    struct buf text;

    for (size_t i = 0; i < IG_COUNT(statuses); i++)
        if (statuses[i])
            return statuses[i];
    if (o->print) {
        buf_init(&text, 0);
        conf_print(conf, &text);
        fwrite(buf_cstr(&text), 1, text.n, c->out);
        buf_release(&text);
    } else {
        print_summary(c, conf);
        note_missing_files(c, conf);
    }
    return CLI_OK;
}

static int run(struct cli_context *c, const void *parsed)
{
    struct conf *conf;
    int status = cli_load_project(c, &conf);

    if (status == CLI_OK)
        status = run_on(c, parsed, conf);
    conf_free(conf);
    return status;
}

const struct cli_verb cli_verb_check = {
    .name = "check",
    .summary = "Check the project's configuration and SQL, and print all mistakes",
    .details = "Reads ingot.yml, .env, every domain.yml and SQL file, and prints each mistake as\n"
               "FILE:LINE:COLUMN: what is wrong, and what would be right. SQL is bound against the\n"
               "columns that the contracts give. A contract that is not compatible with what was registered\n"
               "(contract.compatibility) is a mistake, too. Nothing is opened, started or written.\n"
               "\n"
               "Exit status 78 if there is a mistake.",
    .options = options,
    .n_options = IG_COUNT(options),
    .options_size = sizeof(struct check_options),
    .run = run,
};
