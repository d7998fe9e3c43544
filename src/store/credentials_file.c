/* Profiles of ~/.aws/credentials and ~/.aws/config. */
#include "store/credentials_internal.h"

#include <stdlib.h>

#define FILE_MAX_BYTES ((size_t)1 << 20)
#define PROFILES_DEEP 4 /* a role assumed with a role assumed with ... */

static struct str trimmed(struct str s)
{
    while (s.n && (*s.p == ' ' || *s.p == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n && strchr(" \t\r", s.p[s.n - 1]))
        s.n--;
    return s;
}

/* The name inside of "[profile x]", "[x]" or "[profile "x y"]". */
static struct str section_name(struct str line, bool config)
{
    struct str name = trimmed((struct str){line.p + 1, line.n - 1});

    if (name.n && name.p[name.n - 1] == ']')
        name.n--;
    name = trimmed(name);
    if (config && str_has_prefix(name, "profile") && name.n > 7 && (name.p[7] == ' ' || name.p[7] == '\t')) {
        name = trimmed((struct str){name.p + 7, name.n - 7});
        if (name.n >= 2 && (*name.p == '"' || *name.p == '\''))
            name = (struct str){name.p + 1, name.n - 2};
    } else if (config && !str_is(name, "default")) {
        return (struct str){NULL, 0}; /* [services x], [sso-session x] */
    }
    return name;
}

/* Appends the value of a key of a section; false if it is not there. Sets *section if the section is. */
static bool find_setting(struct str text, bool config, const char *profile, const char *key, bool *section,
                         struct buf *out)
{
    const char *p = text.p, *end = text.p + text.n;
    bool inside = false;

    while (p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p)), *equals;
        struct str line = {p, (size_t)((stop ? stop : end) - p)};

        p = stop ? stop + 1 : end;
        if (line.n == 0 || strchr("#; \t\r", line.p[0])) /* indented: below a nested setting */
            continue;
        if (line.p[0] == '[') {
            inside = str_is(section_name(trimmed(line), config), profile);
            *section |= inside;
            continue;
        }
        equals = memchr(line.p, '=', line.n);
        if (!inside || !equals || !str_is(trimmed((struct str){line.p, (size_t)(equals - line.p)}), key))
            continue;
        buf_add_str(out, trimmed((struct str){equals + 1, line.n - (size_t)(equals + 1 - line.p)}));
        return true;
    }
    return false;
}

static void add_file_path(const char *variable, const char *name, struct buf *out)
{
    const char *set = credentials_env(variable), *home = credentials_env("HOME");

    if (set)
        buf_puts(out, set);
    else if (home)
        buf_printf(out, "%s/.aws/%s", home, name);
}

struct profiles {
    struct buf credentials, config; /* the texts of both files */
};

static void profiles_read(struct env *env, struct profiles *p)
{
    const struct {
        const char *variable, *name;
        struct buf *text;
    } files[] = {{"AWS_SHARED_CREDENTIALS_FILE", "credentials", &p->credentials},
                 {"AWS_CONFIG_FILE", "config", &p->config}};

    for (size_t i = 0; i < IG_COUNT(files); i++) {
        struct buf path;

        buf_init(files[i].text, FILE_MAX_BYTES);
        buf_init(&path, 0);
        add_file_path(files[i].variable, files[i].name, &path);
        if (path.n && env_read_file(env, buf_cstr(&path), files[i].text, NULL))
            buf_clear(files[i].text);
        buf_release(&path);
    }
}

static void profiles_release(struct profiles *p)
{
    buf_release(&p->credentials);
    buf_release(&p->config);
}

static const char *profile_name(const char *given)
{
    const char *set = credentials_env("AWS_PROFILE");

    return given ? given : set ? set : "default";
}

/* The value, to be freed, or NULL. The credentials file wins. */
static char *setting(const struct profiles *p, const char *profile, const char *key, bool *section)
{
    struct buf value;
    bool found;

    buf_init(&value, 0);
    found = find_setting(buf_str(&p->credentials), false, profile, key, section, &value) ||
            find_setting(buf_str(&p->config), true, profile, key, section, &value);
    if (found && value.n)
        return buf_take(&value);
    buf_release(&value);
    return NULL;
}

bool credentials_profile_setting(struct env *env, const char *profile, const char *key, struct buf *out)
{
    struct profiles p;
    bool section = false;
    char *value;

    profiles_read(env, &p);
    value = setting(&p, profile_name(profile), key, &section);
    profiles_release(&p);
    if (value)
        buf_puts(out, value);
    free(value);
    return value != NULL;
}

/* What a profile says about credentials. */
struct profile {
    bool section;
    char *access_key, *secret_key, *session_token;
    char *role_arn, *source_profile, *credential_source, *external_id, *session_name, *token_file;
    char *process, *sso_session, *sso_start_url;
};

static void profile_read(const struct profiles *p, const char *name, struct profile *out)
{
    *out = (struct profile){0};
    out->access_key = setting(p, name, "aws_access_key_id", &out->section);
    out->secret_key = setting(p, name, "aws_secret_access_key", &out->section);
    out->session_token = setting(p, name, "aws_session_token", &out->section);
    out->role_arn = setting(p, name, "role_arn", &out->section);
    out->source_profile = setting(p, name, "source_profile", &out->section);
    out->credential_source = setting(p, name, "credential_source", &out->section);
    out->external_id = setting(p, name, "external_id", &out->section);
    out->session_name = setting(p, name, "role_session_name", &out->section);
    out->token_file = setting(p, name, "web_identity_token_file", &out->section);
    out->process = setting(p, name, "credential_process", &out->section);
    out->sso_session = setting(p, name, "sso_session", &out->section);
    out->sso_start_url = setting(p, name, "sso_start_url", &out->section);
}

static void profile_release(struct profile *p)
{
    struct credential_set secrets = {p->access_key, p->secret_key, p->session_token, 0};
    char *others[] = {p->role_arn,   p->source_profile, p->credential_source, p->external_id,  p->session_name,
                      p->token_file, p->process,        p->sso_session,       p->sso_start_url};

    credential_set_release(&secrets);
    for (size_t i = 0; i < IG_COUNT(others); i++)
        free(others[i]);
}

static enum ig_code of_profile(const struct credential_source *s, const struct profiles *files, const char *name,
                               unsigned depth, struct credential_set *out, struct error *err);

/* The keys with which a profile's role is assumed. */
static enum ig_code source_of_role(const struct credential_source *s, const struct profiles *files,
                                   const struct profile *p, const char *name, unsigned depth,
                                   struct credential_set *out, struct error *err)
{
    if (p->source_profile && strcmp(p->source_profile, name) != 0)
        return of_profile(s, files, p->source_profile, depth + 1, out, err);
    if (p->access_key && p->secret_key) { /* its own */
        *out = (struct credential_set){check_strdup(p->access_key), check_strdup(p->secret_key),
                                       p->session_token ? check_strdup(p->session_token) : NULL, 0};
        return IG_OK;
    }
    if (p->credential_source && strcmp(p->credential_source, "Environment") == 0)
        return credentials_of_environment(s, out, err);
    if (p->credential_source && strcmp(p->credential_source, "EcsContainer") == 0)
        return credentials_of_container(s, out, err);
    if (p->credential_source && strcmp(p->credential_source, "Ec2InstanceMetadata") == 0)
        return credentials_of_instance(s, out, err);
    return error_set(err, IG_INVALID, "profile \"%s\" has a role_arn, but no source_profile or credential_source",
                     name);
}

static enum ig_code assume(const struct credential_source *s, const struct profiles *files, const struct profile *p,
                           const char *name, unsigned depth, struct credential_set *out, struct error *err)
{
    const struct sts_role role = {p->role_arn, p->session_name, p->external_id, {0}};
    struct credential_set with = {0};
    enum ig_code rc = source_of_role(s, files, p, name, depth, &with, err);

    if (rc == IG_NOT_FOUND) /* it is configured: not a reason to look elsewhere */
        rc = IG_INVALID;
    if (!rc)
        rc = credentials_assume_role(s, &role, &with, out, err);
    credential_set_release(&with);
    return rc;
}

static enum ig_code of_profile(const struct credential_source *s, const struct profiles *files, const char *name,
                               unsigned depth, struct credential_set *out, struct error *err)
{
    struct profile p;
    enum ig_code rc;

    if (depth >= PROFILES_DEEP)
        return error_set(err, IG_INVALID, "profile \"%s\": source_profile goes round in a circle", name);
    profile_read(files, name, &p);
    if (p.role_arn && p.token_file) {
        rc = credentials_assume_role_by_file(s, p.role_arn, p.session_name, p.token_file, out, err);
    } else if (p.role_arn) {
        rc = assume(s, files, &p, name, depth, out, err);
    } else if (p.access_key && p.secret_key) {
        *out = (struct credential_set){p.access_key, p.secret_key, p.session_token, 0};
        p.access_key = p.secret_key = p.session_token = NULL;
        rc = IG_OK;
    } else if (p.process || p.sso_session || p.sso_start_url) {
        rc = error_set(err, IG_INVALID,
                       "profile \"%s\" gets its keys by %s, which is not done here: put them into the environment "
                       "(aws configure export-credentials --format env)",
                       name, p.process ? "credential_process" : "SSO");
    } else {
        rc = error_set(err, IG_NOT_FOUND, "profile \"%s\" %s", name, p.section ? "has no keys" : "is not there");
    }
    profile_release(&p);
    return rc;
}

enum ig_code credentials_of_profile(const struct credential_source *s, struct credential_set *out, struct error *err)
{
    const char *name = profile_name(s->profile);
    struct profiles files;
    enum ig_code rc;

    profiles_read(s->env, &files);
    rc = of_profile(s, &files, name, 0, out, err);
    /* A profile that somebody named has to be there. */
    if (rc == IG_NOT_FOUND && (s->profile || credentials_env("AWS_PROFILE")))
        rc = IG_INVALID;
    profiles_release(&files);
    return rc;
}
