#include "cli/dlq_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX ((size_t)64 << 20)

extern char **environ;

/* --- a field -------------------------------------------------------------------------------------------------- */

static bool is_json(struct str text)
{
    struct json_reader r;
    struct json_value v;

    json_reader_init(&r, text);
    return json_read(&r, &v) && json_end(&r);
}

/* Puts `with` in the place of n bytes at `at`. */
static void replace_span(struct buf *text, size_t at, size_t n, struct str with)
{
    struct buf out;

    buf_init(&out, text->max);
    buf_add(&out, text->p, at);
    buf_add_str(&out, with);
    buf_add(&out, text->p + at + n, text->n - at - n);
    buf_release(text);
    *text = out;
}

static enum ig_code set_member(struct buf *text, struct str object, const char *name, struct str value)
{
    const char *brace = memchr(object.p, '{', object.n), *inside = brace + 1;
    struct json_value old;

    if (json_member(object, name, &old)) {
        const size_t quotes = old.type == JSON_STRING;

        replace_span(text, (size_t)(old.raw.p - text->p) - quotes, old.raw.n + 2 * quotes, value);
    } else {
        struct buf member;

        buf_init(&member, 0);
        json_add_string(&member, str_of(name));
        buf_putc(&member, ':');
        buf_add_str(&member, value);
        while (strchr(" \t\r\n", *inside))
            inside++;
        if (*inside != '}')
            buf_putc(&member, ',');
        replace_span(text, (size_t)(brace + 1 - text->p), 0, buf_str(&member));
        buf_release(&member);
    }
    return IG_OK;
}

static enum ig_code set_path(struct buf *text, char *path, struct str value, struct error *err)
{
    struct str object = buf_str(text);
    char *dot;

    if (!is_json(object) || object.p[strspn(object.p, " \t\r\n")] != '{')
        return error_set(err, IG_INVALID, "the record is no JSON object, of which a field could be set");
    while ((dot = strchr(path, '.')) != NULL) {
        struct json_value inner;

        *dot = '\0';
        if (!json_member(object, path, &inner) || inner.type != JSON_OBJECT)
            return error_set(err, IG_INVALID, "the record has no object '%s'", path);
        object = inner.raw;
        path = dot + 1;
    }
    return set_member(text, object, path, value);
}

enum ig_code dlq_edit_set(struct buf *text, const char *word, struct error *err)
{
    const char *equals = strchr(word, '=');
    struct buf path, value;
    enum ig_code rc;

    if (!equals || equals == word)
        return error_set(err, IG_INVALID, "--set is FIELD=VALUE, not '%s'", word);
    buf_init(&path, 0);
    buf_init(&value, 0);
    buf_add(&path, word, (size_t)(equals - word));
    if (is_json(str_of(equals + 1)))
        buf_puts(&value, equals + 1);
    else
        json_add_string(&value, str_of(equals + 1));
    rc = set_path(text, path.p, buf_str(&value), err);
    buf_release(&path);
    buf_release(&value);
    return rc;
}

/* --- a command ------------------------------------------------------------------------------------------------ */

static enum ig_code start(const char *command, int fds[2], pid_t *pid, struct error *err)
{
    char sh[] = "sh", flag[] = "-c", *argv[] = {sh, flag, (char *)(uintptr_t)command, NULL};
    posix_spawnattr_t attributes;
    sigset_t defaults;
    int to[2] = {-1, -1}, from[2] = {-1, -1}, e = 0;
    posix_spawn_file_actions_t actions;

    if (pipe2(to, O_CLOEXEC) != 0)
        return error_errno(err, errno, "pipe");
    if (pipe2(from, O_CLOEXEC) != 0) {
        e = errno;
        close(to[0]);
        close(to[1]);
        return error_errno(err, e, "pipe");
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
    posix_spawnattr_init(&attributes); /* a pipe that nobody reads ends the command's own commands, as usual */
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    e = posix_spawn(pid, "/bin/sh", &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    close(to[0]);
    close(from[1]);
    fds[0] = from[0];
    fds[1] = to[1];
    if (e) {
        close(fds[0]);
        close(fds[1]);
        return error_errno(err, e, "/bin/sh");
    }
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    return IG_OK;
}

/* Writes `in` and reads `out` at once, whatever order the command likes. */
static enum ig_code converse(int fds[2], struct str in, struct buf *out, struct error *err)
{
    while (fds[0] >= 0) {
        struct pollfd p[2] = {{.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLOUT}};
        char *room;
        ssize_t n;

        if (fds[1] >= 0 && in.n == 0) {
            close(fds[1]);
            fds[1] = p[1].fd = -1;
        }
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return error_errno(err, errno, "poll");
        if (fds[1] >= 0 && p[1].revents) {
            n = write(fds[1], in.p, in.n);
            if (n < 0 && errno != EAGAIN && errno != EINTR)
                in.n = 0; /* it does not want to know more */
            else if (n > 0)
                in = (struct str){in.p + n, in.n - (size_t)n};
        }
        if (!p[0].revents)
            continue;
        room = buf_reserve(out, 65536);
        if (!room)
            return error_set(err, IG_INVALID, "the command prints more than %zu MB", OUTPUT_MAX >> 20);
        n = read(fds[0], room, 65536);
        if (n > 0)
            out->n += (size_t)n;
        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
            close(fds[0]);
            fds[0] = -1;
        }
    }
    return IG_OK;
}

enum ig_code dlq_edit_run(struct buf *text, const char *command, struct error *err)
{
    const bool had_newline = text->n > 0 && text->p[text->n - 1] == '\n';
    struct buf out;
    int fds[2], status = 0;
    pid_t pid;
    enum ig_code rc = start(command, fds, &pid, err);

    if (rc != IG_OK)
        return rc;
    buf_init(&out, OUTPUT_MAX);
    rc = converse(fds, buf_str(text), &out, err);
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (rc == IG_OK && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        rc = error_set(err, IG_INVALID, "the edit command failed (%s %d)", WIFEXITED(status) ? "exit status" : "signal",
                       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    if (!had_newline && out.n > 0 && out.p[out.n - 1] == '\n')
        out.n--;
    if (rc == IG_OK && out.n == 0)
        rc = error_set(err, IG_INVALID, "the edit command printed nothing");
    if (rc == IG_OK) {
        buf_clear(text);
        buf_add_str(text, buf_str(&out));
    }
    buf_release(&out);
    return rc;
}
