/* The option parser, and the help that comes from the same tables. */
#include "cli/cli.h"

#include <stdlib.h>

static const struct cli_option global_options[] = {
    {"project", 'C', "DIR", "the project's folder (default: the nearest one upwards with an ingot.yml)", CLI_TEXT,
     offsetof(struct cli_global, project)},
    {"json", 0, NULL, "print data as JSON, one object a line", CLI_FLAG, offsetof(struct cli_global, json)},
    {"quiet", 'q', NULL, "print data and errors only", CLI_FLAG, offsetof(struct cli_global, quiet)},
    {"verbose", 'v', NULL, "log debug lines", CLI_FLAG, offsetof(struct cli_global, verbose)},
    {"log-level", 0, "LEVEL", "debug, info, warn or error", CLI_TEXT, offsetof(struct cli_global, log_level)},
    {"help", 'h', NULL, "print help", CLI_FLAG, offsetof(struct cli_global, help)},
    {"version", 0, NULL, "print the version", CLI_FLAG, offsetof(struct cli_global, version)},
};

/* One option found in a table, and the struct that its value goes into. */
struct found {
    const struct cli_option *option;
    char *base;
};

struct parser {
    struct cli_context *c;
    const struct cli_verb *verb; /* NULL: before the verb */
    char *into;
    int argc, next;
    char **argv;
};

static struct found find(const struct parser *p, struct str name, char letter)
{
    const struct cli_option *tables[] = {p->verb ? p->verb->options : NULL, global_options};
    const size_t counts[] = {p->verb ? p->verb->n_options : 0, IG_COUNT(global_options)};
    char *bases[] = {p->into, (char *)&p->c->global};

    for (size_t t = 0; t < IG_COUNT(tables); t++)
        for (size_t i = 0; i < counts[t]; i++)
            if (letter ? tables[t][i].letter == letter : str_is(name, tables[t][i].name))
                return (struct found){&tables[t][i], bases[t]};
    return (struct found){0};
}

const char *cli_nearest(const char *word, const char *const *names, size_t n)
{
    const size_t length = strlen(word);
    const size_t near_enough = length < 4 ? 1 : length < 8 ? 2 : 3;
    size_t best = near_enough + 1;
    const char *found = NULL;

    for (size_t i = 0; i < n; i++) {
        const size_t distance = str_distance(str_of(word), str_of(names[i]));

        if (distance < best) {
            best = distance;
            found = names[i];
        }
    }
    return found;
}

static int unknown_option(const struct parser *p, struct str name)
{
    const size_t n_verb = p->verb ? p->verb->n_options : 0;
    const char **names = ARENA_ARRAY(&p->c->arena, const char *, n_verb + IG_COUNT(global_options));
    const char *near;

    for (size_t i = 0; i < n_verb; i++)
        names[i] = p->verb->options[i].name;
    for (size_t i = 0; i < IG_COUNT(global_options); i++)
        names[n_verb + i] = global_options[i].name;
    near = cli_nearest(arena_strndup(&p->c->arena, name.p, name.n), names, n_verb + IG_COUNT(global_options));
    if (near)
        return cli_usage(p->c, "there is no option '--" STR_FMT "'; did you mean '--%s'?", STR_ARG(name), near);
    return cli_usage(p->c, "there is no option '--" STR_FMT "'", STR_ARG(name));
}

static int add_word(struct cli_context *c, struct cli_list *list, const char *value)
{
    const char **grown = ARENA_ARRAY(&c->arena, const char *, list->n + 1);

    if (list->p)
        memcpy(grown, list->p, list->n * sizeof(*grown));
    grown[list->n++] = value;
    list->p = grown;
    return CLI_OK;
}

static int add_to_list(struct cli_context *c, struct cli_list *list, const char *value)
{
    const char *from = value;

    for (;;) {
        const size_t n = strcspn(from, ",");

        if (n > 0)
            add_word(c, list, arena_strndup(&c->arena, from, n));
        if (!from[n])
            return CLI_OK;
        from += n + 1;
    }
}

static int store(struct cli_context *c, struct found f, const char *value)
{
    void *at = f.base + f.option->at;
    int64_t number;
    int32_t days;

    IG_ASSERT(value || f.option->kind == CLI_FLAG);
    switch (f.option->kind) {
    case CLI_FLAG:
        *(bool *)at = true;
        return CLI_OK;
    case CLI_TEXT:
        *(const char **)at = value;
        return CLI_OK;
    case CLI_LIST:
        return add_to_list(c, at, value);
    case CLI_WORDS:
        return add_word(c, at, value);
    case CLI_NUMBER:
        if (!str_to_int64(str_of(value), 0, INT64_MAX, &number))
            return cli_usage(c, "--%s is a whole number, not '%s'", f.option->name, value);
        *(int64_t *)at = number;
        return CLI_OK;
    case CLI_DATE:
        if (!date_parse(str_of(value), &days))
            return cli_usage(c, "--%s is a date like 2024-01-15, not '%s'", f.option->name, value);
        *(int32_t *)at = days;
        return CLI_OK;
    }
    IG_UNREACHABLE("option kind");
}

static int parse_long(struct parser *p, const char *word)
{
    const char *equals = strchr(word, '=');
    const struct str name = {word, equals ? (size_t)(equals - word) : strlen(word)};
    const struct found f = find(p, name, 0);

    if (!f.option)
        return unknown_option(p, name);
    if (!f.option->arg)
        return equals ? cli_usage(p->c, "--%s takes no value", f.option->name) : store(p->c, f, NULL);
    if (equals)
        return store(p->c, f, equals + 1);
    if (p->next == p->argc)
        return cli_usage(p->c, "--%s needs %s", f.option->name, f.option->arg);
    return store(p->c, f, p->argv[p->next++]);
}

/* -v, -qv, -C DIR, -CDIR */
static int parse_short(struct parser *p, const char *letters)
{
    for (; *letters; letters++) {
        const struct found f = find(p, (struct str){0}, *letters);
        int status;

        if (!f.option)
            return cli_usage(p->c, "there is no option '-%c'", *letters);
        if (f.option->arg) {
            if (letters[1])
                return store(p->c, f, letters + 1);
            if (p->next == p->argc)
                return cli_usage(p->c, "-%c needs %s", *letters, f.option->arg);
            return store(p->c, f, p->argv[p->next++]);
        }
        status = store(p->c, f, NULL);
        if (status)
            return status;
    }
    return CLI_OK;
}

/* --- actions ----------------------------------------------------------------------------------------------- */

/* Does the option word take the next word as its value, in any of the verb's actions? */
static bool takes_next(const struct cli_verb *verb, const char *word)
{
    const struct cli_option *tables[32] = {global_options};
    size_t counts[32] = {IG_COUNT(global_options)}, n = 1;
    const bool is_long = word[1] == '-';

    IG_ASSERT(verb->n_actions < IG_COUNT(tables));
    for (size_t i = 0; i < verb->n_actions; i++, n++) {
        tables[n] = verb->actions[i]->options;
        counts[n] = verb->actions[i]->n_options;
    }
    for (size_t t = 0; t < n; t++) {
        for (size_t i = 0; i < counts[t]; i++) {
            const struct cli_option *o = &tables[t][i];

            if (o->arg && (is_long ? strcmp(word + 2, o->name) == 0 : o->letter && word[1] == o->letter && !word[2]))
                return true;
        }
    }
    return false;
}

const struct cli_verb *cli_find_action(const struct cli_verb *verb, int *argc, char **argv, const char **word)
{
    int at = 0;

    *word = NULL;
    while (at < *argc && argv[at][0] == '-' && argv[at][1])
        at += takes_next(verb, argv[at]) ? 2 : 1;
    if (at >= *argc)
        return NULL;
    *word = argv[at];
    for (size_t i = 0; i < verb->n_actions; i++) {
        if (strcmp(strrchr(verb->actions[i]->name, ' ') + 1, argv[at]) != 0)
            continue;
        memmove(&argv[at], &argv[at + 1], (size_t)(*argc - at - 1) * sizeof(*argv));
        --*argc;
        return verb->actions[i];
    }
    return NULL;
}

static void set_defaults(const struct cli_verb *verb, char *into)
{
    for (size_t i = 0; verb && i < verb->n_options; i++) {
        void *at = into + verb->options[i].at;

        if (verb->options[i].kind == CLI_NUMBER)
            *(int64_t *)at = CLI_NUMBER_NONE;
        else if (verb->options[i].kind == CLI_DATE)
            *(int32_t *)at = DATE_NONE;
    }
}

int cli_parse_options(struct cli_context *c, const struct cli_verb *verb, int argc, char **argv, void *into)
{
    struct parser p = {.c = c, .verb = verb, .into = into, .argc = argc, .argv = argv};
    bool only_args = false;

    c->args = ARENA_ARRAY(&c->arena, const char *, (size_t)argc + 1);
    c->n_args = 0;
    set_defaults(verb, into);
    while (p.next < argc) {
        const char *word = argv[p.next++];
        int status = CLI_OK;

        if (only_args || word[0] != '-' || !word[1])
            c->args[c->n_args++] = word;
        else if (strcmp(word, "--") == 0)
            only_args = true;
        else
            status = word[1] == '-' ? parse_long(&p, word + 2) : parse_short(&p, word + 1);
        if (status)
            return status;
    }
    return CLI_OK;
}

/* --- help -------------------------------------------------------------------------------------------------- */

static void print_options(FILE *to, const struct cli_option *options, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct cli_option *o = &options[i];
        char left[64];

        snprintf(left, sizeof(left), "%c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                 o->letter ? "," : " ", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
        fprintf(to, "  %-26s %s\n", left, o->help);
    }
}

void cli_print_help(struct cli_context *c, FILE *to)
{
    size_t n;
    const struct cli_verb *const *all = cli_verbs(&n);

    (void)c;
    fputs("ingot: records from source to warehouse, nothing lost and nothing counted twice\n\n"
          "Usage: ingot [OPTIONS] VERB [OPTIONS] [ARGUMENTS]\n\nVerbs:\n",
          to);
    for (size_t i = 0; i < n; i++)
        fprintf(to, "  %-10s %s\n", all[i]->name, all[i]->summary);
    fputs("\nOptions of every verb:\n", to);
    print_options(to, global_options, IG_COUNT(global_options));
    fputs("\nExit status: 0 done, 1 failed, 2 wrong command line, 78 wrong configuration.\n"
          "'ingot help VERB' says more. To begin: 'ingot init', then 'ingot up'.\n",
          to);
}

static void print_actions(const struct cli_verb *verb, FILE *to)
{
    fprintf(to, "%s\n\nUsage: ingot %s ACTION [OPTIONS] [ARGUMENTS]\n\nActions:\n", verb->summary, verb->name);
    for (size_t i = 0; i < verb->n_actions; i++) {
        const struct cli_verb *action = verb->actions[i];
        char left[64];

        snprintf(left, sizeof(left), "%s%s%s", strrchr(action->name, ' ') + 1, action->args ? " " : "",
                 action->args ? action->args : "");
        fprintf(to, "  %-26s %s\n", left, action->summary);
    }
    if (verb->details)
        fprintf(to, "\n%s\n", verb->details);
    fprintf(to, "\n'ingot help %s ACTION' says more.\n", verb->name);
}

void cli_print_verb_help(struct cli_context *c, const struct cli_verb *verb, FILE *to)
{
    (void)c;
    if (verb->n_actions) {
        print_actions(verb, to);
        return;
    }
    fprintf(to, "%s\n\nUsage: ingot %s%s%s%s\n", verb->summary, verb->name, verb->n_options ? " [OPTIONS]" : "",
            verb->args ? " " : "", verb->args ? verb->args : "");
    if (verb->details)
        fprintf(to, "\n%s\n", verb->details);
    if (verb->n_options) {
        fputs("\nOptions:\n", to);
        print_options(to, verb->options, verb->n_options);
    }
    fputs("\nOptions of every verb:\n", to);
    print_options(to, global_options, IG_COUNT(global_options));
}
