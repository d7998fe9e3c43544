#include "broker/key_map.h"

#include <stdlib.h>

struct key_slot {
    uint8_t hash[16];
    int64_t next; /* the offset and one; 0: empty */
};

#define KEYS_MIN 1024

void key_map_init(struct key_map *m, size_t keys, size_t bytes)
{
    *m = (struct key_map){.latest = -1, .cap = keys + keys / 2};
    if (m->cap > bytes / sizeof(struct key_slot))
        m->cap = bytes / sizeof(struct key_slot);
    if (m->cap < KEYS_MIN)
        m->cap = KEYS_MIN;
    m->slots = check_calloc(m->cap, sizeof(*m->slots));
}

void key_map_free(struct key_map *m)
{
    free(m->slots);
    *m = (struct key_map){.latest = -1};
}

static struct key_slot *slot_of(const struct key_map *m, struct str key, uint8_t hash[16])
{
    uint64_t at;
    size_t i;

    hash_md5(key.p, key.n, hash);
    memcpy(&at, hash, sizeof(at));
    for (i = (size_t)(at % m->cap); m->slots[i].next != 0; i = i + 1 < m->cap ? i + 1 : 0) {
        if (memcmp(m->slots[i].hash, hash, 16) == 0)
            break;
    }
    return &m->slots[i];
}

bool key_map_put(struct key_map *m, struct str key, int64_t offset)
{
    uint8_t hash[16];
    struct key_slot *s = slot_of(m, key, hash);

    if (s->next == 0) {
        if (m->n + 1 > m->cap - m->cap / 8)
            return false;
        memcpy(s->hash, hash, sizeof(hash));
        m->n++;
    }
    s->next = offset + 1;
    m->latest = offset;
    return true;
}

int64_t key_map_get(const struct key_map *m, struct str key)
{
    uint8_t hash[16];

    return slot_of(m, key, hash)->next - 1;
}
