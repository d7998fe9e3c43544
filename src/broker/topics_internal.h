/* What the files of topics share. */
#ifndef BROKER_TOPICS_INTERNAL_H
#define BROKER_TOPICS_INTERNAL_H

#include "broker/partition_jobs.h"

#define TOPIC_BUCKETS 1024

struct deletion;

struct topics {
    struct broker *b;
    char *dir, *trash;
    struct topic *buckets[TOPIC_BUCKETS], *by_id[TOPIC_BUCKETS]; /* also those that are being made */
    size_t n;
    uint64_t changes;           /* topics made, removed, grown */
    struct deletion *deletions; /* under way */
};

/* --- topics.c */
struct topic *topic_new(struct str name);
void topic_free(struct topic *t, bool remove);                     /* removed ones go when the last job is done */
struct topic *topics_find_any(struct topics *ts, struct str name); /* also one that is being made */
void topics_add(struct topics *ts, struct topic *t);
void topics_take_out(struct topics *ts, struct topic *t);

/* --- topic_store.c */
void topic_path(const struct topics *ts, const char *name, const char *below, char *out, size_t n);
void topic_partition_path(const struct topics *ts, const struct topic *t, int32_t index, char *out, size_t n);
void topic_meta_text(const struct topic *t, int32_t partitions, struct buf *b);
IG_MUST_CHECK enum ig_code topic_meta_read(struct topics *ts, struct topic *t, int64_t *partitions, struct error *err);
/* Of the partitions [from, to). Any thread. */
IG_MUST_CHECK enum ig_code topic_make_folders(struct env *env, const char *topic_dir, int32_t from, int32_t to,
                                              struct error *err);

#endif
