/* A command with its output in memory. */
#ifndef TEST_CLI_TERMINAL_H
#define TEST_CLI_TERMINAL_H

#include "cli/cli.h"

struct terminal {
    struct env *env;
    struct cli_context c; /* for the functions that take one */
    char *out, *err;      /* what was printed, after terminal_read */
    size_t n_out, n_err;
    char folder[64]; /* empty, for files */
};

void terminal_begin(struct terminal *t);
void terminal_end(struct terminal *t);
/* What has been printed up to now. */
const char *terminal_out(struct terminal *t);
const char *terminal_err(struct terminal *t);
/* Forgets it. */
void terminal_clear(struct terminal *t);
/* Runs `ingot WORDS...` (split at blanks) with only its own output; gives the exit status. */
int terminal_run(struct terminal *t, const char *words);
void terminal_write(struct terminal *t, const char *rel, const char *text);

#endif
