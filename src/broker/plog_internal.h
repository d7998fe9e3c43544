/* What the files of plog share. */
#ifndef BROKER_PLOG_INTERNAL_H
#define BROKER_PLOG_INTERNAL_H

#include "broker/plog.h"
#include "broker/segment.h"

void plog_start_path(const struct plog *log, char *out, size_t n);
/* Best effort: what is left is removed at the next start. */
void plog_drop_oldest(struct plog *log);
IG_MUST_CHECK enum ig_code plog_drop_newest(struct plog *log, struct error *err);
void plog_ignore_batch(void *ctx, struct segment *s, const struct batch *b);

#endif
