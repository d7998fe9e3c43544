// links: lake
/* A Parquet footer from outside: its columns are those of a tree, whose every name can be read, or it is refused. */
#include "fuzz.h"
#include "lake/parquet/footer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct footer footer;
    struct arena arena;
    size_t letters = 0;

    arena_init(&arena);
    if (!lake_footer_parse((struct str){(const char *)data, size}, &arena, &footer, NULL)) {
        IG_ASSERT(footer.root && footer.n_nodes > 0 && footer.n_rows >= 0 && footer.writer);
        for (size_t i = 0; i < footer.n_nodes; i++) {
            const struct footer_node *node = &footer.root[i];

            letters += strlen(node->name);
            IG_ASSERT(node->children == node + 1 && node->end > node && node->end <= footer.root + footer.n_nodes);
            IG_ASSERT(node->n_children >= 0 && (node->n_children == 0) == (node->end == node->children));
        }
        IG_ASSERT(letters <= size);
    }
    arena_release(&arena);
    return 0;
}
