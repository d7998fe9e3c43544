/*
 * What tests of the lake have in common: a folder with tables, a connection, and the operations of script.h by their
 * lines.
 */
#ifndef UNIT_LAKE_FIXTURE_H
#define UNIT_LAKE_FIXTURE_H

#include "lake/script.h"
#include "test.h"

struct fixture {
    struct env *env;
    struct script s;
    struct lake_table *t;   /* the table "t", if the test has fixture_setup_table */
    struct error err;       /* of the last operation */
    struct lake_result got; /* for a test's own use, as the next */
    struct buf text;
    char dir[256];
};

int fixture_setup(void **state);
int fixture_setup_table(void **state);
int fixture_teardown(void **state);

/* An operation's result, whose rows nobody wants to see. */
enum ig_code try_line(struct fixture *f, const char *line);

/* An operation that must succeed. */
void run(struct fixture *f, const char *line);
void answer(struct fixture *f, struct buf *out, const char *fmt, ...) IG_PRINTF(3, 4);
void assert_answer(struct fixture *f, const char *line, const char *want);

/* One that must not: it fails so, and says this among other things. */
void assert_refused(struct fixture *f, const char *line, enum ig_code want, const char *message);

#endif
