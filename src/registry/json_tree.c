#include "registry/json_tree.h"

#include <math.h>
#include <stdlib.h>

static struct str take_text(struct arena *arena, const struct json_value *v, struct buf *scratch)
{
    if (v->type != JSON_STRING || !v->escaped)
        return arena_str(arena, v->raw.p ? v->raw : STR(""));
    buf_clear(scratch);
    json_unescape(v, scratch);
    return arena_str(arena, buf_str(scratch));
}

static struct json_node *append(struct arena *arena, struct json_node *parent)
{
    struct json_node *node = ARENA_NEW(arena, struct json_node);

    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    parent->n++;
    return node;
}

static bool read_node(struct arena *arena, struct json_reader *r, struct json_node *node, struct buf *scratch);

/* Where a name is in the index, or the free place where it belongs. */
static struct json_node **index_place(const struct json_node *object, struct str name)
{
    size_t at = hash_fnv1a(name.p, name.n) & object->index_mask;

    while (object->index[at] && !str_eq(object->index[at]->key, name))
        at = (at + 1) & object->index_mask;
    return &object->index[at];
}

/* Once all members are read: those whose name comes again go, and an object with many gets an index. */
static void finish_object(struct arena *arena, struct json_node *object)
{
    struct json_node *m = object->first, *next, **place;
    size_t size = 8;

    while (size < object->n * 2)
        size *= 2;
    if (object->n < 2)
        return;
    object->index = ARENA_ARRAY(arena, struct json_node *, size);
    object->index_mask = size - 1;
    object->first = object->last = NULL;
    object->n = 0;
    for (; m; m = next) {
        next = m->next;
        m->next = NULL;
        place = index_place(object, m->key);
        if (*place) { /* the later value, at the earlier place */
            m->next = (*place)->next;
            **place = *m;
            continue;
        }
        *place = m;
        if (object->last)
            object->last->next = m;
        else
            object->first = m;
        object->last = m;
        object->n++;
    }
}

static bool read_node(struct arena *arena, struct json_reader *r, struct json_node *node, struct buf *scratch)
{
    struct json_value v, key;

    if (!json_begin(r, &v))
        return false;
    node->type = v.type;
    if (v.type == JSON_OBJECT) {
        while (json_next_key(r, &key)) {
            struct json_node *m = append(arena, node);

            m->key = take_text(arena, &key, scratch);
            if (!read_node(arena, r, m, scratch))
                return false;
        }
        finish_object(arena, node);
    } else if (v.type == JSON_ARRAY) {
        while (json_next_item(r))
            if (!read_node(arena, r, append(arena, node), scratch))
                return false;
    } else {
        node->text = take_text(arena, &v, scratch);
        node->integer = v.integer;
    }
    return r->problem == NULL;
}

enum ig_code json_tree_parse(struct arena *arena, struct str text, struct json_node **out, struct error *err)
{
    struct json_node *root = ARENA_NEW(arena, struct json_node);
    struct json_reader r;
    struct buf scratch;
    bool ok;

    *out = NULL;
    buf_init(&scratch, 0);
    json_reader_init(&r, text);
    ok = read_node(arena, &r, root, &scratch) && json_end(&r);
    buf_release(&scratch);
    if (!ok)
        return error_set(err, IG_INVALID, "byte %zu: %s", r.at, r.problem ? r.problem : "not JSON");
    *out = root;
    return IG_OK;
}

const struct json_node *json_tree_member_str(const struct json_node *object, struct str name)
{
    if (!json_tree_is(object, JSON_OBJECT))
        return NULL;
    if (object->index)
        return *index_place(object, name);
    json_tree_each(m, object) if (str_eq(m->key, name)) return m;
    return NULL;
}

const struct json_node *json_tree_member(const struct json_node *object, const char *name)
{
    return json_tree_member_str(object, str_of(name));
}

struct str json_tree_string(const struct json_node *object, const char *name)
{
    const struct json_node *m = json_tree_member(object, name);

    return json_tree_is(m, JSON_STRING) ? m->text : (struct str){NULL, 0};
}

bool json_tree_int64(const struct json_node *node, int64_t *out)
{
    double d;

    if (!json_tree_is(node, JSON_NUMBER))
        return false;
    if (node->integer)
        return str_to_int64(node->text, INT64_MIN, INT64_MAX, out);
    /* 1.0 and 1e3 are integers, too */
    if (!str_to_double(node->text, &d) || d != floor(d) || fabs(d) > 9007199254740992.0)
        return false;
    *out = (int64_t)d;
    return true;
}

bool json_tree_double(const struct json_node *node, double *out)
{
    return json_tree_is(node, JSON_NUMBER) && str_to_double(node->text, out);
}

static bool numbers_equal(const struct json_node *a, const struct json_node *b)
{
    int64_t i, j;
    double d, e;

    if (json_tree_int64(a, &i) && json_tree_int64(b, &j))
        return i == j;
    if (json_tree_double(a, &d) && json_tree_double(b, &e) && !(a->integer && b->integer))
        return d == e;
    return str_eq(a->text, b->text);
}

bool json_tree_equal(const struct json_node *a, const struct json_node *b)
{
    const struct json_node *x, *y;

    if (a->type != b->type || a->n != b->n)
        return false;
    if (a->type == JSON_NUMBER)
        return numbers_equal(a, b);
    if (a->type == JSON_STRING)
        return str_eq(a->text, b->text);
    if (a->type == JSON_OBJECT) {
        json_tree_each(m, a)
        {
            y = json_tree_member_str(b, m->key);
            if (!y || !json_tree_equal(m, y))
                return false;
        }
        return true;
    }
    for (x = a->first, y = b->first; x && y; x = x->next, y = y->next)
        if (!json_tree_equal(x, y))
            return false;
    return true;
}

/* --- printing ---------------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    const struct json_node *const *x = a, *const *y = b;

    return str_cmp((*x)->key, (*y)->key);
}

static void print_members(const struct json_node *node, bool sorted, struct buf *out)
{
    const struct json_node **members = check_malloc((node->n + 1) * sizeof(struct json_node *));
    size_t n = 0;

    json_tree_each(m, node) members[n++] = m;
    if (sorted)
        qsort(members, n, sizeof(struct json_node *), by_key);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_putc(out, ',');
        json_add_string(out, members[i]->key);
        buf_putc(out, ':');
        json_tree_print(members[i], sorted, out);
    }
    free(members);
}

void json_tree_print(const struct json_node *node, bool sorted, struct buf *out)
{
    switch (node->type) {
    case JSON_OBJECT:
        buf_putc(out, '{');
        print_members(node, sorted, out);
        buf_putc(out, '}');
        break;
    case JSON_ARRAY:
        buf_putc(out, '[');
        json_tree_each(item, node)
        {
            if (item != node->first)
                buf_putc(out, ',');
            json_tree_print(item, sorted, out);
        }
        buf_putc(out, ']');
        break;
    case JSON_STRING:
        json_add_string(out, node->text);
        break;
    case JSON_NUMBER:
        buf_add_str(out, node->text);
        break;
    case JSON_TRUE:
        buf_puts(out, "true");
        break;
    case JSON_FALSE:
        buf_puts(out, "false");
        break;
    case JSON_NULL:
    case JSON_NONE:
        buf_puts(out, "null");
        break;
    }
}
