#include "broker/replay.h"

#include <stdlib.h>

#define READ_BYTES ((size_t)4 << 20)

static enum ig_code replay_batches(const char *p, size_t n, log_replay_fn *each, void *ctx, int64_t *next,
                                   struct error *err)
{
    for (size_t at = 0; at < n;) {
        struct batch_reader r;
        struct batch_record record;
        enum ig_code rc = IG_OK;

        IG_TRY(batch_reader_open(&r, p + at, n - at, err));
        while (!rc && batch_reader_next(&r, &record))
            rc = each(ctx, &record, err);
        at += (size_t)r.batch.bytes;
        *next = r.batch.base_offset + r.batch.last_offset_delta + 1;
        batch_reader_close(&r);
        if (rc)
            return rc;
    }
    return IG_OK;
}

enum ig_code log_replay(struct plog *log, log_replay_fn *each, void *ctx, struct error *err)
{
    int64_t next = log->start;

    while (next < log->durable.offset) {
        struct plog_span span;
        enum ig_code rc;
        char *p;

        IG_TRY(plog_read(log, next, READ_BYTES, true, &span, err));
        if (span.n == 0)
            return error_set(err, IG_CORRUPT, "%s: offset %lld cannot be read", log->dir, (long long)next);
        p = check_malloc(span.n);
        rc = env_read_full(log->env, span.open, span.at, p, span.n, err);
        if (!rc)
            rc = replay_batches(p, span.n, each, ctx, &next, err);
        free(p);
        file_unpin(span.file);
        if (rc)
            return rc;
    }
    return IG_OK;
}
