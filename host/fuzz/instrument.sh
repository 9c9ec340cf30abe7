#!/bin/sh
# Compiles this repository's crates so that libFuzzer sees where they go, and everything else as ever: what is built
# already serves. `FUZZ_OPT_LEVEL=3` pays for long runs. Works with the stable compiler:
#
#   RUSTC_WORKSPACE_WRAPPER=$PWD/host/fuzz/instrument.sh cargo build -p pelton-fuzz --features libfuzzer --bins
#
# `cargo fuzz`, which needs the nightly one, does the same for all crates, and adds AddressSanitizer.
rustc=$1
shift
case " $* " in
  *" build_script_build "* | *" proc-macro "* | *" - "*) exec "$rustc" "$@" ;;
esac
exec "$rustc" "$@" \
  -Cpasses=sancov-module \
  -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
  -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares \
  -Copt-level="${FUZZ_OPT_LEVEL:-1}" -Cdebug-assertions=on -Coverflow-checks=on
