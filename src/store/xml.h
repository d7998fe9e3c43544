/*
 * XML as object stores answer it: elements and text. A pull reader over bytes of a peer; no document types, no
 * entities but the five and character numbers, a bounded depth. Attributes are skipped, namespaces are dropped.
 */
#ifndef STORE_XML_H
#define STORE_XML_H

#include "base/base.h"

#define XML_DEPTH_MAX 16

enum xml_event { XML_START, XML_TEXT, XML_END, XML_EOF, XML_BAD };

struct xml_reader {
    const char *p, *end;
    struct str names[XML_DEPTH_MAX]; /* the open elements */
    size_t depth;
    struct str name; /* of XML_START, XML_END */
    struct str text; /* of XML_TEXT: as it stands there, see xml_unescape() */
    bool literal;    /* the text is of a CDATA section: no escapes */
    bool ended;      /* an empty element: its XML_END is next */
    const char *problem;
};

void xml_reader_init(struct xml_reader *r, struct str text);
/* XML_BAD sticks, with a problem. XML_EOF only where all elements are closed and there was one. */
enum xml_event xml_next(struct xml_reader *r);

/* Appends a text with its escapes resolved; false if one is not known. */
bool xml_unescape(struct str text, struct buf *out);
/* Behind the XML_START of a leaf: appends its whole text, and goes behind its end. False if it has elements inside. */
bool xml_leaf(struct xml_reader *r, struct buf *out);
/* Behind the XML_START of an element: goes behind its end. */
bool xml_skip(struct xml_reader *r);
/* Appends text, escaped for an element's content. */
void xml_add_text(struct buf *out, struct str text);
/* Appends the text of the first element of that name, at any depth; false if there is none. */
bool xml_find(struct str document, const char *name, struct buf *out);

#endif
