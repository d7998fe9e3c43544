/* Section `topics:` of ingot.yml: topics that belong to no domain. */
#include "conf/keys.h"

#define DAY_MS INT64_C(86400000)

const char *const conf_cleanups[] = {"delete", "compact", "compact,delete", NULL};

#define TOPIC(member) offsetof(struct conf_topic, member)
static const struct key keys[] = {
    {.name = "partitions", .kind = KEY_INT32, .at = TOPIC(partitions), .default_text = "1", .min = 1, .max = 1000},
    {.name = "retention"},
    {.name = "cleanup", .kind = KEY_WORD, .at = TOPIC(cleanup), .default_text = "delete", .words = conf_cleanups},
};
const struct key_table conf_topics_table = {keys, IG_COUNT(keys)};

static const struct key retention_key = {
    .name = "retention", .kind = KEY_DURATION, .at = TOPIC(retention_ms), .min = 1000, .max = 36500 * DAY_MS};
const struct key_table conf_retention_table = {&retention_key, 1};

bool load_topic_name(const char *s)
{
    size_t n = 0;

    for (; s[n]; n++)
        if (!((s[n] >= 'a' && s[n] <= 'z') || (s[n] >= 'A' && s[n] <= 'Z') || (s[n] >= '0' && s[n] <= '9') ||
              s[n] == '.' || s[n] == '_' || s[n] == '-'))
            return false;
    return n > 0 && n <= 249 && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

/* Records that are compacted stay for ever, unless it is said otherwise. */
static void read_retention(struct load *l, const struct node *map, struct conf_topic *t)
{
    const struct node *node = node_get(map, "retention");

    t->retention_ms = t->cleanup == CONF_CLEANUP_COMPACT ? -1 : 7 * DAY_MS;
    if (node && node->kind == NODE_SCALAR && strcmp(node->text, "forever") == 0) {
        t->retention_ms = -1;
        if (node->written)
            load_origin(l, &t->retention_ms, node->written);
    } else if (node && node->kind != NODE_NULL) {
        (void)keys_value(l, &retention_key, node, t);
    }
}

void load_topics(struct load *l, const struct node *section)
{
    struct conf_topic *topics;

    if (!section || section->kind == NODE_NULL)
        return;
    if (section->kind != NODE_MAP) {
        load_problem(l, section, "topics: a mapping of topics is wanted, like {pipeline-alerts: {retention: 1d}}");
        return;
    }
    topics = ARENA_ARRAY(l->arena, struct conf_topic, section->n + 1);
    for (size_t i = 0; i < section->n; i++) {
        const struct node *key = section->items[i].key, *value = section->items[i].value;
        struct conf_topic *t = &topics[l->conf->n_topics++];

        t->name = key->text;
        if (!load_topic_name(t->name))
            load_problem(l, key, "topics: %s is not a topic's name: up to 249 letters, digits, '.', '_' and '-'",
                         node_shown(l->arena, key));
        if (keys_read(l, value, arena_printf(l->arena, "topics.%s", t->name), keys, IG_COUNT(keys), t))
            read_retention(l, value, t);
        else
            t->retention_ms = 7 * DAY_MS;
    }
    l->conf->topics = topics;
    l->topics = section;
}
