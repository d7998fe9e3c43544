#include "sim.h"

#include <stdlib.h>

void peer_init(struct peer *p, struct world *w, void (*broken)(void *ctx), void *ctx)
{
    *p = (struct peer){.w = w, .broken = broken, .ctx = ctx};
    buf_init(&p->in, 0);
}

static void reply(struct peer *p, struct str frame)
{
    const struct peer_call call = p->calls.p[0];
    const bool flexible = call.version >= call.api->flexible;
    const size_t header = flexible && call.api->key != 18 ? 5 : 4;
    struct arena arena;
    struct error err;
    void *response;

    vec_remove_at(&p->calls, 0);
    if (frame.n < header || (int32_t)wire_load(frame.p, 4) != call.correlation_id) {
        violation(p->w, "an answer to %s has the wrong number", call.api->name);
        return;
    }
    arena_init(&arena);
    if (wire_decode(call.api->response, call.version, flexible, (struct str){frame.p + header, frame.n - header},
                    &arena, &response, &err))
        violation(p->w, "the answer to %s cannot be read: %s", call.api->name, err.msg);
    else
        call.reply(call.ctx, response);
    arena_release(&arena);
}

static void received(void *ctx, const void *bytes, size_t n)
{
    struct peer *p = ctx;
    const struct sim_conn *conn = p->conn;

    buf_add(&p->in, bytes, n);
    while (p->conn == conn && p->in.n >= 4 && p->in.n - 4 >= (size_t)wire_load(p->in.p, 4)) {
        const size_t size = (size_t)wire_load(p->in.p, 4);
        char *frame = check_malloc(size + 1);

        memcpy(frame, p->in.p + 4, size);
        memmove(p->in.p, p->in.p + 4 + size, p->in.n - 4 - size);
        p->in.n -= 4 + size;
        if (p->calls.n == 0)
            violation(p->w, "an answer to nothing");
        else
            reply(p, (struct str){frame, size});
        free(frame);
    }
}

static void closed(void *ctx)
{
    struct peer *p = ctx;

    p->conn = NULL;
    p->calls.n = 0;
    buf_clear(&p->in);
    p->broken(p->ctx);
}

bool peer_connect(struct peer *p)
{
    static const struct env_sim_client client = {received, closed};
    struct error err;

    return env_sim_connect(p->w->env, p->w->port, &client, p, &p->conn, &err) == IG_OK;
}

void peer_call(struct peer *p, int16_t key, int16_t version, const void *request, peer_reply_fn *fn, void *ctx)
{
    const struct api *api = api_find(key);
    const bool flexible = version >= api->flexible;
    struct wire_out out = {0};

    wire_put_int(&out.buf, 0, 4);
    wire_put_int(&out.buf, key, 2);
    wire_put_int(&out.buf, version, 2);
    wire_put_int(&out.buf, ++p->correlation_id, 4);
    wire_put_int(&out.buf, 3, 2);
    buf_puts(&out.buf, "sim");
    if (flexible)
        wire_put_uvarint(&out.buf, 0);
    wire_encode(api->request, version, flexible, request, &out);
    wire_store(out.buf.p, (int64_t)out.buf.n - 4, 4);
    if (fn)
        vec_push(&p->calls, ((struct peer_call){api, version, p->correlation_id, fn, ctx}));
    env_sim_conn_send(p->conn, out.buf.p, out.buf.n);
    buf_release(&out.buf);
}

void peer_drop(struct peer *p)
{
    if (p->conn)
        env_sim_conn_close(p->conn);
    p->conn = NULL;
    p->calls.n = 0;
    buf_clear(&p->in);
}

void peer_release(struct peer *p)
{
    peer_drop(p);
    vec_free(&p->calls);
    buf_release(&p->in);
}
