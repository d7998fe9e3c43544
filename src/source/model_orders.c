/*
 * Orders as a change feed of a shop's table tells them: every change of an order is a record with the whole order.
 * created_at and items stay, status and updated_at change: placed, confirmed, preparing, out_for_delivery, delivered;
 * some are cancelled before they are under way.
 */
#include "source/model.h"

enum status { PLACED, CONFIRMED, PREPARING, OUT_FOR_DELIVERY, DELIVERED, CANCELLED, STATUS_COUNT };

static const struct {
    const char *name;
    enum status next;
    uint8_t cancelled_percent; /* how many go from here to CANCELLED */
    uint8_t steps_left;
} statuses[STATUS_COUNT] = {
    [PLACED] = {"placed", CONFIRMED, 5, 4},
    [CONFIRMED] = {"confirmed", PREPARING, 3, 3},
    [PREPARING] = {"preparing", OUT_FOR_DELIVERY, 1, 2},
    [OUT_FOR_DELIVERY] = {"out_for_delivery", DELIVERED, 0, 1},
    [DELIVERED] = {"delivered", DELIVERED, 0, 0},
    [CANCELLED] = {"cancelled", CANCELLED, 0, 0},
};

#define OPEN_MAX 24
#define OPEN_USUAL 12
#define ITEMS_MAX 5

struct order {
    struct chance id, content; /* the same text at every change */
    int64_t created_us, late_us;
    uint32_t user, restaurant;
    enum status status;
};

struct orders {
    struct order open[OPEN_MAX]; /* oldest first */
    uint32_t n_open, steps_open;
};

static const char *const methods[] = {"card", "paypal", "apple_pay", "cash"};

static void orders_begin(void *state, const struct model_setup *setup, struct chance *chance)
{
    (void)state;
    (void)setup;
    (void)chance;
}

static void orders_end(void *state)
{
    (void)state;
}

static void place(struct orders *s, const struct model_setup *setup, struct model_step *step)
{
    struct order *o = &s->open[s->n_open++];

    *o = (struct order){
        .id = {chance_next(step->chance)},
        .content = {chance_next(step->chance)},
        .created_us = model_time(step),
        .late_us = step->late_us, /* the app was offline: the order's whole life is reported late */
        .user = chance_below(step->chance, (uint32_t)setup->users),
        .restaurant = chance_below(step->chance, CATALOGUE_RESTAURANTS),
        .status = PLACED,
    };
    s->steps_open += statuses[PLACED].steps_left;
}

static void change(struct orders *s, struct order *o, struct chance *chance)
{
    s->steps_open -= statuses[o->status].steps_left;
    if (chance_below(chance, 100) < statuses[o->status].cancelled_percent)
        o->status = CANCELLED;
    else
        o->status = statuses[o->status].next;
    s->steps_open += statuses[o->status].steps_left;
}

static void put_item(struct text *t, const struct order *o, uint32_t item, uint32_t quantity)
{
    const struct catalogue_item dish = catalogue_item(o->restaurant, item);

    text_lit(t, "{\"item_id\":\"");
    catalogue_put_item_id(t, o->restaurant, item);
    text_lit(t, "\",\"name\":\"");
    text_puts(t, dish.name);
    text_lit(t, "\",\"quantity\":");
    text_int(t, quantity);
    text_lit(t, ",\"unit_price\":");
    text_cents(t, dish.cents);
    text_lit(t, "}");
}

/* Returns the sum. */
static int64_t put_items(struct text *t, const struct order *o, struct chance *content)
{
    const uint32_t menu = catalogue_menu_size(o->restaurant);
    const uint32_t n = 1 + chance_below(content, ITEMS_MAX);
    const uint32_t first = chance_below(content, menu);
    int64_t cents = 0;

    text_lit(t, "\"items\":[");
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t item = (first + i) % menu;
        const uint32_t quantity = 1 + chance_below(content, 3) / 2;

        if (i)
            text_lit(t, ",");
        put_item(t, o, item, quantity);
        cents += catalogue_item(o->restaurant, item).cents * quantity;
    }
    text_lit(t, "]");
    return cents;
}

static void put_sums(struct text *t, int64_t items_cents, struct chance *content, enum flaw flaw)
{
    const int64_t fee = 199 + 50 * (int64_t)chance_below(content, 5);
    const int64_t tip = chance_below(content, 3) == 0 ? 100 * (int64_t)(1 + chance_below(content, 4)) : 0;

    text_lit(t, ",\"subtotal\":");
    text_cents(t, items_cents);
    text_lit(t, ",\"delivery_fee\":");
    text_cents(t, fee);
    text_lit(t, ",\"tip\":");
    text_cents(t, tip);
    text_lit(t, ",\"total\":");
    if (flaw == FLAW_WRONG_TYPE)
        text_lit(t, "-1.00"); /* an amount that cannot be */
    else
        text_cents(t, items_cents + fee + tip);
    text_lit(t, ",\"currency\":\"EUR\",\"payment_method\":\"");
    text_puts(t, methods[chance_below(content, IG_COUNT(methods))]);
    text_lit(t, "\"");
}

static void put_order(const struct order *o, const struct model_step *step)
{
    struct text *t = step->out;
    struct chance id = o->id, content = o->content;
    int64_t cents, updated_us = step->time_us - o->late_us;

    if (updated_us < o->created_us)
        updated_us = o->created_us;
    text_lit(t, "{");
    if (step->flaw != FLAW_NO_ID) {
        text_lit(t, "\"order_id\":\"");
        text_uuid(t, &id);
        text_lit(t, "\",");
    }
    text_lit(t, "\"user_id\":\"");
    catalogue_put_user_id(t, o->user);
    text_lit(t, "\",\"restaurant_id\":\"");
    catalogue_put_restaurant_id(t, o->restaurant);
    text_lit(t, "\",\"status\":\"");
    text_puts(t, step->flaw == FLAW_UNKNOWN_VALUE ? "eaten" : statuses[o->status].name);
    text_lit(t, "\",");
    cents = put_items(t, o, &content);
    put_sums(t, cents, &content, step->flaw);
    text_lit(t, ",\"created_at\":");
    model_put_time(step, o->created_us);
    text_lit(t, ",\"updated_at\":");
    text_time(t, updated_us);
    text_lit(t, "}");
}

static void orders_record(void *state, const struct model_setup *setup, struct model_step *step)
{
    struct orders *s = state;
    /* Before the state starts afresh every order comes to its end. */
    const bool closing = (int64_t)s->steps_open + 4 >= step->left;
    const bool placing = s->n_open == 0 || (!closing && s->n_open < OPEN_MAX &&
                                            chance_below(step->chance, 5 * OPEN_USUAL) < 2 * OPEN_USUAL - s->n_open);
    uint32_t at = s->n_open;

    if (placing) {
        place(s, setup, step);
    } else {
        /* Mostly the oldest. */
        at = chance_below(step->chance, s->n_open);
        at = chance_below(step->chance, at + 1);
        change(s, &s->open[at], step->chance);
    }
    put_order(&s->open[at], step);
    if (statuses[s->open[at].status].steps_left == 0) {
        s->n_open--;
        memmove(&s->open[at], &s->open[at + 1], (s->n_open - at) * sizeof(s->open[0]));
    }
}

const struct model model_orders = {
    .name = "orders",
    .state_bytes = sizeof(struct orders),
    .begin = orders_begin,
    .end = orders_end,
    .record = orders_record,
};
