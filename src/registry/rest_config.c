/*
 * /config and /mode, global and of a subject.
 */
#include "registry/rest.h"

#include <stdlib.h>

/* The subject of the path; p NULL: the global one (also for the name of the default context). */
static struct str subject_or_global(struct rest *x)
{
    struct str s = x->parts[0];

    if (!s.p || str_is(s, ":.:") || str_is(s, "__GLOBAL") || str_is(s, ":.:__GLOBAL"))
        return (struct str){NULL, 0};
    return rest_subject(x, 0);
}

static int check_name(struct rest *x, struct str subject)
{
    if (subject.p && (subject.n == 0 || subject.n > 1024 || !str_is_utf8(subject) || subject.p[0] == ':'))
        return refuse(&x->why, 42208, "The specified subject '" STR_FMT "' is not a valid.", STR_ARG(subject));
    return 0;
}

/* --- config ------------------------------------------------------------------------------------------ */

/* The members of a config's record, the level under `name`. */
static void add_config(struct rest *x, const char *config, const char *name, enum level level)
{
    struct json_node *node;
    bool first = true;

    buf_putc(x->out, '{');
    if (level != LEVEL_UNSET) {
        buf_printf(x->out, "\"%s\":\"%s\"", name, level_name(level));
        first = false;
    }
    if (config && json_tree_parse(x->arena, str_of(config), &node, NULL) == IG_OK) {
        json_tree_each(m, node)
        {
            if (str_is(m->key, "compatibilityLevel") || str_is(m->key, "subject") || m->type == JSON_NULL)
                continue;
            buf_puts(x->out, first ? "" : ",");
            json_add_string(x->out, m->key);
            buf_putc(x->out, ':');
            json_tree_print(m, false, x->out);
            first = false;
        }
    }
    buf_putc(x->out, '}');
}

int rest_get_config(struct rest *x)
{
    const struct str subject = subject_or_global(x);
    const struct subject *s;
    int code = 0;

    pthread_mutex_lock(&x->r->lock);
    s = subject.p ? store_subject(x->r, subject) : NULL;
    if (!subject.p)
        add_config(x, x->r->global.config, "compatibilityLevel", store_level(x->r, NULL));
    else if (s && s->settings.config)
        add_config(x, s->settings.config, "compatibilityLevel",
                   rest_flag(x, "defaultToGlobal") ? store_level(x->r, s) : s->settings.level);
    else if (rest_flag(x, "defaultToGlobal"))
        add_config(x, x->r->global.config, "compatibilityLevel", store_level(x->r, NULL));
    else
        code = refuse(&x->why, 40408, "Subject '" STR_FMT "' does not have subject-level compatibility configured",
                      STR_ARG(subject));
    pthread_mutex_unlock(&x->r->lock);
    return code;
}

/* The members that a config has. */
static const char *const MEMBERS[] = {"alias",
                                      "normalize",
                                      "validateFields",
                                      "validateNewSchemas",
                                      "validateRules",
                                      "compatibilityPolicy",
                                      "compatibilityGroup",
                                      "defaultMetadata",
                                      "overrideMetadata",
                                      "defaultRuleSet",
                                      "overrideRuleSet"};

static void merge_member(struct buf *out, const char *name, const struct json_node *now, const struct json_node *was)
{
    const struct json_node *value = now ? now : was;

    if (!value || value->type == JSON_NULL)
        return;
    buf_printf(out, "%s\"%s\":", out->n > 1 ? "," : "", name);
    json_tree_print(value, false, out);
}

/* What is there, changed by the request: what it does not name stays. */
static int merge_config(struct rest *x, const char *old, struct buf *out)
{
    const struct json_node *level = json_tree_member(x->body, "compatibility");
    struct json_node *was = NULL;
    struct str text;

    if (old && json_tree_parse(x->arena, str_of(old), &was, NULL) != IG_OK)
        was = NULL;
    buf_putc(out, '{');
    if (level && level->type != JSON_NULL) {
        if (level->type != JSON_STRING || level_of(level->text) == LEVEL_UNSET)
            return refuse(&x->why, 42203,
                          "Invalid compatibility level. Valid values are none, backward, forward, full, "
                          "backward_transitive, forward_transitive, and full_transitive");
        buf_printf(out, "\"compatibilityLevel\":\"%s\"", level_name(level_of(level->text)));
    } else if (!level) {
        text = json_tree_string(was, "compatibilityLevel");
        if (text.p && level_of(text) != LEVEL_UNSET)
            buf_printf(out, "\"compatibilityLevel\":\"%s\"", level_name(level_of(text)));
    }
    for (size_t i = 0; i < IG_COUNT(MEMBERS); i++)
        merge_member(out, MEMBERS[i], json_tree_member(x->body, MEMBERS[i]), json_tree_member(was, MEMBERS[i]));
    buf_putc(out, '}');
    return 0;
}

int rest_put_config(struct rest *x)
{
    const struct str subject = subject_or_global(x);
    const struct subject *s;
    struct buf config;
    int code = check_name(x, subject);

    if (code != 0)
        return code;
    if (!x->body)
        return refuse(&x->why, 42203, "Invalid compatibility level: the body is empty");
    buf_init(&config, 0);
    pthread_mutex_lock(&x->r->lock);
    s = subject.p ? store_subject(x->r, subject) : NULL;
    code = merge_config(x, subject.p ? (s ? s->settings.config : NULL) : x->r->global.config, &config);
    pthread_mutex_unlock(&x->r->lock);
    if (code == 0)
        code = put_setting(x->r, "CONFIG", subject, buf_str(&config), &x->why);
    if (code == 0) {
        struct settings now = {0};

        settings_set_config(&now, buf_str(&config));
        add_config(x, now.config, "compatibility", now.level);
        free(now.config);
    }
    buf_release(&config);
    return code;
}

int rest_delete_config(struct rest *x)
{
    const struct str subject = subject_or_global(x);
    const struct subject *s;
    int code = 0;

    pthread_mutex_lock(&x->r->lock);
    s = subject.p ? store_subject(x->r, subject) : NULL;
    if (subject.p && (!s || !s->settings.config))
        code = rest_not_found(x, subject, 0, false);
    else
        add_config(x, s ? s->settings.config : x->r->global.config, "compatibilityLevel",
                   s ? s->settings.level : store_level(x->r, NULL));
    pthread_mutex_unlock(&x->r->lock);
    return code ? code : put_setting(x->r, "CONFIG", subject, (struct str){NULL, 0}, &x->why);
}

/* --- mode -------------------------------------------------------------------------------------------- */

int rest_get_mode(struct rest *x)
{
    const struct str subject = subject_or_global(x);
    const struct subject *s;
    enum mode mode;

    pthread_mutex_lock(&x->r->lock);
    s = subject.p ? store_subject(x->r, subject) : NULL;
    if (!subject.p || rest_flag(x, "defaultToGlobal"))
        mode = store_mode(x->r, s);
    else
        mode = s ? s->settings.mode : MODE_UNSET;
    pthread_mutex_unlock(&x->r->lock);
    if (mode == MODE_UNSET)
        return refuse(&x->why, 40409, "Subject '" STR_FMT "' does not have subject-level mode configured",
                      STR_ARG(subject));
    buf_printf(x->out, "{\"mode\":\"%s\"}", mode_name(mode));
    return 0;
}

int rest_put_mode(struct rest *x)
{
    const struct str subject = subject_or_global(x);
    const enum mode mode = mode_of(json_tree_string(x->body, "mode"));
    int code = check_name(x, subject);

    if (code == 0 && mode == MODE_UNSET)
        code =
            refuse(&x->why, 42204, "Invalid mode. Valid values are READWRITE, READONLY, READONLY_OVERRIDE and IMPORT");
    if (code == 0)
        code = set_mode(x->r, subject, mode, rest_flag(x, "force"), &x->why);
    if (code == 0)
        buf_printf(x->out, "{\"mode\":\"%s\"}", mode_name(mode));
    return code;
}

int rest_delete_mode(struct rest *x)
{
    const struct str subject = subject_or_global(x);
    const struct subject *s;
    enum mode mode;

    pthread_mutex_lock(&x->r->lock);
    s = subject.p ? store_subject(x->r, subject) : NULL;
    mode = subject.p ? (s ? s->settings.mode : MODE_UNSET) : x->r->global.mode;
    pthread_mutex_unlock(&x->r->lock);
    if (mode == MODE_UNSET && subject.p)
        return rest_not_found(x, subject, 0, false);
    buf_printf(x->out, "{\"mode\":\"%s\"}", mode_name(mode == MODE_UNSET ? MODE_READWRITE : mode));
    return put_setting(x->r, "MODE", subject, (struct str){NULL, 0}, &x->why);
}
