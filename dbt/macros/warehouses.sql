{# What each warehouse writes in its own way. Redshift's adapter falls back to Postgres, so it has its own of each. #}

{# The text of a key of a JSON object; null without it. #}
{% macro json_text(column, key) %}{{ adapter.dispatch('json_text', 'clevertap')(column, key) }}{% endmacro %}
{% macro default__json_text(column, key) %}json_extract_string({{ column }}, '$."{{ key | replace("'", "''") }}"'){% endmacro %}
{% macro postgres__json_text(column, key) %}({{ column }} ->> '{{ key | replace("'", "''") }}'){% endmacro %}
{% macro bigquery__json_text(column, key) %}json_value({{ column }}, '$."{{ key | replace("'", "\\'") }}"'){% endmacro %}
{% macro snowflake__json_text(column, key) %}cast(get({{ column }}, '{{ key | replace("'", "''") }}') as varchar){% endmacro %}
{% macro redshift__json_text(column, key) %}nullif(json_extract_path_text(json_serialize({{ column }}), '{{ key | replace("'", "''") }}', true), ''){% endmacro %}

{# A JSON value as text. #}
{% macro json_string(column) %}{{ adapter.dispatch('json_string', 'clevertap')(column) }}{% endmacro %}
{% macro default__json_string(column) %}cast({{ column }} as {{ dbt.type_string() }}){% endmacro %}
{% macro bigquery__json_string(column) %}to_json_string({{ column }}){% endmacro %}
{% macro snowflake__json_string(column) %}to_json({{ column }}){% endmacro %}
{% macro redshift__json_string(column) %}json_serialize({{ column }}){% endmacro %}

{# A number; null if the text is none. #}
{% macro as_number(text) %}{{ adapter.dispatch('as_number', 'clevertap')(text) }}{% endmacro %}
{% macro default__as_number(text) %}try_cast({{ text }} as double){% endmacro %}
{% macro postgres__as_number(text) %}case when {{ text }} ~ '^-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]{1,2})?$' then cast({{ text }} as {{ dbt.type_float() }}) end{% endmacro %}
{% macro bigquery__as_number(text) %}safe_cast({{ text }} as float64){% endmacro %}
{% macro snowflake__as_number(text) %}try_to_double({{ text }}){% endmacro %}
{% macro redshift__as_number(text) %}{{ clevertap.postgres__as_number(text) }}{% endmacro %}

{# Whether a text contains what a regular expression says. #}
{% macro contains(text, pattern) %}{{ adapter.dispatch('contains', 'clevertap')(text, pattern) }}{% endmacro %}
{% macro default__contains(text, pattern) %}regexp_matches({{ text }}, '{{ pattern }}'){% endmacro %}
{% macro postgres__contains(text, pattern) %}({{ text }} ~ '{{ pattern }}'){% endmacro %}
{% macro bigquery__contains(text, pattern) %}regexp_contains({{ text }}, r'{{ pattern }}'){% endmacro %}
{% macro snowflake__contains(text, pattern) %}(regexp_instr({{ text }}, '{{ pattern }}') > 0){% endmacro %}
{% macro redshift__contains(text, pattern) %}({{ text }} ~ '{{ pattern }}'){% endmacro %}

{# A text without what a regular expression says. #}
{% macro without(text, pattern) %}{{ adapter.dispatch('without', 'clevertap')(text, pattern) }}{% endmacro %}
{% macro default__without(text, pattern) %}regexp_replace({{ text }}, '{{ pattern }}', '', 'g'){% endmacro %}
{% macro bigquery__without(text, pattern) %}regexp_replace({{ text }}, r'{{ pattern }}', ''){% endmacro %}
{% macro snowflake__without(text, pattern) %}regexp_replace({{ text }}, '{{ pattern }}', ''){% endmacro %}
{% macro redshift__without(text, pattern) %}regexp_replace({{ text }}, '{{ pattern }}', ''){% endmacro %}

{# A column as Airbyte writes it: in Postgres with CleverTap's capital letters; in Redshift without, and identity is a reserved word. #}
{% macro raw(column) %}{{ adapter.dispatch('raw', 'clevertap')(column) }}{% endmacro %}
{% macro default__raw(column) %}{{ column }}{% endmacro %}
{% macro postgres__raw(column) %}"{{ column }}"{% endmacro %}
{% macro redshift__raw(column) %}"{{ column | lower }}"{% endmacro %}

{# When a row was written, in the column that Airbyte or make sync adds. #}
{% macro loaded_at() %}{{ adapter.dispatch('loaded_at', 'clevertap')() }}{% endmacro %}
{% macro default__loaded_at() %}_airbyte_extracted_at{% endmacro %}
{% macro duckdb__loaded_at() %}_synced_at{% endmacro %}
