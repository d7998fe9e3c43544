/*
 * Requests: from a frame to their handlers, and their answers back into bytes.
 */
#include "broker/conn.h"

#include <stdio.h>
#include <stdlib.h>

void request_free(struct request *r)
{
    for (size_t i = 0; i < r->out.slices.n; i++)
        file_unpin(((struct plog_span *)r->out.slices.p[i].file)->file);
    vec_free(&r->out.slices);
    buf_release(&r->out.buf);
    arena_release(&r->arena);
    free(r->frame);
    memory_give(r->b, r->held_bytes);
    free(r);
}

void request_free_frame(struct request *r)
{
    free(r->frame);
    if (r->frame)
        memory_give(r->b, r->frame_n);
    r->held_bytes -= r->frame ? r->frame_n : 0;
    r->frame = NULL;
    r->body = NULL;
}

const char *request_peer(const struct request *r)
{
    return r->conn ? r->conn->peer : "";
}

void *request_new(struct request *r, const struct wire_type *type, size_t n)
{
    char *items = arena_alloc(&r->arena, type->size * n + 1, alignof(max_align_t));

    for (size_t i = 0; i < n; i++)
        wire_reset(type, items + i * type->size);
    return items;
}

static void request_done(struct request *r)
{
    IG_ASSERT(!r->ready);
    r->ready = true;
    r->gone = NULL;
    if (!r->conn)
        request_free(r);
    else if (r->conn->first == r)
        conn_send_ready(r->conn);
}

static void encode(struct request *r, const void *response)
{
    const bool flexible = r->version >= r->api->flexible;
    struct buf *b = &r->out.buf;

    buf_clear(b);
    r->out.slices.n = 0;
    r->out.slice_bytes = 0;
    wire_put_int(b, 0, 4);
    wire_put_int(b, r->correlation_id, 4);
    if (flexible && r->api->response != &wire_type_api_versions_response) /* read before versions are known */
        wire_put_uvarint(b, 0);
    wire_encode(r->api->response, r->version, flexible, response, &r->out);
    IG_ASSERT(!b->overflow && b->n + r->out.slice_bytes - 4 <= INT32_MAX);
    wire_store(b->p, (int64_t)(b->n + r->out.slice_bytes - 4), 4);
}

/* --- quotas ------------------------------------------------------------------------------------------------- */

enum { KEY_PRODUCE = 0, KEY_FETCH = 1, KEY_CREATE_TOPICS = 19, KEY_DELETE_TOPICS = 20, KEY_CREATE_PARTITIONS = 37 };

/* What counts when it comes: what is behind it on the connection is to wait, too. */
static void charge_begin(struct request *r)
{
    struct quotas *qs = r->b->security->quotas;
    const int16_t key = r->api->key;
    const int64_t now_us = env_monotonic_us(r->b->env);

    if (key == KEY_PRODUCE)
        r->throttle_ms = quotas_charge(qs, QUOTA_PRODUCE, request_user(r), r->client_id, (double)r->frame_n, now_us);
    else if (key == KEY_CREATE_TOPICS || key == KEY_DELETE_TOPICS || key == KEY_CREATE_PARTITIONS)
        r->throttle_ms = quotas_charge(qs, QUOTA_MUTATION, request_user(r), r->client_id, 1, now_us);
    conn_mute(r->conn, r->throttle_ms);
}

/* What is known only now: how much is fetched, how long others like this took. */
static void charge_end(struct request *r)
{
    struct quotas *qs = r->b->security->quotas;
    const int64_t now_us = env_monotonic_us(r->b->env);
    const double bytes = (double)(r->out.buf.n + r->out.slice_bytes);
    int64_t wait_ms = quotas_charge(qs, QUOTA_REQUEST, request_user(r), r->client_id, 0, now_us), more_ms = 0;

    if (r->api->key == KEY_FETCH)
        more_ms = quotas_charge(qs, QUOTA_FETCH, request_user(r), r->client_id, bytes, now_us);
    wait_ms = more_ms > wait_ms ? more_ms : wait_ms;
    conn_mute(r->conn, wait_ms);
    if (wait_ms > r->throttle_ms)
        r->throttle_ms = wait_ms;
}

/* The client is told so. False: the response has no place for it. */
static bool set_throttle(const struct wire_type *type, const void *response, int32_t ms)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        if (type->fields[i].kind == WIRE_int32 && strcmp(type->fields[i].name, "throttle_time_ms") == 0) {
            memcpy((char *)(uintptr_t)response + type->fields[i].offset, &ms, sizeof(ms));
            return true;
        }
    }
    return false;
}

static void throttle(struct request *r, const void *response)
{
    if (r->conn && quotas_count(r->b->security->quotas) > 0)
        charge_end(r);
    if (r->throttle_ms > 0 && response && set_throttle(r->api->response, response, (int32_t)r->throttle_ms))
        encode(r, response);
}

void request_answer(struct request *r, const void *response)
{
    buf_init(&r->out.buf, 0);
    encode(r, response);
    throttle(r, response);
    request_done(r);
}

void request_hang_up(struct request *r)
{
    struct conn *c = r->conn;

    request_drop(r);
    if (c)
        conn_end(c);
}

void request_drop(struct request *r)
{
    r->silent = true;
    throttle(r, NULL);
    request_done(r);
}

struct answer *answer_new(struct request *r, const void *response)
{
    struct answer *a = ARENA_NEW(&r->arena, struct answer);

    *a = (struct answer){r, response, 1};
    return a;
}

void answer_done(struct answer *a)
{
    if (--a->waiting == 0)
        request_answer(a->r, a->response);
}

struct answer_part {
    struct answer *a;
    int16_t *error_code;
    struct str *error_message;
};

void *answer_part(struct answer *a, int16_t *error_code, struct str *error_message)
{
    struct answer_part *part = ARENA_NEW(&a->r->arena, struct answer_part);

    *part = (struct answer_part){a, error_code, error_message};
    a->waiting++;
    return part;
}

void answer_part_done(void *ctx, enum kafka_error e, const struct error *err)
{
    struct answer_part *part = ctx;

    if (e) {
        *part->error_code = (int16_t)e;
        if (part->error_message)
            *part->error_message = str_of(arena_strdup(&part->a->r->arena, err->msg));
    }
    answer_done(part->a);
}

void answer_part_drop(void *ctx)
{
    struct answer_part *part = ctx;

    part->a->waiting--;
}

/* --- requests ------------------------------------------------------------------------------------------------ */

/* An unknown version of ApiVersions is answered in version 0, with what there is. */
static bool answer_unknown_version(struct request *r)
{
    struct wire_api_versions_response *response;

    if (r->api->key != 18)
        return false;
    r->version = 0;
    response = RESPONSE_NEW(r, api_versions_response);
    response->error_code = KAFKA_UNSUPPORTED_VERSION;
    RESPONSE_ITEMS(r, response->keys, api_versions_key, apis_n);
    for (size_t i = 0; i < apis_n; i++)
        response->keys.p[i] = (struct wire_api_versions_key){apis[i].key, apis[i].min, apis[i].max};
    request_answer(r, response);
    return true;
}

static bool parse_request(struct request *r, struct str frame, struct error *err)
{
    struct wire_in in = {(const uint8_t *)frame.p, (const uint8_t *)frame.p + frame.n, false};
    const int16_t key = (int16_t)wire_get_int(&in, 2);
    bool flexible;

    r->version = (int16_t)wire_get_int(&in, 2);
    r->correlation_id = (int32_t)wire_get_int(&in, 4);
    r->api = api_find(key);
    if (!r->api) {
        error_set(err, IG_UNSUPPORTED, "unknown request %d", key);
        return false;
    }
    if (r->version < r->api->min || r->version > r->api->max) {
        error_set(err, IG_UNSUPPORTED, "%s version %d", r->api->name, r->version);
        return r->api->key == 18;
    }
    r->client_id = wire_get_string(&in, false);
    flexible = r->version >= r->api->flexible;
    if (flexible)
        wire_skip_tags(&in);
    if (in.bad) {
        error_set(err, IG_INVALID, "%s: the header is cut off", r->api->name);
        return false;
    }
    r->client_id = arena_str(&r->arena, r->client_id); /* the frame may go before the answer */
    return wire_decode(r->api->request, r->version, flexible, (struct str){(const char *)in.p, (size_t)(in.end - in.p)},
                       &r->arena, &r->body, err) == IG_OK;
}

struct request *request_parse(struct conn *c, char *frame, size_t n, struct error *err)
{
    struct request *r = check_calloc(1, sizeof(*r));

    r->b = c->b;
    r->conn = c;
    r->frame = frame;
    r->frame_n = n;
    arena_init(&r->arena);
    if (!parse_request(r, (struct str){frame, n}, err)) {
        request_free(r);
        return NULL;
    }
    r->held_bytes = n + r->arena.used_bytes;
    memory_take(c->b, r->held_bytes);
    return r;
}

void request_begin(struct request *r)
{
    struct conn *c = r->conn;
    struct quotas *qs = c->b->security->quotas;
    const bool timed = quotas_have(qs, QUOTA_REQUEST);
    const int64_t began_us = timed ? env_monotonic_us(c->b->env) : 0;
    const struct str user = request_user(r);
    char client[256] = "";

    if (quotas_count(qs) > 0)
        charge_begin(r);
    if (timed)
        snprintf(client, sizeof(client), STR_FMT, STR_ARG(r->client_id));
    if (r->body)
        r->api->handle(r); /* and then it may be gone */
    else
        IG_ASSERT(answer_unknown_version(r));
    if (timed) {
        const int64_t now_us = env_monotonic_us(c->b->env);

        (void)quotas_charge(qs, QUOTA_REQUEST, user, str_of(client), (double)(now_us - began_us), now_us);
    }
}
