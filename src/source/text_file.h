/*
 * The text of a file, plain or gzip, a piece at a time; a UTF-8 byte order mark in front is passed over.
 */
#ifndef SOURCE_TEXT_FILE_H
#define SOURCE_TEXT_FILE_H

#include "base/base.h"

struct text_file;

IG_MUST_CHECK enum ig_code text_file_open(struct env *env, const char *path, struct text_file **out, struct error *err);
void text_file_close(struct text_file *f); /* NULL is fine */

/* What has been read and not yet been taken; it stays where it is until text_file_more. */
struct str text_file_have(const struct text_file *f);
bool text_file_at_end(const struct text_file *f); /* nothing follows what we have */
/* The first n bytes are done with. */
void text_file_take(struct text_file *f, size_t n);
/* Reads more behind what we have. */
IG_MUST_CHECK enum ig_code text_file_more(struct text_file *f, struct error *err);

#endif
