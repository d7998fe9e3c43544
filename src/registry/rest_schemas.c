/*
 * /schemas: by id and by guid; /compatibility.
 */
#include "registry/rest.h"

static int id_not_found(struct rest *x, struct str id)
{
    return refuse(&x->why, 40403, "Schema " STR_FMT " not found", STR_ARG(id));
}

/* The schema that the path's id names, NULL if there is none. Under `lock`. */
static struct entry *entry_of_path(struct rest *x)
{
    int64_t id;

    return str_to_int64(x->parts[0], 0, INT32_MAX, &id) ? store_entry(x->r, (int32_t)id) : NULL;
}

/* The text in the format that the query wants, of the schema that the path's id names. */
static void format_of_path(struct rest *x)
{
    int64_t id;

    if (str_to_int64(x->parts[0], 0, INT32_MAX, &id))
        rest_format(x, (int32_t)id);
}

/* {"schema":...}: without the braces' first comma. */
static void add_schema_string(struct rest *x, const struct entry *e, bool with_id)
{
    buf_putc(x->out, '{');
    if (with_id)
        buf_printf(x->out, "\"id\":%d,", e->id);
    buf_printf(x->out, "\"guid\":\"%s\"", e->guid);
    rest_add_content(x, e);
    if (rest_flag(x, "fetchMaxId"))
        buf_printf(x->out, ",\"maxId\":%d", x->r->max_id);
    buf_putc(x->out, '}');
}

int rest_schema_by_id(struct rest *x)
{
    const struct entry *e;
    int code = 0;

    format_of_path(x);
    pthread_mutex_lock(&x->r->lock);
    e = entry_of_path(x);
    if (e)
        add_schema_string(x, e, false);
    else
        code = id_not_found(x, x->parts[0]);
    pthread_mutex_unlock(&x->r->lock);
    return code;
}

int rest_schema_text_by_id(struct rest *x)
{
    const struct entry *e;
    int code = 0;

    format_of_path(x);
    pthread_mutex_lock(&x->r->lock);
    e = entry_of_path(x);
    if (e)
        buf_add_str(x->out, rest_text(x, e));
    else
        code = id_not_found(x, x->parts[0]);
    pthread_mutex_unlock(&x->r->lock);
    return code;
}

/* Where a schema is registered: `versions` with the version, or the subject alone. */
static int list_uses(struct rest *x, bool versions)
{
    const bool deleted = rest_flag(x, "deleted");
    const struct str only = rest_param(x, "subject");
    struct rest_page page = rest_page(x);
    const struct entry *e;
    bool first = true;

    pthread_mutex_lock(&x->r->lock);
    e = entry_of_path(x);
    buf_putc(x->out, '[');
    for (size_t i = 0; e && i < x->r->subjects.n; i++) {
        const struct subject *s = x->r->subjects.p[i];

        for (size_t k = 0; k < s->versions.n; k++) {
            const struct version *v = &s->versions.p[k];

            if (v->entry != e || (v->deleted && !deleted) || (only.n && only.p[0] != ':' && !str_is(only, s->name)) ||
                !rest_page_has(&page))
                continue;
            buf_puts(x->out, first ? "" : ",");
            buf_puts(x->out, versions ? "{\"subject\":" : "");
            json_add_string(x->out, str_of(s->name));
            if (versions)
                buf_printf(x->out, ",\"version\":%d}", v->number);
            first = false;
            if (!versions)
                break;
        }
    }
    buf_putc(x->out, ']');
    pthread_mutex_unlock(&x->r->lock);
    return e ? 0 : refuse(&x->why, 40403, "Schema not found");
}

int rest_subjects_by_id(struct rest *x)
{
    return list_uses(x, false);
}

int rest_versions_by_id(struct rest *x)
{
    return list_uses(x, true);
}

int rest_schema_by_guid(struct rest *x)
{
    const struct entry *e;
    int code = 0;

    pthread_mutex_lock(&x->r->lock);
    e = store_entry_by_guid(x->r, x->parts[0]);
    pthread_mutex_unlock(&x->r->lock);
    if (e) /* entries stay */
        rest_format(x, e->id);
    pthread_mutex_lock(&x->r->lock);
    if (e)
        add_schema_string(x, e, true);
    else
        code = id_not_found(x, x->parts[0]);
    pthread_mutex_unlock(&x->r->lock);
    return code;
}

int rest_ids_by_guid(struct rest *x)
{
    const struct entry *e;

    pthread_mutex_lock(&x->r->lock);
    e = store_entry_by_guid(x->r, x->parts[0]);
    if (e)
        buf_printf(x->out, "[{\"context\":\".\",\"id\":%d}]", e->id);
    pthread_mutex_unlock(&x->r->lock);
    return e ? 0 : id_not_found(x, x->parts[0]);
}

/* --- compatibility ----------------------------------------------------------------------------------- */

static void add_result(struct rest *x, const struct schema_problems *problems)
{
    buf_printf(x->out, "{\"is_compatible\":%s", problems->list.n ? "false" : "true");
    if (rest_flag(x, "verbose")) {
        buf_puts(x->out, ",\"messages\":[");
        for (size_t i = 0; i < problems->list.n; i++) {
            buf_puts(x->out, i ? "," : "");
            json_add_string(x->out, str_of(problems->list.p[i]));
        }
        buf_putc(x->out, ']');
    }
    buf_putc(x->out, '}');
}

static int check(struct rest *x, int32_t number)
{
    struct schema_problems problems = {0};
    struct schema *schema = NULL;
    struct registration g;
    int code = rest_registration(x, rest_subject(x, 0), &g);

    if (code == 0)
        code = register_parse(x->r, &g, x->arena, &schema, &x->why);
    if (code == 0)
        code = register_compatible(x->r, &g, schema, number, &problems, &x->why);
    if (code == 42201 && rest_flag(x, "verbose")) { /* told, not refused */
        schema_problem(&problems, "%s", buf_cstr(&x->why.text));
        code = 0;
    }
    if (code == 0)
        add_result(x, &problems);
    schema_problems_free(&problems);
    schema_free(schema);
    return code;
}

int rest_compatibility(struct rest *x)
{
    return check(x, 0);
}

int rest_compatibility_version(struct rest *x)
{
    const struct str subject = rest_subject(x, 0);
    const struct subject *s;
    const struct version *v;
    int32_t number, found = 0;
    const int code = rest_version(x, x->parts[1], &number);

    if (code != 0)
        return code;
    pthread_mutex_lock(&x->r->lock);
    s = store_subject(x->r, subject);
    v = number == -1 ? store_latest(s, false) : store_version(s, number);
    if (v && !v->deleted)
        found = v->number;
    pthread_mutex_unlock(&x->r->lock);
    if (found == 0 && number != -1)
        return refuse(&x->why, 40402, "Version %d not found.", number);
    return check(x, found); /* a subject without versions takes everything */
}
