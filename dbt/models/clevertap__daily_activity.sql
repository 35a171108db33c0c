with user_days as (
  select event_day, profile_id, count(*) as events, sum(revenue) as revenue
  from {{ ref('clevertap__events') }}
  where event_time is not null
  group by 1, 2
),
first_days as (
  select profile_id, min(event_day) as first_day from user_days group by 1
),
days as ({{ days_of('user_days') }}),
daily as (
  select user_days.event_day,
    count(distinct user_days.profile_id) as users,
    count(distinct case when first_days.first_day = user_days.event_day then user_days.profile_id end) as new_users,
    cast(sum(user_days.events) as {{ dbt.type_bigint() }}) as events,
    sum(user_days.revenue) as revenue
  from user_days
  left join first_days on first_days.profile_id = user_days.profile_id
  group by 1
),
recent as (
  select days.day,
    count(distinct case
      when {{ dbt.datediff('user_days.event_day', 'days.day', 'day') }} < 7 then user_days.profile_id
    end) as users_7_days,
    count(distinct user_days.profile_id) as users_28_days
  from days
  join user_days
    on user_days.event_day <= days.day
    and {{ dbt.datediff('user_days.event_day', 'days.day', 'day') }} < 28
  group by 1
)
select
  days.day,
  coalesce(daily.users, 0) as users,
  coalesce(daily.new_users, 0) as new_users,
  coalesce(daily.users - daily.new_users, 0) as returning_users,
  coalesce(recent.users_7_days, 0) as users_7_days,
  coalesce(recent.users_28_days, 0) as users_28_days,
  coalesce(daily.events, 0) as events,
  coalesce(daily.revenue, 0) as revenue
from days
left join daily on daily.event_day = days.day
left join recent on recent.day = days.day
