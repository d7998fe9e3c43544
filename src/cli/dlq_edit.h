/*
 * Changing a dead letter's record before it is replayed.
 */
#ifndef CLI_DLQ_EDIT_H
#define CLI_DLQ_EDIT_H

#include "base/base.h"

/* Sets a field of a JSON object, "a.b" inside of the object a; the rest of the text stays byte for byte. `word` is
 * FIELD=VALUE: VALUE is JSON, or a string that needs no quotes. IG_INVALID if the text does not allow it. */
IG_MUST_CHECK enum ig_code dlq_edit_set(struct buf *text, const char *word, struct error *err);

/* Gives the text to `sh -c command` and takes what that prints. A newline that it adds at the end is taken off.
 * IG_INVALID if it fails, or prints nothing. */
IG_MUST_CHECK enum ig_code dlq_edit_run(struct buf *text, const char *command, struct error *err);

#endif
