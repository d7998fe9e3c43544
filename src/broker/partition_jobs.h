/*
 * What is done to partitions beside appending and reading, off the loop's thread: trimming, compaction, repair, and the
 * syncs of those that are not synced before they acknowledge.
 *
 * A job that is under way keeps its partition: one that is removed meanwhile is freed by its last job.
 */
#ifndef BROKER_PARTITION_JOBS_H
#define BROKER_PARTITION_JOBS_H

#include "broker/plog_clean.h"
#include "broker/topic_configs.h"

/* --- of partition.c */
struct partition *partition_new(struct broker *b, struct topic *topic, const struct wire_uuid *id, int32_t index,
                                struct plog_mark *mark);
void partition_use(struct partition *p, struct plog *log);
void partition_replace_log(struct partition *p, struct plog *log);
void partition_wake(struct partition *p);
/* Begins a sync if there is something to be synced now. */
void partition_sync(struct partition *p);
/* A job begins; and has ended: false if the partition is no more. */
void partition_busy(struct partition *p);
bool partition_ready(struct partition *p);

/* --- of partition_jobs.c */
void partition_failed(struct partition *p);
/* It is removed: what waits for a trim hears so, a compaction ends soon. */
void partition_jobs_end(struct partition *p);
/* Every now and then: repairs, and syncs that are due. */
void partitions_tick(struct broker *b);

/* --- of cleaner.c */
struct cleaner;
struct cleaner *cleaner_new(struct broker *b);
void cleaner_free(struct cleaner *c);
void cleaner_tick(struct cleaner *c);
/* `p` NULL: whatever is under way. */
void cleaner_cancel(struct cleaner *c, const struct partition *p);

#endif
