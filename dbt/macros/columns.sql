{# [event, property, whether it is a number, its column] for each entry of vars: event_properties. #}
{% macro property_columns() %}
  {%- set found = [] -%}
  {%- for event, properties in var('event_properties').items() -%}
    {%- for property in properties -%}
      {%- set name = property.keys() | first if property is mapping else property -%}
      {%- set number = property is mapping and property[name] == 'number' -%}
      {%- set column = modules.re.sub('[^a-z0-9]+', '_', name | lower) -%}
      {%- do found.append([event, name, number, column]) -%}
    {%- endfor -%}
  {%- endfor -%}
  {{ return(found) }}
{% endmacro %}

{# The columns among them, each once: events may share one. #}
{% macro property_names() %}{{ return(property_columns() | map('last') | unique | list) }}{% endmacro %}

{# A property of an event, as number if it says so. #}
{% macro property_value(event, name, number) -%}
  when event_name = '{{ event | replace("'", "''") }}' then {% set text = json_text('event_props', name) -%}
  {{ as_number(text) if number else text }}
{%- endmacro %}

{# The day of CleverTap's YYYYMMDDhhmmss. #}
{% macro day_of(ts) -%}
  cast(substring({{ ts }}, 1, 4) || '-' || substring({{ ts }}, 5, 2) || '-' || substring({{ ts }}, 7, 2) as date)
{%- endmacro %}

{# Monday of the week, whatever day the warehouse starts weeks on. 1 January 2001 was a Monday. #}
{% macro monday(day) -%}
  {%- set days = dbt.datediff("cast('2001-01-01' as date)", day, 'day') -%}
  cast({{ dbt.dateadd('day', '7 * cast(floor((' ~ days ~ ') / 7.0) as ' ~ dbt.type_int() ~ ')', "cast('2001-01-01' as date)") }} as date)
{%- endmacro %}

{# The newest row of each key. #}
{% macro newest(relation, key) %}
  select * from (
    select source_rows.*, row_number() over (partition by {{ key }} order by {{ loaded_at() }} desc) as place
    from {{ relation }} as source_rows
  ) as copies where place = 1
{% endmacro %}

{# All days from the first to the last that a relation has in event_day: at most 4,096, of eleven years. #}
{% macro days_of(relation) %}
  {%- set number = 'cast(numbers.generated_number as ' ~ dbt.type_int() ~ ')' -%}
  select cast({{ dbt.dateadd('day', number ~ ' - 1', 'ends.first_day') }} as date) as day
  from ({{ dbt.generate_series(4096) }}) as numbers
  cross join (select min(event_day) as first_day, max(event_day) as last_day from {{ relation }}) as ends
  where {{ number }} <= {{ dbt.datediff('ends.first_day', 'ends.last_day', 'day') }} + 1
{% endmacro %}
