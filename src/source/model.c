#include "source/model.h"

void text_int(struct text *t, int64_t v)
{
    char digits[24], *p = digits + sizeof(digits);
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    do
        *--p = (char)('0' + u % 10);
    while (u /= 10);
    if (v < 0)
        *--p = '-';
    text_add(t, p, (size_t)(digits + sizeof(digits) - p));
}

void text_padded(struct text *t, uint32_t v, unsigned digits)
{
    char text[10];

    IG_ASSERT(digits <= sizeof(text));
    for (unsigned i = digits; i-- > 0; v /= 10)
        text[i] = (char)('0' + v % 10);
    if (v) { /* more digits than asked for */
        text_int(t, v);
    }
    text_add(t, text, digits);
}

void text_cents(struct text *t, int64_t cents)
{
    if (cents < 0) {
        text_lit(t, "-");
        cents = -cents;
    }
    text_int(t, cents / 100);
    text_lit(t, ".");
    text_padded(t, (uint32_t)(cents % 100), 2);
}

void text_time(struct text *t, int64_t us)
{
    const int32_t date = timestamp_date(us);
    const int64_t ms = (us - date * US_PER_DAY) / 1000;
    unsigned month, day;
    int year;

    date_to_civil(date, &year, &month, &day);
    text_lit(t, "\"");
    text_padded(t, (uint32_t)year, 4);
    text_lit(t, "-");
    text_padded(t, month, 2);
    text_lit(t, "-");
    text_padded(t, day, 2);
    text_lit(t, "T");
    text_padded(t, (uint32_t)(ms / 3600000), 2);
    text_lit(t, ":");
    text_padded(t, (uint32_t)(ms / 60000 % 60), 2);
    text_lit(t, ":");
    text_padded(t, (uint32_t)(ms / 1000 % 60), 2);
    text_lit(t, ".");
    text_padded(t, (uint32_t)(ms % 1000), 3);
    text_lit(t, "Z\"");
}

void text_uuid(struct text *t, struct chance *c)
{
    static const char hex[] = "0123456789abcdef";
    uint64_t half[2] = {chance_next(c), chance_next(c)};
    char text[36];
    unsigned at = 0;

    half[0] = (half[0] & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    half[1] = (half[1] & ~(UINT64_C(3) << 62)) | (UINT64_C(2) << 62);
    for (unsigned i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            text[at++] = '-';
        text[at++] = hex[(half[i / 16] >> (60 - 4 * (i % 16))) & 15];
    }
    text_add(t, text, sizeof(text));
}

int64_t model_time(const struct model_step *step)
{
    const int64_t us = step->time_us - step->late_us;

    return us < step->first_us ? step->first_us : us;
}

void model_put_time(const struct model_step *step, int64_t us)
{
    switch (step->flaw) {
    case FLAW_BAD_TIME:
        text_lit(step->out, "\"yesterday\"");
        break;
    case FLAW_OLD_TIME:
        text_lit(step->out, "\"2009-01-01T00:00:00.000Z\"");
        break;
    default:
        text_time(step->out, us);
    }
}

/* --- the catalogue ----------------------------------------------------------------------------------------- */

/* Everything here follows from the numbers alone, never from a seed: all domains of a project agree on it. */
static uint32_t mix(uint32_t a, uint32_t b, uint32_t what)
{
    struct chance c = chance_of(((uint64_t)a << 32) | b, what + 1);

    return (uint32_t)(chance_next(&c) >> 32);
}

static const char *const cities[] = {"Amsterdam", "Berlin", "Lisbon", "London", "Madrid", "Paris", "Vienna", "Warsaw"};

static const char *const first_words[] = {"Golden", "Little", "Old", "Green", "Happy", "Royal", "Corner", "Blue"};

/* Three dishes a cuisine and category: main, side, drink, dessert. */
static const struct cuisine {
    const char *name, *place;
    const char *dishes[12];
} cuisines[] = {
    {"italian",
     "Trattoria",
     {"Margherita", "Carbonara", "Lasagne", "Bruschetta", "Focaccia", "Caprese", "Limonata", "Espresso", "Chinotto",
      "Tiramisu", "Panna cotta", "Gelato"}},
    {"japanese",
     "Izakaya",
     {"Sushi set", "Ramen", "Katsu curry", "Edamame", "Gyoza", "Miso soup", "Green tea", "Yuzu soda", "Oolong", "Mochi",
      "Dorayaki", "Matcha cake"}},
    {"mexican",
     "Cantina",
     {"Burrito", "Tacos al pastor", "Enchiladas", "Nachos", "Guacamole", "Elote", "Horchata", "Jarritos", "Agua fresca",
      "Churros", "Flan", "Tres leches"}},
    {"indian",
     "Palace",
     {"Butter chicken", "Chana masala", "Biryani", "Naan", "Samosa", "Raita", "Mango lassi", "Masala chai",
      "Nimbu soda", "Gulab jamun", "Kheer", "Kulfi"}},
    {"american",
     "Diner",
     {"Cheeseburger", "Club sandwich", "BBQ ribs", "Fries", "Onion rings", "Coleslaw", "Root beer", "Milkshake",
      "Iced tea", "Brownie", "Apple pie", "Cheesecake"}},
};
static const char *const categories[] = {"main", "side", "drink", "dessert"};
static const int64_t category_cents[] = {1100, 450, 300, 550};

const char *catalogue_city(uint32_t i)
{
    return cities[i % IG_COUNT(cities)];
}

const char *catalogue_restaurant_city(uint32_t restaurant)
{
    return cities[restaurant % IG_COUNT(cities)];
}

static const struct cuisine *cuisine_of(uint32_t restaurant)
{
    return &cuisines[mix(restaurant, 0, 0) % IG_COUNT(cuisines)];
}

const char *catalogue_cuisine(uint32_t restaurant)
{
    return cuisine_of(restaurant)->name;
}

void catalogue_put_restaurant_name(struct text *t, uint32_t restaurant)
{
    text_puts(t, first_words[mix(restaurant, 0, 1) % IG_COUNT(first_words)]);
    text_lit(t, " ");
    text_puts(t, cuisine_of(restaurant)->place);
    text_lit(t, " ");
    text_int(t, restaurant + 1);
}

uint32_t catalogue_menu_size(uint32_t restaurant)
{
    return CATALOGUE_MENU_MIN + mix(restaurant, 0, 2) % (CATALOGUE_MENU_MAX - CATALOGUE_MENU_MIN + 1);
}

struct catalogue_item catalogue_item(uint32_t restaurant, uint32_t item)
{
    /* 5 and 12 have no common factor, so a menu has no dish twice. */
    const uint32_t dish = (mix(restaurant, 0, 3) + 5 * item) % 12;
    const uint32_t category = dish / 3;

    return (struct catalogue_item){
        .name = cuisine_of(restaurant)->dishes[dish],
        .category = categories[category],
        .cents = category_cents[category] + (int64_t)(mix(restaurant, item, 4) % 80) * 10,
    };
}

void catalogue_put_restaurant_id(struct text *t, uint32_t restaurant)
{
    text_lit(t, "rest_");
    text_padded(t, restaurant + 1, 3);
}

void catalogue_put_item_id(struct text *t, uint32_t restaurant, uint32_t item)
{
    text_lit(t, "item_");
    text_padded(t, restaurant + 1, 3);
    text_lit(t, "_");
    text_padded(t, item + 1, 2);
}

void catalogue_put_user_id(struct text *t, uint32_t user)
{
    text_lit(t, "user_");
    text_padded(t, user + 1, 5);
}

const char *catalogue_user_city(uint32_t user)
{
    return cities[mix(user, 0, 5) % IG_COUNT(cities)];
}
