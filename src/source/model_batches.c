/*
 * What a batch job extracts once a period: every restaurant with its menu, hourly (a full snapshot); and users, daily:
 * all of them at first, then those who changed, with the e-mail masked.
 */
#include "source/model.h"

#define HOUR_US INT64_C(3600000000)
#define CHANGED_A_DAY 10 /* one user in ten */

static void nothing_begin(void *state, const struct model_setup *setup, struct chance *chance)
{
    (void)state;
    (void)setup;
    (void)chance;
}

static void nothing_end(void *state)
{
    (void)state;
}

/* --- restaurants ------------------------------------------------------------------------------------------ */

static int64_t restaurants_batch_rows(const struct model_setup *setup, int64_t batch)
{
    (void)setup;
    (void)batch;
    return CATALOGUE_RESTAURANTS;
}

static void put_menu(struct text *t, uint32_t restaurant, struct chance *chance, enum flaw flaw)
{
    const uint32_t n = catalogue_menu_size(restaurant);

    if (flaw == FLAW_WRONG_TYPE) {
        text_lit(t, "\"none\"");
        return;
    }
    text_lit(t, "[");
    for (uint32_t i = 0; i < n; i++) {
        const struct catalogue_item dish = catalogue_item(restaurant, i);

        text_puts(t, i ? ",{\"item_id\":\"" : "{\"item_id\":\"");
        catalogue_put_item_id(t, restaurant, i);
        text_lit(t, "\",\"name\":\"");
        text_puts(t, dish.name);
        text_lit(t, "\",\"category\":\"");
        text_puts(t, dish.category);
        text_lit(t, "\",\"price\":");
        text_cents(t, dish.cents);
        text_puts(t, chance_below(chance, 20) ? ",\"is_available\":true}" : ",\"is_available\":false}");
    }
    text_lit(t, "]");
}

static void restaurants_record(void *state, const struct model_setup *setup, struct model_step *step)
{
    const uint32_t restaurant = (uint32_t)step->batch_row;
    const int64_t us = model_time(step);
    const int64_t hour = us / HOUR_US % 24;
    struct text *t = step->out;

    (void)state;
    (void)setup;
    text_lit(t, "{");
    if (step->flaw != FLAW_NO_ID) {
        text_lit(t, "\"restaurant_id\":\"");
        catalogue_put_restaurant_id(t, restaurant);
        text_lit(t, "\",");
    }
    text_lit(t, "\"name\":\"");
    catalogue_put_restaurant_name(t, restaurant);
    text_lit(t, "\",\"cuisine\":\"");
    text_puts(t, step->flaw == FLAW_UNKNOWN_VALUE ? "martian" : catalogue_cuisine(restaurant));
    text_lit(t, "\",\"city\":\"");
    text_puts(t, catalogue_restaurant_city(restaurant));
    text_lit(t, "\",\"rating\":");
    text_int(t, 3 + restaurant % 2);
    text_lit(t, ".");
    text_int(t, chance_below(step->chance, 10));
    text_puts(t, hour >= 10 && hour < 23 ? ",\"is_open\":true" : ",\"is_open\":false");
    text_lit(t, ",\"menu_items\":");
    put_menu(t, restaurant, step->chance, step->flaw);
    text_lit(t, ",\"snapshot_at\":");
    model_put_time(step, us);
    text_lit(t, "}");
}

const struct model model_restaurants = {
    .name = "restaurants",
    .period_us = HOUR_US,
    .batch_rows = restaurants_batch_rows,
    .begin = nothing_begin,
    .end = nothing_end,
    .record = restaurants_record,
};

/* --- users ------------------------------------------------------------------------------------------------ */

static const char *const given_names[] = {"Ada",  "Bruno", "Clara", "David", "Elif",  "Finn", "Grace", "Hugo",
                                          "Ines", "Jonas", "Kaya",  "Liam",  "Maria", "Noor", "Oskar", "Paula"};
static const char *const family_names[] = {"Almeida", "Bauer",  "Costa",  "Dubois", "Evans",   "Fischer",
                                           "Garcia",  "Hansen", "Ivanov", "Jansen", "Kowalski"};
static const char *const mail_hosts[] = {"example.com", "example.org", "example.net"};
static const char *const tiers[] = {"bronze", "silver", "gold"};

static int64_t users_batch_rows(const struct model_setup *setup, int64_t batch)
{
    return batch == 0 || setup->users < CHANGED_A_DAY ? setup->users : setup->users / CHANGED_A_DAY;
}

/* Day by day another tenth, so that in ten days everybody has changed once. */
static uint32_t user_of(const struct model_setup *setup, const struct model_step *step)
{
    const int64_t rows = users_batch_rows(setup, step->batch);

    if (step->batch == 0)
        return (uint32_t)step->batch_row;
    return (uint32_t)(((step->batch - 1) * rows + step->batch_row) % setup->users);
}

static void put_name_and_mail(struct text *t, uint32_t user, enum flaw flaw)
{
    struct chance c = chance_of(user, 7);
    const char *given = given_names[chance_below(&c, IG_COUNT(given_names))];
    const char *family = family_names[chance_below(&c, IG_COUNT(family_names))];
    char initial = (char)(given[0] - 'A' + 'a');

    text_lit(t, "\"name\":");
    if (flaw == FLAW_WRONG_TYPE) {
        text_lit(t, "[]");
    } else {
        text_lit(t, "\"");
        text_puts(t, given);
        text_lit(t, " ");
        text_puts(t, family);
        text_lit(t, "\"");
    }
    /* The address leaves the source masked; the whole one is nowhere. */
    text_lit(t, ",\"email\":\"");
    text_add(t, &initial, 1);
    text_lit(t, "***@");
    text_puts(t, mail_hosts[chance_below(&c, IG_COUNT(mail_hosts))]);
    text_lit(t, "\"");
}

static void users_record(void *state, const struct model_setup *setup, struct model_step *step)
{
    const uint32_t user = user_of(setup, step);
    const int64_t us = model_time(step);
    struct text *t = step->out;
    struct chance born = chance_of(user, 8);
    int64_t changed_us = us - (int64_t)chance_below(step->chance, 86400) * 1000000;

    (void)state;
    text_lit(t, "{");
    if (step->flaw != FLAW_NO_ID) {
        text_lit(t, "\"user_id\":\"");
        catalogue_put_user_id(t, user);
        text_lit(t, "\",");
    }
    put_name_and_mail(t, user, step->flaw);
    text_lit(t, ",\"city\":\"");
    text_puts(t, catalogue_user_city(user));
    text_lit(t, "\",\"loyalty_tier\":\"");
    text_puts(t, step->flaw == FLAW_UNKNOWN_VALUE ? "unobtainium" : tiers[chance_below(step->chance, IG_COUNT(tiers))]);
    text_lit(t, "\",\"is_active\":");
    text_puts(t, chance_below(step->chance, 25) ? "true" : "false");
    text_lit(t, ",\"created_at\":");
    text_time(t, (int64_t)(date_of_civil(2022, 1, 1) + (int32_t)chance_below(&born, 700)) * US_PER_DAY +
                     (int64_t)chance_below(&born, 86400) * 1000000);
    text_lit(t, ",\"updated_at\":");
    text_time(t, changed_us);
    text_lit(t, ",\"snapshot_at\":");
    model_put_time(step, us);
    text_lit(t, "}");
}

const struct model model_users = {
    .name = "users",
    .period_us = US_PER_DAY,
    .batch_rows = users_batch_rows,
    .begin = nothing_begin,
    .end = nothing_end,
    .record = users_record,
};
