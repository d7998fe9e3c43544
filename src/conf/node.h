/*
 * A YAML file as a tree that knows where everything stands. Variables are replaced in scalar values while the tree is
 * built, behind the YAML parser: a value is always one scalar, whatever is in it.
 *
 * One document; anchors, aliases and merge keys (<<) work, within a bound on what they expand to.
 */
#ifndef CONF_NODE_H
#define CONF_NODE_H

#include "conf/conf.h"
#include "conf/vars.h"

enum node_kind { NODE_NULL, NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node;
struct node_entry {
    const struct node *key; /* NULL in a list */
    const struct node *value;
};
struct node {
    enum node_kind kind;
    const char *file;
    int line, column;         /* from 1 */
    const char *text;         /* of a scalar */
    const char *written;      /* what stands in the file if variables were replaced in it, otherwise NULL */
    struct node_entry *items; /* of a list or map */
    size_t n;
    size_t weight; /* nodes in it, aliases expanded */
};

struct node_reader {
    struct arena *arena;
    const struct vars *vars;
    struct conf_problems *problems;
};

/* NULL after reporting why; an empty file gives an empty map. `file` is kept. */
const struct node *node_parse(const struct node_reader *r, const char *file, struct str text);

/* The value of a map's key; NULL if there is none. */
const struct node *node_get(const struct node *map, const char *key);
const struct node *node_key(const struct node *map, const char *key); /* the key itself, for its place */

/* What was found, for messages: 'text' or "a list"; nothing that came through a variable, no passwords. */
const char *node_shown(struct arena *arena, const struct node *node);

#endif
