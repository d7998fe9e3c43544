/*
 * Where deletion vectors are kept: within a descriptor (Z85 text), or in a file that holds many of them: a version
 * byte (1), then each with its size before and its CRC-32 behind it, both big-endian.
 */
#include "lake/lake_internal.h"
#include "lake/read/dv.h"

#include <stdlib.h>
#include <zlib.h>

#define DV_FILE_VERSION 1
#define DV_BYTES_MAX ((int64_t)1 << 30)
#define UUID_TEXT 20 /* characters of Z85 */

/* --- Z85 --------------------------------------------------------------------------------------------------- */

static const char z85[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

static void add_z85(struct buf *out, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i += 4) {
        uint32_t word = 0, power = 85u * 85 * 85 * 85;

        for (size_t k = i; k < i + 4; k++)
            word = word << 8 | (k < n ? p[k] : 0);
        for (; power; power /= 85)
            buf_putc(out, z85[word / power % 85]);
    }
}

static bool decode_z85(struct str text, struct buf *out)
{
    if (text.n % 5 != 0)
        return false;
    for (size_t i = 0; i < text.n; i += 5) {
        uint64_t word = 0;

        for (size_t k = i; k < i + 5; k++) {
            const char *at = text.p[k] ? strchr(z85, text.p[k]) : NULL;

            if (!at)
                return false;
            word = word * 85 + (uint64_t)(at - z85);
        }
        if (word > UINT32_MAX)
            return false;
        for (int shift = 24; shift >= 0; shift -= 8)
            buf_putc(out, (char)(word >> shift));
    }
    return true;
}

/* --- descriptors ------------------------------------------------------------------------------------------- */

struct descriptor {
    char type; /* i, u or p */
    struct buf text;
    int64_t offset, size, cardinality;
};

static enum ig_code parse_descriptor(struct str json, struct descriptor *d, struct error *err)
{
    struct buf type;
    bool ok;

    *d = (struct descriptor){.offset = 1};
    buf_init(&d->text, 0);
    buf_init(&type, 0);
    ok = json_member_string(json, "storageType", &type) && json_member_string(json, "pathOrInlineDv", &d->text) &&
         json_member_int64(json, "sizeInBytes", &d->size) && json_member_int64(json, "cardinality", &d->cardinality);
    (void)!json_member_int64(json, "offset", &d->offset);
    d->type = type.n == 1 ? type.p[0] : '\0';
    buf_release(&type);
    if (!ok)
        return error_set(err, IG_CORRUPT,
                         "a deletion vector lacks storageType, pathOrInlineDv, sizeInBytes or cardinality");
    if (!d->type || !strchr("iup", d->type))
        return error_set(err, IG_CORRUPT, "a deletion vector has a storageType that is none of i, u and p");
    if (d->size < 0 || d->size > DV_BYTES_MAX || d->offset < 0 || d->cardinality < 0)
        return error_set(err, IG_CORRUPT, "a deletion vector has sizes that can not be");
    return IG_OK;
}

/* "PREFIX/deletion_vector_UUID.bin", from the prefix and the UUID in Z85. */
static enum ig_code relative_name(struct str text, struct buf *out, struct error *err)
{
    const uint8_t *p;
    struct buf uuid;
    bool ok;

    buf_init(&uuid, 0);
    ok = text.n >= UUID_TEXT && decode_z85((struct str){text.p + text.n - UUID_TEXT, UUID_TEXT}, &uuid);
    p = (const uint8_t *)uuid.p;
    if (ok && text.n > UUID_TEXT)
        buf_printf(out, STR_FMT "/", (int)(text.n - UUID_TEXT), text.p);
    if (ok)
        buf_printf(out, "deletion_vector_%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x.bin",
                   p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], p[10], p[11], p[12], p[13], p[14],
                   p[15]);
    buf_release(&uuid);
    return ok ? IG_OK
              : error_set(err, IG_CORRUPT, "the deletion vector's name \"" STR_FMT "\" is no UUID", STR_ARG(text));
}

/* --- reading ----------------------------------------------------------------------------------------------- */

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* size, bytes, checksum at the descriptor's offset. */
static enum ig_code read_part(struct env *env, struct env_file *f, const struct descriptor *d, struct buf *out,
                              struct error *err)
{
    uint8_t head[4], *body;
    int64_t size;

    IG_TRY(env_size(env, f, &size, err));
    if (d->offset + d->size + 8 > size)
        return error_set(err, IG_CORRUPT, "the file has %lld bytes, too few", (long long)size);
    IG_TRY(env_read_full(env, f, 0, head, 1, err));
    if (head[0] != DV_FILE_VERSION)
        return error_set(err, head[0] > DV_FILE_VERSION ? IG_UNSUPPORTED : IG_CORRUPT,
                         "the file is of version %u, we know %d", head[0], DV_FILE_VERSION);
    IG_TRY(env_read_full(env, f, d->offset, head, 4, err));
    if (be32(head) != d->size)
        return error_set(err, IG_CORRUPT, "it has %lu bytes there, not %lld", (unsigned long)be32(head),
                         (long long)d->size);
    body = buf_reserve(out, (size_t)d->size + 4);
    if (!body)
        return error_set(err, IG_LIMIT, "it is too large");
    IG_TRY(env_read_full(env, f, d->offset + 4, body, (size_t)d->size + 4, err));
    if (crc32(0, body, (uInt)d->size) != be32(body + d->size))
        return error_set(err, IG_CORRUPT, "its checksum is wrong");
    out->n += (size_t)d->size;
    return IG_OK;
}

static enum ig_code read_file(struct env *env, const char *path, const struct descriptor *d, struct buf *bytes,
                              struct error *err)
{
    struct env_file *f = NULL;
    enum ig_code rc = env_open(env, path, ENV_OPEN_READ, &f, err);

    if (!rc)
        rc = read_part(env, f, d, bytes, err);
    if (f)
        env_close(env, f);
    return rc == IG_NOT_FOUND ? IG_CORRUPT : rc;
}

static enum ig_code read_inline(const struct descriptor *d, struct buf *bytes, struct error *err)
{
    if (!decode_z85(buf_str(&d->text), bytes) || (int64_t)bytes->n < d->size || (int64_t)bytes->n >= d->size + 4)
        return error_set(err, IG_CORRUPT, "its text is no Z85 of %lld bytes", (long long)d->size);
    bytes->n = (size_t)d->size;
    return IG_OK;
}

/* Decodes the bytes and checks that they are as many rows as promised. */
static enum ig_code decode(const struct descriptor *d, struct str bytes, struct lake_dv **out, struct error *err)
{
    IG_TRY(lake_dv_decode(bytes, out, err));
    if (lake_dv_count(*out) == (uint64_t)d->cardinality)
        return IG_OK;
    error_set(err, IG_CORRUPT, "it has %llu rows, not %lld", (unsigned long long)lake_dv_count(*out),
              (long long)d->cardinality);
    lake_dv_free(*out);
    *out = NULL;
    return IG_CORRUPT;
}

/* Where the vector's file is for this process; nothing for an inline one. */
static enum ig_code locate(struct store *st, const char *table_path, const struct descriptor *d, struct buf *path,
                           struct error *err)
{
    struct buf name;
    enum ig_code rc = IG_OK;

    buf_init(&name, 0);
    if (d->type == 'u')
        rc = relative_name(buf_str(&d->text), &name, err);
    else if (d->type == 'p' && !lake_decode_uri(buf_str(&d->text), &name))
        rc = error_set(err, IG_CORRUPT, "its path is not well-formed");
    if (!rc && d->type != 'i')
        rc = lake_local_path(st, table_path, buf_str(&name), path, err);
    buf_release(&name);
    return rc;
}

static enum ig_code read_located(struct env *env, const struct descriptor *d, const char *path, struct lake_dv **out,
                                 struct error *err)
{
    struct buf bytes;
    enum ig_code rc;

    *out = NULL;
    buf_init(&bytes, 0);
    rc = d->type == 'i' ? read_inline(d, &bytes, err) : read_file(env, path, d, &bytes, err);
    if (!rc)
        rc = decode(d, buf_str(&bytes), out, err);
    if (rc && d->type == 'i')
        error_context(err, rc, "a deletion vector within the log");
    else if (rc)
        error_context(err, rc, "deletion vector %s, byte %lld", path, (long long)d->offset);
    buf_release(&bytes);
    return rc;
}

static enum ig_code read_dv(struct store *st, const char *table_path, struct str descriptor, struct buf *located,
                            struct lake_dv **out, struct error *err)
{
    struct descriptor d;
    struct buf path;
    enum ig_code rc = parse_descriptor(descriptor, &d, err);

    *out = NULL;
    buf_init(&path, 0);
    if (!rc) {
        rc = locate(st, table_path, &d, &path, err);
        if (rc)
            error_context(err, rc, "deletion vector %s", buf_cstr(&d.text));
    }
    if (!rc)
        rc = read_located(st ? st->env : NULL, &d, buf_cstr(&path), out, err);
    if (!rc && located) {
        buf_printf(located, "\"storageType\":\"%c\",\"pathOrInlineDv\":", d.type == 'i' ? 'i' : 'p');
        json_add_string(located, d.type == 'i' ? buf_str(&d.text) : buf_str(&path));
        buf_printf(located, ",\"offset\":%lld,\"sizeInBytes\":%lld,\"cardinality\":%lld", (long long)d.offset,
                   (long long)d.size, (long long)d.cardinality);
    }
    buf_release(&path);
    buf_release(&d.text);
    return rc;
}

enum ig_code lake_dv_read(struct store *st, const char *table_path, struct str descriptor, struct lake_dv **out,
                          struct error *err)
{
    return read_dv(st, table_path, descriptor, NULL, out, err);
}

enum ig_code lake_dv_locate(struct store *st, const char *table_path, struct str descriptor, int64_t n_rows,
                            struct buf *located, struct error *err)
{
    struct lake_dv *dv = NULL;
    enum ig_code rc;

    buf_puts(located, "{");
    rc = read_dv(st, table_path, descriptor, located, &dv, err);
    buf_puts(located, "}");
    if (!rc && lake_dv_count(dv) && lake_dv_last(dv) >= (uint64_t)n_rows)
        rc = error_set(err, IG_CORRUPT, "the deletion vector names row %llu, and the file has %lld",
                       (unsigned long long)lake_dv_last(dv), (long long)n_rows);
    lake_dv_free(dv);
    return rc;
}

enum ig_code lake_dv_read_located(struct env *env, struct str located, struct lake_dv **out, struct error *err)
{
    struct descriptor d;
    enum ig_code rc = parse_descriptor(located, &d, err);

    *out = NULL;
    if (!rc)
        rc = read_located(env, &d, buf_cstr(&d.text), out, err);
    buf_release(&d.text);
    return rc;
}

/* --- writing ----------------------------------------------------------------------------------------------- */

static void add_be32(struct buf *out, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_putc(out, (char)(value >> shift));
}

/* The 16 bytes that a UUID's text names, as Z85. */
static void add_uuid_z85(struct buf *out, const char *uuid)
{
    uint8_t bytes[16];
    size_t n = 0;

    for (const char *p = uuid; *p && n < sizeof(bytes); p++) {
        char pair[3] = {p[0], p[1], '\0'};

        if (*p == '-')
            continue;
        bytes[n++] = (uint8_t)strtoul(pair, NULL, 16);
        p++;
    }
    IG_ASSERT(n == sizeof(bytes));
    add_z85(out, bytes, sizeof(bytes));
}

void lake_dv_add_inline(const struct lake_dv *dv, struct buf *out)
{
    struct buf bytes, text;

    buf_init(&bytes, 0);
    buf_init(&text, 0);
    lake_dv_encode(dv, &bytes);
    add_z85(&text, (const uint8_t *)bytes.p, bytes.n);
    buf_puts(out, "{\"storageType\":\"i\",\"pathOrInlineDv\":");
    json_add_string(out, buf_str(&text));
    buf_printf(out, ",\"sizeInBytes\":%zu,\"cardinality\":%llu}", bytes.n, (unsigned long long)lake_dv_count(dv));
    buf_release(&text);
    buf_release(&bytes);
}

enum ig_code lake_dv_write(struct lake_table *t, const struct lake_dv *const *dvs, size_t n, struct arena *a,
                           const char **descriptors, const char **name, struct error *err)
{
    struct buf file, text, object;
    char uuid[37];
    enum ig_code rc;

    IG_ASSERT(n > 0);
    buf_init(&file, 0);
    buf_init(&text, 0);
    buf_init(&object, 0);
    env_uuid(t->store->env, uuid);
    buf_putc(&file, DV_FILE_VERSION);
    for (size_t i = 0; i < n; i++) {
        const size_t offset = file.n;
        size_t size;

        add_be32(&file, 0);
        lake_dv_encode(dvs[i], &file);
        if (file.overflow)
            break;
        size = file.n - offset - 4;
        for (int k = 0; k < 4; k++)
            file.p[offset + (size_t)k] = (char)(size >> (24 - 8 * k));
        add_be32(&file, (uint32_t)crc32(0, (const Bytef *)file.p + offset + 4, (uInt)size));
        buf_clear(&text);
        add_uuid_z85(&text, uuid);
        buf_clear(&object);
        buf_puts(&object, "{\"storageType\":\"u\",\"pathOrInlineDv\":");
        json_add_string(&object, buf_str(&text));
        buf_printf(&object, ",\"offset\":%zu,\"sizeInBytes\":%zu,\"cardinality\":%llu}", offset, size,
                   (unsigned long long)lake_dv_count(dvs[i]));
        descriptors[i] = arena_strndup(a, buf_cstr(&object), object.n);
    }
    *name = arena_printf(a, "deletion_vector_%s.bin", uuid);
    buf_clear(&object);
    lake_add_object_name(&object, t->path, str_of(*name));
    rc = buf_check(&file, err, "a file of deletion vectors");
    if (!rc)
        rc = store_put(t->store, buf_cstr(&object), buf_str(&file), STORE_IF_ABSENT, err);
    if (rc == IG_UNKNOWN_OUTCOME) /* of a file that no commit names: nothing has happened */
        rc = store_is_local(t->store) ? IG_IO : IG_UNAVAILABLE;
    buf_release(&object);
    buf_release(&text);
    buf_release(&file);
    return rc;
}
