"""The command `source-clevertap`, also `python -m source_clevertap`."""

import gc

gc.set_threshold(100_000, 20, 100)  # as in components.py; the CDK's import creates many objects, and no garbage
from source_clevertap.run import run as main  # noqa: E402

if __name__ == "__main__":
    main()
