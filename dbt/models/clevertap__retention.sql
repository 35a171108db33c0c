with user_weeks as (
  select distinct profile_id, {{ monday('event_day') }} as week
  from {{ ref('clevertap__events') }}
  where event_time is not null
),
cohorts as (
  select profile_id, min(week) as cohort_week from user_weeks group by 1
),
sizes as (
  select cohort_week, count(*) as cohort_users from cohorts group by 1
),
weeks as (
  select distinct {{ monday('day') }} as week from {{ ref('clevertap__daily_activity') }}
),
last_day as (
  select max(day) as day from {{ ref('clevertap__daily_activity') }}
),
came_back as (
  select cohorts.cohort_week, user_weeks.week, count(*) as users
  from cohorts
  join user_weeks on user_weeks.profile_id = cohorts.profile_id
  group by 1, 2
)
select
  sizes.cohort_week,
  cast({{ dbt.datediff('sizes.cohort_week', 'weeks.week', 'day') }} / 7 as {{ dbt.type_int() }}) as week_number,
  sizes.cohort_users,
  coalesce(came_back.users, 0) as users,
  100.0 * coalesce(came_back.users, 0) / sizes.cohort_users as percent_of_cohort,
  {{ dbt.datediff('weeks.week', 'last_day.day', 'day') }} >= 6 as is_whole_week
from sizes
join weeks on weeks.week >= sizes.cohort_week
cross join last_day
left join came_back on came_back.cohort_week = sizes.cohort_week and came_back.week = weeks.week
