"""The command `source-clevertap`, also `python -m source_clevertap`."""

import gc
from contextlib import suppress

# A page is some hundred thousand objects, and the CDK as many, none of them in a cycle: at Python's 700
# all are searched for cycles hundreds of times.
GC_THRESHOLD = (100_000, 20, 100)


def main() -> None:
    """Runs the connector."""
    gc.set_threshold(*GC_THRESHOLD)  # before the CDK is imported: that takes most of the start-up
    with suppress(ImportError):
        # The CDK's serializers parse the source of each message class for its comments, at each start: a
        # third of a second, for a JSON schema that is not used.
        import attributes_doc

        attributes_doc.get_attributes_doc = lambda _: {}  # type: ignore[assignment]
    from source_clevertap.run import run

    run()


if __name__ == "__main__":
    main()
