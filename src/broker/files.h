/*
 * The log's files, of which only so many are open at a time: a file is opened when it is pinned, and the one unused for
 * longest is closed to make room. May be used from any thread (recovery runs on several); what a pin gives out may be
 * used elsewhere until it is unpinned.
 */
#ifndef BROKER_FILES_H
#define BROKER_FILES_H

#include "base/base.h"

struct files;
struct file;

struct files *files_new(struct env *env, size_t max_open);
void files_free(struct files *fs); /* every file is released by then */

struct file *file_new(struct files *fs, const char *path);
const char *file_path(const struct file *f);
/* Opens it (for reading and writing) if need be. `create`: makes it, empty. */
IG_MUST_CHECK enum ig_code file_pin(struct file *f, bool create, struct env_file **out, struct error *err);
void file_unpin(struct file *f);
/* It has another name now. Only while it is pinned by the caller, so that nobody opens it by its old one. */
void file_renamed(struct file *f, const char *path);
/* The owner is through with it; it goes when its last pin does. */
void file_release(struct file *f);

#endif
