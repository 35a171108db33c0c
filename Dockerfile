# The connector as an Airbyte image. Default base: Airbyte's own (Python 3.13, user airbyte), the one
# that airbyte-python-cdk builds its manifest-only image on.
ARG BASE_IMAGE=docker.io/airbyte/python-connector-base:4.1.0@sha256:1d1aa21d34e851df4e8a87b391c27724c06e2597608e7161f4d167be853bd7b6
FROM ${BASE_IMAGE}

USER root
WORKDIR /airbyte/integration_code
COPY requirements/run.txt requirements/run.txt
RUN python -m pip install --no-cache-dir --require-hashes -r requirements/run.txt

# manifest.yaml and components.py are next to the package, as in the repository.
COPY manifest.yaml components.py ./
COPY source_clevertap source_clevertap
RUN rm -rf source_clevertap/report source_clevertap/sandbox source_clevertap/sync.py source_clevertap/landing.py \
    && python -m compileall -q components.py source_clevertap

# Nothing is written to disk, so the root file system can be read-only. (Without /dev/shm it is /tmp.)
ENV TMPDIR=/dev/shm

# One heap for all threads. A page of 30 MB has a mapping of its own, which is returned when it is freed.
ENV MALLOC_ARENA_MAX=1 \
    MALLOC_MMAP_THRESHOLD_=1048576 \
    PYTHONPATH=/airbyte/integration_code \
    PYTHONDONTWRITEBYTECODE=1 \
    AIRBYTE_ENTRYPOINT="python -m source_clevertap"
USER airbyte
ENTRYPOINT ["python", "-m", "source_clevertap"]

LABEL io.airbyte.name=airbyte/source-clevertap
LABEL io.airbyte.version=0.1.0
