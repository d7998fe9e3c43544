/*
 * Dead letters: what dlq.c (reading) and dlq_work.c (replaying, discarding) share. Private to stage/.
 */
#ifndef STAGE_DLQ_H
#define STAGE_DLQ_H

#include "stage/topic.h"

/* What was done about one letter. */
struct dlq_mark {
    int32_t partition;
    int64_t offset;
    size_t order;
    enum stage_letter_state state; /* OPEN: the mark was taken back */
    int64_t letter_ms;             /* the letter's time in the log */
    struct str text;
};
struct dlq_marks {
    struct arena arena;
    const char *dlq;
    VEC(struct dlq_mark) list; /* by place */
};
/* All marks of one DLQ. Free `out` in any case. */
IG_MUST_CHECK enum ig_code dlq_marks_read(const struct stage_context *x, const char *dlq, const volatile bool *stop,
                                          struct dlq_marks *out, struct error *err);
void dlq_marks_free(struct dlq_marks *marks);
/* The key of a letter's mark. */
void dlq_add_mark_key(const char *dlq, int32_t partition, int64_t offset, struct buf *out);

void dlq_letter_read(const struct dlq_marks *marks, const struct log_record *record, struct stage_letter *out);
IG_MUST_CHECK enum ig_code dlq_letters_read(const struct stage_context *x, const struct conf_domain *d,
                                            const struct dlq_marks *marks, stage_letter_fn *on_letter, void *ctx,
                                            const volatile bool *stop, struct error *err);

#endif
