/*
 * CSV as RFC 4180 has it, and as the world has it: `,`, `;`, tab or `|` (the one that the header has most of), quotes
 * with quotes doubled, LF or CRLF, a line break within quotes. The first line names the columns.
 *
 * A line that is no row (too many or too few fields, quotes that do not match, bytes that are not UTF-8) is given out
 * as it is, and reading goes on with the line behind it: a quote that is never closed costs one line, not the rest of
 * the file.
 */
#ifndef SOURCE_CSV_H
#define SOURCE_CSV_H

#include "base/base.h"

struct csv;

struct csv_row {
    int64_t line; /* number of its first line, from 0 */
    struct str text;
    const char *problem;      /* NULL, or why it is no row */
    const struct str *fields; /* if it is one: as many as there are columns */
};

/* IG_INVALID if there is no header. */
IG_MUST_CHECK enum ig_code csv_open(struct env *env, const char *path, struct csv **out, struct error *err);
void csv_close(struct csv *c);
size_t csv_columns(const struct csv *c);
struct str csv_column(const struct csv *c, size_t i); /* distinct and not empty */
/* The next row, valid until the next call; *end at the end. */
IG_MUST_CHECK enum ig_code csv_next(struct csv *c, struct csv_row *row, bool *end, struct error *err);

#endif
