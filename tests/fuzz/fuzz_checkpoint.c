// links: lake
/* A checkpoint's Parquet file from outside: its rows are applied, or it is refused, within little memory. */
#include "fuzz.h"
#include "lake/log/checkpoint_reader.h"
#include "lake/parquet/parquet.h"

static enum ig_code read_memory(void *ctx, int64_t at, void *p, size_t n, struct error *err)
{
    const struct str *bytes = ctx;

    if (at < 0 || (uint64_t)at > bytes->n || n > bytes->n - (size_t)at)
        return error_set(err, IG_CORRUPT, "it ends");
    memcpy(p, bytes->p + at, n);
    return IG_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};
    const struct parquet_input in = {.read = read_memory, .ctx = &bytes, .size_bytes = (int64_t)size};
    struct lake_snapshot *s = lake_snapshot_new(NULL, "t");
    struct checkpoint_reader r = {.s = s, .says_version = -1};
    enum ig_code rc;

    lake_parser_init(&r.parser, &lake_chunk_new(s)->arena);
    lake_replay_begin(&r.replay, s, LAKE_REPLAY_CHECKPOINT);
    rc = checkpoint_read_input(&r, &in, NULL);
    IG_ASSERT(rc == IG_OK || rc == IG_CORRUPT || rc == IG_UNSUPPORTED || rc == IG_LIMIT);
    (void)!lake_replay_end(&r.replay, NULL);
    vec_free(&r.sidecars);
    vec_free(&r.actions.list);
    lake_parser_release(&r.parser);
    lake_snapshot_free(s);
    return 0;
}
