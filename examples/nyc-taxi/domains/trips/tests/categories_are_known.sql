SELECT trip_id, distance_category, fare_category, tip_category
FROM silver
WHERE distance_category NOT IN ('short', 'medium', 'long')
   OR fare_category NOT IN ('budget', 'standard', 'premium')
   OR tip_category NOT IN ('none', 'low', 'usual', 'generous')
   OR distance_category IS NULL OR fare_category IS NULL OR tip_category IS NULL
