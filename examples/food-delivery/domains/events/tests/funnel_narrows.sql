SELECT * FROM funnel_conversion
WHERE NOT (sessions >= viewed_restaurant AND viewed_restaurant >= viewed_item AND viewed_item >= added_to_cart
           AND added_to_cart >= started_checkout AND started_checkout >= ordered AND conversion BETWEEN 0 AND 1)
