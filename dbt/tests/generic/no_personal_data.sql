{# Ten digits, or an @, in the properties of an event, but for CleverTap's own ids of sessions and messages. #}
{% test no_personal_data(model, column_name) %}
{{ config(severity='warn') }}
select event_name, count(*) as events
from (
  select event_name,
    {{ without(json_string(column_name), '"(CT Session Id|wzrk_[A-Za-z0-9_]*)": *("[^"]*"|[0-9]+)') }} as properties
  from {{ model }}
) as without_ids
where {{ contains('properties', '@|(^|[^0-9.])[0-9]{10}') }}
group by 1
{% endtest %}
