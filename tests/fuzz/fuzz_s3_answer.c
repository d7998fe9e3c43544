// links: store
/* What an S3 server answers: its XML, as the reader goes through it, and texts taken out of it. */
#include "base/percent.h"
#include "fuzz.h"
#include "store/http.h"
#include "store/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xml_reader r;
    enum xml_event event;
    struct buf text;
    size_t events = 0;

    buf_init(&text, (size_t)1 << 20);
    xml_reader_init(&r, (struct str){(const char *)data, size});
    while ((event = xml_next(&r)) != XML_EOF && event != XML_BAD) {
        IG_ASSERT(++events <= 2 * size + 2);
        if (event == XML_TEXT && !r.literal)
            (void)xml_unescape(r.text, &text);
    }
    (void)xml_find((struct str){(const char *)data, size}, "Key", &text);
    (void)xml_find((struct str){(const char *)data, size}, "Code", &text);
    (void)percent_decode(&text, (struct str){(const char *)data, size});
    buf_release(&text);
    return 0;
}
