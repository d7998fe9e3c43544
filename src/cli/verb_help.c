#include "cli/cli.h"

static int run(struct cli_context *c, const void *options)
{
    const struct cli_verb *verb;

    (void)options;
    if (c->n_args == 0) {
        cli_print_help(c, c->out);
        return CLI_OK;
    }
    verb = cli_find_verb(c->args[0]);
    if (!verb)
        return cli_usage(c, "there is no verb '%s'", c->args[0]);
    if (c->n_args == 2) {
        const char *word;
        char *words[] = {arena_strdup(&c->arena, c->args[1])};
        int n = 1;
        const struct cli_verb *action = verb->n_actions ? cli_find_action(verb, &n, words, &word) : NULL;

        if (!action)
            return cli_usage(c, "'%s' has no action '%s'", verb->name, c->args[1]);
        verb = action;
    }
    cli_print_verb_help(c, verb, c->out);
    return CLI_OK;
}

const struct cli_verb cli_verb_help = {
    .name = "help",
    .summary = "Print help on ingot or on one verb",
    .args = "[VERB [ACTION]]",
    .max_args = 2,
    .run = run,
};
