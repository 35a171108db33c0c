{#
  How many users went through events in this order, each later than the one before, all within some days of the
  first: step, event_name, users, percent_of_first, percent_of_previous. A user may try more than once.
#}
{% macro clevertap_funnel(events, within_days=7) %}
with step_1 as (
  select profile_id, event_time as entered_at, event_time as reached_at
  from {{ ref('clevertap', 'clevertap__events') }}
  where event_name = '{{ events[0] | replace("'", "''") }}' and event_time is not null
){% for event in events[1:] %},
step_{{ loop.index + 1 }} as (
  select earlier.profile_id, earlier.entered_at, min(events.event_time) as reached_at
  from step_{{ loop.index }} as earlier
  join {{ ref('clevertap', 'clevertap__events') }} as events
    on events.profile_id = earlier.profile_id
    and events.event_name = '{{ event | replace("'", "''") }}'
    and events.event_time > earlier.reached_at
    and {{ dbt.datediff('earlier.entered_at', 'events.event_time', 'second') }} <= {{ within_days * 86400 }}
  group by 1, 2
){% endfor %},
steps as (
{%- for event in events %}
  select {{ loop.index }} as step, '{{ event | replace("'", "''") }}' as event_name, count(distinct profile_id) as users
  from step_{{ loop.index }}
  {%- if not loop.last %} union all {% endif %}
{%- endfor %}
)
select step, event_name, users,
  100.0 * users / nullif(first_value(users) over (order by step rows unbounded preceding), 0) as percent_of_first,
  100.0 * users / nullif(lag(users) over (order by step), 0) as percent_of_previous
from steps
{% endmacro %}
