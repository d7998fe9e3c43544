#include "conf/node.h"

#include "conf/problems.h"

#include <yaml.h>

#define DEPTH_MAX 48
#define NODES_MAX ((size_t)100000)
#define KEYS_MAX 5000

struct anchor {
    const char *name;
    const struct node *node; /* NULL while it is being read */
};

struct frame {
    struct node *node;
    VEC(struct node_entry) items;
    const struct node *key; /* of a map: read, its value comes next */
    size_t anchor;          /* index + 1 */
};

struct builder {
    const struct node_reader *r;
    const char *file;
    struct frame stack[DEPTH_MAX];
    size_t depth;
    VEC(struct anchor) anchors;
    const struct node *root;
    yaml_mark_t at; /* of the event */
    size_t n_documents;
    bool failed; /* nothing more can be made of the file */
};

static void problem(struct builder *b, yaml_mark_t at, const char *text)
{
    problems_add(b->r->problems, b->file, (int)at.line + 1, (int)at.column + 1, "%s", text);
}

static void give_up(struct builder *b, yaml_mark_t at, const char *text)
{
    problem(b, at, text);
    b->failed = true;
}

static struct node *new_node(struct builder *b, enum node_kind kind, yaml_mark_t at)
{
    struct node *n = ARENA_NEW(b->r->arena, struct node);

    *n = (struct node){
        .kind = kind, .file = b->file, .line = (int)at.line + 1, .column = (int)at.column + 1, .weight = 1};
    return n;
}

static bool expects_key(const struct builder *b)
{
    return b->depth > 0 && b->stack[b->depth - 1].node->kind == NODE_MAP && !b->stack[b->depth - 1].key;
}

static void add_key(struct builder *b, struct frame *f, const struct node *key)
{
    const yaml_mark_t at = {.line = (size_t)key->line - 1, .column = (size_t)key->column - 1};

    f->key = key;
    if (key->kind == NODE_LIST || key->kind == NODE_MAP) {
        give_up(b, at, "a key is a word, not a list or a mapping");
        return;
    }
    if (f->items.n >= KEYS_MAX) {
        give_up(b, at, "the mapping has too many keys");
        return;
    }
    for (size_t i = 0; i < f->items.n; i++)
        if (strcmp(f->items.p[i].key->text, key->text) == 0) {
            problems_add(b->r->problems, b->file, key->line, key->column,
                         "the key '%s' is here twice; the first one is in line %d", key->text, f->items.p[i].key->line);
            return;
        }
}

/* Puts a complete node where the parser is. */
static void place(struct builder *b, const struct node *node)
{
    struct frame *f;

    if (b->depth == 0) {
        b->root = node;
        return;
    }
    f = &b->stack[b->depth - 1];
    if (f->node->kind == NODE_MAP && !f->key) {
        add_key(b, f, node);
        return;
    }
    f->node->weight += node->weight;
    if (f->node->weight > NODES_MAX) {
        give_up(b, b->at, "the file is too large once its aliases are expanded");
        return;
    }
    vec_push(&f->items, ((struct node_entry){f->key, node}));
    f->key = NULL;
}

static size_t add_anchor(struct builder *b, const yaml_char_t *name, const struct node *node)
{
    if (!name)
        return 0;
    vec_push(&b->anchors, ((struct anchor){arena_strdup(b->r->arena, (const char *)name), node}));
    return b->anchors.n;
}

/* Replaces variables. False after reporting why. */
static bool expand(struct builder *b, struct node *n, struct str raw, bool plain, const yaml_event_t *e)
{
    struct vars_problem why = {0};
    bool replaced, ok;
    struct buf text;

    buf_init(&text, 1 << 20);
    ok = vars_expand(b->r->vars, raw, &text, &replaced, &why);
    if (!ok) {
        const bool one_line = plain && e->start_mark.line == e->end_mark.line;

        problems_add(b->r->problems, b->file, n->line, n->column + (one_line ? (int)why.at : 0), "%s", why.text);
    } else if (text.overflow) {
        problem(b, e->start_mark, "the value is too long with its variables replaced");
    }
    n->text = arena_strndup(b->r->arena, buf_cstr(&text), text.n);
    if (replaced || !ok)
        n->written = arena_strndup(b->r->arena, raw.p, raw.n);
    buf_release(&text);
    return ok;
}

static bool is_null(struct str s)
{
    return s.n == 0 || str_is(s, "~") || str_is(s, "null") || str_is(s, "Null") || str_is(s, "NULL");
}

static void on_scalar(struct builder *b, const yaml_event_t *e)
{
    const struct str raw = {(const char *)e->data.scalar.value, e->data.scalar.length};
    const bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    const bool key = expects_key(b);
    struct node *n = new_node(b, NODE_SCALAR, e->start_mark);

    n->text = arena_strndup(b->r->arena, raw.p, raw.n);
    if (memchr(raw.p, 0, raw.n))
        problem(b, e->start_mark, "a value can not hold a NUL character");
    if (e->data.scalar.tag && strcmp((const char *)e->data.scalar.tag, YAML_STR_TAG) != 0)
        problem(b, e->start_mark, "tags (!...) have no meaning here; write the value alone");
    /* What could not be expanded is reported: nobody shall report its value as well. */
    if (!key && ((plain && is_null(raw) && !e->data.scalar.tag) || !expand(b, n, raw, plain, e)))
        n->kind = NODE_NULL;
    if (n->kind == NODE_NULL && n->written)
        n->text = "";
    add_anchor(b, e->data.scalar.anchor, n);
    place(b, n);
}

static void on_start(struct builder *b, const yaml_event_t *e, enum node_kind kind, const yaml_char_t *anchor,
                     const yaml_char_t *tag)
{
    struct frame *f;

    if (b->depth == DEPTH_MAX) {
        give_up(b, e->start_mark, "lists and mappings are nested too deeply");
        return;
    }
    if (tag)
        problem(b, e->start_mark, "tags (!...) have no meaning here; write the value alone");
    f = &b->stack[b->depth++];
    *f = (struct frame){.node = new_node(b, kind, e->start_mark)};
    f->anchor = add_anchor(b, anchor, NULL);
}

static bool has_key(const struct frame *f, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(f->items.p[i].key->text, key) == 0)
            return true;
    return false;
}

static void merge_map(struct builder *b, struct frame *f, const struct node *from, const struct node *key)
{
    if (from->kind != NODE_MAP) {
        problems_add(b->r->problems, b->file, key->line, key->column,
                     "'<<' takes a mapping (*name) or a list of mappings");
        return;
    }
    for (size_t i = 0; i < from->n && f->items.n < KEYS_MAX; i++)
        if (!has_key(f, f->items.n, from->items[i].key->text))
            vec_push(&f->items, from->items[i]);
}

/* `<<: *base` gives a mapping the keys of another that it has not itself. */
static void resolve_merges(struct builder *b, struct frame *f)
{
    const size_t own = f->items.n;
    size_t kept = 0;

    for (size_t i = 0; i < own; i++) {
        const struct node_entry e = f->items.p[i];

        if (strcmp(e.key->text, "<<") != 0)
            continue;
        if (e.value->kind != NODE_LIST)
            merge_map(b, f, e.value, e.key);
        for (size_t k = 0; e.value->kind == NODE_LIST && k < e.value->n; k++)
            merge_map(b, f, e.value->items[k].value, e.key);
    }
    for (size_t i = 0; i < f->items.n; i++)
        if (strcmp(f->items.p[i].key->text, "<<") != 0)
            f->items.p[kept++] = f->items.p[i];
    f->items.n = kept;
}

static void on_end(struct builder *b)
{
    struct frame *f = &b->stack[b->depth - 1];
    struct node *n = f->node;

    if (n->kind == NODE_MAP)
        resolve_merges(b, f);
    n->n = f->items.n;
    n->items = ARENA_ARRAY(b->r->arena, struct node_entry, f->items.n + 1);
    if (n->n)
        memcpy(n->items, f->items.p, n->n * sizeof(*n->items));
    if (f->anchor)
        b->anchors.p[f->anchor - 1].node = n;
    vec_free(&f->items);
    b->depth--;
    place(b, n);
}

static void on_alias(struct builder *b, const yaml_event_t *e)
{
    const char *name = (const char *)e->data.alias.anchor;

    for (size_t i = b->anchors.n; i-- > 0;) {
        if (strcmp(b->anchors.p[i].name, name) != 0)
            continue;
        if (!b->anchors.p[i].node)
            give_up(b, e->start_mark, "an alias can not stand inside of what it names");
        else
            place(b, b->anchors.p[i].node);
        return;
    }
    give_up(b, e->start_mark, "an alias without its anchor: nothing before it is marked with &name");
}

static void on_event(struct builder *b, const yaml_event_t *e)
{
    b->at = e->start_mark;
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->n_documents++ > 0)
            give_up(b, e->start_mark, "a second document ('---') begins here; a file holds one");
        break;
    case YAML_SCALAR_EVENT:
        on_scalar(b, e);
        break;
    case YAML_SEQUENCE_START_EVENT:
        on_start(b, e, NODE_LIST, e->data.sequence_start.anchor, e->data.sequence_start.tag);
        break;
    case YAML_MAPPING_START_EVENT:
        on_start(b, e, NODE_MAP, e->data.mapping_start.anchor, e->data.mapping_start.tag);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        on_end(b);
        break;
    case YAML_ALIAS_EVENT:
        on_alias(b, e);
        break;
    default:
        break;
    }
}

/* The place of a byte; the parser does not say where bytes are that are no text. */
static yaml_mark_t mark_of_offset(struct str text, size_t offset)
{
    yaml_mark_t at = {0};

    for (size_t i = 0; i < offset && i < text.n; i++) {
        if (text.p[i] == '\n') {
            at.line++;
            at.column = 0;
        } else if (((unsigned char)text.p[i] & 0xc0) != 0x80) {
            at.column++;
        }
    }
    return at;
}

static void on_syntax_error(struct builder *b, const yaml_parser_t *parser, struct str text)
{
    const bool tab = parser->problem && strstr(parser->problem, "cannot start any token") &&
                     parser->problem_mark.index < text.n && text.p[parser->problem_mark.index] == '\t';
    const char *context = parser->context ? parser->context : "";
    const bool bytes = parser->error == YAML_READER_ERROR;
    const yaml_mark_t at = bytes ? mark_of_offset(text, parser->problem_offset) : parser->problem_mark;

    problems_add(b->r->problems, b->file, (int)at.line + 1, (int)at.column + 1, "not YAML: %s%s%s%s", context,
                 *context ? ", " : "", parser->problem ? parser->problem : "out of memory",
                 tab ? " (a tab: indent with spaces)" : "");
    b->failed = true;
}

const struct node *node_parse(const struct node_reader *r, const char *file, struct str text)
{
    struct builder *b = check_calloc(1, sizeof(*b));
    const struct node *root;
    yaml_parser_t parser;
    bool ended = false;

    b->r = r;
    b->file = file;
    IG_ASSERT(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
    while (!ended && !b->failed) {
        yaml_event_t event;

        if (!yaml_parser_parse(&parser, &event)) {
            on_syntax_error(b, &parser, text);
            break;
        }
        on_event(b, &event);
        ended = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    root = b->root;
    if (!b->failed && (!root || root->kind == NODE_NULL))
        root = new_node(b, NODE_MAP, (yaml_mark_t){0});
    if (b->failed)
        root = NULL;
    for (size_t i = 0; i < b->depth; i++)
        vec_free(&b->stack[i].items);
    vec_free(&b->anchors);
    free(b);
    return root;
}

const struct node *node_get(const struct node *map, const char *key)
{
    for (size_t i = 0; map && map->kind == NODE_MAP && i < map->n; i++)
        if (strcmp(map->items[i].key->text, key) == 0)
            return map->items[i].value;
    return NULL;
}

const struct node *node_key(const struct node *map, const char *key)
{
    for (size_t i = 0; map && map->kind == NODE_MAP && i < map->n; i++)
        if (strcmp(map->items[i].key->text, key) == 0)
            return map->items[i].key;
    return NULL;
}

#define SHOWN_MAX 80

const char *node_shown(struct arena *arena, const struct node *node)
{
    struct buf masked;
    char shown[SHOWN_MAX + 1];
    const char *at;
    size_t n = 0;
    bool cut;

    if (node->kind == NODE_LIST)
        return "a list";
    if (node->kind == NODE_MAP)
        return "a mapping";
    if (node->kind == NODE_NULL)
        return "nothing";
    buf_init(&masked, 0);
    if (node->written)
        buf_puts(&masked, node->written);
    else
        conf_add_masked(&masked, node->text);
    cut = masked.n > SHOWN_MAX;
    at = buf_cstr(&masked);
    for (; *at && n < SHOWN_MAX; at++)
        shown[n++] = (unsigned char)*at < ' ' || *at == 0x7f ? '?' : *at;
    while (cut && n > 0 && ((unsigned char)*at & 0xc0) == 0x80) { /* whole characters only */
        at--;
        n--;
    }
    shown[n] = 0;
    buf_release(&masked);
    return arena_printf(arena, "%s'%s%s'", node->written ? "the value of " : "", shown, cut ? "..." : "");
}
