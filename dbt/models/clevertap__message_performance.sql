{{ config(enabled='message_reports' in var('clevertap_tables')) }}
{# wzrk_id is the id of a message, alone or followed by _ and a day. The message with just that id comes first. #}
with reports as (
  select * from {{ ref('stg_clevertap__message_reports') }}
),
raised as (
  select wzrk_id, event_name, profile_id, revenue
  from {{ ref('clevertap__events') }}
  where wzrk_id is not null
),
ids as (
  select distinct wzrk_id from raised
),
attributed as (
  select coalesce(same.message_id, longer.message_id) as message_id, raised.*
  from raised
  join ids on ids.wzrk_id = raised.wzrk_id
  left join reports as same on same.message_id = ids.wzrk_id
  left join reports as longer on longer.message_id = {{ dbt.split_part('ids.wzrk_id', "'_'", 1) }}
),
sums as (
  select
    attributed.message_id,
    count(*) as attributed_events,
    count(distinct attributed.profile_id) as attributed_users,
    count(case when attributed.event_name = reports.conversion_event then 1 end) as conversions,
    sum(attributed.revenue) as revenue
  from attributed
  join reports on reports.message_id = attributed.message_id
  group by 1
)
select
  reports.*,
  100.0 * reports.viewed / nullif(reports.sent, 0) as viewed_percent,
  100.0 * reports.clicked / nullif(reports.viewed, 0) as clicked_percent,
  coalesce(sums.attributed_events, 0) as attributed_events,
  coalesce(sums.attributed_users, 0) as attributed_users,
  coalesce(sums.conversions, 0) as conversions,
  coalesce(sums.revenue, 0) as revenue
from reports
left join sums on sums.message_id = reports.message_id
