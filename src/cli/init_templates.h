/* The project that `ingot init` makes without a template: files by their path. */
#ifndef CLI_INIT_TEMPLATES_H
#define CLI_INIT_TEMPLATES_H

#include <stddef.h>

struct init_file {
    const char *path, *text;
};
extern const struct init_file init_minimal[];
extern const size_t init_minimal_count;

#endif
