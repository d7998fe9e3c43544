// links: lake
/* A deletion vector from outside: its bytes decode to one that comes back the same, or are refused. Text that begins
 * with { is a descriptor. */
#include "fuzz.h"
#include "lake/read/dv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str text = {(const char *)data, size};
    struct lake_dv *dv = NULL, *back = NULL;
    struct buf bytes;

    buf_init(&bytes, 0);
    if (size && data[0] == '{') {
        struct json_value type;

        /* Those in files are not looked for: there is no store. */
        if (json_member(text, "storageType", &type) && str_is(type.raw, "i") && !type.escaped)
            (void)!lake_dv_read(NULL, "t", text, &dv, NULL);
    } else if (!lake_dv_decode(text, &dv, NULL)) {
        lake_dv_encode(dv, &bytes);
        IG_ASSERT(!lake_dv_decode(buf_str(&bytes), &back, NULL));
        IG_ASSERT(lake_dv_count(back) == lake_dv_count(dv) && lake_dv_last(back) == lake_dv_last(dv));
        lake_dv_add_all(back, dv);
        IG_ASSERT(lake_dv_count(back) == lake_dv_count(dv));
    }
    lake_dv_free(back);
    lake_dv_free(dv);
    buf_release(&bytes);
    return 0;
}
