//! Tests that need what a machine may not have: they are reported as skipped, or fail where that is asked for.
//!
//! With `PELTON_TEST_REQUIRE_KAFKA=1`, which `.ci/run` sets, nothing is skipped: what is missing fails the test.

use std::io::Write;

/// Prints `skipped: <test>: <reason>` where libtest doesn't swallow it, or panics where nothing may be skipped.
pub fn skip(test: &str, reason: &str) {
    assert!(!is_required(), "{test} must not be skipped here, but {reason}");
    // libtest captures what print! and eprint! write, and shows it for failed tests only.
    std::io::stderr().write_all(format!("skipped: {test}: {reason}\n").as_bytes()).unwrap();
}

/// Whether nothing may be skipped.
pub fn is_required() -> bool {
    std::env::var_os("PELTON_TEST_REQUIRE_KAFKA").is_some_and(|value| value == "1")
}

/// The path of the test that it is used in, as libtest prints it.
#[macro_export]
macro_rules! test_name {
    () => {{
        fn here() {}
        let path = std::any::type_name_of_val(&here);
        let path = path.trim_end_matches("::here");
        path.split_once("::").map_or(path, |(_, name)| name)
    }};
}
pub use crate::test_name;
