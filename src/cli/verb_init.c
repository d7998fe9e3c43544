#include "cli/cli.h"

#include "cli/init_templates.h"

#include <stdlib.h>
#include <unistd.h>

#define FILE_MAX ((size_t)256 << 20)

struct init {
    struct cli_context *c;
    const char *target; /* the new project's folder */
    struct error err;
    VEC(const char *) made, kept;
};

/* --- writing -------------------------------------------------------------------------------------------------- */

/* Never over a file that is there. */
static enum ig_code write_file(struct init *in, const char *rel, struct str content)
{
    const char *path = arena_printf(&in->c->arena, "%s/%s", in->target, rel);
    char *folder = arena_strdup(&in->c->arena, path);
    struct env *env = in->c->env;
    struct env_file *f;
    enum ig_code rc;

    *strrchr(folder, '/') = 0;
    IG_TRY(env_make_dirs(env, folder, &in->err));
    rc = env_open(env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE, &f, &in->err);
    if (rc == IG_EXISTS) {
        vec_push(&in->kept, arena_strdup(&in->c->arena, rel));
        return IG_OK;
    }
    if (rc != IG_OK)
        return rc;
    rc = env_write(env, f, 0, content.p, content.n, &in->err);
    env_close(env, f);
    if (rc == IG_OK)
        vec_push(&in->made, arena_strdup(&in->c->arena, rel));
    return rc;
}

static enum ig_code write_minimal(struct init *in)
{
    for (size_t i = 0; i < init_minimal_count; i++)
        IG_TRY(write_file(in, init_minimal[i].path, str_of(init_minimal[i].text)));
    return IG_OK;
}

/* --- templates: the examples that came with the program ---------------------------------------------------------- */

/* Beside the program: BUILD/ingot has ../examples, PREFIX/bin/ingot has ../share/ingot/examples. */
static const char *examples_folder(struct cli_context *c)
{
    static const char *const places[] = {"../share/ingot/examples", "../examples"};
    char program[4096];
    const ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    struct env_stat st;

    if (n <= 0)
        return NULL;
    program[n] = 0;
    *strrchr(program, '/') = 0;
    for (size_t i = 0; i < IG_COUNT(places); i++) {
        const char *folder = arena_printf(&c->arena, "%s/%s", program, places[i]);

        if (env_stat(c->env, folder, &st, NULL) == IG_OK && st.is_dir)
            return folder;
    }
    return NULL;
}

struct names {
    struct arena *arena;
    VEC(const char *) files;
    VEC(const char *) folders;
};

static enum ig_code add_name(void *ctx, const char *name, const struct env_stat *st, struct error *err)
{
    struct names *names = ctx;

    (void)err;
    if (st->is_dir)
        vec_push(&names->folders, arena_strdup(names->arena, name));
    else
        vec_push(&names->files, arena_strdup(names->arena, name));
    return IG_OK;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum ig_code list(struct init *in, const char *folder, struct names *names)
{
    const enum ig_code rc = env_list(in->c->env, folder, add_name, names, &in->err);

    if (names->files.n)
        qsort(names->files.p, names->files.n, sizeof(*names->files.p), compare);
    if (names->folders.n)
        qsort(names->folders.p, names->folders.n, sizeof(*names->folders.p), compare);
    return rc;
}

/* What a run leaves behind in a project is not part of a template. */
static bool is_left_by_a_run(const char *rel, bool folder)
{
    const struct str s = str_of(rel);

    if (folder)
        return str_is(s, "data/log") || str_is(s, "data/lake") || str_is(s, "data/tmp");
    return str_is(s, ".env") ||
           (str_has_prefix(s, "data/") && (str_has_suffix(s, ".lock") || strstr(rel, ".db") || strstr(rel, ".duckdb") ||
                                           str_is(s, "data/endpoint.json")));
}

static enum ig_code copy_file(struct init *in, const char *from, const char *rel)
{
    struct buf content;
    enum ig_code rc;

    buf_init(&content, FILE_MAX);
    rc = env_read_file(in->c->env, arena_printf(&in->c->arena, "%s/%s", from, rel), &content, &in->err);
    if (rc == IG_OK)
        rc = write_file(in, rel, buf_str(&content));
    buf_release(&content);
    return rc;
}

static enum ig_code copy_folder(struct init *in, const char *from, const char *rel, int depth)
{
    const char *slash = *rel ? "/" : "";
    struct names names = {.arena = &in->c->arena};
    enum ig_code rc = list(in, arena_printf(&in->c->arena, "%s%s%s", from, slash, rel), &names);

    for (size_t i = 0; rc == IG_OK && i < names.files.n; i++) {
        const char *path = arena_printf(&in->c->arena, "%s%s%s", rel, slash, names.files.p[i]);

        if (!is_left_by_a_run(path, false))
            rc = copy_file(in, from, path);
    }
    for (size_t i = 0; rc == IG_OK && depth < 16 && i < names.folders.n; i++) {
        const char *path = arena_printf(&in->c->arena, "%s%s%s", rel, slash, names.folders.p[i]);

        if (!is_left_by_a_run(path, true))
            rc = copy_folder(in, from, path, depth + 1);
    }
    vec_free(&names.files);
    vec_free(&names.folders);
    return rc;
}

/* The folder of a template; NULL after saying which there are. */
static const char *find_template(struct init *in, const char *name)
{
    struct cli_context *c = in->c;
    const char *examples = examples_folder(c), *found = NULL;
    struct names names = {.arena = &c->arena};
    struct buf known;

    buf_init(&known, 0);
    buf_puts(&known, "minimal");
    if (examples && list(in, examples, &names) == IG_OK)
        for (size_t i = 0; i < names.folders.n; i++) {
            if (strcmp(names.folders.p[i], name) == 0)
                found = arena_printf(&c->arena, "%s/%s", examples, name);
            buf_printf(&known, ", %s", names.folders.p[i]);
        }
    if (!found)
        cli_usage(c, "there is no template '%s'; there is %s", name, buf_cstr(&known));
    buf_release(&known);
    vec_free(&names.files);
    vec_free(&names.folders);
    return found;
}

/* --- the verb ------------------------------------------------------------------------------------------------------
 */

static void print_json(const struct init *in)
{
    struct buf b;

    buf_init(&b, 0);
    buf_puts(&b, "{\"folder\":");
    json_add_string(&b, str_of(in->target));
    buf_puts(&b, ",\"files\":[");
    for (size_t i = 0; i < in->made.n; i++) {
        buf_puts(&b, i ? "," : "");
        json_add_string(&b, str_of(in->made.p[i]));
    }
    buf_puts(&b, "]}\n");
    fputs(buf_cstr(&b), in->c->out);
    buf_release(&b);
}

static void print_made(const struct init *in)
{
    FILE *out = in->c->out;
    const bool here = strcmp(in->target, ".") == 0;

    if (in->c->global.json) {
        print_json(in);
        return;
    }
    fprintf(out, "Made a project in %s:\n", here ? "this folder" : in->target);
    for (size_t i = 0; i < in->made.n; i++)
        fprintf(out, "  %s\n", in->made.p[i]);
    for (size_t i = 0; i < in->kept.n; i++)
        fprintf(out, "  %s was there already, and stays as it is\n", in->kept.p[i]);
    fputs("Next:\n", out);
    if (!here)
        fprintf(out, "  cd %s\n", in->target);
    fputs("  ingot run       records from the source to the warehouse, once\n"
          "  ingot up        everything in one process, until Ctrl-C\n"
          "  ingot status    what is where\n",
          out);
}

static int make_project(struct init *in, const char *template)
{
    struct cli_context *c = in->c;
    const char *from = NULL;
    struct env_stat st;
    enum ig_code rc;

    if (strcmp(template, "minimal") != 0) {
        from = find_template(in, template);
        if (!from)
            return CLI_USAGE;
    }
    if (env_stat(c->env, arena_printf(&c->arena, "%s/ingot.yml", in->target), &st, NULL) == IG_OK)
        return cli_errorf(c, "%s/ingot.yml is there already: nothing was changed", in->target);
    rc = from ? copy_folder(in, from, "", 0) : write_minimal(in);
    if (rc != IG_OK)
        return cli_error(c, &in->err);
    print_made(in);
    return CLI_OK;
}

static int run(struct cli_context *c, const void *options)
{
    const char *template = c->n_args > 0 ? c->args[0] : "minimal";
    struct init in = {.c = c};
    int status;

    (void)options;
    in.target = c->n_args > 1 ? c->args[1] : c->global.project ? c->global.project : c->n_args ? template : ".";
    if (!*in.target)
        return cli_usage(c, "the folder of the project has an empty name");
    status = make_project(&in, template);
    vec_free(&in.made);
    vec_free(&in.kept);
    return status;
}

const struct cli_verb cli_verb_init = {
    .name = "init",
    .summary = "Make a new project",
    .args = "[TEMPLATE [DIR]]",
    .max_args = 2,
    .details = "Without a template: a small project in this folder that works at once, with made-up\n"
               "events. Templates are the examples, food-delivery and nyc-taxi; they go to a folder\n"
               "of their name, or to DIR. Files that are there already stay as they are.\n"
               "\n"
               "  ingot init\n"
               "  ingot init food-delivery my-platform",
    .run = run,
};
