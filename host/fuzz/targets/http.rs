//! See `pelton_fuzz::http`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| pelton_fuzz::http::run(data));
