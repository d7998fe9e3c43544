/* A topic on the disk: its folder, and topic.meta, one line a fact. */
#include "broker/topics_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define META_BYTES_MAX (1 << 20)

void topic_path(const struct topics *ts, const char *name, const char *below, char *out, size_t n)
{
    IG_ASSERT((size_t)snprintf(out, n, "%s/%s%s", ts->dir, name, below) < n);
}

void topic_partition_path(const struct topics *ts, const struct topic *t, int32_t index, char *out, size_t n)
{
    char below[16];

    snprintf(below, sizeof(below), "/%d", index);
    topic_path(ts, t->name, below, out, n);
}

void topic_meta_text(const struct topic *t, int32_t partitions, struct buf *b)
{
    buf_init(b, META_BYTES_MAX);
    buf_puts(b, "id=");
    for (size_t i = 0; i < 16; i++)
        buf_printf(b, "%02x", t->id.b[i]);
    buf_printf(b, "\npartitions=%d\n", partitions);
    for (size_t i = 0; i < t->configs.n; i++)
        buf_printf(b, "config.%s=%s\n", t->configs.p[i].name, t->configs.p[i].value);
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

static bool parse_id(struct str s, struct wire_uuid *id)
{
    if (s.n != 32)
        return false;
    for (size_t i = 0; i < 16; i++) {
        const int high = hex_digit(s.p[2 * i]), low = hex_digit(s.p[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        id->b[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool parse_meta_line(struct topic *t, struct str line, int64_t *partitions)
{
    const char *eq = memchr(line.p, '=', line.n);
    struct str name, value;

    if (!eq)
        return line.n == 0;
    name = (struct str){line.p, (size_t)(eq - line.p)};
    value = (struct str){eq + 1, line.n - name.n - 1};
    if (str_is(name, "id"))
        return parse_id(value, &t->id);
    if (str_is(name, "partitions"))
        return str_to_int64(value, 1, TOPIC_PARTITIONS_MAX, partitions);
    if (str_has_prefix(name, "config."))
        topic_config_set(t, (struct str){name.p + 7, name.n - 7}, value);
    return true;
}

enum ig_code topic_meta_read(struct topics *ts, struct topic *t, int64_t *partitions, struct error *err)
{
    char path[4096];
    struct buf b;
    enum ig_code rc;

    topic_path(ts, t->name, "/topic.meta", path, sizeof(path));
    buf_init(&b, META_BYTES_MAX);
    rc = env_read_file(ts->b->env, path, &b, err);
    *partitions = 0;
    for (size_t at = 0; !rc && at < b.n;) {
        const char *eol = memchr(b.p + at, '\n', b.n - at);
        const size_t n = eol ? (size_t)(eol - b.p) - at : b.n - at;

        if (!parse_meta_line(t, (struct str){b.p + at, n}, partitions))
            rc = error_set(err, IG_CORRUPT, "%s: cannot read \"%.*s\"", path, (int)(n < 200 ? n : 200), b.p + at);
        at += n + 1;
    }
    if (!rc && *partitions == 0)
        rc = error_set(err, IG_CORRUPT, "%s says nothing of partitions", path);
    buf_release(&b);
    return rc;
}

enum ig_code topic_make_folders(struct env *env, const char *topic_dir, int32_t from, int32_t to, struct error *err)
{
    IG_TRY(env->ops->make_dir(env, topic_dir, err));
    for (int32_t i = from; i < to; i++) {
        char path[4096];

        snprintf(path, sizeof(path), "%s/%d", topic_dir, i);
        IG_TRY(env->ops->make_dir(env, path, err));
    }
    return IG_OK;
}
