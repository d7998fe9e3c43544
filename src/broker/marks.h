/*
 * How far each partition's log is durable, for the recovery to tell a torn tail from damage: one file of fixed slots,
 * written over in place after each sync. Slots are not synced themselves: an old mark is still true.
 */
#ifndef BROKER_MARKS_H
#define BROKER_MARKS_H

#include "broker/plog.h"

struct marks;

/* Reads what a former broker left; slots without a right checksum are as good as none. */
IG_MUST_CHECK enum ig_code marks_open(struct env *env, const char *path, struct marks **out, struct error *err);
void marks_close(struct marks *ms);
/* The mark of a partition as found (base -1: none), and its slot from now on. */
struct plog_mark marks_claim(struct marks *ms, const struct wire_uuid *topic, int32_t partition, size_t *slot);
void marks_set(struct marks *ms, size_t slot, const struct plog_mark *mark);
void marks_drop(struct marks *ms, size_t slot);
/* Tries again what could not be written: call it every now and then. */
void marks_retry(struct marks *ms);
/* Makes durable what was set: afterwards no older mark can come back. From any thread. IG_UNAVAILABLE: some of it
 * could not even be written. */
IG_MUST_CHECK enum ig_code marks_sync(struct marks *ms, struct error *err);
/* When every partition is open: writes the file anew, durably, without the slots of partitions that are gone; then it
 * can be updated. */
IG_MUST_CHECK enum ig_code marks_begin(struct marks *ms, struct error *err);

#endif
