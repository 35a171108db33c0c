"""The command `source-clevertap`, also `python -m source_clevertap`."""

from source_clevertap.run import run as main

if __name__ == "__main__":
    main()
