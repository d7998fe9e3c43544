/*
 * Table operations as lines of text, so that tests, also those of foreign engines, can say what is to be done:
 *
 *   create  TABLE | partition,columns | SELECT
 *   append  TABLE | options | SELECT
 *   replace TABLE | col=value,col=value;col=value,... | SELECT
 *   merge   TABLE | key,columns | col=value,... [delete] | SELECT
 *   scan    TABLE[@VERSION] | col=value,... | query over `t`
 *   rows    the same, with row ids
 *   files   TABLE[@VERSION]
 *   checkpoint TABLE@VERSION
 *   make, alter: script_schema.h
 *   sql     STATEMENT
 */
#ifndef TEST_LAKE_SCRIPT_H
#define TEST_LAKE_SCRIPT_H

#include "lake/lake.h"

struct script {
    struct env *env;
    struct store *store;
    struct engine *engine;
    struct engine_conn *conn;
};

enum ig_code script_open(struct script *s, struct env *env, const char *folder, struct error *err);
void script_close(struct script *s);
/* Runs one line; appends what it answers: JSON lines. */
enum ig_code script_run(struct script *s, const char *line, struct buf *out, struct error *err);

#endif
