{{ config(enabled='daily_event_counts' in var('clevertap_tables')) }}
{# The same rule as in source_clevertap/completeness.sql: the day of ts, without the newest day, which is growing. #}
with counts as (
  select event_name, date as day, max(rows_read.count) as counted
  from {{ source('clevertap', 'daily_event_counts') }} as rows_read
  group by 1, 2
),
ends as (
  select min(day) as first_day, max(day) as last_day from counts
),
delivered as (
  select event_name, event_day as day, count(*) as delivered
  from {{ ref('clevertap__events') }}
  where event_time is not null
  group by 1, 2
),
keys as (
  select distinct event_name, day
  from (select event_name, day from counts union all select event_name, day from delivered) as either
)
select
  keys.event_name,
  keys.day,
  coalesce(counts.counted, 0) as counted,
  coalesce(delivered.delivered, 0) as delivered,
  coalesce(counts.counted, 0) - coalesce(delivered.delivered, 0) as missing,
  100.0 * abs(coalesce(counts.counted, 0) - coalesce(delivered.delivered, 0))
    / greatest(coalesce(counts.counted, 0), coalesce(delivered.delivered, 0)) as percent_off
from keys
join ends on keys.day >= ends.first_day and keys.day < ends.last_day
left join counts on counts.event_name = keys.event_name and counts.day = keys.day
left join delivered on delivered.event_name = keys.event_name and delivered.day = keys.day
where greatest(coalesce(counts.counted, 0), coalesce(delivered.delivered, 0)) > 0
  and (
    keys.event_name in (select event_name from delivered)
    or keys.event_name not in ({% for name in var('not_exported') + [''] %}'{{ name | replace("'", "''") }}'{{ ', ' if not loop.last }}{% endfor %})
  )
