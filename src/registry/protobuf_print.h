/*
 * Protobuf: the printing of options, and of lines: shared by the two files that make a schema a text again.
 */
#ifndef REGISTRY_PROTOBUF_PRINT_H
#define REGISTRY_PROTOBUF_PRINT_H

#include "registry/protobuf.h"

enum pb_mode { PB_AS_WRITTEN, PB_NORMAL, PB_WITHOUT_EXTENSIONS };

struct pb_printer {
    const struct pb_schema *schema;
    struct arena arena; /* of what is sorted */
    struct buf *out;
    enum pb_mode mode;
    unsigned level;
    bool fresh;       /* at the beginning of a line */
    struct str scope; /* the package and the names of the messages that we are in */
};

void pb_put(struct pb_printer *p, struct str s);
void pb_putf(struct pb_printer *p, const char *fmt, ...) IG_PRINTF(2, 3); /* short things */
/* Ends the line; an empty one has its indentation, too. */
void pb_newline(struct pb_printer *p);

/* Those that are printed, in the order in which they are. */
const struct pb_option *pb_shown_options(struct pb_printer *p, const struct pb_option *options);
/* " [a = 1]", or one a line if there are more. */
void pb_print_inline_options(struct pb_printer *p, const struct pb_option *options);
/* "option a = 1;", of shown ones. */
void pb_print_option_lines(struct pb_printer *p, const struct pb_option *options);

#endif
