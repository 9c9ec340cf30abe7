//! See `pelton_fuzz::rows`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| pelton_fuzz::rows::run(data));
