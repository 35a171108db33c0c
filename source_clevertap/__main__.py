"""The command `source-clevertap`, also `python -m source_clevertap`."""

import gc


def main() -> None:
    """Runs the connector."""
    gc.set_threshold(100_000, 20, 100)  # as components.py does, but before the CDK is imported
    from source_clevertap.run import run

    run()


if __name__ == "__main__":
    main()
