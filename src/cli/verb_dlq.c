/*
 * ingot dlq: dead letters of the project's domains: counting, looking, sending again, setting aside.
 */
#include "cli/cli_log.h"
#include "cli/dlq_edit.h"
#include "cli/record_text.h"
#include "cli/select.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#define SHOWN_DEFAULT 20

struct dlq_options {
    struct cli_list reasons, fields, stages, letters, set;
    const char *from, *to, *edit, *by, *why;
    int64_t limit;
    bool all, force, now, dry_run;
};

struct dlq_run {
    struct cli_context *c;
    const struct dlq_options *o;
    struct cli_log log;
    struct stage_context x;
    const struct conf_domain *d;
    int64_t from_ms, to_ms, taken;
    struct cli_progress progress;
    int64_t n_done, n_refused, n_in_place, n_failed;
    struct buf text;
};

/* --- which letters ------------------------------------------------------------------------------------------- */

static bool is_among(const struct cli_list *list, struct str word)
{
    for (size_t i = 0; i < list->n; i++)
        if (str_is(word, list->p[i]))
            return true;
    return list->n == 0;
}

/* PARTITION/OFFSET, or with the DLQ's name in front. */
static bool is_named(const struct cli_list *list, const struct log_record *r)
{
    char place[64];

    snprintf(place, sizeof(place), "%d/%lld", r->partition, (long long)r->offset);
    for (size_t i = 0; i < list->n; i++) {
        const size_t n = strlen(list->p[i]), n_place = strlen(place);

        if (strcmp(list->p[i], place) == 0 ||
            (n > n_place && list->p[i][n - n_place - 1] == '/' && strcmp(list->p[i] + n - n_place, place) == 0))
            return true;
    }
    return list->n == 0;
}

static bool fits(const struct dlq_run *k, const struct stage_letter *l)
{
    const int64_t time_ms = l->record->timestamp_ms;

    return is_among(&k->o->reasons, l->reason) && is_among(&k->o->fields, l->field) &&
           is_among(&k->o->stages, l->stage) && is_named(&k->o->letters, l->record) && time_ms >= k->from_ms &&
           time_ms < k->to_ms;
}

static bool wants(void *ctx, const struct stage_letter *l)
{
    struct dlq_run *k = ctx;

    if ((k->o->limit != CLI_NUMBER_NONE && k->taken >= k->o->limit) || !fits(k, l))
        return false;
    k->taken++;
    return true;
}

static int read_times(struct dlq_run *k)
{
    const int64_t now_ms = env_now_ms(k->c->env);
    struct cli_when when;

    k->from_ms = 0;
    k->to_ms = INT64_MAX;
    if (k->o->from && (!cli_parse_when(k->o->from, now_ms, &when) || when.kind != CLI_WHEN_TIME))
        return cli_usage(k->c, "--from is a time like 2024-01-15T06:00:00Z, or -1h, not '%s'", k->o->from);
    if (k->o->from)
        k->from_ms = when.value;
    if (k->o->to && (!cli_parse_when(k->o->to, now_ms, &when) || when.kind != CLI_WHEN_TIME))
        return cli_usage(k->c, "--to is a time like 2024-01-15T06:00:00Z, or -1h, not '%s'", k->o->to);
    if (k->o->to)
        k->to_ms = when.value;
    return CLI_OK;
}

/* Opens the project's log and does the one thing. */
static int with_project(struct cli_context *c, const struct dlq_options *o, int (*act)(struct dlq_run *k))
{
    static const struct cli_log_options own = {0};
    struct dlq_run k = {.c = c, .o = o};
    int status = read_times(&k);

    if (status == CLI_OK)
        status = cli_log_open(c, &own, &k.log);
    if (status)
        return status;
    k.x = (struct stage_context){.env = c->env, .conf = k.log.conf, .log = k.log.client};
    cli_catch_signals(c);
    buf_init(&k.text, 0);
    cli_progress_begin(c, &k.progress);
    status = act(&k);
    cli_progress_end(&k.progress);
    buf_release(&k.text);
    return cli_log_close(c, &k.log, status);
}

static int find_domain(struct dlq_run *k)
{
    k->d = conf_domain(k->log.conf, str_of(k->c->args[0]));
    return k->d ? CLI_OK : cli_errorf(k->c, "there is no domain '%s' in this project", k->c->args[0]);
}

/* --- ls -------------------------------------------------------------------------------------------------------- */

struct kind {
    const char *stage, *reason, *field;
    int64_t n[3], oldest_ms, newest_ms; /* by state */
};
struct counting {
    struct dlq_run *k;
    VEC(struct kind) kinds;
    int64_t n;
};

static enum ig_code count_letter(void *ctx, const struct stage_letter *l, struct error *err)
{
    struct counting *k = ctx;
    struct kind *kind = NULL;
    const int64_t time_ms = l->record->timestamp_ms;

    (void)err;
    for (size_t i = 0; i < k->kinds.n && !kind; i++)
        if (str_is(l->stage, k->kinds.p[i].stage) && str_is(l->reason, k->kinds.p[i].reason) &&
            str_is(l->field, k->kinds.p[i].field))
            kind = &k->kinds.p[i];
    if (!kind) {
        struct arena *a = &k->k->c->arena;
        const struct kind fresh = {.stage = arena_strndup(a, l->stage.p ? l->stage.p : "", l->stage.n),
                                   .reason = arena_strndup(a, l->reason.p ? l->reason.p : "", l->reason.n),
                                   .field = arena_strndup(a, l->field.p ? l->field.p : "", l->field.n),
                                   .oldest_ms = time_ms,
                                   .newest_ms = time_ms};

        vec_push(&k->kinds, fresh);
        kind = &k->kinds.p[k->kinds.n - 1];
    }
    kind->n[l->state]++;
    kind->oldest_ms = time_ms < kind->oldest_ms ? time_ms : kind->oldest_ms;
    kind->newest_ms = time_ms > kind->newest_ms ? time_ms : kind->newest_ms;
    if (++k->n % 1000 == 0)
        cli_progress_hop(&k->k->progress, "dlq", k->k->d->name, k->n, -1, 0);
    return IG_OK;
}

static int by_kind(const void *a, const void *b)
{
    const struct kind *x = a, *y = b;
    int order = strcmp(x->stage, y->stage);

    order = order ? order : strcmp(x->reason, y->reason);
    return order ? order : strcmp(x->field, y->field);
}

static void add_kind(struct cli_table *t, const char *domain, const struct kind *kind)
{
    char time[40];

    cli_table_cell(t, "%s", domain);
    cli_table_cell(t, "%s", kind->stage);
    cli_table_cell(t, "%s", kind->reason);
    cli_table_cell(t, "%s", kind->field);
    cli_table_cell(t, "%lld", (long long)(kind->n[0] + kind->n[1] + kind->n[2]));
    for (size_t i = 0; i < 3; i++)
        cli_table_cell(t, "%lld", (long long)kind->n[i]);
    cli_table_cell(t, "%s", cli_format_ms(kind->oldest_ms, time));
    cli_table_cell(t, "%s", cli_format_ms(kind->newest_ms, time));
}

static int list(struct dlq_run *k)
{
    static const struct cli_column columns[] = {
        {"domain", CLI_LEFT},     {"stage", CLI_LEFT},   {"reason", CLI_LEFT},      {"field", CLI_LEFT},
        {"letters", CLI_NUMERIC}, {"open", CLI_NUMERIC}, {"replayed", CLI_NUMERIC}, {"discarded", CLI_NUMERIC},
        {"oldest", CLI_LEFT},     {"newest", CLI_LEFT},
    };
    const struct cli_list words = {k->c->args, k->c->n_args};
    struct cli_list domains;
    struct error err = {0};
    struct cli_table t;
    size_t n = 0;
    int status = cli_select_domains(k->c, k->log.conf, &words, &domains);

    cli_table_init(&t, columns, IG_COUNT(columns));
    for (size_t i = 0; status == CLI_OK && i < k->log.conf->n_domains; i++) {
        struct counting counting = {.k = k};

        k->d = &k->log.conf->domains[i];
        if (!is_among(&domains, str_of(k->d->name)))
            continue;
        if (stage_dlq_read(&k->x, k->d, count_letter, &counting, k->c->stop, &err) != IG_OK)
            status = cli_error(k->c, &err);
        if (counting.kinds.n > 0)
            qsort(counting.kinds.p, counting.kinds.n, sizeof(*counting.kinds.p), by_kind);
        for (size_t kind = 0; status == CLI_OK && kind < counting.kinds.n; kind++, n++)
            add_kind(&t, k->d->name, &counting.kinds.p[kind]);
        vec_free(&counting.kinds);
    }
    cli_progress_end(&k->progress);
    if (status == CLI_OK && n == 0)
        cli_note(k->c, "there are no dead letters");
    if (n > 0 || k->c->global.json)
        cli_table_print(k->c, &t);
    return status;
}

static int run_ls(struct cli_context *c, const void *options)
{
    return with_project(c, options, list);
}

/* --- show ------------------------------------------------------------------------------------------------------ */

static void add_text(struct buf *b, const char *name, struct str value)
{
    buf_printf(b, ",\"%s\":", name);
    json_add_string(b, value);
}

static void add_bytes(struct buf *b, const char *name, struct str value)
{
    if (!value.p) {
        buf_printf(b, ",\"%s\":null", name);
    } else if (str_is_utf8(value)) {
        add_text(b, name, value);
    } else {
        buf_printf(b, ",\"%s_base64\":\"", name);
        record_add_base64(b, value);
        buf_putc(b, '"');
    }
}

static const char *const STATES[] = {"open", "replayed", "discarded"};

static void show_json(struct dlq_run *k, const struct stage_letter *l)
{
    struct buf *b = &k->text;

    buf_clear(b);
    buf_printf(b, "{\"letter\":\"%s/%d/%lld\",\"timestamp\":%lld", l->record->topic, l->record->partition,
               (long long)l->record->offset, (long long)l->record->timestamp_ms);
    add_text(b, "reason", l->reason);
    add_text(b, "field", l->field);
    add_text(b, "detail", l->detail);
    add_text(b, "stage", l->stage);
    if (l->topic.p)
        buf_printf(b, ",\"record\":\"" STR_FMT "/%lld/%lld\"", STR_ARG(l->topic), (long long)l->partition,
                   (long long)l->offset);
    else
        buf_puts(b, ",\"record\":null");
    buf_printf(b, ",\"record_timestamp\":%lld", (long long)l->timestamp_ms);
    add_bytes(b, "key", l->record->key);
    add_bytes(b, "value", l->record->value);
    buf_puts(b, ",\"headers\":[");
    for (size_t i = 0; i < l->record->n_headers; i++) {
        buf_puts(b, i ? ",{\"name\":" : "{\"name\":");
        json_add_string(b, str_of(l->record->headers[i].name));
        add_bytes(b, "value", l->record->headers[i].value);
        buf_putc(b, '}');
    }
    buf_printf(b, "],\"state\":\"%s\",\"mark\":", STATES[l->state]);
    if (l->mark.p)
        buf_add_str(b, l->mark);
    else
        buf_puts(b, "null");
    buf_puts(b, "}\n");
    fwrite(b->p, 1, b->n, k->c->out);
}

static void show_text(struct dlq_run *k, const struct stage_letter *l)
{
    FILE *out = k->c->out;
    char time[40];

    fprintf(out, "%s/%d/%lld  %s  " STR_FMT "%s" STR_FMT "  (" STR_FMT ")%s%s\n", l->record->topic,
            l->record->partition, (long long)l->record->offset, cli_format_ms(l->record->timestamp_ms, time),
            STR_ARG(l->reason), l->field.n ? " " : "", STR_ARG(l->field), STR_ARG(l->stage),
            l->state == STAGE_LETTER_OPEN ? "" : "  ", l->state == STAGE_LETTER_OPEN ? "" : STATES[l->state]);
    if (l->detail.n)
        fprintf(out, "  detail  " STR_FMT "\n", STR_ARG(l->detail));
    if (l->topic.p)
        fprintf(out, "  record  " STR_FMT "/%lld/%lld  %s\n", STR_ARG(l->topic), (long long)l->partition,
                (long long)l->offset, cli_format_ms(l->timestamp_ms, time));
    if (l->mark.p)
        fprintf(out, "  mark    " STR_FMT "\n", STR_ARG(l->mark));
    if (l->record->key.p) {
        fputs("  key     ", out);
        fwrite(l->record->key.p, 1, l->record->key.n, out);
        fputc('\n', out);
    }
    fputs("  value   ", out);
    if (l->record->value.p)
        fwrite(l->record->value.p, 1, l->record->value.n, out);
    else
        fputs("(none: a tombstone)", out);
    fputs("\n\n", out);
}

static enum ig_code show_letter(void *ctx, const struct stage_letter *l, struct error *err)
{
    struct dlq_run *k = ctx;
    const int64_t limit = k->o->limit == CLI_NUMBER_NONE ? SHOWN_DEFAULT : k->o->limit;

    if ((l->state != STAGE_LETTER_OPEN && !k->o->all && k->o->letters.n == 0) || !fits(k, l))
        return IG_OK;
    if (++k->taken > limit && limit > 0)
        return IG_OK; /* counted */
    (k->c->global.json ? show_json : show_text)(k, l);
    return ferror(k->c->out) ? error_set(err, IG_CANCELLED, "nobody reads any more") : IG_OK;
}

static int show(struct dlq_run *k)
{
    const int64_t limit = k->o->limit == CLI_NUMBER_NONE ? SHOWN_DEFAULT : k->o->limit;
    struct error err = {0};
    int status = find_domain(k);

    if (status == CLI_OK && stage_dlq_read(&k->x, k->d, show_letter, k, k->c->stop, &err) != IG_OK &&
        !ferror(k->c->out))
        status = cli_error(k->c, &err);
    if (status == CLI_OK && k->taken == 0)
        cli_note(k->c, "no such letters");
    else if (status == CLI_OK && limit > 0 && k->taken > limit)
        cli_note(k->c, "%" PRId64 " of %" PRId64 " letters; -n 0 shows all", limit, k->taken);
    return status;
}

static int run_show(struct cli_context *c, const void *options)
{
    return with_project(c, options, show);
}

/* --- replay, discard ------------------------------------------------------------------------------------------ */

static enum ig_code edit(void *ctx, const struct stage_letter *l, struct buf *value, struct error *err)
{
    struct dlq_run *k = ctx;

    (void)l;
    for (size_t i = 0; i < k->o->set.n; i++)
        IG_TRY(dlq_edit_set(value, k->o->set.p[i], err));
    return k->o->edit ? dlq_edit_run(value, k->o->edit, err) : IG_OK;
}

static void done(void *ctx, const struct stage_letter *l, enum stage_dlq_outcome outcome, const char *why)
{
    static const char *const words[] = {"replayed", "refused", "in place", "failed"};
    struct dlq_run *k = ctx;
    const char *word =
        outcome == STAGE_DLQ_DONE && strcmp(k->c->verb->name, "dlq discard") == 0 ? "discarded" : words[outcome];
    int64_t *counts[] = {&k->n_done, &k->n_refused, &k->n_in_place, &k->n_failed};

    ++*counts[outcome];
    cli_progress_hop(&k->progress, "dlq", k->d->name, k->taken, -1, 0);
    if (!k->o->dry_run && outcome == STAGE_DLQ_DONE && !k->c->global.json)
        return;
    if (k->c->global.json) {
        buf_clear(&k->text);
        buf_printf(&k->text, "{\"letter\":\"%s/%d/%lld\",\"outcome\":\"%s\",\"dry_run\":%s", l->record->topic,
                   l->record->partition, (long long)l->record->offset, word, k->o->dry_run ? "true" : "false");
        add_text(&k->text, "reason", l->reason);
        add_text(&k->text, "why", str_of(why));
        buf_puts(&k->text, "}\n");
        fwrite(k->text.p, 1, k->text.n, k->c->out);
        return;
    }
    cli_progress_end(&k->progress);
    fprintf(k->c->out, "%s/%d/%lld  %s%s%s%s\n", l->record->topic, l->record->partition, (long long)l->record->offset,
            outcome == STAGE_DLQ_DONE ? "would be " : "", word, *why ? ": " : "", why);
}

static const char *who(struct dlq_run *k)
{
    const struct passwd *pw = getpwuid(getuid());
    const char *user = getenv("USER");

    if (k->o->by)
        return k->o->by;
    return user && *user ? user : pw ? pw->pw_name : arena_printf(&k->c->arena, "uid %d", (int)getuid());
}

static int work(struct dlq_run *k, bool discard)
{
    const struct stage_dlq_work w = {
        .discard = discard,
        .force = k->o->force,
        .dry_run = k->o->dry_run,
        .stamp_now = k->o->now,
        .by = who(k),
        .why = k->o->why,
        .wants = wants,
        .edit = k->o->set.n || k->o->edit ? edit : NULL,
        .done = done,
        .ctx = k,
        .stop = k->c->stop,
    };
    struct error err = {0};
    enum ig_code rc;
    int status = find_domain(k);

    if (status)
        return status;
    rc = stage_dlq_work(&k->x, k->d, &w, &err);
    cli_progress_end(&k->progress);
    cli_note(k->c, "%s: %" PRId64 " letters %s%s%s", k->d->topic.dlq_name, k->n_done, k->o->dry_run ? "would be " : "",
             discard ? "discarded" : "replayed",
             rc == IG_OK || rc == IG_CANCELLED ? "" : ", of which the last ones are not");
    if (k->n_refused)
        cli_note(k->c, "%" PRId64 " not sent: the contract would refuse them again (--set, --edit, --force)",
                 k->n_refused);
    if (k->n_in_place)
        cli_note(k->c, "%" PRId64 " not sent: the contract takes them where they are; see above", k->n_in_place);
    if (k->n_failed)
        cli_note(k->c, "%" PRId64 " not sent: see above", k->n_failed);
    if (rc != IG_OK)
        status = cli_error(k->c, &err);
    return status || k->n_refused || k->n_in_place || k->n_failed ? CLI_FAILED : CLI_OK;
}

static int replay(struct dlq_run *k)
{
    return work(k, false);
}

static int run_replay(struct cli_context *c, const void *options)
{
    const struct dlq_options *o = options;

    for (size_t i = 0; i < o->set.n; i++)
        if (!strchr(o->set.p[i], '=') || o->set.p[i][0] == '=')
            return cli_usage(c, "--set is FIELD=VALUE, not '%s'", o->set.p[i]);
    return with_project(c, options, replay);
}

static int discard(struct dlq_run *k)
{
    return work(k, true);
}

static int run_discard(struct cli_context *c, const void *options)
{
    const struct dlq_options *o = options;

    if (!o->why)
        return cli_usage(c, "'dlq discard' needs --why TEXT: somebody will ask");
    if (!o->all && !o->reasons.n && !o->fields.n && !o->stages.n && !o->letters.n && !o->from && !o->to)
        return cli_usage(c, "'dlq discard' needs to know which letters, or --all");
    return with_project(c, options, discard);
}

/* --- the verb ------------------------------------------------------------------------------------------------ */

#define OPTION(member) offsetof(struct dlq_options, member)
#define WHICH_OPTIONS                                                                                                 \
    {"reason", 'r', "REASON", "only letters with this reason, as not_in_enum", CLI_LIST, OPTION(reasons)},            \
        {"field", 0, "FIELD", "only those about this field", CLI_WORDS, OPTION(fields)},                              \
        {"stage", 0, "STAGE", "only those of source, bronze or silver", CLI_LIST, OPTION(stages)},                    \
        {"letter", 'l', "P/OFFSET", "only this letter of the DLQ; may be repeated", CLI_LIST, OPTION(letters)},       \
        {"from", 0, "TIME", "only letters of this time or later: 2024-01-15T06:00:00Z, -1h", CLI_TEXT, OPTION(from)}, \
    {                                                                                                                 \
        "to", 0, "TIME", "only letters before this time", CLI_TEXT, OPTION(to)                                        \
    }

static const struct cli_verb ls = {
    .name = "dlq ls",
    .summary = "Count dead letters by domain, stage, reason and field",
    .args = "[DOMAIN...]",
    .max_args = SIZE_MAX,
    .details = "  ingot dlq ls\n"
               "  ingot dlq ls --json | jq -s 'map(.open) | add'",
    .options_size = sizeof(struct dlq_options),
    .run = run_ls,
};

static const struct cli_option show_options[] = {
    WHICH_OPTIONS,
    {"limit", 'n', "N", "at most so many (default 20; 0: all)", CLI_NUMBER, OPTION(limit)},
    {"all", 'a', NULL, "also those that were replayed or discarded", CLI_FLAG, OPTION(all)},
};
static const struct cli_verb show_verb = {
    .name = "dlq show",
    .summary = "Show a domain's dead letters, with the records' own bytes",
    .args = "DOMAIN",
    .min_args = 1,
    .max_args = 1,
    .details = "  ingot dlq show orders --reason not_in_enum -n 5\n"
               "  ingot dlq show orders --all --json | jq .mark",
    .options = show_options,
    .n_options = IG_COUNT(show_options),
    .options_size = sizeof(struct dlq_options),
    .run = run_show,
};

static const struct cli_option replay_options[] = {
    WHICH_OPTIONS,
    {"limit", 'n', "N", "at most so many (default: all)", CLI_NUMBER, OPTION(limit)},
    {"set", 0, "FIELD=VALUE", "change a field of the JSON first, a.b too; may be repeated", CLI_WORDS, OPTION(set)},
    {"edit", 0, "COMMAND", "give the record to this shell command and send what it prints", CLI_TEXT, OPTION(edit)},
    {"force", 0, NULL, "also what the contract would refuse again", CLI_FLAG, OPTION(force)},
    {"now", 0, NULL, "with the time of now (default: the original record's)", CLI_FLAG, OPTION(now)},
    {"why", 0, "TEXT", "a note for the mark", CLI_TEXT, OPTION(why)},
    {"by", 0, "NAME", "who (default: you)", CLI_TEXT, OPTION(by)},
    {"dry-run", 0, NULL, "say what would be done, and do nothing", CLI_FLAG, OPTION(dry_run)},
};
static const struct cli_verb replay_verb = {
    .name = "dlq replay",
    .summary = "Send dead letters' records to the topic again, each once",
    .args = "DOMAIN",
    .min_args = 1,
    .max_args = 1,
    .details =
        "Sends the original key, bytes and headers, changed by --set or --edit, and the headers ingot-replay-letter "
        "and\ningot-replay-of. Record and mark are one transaction: a letter that was replayed is not sent again, "
        "whatever\ncrashes. Records that the contract would refuse again are named and not sent. Exit status 1 if one "
        "of the\n"
        "letters asked for was not sent.\n\n"
        "  ingot dlq replay orders --dry-run\n"
        "  ingot dlq replay orders --reason not_in_enum --set status=placed\n"
        "  ingot dlq replay orders --letter 0/17 --edit 'jq -c \".amount |= tonumber\"'",
    .options = replay_options,
    .n_options = IG_COUNT(replay_options),
    .options_size = sizeof(struct dlq_options),
    .run = run_replay,
};

static const struct cli_option discard_options[] = {
    WHICH_OPTIONS,
    {"limit", 'n', "N", "at most so many (default: all)", CLI_NUMBER, OPTION(limit)},
    {"all", 'a', NULL, "every open letter", CLI_FLAG, OPTION(all)},
    {"why", 0, "TEXT", "the reason, which is kept with the mark", CLI_TEXT, OPTION(why)},
    {"by", 0, "NAME", "who (default: you)", CLI_TEXT, OPTION(by)},
    {"dry-run", 0, NULL, "say what would be done, and do nothing", CLI_FLAG, OPTION(dry_run)},
};
static const struct cli_verb discard_verb = {
    .name = "dlq discard",
    .summary = "Mark dead letters as dealt with",
    .args = "DOMAIN",
    .min_args = 1,
    .max_args = 1,
    .details = "Nothing is removed: the letter stays in the DLQ, with a mark that says who, when and why.\n\n"
               "  ingot dlq discard orders --reason malformed_json --why 'test traffic of 15 January'",
    .options = discard_options,
    .n_options = IG_COUNT(discard_options),
    .options_size = sizeof(struct dlq_options),
    .run = run_discard,
};

static const struct cli_verb *const actions[] = {&ls, &show_verb, &replay_verb, &discard_verb};

const struct cli_verb cli_verb_dlq = {
    .name = "dlq",
    .summary = "Look at dead letters, send them again, or set them aside",
    .details = "They are records that did not meet their domain's contract, with the reason: docs/dlq.md.",
    .actions = actions,
    .n_actions = IG_COUNT(actions),
};
