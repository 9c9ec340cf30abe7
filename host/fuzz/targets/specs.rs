//! See `pelton_fuzz::specs`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| pelton_fuzz::specs::run(data));
