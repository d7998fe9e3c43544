/*
 * Dead letters and their marks: reading both.
 */
#include "stage/dlq.h"

#include <stdio.h>
#include <stdlib.h>

/* --- marks --------------------------------------------------------------------------------------------------- */

void dlq_add_mark_key(const char *dlq, int32_t partition, int64_t offset, struct buf *out)
{
    buf_printf(out, "%s/%d/%lld", dlq, partition, (long long)offset);
}

/* DLQ/PARTITION/OFFSET */
static bool parse_key(struct str key, const char *dlq, struct dlq_mark *out)
{
    const size_t n = strlen(dlq);
    const char *slash;
    int64_t partition;

    if (key.n <= n || memcmp(key.p, dlq, n) != 0 || key.p[n] != '/')
        return false;
    key = (struct str){key.p + n + 1, key.n - n - 1};
    slash = memchr(key.p, '/', key.n);
    if (!slash || !str_to_int64((struct str){key.p, (size_t)(slash - key.p)}, 0, INT32_MAX, &partition))
        return false;
    out->partition = (int32_t)partition;
    return str_to_int64((struct str){slash + 1, key.n - (size_t)(slash + 1 - key.p)}, 0, INT64_MAX, &out->offset);
}

static enum ig_code take_mark(void *ctx, const struct log_record *record, struct error *err)
{
    struct dlq_marks *marks = ctx;
    struct dlq_mark mark = {.order = marks->list.n};
    struct buf action;

    (void)err;
    if (!record->key.p || !parse_key(record->key, marks->dlq, &mark))
        return IG_OK;
    buf_init(&action, 0);
    if (record->value.p && json_member_string(record->value, "action", &action) &&
        json_member_int64(record->value, "letter_timestamp", &mark.letter_ms)) {
        mark.state = str_is(buf_str(&action), "replayed") ? STAGE_LETTER_REPLAYED : STAGE_LETTER_DISCARDED;
        mark.text = arena_str(&marks->arena, record->value);
    }
    buf_release(&action);
    vec_push(&marks->list, mark);
    return IG_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct dlq_mark *x = a, *y = b;

    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

enum ig_code dlq_marks_read(const struct stage_context *x, const char *dlq, const volatile bool *stop,
                            struct dlq_marks *out, struct error *err)
{
    struct topic_bounds bounds = {0};
    const struct topic_reading reading = {
        .x = x, .topic = STAGE_DLQ_MARKS, .bounds = &bounds, .on_record = take_mark, .ctx = out, .stop = stop};
    size_t n = 0;
    enum ig_code rc;

    *out = (struct dlq_marks){.dlq = dlq};
    arena_init(&out->arena);
    rc = topic_bounds_read(x, STAGE_DLQ_MARKS, &bounds, err);
    if (rc == IG_OK)
        rc = topic_read(&reading, err);
    else if (rc == IG_NOT_FOUND) /* nothing was ever replayed or discarded */
        rc = IG_OK;
    vec_free(&bounds);
    if (out->list.n > 0)
        qsort(out->list.p, out->list.n, sizeof(*out->list.p), by_place);
    for (size_t i = 0; i < out->list.n; i++) { /* the last one of each place counts */
        const struct dlq_mark *m = &out->list.p[i], *next = i + 1 < out->list.n ? m + 1 : NULL;

        if (!next || next->partition != m->partition || next->offset != m->offset)
            out->list.p[n++] = *m;
    }
    out->list.n = n;
    return rc;
}

void dlq_marks_free(struct dlq_marks *marks)
{
    vec_free(&marks->list);
    arena_release(&marks->arena);
}

/* A mark is of this letter only if the letter's time is the same: after a DLQ was deleted, others come to its place. */
static const struct dlq_mark *mark_of(const struct dlq_marks *marks, const struct log_record *r)
{
    size_t low = 0, high = marks->list.n;

    while (low < high) {
        const size_t mid = (low + high) / 2;
        const struct dlq_mark *m = &marks->list.p[mid];

        if (m->partition == r->partition && m->offset == r->offset)
            return m->state != STAGE_LETTER_OPEN && m->letter_ms == r->timestamp_ms ? m : NULL;
        if (m->partition < r->partition || (m->partition == r->partition && m->offset < r->offset))
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* --- letters ------------------------------------------------------------------------------------------------- */

void dlq_letter_read(const struct dlq_marks *marks, const struct log_record *record, struct stage_letter *out)
{
    const struct dlq_mark *mark = mark_of(marks, record);
    struct topic_letter place;

    *out = (struct stage_letter){
        .record = record,
        .reason = topic_header(record, "ingot-reason"),
        .field = topic_header(record, "ingot-field"),
        .detail = topic_header(record, "ingot-detail"),
        .stage = topic_header(record, "ingot-stage"),
        .partition = -1,
        .offset = -1,
        .timestamp_ms = record->timestamp_ms,
    };
    (void)str_to_int64(topic_header(record, "ingot-timestamp"), 0, INT64_MAX, &out->timestamp_ms);
    if (topic_read_letter(record, &place)) {
        out->topic = place.topic;
        out->partition = place.partition;
        out->offset = place.offset;
    }
    if (mark) {
        out->state = mark->state;
        out->mark = mark->text;
    }
}

struct letters {
    const struct dlq_marks *marks;
    stage_letter_fn *on_letter;
    void *ctx;
};

static enum ig_code take_letter(void *ctx, const struct log_record *record, struct error *err)
{
    const struct letters *l = ctx;
    struct stage_letter letter;

    dlq_letter_read(l->marks, record, &letter);
    return l->on_letter(l->ctx, &letter, err);
}

enum ig_code dlq_letters_read(const struct stage_context *x, const struct conf_domain *d, const struct dlq_marks *marks,
                              stage_letter_fn *on_letter, void *ctx, const volatile bool *stop, struct error *err)
{
    struct letters letters = {marks, on_letter, ctx};
    struct topic_bounds bounds = {0};
    const struct topic_reading reading = {
        .x = x, .topic = d->topic.dlq_name, .bounds = &bounds, .on_record = take_letter, .ctx = &letters, .stop = stop};
    enum ig_code rc = topic_bounds_read(x, d->topic.dlq_name, &bounds, err);

    if (rc == IG_OK)
        rc = topic_read(&reading, err);
    else if (rc == IG_NOT_FOUND)
        rc = IG_OK;
    vec_free(&bounds);
    return rc;
}

enum ig_code stage_dlq_read(const struct stage_context *x, const struct conf_domain *d, stage_letter_fn *on_letter,
                            void *ctx, const volatile bool *stop, struct error *err)
{
    struct dlq_marks marks;
    enum ig_code rc = dlq_marks_read(x, d->topic.dlq_name, stop, &marks, err);

    if (rc == IG_OK)
        rc = dlq_letters_read(x, d, &marks, on_letter, ctx, stop, err);
    dlq_marks_free(&marks);
    return rc;
}
