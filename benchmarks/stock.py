"""The manifest with stock components only, as far as the CDK has them: what we are compared with.

POST pages too (CleverTap lets one), for a stock requester has one method. Its error handling is a
part of ours, so as not to be slower for more work: each predicate decodes the page again.
"""

from typing import Any

import yaml

from source_clevertap.run import definition_file

FILTERS: list[dict[str, Any]] = [
    {"predicate": "{{ response.get('code') == 2 }}", "action": "RETRY"},
    {"http_codes": [429], "action": "RATE_LIMITED"},
    {"predicate": "{{ response.get('status') == 'fail' }}", "action": "FAIL"},
]


def stock_manifest() -> dict[str, Any]:
    """manifest.yaml with every custom component replaced by its stock counterpart."""
    manifest: dict[str, Any] = yaml.safe_load(definition_file("manifest.yaml").read_text())
    definitions = manifest["definitions"]
    definitions["error_handler"] = {
        "type": "DefaultErrorHandler",
        "response_filters": [{"type": "HttpResponseFilter", **f} for f in FILTERS],
    }
    requester = {
        **definitions["create_requester"],
        **definitions["profiles_retriever"]["requester"]["create_requester"],  # its URL
        "$ref": "#/definitions/base_requester",
    }
    first_page_only = "{{ '%s' if not next_page_token else '' }}"
    requester["request_parameters"] = {
        name: first_page_only % value
        for name, value in (
            ("batch_size", "4991"),
            ("app", "true"),
            ("events", "true"),
            ("profile", "true"),
        )
    }
    retriever = definitions["two_step_retriever"]
    retriever["requester"] = requester
    del retriever["request_window_splitting"]
    retriever["partition_router"] = {
        "type": "ListPartitionRouter",
        "cursor_field": "event_name",
        "values": ["App Launched"],
    }
    retriever["record_selector"]["extractor"] = {
        "type": "DpathExtractor",
        "field_path": ["records"],
    }
    profile_id = "{{ record.get('identity') or record.get('objectId') or record['platformInfo'][0].get('objectId') }}"
    manifest["streams"] = [{"$ref": "#/definitions/streams/profiles"}]
    del definitions["streams"]["events"]
    profiles = definitions["streams"]["profiles"]
    del profiles["state_migrations"]
    profiles["retriever"] = {"$ref": "#/definitions/two_step_retriever"}
    profiles["transformations"] = [
        {
            "type": "AddFields",
            "fields": [
                {"path": ["profile_id"], "value": profile_id, "value_type": "string"},
                {"path": ["event_name"], "value": "{{ stream_partition['event_name'] }}"},
                {"path": ["active_through"], "value": "{{ stream_slice['end_time'] }}"},
            ],
        }
    ]
    return manifest
