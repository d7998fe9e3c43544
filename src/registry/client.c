/*
 * The functions for clients: each is a request of the REST API, to a registry over the log in this process, or to one
 * elsewhere.
 */
#include "registry/store.h"

#include <stdio.h>
#include <stdlib.h>

#define REFERENCES_DEPTH_MAX 16

/* One question: its answer as a tree, which lives in `arena`. */
struct question {
    struct registry *r;
    struct arena arena;
    struct buf target, body;
    struct registry_response response;
    struct json_node *answer;
};

static void question_init(struct question *q, struct registry *r)
{
    *q = (struct question){.r = r};
    arena_init(&q->arena);
    buf_init(&q->target, 0);
    buf_init(&q->body, 0);
    buf_init(&q->response.body, 0);
}

static void question_release(struct question *q)
{
    arena_release(&q->arena);
    buf_release(&q->target);
    buf_release(&q->body);
    buf_release(&q->response.body);
}

static void add_encoded(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-_.~", c)))
            buf_putc(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

/* Asks what target and body say. A refusal is IG_OK here: q->response.status tells. */
static enum ig_code ask(struct question *q, const char *method, struct error *err)
{
    const struct registry_request request = {str_of(method), buf_str(&q->target), buf_str(&q->body)};
    struct error why;

    buf_clear(&q->response.body);
    if (q->r->remote)
        IG_TRY(remote_send(q->r->remote, &request, &q->response, err));
    else
        registry_serve(q->r, &request, &q->response);
    if (json_tree_parse(&q->arena, buf_str(&q->response.body), &q->answer, &why) != IG_OK)
        return error_set(err, IG_CORRUPT, "schema registry: the answer to %s " STR_FMT " (HTTP %d) is not JSON: %s",
                         method, STR_ARG(buf_str(&q->target)), q->response.status, why.msg);
    return IG_OK;
}

/* A refusal as an error. */
static enum ig_code refused(const struct question *q, struct error *err)
{
    static const struct {
        int status;
        enum ig_code code;
    } CODES[] = {{404, IG_NOT_FOUND}, {409, IG_CONFLICT}, {422, IG_INVALID}, {400, IG_INVALID}, {500, IG_UNAVAILABLE}};
    const struct str message = json_tree_string(q->answer, "message");

    if (q->response.status == 200)
        return IG_OK;
    for (size_t i = 0; i < IG_COUNT(CODES); i++)
        if (CODES[i].status == q->response.status)
            return error_set(err, CODES[i].code, "schema registry: " STR_FMT, (int)(message.n < 900 ? message.n : 900),
                             message.p ? message.p : "");
    return error_set(err, IG_UNSUPPORTED, "schema registry: HTTP %d", q->response.status);
}

/* --- schemas by id ----------------------------------------------------------------------------------- */

static enum ig_code fetch(struct registry *r, const char *target, int depth, int32_t *id, struct schema **out,
                          struct error *err);

static struct schema *find_parsed(struct registry *r, int32_t id)
{
    struct schema *found = NULL;

    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->parsed.n && !found; i++)
        if (r->parsed.p[i].id == id)
            found = r->parsed.p[i].schema;
    pthread_mutex_unlock(&r->lock);
    return found;
}

/* Another thread may have been faster: then its schema stays. */
static struct schema *keep_parsed(struct registry *r, int32_t id, struct schema *schema)
{
    struct parsed_id p = {id, schema};
    struct schema *there = NULL;

    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->parsed.n && !there; i++)
        if (r->parsed.p[i].id == id)
            there = r->parsed.p[i].schema;
    if (!there)
        vec_push(&r->parsed, p);
    pthread_mutex_unlock(&r->lock);
    if (there)
        schema_free(schema);
    return there ? there : schema;
}

static enum ig_code fetch_references(struct registry *r, const struct content *c, struct arena *arena, int depth,
                                     struct schema_reference **out, struct error *err)
{
    *out = ARENA_ARRAY(arena, struct schema_reference, c->n_refs + 1);
    for (size_t i = 0; i < c->n_refs; i++) {
        struct schema *schema;
        struct buf target;
        enum ig_code rc;
        int32_t id = -1;

        buf_init(&target, 0);
        buf_puts(&target, "/subjects/");
        add_encoded(&target, c->refs[i].subject);
        buf_printf(&target, "/versions/%d?deleted=true", c->refs[i].version);
        rc = fetch(r, buf_cstr(&target), depth + 1, &id, &schema, err);
        buf_release(&target);
        if (rc != IG_OK)
            return rc;
        (*out)[i] = (struct schema_reference){arena_strndup(arena, c->refs[i].name.p, c->refs[i].name.n), schema};
    }
    return IG_OK;
}

/* The schema that a question is answered with. *id: given, or read from the answer. */
static enum ig_code fetch(struct registry *r, const char *target, int depth, int32_t *id, struct schema **out,
                          struct error *err)
{
    struct schema_reference *refs;
    struct content c;
    struct question q;
    int64_t number = *id;
    enum ig_code rc;

    if (depth > REFERENCES_DEPTH_MAX)
        return error_set(err, IG_INVALID, "schema registry: references go over more than %d schemas",
                         REFERENCES_DEPTH_MAX);
    question_init(&q, r);
    buf_puts(&q.target, target);
    rc = ask(&q, "GET", err);
    if (rc == IG_OK)
        rc = refused(&q, err);
    if (rc == IG_OK)
        rc = record_read_content(q.answer, &q.arena, &c, err);
    json_tree_int64(json_tree_member(q.answer, "id"), &number);
    if (rc == IG_OK && (number < 0 || number > INT32_MAX || !c.text.p))
        rc = error_set(err, IG_CORRUPT, "schema registry: %s: the answer has no id or no schema", target);
    *id = (int32_t)number;
    *out = rc == IG_OK ? find_parsed(r, *id) : NULL;
    if (rc == IG_OK && !*out) {
        rc = fetch_references(r, &c, &q.arena, depth, &refs, err);
        if (rc == IG_OK)
            rc = schema_parse(c.type, c.text, refs, c.n_refs, out, err);
        if (rc == IG_OK)
            *out = keep_parsed(r, *id, *out);
    }
    question_release(&q);
    return rc;
}

enum ig_code registry_schema_by_id(struct registry *r, int32_t id, const struct schema **out, struct error *err)
{
    struct schema *schema = find_parsed(r, id);
    char target[64];

    snprintf(target, sizeof(target), "/schemas/ids/%d", id);
    if (!schema)
        IG_TRY(fetch(r, target, 0, &id, &schema, err));
    *out = schema;
    return IG_OK;
}

enum ig_code registry_schema_by_version(struct registry *r, const char *subject, int32_t version, int32_t *id,
                                        const struct schema **out, struct error *err)
{
    struct schema *schema;
    struct buf target;
    enum ig_code rc;

    *id = -1;
    *out = NULL;
    buf_init(&target, 0);
    buf_puts(&target, "/subjects/");
    add_encoded(&target, str_of(subject));
    if (version < 0)
        buf_puts(&target, "/versions/latest");
    else
        buf_printf(&target, "/versions/%d", version);
    rc = fetch(r, buf_cstr(&target), 0, id, &schema, err);
    buf_release(&target);
    if (rc == IG_OK)
        *out = schema;
    return rc;
}

/* --- registering ------------------------------------------------------------------------------------- */

static void add_candidate(struct buf *body, const struct registry_candidate *c)
{
    buf_printf(body, "{\"schemaType\":\"%s\",\"schema\":", schema_type_name(c->type));
    json_add_string(body, c->text);
    buf_putc(body, '}');
}

static enum ig_code put_config(struct question *q, const struct registry_candidate *c, bool lenient, struct error *err)
{
    buf_clear(&q->body);
    buf_printf(&q->body, "{\"compatibility\":\"%s\"%s}", c->compatibility,
               lenient ? ",\"compatibilityPolicy\":\"LENIENT\"" : "");
    IG_TRY(ask(q, "PUT", err));
    return refused(q, err);
}

/* Sets the subject's level, if another one is wanted. */
static enum ig_code ensure_level(struct registry *r, const struct registry_candidate *c, struct error *err)
{
    struct question q;
    enum ig_code rc;

    if (!c->compatibility)
        return IG_OK;
    question_init(&q, r);
    buf_puts(&q.target, "/config/");
    add_encoded(&q.target, str_of(c->subject));
    rc = ask(&q, "GET", err);
    if (rc == IG_OK &&
        (q.response.status != 200 || !str_is(json_tree_string(q.answer, "compatibilityLevel"), c->compatibility) ||
         (c->lenient && !str_is(json_tree_string(q.answer, "compatibilityPolicy"), "LENIENT")))) {
        rc = put_config(&q, c, c->lenient, err);
        if (rc == IG_INVALID && c->lenient) /* a registry that knows no policies */
            rc = put_config(&q, c, false, err);
    }
    question_release(&q);
    return rc;
}

static void add_reasons(struct buf *reasons, const struct json_node *messages)
{
    if (reasons)
        json_tree_each(message, messages)
        {
            buf_add_str(reasons, message->text);
            buf_putc(reasons, '\n');
        }
}

static enum ig_code is_registered(struct registry *r, const struct registry_candidate *c, bool *out, struct error *err)
{
    struct question q;
    enum ig_code rc;

    question_init(&q, r);
    buf_puts(&q.target, "/subjects/");
    add_encoded(&q.target, str_of(c->subject));
    add_candidate(&q.body, c);
    rc = ask(&q, "POST", err);
    if (rc == IG_OK && q.response.status != 404)
        rc = refused(&q, err);
    *out = q.response.status == 200;
    question_release(&q);
    return rc;
}

enum ig_code registry_check(struct registry *r, const struct registry_candidate *c, struct buf *reasons,
                            struct error *err)
{
    struct question q;
    enum ig_code rc;
    bool there;

    IG_TRY(is_registered(r, c, &there, err));
    if (there)
        return IG_OK;
    question_init(&q, r);
    buf_puts(&q.target, "/compatibility/subjects/");
    add_encoded(&q.target, str_of(c->subject));
    buf_puts(&q.target, "/versions?verbose=true");
    add_candidate(&q.body, c);
    rc = ask(&q, "POST", err);
    if (rc == IG_OK && q.response.status == 404) /* a registry of another make has no subject yet */
        goto out;
    if (rc == IG_OK)
        rc = refused(&q, err);
    if (rc == IG_OK && !json_tree_is(json_tree_member(q.answer, "is_compatible"), JSON_TRUE)) {
        add_reasons(reasons, json_tree_member(q.answer, "messages"));
        rc =
            error_set(err, IG_CONFLICT, "subject %s: the schema is not compatible with what is registered", c->subject);
    }
out:
    question_release(&q);
    return rc;
}

enum ig_code registry_register(struct registry *r, const struct registry_candidate *c, int32_t *id, int32_t *version,
                               struct buf *reasons, struct error *err)
{
    int64_t number = -1;
    struct question q;
    enum ig_code rc;

    *id = *version = -1;
    IG_TRY(ensure_level(r, c, err));
    IG_TRY(registry_check(r, c, reasons, err)); /* which tells why not, one by one */
    question_init(&q, r);
    buf_puts(&q.target, "/subjects/");
    add_encoded(&q.target, str_of(c->subject));
    buf_puts(&q.target, "/versions");
    add_candidate(&q.body, c);
    rc = ask(&q, "POST", err);
    if (rc == IG_OK)
        rc = refused(&q, err);
    if (rc == IG_OK && !json_tree_int64(json_tree_member(q.answer, "id"), &number))
        rc = error_set(err, IG_CORRUPT, "schema registry: the answer to a registration has no id");
    *id = (int32_t)number;
    if (rc == IG_OK && json_tree_int64(json_tree_member(q.answer, "version"), &number))
        *version = (int32_t)number;
    question_release(&q);
    return rc;
}

enum ig_code registry_versions(struct registry *r, const char *subject, struct buf *texts, struct error *err)
{
    struct question list, one;
    enum ig_code rc;

    question_init(&list, r);
    buf_puts(&list.target, "/subjects/");
    add_encoded(&list.target, str_of(subject));
    buf_puts(&list.target, "/versions");
    rc = ask(&list, "GET", err);
    if (rc == IG_OK)
        rc = refused(&list, err);
    json_tree_each(number, rc == IG_OK ? list.answer : NULL)
    {
        question_init(&one, r);
        buf_add_str(&one.target, buf_str(&list.target));
        buf_printf(&one.target, "/" STR_FMT, STR_ARG(number->text));
        rc = ask(&one, "GET", err);
        if (rc == IG_OK)
            rc = refused(&one, err);
        if (rc == IG_OK) {
            buf_add_str(texts, json_tree_string(one.answer, "schema"));
            buf_putc(texts, '\0');
        }
        question_release(&one);
        if (rc != IG_OK)
            break;
    }
    question_release(&list);
    return rc;
}
