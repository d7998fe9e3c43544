#include "cli/record_input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#define STEP_BYTES ((size_t)1 << 20)
#define IDLE_MS 200

struct stream {
    const struct record_input *in;
    const char *path;
    int fd;
    struct buf bytes; /* from the beginning of the record that is not complete yet */
    int64_t line;
    bool stopped;
};

/* At least one byte more, or *end. */
static enum ig_code read_more(struct stream *s, bool *end, struct error *err)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    char *room = buf_reserve(&s->bytes, STEP_BYTES);
    ssize_t n;

    if (!room)
        return error_set(err, IG_LIMIT, "%s:%lld: a record of more than %zu MB", s->path, (long long)s->line,
                         RECORD_INPUT_MAX >> 20);
    for (;;) {
        const int ready = poll(&p, 1, IDLE_MS);

        if (ready == 0 || (ready < 0 && errno == EINTR)) {
            s->stopped = !s->in->on_idle(s->in->ctx);
            if (s->stopped)
                return IG_OK;
            continue;
        }
        n = read(s->fd, room, STEP_BYTES);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        break;
    }
    if (n < 0)
        return error_errno(err, errno, "%s", s->path);
    s->bytes.n += (size_t)n;
    *end = n == 0;
    return IG_OK;
}

/* Hands out the records that are complete; what is left moves to the front. `from`: where no delimiter is before. */
static void hand_out(struct stream *s, size_t from)
{
    const struct str d = s->in->delimiter;
    size_t begin = 0;

    while (!s->stopped) {
        const char *at = d.n == 1 ? memchr(s->bytes.p + from, d.p[0], s->bytes.n - from)
                                  : memmem(s->bytes.p + from, s->bytes.n - from, d.p, d.n);

        if (!at)
            break;
        s->stopped =
            !s->in->on_record(s->in->ctx, (struct str){s->bytes.p + begin, (size_t)(at - s->bytes.p) - begin}, s->line);
        s->line++;
        begin = from = (size_t)(at - s->bytes.p) + d.n;
    }
    if (begin > 0) {
        memmove(s->bytes.p, s->bytes.p + begin, s->bytes.n - begin);
        s->bytes.n -= begin;
    }
}

static enum ig_code read_all(struct stream *s, struct error *err)
{
    bool end = false;

    while (!end && !s->stopped) {
        const size_t known = s->bytes.n, overlap = s->in->delimiter.n - 1;

        IG_TRY(read_more(s, &end, err));
        if (!s->in->whole && !s->stopped && !end)
            hand_out(s, known > overlap ? known - overlap : 0);
    }
    if (!s->stopped && (s->bytes.n > 0 || s->in->whole))
        (void)s->in->on_record(s->in->ctx, (struct str){s->bytes.p ? s->bytes.p : "", s->bytes.n}, s->line);
    return IG_OK;
}

enum ig_code record_input_read(const struct record_input *in, const char *path, struct error *err)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    struct stream s = {.in = in, .path = is_stdin ? "stdin" : path, .line = 1};
    enum ig_code rc;

    s.fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (s.fd < 0)
        return error_errno(err, errno, "%s", path);
    buf_init(&s.bytes, RECORD_INPUT_MAX);
    rc = read_all(&s, err);
    buf_release(&s.bytes);
    if (!is_stdin)
        close(s.fd);
    return rc;
}
