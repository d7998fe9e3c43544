/*
 * The app's clickstream: virtual users go through sessions as a table of chances says; a cart never goes below empty,
 * nobody orders what he has not put into it.
 */
#include "source/model.h"

#include <stdlib.h>

enum event {
    APP_OPEN,
    SEARCH,
    RESTAURANT_VIEW,
    MENU_ITEM_VIEW,
    ADD_TO_CART,
    REMOVE_FROM_CART,
    CHECKOUT_START,
    PAYMENT_ATTEMPT,
    ORDER_PLACED,
    ORDER_TRACKED,
    APP_CLOSE,
    EVENT_COUNT
};

static const char *const event_names[EVENT_COUNT] = {
    "app_open",       "search",          "restaurant_view", "menu_item_view", "add_to_cart", "remove_from_cart",
    "checkout_start", "payment_attempt", "order_placed",    "order_tracked",  "app_close",
};

/* What follows what, in percent. */
static const uint8_t follows[EVENT_COUNT][EVENT_COUNT] = {
    /*                    open srch rest menu  add  rem chck  pay plcd trck clos */
    [APP_OPEN] = {0, 50, 32, 0, 0, 0, 0, 0, 0, 4, 14},
    [SEARCH] = {0, 15, 70, 0, 0, 0, 0, 0, 0, 0, 15},
    [RESTAURANT_VIEW] = {0, 15, 12, 62, 0, 0, 0, 0, 0, 0, 11},
    [MENU_ITEM_VIEW] = {0, 4, 12, 28, 44, 0, 0, 0, 0, 0, 12},
    [ADD_TO_CART] = {0, 0, 4, 30, 14, 8, 38, 0, 0, 0, 6},
    [REMOVE_FROM_CART] = {0, 4, 8, 44, 0, 4, 24, 0, 0, 0, 16},
    [CHECKOUT_START] = {0, 0, 0, 8, 0, 6, 0, 76, 0, 0, 10},
    [PAYMENT_ATTEMPT] = {0, 0, 0, 0, 0, 0, 0, 8, 86, 0, 6},
    [ORDER_PLACED] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 74, 26},
    [ORDER_TRACKED] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 46, 54},
    [APP_CLOSE] = {100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
};

#define CART_MAX 8

struct visitor {
    enum event last;
    uint64_t session[2];
    uint32_t restaurant, item, order, n_events;
    uint32_t n_cart;
    int64_t cart_cents[CART_MAX]; /* a price an item */
    uint8_t device;
};

struct clickstream {
    struct visitor *visitors;
};

static const char *const devices[] = {"ios", "android", "web"};
static const char *const methods[] = {"card", "paypal", "apple_pay", "cash"};
static const char *const queries[] = {"pizza", "sushi", "burrito", "curry", "burger",
                                      "vegan", "ramen", "tacos",   "salad", "dessert near me"};
static const char *const referrers[] = {"organic", "push", "newsletter", "ad"};
static const char *const tracked[] = {"confirmed", "preparing", "out_for_delivery"};

static void clickstream_begin(void *state, const struct model_setup *setup, struct chance *chance)
{
    struct clickstream *s = state;

    s->visitors = check_calloc((size_t)setup->users, sizeof(*s->visitors));
    for (int64_t i = 0; i < setup->users; i++) {
        s->visitors[i].last = APP_CLOSE;
        s->visitors[i].device = (uint8_t)chance_below(chance, IG_COUNT(devices));
    }
}

static void clickstream_end(void *state)
{
    struct clickstream *s = state;

    free(s->visitors);
    s->visitors = NULL;
}

static enum event pick_next(const struct visitor *v, struct chance *chance)
{
    uint32_t x = chance_below(chance, 100);
    enum event next = APP_OPEN;

    while (x >= follows[v->last][next])
        x -= follows[v->last][next++];
    if (v->n_cart == 0 && (next == REMOVE_FROM_CART || next == CHECKOUT_START))
        return MENU_ITEM_VIEW;
    if (v->n_cart == CART_MAX && next == ADD_TO_CART)
        return CHECKOUT_START;
    return next;
}

static int64_t cart_total(const struct visitor *v)
{
    int64_t cents = 0;

    for (uint32_t i = 0; i < v->n_cart; i++)
        cents += v->cart_cents[i];
    return cents;
}

static void advance(struct visitor *v, enum event next, struct chance *chance)
{
    v->last = next;
    v->n_events++;
    switch (next) {
    case APP_OPEN:
        v->session[0] = chance_next(chance);
        v->session[1] = chance_next(chance);
        v->n_cart = 0;
        v->n_events = 1;
        break;
    case RESTAURANT_VIEW:
        v->restaurant = chance_below(chance, CATALOGUE_RESTAURANTS);
        break;
    case MENU_ITEM_VIEW:
        v->item = chance_below(chance, catalogue_menu_size(v->restaurant));
        break;
    case ADD_TO_CART:
        v->cart_cents[v->n_cart++] = catalogue_item(v->restaurant, v->item).cents;
        break;
    case REMOVE_FROM_CART:
        v->n_cart--;
        break;
    case ORDER_PLACED:
        v->order = (uint32_t)chance_next(chance);
        break;
    default:
        break;
    }
}

static void put_item(struct text *t, const struct visitor *v, enum flaw flaw)
{
    text_lit(t, "\"restaurant_id\":\"");
    catalogue_put_restaurant_id(t, v->restaurant);
    text_lit(t, "\",\"item_id\":\"");
    catalogue_put_item_id(t, v->restaurant, v->item);
    text_lit(t, "\",\"price\":");
    if (flaw == FLAW_WRONG_TYPE)
        text_lit(t, "\"N/A\"");
    else
        text_cents(t, catalogue_item(v->restaurant, v->item).cents);
}

static void put_order_id(struct text *t, const struct visitor *v)
{
    text_lit(t, "\"order_ref\":\"app_");
    text_padded(t, v->order, 10);
    text_lit(t, "\"");
}

static void put_choice(struct text *t, const char *name, const char *const *values, size_t n, struct chance *chance)
{
    text_lit(t, "\"");
    text_puts(t, name);
    text_lit(t, "\":\"");
    text_puts(t, values[chance_below(chance, (uint32_t)n)]);
    text_lit(t, "\"");
}
#define put_one_of(t, name, values, chance) put_choice((t), (name), (values), IG_COUNT(values), (chance))

static void put_properties(struct text *t, const struct visitor *v, const struct model_step *step)
{
    switch (v->last) {
    case APP_OPEN:
        put_one_of(t, "referrer", referrers, step->chance);
        break;
    case SEARCH:
        put_one_of(t, "query", queries, step->chance);
        text_lit(t, ",\"results\":");
        text_int(t, chance_below(step->chance, CATALOGUE_RESTAURANTS));
        break;
    case RESTAURANT_VIEW:
        text_lit(t, "\"restaurant_id\":\"");
        catalogue_put_restaurant_id(t, v->restaurant);
        text_lit(t, "\",\"position\":");
        text_int(t, 1 + chance_below(step->chance, 20));
        break;
    case MENU_ITEM_VIEW:
        put_item(t, v, step->flaw);
        break;
    case ADD_TO_CART:
    case REMOVE_FROM_CART:
        put_item(t, v, step->flaw);
        text_lit(t, ",\"quantity\":1,\"cart_items\":");
        text_int(t, v->n_cart);
        break;
    case CHECKOUT_START:
        text_lit(t, "\"cart_items\":");
        text_int(t, v->n_cart);
        text_lit(t, ",\"cart_value\":");
        text_cents(t, cart_total(v));
        break;
    case PAYMENT_ATTEMPT:
        put_one_of(t, "method", methods, step->chance);
        text_lit(t, ",\"amount\":");
        text_cents(t, cart_total(v));
        break;
    case ORDER_PLACED:
        put_order_id(t, v);
        text_lit(t, ",\"total\":");
        text_cents(t, cart_total(v));
        break;
    case ORDER_TRACKED:
        put_order_id(t, v);
        text_lit(t, ",");
        put_one_of(t, "status", tracked, step->chance);
        break;
    default:
        text_lit(t, "\"events\":");
        text_int(t, v->n_events);
    }
}

static void clickstream_record(void *state, const struct model_setup *setup, struct model_step *step)
{
    struct clickstream *s = state;
    /* Some users are keener than others. */
    const uint32_t a = chance_below(step->chance, (uint32_t)setup->users);
    const uint32_t b = chance_below(step->chance, (uint32_t)setup->users);
    const uint32_t user = a < b ? a : b;
    struct visitor *v = &s->visitors[user];
    struct text *t = step->out;
    struct chance session;

    advance(v, pick_next(v, step->chance), step->chance);
    session = (struct chance){v->session[0] ^ v->session[1]};
    text_lit(t, "{");
    if (step->flaw != FLAW_NO_ID) {
        text_lit(t, "\"event_id\":\"");
        text_uuid(t, step->chance);
        text_lit(t, "\",");
    }
    text_lit(t, "\"event_type\":\"");
    text_puts(t, step->flaw == FLAW_UNKNOWN_VALUE ? "app_teleport" : event_names[v->last]);
    text_lit(t, "\",\"event_timestamp\":");
    model_put_time(step, model_time(step));
    text_lit(t, ",\"user_id\":");
    if (step->flaw == FLAW_WRONG_TYPE) {
        text_int(t, user); /* a number where text is due */
    } else {
        text_lit(t, "\"");
        catalogue_put_user_id(t, user);
        text_lit(t, "\"");
    }
    text_lit(t, ",\"session_id\":\"");
    text_uuid(t, &session);
    text_lit(t, "\",\"device_type\":\"");
    text_puts(t, devices[v->device]);
    text_lit(t, "\",\"city\":\"");
    text_puts(t, catalogue_user_city(user));
    text_lit(t, "\",\"properties\":{");
    put_properties(t, v, step);
    text_lit(t, "}}");
}

const struct model model_clickstream = {
    .name = "clickstream",
    .state_bytes = sizeof(struct clickstream),
    .begin = clickstream_begin,
    .end = clickstream_end,
    .record = clickstream_record,
};
