/* The simulated disk: what programs see of it, and what is left when the power goes. */
#include "base/env_sim_internal.h"

#include <stdlib.h>

#define SECTOR ((size_t)512)

/* --- randomness (splitmix64) ------------------------------------------------------------------------------------ */

uint64_t sim_draw(struct sim *s)
{
    uint64_t z = (s->random += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t sim_draw_below(struct sim *s, uint64_t n)
{
    return n ? sim_draw(s) % n : 0;
}

/* --- the file system as programs see it --------------------------------------------------------------------------- */

struct inode *sim_inode_new(struct sim *s, bool is_dir)
{
    struct inode *node = check_calloc(1, sizeof(*node));

    node->is_dir = is_dir;
    node->mtime_us = s->now_us;
    node->all_next = s->inodes;
    s->inodes = node;
    return node;
}

static struct entry *find_entry(struct sim *s, const struct inode *dir, const char *name, size_t n)
{
    for (size_t i = 0; i < s->entries.n; i++) {
        struct entry *e = &s->entries.p[i];

        if (e->dir == dir && strlen(e->name) == n && memcmp(e->name, name, n) == 0)
            return e;
    }
    return NULL;
}

/* Walks to the folder that holds the last part of the path; *name is that part, "" for the root itself. */
struct inode *sim_walk(struct sim *s, const char *path, const char **name, size_t *n)
{
    struct inode *dir = s->root;

    *name = "";
    *n = 0;
    for (;;) {
        const char *end;
        struct entry *e;

        while (*path == '/' || (path[0] == '.' && (path[1] == '/' || path[1] == 0)))
            path++;
        if (*path == 0)
            return dir;
        if (*n > 0) { /* the part before was not the last */
            e = find_entry(s, dir, *name, *n);
            if (!e || !e->node->is_dir)
                return NULL;
            dir = e->node;
        }
        end = strchr(path, '/');
        *name = path;
        *n = end ? (size_t)(end - path) : strlen(path);
        path += *n;
    }
}

struct inode *sim_lookup(struct sim *s, const char *path)
{
    const char *name;
    size_t n;
    struct inode *dir = sim_walk(s, path, &name, &n);
    const struct entry *e;

    if (!dir || n == 0)
        return dir;
    e = find_entry(s, dir, name, n);
    return e ? e->node : NULL;
}

char *sim_copy_name(const char *name, size_t n)
{
    char *copy = check_calloc(1, n + 1);

    memcpy(copy, name, n);
    return copy;
}

void sim_put_entry(struct entries *v, struct inode *dir, const char *name, size_t n, struct inode *node)
{
    const struct entry new = {dir, node, node ? sim_copy_name(name, n) : NULL};

    for (size_t i = 0; i < v->n; i++) {
        if (v->p[i].dir != dir || strlen(v->p[i].name) != n || memcmp(v->p[i].name, name, n) != 0)
            continue;
        free(v->p[i].name);
        if (node)
            v->p[i] = new;
        else
            v->p[i] = v->p[--v->n];
        return;
    }
    if (node)
        vec_push(v, new);
}

void sim_set_entry(struct sim *s, struct inode *dir, const char *name, size_t n, struct inode *node)
{
    const struct change c = {.dir = dir, .node = node, .name = sim_copy_name(name, n)};

    sim_put_entry(&s->entries, dir, name, n, node);
    vec_push(&s->changes, c);
}

void sim_resize(struct inode *node, size_t size)
{
    if (size > node->cap) {
        node->cap = size * 2;
        node->data = check_realloc(node->data, node->cap);
    }
    if (size > node->size)
        memset(node->data + node->size, 0, size - node->size);
    node->size = size;
}

/* --- power cuts ------------------------------------------------------------------------------------------------------
 */

static void apply_change(struct sim *s, const struct change *c)
{
    if (c->from_dir)
        sim_put_entry(&s->durable, c->from_dir, c->from_name, strlen(c->from_name), NULL);
    sim_put_entry(&s->durable, c->dir, c->name, strlen(c->name), c->node);
}

void sim_clear_changes(struct sim *s)
{
    for (size_t i = 0; i < s->changes.n; i++) {
        free(s->changes.p[i].name);
        free(s->changes.p[i].from_name);
    }
    s->changes.n = 0;
}

/* What the disk has of a file. */
static void cut_file(struct sim *s, struct inode *node)
{
    const size_t longer = node->size > node->synced_size ? node->size : node->synced_size;
    const size_t shorter = node->size < node->synced_size ? node->size : node->synced_size;
    const uint64_t how = sim_draw_below(s, 3);
    const size_t size = how == 0   ? node->size
                        : how == 1 ? node->synced_size
                                   : shorter + (size_t)sim_draw_below(s, longer - shorter + 1);
    char *after = check_calloc(1, size + 1);

    for (size_t at = 0; at < size; at += SECTOR) {
        const size_t n = size - at < SECTOR ? size - at : SECTOR;
        const bool new = sim_draw_below(s, 2) == 1;
        const char *from = new ? node->data : node->synced;
        const size_t have = new ? node->size : node->synced_size;

        if (from && at < have)
            memcpy(after + at, from + at, have - at < n ? have - at : n);
    }
    free(node->data);
    node->data = after;
    node->size = size;
    node->cap = size + 1;
    free(node->synced);
    node->synced = check_malloc(size + 1);
    memcpy(node->synced, after, size);
    node->synced_size = size;
}

void sim_cut(struct sim *s)
{
    const size_t upto = (size_t)sim_draw_below(s, s->changes.n + 1);

    for (size_t i = 0; i < s->changes.n; i++) {
        if (i < upto || s->changes.p[i].forced)
            apply_change(s, &s->changes.p[i]);
    }
    sim_clear_changes(s);
    for (size_t i = 0; i < s->entries.n; i++)
        free(s->entries.p[i].name);
    s->entries.n = 0;
    for (size_t i = 0; i < s->durable.n; i++) {
        struct entry e = s->durable.p[i];

        e.name = check_strdup(e.name);
        vec_push(&s->entries, e);
    }
    for (struct inode *node = s->inodes; node; node = node->all_next) {
        node->locked_by = NULL;
        if (!node->is_dir)
            cut_file(s, node);
    }
    s->age++;
    s->off = true;
    s->cut_in = 0;
}
