#include "lake/log/seal.h"

#include <stdio.h>
#include <stdlib.h>

#define DIGITS 8
#define CHUNK_BYTES ((size_t)1 << 20)
#define FOOTER_MAX_BYTES ((int64_t)64 << 20)
#define TAIL_BYTES 8 /* the footer's length, PAR1 */

static const char zeros[DIGITS + 1] = "00000000";

/* Where the checksum's digits are, -1: the file has none. */
static enum ig_code find_seal(struct env *env, struct env_file *f, int64_t size, int64_t *at, struct error *err)
{
    /* the key, then the value's field and length in Thrift's compact protocol */
    static const char mark[] = LAKE_SEAL_KEY "\x18\x08";
    enum ig_code rc;
    uint8_t tail[TAIL_BYTES];
    int64_t length;
    char *footer;
    const char *found;

    *at = -1;
    if (size < 12)
        return error_set(err, IG_CORRUPT, "it is no Parquet file");
    IG_TRY(env_read_full(env, f, size - TAIL_BYTES, tail, sizeof(tail), err));
    length = (int64_t)((uint32_t)tail[0] | (uint32_t)tail[1] << 8 | (uint32_t)tail[2] << 16 | (uint32_t)tail[3] << 24);
    if (memcmp(tail + 4, "PAR1", 4) != 0 || length > size - 12)
        return error_set(err, IG_CORRUPT, "it is no Parquet file");
    if (length > FOOTER_MAX_BYTES)
        return IG_OK;
    footer = check_malloc((size_t)length + 1);
    rc = env_read_full(env, f, size - TAIL_BYTES - length, footer, (size_t)length, err);
    found = rc ? NULL : memmem(footer, (size_t)length, mark, sizeof(mark) - 1);
    if (found && footer + length - found >= (int64_t)sizeof(mark) - 1 + DIGITS)
        *at = size - TAIL_BYTES - length + (found - footer) + (int64_t)sizeof(mark) - 1;
    free(footer);
    return rc;
}

static enum ig_code add_range(struct env *env, struct env_file *f, int64_t from, int64_t to, char *chunk, uint32_t *crc,
                              struct error *err)
{
    while (from < to) {
        const size_t n = to - from < (int64_t)CHUNK_BYTES ? (size_t)(to - from) : CHUNK_BYTES;

        IG_TRY(env_read_full(env, f, from, chunk, n, err));
        *crc = hash_crc32c(*crc, chunk, n);
        from += (int64_t)n;
    }
    return IG_OK;
}

/* Of the whole file, with zeros where the checksum is. */
static enum ig_code checksum(struct env *env, struct env_file *f, int64_t size, int64_t at, char out[DIGITS + 1],
                             struct error *err)
{
    char *chunk = check_malloc(CHUNK_BYTES);
    uint32_t crc = 0;
    enum ig_code rc = add_range(env, f, 0, at, chunk, &crc, err);

    crc = hash_crc32c(crc, zeros, DIGITS);
    if (!rc)
        rc = add_range(env, f, at + DIGITS, size, chunk, &crc, err);
    snprintf(out, DIGITS + 1, "%08x", (unsigned)crc);
    free(chunk);
    return rc;
}

enum ig_code lake_seal_file(struct env *env, const char *path, struct error *err)
{
    struct env_file *f = NULL;
    char crc[DIGITS + 1];
    int64_t size, at = -1;
    enum ig_code rc;

    IG_TRY(env_open(env, path, ENV_OPEN_READ | ENV_OPEN_WRITE, &f, err));
    rc = env_size(env, f, &size, err);
    if (!rc)
        rc = find_seal(env, f, size, &at, err);
    if (!rc && at >= 0)
        rc = checksum(env, f, size, at, crc, err);
    if (!rc && at >= 0)
        rc = env_write(env, f, at, crc, DIGITS, err);
    if (!rc)
        env_begin_sync(env, f);
    env_close(env, f);
    return rc ? error_context(err, rc, "%s", path) : IG_OK;
}

static enum ig_code check_open(struct env *env, struct env_file *f, int64_t size, struct error *err)
{
    char said[DIGITS], crc[DIGITS + 1];
    int64_t at;

    IG_TRY(find_seal(env, f, size, &at, err));
    if (at < 0)
        return IG_OK;
    IG_TRY(env_read_full(env, f, at, said, DIGITS, err));
    IG_TRY(checksum(env, f, size, at, crc, err));
    if (memcmp(said, crc, DIGITS) != 0)
        return error_set(err, IG_CORRUPT, "it was changed: it does not match its checksum");
    return IG_OK;
}

enum ig_code lake_seal_check_file(struct env *env, const char *path, int64_t size_bytes, int64_t max_bytes,
                                  int64_t *read_bytes, struct error *err)
{
    struct env_file *f = NULL;
    struct env_stat st;
    enum ig_code rc = env_stat(env, path, &st, err);

    if (rc == IG_NOT_FOUND)
        rc = error_set(err, IG_CORRUPT, "it is not there");
    if (!rc && size_bytes >= 0 && st.size_bytes != size_bytes)
        rc = error_set(err, IG_CORRUPT, "it has %lld bytes, not %lld", (long long)st.size_bytes, (long long)size_bytes);
    if (!rc && st.size_bytes <= max_bytes) {
        rc = env_open(env, path, ENV_OPEN_READ, &f, err);
        if (!rc)
            rc = check_open(env, f, st.size_bytes, err);
        env_close(env, f);
        *read_bytes += st.size_bytes;
    }
    return rc ? error_context(err, rc, "the file %s", path) : IG_OK;
}
