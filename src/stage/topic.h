/*
 * Reading a topic from its first record, or from any offset, to where its end was when the reading began. Private to
 * stage/: for those who look at the log (audit, trace), not for the sink.
 */
#ifndef STAGE_TOPIC_H
#define STAGE_TOPIC_H

#include "stage/stage.h"

struct topic_bound {
    int64_t low, high; /* first offset, the one behind the last record */
    int64_t committed; /* of the sink's group; 0 if it never committed */
};
struct topic_bounds {
    struct topic_bound *p; /* one a partition, in order; free() */
    size_t n, cap;
};
/* IG_NOT_FOUND if there is no such topic. */
IG_MUST_CHECK enum ig_code topic_bounds_read(const struct stage_context *x, const char *topic, struct topic_bounds *out,
                                             struct error *err);

typedef enum ig_code topic_record_fn(void *ctx, const struct log_record *record, struct error *err);
struct topic_reading {
    const struct stage_context *x;
    const char *topic;
    const struct topic_bounds *bounds;
    bool tail; /* only what the sink has not committed yet */
    topic_record_fn *on_record;
    void *ctx;
    const volatile bool *stop; /* may be NULL */
    /* May be NULL. */
    void (*progress)(void *ctx, const char *hop, const char *domain, int64_t done, int64_t total, int64_t elapsed_us);
    void *progress_ctx;
    const char *domain; /* for progress */
};
/* Every record below `high`; IG_UNAVAILABLE if the log falls silent before that. */
IG_MUST_CHECK enum ig_code topic_read(const struct topic_reading *r, struct error *err);

/* The value of a header, {NULL, 0} if there is none. */
struct str topic_header(const struct log_record *record, const char *name);

/* What a letter in a DLQ says about the record that it is about. */
struct topic_letter {
    struct str topic, stage; /* within the record */
    int64_t partition, offset;
};
/* False if it is none of ours, or about something that never was in a topic (a source's line). */
bool topic_read_letter(const struct log_record *record, struct topic_letter *out);

/* The records of one topic that have their letter from one stage, so that none gets a second one. */
struct topic_coordinates {
    int64_t partition, offset;
};
struct topic_letters {
    VEC(struct topic_coordinates) list; /* vec_free() it */
};
/* Adds the record that a letter is about, if the letter is of that stage and about that topic. */
void topic_letters_add(struct topic_letters *l, const struct log_record *record, const char *stage, const char *topic);
/* To be called once all are added, before the first topic_letters_have. */
void topic_letters_sort(struct topic_letters *l);
bool topic_letters_have(const struct topic_letters *l, int64_t partition, int64_t offset);

#endif
