/*
 * The REST API of Confluent's Schema Registry: routes, parameters, errors.
 */
#include "registry/rest.h"

#include <stdlib.h>

static const struct route {
    const char *method, *path; /* {} is any one part */
    rest_fn *handle;
} ROUTES[] = {
    {"GET", "/", rest_root},
    {"POST", "/", rest_root},
    {"GET", "/subjects", rest_subjects},
    {"POST", "/subjects/{}", rest_lookup},
    {"DELETE", "/subjects/{}", rest_delete_subject},
    {"GET", "/subjects/{}/metadata", rest_metadata},
    {"GET", "/subjects/{}/versions", rest_versions},
    {"POST", "/subjects/{}/versions", rest_register},
    {"GET", "/subjects/{}/versions/{}", rest_get_version},
    {"DELETE", "/subjects/{}/versions/{}", rest_delete_version},
    {"GET", "/subjects/{}/versions/{}/schema", rest_get_version_schema},
    {"GET", "/subjects/{}/versions/{}/referencedby", rest_referenced_by},
    {"GET", "/schemas", rest_schemas},
    {"GET", "/schemas/types", rest_types},
    {"GET", "/schemas/ids/{}", rest_schema_by_id},
    {"GET", "/schemas/ids/{}/schema", rest_schema_text_by_id},
    {"GET", "/schemas/ids/{}/subjects", rest_subjects_by_id},
    {"GET", "/schemas/ids/{}/versions", rest_versions_by_id},
    {"GET", "/schemas/guids/{}", rest_schema_by_guid},
    {"GET", "/schemas/guids/{}/ids", rest_ids_by_guid},
    {"POST", "/compatibility/subjects/{}/versions", rest_compatibility},
    {"POST", "/compatibility/subjects/{}/versions/{}", rest_compatibility_version},
    {"GET", "/config", rest_get_config},
    {"PUT", "/config", rest_put_config},
    {"DELETE", "/config", rest_delete_config},
    {"GET", "/config/{}", rest_get_config},
    {"PUT", "/config/{}", rest_put_config},
    {"DELETE", "/config/{}", rest_delete_config},
    {"GET", "/mode", rest_get_mode},
    {"PUT", "/mode", rest_put_mode},
    {"DELETE", "/mode", rest_delete_mode},
    {"GET", "/mode/{}", rest_get_mode},
    {"PUT", "/mode/{}", rest_put_mode},
    {"DELETE", "/mode/{}", rest_delete_mode},
    {"GET", "/contexts", rest_contexts},
    {"GET", "/v1/metadata/id", rest_cluster_id},
    {"GET", "/v1/metadata/version", rest_server_version},
};

/* --- percent-encoding -------------------------------------------------------------------------------- */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static struct str decode(struct arena *arena, struct str s, bool plus)
{
    char *out = arena_alloc(arena, s.n + 1, 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        const int high = s.p[i] == '%' && i + 2 < s.n ? hex(s.p[i + 1]) : -1;
        const int low = high >= 0 ? hex(s.p[i + 2]) : -1;

        out[n++] = low >= 0 ? (char)(high * 16 + low) : plus && s.p[i] == '+' ? ' ' : s.p[i];
        i += low >= 0 ? 2 : 0;
    }
    return (struct str){out, n};
}

struct str rest_param(struct rest *x, const char *name)
{
    struct str rest = x->query;

    while (rest.n > 0) {
        const char *end = memchr(rest.p, '&', rest.n);
        const size_t n = end ? (size_t)(end - rest.p) : rest.n;
        const char *eq = memchr(rest.p, '=', n);
        const size_t n_name = eq ? (size_t)(eq - rest.p) : n;

        if (str_is(decode(x->arena, (struct str){rest.p, n_name}, true), name))
            return eq ? decode(x->arena, (struct str){eq + 1, n - n_name - 1}, true) : STR("");
        rest = (struct str){rest.p + n + (end ? 1 : 0), rest.n - n - (end ? 1 : 0)};
    }
    return (struct str){NULL, 0};
}

void rest_format(struct rest *x, int32_t id)
{
    const struct str format = rest_param(x, "format");
    const struct schema *schema;
    struct buf text;

    if (!format.n || registry_schema_by_id(x->r, id, &schema, NULL))
        return;
    buf_init(&text, 0);
    if (schema_formatted(schema, format, &text, NULL) == IG_OK && !text.overflow) {
        x->formatted = arena_str(x->arena, buf_str(&text));
        x->formatted_id = id;
    }
    buf_release(&text);
}

struct str rest_text(const struct rest *x, const struct entry *e)
{
    return x->formatted.p && x->formatted_id == e->id ? x->formatted : e->content.text;
}

void rest_add_content(struct rest *x, const struct entry *e)
{
    struct content content = e->content;

    content.text = rest_text(x, e);
    record_add_content(x->out, &content);
}

bool rest_flag(struct rest *x, const char *name)
{
    const struct str value = rest_param(x, name);

    return value.n == 4 && strncasecmp(value.p, "true", 4) == 0;
}

struct rest_page rest_page(struct rest *x)
{
    struct rest_page page = {0, -1, 0};

    if (!str_to_int64(rest_param(x, "offset"), 0, INT32_MAX, &page.offset))
        page.offset = 0;
    if (!str_to_int64(rest_param(x, "limit"), INT32_MIN, INT32_MAX, &page.limit))
        page.limit = -1;
    return page;
}

bool rest_page_has(struct rest_page *page)
{
    const int64_t at = page->at++ - page->offset;

    return at >= 0 && (page->limit < 0 || at < page->limit);
}

struct str rest_subject(struct rest *x, int part)
{
    struct str s = x->parts[part];

    if (str_has_prefix(s, ":.:"))
        s = (struct str){s.p + 3, s.n - 3};
    return s;
}

static bool is_latest(struct str s)
{
    return s.n == 6 && strncasecmp(s.p, "latest", 6) == 0;
}

int rest_version(struct rest *x, struct str text, int32_t *out)
{
    int64_t number = -1;

    if (!is_latest(text) && !str_is(text, "-1") && !str_to_int64(text, 1, INT32_MAX, &number))
        return refuse(&x->why, 42202,
                      "The specified version '" STR_FMT
                      "' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\"",
                      STR_ARG(text));
    *out = (int32_t)number;
    return 0;
}

int rest_not_found(struct rest *x, struct str subject, int32_t version, bool subject_there)
{
    if (!subject_there)
        return refuse(&x->why, 40401, "Subject '" STR_FMT "' not found.", STR_ARG(subject));
    return refuse(&x->why, 40402, "Version %d not found.", version);
}

/* --- routing ----------------------------------------------------------------------------------------- */

/* The next part of a path, without its slash. */
static bool next_part(struct str *path, struct str *part)
{
    const char *end;

    if (path->n == 0 || path->p[0] != '/')
        return false;
    end = memchr(path->p + 1, '/', path->n - 1);
    *part = (struct str){path->p + 1, end ? (size_t)(end - path->p) - 1 : path->n - 1};
    *path = (struct str){part->p + part->n, path->n - part->n - 1};
    return true;
}

static bool path_fits(struct rest *x, const char *pattern, struct str path)
{
    struct str wanted = str_of(pattern), want, part;
    int n = 0;

    while (next_part(&wanted, &want)) {
        if (!next_part(&path, &part))
            return false;
        if (str_is(want, "{}") && n < REST_PARTS_MAX && part.n > 0)
            x->parts[n++] = decode(x->arena, part, false);
        else if (!str_eq(want, part))
            return false;
    }
    return path.n == 0 || str_is(path, "/");
}

static int read_body(struct rest *x, struct str body)
{
    struct json_node *node;
    struct error err;

    if (body.n == 0)
        return 0;
    if (json_tree_parse(x->arena, body, &node, &err) != IG_OK || node->type != JSON_OBJECT)
        return refuse(&x->why, 400, "the body must be a JSON object: %s", err.code ? err.msg : "it is another value");
    x->body = node;
    return 0;
}

static int answer(struct rest *x, const struct registry_request *request)
{
    const char *mark = request->target.n ? memchr(request->target.p, '?', request->target.n) : NULL;
    struct str path = request->target;
    bool known = false;

    if (mark) {
        path.n = (size_t)(mark - path.p);
        x->query = (struct str){mark + 1, request->target.n - path.n - 1};
    }
    for (size_t i = 0; i < IG_COUNT(ROUTES); i++) {
        if (!path_fits(x, ROUTES[i].path, path))
            continue;
        known = true;
        if (!str_is(request->method, ROUTES[i].method))
            continue;
        if (read_body(x, request->body) != 0)
            return x->why.code;
        return ROUTES[i].handle(x);
    }
    return known ? refuse(&x->why, 405, "HTTP 405 Method Not Allowed") : refuse(&x->why, 404, "HTTP 404 Not Found");
}

/* 40401 is a 404, and 409 is one itself. */
static int status_of(int code)
{
    return code >= 10000 ? code / 100 : code;
}

void registry_serve(struct registry *r, const struct registry_request *request, struct registry_response *response)
{
    struct arena arena;
    struct rest x = {.r = r, .arena = &arena, .out = &response->body, .status = 200};
    int code;

    arena_init(&arena);
    buf_init(&x.why.text, 0);
    code = answer(&x, request);
    if (code == 0 && response->body.overflow)
        code = refuse(&x.why, 500, "the answer is too long");
    if (code != 0) {
        buf_clear(&response->body);
        buf_printf(&response->body, "{\"error_code\":%d,\"message\":", code);
        json_add_string(&response->body, buf_str(&x.why.text));
        buf_putc(&response->body, '}');
    }
    response->status = code ? status_of(code) : x.status;
    buf_release(&x.why.text);
    arena_release(&arena);
}

/* --- what stands alone ------------------------------------------------------------------------------- */

int rest_root(struct rest *x)
{
    buf_puts(x->out, "{}");
    return 0;
}

int rest_contexts(struct rest *x)
{
    struct rest_page page = rest_page(x);

    buf_puts(x->out, rest_page_has(&page) ? "[\".\"]" : "[]");
    return 0;
}

int rest_cluster_id(struct rest *x)
{
    buf_puts(x->out, "{\"scope\":{\"path\":[],\"clusters\":{\"kafka-cluster\":\"ingot\",\"schema-registry-cluster\":"
                     "\"schema-registry\"}},\"id\":\"\"}");
    return 0;
}

int rest_server_version(struct rest *x)
{
    /* the release of Confluent's API that this one keeps to */
    buf_puts(x->out, "{\"version\":\"7.6.1\",\"commitId\":\"ingot-" INGOT_VERSION "\"}");
    return 0;
}

int rest_types(struct rest *x)
{
    static const enum schema_type ORDER[] = {SCHEMA_JSON, SCHEMA_PROTOBUF, SCHEMA_AVRO};

    buf_putc(x->out, '[');
    for (size_t i = 0; i < IG_COUNT(ORDER); i++)
        buf_printf(x->out, "%s\"%s\"", i ? "," : "", schema_type_name(ORDER[i]));
    buf_putc(x->out, ']');
    return 0;
}
