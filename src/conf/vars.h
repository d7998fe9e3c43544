/*
 * Variables: the environment, and behind it the `.env` beside ingot.yml. As with docker compose, the environment wins.
 */
#ifndef CONF_VARS_H
#define CONF_VARS_H

#include "conf/conf.h"

struct var {
    const char *name, *value;
};
struct vars {
    struct arena *arena; /* the loader's */
    VEC(struct var) from_file;
};

/* Reads .env's text; mistakes are reported with the file's name and line. */
void vars_read(struct vars *vars, const char *file, struct str text, struct conf_problems *problems);
void vars_free(struct vars *vars);
/* NULL if there is no such variable. */
const char *vars_find(const struct vars *vars, const char *name);

/* What is wrong with a text's variables, and at which byte of it. */
struct vars_problem {
    size_t at;
    char text[256];
};
/*
 * Appends `text` with ${NAME} and ${NAME:-default} replaced and $$ as $. *replaced says whether a variable was. False
 * with *why for an unset variable without a default and for what is not one of these forms.
 */
bool vars_expand(const struct vars *vars, struct str text, struct buf *out, bool *replaced, struct vars_problem *why);

#endif
