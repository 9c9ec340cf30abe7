# The pelton binary and the example jobs, run by a user without rights. Needs nothing from the host but a volume for
# /var/lib/pelton, which holds the submitted jobs.

# What Cargo must see to build the dependencies: manifests, and empty files where targets are. The same files give the
# same layer below, so that what it builds is built again only when a manifest changes.
FROM rust:1.95-bookworm AS manifests
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY guest-jobs guest-jobs
COPY host host
RUN rm -r host/crates/build/templates \
    && find guest-jobs -mindepth 2 -maxdepth 2 ! -path guest-jobs/sdk/rust -exec rm -r {} + \
    && find host guest-jobs -type f \
        ! -name Cargo.toml ! -name lib.rs ! -name main.rs ! -path 'host/benches/*.rs' ! -path 'host/fuzz/targets/*.rs' -exec rm {} + \
    && find host guest-jobs -type f -name '*.rs' -exec truncate --size 0 {} + \
    && echo 'fn main() {}' > host/src/main.rs

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY --from=manifests /src .
# OpenSSL is built along and goes into the binary, so that the image below needs none.
RUN cargo build --release --locked -p pelton --features vendored-openssl

COPY wit wit
COPY usr_jobs usr_jobs
COPY guest-jobs/sdk guest-jobs/sdk
COPY docs/compose docs/compose
COPY host host
# Cargo goes by the time of a file, and the stand-ins above are younger than what was just copied.
RUN find host wit -type f -exec touch {} + \
    && cargo build --release --locked -p pelton --features vendored-openssl

FROM debian:bookworm-slim
RUN groupadd --gid 10001 pelton \
    && useradd --uid 10001 --gid pelton --home-dir /var/lib/pelton --shell /usr/sbin/nologin pelton \
    && install --directory --owner pelton --group pelton /var/lib/pelton /usr_jobs
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/target/release/pelton /usr/local/bin/
COPY LICENSE /usr/share/doc/pelton/
COPY --chown=pelton:pelton usr_jobs /usr_jobs

USER pelton
# As environment, so that a config file's other settings and the flags of another command line still count. On this
# address the host starts with PELTON_TOKEN or PELTON_TOKEN_FILE only, or where PELTON_API__BEHIND_LOOPBACK vouches for
# the network.
ENV PELTON_LISTEN=0.0.0.0:8081 PELTON_USR_JOBS=/usr_jobs PELTON_DATA=/var/lib/pelton
VOLUME /var/lib/pelton
EXPOSE 8081
# A client command: it succeeds when the host answers, and finds the token where the host does.
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s CMD ["pelton", "list"]
ENTRYPOINT ["pelton"]
CMD ["run"]
