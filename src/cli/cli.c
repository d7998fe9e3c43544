#include "cli/cli.h"

#include "cli/verbs.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define X(name) extern const struct cli_verb cli_verb_##name;
CLI_VERBS(X)
#undef X

const struct cli_verb *const *cli_verbs(size_t *n)
{
    static const struct cli_verb *const all[] = {
#define X(name) &cli_verb_##name,
        CLI_VERBS(X)
#undef X
    };

    *n = IG_COUNT(all);
    return all;
}

const struct cli_verb *cli_find_verb(const char *name)
{
    size_t n;
    const struct cli_verb *const *all = cli_verbs(&n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

/* --- signals: a handler has no argument, so this flag is the one thing that is not handed around ------------- */

static volatile bool stop_asked;

static void on_signal(int number)
{
    if (stop_asked)
        _exit(128 + number);
    stop_asked = true;
}

void cli_catch_signals(struct cli_context *c)
{
    struct sigaction sa = {.sa_handler = on_signal};

    c->stop = &stop_asked;
    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

/* --- the project ------------------------------------------------------------------------------------------ */

enum ig_code cli_find_project(struct cli_context *c, struct buf *folder, struct error *err)
{
    if (c->global.project) {
        buf_puts(folder, c->global.project);
        return buf_check(folder, err, "--project");
    }
    return conf_find_root(c->env, ".", folder, err);
}

int cli_problems(struct cli_context *c, const struct conf_problems *problems)
{
    struct buf line;

    buf_init(&line, 0);
    for (size_t i = 0; i < problems->n; i++) {
        const struct conf_problem *p = &problems->p[i];

        if (!c->global.json) {
            fprintf(c->err, "%s:%d:%d: %s\n", p->file, p->line, p->column, p->text);
            continue;
        }
        buf_clear(&line);
        buf_puts(&line, "{\"file\":");
        json_add_string(&line, str_of(p->file));
        buf_printf(&line, ",\"line\":%d,\"column\":%d,\"error\":", p->line, p->column);
        json_add_string(&line, str_of(p->text));
        buf_puts(&line, "}\n");
        fputs(buf_cstr(&line), c->err);
    }
    buf_release(&line);
    if (!c->global.json)
        fprintf(c->err, "ingot: %zu mistake%s in the project\n", problems->n, problems->n == 1 ? "" : "s");
    return CLI_CONFIG;
}

int cli_load_project(struct cli_context *c, struct conf **out)
{
    struct conf_problems problems = {0};
    struct error err = {0};
    struct buf folder;
    enum ig_code rc;
    int status = CLI_OK;

    *out = NULL;
    buf_init(&folder, 0);
    rc = cli_find_project(c, &folder, &err);
    if (rc == IG_OK)
        rc = conf_load(c->env, buf_cstr(&folder), out, &problems, &err);
    if (problems.n > 0) {
        status = cli_problems(c, &problems);
    } else if (rc != IG_OK) {
        cli_error(c, &err);
        status = rc == IG_INVALID || rc == IG_NOT_FOUND ? CLI_CONFIG : CLI_FAILED;
    } else {
        c->env->log_json = (*out)->log_json;
    }
    conf_problems_free(&problems);
    buf_release(&folder);
    return status;
}

/* --- from words to a verb ---------------------------------------------------------------------------------- */

static int set_log_level(struct cli_context *c)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    const struct cli_global *g = &c->global;
    enum env_log_level level = c->verb->serves ? ENV_LOG_INFO : ENV_LOG_WARN;
    size_t i = 0;

    if (g->verbose)
        level = ENV_LOG_DEBUG;
    else if (g->quiet)
        level = ENV_LOG_ERROR;
    if (g->log_level) {
        while (i < IG_COUNT(names) && strcmp(names[i], g->log_level) != 0)
            i++;
        if (i == IG_COUNT(names))
            return cli_usage(c, "--log-level is debug, info, warn or error, not '%s'", g->log_level);
        level = (enum env_log_level)i;
    }
    c->env->log_level = level;
    return CLI_OK;
}

static int unknown_verb(struct cli_context *c, const char *word)
{
    size_t n;
    const struct cli_verb *const *all = cli_verbs(&n);
    const char **names = ARENA_ARRAY(&c->arena, const char *, n);
    const char *near;

    for (size_t i = 0; i < n; i++)
        names[i] = all[i]->name;
    near = cli_nearest(word, names, n);
    if (near)
        return cli_usage(c, "there is no verb '%s'; did you mean '%s'?", word, near);
    return cli_usage(c, "there is no verb '%s'", word);
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

/* From a verb that has actions to the one that is meant; 0, or the exit status. */
static int choose_action(struct cli_context *c, int *argc, char **argv, bool *done)
{
    const struct cli_verb *verb = c->verb, *action;
    const char **names = ARENA_ARRAY(&c->arena, const char *, verb->n_actions);
    const char *word, *near;

    action = cli_find_action(verb, argc, argv, &word);
    if (action) {
        c->verb = action;
        return CLI_OK;
    }
    for (size_t i = 0; i < verb->n_actions; i++)
        names[i] = strrchr(verb->actions[i]->name, ' ') + 1;
    if (!word && (c->global.help || asks_for_help(*argc, argv))) {
        cli_print_verb_help(c, verb, c->out);
        *done = true;
        return CLI_OK;
    }
    if (!word)
        return cli_usage(c, "'%s' needs an action: see 'ingot help %s'", verb->name, verb->name);
    near = cli_nearest(word, names, verb->n_actions);
    if (near)
        return cli_usage(c, "'%s' has no action '%s'; did you mean '%s'?", verb->name, word, near);
    return cli_usage(c, "'%s' has no action '%s'", verb->name, word);
}

static int run_chosen(struct cli_context *c, int argc, char **argv)
{
    const size_t size = c->verb->options_size ? c->verb->options_size : 1;
    void *options = arena_alloc(&c->arena, size, alignof(max_align_t));
    int status = cli_parse_options(c, c->verb, argc, argv, options);

    if (status)
        return status;
    if (c->global.help) {
        cli_print_verb_help(c, c->verb, c->out);
        return CLI_OK;
    }
    if (c->n_args < c->verb->min_args || c->n_args > c->verb->max_args)
        return cli_usage(c, c->n_args < c->verb->min_args ? "'%s' needs %s" : "'%s' takes %s", c->verb->name,
                         c->verb->args ? c->verb->args : "no arguments");
    status = set_log_level(c);
    return status ? status : c->verb->run(c, options);
}

static int run_verb(struct cli_context *c, int argc, char **argv)
{
    bool done = false;
    const int status = c->verb->n_actions ? choose_action(c, &argc, argv, &done) : CLI_OK;

    return status || done ? status : run_chosen(c, argc, argv);
}

/* Where the verb stands: behind global options, some of which have a value. */
static int verb_position(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-')
            return i;
        if (strcmp(argv[i], "-C") == 0 || strcmp(argv[i], "--project") == 0 || strcmp(argv[i], "--log-level") == 0)
            i++;
    }
    return argc;
}

static int dispatch(struct cli_context *c, int argc, char **argv)
{
    const int at = verb_position(argc, argv);
    int status = cli_parse_options(c, NULL, (at < argc ? at : argc) - 1, argv + 1, NULL);

    if (status)
        return status;
    if (at < argc) {
        c->verb = cli_find_verb(argv[at]);
        return c->verb ? run_verb(c, argc - at - 1, argv + at + 1) : unknown_verb(c, argv[at]);
    }
    if (c->global.version) {
        c->verb = cli_find_verb("version");
        return c->verb->run(c, NULL);
    }
    cli_print_help(c, c->global.help ? c->out : c->err);
    return c->global.help ? CLI_OK : CLI_USAGE;
}

int cli_run(struct env *env, int argc, char **argv, FILE *out, FILE *err)
{
    struct cli_context c = {
        .env = env,
        .program = argc > 0 ? argv[0] : "ingot",
        .out = out,
        .err = err,
        .stop = &stop_asked,
    };
    int status;

    arena_init(&c.arena);
    status = dispatch(&c, argc, argv);
    /* Data that did not reach its reader is a failure, except that a reader like `head` may have had enough. */
    errno = 0;
    if ((fflush(out) != 0 || ferror(out)) && status == CLI_OK && errno != EPIPE && errno != 0)
        status = cli_errorf(&c, "cannot write the output: %s", strerror(errno));
    fflush(err);
    arena_release(&c.arena);
    return status;
}
