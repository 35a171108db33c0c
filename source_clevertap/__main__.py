"""The command `source-clevertap`, also `python -m source_clevertap`."""

import gc

# A page and the CDK have some hundred thousand objects each, and none is in a cycle. With Python's
# default of 700, all of them are searched for cycles hundreds of times.
GC_THRESHOLD = (100_000, 20, 100)


def main() -> None:
    """Runs the connector."""
    gc.set_threshold(*GC_THRESHOLD)  # before the CDK is imported, which takes most of the start-up
    from source_clevertap.run import run

    run()


if __name__ == "__main__":
    main()
