#include "cli/query_place.h"

#include <stdlib.h>
#include <unistd.h>

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* A plain path, or file:PATH, file:///PATH and file://localhost/PATH with %XX resolved. */
static enum ig_code path_of_place(struct arena *a, const char *place, const char **out, struct error *err)
{
    char *path, *to;

    if (!str_has_prefix(str_of(place), "file:")) {
        *out = place;
        return IG_OK;
    }
    place += strlen("file:");
    if (str_has_prefix(str_of(place), "//localhost/"))
        place += strlen("//localhost");
    else if (str_has_prefix(str_of(place), "///"))
        place += 2;
    else if (str_has_prefix(str_of(place), "//"))
        return error_set(err, IG_INVALID, "delta('file:%s'): a file has no host; write file:///PATH", place);
    path = to = arena_strdup(a, place);
    for (const char *p = path; *p; p++) {
        const int high = *p == '%' ? hex_digit(p[1]) : -1, low = high >= 0 ? hex_digit(p[2]) : -1;

        if (low >= 0) {
            *to++ = (char)(high << 4 | low);
            p += 2;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
    *out = path;
    return IG_OK;
}

/* The folder's path from the root on. One that is to be made is not there yet. */
static char *whole_path(const char *path, bool create)
{
    char *there = realpath(path, NULL), *here;
    struct buf whole;

    if (there || !create)
        return there;
    buf_init(&whole, 0);
    if (path[0] != '/') {
        here = realpath(".", NULL);
        buf_printf(&whole, "%s/", here ? here : ".");
        free(here);
    }
    buf_puts(&whole, path);
    while (whole.n > 1 && whole.p[whole.n - 1] == '/')
        whole.p[--whole.n] = '\0';
    return buf_take(&whole);
}

static enum ig_code open_folder(struct env *env, struct arena *a, const char *place, bool create,
                                struct query_place *out, struct error *err)
{
    const char *path = NULL;
    char *folder, *slash;
    enum ig_code rc;

    IG_TRY(path_of_place(a, place, &path, err));
    folder = whole_path(path, create);
    if (!folder)
        return error_set(err, IG_NOT_FOUND, "delta('%s'): there is no such folder", place);
    slash = strrchr(folder, '/');
    if (!slash || !slash[1]) {
        free(folder);
        return error_set(err, IG_INVALID, "delta('%s') is no table", place);
    }
    /* A table that is there is the whole store: the folder that it is in may be another's, or of another disk. */
    out->path = create ? arena_strdup(a, slash + 1) : "";
    if (create)
        *slash = '\0';
    rc = store_open(env, arena_printf(a, "file:%s/", folder), &out->store, err);
    free(folder);
    return rc ? error_context(err, rc, "delta('%s')", place) : IG_OK;
}

static bool is_remote(const char *place)
{
    return str_has_prefix(str_of(place), "s3://") || str_has_prefix(str_of(place), "s3a://") ||
           str_has_prefix(str_of(place), "gs://");
}

enum ig_code query_place_open(struct env *env, struct store *project, struct arena *a, const char *place, bool create,
                              struct query_place *out, struct error *err)
{
    enum ig_code rc;

    out->owned = true;
    if (!is_remote(place)) {
        if (strstr(place, "://") && !str_has_prefix(str_of(place), "file://"))
            return error_set(err, IG_UNSUPPORTED,
                             "delta('%s'): a table is a path, file:///PATH, s3://BUCKET/PATH or gs://BUCKET/PATH",
                             place);
        return open_folder(env, a, place, create, out, err);
    }
    out->path = "";
    out->owned = !project;
    rc = project ? store_elsewhere(project, place, &out->store, err) : store_open(env, place, &out->store, err);
    return rc ? error_context(err, rc, "delta('%s')", place) : IG_OK;
}
