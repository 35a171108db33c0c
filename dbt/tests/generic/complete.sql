{# The days on which rows and counts differ; what counts is the percentage of the worst of them, rounded up. #}
{% test complete(model) %}
{{ config(severity='error', warn_if='> 0', error_if='> 5', fail_calc='coalesce(ceil(max(percent_off)), 0)') }}
select * from {{ model }} where missing <> 0
{% endtest %}
