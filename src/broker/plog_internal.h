/* What the files of plog share. */
#ifndef BROKER_PLOG_INTERNAL_H
#define BROKER_PLOG_INTERNAL_H

#include "broker/plog.h"
#include "broker/segment.h"

/* Takes the oldest segment out; its files are noted in `gone`, or removed now (NULL). Best effort: what is left is
 * removed at the next start. */
void plog_drop_oldest(struct plog *log, struct plog_gone *gone);
void plog_fail(struct plog *log, const char *why);
IG_MUST_CHECK enum ig_code plog_drop_newest(struct plog *log, struct error *err);
/* "BASE-END.swap": a file that replaces all segments from BASE to END, whatever of them is still there. */
void plog_swap_path(const char *dir, int64_t base, int64_t end, char *out, size_t n);
/* Puts a swap file into its place. Can be repeated. */
IG_MUST_CHECK enum ig_code plog_swap_finish(struct env *env, const char *dir, int64_t base, int64_t end,
                                            struct error *err);
IG_MUST_CHECK enum ig_code plog_cleaned_write(struct env *env, const char *dir, int64_t cleaned, int64_t gaps,
                                              struct error *err);
/* Is there a marker at this offset? */
IG_MUST_CHECK enum ig_code plog_has_marker(struct plog *log, int64_t offset, bool *there, struct error *err);

#endif
