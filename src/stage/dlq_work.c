/*
 * Replaying and discarding dead letters, exactly once.
 *
 * Records and marks go to the log in transactions of one transactional id a DLQ. Beginning with transactions ends what
 * an earlier work left open and fences it off, so the marks that are read behind that are all that there will ever be
 * of it: a letter without a mark then was not replayed.
 */
#include "stage/dlq.h"

#include <stdio.h>
#include <stdlib.h>

#define CHUNK_LETTERS 500
#define CHUNK_BYTES (8 << 20)
#define TRANSACTION_MS 20000 /* readers of committed records wait so long for what a crash left open */

struct work {
    const struct stage_context *x;
    const struct conf_domain *d;
    const struct stage_dlq_work *w;
    struct contract *contract;
    struct log_producer *producer;
    struct dlq_marks marks;
    struct buf value, key, mark;
    VEC(struct log_header) headers;
    size_t n_open, open_bytes; /* in the transaction that is open */
};

/* --- one letter ---------------------------------------------------------------------------------------------- */

/* Headers that the letter or an earlier replay added to the record's own. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {"ingot-reason",    "ingot-field",        "ingot-detail", "ingot-topic",
                                       "ingot-partition", "ingot-offset",       "ingot-stage",  "ingot-timestamp",
                                       "ingot-replay-of", "ingot-replay-letter"};

    for (size_t i = 0; i < IG_COUNT(ours); i++)
        if (strcmp(name, ours[i]) == 0)
            return true;
    return false;
}

static enum ig_code begin(struct work *k, struct error *err)
{
    return k->n_open++ == 0 ? log_transaction_begin(k->producer, err) : IG_OK;
}

static enum ig_code end_chunk(struct work *k, struct error *err)
{
    if (k->n_open == 0)
        return IG_OK;
    IG_TRY(log_transaction_commit(k->producer, err));
    k->n_open = k->open_bytes = 0;
    return IG_OK;
}

static enum ig_code send_record(struct work *k, const struct stage_letter *l, struct str value, struct error *err)
{
    char of[400], letter[400];
    struct log_record r = {.topic = k->d->topic.name,
                           .partition = -1,
                           .timestamp_ms = k->w->stamp_now ? 0 : l->timestamp_ms,
                           .key = l->record->key,
                           .value = value};
    struct log_header from = {"ingot-replay-letter", {letter, 0}}, original = {"ingot-replay-of", {of, 0}};

    k->headers.n = 0;
    for (size_t i = 0; i < l->record->n_headers; i++)
        if (!is_ours(l->record->headers[i].name))
            vec_push(&k->headers, l->record->headers[i]);
    from.value.n = (size_t)snprintf(letter, sizeof(letter), "%s/%d/%lld", k->d->topic.dlq_name, l->record->partition,
                                    (long long)l->record->offset);
    vec_push(&k->headers, from);
    if (l->offset >= 0) {
        const int n = snprintf(of, sizeof(of), STR_FMT "/%lld/%lld", STR_ARG(l->topic), (long long)l->partition,
                               (long long)l->offset);

        original.value.n = n < (int)sizeof(of) ? (size_t)n : sizeof(of) - 1;
        vec_push(&k->headers, original);
    }
    r.headers = k->headers.p;
    r.n_headers = k->headers.n;
    k->open_bytes += value.n;
    return log_produce(k->producer, &r, NULL, err);
}

static void add_member(struct buf *b, const char *name, const char *value)
{
    if (!value)
        return;
    buf_printf(b, ",\"%s\":", name);
    json_add_string(b, str_of(value));
}

static enum ig_code send_mark(struct work *k, const struct stage_letter *l, bool edited, struct error *err)
{
    char now[40];
    struct log_record r = {.topic = STAGE_DLQ_MARKS, .partition = -1};

    buf_clear(&k->key);
    buf_clear(&k->mark);
    dlq_add_mark_key(k->d->topic.dlq_name, l->record->partition, l->record->offset, &k->key);
    buf_printf(&k->mark, "{\"action\":\"%s\"", k->w->discard ? "discarded" : "replayed");
    add_member(&k->mark, "by", k->w->by);
    add_member(&k->mark, "why", k->w->why);
    add_member(&k->mark, "at", timestamp_format(env_now_us(k->x->env), now));
    buf_printf(&k->mark, "%s,\"letter_timestamp\":%lld}", edited ? ",\"edited\":true" : "",
               (long long)l->record->timestamp_ms);
    r.key = buf_str(&k->key);
    r.value = buf_str(&k->mark);
    return log_produce(k->producer, &r, NULL, err);
}

/* May this record, as it is to be sent, be replayed? DONE: yes. */
static enum stage_dlq_outcome judge(const struct work *k, const struct stage_letter *l, struct str value,
                                    struct contract_reject *why)
{
    const int64_t time_ms = k->w->stamp_now ? env_now_ms(k->x->env) : l->timestamp_ms;
    const bool was_stored = str_is(l->stage, "silver");
    int64_t event_us;

    if (!k->w->force && !contract_accepts(k->contract, value, time_ms, &event_us, why))
        return STAGE_DLQ_REFUSED;
    if (was_stored && k->d->contract.n_key == 0 &&
        contract_accepts(k->contract, l->record->value, l->timestamp_ms, &event_us, why)) {
        char date[16];

        snprintf(why->detail, sizeof(why->detail),
                 "the contract takes it now where it is: `ingot run -s %s -d %s` brings it in, and without a key a "
                 "replayed one would be a second",
                 k->d->name, date_format(timestamp_date(event_us), date));
        return STAGE_DLQ_IN_PLACE;
    }
    return STAGE_DLQ_DONE;
}

static void tell(struct work *k, const struct stage_letter *l, enum stage_dlq_outcome outcome, const char *why)
{
    if (k->w->done)
        k->w->done(k->w->ctx, l, outcome, why);
}

/* What the letter's record is to be, in k->value. IG_INVALID: it can not be replayed. */
static enum ig_code make_value(struct work *k, const struct stage_letter *l, struct error *err)
{
    if (str_is(l->reason, "record_too_large"))
        return error_set(err, IG_INVALID, "the letter has only the beginning of the record");
    buf_clear(&k->value);
    buf_add_str(&k->value, l->record->value);
    return k->w->edit ? k->w->edit(k->w->ctx, l, &k->value, err) : IG_OK;
}

static enum ig_code replay(struct work *k, const struct stage_letter *l, struct error *err)
{
    struct contract_reject why = {.reason = ""};
    struct error edit_err = {0};
    const enum ig_code rc = make_value(k, l, &edit_err);
    const bool edited = rc == IG_OK && !str_eq(buf_str(&k->value), l->record->value);
    /* a tombstone stays one */
    const struct str value = !l->record->value.p && !edited ? (struct str){NULL, 0} : buf_str(&k->value);
    enum stage_dlq_outcome outcome;
    char text[512];

    if (rc == IG_INVALID) {
        tell(k, l, STAGE_DLQ_FAILED, edit_err.msg);
        return IG_OK;
    }
    if (rc != IG_OK)
        return error_set(err, rc, "%s", edit_err.msg);
    outcome = judge(k, l, value, &why);
    snprintf(text, sizeof(text), "%s%s%s%s%s", why.reason ? why.reason : "", *why.field ? " " : "", why.field,
             why.reason && *why.reason && *why.detail ? ": " : "", why.detail);
    if (outcome != STAGE_DLQ_DONE || k->w->dry_run) {
        tell(k, l, outcome, outcome == STAGE_DLQ_DONE ? "" : text);
        return IG_OK;
    }
    IG_TRY(begin(k, err));
    IG_TRY(send_record(k, l, value, err));
    IG_TRY(send_mark(k, l, edited, err));
    tell(k, l, STAGE_DLQ_DONE, edited ? "edited" : "");
    return IG_OK;
}

static enum ig_code take_letter(void *ctx, const struct stage_letter *l, struct error *err)
{
    struct work *k = ctx;

    if (l->state != STAGE_LETTER_OPEN || !k->w->wants(k->w->ctx, l))
        return IG_OK;
    if (!k->w->discard) {
        IG_TRY(replay(k, l, err));
    } else {
        if (!k->w->dry_run) {
            IG_TRY(begin(k, err));
            IG_TRY(send_mark(k, l, false, err));
        }
        tell(k, l, STAGE_DLQ_DONE, "");
    }
    return k->n_open >= CHUNK_LETTERS || k->open_bytes >= CHUNK_BYTES ? end_chunk(k, err) : IG_OK;
}

/* --- all of them --------------------------------------------------------------------------------------------- */

static enum ig_code open_producer(struct work *k, struct error *err)
{
    const struct log_topic_spec marks = {.name = STAGE_DLQ_MARKS, .partitions = 1, .retention_ms = -1, .compact = true};
    char id[400];
    const struct log_producer_options o = {.transactional_id = id, .transaction_limit_ms = TRANSACTION_MS};

    snprintf(id, sizeof(id), "ingot-dlq-%s", k->d->topic.dlq_name);
    IG_TRY(log_topic_ensure(k->x->log, &marks, err));
    IG_TRY(log_producer_open(k->x->log, &o, NULL, NULL, &k->producer, err));
    return log_transactions_init(k->producer, err);
}

static enum ig_code run(struct work *k, struct error *err)
{
    enum ig_code rc = contract_new(k->d, &k->contract, err);

    if (rc == IG_OK && !k->w->dry_run)
        rc = open_producer(k, err);
    if (rc == IG_OK) {
        rc = dlq_marks_read(k->x, k->d->topic.dlq_name, k->w->stop, &k->marks, err);
        if (rc == IG_OK)
            rc = dlq_letters_read(k->x, k->d, &k->marks, take_letter, k, k->w->stop, err);
        dlq_marks_free(&k->marks);
    }
    if (rc == IG_CANCELLED && k->n_open > 0) { /* what was told as done is done */
        const enum ig_code end_rc = end_chunk(k, err);

        return end_rc == IG_OK ? error_set(err, IG_CANCELLED, "interrupted") : end_rc;
    }
    return rc == IG_OK ? end_chunk(k, err) : rc;
}

enum ig_code stage_dlq_work(const struct stage_context *x, const struct conf_domain *d,
                            const struct stage_dlq_work *work, struct error *err)
{
    struct work k = {.x = x, .d = d, .w = work};
    enum ig_code rc;

    buf_init(&k.value, 0);
    buf_init(&k.key, 0);
    buf_init(&k.mark, 0);
    rc = run(&k, err);
    if (rc != IG_OK && k.n_open > 0 && log_transaction_abort(k.producer, NULL) != IG_OK)
        log_warn(x->env, "dlq", "%s: the transaction is left to time out", d->topic.dlq_name);
    log_producer_free(k.producer);
    contract_free(k.contract);
    vec_free(&k.headers);
    buf_release(&k.mark);
    buf_release(&k.key);
    buf_release(&k.value);
    return rc ? error_context(err, rc, "%s of %s", work->discard ? "discard letters" : "replay", d->topic.dlq_name)
              : IG_OK;
}
