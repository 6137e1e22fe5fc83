# The course without a GPU, with the same two commands as everywhere:
#   docker build --tag course .
#   docker run --rm --init -p 127.0.0.1:8888:8888 -v course-learner:/course/learner course     (then the address that it prints)
#   docker run --rm course python course.py test --fast
FROM python:3.12-slim-bookworm AS base
# a C compiler for the fast scan on the CPU; git for the devcontainer
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home learner \
    && install --directory --owner learner /course /course/learner
USER learner
WORKDIR /course

FROM base AS course
COPY --chown=learner . .
RUN python course.py open --torch cpu --prepare-only
EXPOSE 8888
CMD ["python", "course.py", "open", "--no-browser", "--ip=0.0.0.0"]
