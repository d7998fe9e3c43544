/*
 * /subjects and what is below.
 */
#include "registry/rest.h"

void rest_add_version(struct rest *x, const struct subject *s, const struct version *v)
{
    buf_puts(x->out, "{\"subject\":");
    json_add_string(x->out, str_of(s->name));
    buf_printf(x->out, ",\"version\":%d,\"id\":%d,\"guid\":\"%s\"", v->number, v->entry->id, v->entry->guid);
    rest_add_content(x, v->entry);
    if (v->timestamp_ms > 0)
        buf_printf(x->out, ",\"ts\":%lld", (long long)v->timestamp_ms);
    if (v->deleted)
        buf_puts(x->out, ",\"deleted\":true");
    buf_putc(x->out, '}');
}

/* ":*:" is every context, ":.:" the default one, and there is no other. */
static struct str subject_prefix(struct rest *x)
{
    struct str prefix = rest_param(x, "subjectPrefix");

    if (str_has_prefix(prefix, ":*:") || str_has_prefix(prefix, ":.:"))
        prefix = (struct str){prefix.p + 3, prefix.n - 3};
    return prefix;
}

static bool has_prefix(const char *name, struct str prefix)
{
    return prefix.n == 0 || strncmp(name, prefix.p, prefix.n) == 0;
}

int rest_subjects(struct rest *x)
{
    const struct str prefix = subject_prefix(x);
    const bool only = rest_flag(x, "deletedOnly"), deleted = rest_flag(x, "deleted");
    struct rest_page page = rest_page(x);
    bool first = true;

    buf_putc(x->out, '[');
    pthread_mutex_lock(&x->r->lock);
    for (size_t i = 0; i < x->r->subjects.n; i++) {
        const struct subject *s = x->r->subjects.p[i];
        const bool alive = store_has_versions(s, false), there = store_has_versions(s, true);

        if (!has_prefix(s->name, prefix) ||
            !(only      ? there && !alive
              : deleted ? there
                        : alive) ||
            !rest_page_has(&page))
            continue;
        buf_puts(x->out, first ? "" : ",");
        json_add_string(x->out, str_of(s->name));
        first = false;
    }
    pthread_mutex_unlock(&x->r->lock);
    buf_putc(x->out, ']');
    return 0;
}

int rest_schemas(struct rest *x)
{
    const struct str prefix = subject_prefix(x);
    const bool deleted = rest_flag(x, "deleted"), latest = rest_flag(x, "latestOnly");
    struct rest_page page = rest_page(x);
    bool first = true;

    if (!str_to_int64(rest_param(x, "limit"), 0, 1000, &page.limit))
        page.limit = 1000; /* as Confluent's does: the answer holds whole schemas */
    buf_putc(x->out, '[');
    pthread_mutex_lock(&x->r->lock);
    for (size_t i = 0; i < x->r->subjects.n; i++) {
        const struct subject *s = x->r->subjects.p[i];

        for (size_t k = 0; has_prefix(s->name, prefix) && k < s->versions.n; k++) {
            const struct version *v = &s->versions.p[k];

            if ((v->deleted && !deleted) || (latest && v != store_latest(s, deleted)) || !rest_page_has(&page))
                continue;
            buf_puts(x->out, first ? "" : ",");
            rest_add_version(x, s, v);
            first = false;
        }
    }
    pthread_mutex_unlock(&x->r->lock);
    buf_putc(x->out, ']');
    return 0;
}

/* --- registering, looking up ------------------------------------------------------------------------- */

int rest_registration(struct rest *x, struct str subject, struct registration *out)
{
    struct error err;
    int64_t number = 0, id = -1;

    *out = (struct registration){.subject = subject, .id = -1, .normalize = rest_flag(x, "normalize")};
    if (!x->body)
        return refuse(&x->why, 42201, "Empty schema");
    if (record_read_content(x->body, x->arena, &out->content, &err) != IG_OK)
        return refuse(&x->why, 42201, "%s", err.msg);
    if (!out->content.text.p)
        return refuse(&x->why, 42201, "Empty schema");
    json_tree_int64(json_tree_member(x->body, "version"), &number);
    json_tree_int64(json_tree_member(x->body, "id"), &id);
    if (number > INT32_MAX || id > INT32_MAX || number < -1)
        return refuse(&x->why, 42202, "the version or the id is out of range");
    out->version = (int32_t)number;
    out->id = id < 0 ? -1 : (int32_t)id;
    return 0;
}

/* Was the schema sent as a descriptor in base64? No .proto text is without a space. */
static bool sent_as_descriptor(const struct rest *x, const struct registration *g)
{
    const struct str text = json_tree_string(x->body, "schema");

    return g->content.type == SCHEMA_PROTOBUF && text.n && !memchr(text.p, ' ', text.n) && !memchr(text.p, '{', text.n);
}

int rest_register(struct rest *x)
{
    struct registration g;
    int code = rest_registration(x, rest_subject(x, 0), &g);

    if (code == 0)
        code = register_schema(x->r, &g, x->arena, &x->why);
    if (code != 0)
        return code;
    buf_printf(x->out, "{\"id\":%d,\"version\":%d,\"guid\":\"%s\"", g.id, g.version, g.guid);
    if (!sent_as_descriptor(x, &g)) /* whose clients keep the answer's text, and can only read descriptors */
        record_add_content(x->out, &g.content);
    buf_putc(x->out, '}');
    return 0;
}

int rest_lookup(struct rest *x)
{
    const struct str subject = rest_subject(x, 0);
    const bool deleted = rest_flag(x, "deleted");
    const struct subject *s;
    const struct version *found = NULL;
    struct registration g;
    struct schema *schema = NULL;
    int code = rest_registration(x, subject, &g);

    if (code == 0)
        code = register_parse(x->r, &g, x->arena, &schema, &x->why);
    schema_free(schema);
    if (code != 0)
        return code;
    pthread_mutex_lock(&x->r->lock);
    s = store_subject(x->r, subject);
    for (size_t i = s ? s->versions.n : 0; i > 0 && !found; i--)
        if ((deleted || !s->versions.p[i - 1].deleted) && content_eq(&s->versions.p[i - 1].entry->content, &g.content))
            found = &s->versions.p[i - 1];
    if (found)
        rest_add_version(x, s, found);
    else if (store_has_versions(s, deleted))
        code = refuse(&x->why, 40403, "Schema not found");
    else
        code = rest_not_found(x, subject, 0, false);
    pthread_mutex_unlock(&x->r->lock);
    return code;
}

/* --- versions ---------------------------------------------------------------------------------------- */

int rest_versions(struct rest *x)
{
    const struct str subject = rest_subject(x, 0);
    const bool only = rest_flag(x, "deletedOnly"), deleted = rest_flag(x, "deleted");
    const bool negative = rest_flag(x, "deletedAsNegative");
    struct rest_page page = rest_page(x);
    const struct subject *s;
    bool first = true;
    int code = 0;

    buf_putc(x->out, '[');
    pthread_mutex_lock(&x->r->lock);
    s = store_subject(x->r, subject);
    if (!store_has_versions(s, only || deleted || negative))
        code = rest_not_found(x, subject, 0, false);
    for (size_t i = 0; code == 0 && i < s->versions.n; i++) {
        const struct version *v = &s->versions.p[i];

        if (!(negative || (only ? v->deleted : deleted || !v->deleted)) || !rest_page_has(&page))
            continue;
        buf_printf(x->out, "%s%d", first ? "" : ",", negative && v->deleted ? -v->number : v->number);
        first = false;
    }
    pthread_mutex_unlock(&x->r->lock);
    buf_putc(x->out, ']');
    return code;
}

/* The version that the path names. Under `lock`. */
static int find_version(struct rest *x, bool deleted, const struct subject **s, const struct version **v)
{
    const struct str subject = rest_subject(x, 0);
    int32_t number;
    const int code = rest_version(x, x->parts[1], &number);

    if (code != 0)
        return code;
    *s = store_subject(x->r, subject);
    *v = number == -1 ? store_latest(*s, deleted) : store_version(*s, number);
    if (!*v || ((*v)->deleted && !deleted))
        return rest_not_found(x, subject, number, store_has_versions(*s, deleted));
    return 0;
}

/* The text in the format that the query wants, of the version that the path names. */
static void format_of_version(struct rest *x, bool deleted)
{
    const struct subject *s;
    const struct version *v;
    int32_t id = -1;

    if (!rest_param(x, "format").n)
        return;
    pthread_mutex_lock(&x->r->lock);
    if (find_version(x, deleted, &s, &v) == 0)
        id = v->entry->id;
    pthread_mutex_unlock(&x->r->lock);
    if (id >= 0)
        rest_format(x, id);
}

int rest_get_version(struct rest *x)
{
    const bool deleted = rest_flag(x, "deleted");
    const struct subject *s;
    const struct version *v;
    int code;

    format_of_version(x, deleted);
    pthread_mutex_lock(&x->r->lock);
    code = find_version(x, deleted, &s, &v);
    if (code == 0)
        rest_add_version(x, s, v);
    pthread_mutex_unlock(&x->r->lock);
    return code;
}

int rest_get_version_schema(struct rest *x)
{
    const bool deleted = rest_flag(x, "deleted");
    const struct subject *s;
    const struct version *v;
    int code;

    format_of_version(x, deleted);
    pthread_mutex_lock(&x->r->lock);
    code = find_version(x, deleted, &s, &v);
    if (code == 0)
        buf_add_str(x->out, rest_text(x, v->entry));
    pthread_mutex_unlock(&x->r->lock);
    return code;
}

struct ids {
    VEC(int32_t) list;
};

static void take_id(void *ctx, const struct subject *s, const struct version *v)
{
    struct ids *ids = ctx;
    size_t at = ids->list.n;

    (void)s;
    for (size_t i = 0; i < ids->list.n; i++)
        if (ids->list.p[i] == v->entry->id)
            return;
    vec_push(&ids->list, v->entry->id);
    for (; at > 0 && ids->list.p[at - 1] > v->entry->id; at--)
        ids->list.p[at] = ids->list.p[at - 1];
    ids->list.p[at] = v->entry->id;
}

int rest_referenced_by(struct rest *x)
{
    const bool deleted = rest_flag(x, "deleted");
    struct rest_page page = rest_page(x);
    const struct subject *s;
    const struct version *v;
    struct ids ids = {0};
    bool first = true;
    int code;

    pthread_mutex_lock(&x->r->lock);
    code = find_version(x, true, &s, &v);
    if (code == 0)
        store_referrers(x->r, str_of(s->name), v->number, deleted, STR(""), take_id, &ids);
    pthread_mutex_unlock(&x->r->lock);
    buf_putc(x->out, '[');
    for (size_t i = 0; i < ids.list.n; i++) {
        if (!rest_page_has(&page))
            continue;
        buf_printf(x->out, "%s%d", first ? "" : ",", ids.list.p[i]);
        first = false;
    }
    buf_putc(x->out, ']');
    vec_free(&ids.list);
    return code;
}

/* Does a version's metadata have all properties that the query asks for (key=..&value=.. in pairs)? */
static bool has_metadata(struct rest *x, const struct version *v, struct str key, struct str value)
{
    struct json_node *metadata;

    if (!v->entry->content.metadata.p ||
        json_tree_parse(x->arena, v->entry->content.metadata, &metadata, NULL) != IG_OK)
        return key.p == NULL;
    return !key.p ||
           str_eq(json_tree_string(json_tree_member(metadata, "properties"), arena_strndup(x->arena, key.p, key.n)),
                  value);
}

int rest_metadata(struct rest *x)
{
    const struct str subject = rest_subject(x, 0), key = rest_param(x, "key"), value = rest_param(x, "value");
    const bool deleted = rest_flag(x, "deleted");
    const struct subject *s;
    const struct version *found = NULL;
    int code = 0;

    pthread_mutex_lock(&x->r->lock);
    s = store_subject(x->r, subject);
    for (size_t i = s ? s->versions.n : 0; i > 0 && !found; i--)
        if ((deleted || !s->versions.p[i - 1].deleted) && has_metadata(x, &s->versions.p[i - 1], key, value))
            found = &s->versions.p[i - 1];
    if (found)
        rest_add_version(x, s, found);
    else if (store_has_versions(s, deleted))
        code = refuse(&x->why, 40403, "Schema not found");
    else
        code = rest_not_found(x, subject, 0, false);
    pthread_mutex_unlock(&x->r->lock);
    return code;
}

/* --- taking away
 * ------------------------------------------------------------------------------------------------------ */

int rest_delete_version(struct rest *x)
{
    int32_t number;
    int code = rest_version(x, x->parts[1], &number);

    if (code == 0)
        code = delete_version(x->r, rest_subject(x, 0), &number, rest_flag(x, "permanent"), &x->why);
    if (code == 0)
        buf_printf(x->out, "%d", number);
    return code;
}

int rest_delete_subject(struct rest *x)
{
    return delete_subject(x->r, rest_subject(x, 0), rest_flag(x, "permanent"), x->out, &x->why);
}
